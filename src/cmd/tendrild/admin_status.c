/* SPDX-License-Identifier: Apache-2.0 */
/* One answer that says whether the node is well, and if not, what to do. */
#include "admin.h"

#include <net/if.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "admin_json.h"
#include "agent.h"
#include "base/address.h"
#include "sources.h"

/* A map this full is worth a word before it refuses. */
#define FULL_PERCENT 90

static json_t *time_json(int64_t seconds)
{
	char text[32];
	time_t time = (time_t)seconds;
	struct tm tm;

	if (!seconds)
		return json_null();
	gmtime_r(&time, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *endpoints_json(const struct agent *agent)
{
	json_int_t states[3] = {}, unknown = 0;

	for (const struct workload *workload = endpoints_first(agent->endpoints); workload;
	     workload = workload->next) {
		states[workload->state]++;
		unknown += workload->state == ENDPOINT_READY && workload->identity == TD_ID_INIT;
	}
	return json_pack("{s:I, s:I, s:I, s:I}", "ready", states[ENDPOINT_READY], "creating",
			 states[ENDPOINT_CREATING], "deleting", states[ENDPOINT_DELETING],
			 "without_object", unknown);
}

static json_t *objects_json(const struct agent *agent)
{
	json_t *json = json_object();

	for (unsigned int kind = 0; kind < OBJECT_ENDPOINT; kind++)
		json_object_set_new(json, object_kind_name(kind),
				    json_integer((json_int_t)store_count(agent->store, kind)));
	return json;
}

static int count_identity(const struct identity *identity, void *data)
{
	*(json_int_t *)data += identity->number >= TD_ID_POD_MIN && identity->refs;
	return 0;
}

static json_t *family_json(const struct agent *agent, int family, const struct prefix *prefix)
{
	char text[PREFIX_TEXT_MAX];

	if (address_is_zero(&prefix->addr))
		return json_null();
	return json_pack("{s:s, s:I, s:I}", "prefix", prefix_format(prefix, text), "used",
			 (json_int_t)ipam_used(agent->ipam, family), "capacity",
			 (json_int_t)ipam_capacity(agent->ipam, family));
}

static json_t *addresses_json(const struct agent *agent)
{
	json_t *json = json_array();
	char text[ADDRESS_TEXT_MAX];
	const struct td_addr *addresses;
	size_t count = 0;

	addresses = agent->datapath ? datapath_host_addresses(agent->datapath, &count) : NULL;
	for (size_t i = 0; i < count; i++)
		json_array_append_new(json, json_string(address_format(&addresses[i], text)));
	return json;
}

static json_t *regenerate_json(const struct agent *agent)
{
	struct regenerate_stats stats = regenerate_stats(agent->regenerate);

	return json_pack("{s:o, s:I, s:I, s:I, s:b}", "last", time_json(stats.last_at),
			 "duration_us", (json_int_t)stats.last_us, "runs", (json_int_t)stats.runs,
			 "failures", (json_int_t)stats.failures, "pending", stats.dirty != 0);
}

struct audited {
	const struct agent *agent;
	json_int_t policies;
};

static int count_audited(const struct object *policy, void *data)
{
	struct audited *audited = data;

	audited->policies += policy_engine_is_audited(audited->agent->engine, policy);
	return 0;
}

/* Whether what policies deny is dropped, and whom they concern at all. */
static json_t *policy_json(const struct agent *agent)
{
	struct audited audited = { .agent = agent };
	json_int_t workloads = 0;

	if (!agent->modes)
		return json_null();
	for (unsigned int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		if (object_kind_is_policy((enum object_kind)kind))
			store_for_each(agent->store, (enum object_kind)kind, count_audited,
				       &audited);
	for (const struct workload *workload = endpoints_first(agent->endpoints); workload;
	     workload = workload->next)
		workloads += policy_modes_workload_audited(agent->modes, workload->namespace,
							   workload->name, NULL);
	return json_pack("{s:s, s:b, s:I, s:I}", "enforcement",
			 policy_enforcement_names[policy_modes_enforcement(agent->modes)], "audit",
			 policy_modes_node_audited(agent->modes), "audited_workloads", workloads,
			 "audited_policies", audited.policies);
}

static json_t *kernel_json(const struct agent *agent)
{
	struct utsname uts = {};

	uname(&uts);
	return json_pack("{s:s, s:s, s:b}", "release", uts.release, "machine", uts.machine,
			 "cgroup", *agent->settings.cgroup_root != '\0');
}

static void add_problem(json_t *problems, const char *what, const char *consequence,
			const char *remedy)
{
	json_array_append_new(problems, json_pack("{s:s, s:s, s:s}", "what", what, "consequence",
						  consequence, "do", remedy));
}

static void add_full_maps(json_t *problems, const json_t *maps)
{
	const json_t *map;
	size_t i;

	json_array_foreach (maps, i, map) {
		json_int_t used = json_integer_value(json_object_get(map, "used"));
		json_int_t max = json_integer_value(json_object_get(map, "max_entries"));
		char what[128];

		if (max < 2 || used * 100 < max * FULL_PERCENT)
			continue;
		snprintf(what, sizeof(what), "map %s is %d %% full",
			 json_string_value(json_object_get(map, "name")), (int)(used * 100 / max));
		add_problem(problems, what, "what does not fit is refused, never let through",
			    "raise its size under maps: in the configuration and restart tendrild");
	}
}

static void add_exhausted(json_t *problems, const struct agent *agent)
{
	for (int family = 4; family <= 6; family += 2) {
		uint64_t capacity = ipam_capacity(agent->ipam, family);
		char what[64];

		if (!capacity || ipam_used(agent->ipam, family) < capacity)
			continue;
		snprintf(what, sizeof(what), "no IPv%d address is left", family);
		add_problem(problems, what, "no new pod can start",
			    "delete pods, or give ipam a larger prefix and restart tendrild");
	}
}

/* A device may come later; one with a slip in its name never does. */
static void add_missing_devices(json_t *problems, const struct config_strings *devices)
{
	for (size_t i = 0; i < devices->count; i++) {
		char what[128];

		if (if_nametoindex(devices->items[i]))
			continue;
		snprintf(what, sizeof(what), "there is no device %.64s", devices->items[i]);
		add_problem(
			problems, what,
			"what leaves by another device is not masqueraded, and claimed addresses are "
			"not looked for there",
			"correct the key devices, or bring the device up");
	}
}

ADMIN_HANDLER(admin_status)
{
	struct agent *agent = data;
	const struct settings *settings = &agent->settings;
	json_t *problems = problems_json(&agent->problems);
	json_t *maps = admin_maps_json(agent);
	json_int_t identities = 0;

	identities_for_each(agent->identities, count_identity, &identities);
	add_full_maps(problems, maps);
	add_exhausted(problems, agent);
	add_missing_devices(problems, &settings->devices);
	sources_add_problems(agent->sources, problems);
	response->body = json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:I, s:b, s:o}", "version",
				   TENDRIL_VERSION, "node", settings->node_name, "cluster",
				   settings->cluster, "instance", settings->instance, "pid",
				   (json_int_t)getpid(), "since", time_json(agent->since),
				   "uptime_seconds", (json_int_t)(time(NULL) - agent->since),
				   "healthy", json_array_size(problems) == 0, "problems", problems);
	json_object_update_new(
		response->body,
		json_pack("{s:o, s:o, s:o, s:o, s:I, s:{s:o, s:o}, s:o, s:o, s:o, s:{s:b}}",
			  "policy", policy_json(agent), "addresses", addresses_json(agent),
			  "endpoints", endpoints_json(agent), "objects", objects_json(agent),
			  "identities", identities, "ipam", "ipv4",
			  family_json(agent, 4, &settings->ipv4), "ipv6",
			  family_json(agent, 6, &settings->ipv6), "maps", maps, "kernel",
			  kernel_json(agent), "regenerate", regenerate_json(agent), "observer",
			  "connected", tables_server_observers(agent->tables) > 0));
}
