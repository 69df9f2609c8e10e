/* SPDX-License-Identifier: Apache-2.0 */
/* tendril policy: what is in force, and tools that answer before and without a node. */
#include "admin.h"

static const struct listing listing = {
	.path = "/v1/policies",
	.field = "policies",
	.none = "no policies: everything is allowed",
	.columns =
		{
			{"KIND", "kind", NULL},
			{"NAMESPACE", "namespace", NULL},
			{"NAME", "name", NULL},
			{"RULES", "rules", NULL},
			{"SELECTS", "selects", NULL},
			{"AUDIT", "audit", cell_flag},
			{"REFERS TO NOTHING", "missing", NULL},
			{"FROM", "file", NULL},
			{"LINE", "line", NULL},
			{},
		},
};

static int run_list(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	return listing_run_plain(cli, verb, &listing, argc, argv);
}

const struct verb verb_policy_list = {
	.name = "policy list",
	.summary = "policies in force",
	.synopsis = "[-o table|json]",
	.help = "Lists the policies in force, where each was written, and how many workloads it selects.\n"
		"REFERS TO NOTHING names CIDR groups, Services and inventory groups that a policy refers\n"
		"to and that are not there: these references match nobody.",
	.options = listing_options,
	.run = run_list,
};

static const struct verb *const subs[] = {
	&verb_policy_list,
	&verb_policy_explain,
	&verb_policy_diff,
	&verb_policy_matrix,
	&verb_policy_lint,
	&verb_policy_verdicts,
	NULL,
};

const struct verb verb_policy = {
	.name = "policy",
	.summary = "list policies, explain, compare, draw and check them",
	.synopsis = "list|explain|diff|matrix|lint|verdicts ...",
	.help = "What policies do: those in force, who decided about a connection, what a change would\n"
		"change, who can reach whom, what is hardly meant, and whether collections of cases come\n"
		"out as expected.",
	.arguments = "list explain diff matrix lint verdicts",
	.subs = subs,
	.run = verb_run_sub,
};
