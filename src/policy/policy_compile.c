/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_engine.h"

#include "base/util.h"
#include "policy/policy_state.h"

static bool rule_speaks_of(const struct policy_prepared_rule *rule, const struct bits *slots)
{
	for (size_t i = 0; i < rule->selector_count; i++)
		if (bits_meet(&rule->selectors[i]->members, slots))
			return true;
	for (size_t s = 0; s < rule->set_count; s++)
		for (size_t i = 0; i < rule->sets[s]->now.selector_count; i++)
			if (bits_meet(&rule->sets[s]->now.selectors[i]->members, slots))
				return true;
	return false;
}

static bool rule_refers_to_touched(const struct policy_prepared_rule *rule)
{
	for (size_t s = 0; s < rule->set_count; s++)
		if (rule->sets[s]->touched)
			return true;
	return false;
}

static bool rule_covers(const struct policy_prepared_rule *prepared, const struct prefix *prefix)
{
	const struct policy_rule *rule = prepared->rule;
	struct prefix family;

	for (size_t i = 0; i < rule->cidr_count; i++)
		if (prefix_covers(&rule->cidrs[i].prefix, prefix))
			return true;
	for (size_t i = 0; i < rule->entity_count; i++)
		if (policy_entity_prefix(rule->entities[i], &family) &&
		    prefix_covers(&family, prefix))
			return true;
	return false;
}

/* Whether what came or went since the last compile changes what the spec says. */
static bool spec_touched(const struct policy_engine *engine,
			 const struct policy_prepared_spec *spec)
{
	bool any = bits_next(&engine->peers.touched, 0) != SIZE_MAX;

	if (any && spec->any_identity)
		return true;
	for (size_t i = 0; i < spec->rule_count; i++) {
		if (rule_refers_to_touched(&spec->rules[i]))
			return true;
		if (any && rule_speaks_of(&spec->rules[i], &engine->peers.touched))
			return true;
		for (size_t t = 0; t < engine->cidrs.touched_count; t++)
			if (rule_covers(&spec->rules[i], &engine->cidrs.touched[t]))
				return true;
	}
	return false;
}

static struct policy_peer *subject_in(const struct policy_engine *engine, size_t slot)
{
	struct policy_peer *peer = engine->peers.slots[slot];

	return peer && !peer->gone && policy_peer_is_pod(peer->number) ? peer : NULL;
}

static bool selects_clean_one(const struct policy_engine *engine,
			      const struct policy_prepared_spec *spec)
{
	bits_for_each(slot, &spec->subject->members)
	{
		const struct policy_peer *peer = subject_in(engine, slot);

		if (peer && !peer->dirty)
			return true;
	}
	return false;
}

static void mark_touched(struct policy_engine *engine, const struct policy_prepared_spec *spec)
{
	if (!selects_clean_one(engine, spec) || !spec_touched(engine, spec))
		return;
	bits_for_each(slot, &spec->subject->members)
	{
		struct policy_peer *peer = subject_in(engine, slot);

		if (peer)
			peer->dirty = true;
	}
}

static void mark_all_touched(struct policy_engine *engine)
{
	for (size_t p = 0; p < engine->policy_count; p++)
		for (size_t s = 0; s < engine->policies[p]->spec_count; s++)
			mark_touched(engine, &engine->policies[p]->specs[s]);
}

/* The specs that say something about a subject in one direction, and the table that came of them:
 * subjects with equal lists share the work. */
struct mix {
	const struct policy_prepared_spec **specs;
	size_t count;
	const struct policy_peer *named; /* whose ports resolved names; NULL: none were written */
	uint32_t hash;
	const struct policy_table *table; /* a reference */
	struct mix *next;
};

#define MIX_BUCKETS 1024

struct compile {
	struct policy_engine *engine;
	struct policy_cidr_list list;
	struct policy_terms terms;
	struct mix *mixes[2][MIX_BUCKETS];
	const struct policy_prepared_spec **specs; /* of the subject at hand */
	size_t spec_count, spec_room;
	struct policy_subject *made; /* a reference on each table */
	size_t made_count;
	struct policy_subject *changed;
};

static void drop_tables(struct policy_engine *engine, struct policy_subject *subject)
{
	for (size_t d = 0; d < 2; d++) {
		policy_tables_put(&engine->tables, subject->table[d]);
		subject->table[d] = NULL;
	}
}

static void mix_free(struct compile *compile, struct mix *mix)
{
	policy_tables_put(&compile->engine->tables, mix->table);
	free(mix->specs);
	free(mix);
}

static void compile_free(struct compile *compile)
{
	if (!compile)
		return;
	for (size_t b = 0; b < 2 * MIX_BUCKETS; b++) {
		struct mix *next;

		for (struct mix *mix = compile->mixes[b / MIX_BUCKETS][b % MIX_BUCKETS]; mix;
		     mix = next) {
			next = mix->next;
			mix_free(compile, mix);
		}
	}
	for (size_t i = 0; i < compile->made_count; i++)
		drop_tables(compile->engine, &compile->made[i]);
	free(compile->made);
	free(compile->changed);
	free(compile->specs);
	free(compile->list.items);
	policy_terms_fini(&compile->terms);
	free(compile);
}
DEFINE_FREEP(compile);

static int compile_new(struct policy_engine *engine, struct compile **ret)
{
	_cleanup_(compile_freep) struct compile *compile = calloc(1, sizeof(*compile));
	size_t dirty = 0;
	int r;

	if (!compile)
		return -ENOMEM;
	compile->engine = engine;
	for (size_t i = 0; i < engine->peers.count; i++)
		dirty += engine->peers.sorted[i]->dirty;
	compile->made = calloc(dirty + 1, sizeof(*compile->made));
	compile->changed = calloc(dirty + 1, sizeof(*compile->changed));
	if (!compile->made || !compile->changed)
		return -ENOMEM;
	r = policy_cidrs_list(&engine->cidrs, &compile->list);
	if (r < 0)
		return r;
	*ret = take_ptr(compile);
	return 0;
}

static int list_specs(struct compile *compile, const struct policy_peer *subject,
		      enum td_direction direction)
{
	const struct policy_engine *engine = compile->engine;

	compile->spec_count = 0;
	for (size_t p = 0; p < engine->policy_count; p++) {
		const struct policy_prepared *policy = engine->policies[p];

		for (size_t s = 0; s < policy->spec_count; s++) {
			const struct policy_prepared_spec *spec = &policy->specs[s], **specs;

			if (!spec->relevant[direction] ||
			    !bits_test(&spec->subject->members, subject->slot))
				continue;
			specs = array_room(compile->specs, compile->spec_count, &compile->spec_room,
					   sizeof(*specs));
			if (!specs)
				return -ENOMEM;
			compile->specs = specs;
			specs[compile->spec_count++] = spec;
		}
	}
	return 0;
}

static bool ports_equal(const struct policy_peer *a, const struct policy_peer *b)
{
	if (a->port_count != b->port_count)
		return false;
	for (size_t i = 0; i < a->port_count; i++)
		if (strcmp(a->ports[i].name, b->ports[i].name) != 0 ||
		    a->ports[i].protocol != b->ports[i].protocol ||
		    a->ports[i].port != b->ports[i].port)
			return false;
	return true;
}

static struct mix *mix_find(const struct compile *compile, enum td_direction direction,
			    uint32_t hash, const struct policy_peer *subject)
{
	struct mix *mix = compile->mixes[direction][hash % MIX_BUCKETS];
	size_t size = compile->spec_count * sizeof(struct policy_prepared_spec *);

	for (; mix; mix = mix->next)
		if (mix->hash == hash && mix->count == compile->spec_count &&
		    (!size || memcmp(mix->specs, compile->specs, size) == 0) &&
		    (!mix->named || ports_equal(mix->named, subject)))
			break;
	return mix;
}

static void clear_terms(struct policy_terms *terms)
{
	terms->count = terms->peer_count = terms->range_count = 0;
}

/* What the specs at hand, and the node's mode, say of a direction as a whole. */
static uint32_t isolation_flags(const struct compile *compile, enum td_direction direction)
{
	bool isolated = false, audited = false;

	for (size_t s = 0; s < compile->spec_count; s++) {
		const struct policy_prepared_spec *spec = compile->specs[s];

		isolated = isolated || (spec->isolates[direction] && !spec->audit);
		audited = audited || (spec->isolates[direction] && spec->audit);
	}
	if (isolated)
		return TD_SUBJECT_ENFORCED;
	if (compile->engine->enforcement == POLICY_ENFORCE_ALWAYS)
		return TD_SUBJECT_ENFORCED | TD_SUBJECT_ALWAYS;
	return audited ? TD_SUBJECT_ENFORCED | TD_SUBJECT_AUDIT_DEFAULT : 0;
}

/* Terms and flags of the specs at hand. */
static int make_terms(struct compile *compile, const struct policy_peer *subject,
		      enum td_direction direction, uint32_t *ret_flags)
{
	struct policy_view view = { .peers = &compile->engine->peers,
				    .cidrs = &compile->list,
				    .subject = subject,
				    .spare_pods = compile->engine->spare_pods };
	struct policy_terms *terms = &compile->terms;
	uint32_t flags = isolation_flags(compile, direction);
	int r = 0;

	clear_terms(terms);
	for (size_t s = 0; s < compile->spec_count; s++) {
		const struct policy_prepared_spec *spec = compile->specs[s];

		view.audit = spec->audit;
		for (size_t i = 0; !r && i < spec->rule_count; i++)
			if (spec->rules[i].rule->direction == direction)
				r = policy_expand(&view, &spec->rules[i], terms);
	}
	if (!r && !flags)
		r = policy_terms_add(terms, TD_RULE_UNSELECTED, false, TD_PEER_ANY);
	/* Last, so that a rule that allows the node gives the reason; one that denies it wins. */
	if (!r && direction == TD_INGRESS)
		r = policy_terms_add(terms, TD_RULE_LOCAL_HOST, false, TD_ID_HOST);
	*ret_flags = flags;
	return r;
}

static int mix_new(struct compile *compile, const struct policy_peer *subject,
		   enum td_direction direction, uint32_t hash, struct mix **ret)
{
	struct mix *mix = calloc(1, sizeof(*mix));
	uint32_t flags;
	int r;

	if (!mix)
		return -ENOMEM;
	mix->specs = calloc(compile->spec_count + 1, sizeof(*mix->specs));
	r = mix->specs ? make_terms(compile, subject, direction, &flags) : -ENOMEM;
	if (!r)
		r = policy_tables_get(&compile->engine->tables, &compile->terms, flags,
				      &mix->table);
	if (r < 0) {
		mix_free(compile, mix);
		return r;
	}
	for (; mix->count < compile->spec_count; mix->count++) {
		mix->specs[mix->count] = compile->specs[mix->count];
		if (direction == TD_INGRESS && mix->specs[mix->count]->own_names)
			mix->named = subject;
	}
	mix->hash = hash;
	mix->next = compile->mixes[direction][hash % MIX_BUCKETS];
	compile->mixes[direction][hash % MIX_BUCKETS] = mix;
	*ret = mix;
	return 0;
}

static int compile_pod(struct compile *compile, const struct policy_peer *subject,
		       enum td_direction direction, const struct policy_table **ret)
{
	int r = list_specs(compile, subject, direction);
	struct mix *mix;
	uint32_t hash;

	if (r < 0)
		return r;
	hash = hash_mix(HASH_START, compile->specs,
			compile->spec_count * sizeof(struct policy_prepared_spec *));
	mix = mix_find(compile, direction, hash, subject);
	if (!mix) {
		r = mix_new(compile, subject, direction, hash, &mix);
		if (r < 0)
			return r;
	}
	policy_tables_ref(mix->table);
	*ret = mix->table;
	return 0;
}

/* No object yet: nothing goes out, only the node comes in. */
static int compile_init(struct compile *compile, enum td_direction direction,
			const struct policy_table **ret)
{
	bool ingress = direction == TD_INGRESS;
	int r;

	clear_terms(&compile->terms);
	r = policy_terms_add(&compile->terms, ingress ? TD_RULE_LOCAL_HOST : TD_RULE_INIT, !ingress,
			     ingress ? TD_ID_HOST : TD_PEER_ANY);
	return r ? r
		 : policy_tables_get(&compile->engine->tables, &compile->terms,
				     TD_SUBJECT_ENFORCED | TD_SUBJECT_INIT, ret);
}

/* Enforcement mode never: whoever it is, and whatever selects it. */
static int compile_open(struct compile *compile, const struct policy_table **ret)
{
	int r;

	clear_terms(&compile->terms);
	r = policy_terms_add(&compile->terms, TD_RULE_NEVER, false, TD_PEER_ANY);
	return r ? r
		 : policy_tables_get(&compile->engine->tables, &compile->terms, TD_SUBJECT_ENFORCED,
				     ret);
}

static int compile_table(struct compile *compile, const struct policy_peer *subject,
			 enum td_direction direction, const struct policy_table **ret)
{
	if (compile->engine->enforcement == POLICY_ENFORCE_NEVER)
		return compile_open(compile, ret);
	if (subject->number == TD_ID_INIT)
		return compile_init(compile, direction, ret);
	return compile_pod(compile, subject, direction, ret);
}

static int compile_subject(struct compile *compile, const struct policy_peer *subject)
{
	struct policy_subject *made = &compile->made[compile->made_count++];
	int r = 0;

	made->identity = subject->number;
	for (int d = TD_INGRESS; !r && d <= TD_EGRESS; d++)
		r = compile_table(compile, subject, (enum td_direction)d, &made->table[d]);
	return r;
}

/* The tables made come into force. Nothing here can fail. */
static size_t compile_commit(struct compile *compile)
{
	struct policy_engine *engine = compile->engine;
	size_t changed = 0;

	for (size_t i = 0; i < compile->made_count; i++) {
		struct policy_subject *made = &compile->made[i];
		struct policy_peer *peer = policy_peers_find(&engine->peers, made->identity);
		struct policy_subject before = peer->subject;

		peer->dirty = false;
		if (before.table[0] == made->table[0] && before.table[1] == made->table[1])
			continue;
		compile->changed[changed++] = peer->subject = *made;
		*made = before; /* its references go with the compile */
	}
	bits_for_each(slot, &engine->peers.touched)
	{
		struct policy_peer *peer = engine->peers.slots[slot];

		if (peer && peer->gone)
			drop_tables(engine, &peer->subject);
	}
	policy_peers_settle(&engine->peers);
	policy_cidrs_settle(&engine->cidrs);
	policy_groups_settle(&engine->groups);
	free(engine->list.items);
	engine->list = compile->list;
	compile->list = (struct policy_cidr_list){ 0 };
	free(engine->changed);
	engine->changed = take_ptr(compile->changed);
	return changed;
}

int policy_engine_compile(struct policy_engine *engine, const struct policy_subject **changed,
			  size_t *changed_count)
{
	_cleanup_(compile_freep) struct compile *compile = NULL;
	int more = policy_groups_resolve(&engine->groups, &engine->peers, &engine->cidrs), r;

	if (more < 0)
		return more;
	policy_groups_touch(&engine->groups, &engine->cidrs);
	mark_all_touched(engine);
	r = compile_new(engine, &compile);
	if (r < 0)
		return r;
	for (size_t i = 0; !r && i < engine->peers.count; i++)
		if (engine->peers.sorted[i]->dirty)
			r = compile_subject(compile, engine->peers.sorted[i]);
	if (r < 0)
		return r;
	*changed_count = compile_commit(compile);
	*changed = engine->changed;
	return more;
}
