/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_prepare.h"

bool policy_entity_prefix(enum entity entity, struct prefix *ret)
{
	if (entity != ENTITY_WORLD_IPV4 && entity != ENTITY_WORLD_IPV6)
		return false;
	*ret = (struct prefix){ 0 };
	if (entity == ENTITY_WORLD_IPV4)
		ret->addr = address_from_ipv4(0);
	return true;
}

/* Calls fn for every prefix written in a rule that needs an identity; on failure undoes nothing. */
static int rule_prefixes(const struct policy_rule *rule, struct policy_cidrs *cidrs,
			 int (*fn)(struct policy_cidrs *cidrs, const struct prefix *prefix),
			 size_t limit, size_t *ret_done)
{
	size_t done = 0;
	int r = 0;

	for (size_t i = 0; !r && i < rule->cidr_count && done < limit; i++) {
		const struct cidr_rule *cidr = &rule->cidrs[i];

		r = fn(cidrs, &cidr->prefix);
		done += !r;
		for (size_t e = 0; !r && e < cidr->except_count && done < limit; e++) {
			r = fn(cidrs, &cidr->except[e]);
			done += !r;
		}
	}
	for (size_t i = 0; i < rule->group_count; i++)
		for (size_t e = 0; !r && e < rule->groups[i].except_count && done < limit; e++) {
			r = fn(cidrs, &rule->groups[i].except[e]);
			done += !r;
		}
	for (size_t i = 0; !r && i < rule->entity_count && done < limit; i++) {
		struct prefix prefix;

		if (!policy_entity_prefix(rule->entities[i], &prefix))
			continue;
		r = fn(cidrs, &prefix);
		done += !r;
	}
	*ret_done = done;
	return r;
}

static int put_prefix(struct policy_cidrs *cidrs, const struct prefix *prefix)
{
	policy_cidrs_put(cidrs, prefix);
	return 0;
}

/* All but its prefixes. */
static void rule_release(struct policy_prepared_rule *rule, const struct policy_commons *commons)
{
	for (size_t i = 0; i < rule->selector_count; i++)
		policy_peers_unselect(commons->peers, rule->selectors[i]);
	free(rule->selectors);
	for (size_t i = 0; i < rule->set_count; i++)
		policy_groups_put(commons->groups, rule->sets[i], commons->peers, commons->cidrs);
	free(rule->sets);
}

/* All prefixes of the rule, or none. */
static int rule_take_prefixes(const struct policy_rule *rule, struct policy_cidrs *cidrs)
{
	size_t done, undone;
	int r = rule_prefixes(rule, cidrs, policy_cidrs_get, SIZE_MAX, &done);

	if (r < 0)
		rule_prefixes(rule, cidrs, put_prefix, done, &undone);
	return r;
}

static int rule_take_peers(struct policy_prepared_rule *prepared, const struct policy_rule *rule,
			   struct object *writer, const struct policy_commons *commons)
{
	int r = 0;

	prepared->selectors = calloc(rule->selector_count + 1, sizeof(*prepared->selectors));
	prepared->sets = calloc(rule->group_count + 1, sizeof(*prepared->sets));
	if (!prepared->selectors || !prepared->sets)
		return -ENOMEM;
	for (size_t i = 0; !r && i < rule->selector_count; i++) {
		r = policy_peers_select(commons->peers, rule->selectors[i], rule->requires,
					rule->require_count, &prepared->selectors[i]);
		prepared->selector_count += !r;
	}
	for (size_t i = 0; !r && i < rule->group_count; i++) {
		r = policy_groups_get(commons->groups, writer, &rule->groups[i],
				      &prepared->sets[i]);
		prepared->set_count += !r;
	}
	return r;
}

static int rule_prepare(struct policy_prepared_rule *prepared, const struct policy_rule *rule,
			struct object *writer, const struct policy_commons *commons)
{
	int r;

	prepared->rule = rule;
	r = rule_take_peers(prepared, rule, writer, commons);
	if (!r)
		r = rule_take_prefixes(rule, commons->cidrs);
	if (r < 0)
		rule_release(prepared, commons);
	return r;
}

static bool rule_has_names(const struct policy_rule *rule)
{
	for (size_t i = 0; i < rule->port_count; i++)
		if (rule->ports[i].name)
			return true;
	return false;
}

static bool rule_any_identity(const struct policy_rule *rule)
{
	if (rule->direction == TD_EGRESS && rule_has_names(rule))
		return true;
	for (size_t i = 0; i < rule->entity_count; i++)
		if (rule->entities[i] == ENTITY_CLUSTER)
			return true;
	return false;
}

static void spec_release(struct policy_prepared_spec *spec, const struct policy_commons *commons)
{
	size_t done;

	for (size_t i = 0; i < spec->rule_count; i++) {
		rule_prefixes(spec->rules[i].rule, commons->cidrs, put_prefix, SIZE_MAX, &done);
		rule_release(&spec->rules[i], commons);
	}
	free(spec->rules);
	policy_peers_unselect(commons->peers, spec->subject);
}

static int spec_prepare(struct policy_prepared_spec *prepared, const struct policy_spec *spec,
			struct object *writer, const struct policy_commons *commons)
{
	int r = policy_peers_select(commons->peers, spec->subject, NULL, 0, &prepared->subject);

	if (r < 0)
		return r;
	prepared->rules = calloc(spec->rule_count + 1, sizeof(*prepared->rules));
	if (!prepared->rules)
		r = -ENOMEM;
	for (size_t i = 0; i < 2; i++)
		prepared->isolates[i] = prepared->relevant[i] = spec->isolates[i];
	for (size_t i = 0; !r && i < spec->rule_count; i++) {
		r = rule_prepare(&prepared->rules[i], &spec->rules[i], writer, commons);
		if (r < 0)
			break;
		prepared->rule_count++;
		prepared->relevant[spec->rules[i].direction] = true;
		if (rule_any_identity(&spec->rules[i]))
			prepared->any_identity = true;
		if (spec->rules[i].direction == TD_INGRESS && rule_has_names(&spec->rules[i]))
			prepared->own_names = true;
	}
	if (r < 0)
		spec_release(prepared, commons);
	return r;
}

static void name_rule(struct policy_prepared *prepared, struct policy_prepared_rule *rule,
		      uint32_t number)
{
	const struct object *object = prepared->object;

	rule->number = number;
	prepared->names[prepared->rule_count++] = (struct policy_rule_name){
		.number = number,
		.kind = object->kind,
		.namespace = object->namespace,
		.name = object->name,
		.file = object->file,
		.line = rule->rule->line ? rule->rule->line : object->line,
		.direction = rule->rule->direction,
		.deny = rule->rule->deny,
		.index = rule->rule->index,
	};
}

static int names_prepare(struct policy_prepared *prepared)
{
	size_t count = 0;

	for (size_t s = 0; s < prepared->spec_count; s++)
		count += prepared->specs[s].rule_count;
	prepared->names = calloc(count + 1, sizeof(*prepared->names));
	if (!prepared->names)
		return -ENOMEM;
	for (size_t s = 0; s < prepared->spec_count; s++)
		for (size_t i = 0; i < prepared->specs[s].rule_count; i++)
			name_rule(prepared, &prepared->specs[s].rules[i],
				  prepared->first_rule + (uint32_t)prepared->rule_count);
	return 0;
}

int policy_prepare(struct object *object, uint32_t first_number,
		   const struct policy_commons *commons, struct policy_prepared **ret)
{
	const struct policy *policy = &object->policy;
	struct policy_prepared *prepared = calloc(1, sizeof(*prepared));
	int r = 0;

	if (!prepared)
		return -ENOMEM;
	prepared->object = object_ref(object);
	prepared->first_rule = first_number;
	prepared->specs = calloc(policy->spec_count + 1, sizeof(*prepared->specs));
	if (!prepared->specs)
		r = -ENOMEM;
	for (size_t i = 0; !r && i < policy->spec_count; i++) {
		r = spec_prepare(&prepared->specs[i], &policy->specs[i], object, commons);
		prepared->spec_count += !r;
	}
	if (!r)
		r = names_prepare(prepared);
	if (r < 0) {
		policy_prepared_free(prepared, commons);
		return r;
	}
	*ret = prepared;
	return 0;
}

void policy_prepared_free(struct policy_prepared *prepared, const struct policy_commons *commons)
{
	if (!prepared)
		return;
	for (size_t i = 0; i < prepared->spec_count; i++)
		spec_release(&prepared->specs[i], commons);
	free(prepared->specs);
	free(prepared->names);
	object_unref(prepared->object);
	free(prepared);
}

int policy_prepared_compare(const struct policy_prepared *prepared, enum object_kind kind,
			    const char *namespace, const char *name)
{
	const struct object *object = prepared->object;
	int order = (object->kind > kind) - (object->kind < kind);

	if (!order)
		order = strcmp(object->namespace, namespace);
	return order ? order : strcmp(object->name, name);
}
