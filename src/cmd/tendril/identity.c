/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"

static const struct listing listing = {
	.path = "/v1/identities",
	.field = "identities",
	.none = "no identities",
	.columns =
		{
			{"IDENTITY", "number", NULL},
			{"ENDPOINTS", "refs", NULL},
			{"LABELS", "labels", cell_labels},
			{},
		},
};

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	return listing_run(cli, verb, &listing, argc, argv);
}

const struct verb verb_identity = {
	.name = "identity",
	.summary = "list label sets and their numbers",
	.synopsis = "list [-o table|json]",
	.help = "Lists identities: numbers that stand for label sets. Policies are decided between identities.",
	.arguments = "list",
	.options = listing_options,
	.run = run,
};
