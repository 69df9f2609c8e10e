/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"

static const struct listing listing = {
	.path = "/v1/connections",
	.field = "connections",
	.none = "no connections",
	.columns =
		{
			{"PROTOCOL", "protocol", NULL},
			{"SOURCE", "source", NULL},
			{"DESTINATION", "destination", NULL},
			{"STATE", "state", NULL},
			{"EXPIRES", "expires_s", NULL},
			{"PACKETS", "packets", NULL},
			{"BYTES", "bytes", cell_bytes},
			{"REPLY PACKETS", "reply_packets", NULL},
			{"REPLY BYTES", "reply_bytes", cell_bytes},
			{"MASQUERADED AS", "masquerade", NULL},
			{"REASON", "reason", NULL},
			{"AUDITED", "audited", cell_flag},
			{},
		},
};

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	return listing_run(cli, verb, &listing, argc, argv);
}

const struct verb verb_ct = {
	.name = "ct",
	.summary = "list tracked connections",
	.synopsis = "list [-o table|json]",
	.help = "Lists the connections the data path tracks: both ends, state, who decided, packets and bytes.",
	.arguments = "list",
	.options = listing_options,
	.run = run,
};
