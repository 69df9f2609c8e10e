/* SPDX-License-Identifier: Apache-2.0 */
/* tendril policy verdicts: collections of cases, cell by cell. */
#include "verb.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "policy_cases.h"
#include "policy_kernel.h"

struct options {
	const struct verb *verb;
	struct policy_cases cases;
	bool in_kernel;
	const char **files;
	size_t file_count;
};

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct options *options = data;

	if (strcmp(option->name, "cluster") == 0)
		return policy_cases_add_cluster(&options->cases, value);
	if (strcmp(option->name, "cases") == 0) {
		options->files[options->file_count++] = value;
		return 0;
	}
	if (strcmp(option->name, "kernel") == 0) {
		options->in_kernel = true;
		return 0;
	}
	if (strcmp(value, "every") && strcmp(value, "never"))
		return verb_usage_error(options->verb,
					"--ipblock: found '%s', expected every or never", value);
	options->cases.blocks_spare_pods = strcmp(value, "never") == 0;
	return 0;
}

static int judge_by_tables(struct policy_scene *scene, enum td_direction direction,
			   const struct policy_party *subject, const struct policy_party *peer,
			   const struct policy_probe *probe, bool *ret_allowed, struct diag *diag,
			   void *data)
{
	struct policy_decision decision;
	int r = policy_scene_judge(scene, direction, subject, peer, probe, &decision);

	if (!r)
		*ret_allowed = decision.allowed || decision.audited;
	return r;
}

static int run_files(struct options *options, int argc, char **argv, int first)
{
	int r = 0;

	for (size_t i = 0; !r && i < options->file_count; i++)
		r = policy_cases_run(&options->cases, options->files[i]);
	/* --cases A B C: what follows are files too. */
	for (int i = first; !r && i < argc; i++)
		r = policy_cases_run(&options->cases, argv[i]);
	if (r)
		return r;
	printf("%zu cells, %zu mismatches\n", options->cases.cells, options->cases.mismatches);
	return options->cases.mismatches ? EXIT_NO : 0;
}

static int run_in_kernel(struct options *options, int argc, char **argv, int first)
{
	struct policy_kernel kernel = { 0 };
	struct diag diag = { 0 };
	int r;

	if (policy_kernel_open(&kernel, &diag) < 0) {
		fprintf(stderr, "tendril policy verdicts --kernel: %s\n", diag.text);
		return EXIT_NO;
	}
	options->cases.begin = policy_kernel_begin;
	options->cases.judge = policy_kernel_judge;
	options->cases.data = &kernel;
	r = run_files(options, argc, argv, first);
	if (kernel.differences) {
		fprintf(stderr, "kernel and compiler differ in %zu decisions\n",
			kernel.differences);
		r = r ? r : EXIT_NO;
	}
	policy_kernel_close(&kernel);
	return r;
}

static int run_somewhere(struct options *options, int argc, char **argv, int first)
{
	if (!options->cases.cluster_count)
		return verb_usage_error(options->verb, "expected --cluster FILE");
	if (!options->file_count && first == argc)
		return verb_usage_error(options->verb, "expected --cases FILE");
	return options->in_kernel ? run_in_kernel(options, argc, argv, first)
				  : run_files(options, argc, argv, first);
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct options options = { .verb = verb, .cases = { .judge = judge_by_tables } };
	int first, r;

	options.files = calloc((size_t)argc, sizeof(*options.files));
	if (!options.files)
		return EXIT_NO;
	r = verb_parse(verb, argc, argv, false, set, &options, &first);
	if (!r)
		r = run_somewhere(&options, argc, argv, first);
	policy_cases_clear(&options.cases);
	free(options.files);
	return r;
}

static const struct verb_option verdicts_options[] = {
	{ 0, "cluster", "FILE",
	  "namespaces and pods, JSON; cluster-LAYOUT.json for that layout (repeatable)", "@file" },
	{ 0, "cases", "FILE...", "cases, one JSON object a line", "@file" },
	{ 0, "ipblock", "every|never",
	  "whether NetworkPolicy's ipBlock matches pods' addresses (default every)",
	  "every never" },
	{ 0, "kernel", NULL, "ask the BPF programs instead of the compiler; needs root", NULL },
	{},
};

const struct verb verb_policy_verdicts = {
	.name = "policy verdicts",
	.summary = "judge collections of cases",
	.synopsis = "--cluster FILE... --cases FILE... [--ipblock every|never] [--kernel]",
	.help = "Example: tendril policy verdicts --cluster cluster.json --cases cases.jsonl\n\n"
		"Judges every cell of every case with the compiler that feeds the kernel, without a node\n"
		"and without privileges. Prints each cell that differs and ends with the line 'N cells,\n"
		"M mismatches'. Exit status 0 only if none differs.\n\n"
		"With --kernel the tables are loaded into maps and a packet for each cell goes through the\n"
		"programs that a node runs; a cell where rule or verdict are not the compiler's is told and\n"
		"makes the exit status 1. Nothing is attached, and the network of this machine is untouched.",
	.options = verdicts_options,
	.run = run,
};
