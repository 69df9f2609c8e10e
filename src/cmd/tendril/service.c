/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"

static const struct listing listing = {
	.path = "/v1/services",
	.field = "services",
	.none = "no services",
	.columns =
		{
			{"NAMESPACE", "namespace", NULL},
			{"NAME", "name", NULL},
			{"FRONTEND", "frontend", NULL},
			{"PROTOCOL", "protocol", NULL},
			{"BACKENDS", "backends", cell_labels},
			{},
		},
};

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	return listing_run(cli, verb, &listing, argc, argv);
}

const struct verb verb_service = {
	.name = "service",
	.summary = "list services and their backends",
	.synopsis = "list [-o table|json]",
	.help = "Lists what connections to a cluster IP are translated to.",
	.arguments = "list",
	.options = listing_options,
	.run = run,
};
