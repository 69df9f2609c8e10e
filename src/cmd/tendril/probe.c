/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel offers, and what each missing piece costs. Asks the kernel, not the agent. */
#include "admin.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "datapath/kernel_features.h"

static json_t *feature_json(const struct kernel_feature *feature)
{
	return json_pack("{s:s, s:b, s:b, s:s, s:s}", "name", feature->name, "present",
			 feature->present, "required", feature->required, "detail", feature->detail,
			 "cost", feature->cost);
}

static void print_json(const struct kernel_feature *features, size_t count, bool enough)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_json_ json_t *root = NULL;
	struct utsname name;

	uname(&name);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, feature_json(&features[i]));
	root = json_pack("{s:s, s:s, s:b, s:O}", "release", name.release, "machine", name.machine,
			 "enough", enough, "features", list);
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
}

static void print_feature(const struct cli *cli, const struct kernel_feature *feature)
{
	const char *color = "", *plain = cli->color ? "\033[0m" : "";

	if (cli->color && !feature->present)
		color = feature->required ? "\033[31m" : "\033[33m";
	printf("%-22s %s%-4s%s %s\n", feature->name, color, feature->present ? "yes" : "no", plain,
	       feature->detail);
	if (!feature->present)
		printf("%-22s so:  %s%s\n", "", feature->cost,
		       feature->required ? "; the agent needs it" : "");
}

static void print_text(const struct cli *cli, const struct kernel_feature *features, size_t count,
		       bool enough)
{
	for (size_t i = 0; i < count; i++)
		print_feature(cli, &features[i]);
	printf("\n%s\n",
	       enough ? "Tendril works on this kernel."
		      : "Tendril does not work on this kernel: what it needs is missing.");
}

static int set(const struct verb_option *option, const char *value, void *data)
{
	if (strcmp(value, "text") && strcmp(value, "json")) {
		fprintf(stderr, "tendril probe: output format '%s', expected text or json\n",
			value);
		return EXIT_USAGE;
	}
	*(bool *)data = strcmp(value, "json") == 0;
	return 0;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	_cleanup_free_ struct kernel_feature *features = NULL;
	bool json = false, enough = true;
	size_t count = 0;
	int first, r = verb_parse(verb, argc, argv, false, set, &json, &first);

	if (r)
		return r;
	if (first < argc)
		return verb_usage_error(verb, "unexpected argument '%s'", argv[first]);
	if (geteuid() != 0) {
		fprintf(stderr, "tendril probe: not root, so the kernel answers nothing; run it "
				"with sudo\n");
		return EXIT_NO;
	}
	r = kernel_features_probe(&features, &count);
	if (r < 0) {
		fprintf(stderr, "tendril probe: %s\n", log_strerror(r));
		return EXIT_NO;
	}
	for (size_t i = 0; i < count; i++)
		enough = enough && (features[i].present || !features[i].required);
	if (json)
		print_json(features, count, enough);
	else
		print_text(cli, features, count, enough);
	return enough ? 0 : EXIT_NO;
}

static const struct verb_option options[] = {
	{ 'o', "output", "FORMAT", "text (default) or json", "text json" },
	{},
};

const struct verb verb_probe = {
	.name = "probe",
	.summary = "what this kernel offers, and what each missing piece costs",
	.synopsis = "[-o text|json]",
	.help = "Example: sudo tendril probe\n\n"
		"Tries each feature by loading a tiny program or making a device in a throw-away\n"
		"network namespace; the host is not changed and no agent is needed. Exits with 1 if\n"
		"something that the agent cannot do without is missing.",
	.options = options,
	.run = run,
};
