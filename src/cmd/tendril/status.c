/* SPDX-License-Identifier: Apache-2.0 */
/* One screen: healthy, or what is wrong and what to do. */
#include "admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_problems(const struct cli *cli, const json_t *problems)
{
	const char *red = cli->color ? "\033[31m" : "", *plain = cli->color ? "\033[0m" : "";
	const json_t *problem;
	size_t i;

	json_array_foreach (problems, i, problem) {
		printf("\n%s", red);
		print_clean(stdout, text_of(problem, "what"));
		printf("%s\n  so:  ", plain);
		print_clean(stdout, text_of(problem, "consequence"));
		printf("\n  do:  ");
		print_clean(stdout, text_of(problem, "do"));
		putchar('\n');
	}
}

static void print_since(json_int_t seconds)
{
	static const struct {
		const char *unit;
		json_int_t seconds;
	} units[] = { { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (seconds < units[i].seconds && i + 1 < sizeof(units) / sizeof(*units))
			continue;
		printf("%" JSON_INTEGER_FORMAT " %s", seconds / units[i].seconds, units[i].unit);
		return;
	}
}

static void print_family(const char *name, const json_t *family)
{
	if (!json_is_object(family))
		return;
	printf("%-14s %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
	       " addresses of %s in use\n",
	       name, number_of(family, "used"), number_of(family, "capacity"),
	       text_of(family, "prefix"));
}

static void print_endpoints(const json_t *endpoints)
{
	json_int_t unknown = number_of(endpoints, "without_object");
	json_int_t busy = number_of(endpoints, "creating") + number_of(endpoints, "deleting");

	printf("%-14s %" JSON_INTEGER_FORMAT " connected", "Workloads",
	       number_of(endpoints, "ready"));
	if (unknown)
		printf(", %" JSON_INTEGER_FORMAT " of them isolated: their Pod is not known",
		       unknown);
	if (busy)
		printf(", %" JSON_INTEGER_FORMAT " coming or going", busy);
	printf("\n");
}

/* ", 4 workloads", ", 1 policy" */
static void print_audited(json_int_t count, const char *one, const char *many, const char *before)
{
	if (count)
		printf("%s%" JSON_INTEGER_FORMAT " %s", before, count, count == 1 ? one : many);
}

static void print_policy(const json_t *policy)
{
	const char *mode = text_of(policy, "enforcement");
	json_int_t workloads = number_of(policy, "audited_workloads");
	json_int_t policies = number_of(policy, "audited_policies");

	printf("%-14s ", "Policy");
	if (strcmp(mode, "never") == 0)
		printf("not enforced (mode never)");
	else
		printf("%s on %s (mode %s)",
		       json_is_true(json_object_get(policy, "audit")) ? "audited, not enforced,"
								      : "enforced",
		       strcmp(mode, "always") == 0 ? "every workload" : "workloads it selects",
		       mode);
	print_audited(workloads, "workload", "workloads", "; in audit mode: ");
	print_audited(policies, "policy", "policies", workloads ? ", " : "; in audit mode: ");
	printf("\n");
}

static void print_objects(const json_t *objects)
{
	const char *kind, *separator = "";
	json_t *count;

	printf("%-14s ", "Objects");
	json_object_foreach ((json_t *)objects, kind, count) {
		if (!json_integer_value(count))
			continue;
		printf("%s%" JSON_INTEGER_FORMAT " %s", separator, json_integer_value(count), kind);
		separator = ", ";
	}
	printf("%s\n", *separator ? "" : "none");
}

/* The fullest maps, which are the ones worth knowing. */
static void print_maps(const json_t *maps)
{
	json_int_t memory = 0, percent = 0;
	const char *fullest = "";
	const json_t *map;
	size_t i;

	json_array_foreach (maps, i, map) {
		json_int_t max = number_of(map, "max_entries");

		memory += number_of(map, "memory");
		if (max > 1 && number_of(map, "used") * 100 / max > percent) {
			percent = number_of(map, "used") * 100 / max;
			fullest = text_of(map, "name");
		}
	}
	printf("%-14s %.1f MiB in %zu maps", "Kernel memory", (double)memory / (1 << 20),
	       json_array_size(maps));
	if (percent)
		printf(", the fullest is %s at %" JSON_INTEGER_FORMAT " %%", fullest, percent);
	printf("\n");
}

static void print_status(const struct cli *cli, const json_t *status)
{
	bool healthy = json_is_true(json_object_get(status, "healthy"));
	const char *colour = !cli->color ? "" : healthy ? "\033[32m" : "\033[31m";
	const json_t *ipam = json_object_get(status, "ipam");
	const json_t *observer = json_object_get(status, "observer");

	printf("%-14s %s%s%s\n", "Node", colour, healthy ? "healthy" : "needs attention",
	       cli->color ? "\033[0m" : "");
	printf("%-14s %s, ", "Agent", text_of(status, "version"));
	print_clean(stdout, text_of(status, "node"));
	printf(", up ");
	print_since(number_of(status, "uptime_seconds"));
	printf(", Linux %s\n", text_of(json_object_get(status, "kernel"), "release"));
	printf("%-14s %s\n", "Observer",
	       json_is_true(json_object_get(observer, "connected")) ? "connected"
								    : "not running: no flows");
	print_endpoints(json_object_get(status, "endpoints"));
	print_family("IPv4", json_object_get(ipam, "ipv4"));
	print_family("IPv6", json_object_get(ipam, "ipv6"));
	printf("%-14s %" JSON_INTEGER_FORMAT "\n", "Identities", number_of(status, "identities"));
	print_policy(json_object_get(status, "policy"));
	print_objects(json_object_get(status, "objects"));
	print_maps(json_object_get(status, "maps"));
	print_problems(cli, json_object_get(status, "problems"));
}

static int set(const struct verb_option *option, const char *value, void *data)
{
	(void)option;
	if (strcmp(value, "text") && strcmp(value, "json")) {
		fprintf(stderr, "tendril status: output format '%s', expected text or json\n",
			value);
		return EXIT_USAGE;
	}
	*(bool *)data = strcmp(value, "json") == 0;
	return 0;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	_cleanup_json_ json_t *status = NULL;
	bool json = false;
	int first, r = verb_parse(verb, argc, argv, false, set, &json, &first);

	if (r)
		return r;
	if (first < argc)
		return verb_usage_error(verb, "unexpected argument '%s'", argv[first]);
	r = admin_get(cli, "/v1/status", &status);
	if (r)
		return r;
	if (json) {
		json_dumpf(status, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_status(cli, status);
	}
	return json_is_true(json_object_get(status, "healthy")) ? 0 : EXIT_NO;
}

static const struct verb_option options[] = {
	{ 'o', "output", "FORMAT", "text (default) or json", "text json" },
	{},
};

const struct verb verb_status = {
	.name = "status",
	.summary = "healthy, or what is wrong and what to do",
	.synopsis = "[-o text|json]",
	.help = "Example: tendril status\n\n"
		"One screen about this node. Exits with 0 if it is healthy, with 1 if something needs\n"
		"attention, with 3 if no agent answers.",
	.options = options,
	.run = run,
};
