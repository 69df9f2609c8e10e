/* SPDX-License-Identifier: Apache-2.0 */
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
			{"FROM", "file", NULL},
			{"LINE", "line", NULL},
			{},
		},
};

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	return listing_run(cli, verb, &listing, argc, argv);
}

const struct verb verb_policy = {
	.name = "policy",
	.summary = "list policies and their rules",
	.synopsis = "list [-o table|json]",
	.help = "Lists the policies in force, where each was written, and how many workloads it selects.",
	.arguments = "list",
	.options = listing_options,
	.run = run,
};
