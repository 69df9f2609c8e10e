/* SPDX-License-Identifier: Apache-2.0 */
/* tendril policy matrix: who can reach whom, as a table, JSON or a picture. */
#include "policy_matrix.h"

#include <string.h>

#include "admin.h"
#include "base/util.h"
#include "policy_input.h"
#include "policy_show.h"

struct options {
	const struct verb *verb;
	struct policy_args files;
	const char *port, *namespace;
	bool blocks_spare_pods;
	enum { SHOW_TABLE, SHOW_JSON, SHOW_SVG } output;
};

static int set_output(struct options *options, const char *value)
{
	static const char *const names[] = {
		[SHOW_TABLE] = "table", [SHOW_JSON] = "json", [SHOW_SVG] = "svg"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], value))
			continue;
		options->output = i;
		return 0;
	}
	return verb_usage_error(options->verb, "--output: found '%s', expected table, json or svg",
				value);
}

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct options *options = data;

	if (strcmp(option->name, "filename") == 0)
		return policy_args_add(&options->files, options->verb, value);
	if (strcmp(option->name, "output") == 0)
		return set_output(options, value);
	if (strcmp(option->name, "port") == 0)
		options->port = value;
	else if (strcmp(option->name, "namespace") == 0)
		options->namespace = value;
	else if (strcmp(value, "every") && strcmp(value, "never"))
		return verb_usage_error(options->verb,
					"--ipblock: found '%s', expected every or never", value);
	else
		options->blocks_spare_pods = strcmp(value, "never") == 0;
	return 0;
}

/* ---- printing */

static int number_width(size_t count)
{
	return snprintf(NULL, 0, "%zu", count);
}

static void print_keys(const struct matrix *matrix)
{
	char name[MATRIX_LABEL_MAX];

	printf("\nRows reach columns. %s\n",
	       matrix->probe ? "-: no; .: not a matter of policy"
			     : "all: every protocol and port; -: nothing; else these ports; "
			       ".: not a matter of policy");
	for (size_t k = 0; k < matrix->key_count; k++)
		printf("%s: %s\n", matrix_key_name(k + 1, name), matrix->keys[k]);
}

static void print_table(const struct matrix *matrix)
{
	int digits = number_width(matrix->count), names = 0, width = digits;
	char label[MATRIX_LABEL_MAX];

	for (size_t i = 0; i < matrix->count; i++)
		names = MAX(names, (int)strlen(matrix_group(matrix, i)->text));
	for (size_t i = 0; i < matrix->count * matrix->count; i++)
		width = MAX(width, (int)strlen(matrix_label(&matrix->cells[i], label)));
	printf("%*s", digits + 2 + names, "");
	for (size_t i = 0; i < matrix->count; i++)
		printf("  %*zu", width, i + 1);
	putchar('\n');
	for (size_t from = 0; from < matrix->count; from++) {
		printf("%*zu  %-*s", digits, from + 1, names, matrix_group(matrix, from)->text);
		for (size_t to = 0; to < matrix->count; to++)
			printf("  %*s", width, matrix_label(matrix_cell(matrix, from, to), label));
		putchar('\n');
	}
	print_keys(matrix);
}

static json_t *part_json(const struct matrix_cell *cell, size_t v)
{
	_cleanup_free_ char *text =
		policy_ports_format(&cell->ports.ports[v], cell->ports.families[v]);

	return json_pack("{s:o, s:s?, s:o}", "families",
			 policy_families_json(cell->ports.families[v]), "ports", text, "ranges",
			 policy_ports_json(&cell->ports.ports[v]));
}

static json_t *cell_json(const struct matrix *matrix, size_t from, size_t to)
{
	static const char *const states[] = {
		[CELL_NONE] = "none", [CELL_SOME] = "some", [CELL_ALL] = "all"
	};
	const struct matrix_cell *cell = matrix_cell(matrix, from, to);
	json_t *parts = json_array();

	for (size_t v = 0; v < 2; v++)
		if (cell->ports.families[v])
			json_array_append_new(parts, part_json(cell, v));
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "from", matrix_group(matrix, from)->text,
			 "to", matrix_group(matrix, to)->text, "reach", states[cell->state], "text",
			 cell->text, "allowed", parts);
}

static void print_json(const struct matrix *matrix, const char *port)
{
	json_t *parties = json_array(), *cells = json_array(), *json;

	for (size_t i = 0; i < matrix->count; i++)
		json_array_append_new(parties, policy_cohort_json(matrix_group(matrix, i)));
	for (size_t from = 0; from < matrix->count; from++)
		for (size_t to = 0; to < matrix->count; to++)
			if (matrix_cell(matrix, from, to)->state != CELL_NOTHING)
				json_array_append_new(cells, cell_json(matrix, from, to));
	json = json_pack("{s:s?, s:o, s:o}", "port", port, "parties", parties, "cells", cells);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void print_svg(const struct matrix *matrix, const struct options *options)
{
	char about[256], probe[POLICY_PROBE_TEXT_MAX];

	snprintf(about, sizeof(about), "Rows reach columns, %s%s%s%s",
		 matrix->probe ? "by " : "on every port",
		 matrix->probe ? policy_probe_format(matrix->probe, probe) : "",
		 options->namespace ? "; namespace " : "",
		 options->namespace ? options->namespace : "");
	matrix_print_svg(matrix, about, stdout);
}

/* ---- the verb */

static int show(struct policy_scene *scene, const struct options *options,
		const struct policy_probe *probe)
{
	_cleanup_(policy_cohorts_freep) struct policy_cohorts *groups = NULL;
	_cleanup_(matrix_freep) struct matrix *matrix = NULL;
	int r = policy_cohorts_make(scene, NULL, &groups);

	if (!r)
		r = matrix_new(groups, options->namespace, probe, &matrix);
	if (r < 0) {
		fprintf(stderr, "tendril policy matrix: %s\n", strerror(-r));
		return EXIT_NO;
	}
	if (options->output == SHOW_SVG)
		print_svg(matrix, options);
	else if (options->output == SHOW_JSON)
		print_json(matrix, options->port);
	else
		print_table(matrix);
	return 0;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	_cleanup_(policy_scene_freep) struct policy_scene *scene = NULL;
	struct options options = { .verb = verb };
	struct policy_scene_options how = { 0 };
	struct policy_probe probe;
	int first, r = verb_parse(verb, argc, argv, false, set, &options, &first);

	if (r)
		return r;
	if (first < argc)
		return verb_usage_error(verb, "found '%s', expected options only", argv[first]);
	if (options.port && policy_probe_parse(options.port, &probe) < 0)
		return verb_usage_error(verb,
					"--port: found '%s', expected PORT/PROTOCOL such as "
					"80/TCP, 53/UDP, 80/SCTP, ICMP/8 or ICMPv6/128",
					options.port);
	how.blocks_spare_pods = options.blocks_spare_pods;
	if (policy_scene_new(&how, &scene) < 0)
		return EXIT_NO;
	for (size_t i = 0; !r && i < options.files.count; i++)
		r = policy_input_file(scene, options.files.items[i]);
	if (!r && !options.files.count)
		r = policy_input_agent(cli, scene);
	return r ? r : show(scene, &options, options.port ? &probe : NULL);
}

static const struct verb_option matrix_options[] = {
	{ 'f', "filename", "FILE",
	  "ask these manifests instead of the node (repeatable; - is stdin)", "@file" },
	{ 'p', "port", "PORT/PROTOCOL", "only this: 80/TCP, 53/UDP, ICMP/8 (default: every port)",
	  NULL },
	{ 'n', "namespace", "NAMESPACE", "only pods of this namespace, and who is no pod", NULL },
	{ 0, "ipblock", "every|never",
	  "whether NetworkPolicy's ipBlock matches pods' addresses (default every)",
	  "every never" },
	{ 'o', "output", "table|json|svg", "how to print", "table json svg" },
	{},
};

const struct verb verb_policy_matrix = {
	.name = "policy matrix",
	.summary = "who can reach whom",
	.synopsis = "[-f FILE]... [-p PORT/PROTOCOL] [-n NAMESPACE] [-o table|json|svg]",
	.help = "Examples: tendril policy matrix\n"
		"          tendril policy matrix -f all.yaml --port 80/TCP -o svg >matrix.svg\n\n"
		"Rows reach columns: everything, nothing, or the ports in the cell; with --port yes or no.\n"
		"Both directions count. Pods with the same labels are one party; the others are the node,\n"
		"the outside (world) and each CIDR that rules speak of. With -f it needs neither a node nor\n"
		"privileges. The SVG stands alone and follows the reader's light or dark scheme.",
	.options = matrix_options,
	.run = run,
};
