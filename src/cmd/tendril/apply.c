/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/admin_client.h"
#include "base/cleanup.h"
#include "input.h"

#define FILES_MAX 64

struct options {
	const char *files[FILES_MAX];
	size_t file_count;
	bool skip_other_kinds;
};

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct options *options = data;

	if (strcmp(option->name, "skip-other-kinds") == 0) {
		options->skip_other_kinds = true;
		return 0;
	}
	if (options->file_count == FILES_MAX) {
		fprintf(stderr, "tendril apply: more than %d files\n", FILES_MAX);
		return EXIT_USAGE;
	}
	options->files[options->file_count++] = value;
	return 0;
}

static void print_result(const json_t *answer)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(answer, "objects"), i, item) {
		const char *namespace = json_string_value(json_object_get(item, "namespace"));

		printf("%s %s%s%s %s\n", json_string_value(json_object_get(item, "kind")),
		       namespace ? namespace : "", namespace && *namespace ? "/" : "",
		       json_string_value(json_object_get(item, "name")),
		       json_string_value(json_object_get(item, "change")));
	}
	json_array_foreach (json_object_get(answer, "skipped"), i, item) {
		printf("%s skipped\n", json_string_value(item));
	}
}

static int apply_file(const struct cli *cli, const struct options *options, const char *path)
{
	_cleanup_free_ char *text = NULL, *url = NULL, *name = admin_escape(path);
	_cleanup_json_ json_t *answer = NULL;
	size_t len = 0;
	int r;

	if (!name || asprintf(&url, "/v1/objects?name=%s%s", name,
			      options->skip_other_kinds ? "&skip_other_kinds=1" : "") < 0)
		return EXIT_NO;
	r = input_read(path, &text, &len);
	if (r == 0)
		r = admin_request(cli, "POST", url, text, len, &answer);
	if (r == 0)
		print_result(answer);
	return r;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct options options = {};
	int first, r = verb_parse(verb, argc, argv, false, set, &options, &first);

	if (r)
		return r;
	if (first < argc)
		return verb_usage_error(verb, "'%s' is no option; files are given with -f",
					argv[first]);
	if (!options.file_count)
		return verb_usage_error(verb, "no file given (-f FILE, or -f - for stdin)");
	for (size_t i = 0; i < options.file_count; i++) {
		r = apply_file(cli, &options, options.files[i]);
		if (r)
			return r;
	}
	return 0;
}

static const struct verb_option apply_options[] = {
	{ 'f', "filename", "FILE", "manifest, YAML or JSON; - is stdin; may be repeated", "@file" },
	{ 0, "skip-other-kinds", NULL, "list objects of other kinds instead of refusing them",
	  NULL },
	{},
};

const struct verb verb_apply = {
	.name = "apply",
	.summary = "put objects in force",
	.synopsis = "-f FILE [-f FILE ...] [--skip-other-kinds]",
	.help = "Example: tendril apply -f examples/starwars/policy.yaml\n\n"
		"Sends Kubernetes and Cilium objects to the agent, which keeps them over reboots. Each\n"
		"file is taken as a whole or refused as a whole, with the file, the line, what was\n"
		"found and what was expected. An object that a file under objects_dir holds is refused.",
	.options = apply_options,
	.run = run,
};
