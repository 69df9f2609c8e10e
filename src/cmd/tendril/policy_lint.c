/* SPDX-License-Identifier: Apache-2.0 */
/* tendril policy lint: policies that are valid and yet not what somebody meant. */
#include "admin.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "policy/policy_lint.h"
#include "policy/policy_words.h"
#include "policy_input.h"
#include "policy_show.h"

#define EXIT_TROUBLE 2

#define PLAIN "\033[0m"

struct options {
	const struct verb *verb;
	struct policy_args files;
	bool node, json;
};

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct options *options = data;

	if (strcmp(option->name, "filename") == 0)
		return policy_args_add(&options->files, options->verb, value);
	if (strcmp(option->name, "node") == 0) {
		options->node = true;
		return 0;
	}
	if (strcmp(value, "text") && strcmp(value, "json"))
		return verb_usage_error(options->verb,
					"--output: found '%s', expected text or json", value);
	options->json = strcmp(value, "json") == 0;
	return 0;
}

static int read_scene(const struct cli *cli, const struct options *options,
		      struct policy_scene *scene)
{
	int r = 0;

	if (options->node || !options->files.count)
		r = policy_input_agent(cli, scene);
	for (size_t i = 0; !r && i < options->files.count; i++)
		r = policy_input_file(scene, options->files.items[i]);
	return r == EXIT_NO ? EXIT_TROUBLE : r;
}

/* Beside a node's policies only those of the files are of interest. */
static bool is_asked(const struct options *options, const struct policy_finding *finding)
{
	if (!options->files.count)
		return true;
	for (size_t i = 0; finding->policy->file && i < options->files.count; i++)
		if (strcmp(finding->policy->file, options->files.items[i]) == 0)
			return true;
	return false;
}

static void keep_asked(const struct options *options, struct policy_findings *findings,
		       size_t counts[static 3])
{
	size_t kept = 0;

	for (size_t i = 0; i < findings->count; i++) {
		struct policy_finding dropped = findings->items[i];

		if (is_asked(options, &dropped)) {
			counts[dropped.severity]++;
			findings->items[kept++] = dropped;
		} else {
			free(dropped.text);
		}
	}
	findings->count = kept;
}

/* ---- printing */

static void print_where(const struct policy_finding *finding)
{
	if (finding->policy->file) {
		printf("%s:%u: ", finding->policy->file, finding->line);
		return;
	}
	policy_print_object(stdout, finding->policy);
	fputc(' ', stdout);
	policy_print_place(stdout, NULL, finding->line);
	fputs(": ", stdout);
}

static void print_finding(const struct cli *cli, const struct policy_finding *finding)
{
	static const char *const colours[] = { [POLICY_NOTE] = "\033[36m",
					       [POLICY_WARNING] = "\033[33m",
					       [POLICY_ERROR] = "\033[31m" };

	print_where(finding);
	printf("%s%s%s: ", cli->color ? colours[finding->severity] : "",
	       policy_severity_name(finding->severity), cli->color ? PLAIN : "");
	if (finding->policy->file) {
		policy_print_object(stdout, finding->policy);
		fputs(": ", stdout);
	}
	printf("%s [%s]\n", finding->text, finding->code);
}

static void print_text(const struct cli *cli, const struct policy_findings *findings,
		       const size_t counts[static 3])
{
	for (size_t i = 0; i < findings->count; i++)
		print_finding(cli, &findings->items[i]);
	if (!findings->knows_pods)
		printf("no pods are known, so whom policies select and what ports they serve was not "
		       "checked (add manifests of pods, or --node)\n");
	for (int s = POLICY_ERROR; s >= POLICY_NOTE; s--)
		printf("%zu %s%s%s", counts[s], policy_severity_name((enum policy_severity)s),
		       counts[s] == 1 ? "" : "s", s == POLICY_NOTE ? "\n" : ", ");
}

static json_t *finding_json(const struct policy_finding *finding)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:I, s:s}", "severity",
			 policy_severity_name(finding->severity), "code", finding->code, "kind",
			 object_kind_name(finding->policy->kind), "namespace",
			 finding->policy->namespace, "name", finding->policy->name, "file",
			 finding->policy->file, "line", (json_int_t)finding->line, "text",
			 finding->text);
}

static void print_json(const struct policy_findings *findings, const size_t counts[static 3])
{
	json_t *list = json_array(), *json;

	for (size_t i = 0; i < findings->count; i++)
		json_array_append_new(list, finding_json(&findings->items[i]));
	json = json_pack("{s:o, s:I, s:I, s:I, s:b}", "findings", list, "errors",
			 (json_int_t)counts[POLICY_ERROR], "warnings",
			 (json_int_t)counts[POLICY_WARNING], "notes",
			 (json_int_t)counts[POLICY_NOTE], "pods_known", findings->knows_pods);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

/* ---- the verb */

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	_cleanup_(policy_scene_freep) struct policy_scene *scene = NULL;
	_cleanup_(policy_findings_freep) struct policy_findings *findings = NULL;
	const struct policy_scene_options how = { 0 };
	struct options options = { .verb = verb };
	size_t counts[3] = { 0 };
	int first, r = verb_parse(verb, argc, argv, false, set, &options, &first);

	if (r)
		return r;
	if (first < argc)
		return verb_usage_error(verb, "found '%s', expected options only", argv[first]);
	if (options.node && !options.files.count)
		return verb_usage_error(verb, "--node: expected -f FILE beside it");
	if (policy_scene_new(&how, &scene) < 0)
		return EXIT_TROUBLE;
	r = read_scene(cli, &options, scene);
	if (r)
		return r;
	r = policy_lint(scene, &findings);
	if (r < 0) {
		fprintf(stderr, "tendril policy lint: %s\n", strerror(-r));
		return EXIT_TROUBLE;
	}
	keep_asked(&options, findings, counts);
	if (options.json)
		print_json(findings, counts);
	else
		print_text(cli, findings, counts);
	return counts[POLICY_ERROR] || counts[POLICY_WARNING] ? EXIT_NO : 0;
}

static const struct verb_option lint_options[] = {
	{ 'f', "filename", "FILE", "look at these manifests instead (repeatable; - is stdin)",
	  "@file" },
	{ 0, "node", NULL, "look at the files as if applied to what the node has", NULL },
	{ 'o', "output", "text|json", "how to print", "text json" },
	{},
};

const struct verb verb_policy_lint = {
	.name = "policy lint",
	.summary = "find policies that are hardly what was meant",
	.synopsis = "[-f FILE]... [--node] [-o text|json]",
	.help = "Example: tendril policy lint -f policies.yaml -f pods.yaml\n\n"
		"Says of each finding where it stands, how much it weighs and what to do: policies and\n"
		"peers that select nothing, rules that add nothing to another or that a deny always beats,\n"
		"ports that nobody serves, rules wider than they look, sections that are ignored, names\n"
		"of namespaces that do not exist, duplicates. Without -f it looks at what the node has.\n"
		"Exit status 0 if there is no warning and no error, 1 if there is, 2 for wrong usage or a\n"
		"file that cannot be used.",
	.options = lint_options,
	.run = run,
};
