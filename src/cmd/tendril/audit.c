/* SPDX-License-Identifier: Apache-2.0 */
/* tendril audit: what policies deny is forwarded and reported; for how much of the node. */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "object_path.h"
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

/* ---- whom it concerns now */

static bool endpoint_is_meant(const json_t *endpoint, const struct policy_target *target)
{
	const char *namespace = json_string_value(json_object_get(endpoint, "namespace"));
	const char *name = json_string_value(json_object_get(endpoint, "name"));

	if (!namespace || !name)
		return false;
	if (target->kind == OBJECT_NAMESPACE)
		return strcmp(namespace, target->name) == 0;
	return strcmp(namespace, target->namespace) == 0 && strcmp(name, target->name) == 0;
}

static size_t count_endpoints(const struct cli *cli, const struct policy_target *target)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *endpoint;
	size_t i, count = 0;

	if (admin_get(cli, "/v1/endpoints", &answer))
		return 0;
	json_array_foreach (json_object_get(answer, "endpoints"), i, endpoint)
		count += endpoint_is_meant(endpoint, target);
	return count;
}

static size_t count_policies(const struct cli *cli, const struct policy_target *target)
{
	const struct object_query query = { .kind = object_kind_name(target->kind),
					    .namespace = target->namespace,
					    .name = target->name };
	_cleanup_free_ char *path = object_path(&query);
	_cleanup_json_ json_t *answer = NULL;

	if (!path || admin_get(cli, path, &answer))
		return 0;
	return json_array_size(json_object_get(answer, "objects"));
}

/* A name may be of what is still to come, or typed wrong. */
static void note_absent(const struct cli *cli, const struct policy_target *target)
{
	const char *absent = "there is no such policy";

	if (target->kind == OBJECT_NODE ||
	    (object_kind_is_policy(target->kind) && count_policies(cli, target)))
		return;
	if (!object_kind_is_policy(target->kind)) {
		if (count_endpoints(cli, target))
			return;
		absent = target->kind == OBJECT_NAMESPACE
				 ? "this node has no workload in that namespace"
				 : "this node has no such workload";
	}
	fprintf(stderr, "tendril audit: %s now; the mode holds for what comes\n", absent);
}

static int apply(const struct cli *cli, const struct options *options, const char *value)
{
	int r = policy_mode_set(cli, options->verb, &options->target, "audit", value);

	if (r == 0 && value)
		note_absent(cli, &options->target);
	return r;
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
			return apply(cli, &options, words[i].value);
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
