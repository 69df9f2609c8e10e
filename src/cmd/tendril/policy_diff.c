/* SPDX-License-Identifier: Apache-2.0 */
/* tendril policy diff: who could talk to whom after a change, and could not before, or the reverse. */
#include "admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "policy_input.h"
#include "policy_show.h"

#define EXIT_CHANGES 1
#define EXIT_TROUBLE 2

#define RED   "\033[31m"
#define GREEN "\033[32m"
#define PLAIN "\033[0m"

struct options {
	const struct verb *verb;
	struct policy_args files, bases, deletions;
	bool blocks_spare_pods, json;
};

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct options *options = data;

	if (strcmp(option->name, "filename") == 0)
		return policy_args_add(&options->files, options->verb, value);
	if (strcmp(option->name, "base") == 0)
		return policy_args_add(&options->bases, options->verb, value);
	if (strcmp(option->name, "delete") == 0)
		return policy_args_add(&options->deletions, options->verb, value);
	if (strcmp(option->name, "ipblock") == 0) {
		if (strcmp(value, "every") && strcmp(value, "never"))
			return verb_usage_error(options->verb,
						"--ipblock: found '%s', expected every or never",
						value);
		options->blocks_spare_pods = strcmp(value, "never") == 0;
		return 0;
	}
	if (strcmp(value, "table") && strcmp(value, "json"))
		return verb_usage_error(options->verb,
					"--output: found '%s', expected table or json", value);
	options->json = strcmp(value, "json") == 0;
	return 0;
}

/* ---- the change */

/* "cnp/default/rule1", "netpol/closed" (namespace default), "ccnp/lockdown". */
static int delete_one(const struct options *options, struct policy_scene *scene, const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	char *name = copy ? strchr(copy, '/') : NULL;
	const char *namespace = "default";
	enum object_kind kind;

	if (name)
		*name++ = '\0';
	if (!name || !*name || object_kind_parse(copy, &kind) < 0 || kind == OBJECT_ENDPOINT)
		return verb_usage_error(options->verb,
					"--delete: found '%s', expected KIND/NAMESPACE/NAME, such "
					"as cnp/default/rule1",
					text);
	if (!object_kind_is_namespaced(kind))
	namespace = "";
	if (object_kind_is_namespaced(kind) && strchr(name, '/')) {
		namespace = name;
		name = strchr(name, '/');
		*name++ = '\0';
	}
	if (!policy_scene_object(scene, kind, namespace, name)) {
		fprintf(stderr, "tendril policy diff: --delete: there is no %s %s%s%s\n",
			object_kind_name(kind), namespace, *namespace ? "/" : "", name);
		return EXIT_TROUBLE;
	}
	return policy_scene_delete(scene, kind, namespace, name) < 0 ? EXIT_TROUBLE : 0;
}

static int read_base(const struct cli *cli, const struct options *options,
		     struct policy_scene *scene)
{
	int r = 0;

	if (!options->bases.count)
		r = policy_input_agent(cli, scene);
	for (size_t i = 0; !r && i < options->bases.count; i++)
		r = policy_input_file(scene, options->bases.items[i]);
	return r == EXIT_NO ? EXIT_TROUBLE : r;
}

static int make_change(const struct options *options, struct policy_scene *scene)
{
	int r = 0;

	for (size_t i = 0; !r && i < options->files.count; i++)
		if (policy_input_file(scene, options->files.items[i]))
			r = EXIT_TROUBLE;
	for (size_t i = 0; !r && i < options->deletions.count; i++)
		r = delete_one(options, scene, options->deletions.items[i]);
	return r;
}

/* ---- showing it */

struct result {
	const struct cli *cli;
	struct policy_scene *after;
	struct policy_cohorts *groups;
	struct policy_changes *changes;
};

static const struct policy_cohort *group_of(const struct result *result, size_t at)
{
	return &result->groups->items[at];
}

/* Whose policies decide in a direction. */
static uint32_t subject_of(const struct result *result, const struct policy_change *change,
			   enum td_direction direction)
{
	return group_of(result, direction == TD_INGRESS ? change->to : change->from)->identity[1];
}

static size_t count_pairs(const struct policy_changes *changes)
{
	size_t count = 0;

	for (size_t i = 0; i < changes->count; i++)
		count += !i || changes->items[i].from != changes->items[i - 1].from ||
			 changes->items[i].to != changes->items[i - 1].to;
	return count;
}

static size_t count_allowed(const struct policy_changes *changes)
{
	size_t count = 0;

	for (size_t i = 0; i < changes->count; i++)
		count += changes->items[i].allowed;
	return count;
}

/* The ports, and the family if the pair has another one too. */
static char *ports_text(const struct result *result, const struct policy_change *change)
{
	unsigned int common =
		group_of(result, change->from)->families & group_of(result, change->to)->families;
	_cleanup_free_ char *ports = policy_ports_format(&change->ports, change->families);
	char *text = NULL;

	if (!ports || change->families == common)
		return take_ptr(ports);
	if (asprintf(&text, "%s (%s)", ports, policy_families_name(change->families)) < 0)
		return NULL;
	return text;
}

static void print_reasons(const struct result *result, const struct policy_change *change)
{
	const char *between = "";

	for (int d = TD_EGRESS; d >= TD_INGRESS; d--) {
		if (!change->decides[d])
			continue;
		fputs(between, stdout);
		policy_print_reason(stdout, policy_scene_engine(result->after),
				    subject_of(result, change, (enum td_direction)d),
				    (enum td_direction)d, change->rule[d]);
		between = "; ";
	}
}

static void print_strangers(const char *what, const struct object *const *pods, size_t count)
{
	if (!count)
		return;
	printf("%s, so not compared: %s/%s", what, pods[0]->namespace, pods[0]->name);
	if (count > 1)
		printf(" and %zu more", count - 1);
	putchar('\n');
}

static void print_rows(const struct result *result, char *const *ports)
{
	const struct policy_changes *changes = result->changes;
	int from = 4, to = 2, width = 5;

	for (size_t i = 0; i < changes->count; i++) {
		from = MAX(from, (int)strlen(group_of(result, changes->items[i].from)->text));
		to = MAX(to, (int)strlen(group_of(result, changes->items[i].to)->text));
		width = MAX(width, (int)strlen(ports[i]));
	}
	printf("   %-*s   %-*s   %-*s   DECIDED BY\n", from, "FROM", to, "TO", width, "PORTS");
	for (size_t i = 0; i < changes->count; i++) {
		const struct policy_change *change = &changes->items[i];
		const char *colour = change->allowed ? GREEN : RED;

		printf("%s%c%s  %-*s   %-*s   %-*s   ", result->cli->color ? colour : "",
		       change->allowed ? '+' : '-', result->cli->color ? PLAIN : "", from,
		       group_of(result, change->from)->text, to, group_of(result, change->to)->text,
		       width, ports[i]);
		print_reasons(result, change);
		putchar('\n');
	}
	putchar('\n');
}

static int print_table(const struct result *result)
{
	const struct policy_changes *changes = result->changes;
	char **ports = calloc(changes->count + 1, sizeof(*ports));
	size_t allowed = count_allowed(changes);
	int r = ports ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < changes->count; i++) {
		ports[i] = ports_text(result, &changes->items[i]);
		r = ports[i] ? 0 : -ENOMEM;
	}
	if (!r && changes->count)
		print_rows(result, ports);
	for (size_t i = 0; ports && i < changes->count; i++)
		free(ports[i]);
	free(ports);
	if (r < 0)
		return r;
	print_strangers("new pods", result->groups->come, result->groups->come_count);
	print_strangers("pods that go", result->groups->gone, result->groups->gone_count);
	printf("%zu of %zu pairs change: %zu + now allowed, %zu - now denied\n",
	       count_pairs(changes), changes->pair_count, allowed, changes->count - allowed);
	return 0;
}

static json_t *change_json(const struct result *result, const struct policy_change *change)
{
	_cleanup_free_ char *ports = policy_ports_format(&change->ports, change->families);
	json_t *reasons = json_array();

	for (int d = TD_EGRESS; d >= TD_INGRESS; d--)
		if (change->decides[d])
			json_array_append_new(
				reasons,
				policy_reason_json(policy_scene_engine(result->after),
						   subject_of(result, change, (enum td_direction)d),
						   (enum td_direction)d, change->rule[d]));
	return json_pack("{s:s, s:s, s:s, s:o, s:s?, s:o, s:o}", "from",
			 group_of(result, change->from)->text, "to",
			 group_of(result, change->to)->text, "now",
			 change->allowed ? "allowed" : "denied", "families",
			 policy_families_json(change->families), "ports", ports, "ranges",
			 policy_ports_json(&change->ports), "decided_by", reasons);
}

static json_t *strangers_json(const struct object *const *pods, size_t count)
{
	json_t *json = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(json,
				      json_sprintf("%s/%s", pods[i]->namespace, pods[i]->name));
	return json;
}

static int print_json(const struct result *result)
{
	const struct policy_changes *changes = result->changes;
	json_t *list = json_array(), *parties = json_array(), *json;

	for (size_t i = 0; i < result->groups->count; i++)
		json_array_append_new(parties, policy_cohort_json(group_of(result, i)));
	for (size_t i = 0; i < changes->count; i++)
		json_array_append_new(list, change_json(result, &changes->items[i]));
	json = json_pack(
		"{s:o, s:o, s:I, s:I, s:o, s:o}", "parties", parties, "changes", list, "pairs",
		(json_int_t)changes->pair_count, "pairs_changed", (json_int_t)count_pairs(changes),
		"new_pods", strangers_json(result->groups->come, result->groups->come_count),
		"pods_that_go", strangers_json(result->groups->gone, result->groups->gone_count));
	if (!json || json_dumpf(json, stdout, JSON_INDENT(2)) < 0) {
		json_decref(json);
		return -ENOMEM;
	}
	putchar('\n');
	json_decref(json);
	return 0;
}

/* ---- the verb */

static int compare(const struct options *options, struct policy_scene *before,
		   struct result *result)
{
	int r = policy_cohorts_make(before, result->after, &result->groups);

	if (!r)
		r = policy_changes_find(result->groups, &result->changes);
	if (!r)
		r = options->json ? print_json(result) : print_table(result);
	if (!r)
		r = result->changes->count ? EXIT_CHANGES : 0;
	if (r < 0)
		fprintf(stderr, "tendril policy diff: %s\n", strerror(-r));
	policy_changes_free(result->changes);
	policy_cohorts_free(result->groups);
	return r < 0 ? EXIT_TROUBLE : r;
}

static int diff(const struct cli *cli, const struct options *options)
{
	const struct policy_scene_options how = { .blocks_spare_pods = options->blocks_spare_pods };
	_cleanup_(policy_scene_freep) struct policy_scene *before = NULL, *after = NULL;
	struct result result = { .cli = cli };
	int r;

	if (policy_scene_new(&how, &before) < 0)
		return EXIT_TROUBLE;
	r = read_base(cli, options, before);
	if (!r && policy_scene_clone(before, &after) < 0)
		r = EXIT_TROUBLE;
	if (!r)
		r = make_change(options, after);
	if (r)
		return r;
	result.after = after;
	return compare(options, before, &result);
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct options options = { .verb = verb };
	int first, r = verb_parse(verb, argc, argv, false, set, &options, &first);

	if (r)
		return r;
	if (first < argc)
		return verb_usage_error(verb, "found '%s', expected options only", argv[first]);
	if (!options.files.count && !options.deletions.count)
		return verb_usage_error(verb, "expected -f FILE or --delete KIND/NAMESPACE/NAME");
	return diff(cli, &options);
}

static const struct verb_option diff_options[] = {
	{ 'f', "filename", "FILE", "as if these manifests were applied (repeatable; - is stdin)",
	  "@file" },
	{ 0, "delete", "KIND/NAMESPACE/NAME", "as if this object were deleted (repeatable)", NULL },
	{ 0, "base", "FILE", "compare with these manifests instead of the node (repeatable)",
	  "@file" },
	{ 0, "ipblock", "every|never",
	  "whether NetworkPolicy's ipBlock matches pods' addresses (default every)",
	  "every never" },
	{ 'o', "output", "table|json", "how to print", "table json" },
	{},
};

const struct verb verb_policy_diff = {
	.name = "policy diff",
	.summary = "who could talk to whom after a change",
	.synopsis = "-f FILE... [--delete KIND/NAMESPACE/NAME]... [--base FILE]... [-o table|json]",
	.help = "Example: tendril policy diff -f new.yaml\n\n"
		"Lists every source, destination and port that would change sides if the manifests were\n"
		"applied: + now allowed, - now denied, and which rule decides then. Both directions count,\n"
		"every port of every protocol is covered. Pods with the same labels are one party; the\n"
		"others are the node, the outside (world) and each CIDR that rules speak of. Nothing is\n"
		"changed. With --base it needs neither a node nor privileges. Exit status 0 if nothing\n"
		"changes sides, 1 if something does, 2 for wrong usage or a file that cannot be used.",
	.options = diff_options,
	.run = run,
};
