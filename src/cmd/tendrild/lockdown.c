/* SPDX-License-Identifier: Apache-2.0 */
#include "lockdown.h"

#include <stdio.h>

#include "agent.h"

#define PROBLEM     "lockdown"
#define NAMES_SHOWN 5

bool lockdown_has(const struct agent *agent, uint32_t identity)
{
	size_t count;
	const uint32_t *refused = datapath_policy_refused(agent->datapath, &count);

	for (size_t i = 0; i < count; i++)
		if (refused[i] == identity)
			return true;
	return false;
}

/* "default/web, default/db and 3 more" */
static void name_workloads(const struct agent *agent, char *buf, size_t room)
{
	size_t length = 0, named = 0, more = 0;

	for (const struct workload *workload = endpoints_first(agent->endpoints); workload;
	     workload = workload->next) {
		if (!lockdown_has(agent, workload->identity))
			continue;
		if (named == NAMES_SHOWN || length >= room) {
			more++;
			continue;
		}
		length += (size_t)snprintf(buf + length, room - length, "%s%s%s%s",
					   named ? ", " : "", workload->namespace,
					   *workload->namespace ? "/" : "", workload->name);
		named++;
	}
	if (more && length < room)
		snprintf(buf + length, room - length, " and %zu more", more);
}

bool lockdown_report(struct agent *agent)
{
	char names[1024] = "workloads no longer there";
	size_t count;

	datapath_policy_refused(agent->datapath, &count);
	if (!count) {
		problem_clear(&agent->problems, PROBLEM);
		return false;
	}
	name_workloads(agent, names, sizeof(names));
	problem_set(&agent->problems, PROBLEM,
		    "they pass nothing until it fits; everybody else is not concerned",
		    "raise maps.policy or maps.class and restart tendrild, or use fewer or "
		    "simpler policies",
		    "the policy of %s does not fit into the kernel's tables", names);
	return true;
}
