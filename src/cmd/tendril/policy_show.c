/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_show.h"

#include "base/util.h"
#include "policy/policy_explain.h"
#include "policy/policy_words.h"

int policy_args_add(struct policy_args *args, const struct verb *verb, const char *word)
{
	if (args->count == POLICY_ARGS_MAX)
		return verb_usage_error(verb, "more than %d times the same option",
					POLICY_ARGS_MAX);
	args->items[args->count++] = word;
	return 0;
}

static const char *kind_name(enum policy_cohort_kind kind)
{
	static const char *const names[] = {
		[POLICY_COHORT_PODS] = "pods",     [POLICY_COHORT_HOST] = "host",
		[POLICY_COHORT_ENTITY] = "entity", [POLICY_COHORT_WORLD] = "world",
		[POLICY_COHORT_CIDR] = "cidr",
	};

	return names[kind];
}

const char *policy_families_name(unsigned int families)
{
	if (families == POLICY_BOTH)
		return "";
	return families == POLICY_IPV4 ? "IPv4" : "IPv6";
}

json_t *policy_families_json(unsigned int families)
{
	json_t *json = json_array();

	for (unsigned int family = POLICY_IPV4; family <= POLICY_IPV6; family <<= 1)
		if (families & family)
			json_array_append_new(json, json_string(policy_families_name(family)));
	return json;
}

json_t *policy_cohort_json(const struct policy_cohort *group)
{
	json_t *json =
		json_pack("{s:s, s:s, s:o}", "name", group->text, "kind", kind_name(group->kind),
			  "families", policy_families_json(group->families));
	json_t *pods = json_array();
	char prefix[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < group->pod_count; i++)
		json_array_append_new(pods, json_sprintf("%s/%s", group->pods[i]->namespace,
							 group->pods[i]->name));
	if (group->pod_count)
		json_object_set(json, "pods", pods);
	json_decref(pods);
	if (group->kind == POLICY_COHORT_CIDR)
		json_object_set_new(json, "cidr",
				    json_string(prefix_format(&group->prefix, prefix)));
	return json;
}

json_t *policy_ports_json(const struct policy_ports *ports)
{
	json_t *json = json_array();

	for (size_t i = 0; i < ports->count; i++)
		for (size_t s = 0; s < POLICY_PORT_SPACES; s++)
			if (policy_port_spaces[s].protocol == ports->items[i].protocol)
				json_array_append_new(json,
						      json_pack("{s:s, s:i, s:i}", "protocol",
								policy_port_spaces[s].name, "first",
								ports->items[i].first, "last",
								ports->items[i].last));
	return json;
}

/* What decided if no rule of a policy did. */
static const char *built_in(uint32_t rule)
{
	static const char *const reasons[] = {
		[TD_RULE_UNSELECTED] = "no policy isolates it",
		[TD_RULE_DEFAULT_DENY] = "default deny",
		[TD_RULE_LOCAL_HOST] = "the node reaches its own pods",
		[TD_RULE_NO_SUBJECT] = "no policy tables",
		[TD_RULE_INIT] = "no Pod object yet",
	};

	return rule < ARRAY_SIZE(reasons) && reasons[rule] ? reasons[rule] : "";
}

struct isolation {
	FILE *out;
	json_t *json;
	size_t count;
};

static int print_first(const struct object *policy, void *data)
{
	struct isolation *isolation = data;

	if (isolation->count++)
		return 0;
	fputs(", isolated by ", isolation->out);
	policy_print_object(isolation->out, policy);
	fputc(' ', isolation->out);
	policy_print_place(isolation->out, policy->file, policy->line);
	return 0;
}

void policy_print_reason(FILE *out, const struct policy_engine *engine, uint32_t subject,
			 enum td_direction direction, uint32_t rule)
{
	const struct policy_rule_name *name = policy_engine_rule(engine, rule);
	struct isolation isolation = { .out = out };

	fprintf(out, "%s: ", direction == TD_INGRESS ? "ingress" : "egress");
	if (name) {
		policy_print_rule(out, name);
		return;
	}
	fputs(built_in(rule), out);
	if (rule != TD_RULE_DEFAULT_DENY)
		return;
	policy_isolating(engine, subject, direction, print_first, &isolation);
	if (isolation.count > 1)
		fprintf(out, " and %zu more", isolation.count - 1);
}

static json_t *place_json(const char *kind, const char *namespace, const char *name,
			  const char *file, unsigned int line)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:I}", "kind", kind, "namespace", namespace, "name",
			 name, "file", file, "line", (json_int_t)line);
}

static int add_isolating(const struct object *policy, void *data)
{
	struct isolation *isolation = data;

	return json_array_append_new(isolation->json,
				     place_json(object_kind_name(policy->kind), policy->namespace,
						policy->name, policy->file, policy->line));
}

json_t *policy_reason_json(const struct policy_engine *engine, uint32_t subject,
			   enum td_direction direction, uint32_t rule)
{
	const struct policy_rule_name *name = policy_engine_rule(engine, rule);
	struct isolation isolation = { .json = json_array() };
	json_t *json = json_null();

	if (name) {
		json = place_json(object_kind_name(name->kind), name->namespace, name->name,
				  name->file, name->line);
		json_object_set_new(json, "list",
				    json_string(policy_list_name(name->direction, name->deny)));
		json_object_set_new(json, "index", json_integer(name->index));
	}
	if (rule == TD_RULE_DEFAULT_DENY)
		policy_isolating(engine, subject, direction, add_isolating, &isolation);
	return json_pack("{s:s, s:o, s:s?, s:o}", "direction",
			 direction == TD_INGRESS ? "ingress" : "egress", "rule", json, "reason",
			 name ? NULL : built_in(rule), "isolated_by", isolation.json);
}
