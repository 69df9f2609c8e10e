/* SPDX-License-Identifier: Apache-2.0 */
/* tendril policy explain: who may talk to whom, which rule decided, and what came nearest. */
#include "admin.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "policy/policy_words.h"
#include "policy_input.h"

#define FILES_MAX 64
#define RED       "\033[31m"
#define GREEN     "\033[32m"
#define YELLOW    "\033[33m"
#define PLAIN     "\033[0m"

struct options {
	const struct verb *verb;
	const char *from, *to, *port;
	const char *files[FILES_MAX];
	size_t file_count;
	const char *inventory;
	bool blocks_spare_pods, json;
};

/* One direction of the question, answered. */
struct side {
	enum td_direction direction;
	const struct policy_party *subject, *peer;
	struct policy_decision decision;
	const struct policy_rule_name *rule;    /* that decided; NULL: none did */
	const struct policy_rule_name *nearest; /* that would have allowed, but for peer or port */
	enum policy_fit fit;                    /* of nearest */
	json_t *isolated_by;                    /* array of {kind, namespace, name, file, line} */
};

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct options *options = data;

	if (strcmp(option->name, "from") == 0) {
		options->from = value;
	} else if (strcmp(option->name, "to") == 0) {
		options->to = value;
	} else if (strcmp(option->name, "port") == 0) {
		options->port = value;
	} else if (strcmp(option->name, "filename") == 0) {
		if (options->file_count == FILES_MAX)
			return verb_usage_error(options->verb, "more than %d files", FILES_MAX);
		options->files[options->file_count++] = value;
	} else if (strcmp(option->name, "inventory") == 0) {
		options->inventory = value;
	} else if (strcmp(option->name, "ipblock") == 0) {
		if (strcmp(value, "every") && strcmp(value, "never"))
			return verb_usage_error(options->verb,
						"--ipblock: found '%s', expected every or never",
						value);
		options->blocks_spare_pods = strcmp(value, "never") == 0;
	} else {
		if (strcmp(value, "text") && strcmp(value, "json"))
			return verb_usage_error(options->verb,
						"--output: found '%s', expected text or json",
						value);
		options->json = strcmp(value, "json") == 0;
	}
	return 0;
}

/* ---- answering */

static int note_isolating(const struct object *policy, void *data)
{
	struct side *side = data;
	json_t *json =
		json_pack("{s:s, s:s, s:s, s:s?, s:I}", "kind", object_kind_name(policy->kind),
			  "namespace", policy->namespace, "name", policy->name, "file",
			  policy->file, "line", (json_int_t)policy->line);

	return json_array_append_new(side->isolated_by, json) < 0 ? -ENOMEM : 0;
}

static int note_nearest(const struct policy_rule_name *rule, enum policy_fit fit, void *data)
{
	struct side *side = data;

	if (rule && !rule->deny && fit > side->fit) {
		side->nearest = rule;
		side->fit = fit;
	}
	return 0;
}

static bool is_default_denial(const struct side *side)
{
	return side->decision.rule == TD_RULE_DEFAULT_DENY || side->decision.rule == TD_RULE_ALWAYS;
}

static int answer_side(struct policy_scene *scene, const struct policy_probe *probe,
		       struct side *side)
{
	const struct policy_engine *engine = policy_scene_engine(scene);
	struct policy_query query;
	int r = policy_scene_judge(scene, side->direction, side->subject, side->peer, probe,
				   &side->decision);

	if (!r)
		r = policy_scene_query(scene, side->peer, probe, &query);
	side->rule = policy_engine_rule(engine, side->decision.rule);
	side->isolated_by = json_array();
	if (r || !side->subject->is_pod)
		return r;
	r = policy_isolating(engine, side->subject->identity, side->direction, note_isolating,
			     side);
	if (!r && is_default_denial(side))
		r = policy_explain(engine, side->subject->identity, side->direction, &query,
				   note_nearest, side);
	return r;
}

/* ---- printing */

/* What decided if no rule of a policy did. */
static const char *built_in_reason(const struct side *side)
{
	switch (side->decision.rule) {
	case TD_RULE_UNSELECTED:
		return side->subject->is_pod ? "no policy isolates it in this direction"
					     : "it is no pod, so no policy applies";
	case TD_RULE_LOCAL_HOST:
		return "the node reaches its own pods unless a rule denies it";
	case TD_RULE_INIT:
		return "it has no Pod object yet (identity init)";
	case TD_RULE_NO_SUBJECT:
		return "it has no policy tables";
	case TD_RULE_NEVER:
		return "policies are not enforced (mode never)";
	case TD_RULE_ALWAYS:
		return "no rule allows this, and the node denies what no rule allows (mode always)";
	default:
		return "it is isolated, and no rule allows this (default deny)";
	}
}

static void print_isolating(const struct side *side)
{
	const json_t *policy;
	size_t i;

	json_array_foreach (side->isolated_by, i, policy) {
		const char *namespace = json_string_value(json_object_get(policy, "namespace"));

		printf("  isolated by  %s %s%s%s ",
		       json_string_value(json_object_get(policy, "kind")), namespace,
		       *namespace ? "/" : "", json_string_value(json_object_get(policy, "name")));
		policy_print_place(
			stdout, json_string_value(json_object_get(policy, "file")),
			(unsigned int)json_integer_value(json_object_get(policy, "line")));
		putchar('\n');
	}
}

/* Who has it forwarded all the same. */
static const char *audit_reason(const struct side *side)
{
	if (side->subject->audited && side->subject->audited_by == OBJECT_POD)
		return "the pod is in audit mode";
	if (side->subject->audited)
		return side->subject->audited_by == OBJECT_NAMESPACE
			       ? "its namespace is in audit mode"
			       : "the node is in audit mode";
	return side->rule ? "that policy is in audit mode"
			  : "every policy that isolates it is in audit mode";
}

static const char *side_outcome(const struct side *side)
{
	if (side->decision.allowed)
		return "allowed";
	return side->decision.audited ? "would be denied" : "denied";
}

static void print_side(const struct side *side)
{
	printf("%s of %s: %s", side->direction == TD_EGRESS ? "egress" : "ingress",
	       side->subject->text, side_outcome(side));
	if (side->rule) {
		printf(" by ");
		policy_print_rule(stdout, side->rule);
		putchar('\n');
	} else {
		printf(": %s\n", built_in_reason(side));
	}
	if (side->decision.audited)
		printf("  audited      %s: it is forwarded and reported\n", audit_reason(side));
	if (!is_default_denial(side))
		return;
	print_isolating(side);
	if (!side->nearest || side->fit == POLICY_FIT_NONE)
		return;
	printf("  nearest      ");
	policy_print_rule(stdout, side->nearest);
	printf(": allows %s\n", side->fit == POLICY_FIT_PEER ? "this peer, on other ports"
							     : "this port, for other peers");
}

static json_t *rule_json(const struct policy_rule_name *rule)
{
	if (!rule)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s?, s:I}", "kind",
			 object_kind_name(rule->kind), "namespace", rule->namespace, "name",
			 rule->name, "list", policy_list_name(rule->direction, rule->deny), "index",
			 (json_int_t)rule->index, "file", rule->file, "line",
			 (json_int_t)rule->line);
}

static json_t *side_json(const struct side *side)
{
	static const char *const fits[] = {
		[POLICY_FIT_PORT] = "port", [POLICY_FIT_PEER] = "peer"
	};
	json_t *nearest = rule_json(side->nearest);

	if (side->nearest)
		json_object_set_new(nearest, "fits", json_string(fits[side->fit]));
	return json_pack("{s:s, s:s, s:b, s:b, s:s?, s:o, s:O, s:o}", "direction",
			 side->direction == TD_EGRESS ? "egress" : "ingress", "subject",
			 side->subject->text, "allowed", side->decision.allowed, "audited",
			 side->decision.audited, "reason",
			 side->rule ? NULL : built_in_reason(side), "rule", rule_json(side->rule),
			 "isolated_by", side->isolated_by, "nearest", nearest);
}

/* ---- the question */

struct question {
	const struct options *options;
	const struct cli *cli;
	struct policy_scene *scene;
	struct policy_party from, to;
	struct policy_probe probe;
	bool family_told; /* by an address or by ICMP's version */
	json_t *answers;
};

enum outcome { OUTCOME_DENIED, OUTCOME_AUDITED, OUTCOME_ALLOWED };

static enum outcome outcome_of(const struct side sides[static 2])
{
	enum outcome worst = OUTCOME_ALLOWED;

	for (size_t i = 0; i < 2; i++) {
		enum outcome outcome = sides[i].decision.allowed   ? OUTCOME_ALLOWED
				       : sides[i].decision.audited ? OUTCOME_AUDITED
								   : OUTCOME_DENIED;

		worst = MIN(worst, outcome);
	}
	return worst;
}

static void print_outcome(const struct question *question, enum outcome outcome)
{
	static const struct {
		const char *text, *colour;
	} texts[] = {
		[OUTCOME_DENIED] = { "denied", RED },
		[OUTCOME_AUDITED] = { "would be denied, audited", YELLOW },
		[OUTCOME_ALLOWED] = { "allowed", GREEN },
	};
	bool color = question->cli->color;
	char probe[POLICY_PROBE_TEXT_MAX];

	printf("%s -> %s, %s%s: %s%s%s\n", question->from.text, question->to.text,
	       policy_probe_format(&question->probe, probe),
	       question->family_told  ? ""
	       : question->probe.ipv6 ? ", IPv6"
				      : ", IPv4",
	       color ? texts[outcome].colour : "", texts[outcome].text, color ? PLAIN : "");
}

static int ask_family(struct question *question, bool ipv6, bool *ret_passes)
{
	struct side sides[2] = {
		{ .direction = TD_EGRESS, .subject = &question->from, .peer = &question->to },
		{ .direction = TD_INGRESS, .subject = &question->to, .peer = &question->from },
	};
	json_t *directions = json_array();
	enum outcome outcome;
	int r = 0;

	question->probe.ipv6 = ipv6;
	for (size_t i = 0; !r && i < ARRAY_SIZE(sides); i++) {
		r = answer_side(question->scene, &question->probe, &sides[i]);
		json_array_append_new(directions, side_json(&sides[i]));
	}
	outcome = outcome_of(sides);
	*ret_passes = outcome != OUTCOME_DENIED;
	if (!r && !question->options->json) {
		print_outcome(question, outcome);
		for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
			print_side(&sides[i]);
	}
	json_array_append_new(question->answers,
			      json_pack("{s:s, s:b, s:b, s:o}", "family", ipv6 ? "IPv6" : "IPv4",
					"allowed", outcome == OUTCOME_ALLOWED, "audited",
					outcome == OUTCOME_AUDITED, "directions", directions));
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
		json_decref(sides[i].isolated_by);
	return r;
}

static bool decisions_equal(struct policy_scene *scene, const struct question *question)
{
	const struct policy_party *ends[] = { &question->from, &question->to };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		enum td_direction direction = i ? TD_INGRESS : TD_EGRESS;
		struct policy_probe v4 = question->probe, v6 = question->probe;
		struct policy_decision a = { 0 }, b = { 0 };

		v6.ipv6 = true;
		if (policy_scene_judge(scene, direction, ends[i], ends[!i], &v4, &a) < 0 ||
		    policy_scene_judge(scene, direction, ends[i], ends[!i], &v6, &b) < 0 ||
		    a.rule != b.rule || a.audited != b.audited)
			return false;
	}
	return true;
}

static bool has_family(const struct policy_party *party, bool ipv6)
{
	bool has[2] = { !address_is_zero(&party->ip[0]), !address_is_zero(&party->ip[1]) };

	return has[ipv6] || (!has[0] && !has[1]);
}

/* Both families, unless something tells which, or they come out the same. */
static int ask(struct question *question)
{
	bool v4 = has_family(&question->from, false) && has_family(&question->to, false);
	bool v6 = has_family(&question->from, true) && has_family(&question->to, true);
	bool passes = true, each;
	int r = 0;

	if (question->probe.protocol == IPPROTO_ICMP ||
	    question->probe.protocol == IPPROTO_ICMPV6) {
		v4 = v4 && question->probe.protocol == IPPROTO_ICMP;
		v6 = v6 && question->probe.protocol == IPPROTO_ICMPV6;
	}
	if (!v4 && !v6) {
		fprintf(stderr,
			"tendril policy explain: %s and %s have no address family in common "
			"with the question\n",
			question->from.text, question->to.text);
		return EXIT_NO;
	}
	question->family_told = v4 != v6 || decisions_equal(question->scene, question);
	if (v4 && v6 && question->family_told)
		v6 = false;
	for (int ipv6 = 0; !r && ipv6 < 2; ipv6++) {
		if (ipv6 ? !v6 : !v4)
			continue;
		r = ask_family(question, ipv6, &each);
		passes = passes && each;
	}
	if (r < 0) {
		fprintf(stderr, "tendril policy explain: %s\n", strerror(-r));
		return EXIT_NO;
	}
	return passes ? 0 : EXIT_NO;
}

static int find_party(struct policy_scene *scene, const char *option, const char *text,
		      struct policy_party *ret)
{
	struct diag diag = { 0 };

	if (policy_scene_party(scene, text, ret, &diag) == 0)
		return 0;
	fprintf(stderr, "tendril policy explain: --%s: %s\n", option,
		diag_is_set(&diag) ? diag.text : "memory is short");
	return EXIT_NO;
}

static int explain(const struct cli *cli, const struct options *options, struct policy_scene *scene)
{
	struct question question = { .options = options, .cli = cli, .scene = scene };
	int r = 0;

	if (policy_probe_parse(options->port, &question.probe) < 0)
		return verb_usage_error(
			options->verb,
			"--port: found '%s', expected PORT/PROTOCOL such as 80/TCP, "
			"53/UDP, 80/SCTP, ICMP/8 or ICMPv6/128",
			options->port);
	for (size_t i = 0; !r && i < options->file_count; i++)
		r = policy_input_file(scene, options->files[i]);
	if (!r && options->inventory)
		r = policy_input_inventory(scene, options->inventory);
	if (!r && !options->file_count)
		r = policy_input_agent(cli, scene);
	if (!r)
		r = find_party(scene, "from", options->from, &question.from);
	if (!r)
		r = find_party(scene, "to", options->to, &question.to);
	if (r)
		return r;
	question.answers = json_array();
	r = ask(&question);
	if (options->json) {
		json_dumpf(question.answers, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(question.answers);
	return r;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	_cleanup_(policy_scene_freep) struct policy_scene *scene = NULL;
	struct options options = { .verb = verb };
	int first, r = verb_parse(verb, argc, argv, false, set, &options, &first);

	if (r)
		return r;
	if (first < argc)
		return verb_usage_error(verb, "found '%s', expected options only", argv[first]);
	if (options.inventory && !options.file_count)
		return verb_usage_error(verb, "expected --inventory beside -f only");
	if (!options.from || !options.to || !options.port)
		return verb_usage_error(verb, "expected --from, --to and --port");
	const struct policy_scene_options how = { .blocks_spare_pods = options.blocks_spare_pods };

	if (policy_scene_new(&how, &scene) < 0)
		return EXIT_NO;
	return explain(cli, &options, scene);
}

static const struct verb_option explain_options[] = {
	{ 0, "from", "WHO", "who begins: NAMESPACE/POD, an address, an entity, or labels a=b,c=d",
	  NULL },
	{ 0, "to", "WHO", "whom it talks to, likewise", NULL },
	{ 'p', "port", "PORT/PROTOCOL", "80/TCP, 53/UDP, 80/SCTP, ICMP/8, ICMPv6/128", NULL },
	{ 'f', "filename", "FILE",
	  "ask these manifests instead of the node (repeatable; - is stdin)", "@file" },
	{ 0, "inventory", "FILE",
	  "with -f: the groups of a cloud that toGroups and fromGroups refer to", "@file" },
	{ 0, "ipblock", "every|never",
	  "whether NetworkPolicy's ipBlock matches pods' addresses (default every)",
	  "every never" },
	{ 'o', "output", "text|json", "how to print", "text json" },
	{},
};

const struct verb verb_policy_explain = {
	.name = "policy explain",
	.summary = "which rule decides about a connection, and why",
	.synopsis = "--from WHO --to WHO --port PORT/PROTOCOL [-f FILE]... [--inventory FILE] "
		    "[-o text|json]",
	.help = "Example: tendril policy explain --from default/xwing --to class=deathstar --port 80/TCP\n\n"
		"Prints the verdict, direction by direction: the policy and rule that decided, with file\n"
		"and line, or that the default did, which policies isolate the pod, and the rule that came\n"
		"nearest to allowing it. With -f it needs neither a node nor privileges. Exit status 0 if\n"
		"the connection passes, 1 if not. What is audited passes: it would be denied, but is\n"
		"forwarded and reported.",
	.options = explain_options,
	.run = run,
};
