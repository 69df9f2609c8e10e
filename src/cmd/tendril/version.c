/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"

#include <stdio.h>

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	int first, r = verb_parse(verb, argc, argv, false, NULL, NULL, &first);

	(void)cli;
	if (r)
		return r;
	printf("tendril %s\n", TENDRIL_VERSION);
	return 0;
}

const struct verb verb_version = {
	.name = "version",
	.summary = "print the version",
	.synopsis = "",
	.help = "Prints the version of this program. `tendril status` tells that of the agent.",
	.run = run,
};
