/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"

static const struct listing listing = {
	.path = "/v1/endpoints",
	.field = "endpoints",
	.none = "no workloads on this node",
	.columns =
		{
			{"ID", "id", NULL},
			{"NAMESPACE", "namespace", NULL},
			{"POD", "name", NULL},
			{"IDENTITY", "identity", NULL},
			{"STATE", "state", NULL},
			{"AUDIT", "audit", NULL},
			{"IPV4", "ipv4", NULL},
			{"IPV6", "ipv6", NULL},
			{"DEVICE", "host_ifname", NULL},
			{"CONTAINER", "container_id", NULL},
			{},
		},
};

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	return listing_run(cli, verb, &listing, argc, argv);
}

const struct verb verb_endpoint = {
	.name = "endpoint",
	.summary = "list the workloads on this node",
	.synopsis = "list [-o table|json]",
	.help = "Lists every network interface of a workload on this node: who it is, where it is, its identity.",
	.arguments = "list",
	.options = listing_options,
	.run = run,
};
