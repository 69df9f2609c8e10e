/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"
#include "object_path.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

static const struct listing listing = {
	.field = "objects",
	.columns =
		{
			{"KIND", "kind", NULL},
			{"NAMESPACE", "namespace", NULL},
			{"NAME", "name", NULL},
			{"ORIGIN", "origin", NULL},
			{"FILE", "file", NULL},
			{"LINE", "line", NULL},
			{},
		},
};

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct object_query *query = data;

	if (option->letter == 'n')
		query->namespace = value;
	else
		query->output = value;
	return 0;
}

static void print_yaml(const json_t *objects)
{
	const json_t *object;
	size_t i;

	json_array_foreach (objects, i, object) {
		const char *text = json_string_value(json_object_get(object, "text"));

		if (!text)
			continue;
		printf("---\n%s%s", text, *text && text[strlen(text) - 1] == '\n' ? "" : "\n");
	}
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_free_ char *path = NULL;
	struct object_query query = { .output = "table" };
	const json_t *objects;
	int first, r = verb_parse(verb, argc, argv, false, set, &query, &first);

	if (r)
		return r;
	if (object_arguments(argc, argv, first, &query) < 0)
		return verb_usage_error(verb, "expected KIND, KIND NAME or KIND/NAME");
	path = object_path(&query);
	r = path ? admin_get(cli, path, &answer) : EXIT_NO;
	if (r)
		return r;
	objects = json_object_get(answer, "objects");
	if (json_array_size(objects) == 0 && query.name) {
		fprintf(stderr, "tendril get: no %s named %s\n", query.kind, query.name);
		return EXIT_NO;
	}
	if (strcmp(query.output, "yaml") == 0) {
		print_yaml(objects);
	} else if (strcmp(query.output, "json") == 0) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (strcmp(query.output, "table")) {
		return verb_usage_error(verb, "output format '%s', expected table, yaml or json",
					query.output);
	} else if (json_array_size(objects) == 0) {
		printf("no objects\n");
	} else {
		listing_print(&listing, objects);
	}
	return 0;
}

static const struct verb_option options[] = {
	{ 'n', "namespace", "NAMESPACE", "only of this namespace", NULL },
	{ 'o', "output", "FORMAT", "table (default), yaml (as written) or json",
	  "table yaml json" },
	{},
};

const struct verb verb_get = {
	.name = "get",
	.summary = "show objects in force",
	.synopsis = "[KIND [NAME]] [-n NAMESPACE] [-o table|yaml|json]",
	.help = "Example: tendril get cnp rule1 -o yaml\n\n"
		"Shows the objects the agent works from, with the file and line each came from.",
	.arguments = "namespace node pod service endpointslice networkpolicy ciliumnetworkpolicy "
		     "ciliumclusterwidenetworkpolicy ciliumcidrgroup inventorygroup policymode",
	.options = options,
	.run = run,
};
