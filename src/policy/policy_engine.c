/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_engine.h"

#include "policy/policy_state.h"

static struct policy_commons commons(struct policy_engine *engine)
{
	return (struct policy_commons){ &engine->peers, &engine->cidrs, &engine->groups };
}

int policy_engine_new(struct policy_engine **ret)
{
	_cleanup_(policy_engine_freep) struct policy_engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return -ENOMEM;
	policy_cidrs_init(&engine->cidrs);
	policy_tables_init(&engine->tables);
	engine->next_rule = TD_RULE_MIN;
	r = policy_peers_init(&engine->peers);
	if (r < 0)
		return r;
	*ret = take_ptr(engine);
	return 0;
}

void policy_engine_free(struct policy_engine *engine)
{
	struct policy_commons shared;

	if (!engine)
		return;
	shared = commons(engine);
	for (size_t i = 0; i < engine->policy_count; i++)
		policy_prepared_free(engine->policies[i], &shared);
	policy_groups_fini(&engine->groups);
	policy_peers_fini(&engine->peers);
	policy_cidrs_fini(&engine->cidrs);
	policy_tables_fini(&engine->tables);
	free(engine->policies);
	free(engine->numbered);
	free(engine->list.items);
	free(engine->changed);
	free(engine);
}

void policy_engine_spare_pods(struct policy_engine *engine, bool spare)
{
	engine->spare_pods = spare;
}

void policy_engine_enforce(struct policy_engine *engine, enum policy_enforcement enforcement)
{
	if (engine->enforcement == enforcement)
		return;
	engine->enforcement = enforcement;
	for (size_t i = 0; i < engine->peers.count; i++)
		if (policy_peer_is_subject(engine->peers.sorted[i]->number))
			engine->peers.sorted[i]->dirty = true;
}

/* First index whose policy is not below the key. */
static size_t policy_position(const struct policy_engine *engine, enum object_kind kind,
			      const char *namespace, const char *name)
{
	size_t low = 0, high = engine->policy_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (policy_prepared_compare(engine->policies[middle], kind, namespace, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct policy_prepared *policy_at(const struct policy_engine *engine, size_t at,
					 enum object_kind kind, const char *namespace,
					 const char *name)
{
	if (at == engine->policy_count ||
	    policy_prepared_compare(engine->policies[at], kind, namespace, name) != 0)
		return NULL;
	return engine->policies[at];
}

/* Every subject that the policy selects is to be looked at again. */
static void mark_selected(struct policy_engine *engine, const struct policy_prepared *policy)
{
	for (size_t s = 0; s < policy->spec_count; s++) {
		bits_for_each(slot, &policy->specs[s].subject->members)
		{
			struct policy_peer *peer = engine->peers.slots[slot];

			if (peer && policy_peer_is_pod(peer->number))
				peer->dirty = true;
		}
	}
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Written the same at the same place: its rules keep their numbers. */
static bool same_object(const struct object *a, const struct object *b)
{
	if (a == b)
		return true;
	return a->text && b->text && strcmp(a->text, b->text) == 0 && a->line == b->line &&
	       same_text(a->file, b->file);
}

static int policies_reserve(struct policy_engine *engine)
{
	struct policy_prepared **items;

	items = array_room(engine->policies, engine->policy_count, &engine->policy_room,
			   sizeof(*items));
	if (!items)
		return -ENOMEM;
	engine->policies = items;
	items = array_room(engine->numbered, engine->policy_count, &engine->numbered_room,
			   sizeof(*items));
	if (!items)
		return -ENOMEM;
	engine->numbered = items;
	return 0;
}

static void policy_remove(struct policy_engine *engine, size_t at)
{
	const struct policy_commons shared = commons(engine);
	struct policy_prepared *policy = engine->policies[at];
	size_t n = 0;

	while (engine->numbered[n] != policy)
		n++;
	engine->policy_count--;
	memmove(&engine->policies[at], &engine->policies[at + 1],
		(engine->policy_count - at) * sizeof(policy));
	memmove(&engine->numbered[n], &engine->numbered[n + 1],
		(engine->policy_count - n) * sizeof(policy));
	mark_selected(engine, policy);
	policy_prepared_free(policy, &shared);
}

int policy_engine_put_policy(struct policy_engine *engine, struct object *object)
{
	size_t at = policy_position(engine, object->kind, object->namespace, object->name);
	struct policy_prepared *old =
		policy_at(engine, at, object->kind, object->namespace, object->name);
	const struct policy_commons shared = commons(engine);
	struct policy_prepared *fresh;
	int r;

	if (old && same_object(old->object, object))
		return 0;
	r = policies_reserve(engine);
	if (!r)
		r = policy_prepare(object, engine->next_rule, &shared, &fresh);
	if (r < 0)
		return r;
	if (old)
		policy_remove(engine, at);
	memmove(&engine->policies[at + 1], &engine->policies[at],
		(engine->policy_count - at) * sizeof(fresh));
	engine->policies[at] = fresh;
	engine->numbered[engine->policy_count++] = fresh;
	engine->next_rule += (uint32_t)fresh->rule_count;
	mark_selected(engine, fresh);
	return 0;
}

void policy_engine_delete_policy(struct policy_engine *engine, enum object_kind kind,
				 const char *namespace, const char *name)
{
	size_t at = policy_position(engine, kind, namespace, name);

	if (policy_at(engine, at, kind, namespace, name))
		policy_remove(engine, at);
}

void policy_engine_repeat(struct policy_engine *engine)
{
	policy_groups_repeat(&engine->groups);
}

bool policy_engine_takes(enum object_kind kind)
{
	return kind == OBJECT_CILIUM_CIDR_GROUP || kind == OBJECT_SERVICE ||
	       kind == OBJECT_ENDPOINT_SLICE || kind == OBJECT_INVENTORY_GROUP;
}

int policy_engine_put_group(struct policy_engine *engine, struct object *object)
{
	return policy_groups_put_object(&engine->groups, object);
}

int policy_engine_delete_group(struct policy_engine *engine, enum object_kind kind,
			       const char *namespace, const char *name)
{
	return policy_groups_delete_object(&engine->groups, kind, namespace, name);
}

static int missing_in_rule(const struct policy_prepared_rule *rule, policy_reference_fn fn,
			   void *data)
{
	int r = 0;

	for (size_t i = 0; !r && i < rule->set_count; i++)
		if (!rule->sets[i]->now.object_count)
			r = fn(&rule->rule->groups[i], data);
	return r;
}

int policy_engine_for_each_missing(const struct policy_engine *engine, enum object_kind kind,
				   const char *namespace, const char *name, policy_reference_fn fn,
				   void *data)
{
	size_t at = policy_position(engine, kind, namespace, name);
	const struct policy_prepared *policy = policy_at(engine, at, kind, namespace, name);
	int r = 0;

	for (size_t s = 0; policy && !r && s < policy->spec_count; s++)
		for (size_t i = 0; !r && i < policy->specs[s].rule_count; i++)
			r = missing_in_rule(&policy->specs[s].rules[i], fn, data);
	return r;
}

void policy_engine_audit(struct policy_engine *engine, enum object_kind kind, const char *namespace,
			 const char *name, bool audited)
{
	size_t at = policy_position(engine, kind, namespace, name);
	struct policy_prepared *policy = policy_at(engine, at, kind, namespace, name);

	if (!policy || !policy->spec_count || policy->specs[0].audit == audited)
		return;
	for (size_t s = 0; s < policy->spec_count; s++)
		policy->specs[s].audit = audited;
	mark_selected(engine, policy);
}

bool policy_engine_is_audited(const struct policy_engine *engine, const struct object *policy)
{
	size_t at = policy_position(engine, policy->kind, policy->namespace, policy->name);
	const struct policy_prepared *prepared =
		policy_at(engine, at, policy->kind, policy->namespace, policy->name);

	return prepared && prepared->spec_count && prepared->specs[0].audit;
}

int policy_engine_put_identity(struct policy_engine *engine, const struct identity *identity)
{
	if (!policy_peer_is_pod(identity->number))
		return 0;
	return policy_peers_put(&engine->peers, identity->number, identity->labels, identity->ports,
				identity->port_count);
}

void policy_engine_delete_identity(struct policy_engine *engine, uint32_t number)
{
	policy_peers_delete(&engine->peers, number);
}

const struct policy_subject *policy_engine_subject(const struct policy_engine *engine,
						   uint32_t identity)
{
	const struct policy_peer *peer = policy_peers_find(&engine->peers, identity);

	return peer && peer->subject.table[0] ? &peer->subject : NULL;
}

int policy_engine_for_each_subject(const struct policy_engine *engine,
				   int (*fn)(const struct policy_subject *subject, void *data),
				   void *data)
{
	int r = 0;

	for (size_t i = 0; !r && i < engine->peers.count; i++)
		if (engine->peers.sorted[i]->subject.table[0])
			r = fn(&engine->peers.sorted[i]->subject, data);
	return r;
}

const struct policy_cidr *policy_engine_cidrs(const struct policy_engine *engine, size_t *count)
{
	*count = engine->list.count;
	return engine->list.items;
}

uint32_t policy_engine_cidr_of(const struct policy_engine *engine, const struct td_addr *addr)
{
	struct prefix whole = { .addr = *addr, .length = address_is_ipv4(addr) ? 32 : 128 };
	size_t at = policy_cidr_list_position(&engine->list, &whole);

	/* Prefixes that hold the address stand before it; the longest comes last. */
	if (at < engine->list.count &&
	    policy_prefix_compare(&engine->list.items[at].prefix, &whole) == 0)
		return engine->list.items[at].identity;
	while (at--)
		if (prefix_contains(&engine->list.items[at].prefix, addr))
			return engine->list.items[at].identity;
	return 0;
}

const struct policy_rule_name *policy_engine_rule(const struct policy_engine *engine,
						  uint32_t number)
{
	size_t low = 0, high = engine->policy_count;

	/* The last policy whose first rule is not above the number; without rules, any place. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct policy_prepared *policy = engine->numbered[middle];

		if (policy->first_rule + policy->rule_count <= number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == engine->policy_count || number < engine->numbered[low]->first_rule)
		return NULL;
	return &engine->numbered[low]->names[number - engine->numbered[low]->first_rule];
}

int policy_engine_for_each_rule(const struct policy_engine *engine,
				int (*fn)(const struct policy_rule_name *rule, void *data),
				void *data)
{
	int r = 0;

	for (size_t p = 0; !r && p < engine->policy_count; p++)
		for (size_t i = 0; !r && i < engine->numbered[p]->rule_count; i++)
			r = fn(&engine->numbered[p]->names[i], data);
	return r;
}
