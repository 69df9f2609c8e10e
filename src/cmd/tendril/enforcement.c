/* SPDX-License-Identifier: Apache-2.0 */
/* tendril enforcement: whom policies are enforced on. */
#include "admin.h"

#include <string.h>

#include "policy_mode.h"

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	const struct policy_target node = { .kind = OBJECT_NODE };
	int first, r = verb_parse(verb, argc, argv, false, NULL, NULL, &first);

	if (r)
		return r;
	if (argc - first != 1)
		return verb_usage_error(verb, "expected default, always, never or unset");
	if (strcmp(argv[first], "unset") == 0)
		return policy_mode_set(cli, verb, &node, "enforcement", NULL);
	for (const char *const *name = policy_enforcement_names; *name; name++)
		if (strcmp(*name, argv[first]) == 0)
			return policy_mode_set(cli, verb, &node, "enforcement", *name);
	return verb_usage_error(verb, "found '%s', expected default, always, never or unset",
				argv[first]);
}

const struct verb verb_enforcement = {
	.name = "enforcement",
	.summary = "say whom policies are enforced on",
	.synopsis = "default|always|never|unset",
	.help = "Example: tendril enforcement always\n\n"
		"default: pods that policies select, in the directions they isolate. always: every\n"
		"pod, so that nothing passes that no rule allows (the node still reaches its own pods).\n"
		"never: nobody; every connection is allowed, and reported so. unset: as configured\n"
		"(enable_policy). The change is in force when the command returns, and is kept over\n"
		"restarts.",
	.arguments = "default always never unset",
	.run = run,
};
