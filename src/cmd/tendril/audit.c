/* SPDX-License-Identifier: Apache-2.0 */
/* tendril audit: what policies deny is forwarded and reported; for how much of the node. */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "policy_mode.h"

struct options {
	const struct verb *verb;
	struct policy_target target;
	char *owned; /* copy of the target's text, which is cut in pieces */
	bool given;
};

static int split_endpoint(struct options *options, const char *value)
{
	char *slash = strchr(options->owned, '/');

	if (!slash || !slash[1] || slash == options->owned)
		return verb_usage_error(options->verb,
					"--endpoint: found '%s', expected NAMESPACE/POD", value);
	*slash = '\0';
	options->target = (struct policy_target){ OBJECT_POD, options->owned, slash + 1 };
	return 0;
}

/* KIND/NAMESPACE/NAME, or KIND/NAME of a kind that is in no namespace, or in namespace default. */
static int split_policy(struct options *options, const char *value)
{
	char *kind = options->owned, *rest = strchr(kind, '/'), *name;
	struct policy_target *target = &options->target;

	if (rest)
		*rest++ = '\0';
	if (!rest || object_kind_parse(kind, &target->kind) < 0 ||
	    !object_kind_is_policy(target->kind))
		return verb_usage_error(options->verb,
					"--policy: found '%s', expected netpol/NAMESPACE/NAME, "
					"cnp/NAMESPACE/NAME or ccnp/NAME",
					value);
	name = strchr(rest, '/');
	if (name)
		*name++ = '\0';
	if (name && !object_kind_is_namespaced(target->kind))
		return verb_usage_error(options->verb,
					"--policy: found '%s', expected no namespace: a %s is in "
					"none",
					value, object_kind_name(target->kind));
	target->namespace = name ? rest : "default";
	target->name = name ? name : rest;
	return 0;
}

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct options *options = data;

	if (options->given)
		return verb_usage_error(options->verb, "expected one target");
	options->given = true;
	options->owned = strdup(value);
	if (!options->owned)
		return EXIT_NO;
	if (strcmp(option->name, "endpoint") == 0)
		return split_endpoint(options, value);
	if (strcmp(option->name, "policy") == 0)
		return split_policy(options, value);
	options->target =
		(struct policy_target){ .kind = OBJECT_NAMESPACE, .name = options->owned };
	return 0;
}

static const struct {
	const char *word, *value;
} words[] = { { "on", "enabled" }, { "off", "disabled" }, { "unset", NULL } };

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct options options = { .verb = verb, .target = { .kind = OBJECT_NODE } };
	int first, r = verb_parse(verb, argc, argv, false, set, &options, &first);
	_cleanup_free_ char *owned = options.owned;

	if (r)
		return r;
	if (argc - first != 1)
		return verb_usage_error(verb, "expected on, off or unset");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].word, argv[first]) == 0)
			return policy_mode_set(cli, verb, &options.target, "audit", words[i].value);
	return verb_usage_error(verb, "found '%s', expected on, off or unset", argv[first]);
}

static const struct verb_option options[] = {
	{ 0, "namespace", "NAMESPACE", "the pods of a namespace", NULL },
	{ 0, "endpoint", "NAMESPACE/POD", "one pod", NULL },
	{ 0, "policy", "KIND/NAMESPACE/NAME",
	  "what one policy alone would deny: netpol/shop/web, cnp/shop/web, ccnp/web", NULL },
	{},
};

const struct verb verb_audit = {
	.name = "audit",
	.summary = "forward and report what policies deny",
	.synopsis = "on|off|unset [--namespace NS | --endpoint NS/POD | --policy KIND/NS/NAME]",
	.help = "Example: tendril audit on --namespace shop\n"
		"         tendril observe --verdict AUDIT --follow\n\n"
		"In audit mode nothing is dropped by policy: what would be is forwarded and reported\n"
		"with verdict AUDIT and the rule that denies it. Without an option: the whole node.\n"
		"Of a pod, its namespace and the node the most specific that says something counts.\n"
		"The change is in force when the command returns, also for connections that exist, and\n"
		"is kept over restarts. 'unset' takes back what on or off said; then the object's\n"
		"annotation policy.tendril.io/audit-mode counts, or policy_audit_mode.",
	.arguments = "on off unset",
	.options = options,
	.run = run,
};
