/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_shadow.h"

#include "base/util.h"
#include "policy/policy_cohorts.h"
#include "policy/policy_state.h"

/* A piece of the world that every rule holds whole or not at all. */
struct atom {
	uint32_t identity; /* 0: none that is known */
	uint32_t cidr;
	bool outside;
};

struct cover {
	struct policy_terms terms;
	uint64_t *atoms; /* of term t: words [t * words .. (t + 1) * words) */
	size_t words;
};

struct rule {
	struct policy_site site;
	struct cover *cover; /* made when asked for; of rules that say the same of every subject */
	bool own_names;      /* named ports of its subjects: one cover for each */
};

struct policy_shadows {
	const struct policy_engine *engine;
	struct atom *atoms; /* identities first, by number */
	size_t atom_count, atom_room, identity_count;
	struct rule *rules;
	size_t rule_count, rule_room;
	size_t *denies; /* places of the rules that deny */
	size_t deny_count;
};

/* ---- atoms */

static int add_atom(struct policy_shadows *shadows, const struct atom *atom)
{
	struct atom *atoms = array_room(shadows->atoms, shadows->atom_count, &shadows->atom_room,
					sizeof(*atoms));

	if (!atoms)
		return -ENOMEM;
	shadows->atoms = atoms;
	atoms[shadows->atom_count++] = *atom;
	return 0;
}

static int add_identities(struct policy_shadows *shadows)
{
	const struct policy_peers *peers = &shadows->engine->peers;
	int r = 0;

	for (size_t i = 0; !r && i < peers->count; i++) {
		struct atom atom = { .identity = peers->sorted[i]->number };

		if (atom.identity != TD_ID_WORLD)
			r = add_atom(shadows, &atom);
	}
	shadows->identity_count = shadows->atom_count;
	return r;
}

/* The addresses of prefixes[at] that are in no longer one: outside, and of pods and nodes. */
static int add_region(struct policy_shadows *shadows, const struct prefix *prefixes, size_t count,
		      size_t at)
{
	struct atom outside = { .identity = TD_ID_WORLD, .outside = true };
	struct atom inside = { 0 };
	struct td_addr addr;
	int r;

	if (!policy_prefix_region(prefixes, count, at, &addr))
		return 0;
	inside.cidr = outside.cidr = policy_engine_cidr_of(shadows->engine, &addr);
	r = add_atom(shadows, &outside);
	return r || !inside.cidr ? r : add_atom(shadows, &inside);
}

static int add_regions(struct policy_shadows *shadows)
{
	const struct policy_cidr_list *list = &shadows->engine->list;
	const struct prefix whole[] = { { .length = 0 }, { .addr = address_from_ipv4(0) } };
	_cleanup_free_ struct prefix *prefixes =
		calloc(list->count + ARRAY_SIZE(whole), sizeof(*prefixes));
	size_t count = 0;
	int r = prefixes ? 0 : -ENOMEM;

	/* Two sorted lists become one; each family is there as a whole. */
	for (size_t w = 0, i = 0; !r && (w < ARRAY_SIZE(whole) || i < list->count);) {
		const struct prefix *next = i < list->count ? &list->items[i].prefix : NULL;
		int order = 1;

		if (w < ARRAY_SIZE(whole))
			order = next ? policy_prefix_compare(&whole[w], next) : -1;
		prefixes[count++] = order <= 0 ? whole[w] : *next;
		w += order <= 0;
		i += order >= 0;
	}
	for (size_t i = 0; !r && i < count; i++)
		r = add_region(shadows, prefixes, count, i);
	return r;
}

static size_t identity_position(const struct policy_shadows *shadows, uint32_t identity)
{
	size_t low = 0, high = shadows->identity_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (shadows->atoms[middle].identity < identity)
			low = middle + 1;
		else
			high = middle;
	}
	return low < shadows->identity_count && shadows->atoms[low].identity == identity ? low
											 : SIZE_MAX;
}

/* As policy_verdict() looks peers up. */
static bool atom_has(const struct atom *atom, uint32_t peer)
{
	if (peer == TD_PEER_ANY)
		return true;
	if (peer == TD_ID_WORLD)
		return atom->outside;
	if (peer & TD_PEER_WORLD_ONLY)
		return atom->outside && atom->cidr == (peer & ~TD_PEER_WORLD_ONLY);
	return atom->cidr == peer;
}

static void mark_atoms(const struct policy_shadows *shadows, uint32_t peer, uint64_t *atoms)
{
	size_t at = SIZE_MAX;

	if (peer != TD_PEER_ANY && peer != TD_ID_WORLD && peer < TD_ID_LOCAL_MIN) {
		at = identity_position(shadows, peer);
		if (at != SIZE_MAX)
			atoms[at / 64] |= 1ULL << (at % 64);
		return;
	}
	for (at = 0; at < shadows->atom_count; at++)
		if (atom_has(&shadows->atoms[at], peer))
			atoms[at / 64] |= 1ULL << (at % 64);
}

/* ---- covers */

static void cover_free(struct cover *cover)
{
	if (!cover)
		return;
	policy_terms_fini(&cover->terms);
	free(cover->atoms);
	free(cover);
}
DEFINE_FREEP(cover);

static int cover_make(const struct policy_shadows *shadows, const struct policy_prepared_rule *rule,
		      const struct policy_peer *subject, struct cover **ret)
{
	_cleanup_(cover_freep) struct cover *cover = calloc(1, sizeof(*cover));
	const struct policy_view view = { .peers = &shadows->engine->peers,
					  .cidrs = &shadows->engine->list,
					  .subject = subject,
					  .spare_pods = shadows->engine->spare_pods };
	int r = cover ? policy_expand(&view, rule, &cover->terms) : -ENOMEM;

	if (r < 0)
		return r;
	cover->words = BITS_WORDS(shadows->atom_count);
	cover->atoms = calloc(cover->terms.count * cover->words + 1, sizeof(*cover->atoms));
	if (!cover->atoms)
		return -ENOMEM;
	for (size_t t = 0; t < cover->terms.count; t++) {
		const struct policy_term *term = &cover->terms.items[t];

		for (size_t i = 0; i < term->peer_count; i++)
			mark_atoms(shadows, cover->terms.peers[term->peer_at + i].peer,
				   &cover->atoms[t * cover->words]);
	}
	*ret = take_ptr(cover);
	return 0;
}

/* Covers of several rules for one subject. */
struct covers {
	struct cover **items;
	bool *own; /* to be freed with the list */
	size_t count;
};

static void covers_clear(struct covers *covers)
{
	for (size_t i = 0; i < covers->count; i++)
		if (covers->own[i])
			cover_free(covers->items[i]);
	covers->count = 0;
}

static void covers_fini(struct covers *covers)
{
	covers_clear(covers);
	free(covers->items);
	free(covers->own);
}

static int covers_init(struct covers *covers, size_t room)
{
	*covers = (struct covers){ .items = calloc(room + 1, sizeof(*covers->items)),
				   .own = calloc(room + 1, sizeof(*covers->own)) };
	return covers->items && covers->own ? 0 : -ENOMEM;
}

/* There must be room. */
static int covers_add(struct policy_shadows *shadows, struct rule *rule,
		      const struct policy_peer *subject, struct covers *covers)
{
	struct cover *cover = rule->cover;
	int r = 0;

	if (!cover)
		r = cover_make(shadows, rule->site.rule, subject, &cover);
	if (r < 0)
		return r;
	if (!rule->own_names)
		rule->cover = cover;
	covers->items[covers->count] = cover;
	covers->own[covers->count++] = rule->own_names;
	return 0;
}

static bool term_has_atom(const struct cover *cover, size_t term, size_t atom)
{
	return cover->atoms[term * cover->words + atom / 64] >> (atom % 64) & 1;
}

/* How far ports from `next` on are covered for an atom: the first that is not. */
static uint32_t covered_until(const struct covers *covers, size_t atom, uint8_t protocol,
			      uint32_t next)
{
	for (size_t c = 0; c < covers->count; c++) {
		const struct policy_terms *terms = &covers->items[c]->terms;

		for (size_t t = 0; t < terms->count; t++) {
			const struct policy_term *term = &terms->items[t];

			if (!term_has_atom(covers->items[c], t, atom))
				continue;
			if (term->any_port)
				return UINT16_MAX + 1u;
			for (size_t i = 0; i < term->range_count; i++) {
				const struct policy_port_range *range =
					&terms->ranges[term->range_at + i];

				if (range->protocol == protocol && range->first <= next &&
				    next <= range->last)
					return range->last + 1u;
			}
		}
	}
	return next;
}

static bool has_any_port(const struct covers *covers, size_t atom)
{
	for (size_t c = 0; c < covers->count; c++)
		for (size_t t = 0; t < covers->items[c]->terms.count; t++)
			if (covers->items[c]->terms.items[t].any_port &&
			    term_has_atom(covers->items[c], t, atom))
				return true;
	return false;
}

static bool atom_covered(const struct covers *covers, size_t atom, const struct policy_terms *terms,
			 const struct policy_term *term)
{
	if (term->any_port)
		return has_any_port(covers, atom);
	for (size_t i = 0; i < term->range_count; i++) {
		const struct policy_port_range *range = &terms->ranges[term->range_at + i];
		uint32_t next = range->first, until;

		for (; next <= range->last; next = until) {
			until = covered_until(covers, atom, range->protocol, next);
			if (until == next)
				return false;
		}
	}
	return true;
}

/* Everything that a rule says is said by the others together. */
static bool is_covered(const struct policy_shadows *shadows, const struct cover *inner,
		       const struct covers *by)
{
	for (size_t t = 0; t < inner->terms.count; t++)
		for (size_t a = 0; a < shadows->atom_count; a++)
			if (term_has_atom(inner, t, a) &&
			    !atom_covered(by, a, &inner->terms, &inner->terms.items[t]))
				return false;
	return true;
}

/* ---- what holds for any labels */

static bool values_within(const struct requirement *inner, const struct requirement *outer)
{
	size_t o = 0;

	for (size_t i = 0; i < inner->value_count; i++) {
		while (o < outer->value_count && strcmp(outer->values[o], inner->values[i]) < 0)
			o++;
		if (o == outer->value_count || strcmp(outer->values[o], inner->values[i]))
			return false;
	}
	return true;
}

static bool values_meet(const struct requirement *a, const struct requirement *b)
{
	for (size_t i = 0; i < a->value_count; i++)
		for (size_t k = 0; k < b->value_count; k++)
			if (strcmp(a->values[i], b->values[k]) == 0)
				return true;
	return false;
}

static bool same_source(const struct requirement *narrow, const struct requirement *wide)
{
	if (!narrow->source || !wide->source)
		return !narrow->source && !wide->source;
	return strcmp(narrow->source, wide->source) == 0;
}

static bool requirement_implies(const struct requirement *narrow, const struct requirement *wide)
{
	bool positive = wide->op == SELECTOR_IN || wide->op == SELECTOR_EXISTS;

	/* A label of one source is a label of any; that none has it is more than one has not. */
	if (strcmp(narrow->key, wide->key) ||
	    (!same_source(narrow, wide) && !(positive && !wide->source)))
		return false;
	switch (wide->op) {
	case SELECTOR_IN:
		return narrow->op == SELECTOR_IN && values_within(narrow, wide);
	case SELECTOR_NOT_IN:
		if (narrow->op == SELECTOR_IN)
			return narrow->source && !values_meet(narrow, wide);
		return narrow->op == SELECTOR_NOT_EXISTS ||
		       (narrow->op == SELECTOR_NOT_IN && values_within(wide, narrow));
	case SELECTOR_EXISTS:
		return narrow->op == SELECTOR_IN || narrow->op == SELECTOR_EXISTS;
	case SELECTOR_NOT_EXISTS:
		return narrow->op == SELECTOR_NOT_EXISTS;
	}
	return false;
}

bool policy_selector_implies(const struct selector *narrow, const struct selector *wide)
{
	for (size_t w = 0; w < wide->count; w++) {
		bool implied = false;

		for (size_t n = 0; !implied && n < narrow->count; n++)
			implied = requirement_implies(&narrow->items[n], &wide->items[w]);
		if (!implied)
			return false;
	}
	return true;
}

static bool has_entity(const struct policy_rule *rule, enum entity entity)
{
	for (size_t i = 0; i < rule->entity_count; i++)
		if (rule->entities[i] == entity)
			return true;
	return false;
}

static bool is_everyone(const struct policy_rule *rule)
{
	return rule->any_peer || has_entity(rule, ENTITY_ALL);
}

static bool selector_within(const struct selector *selector,
			    const struct policy_prepared_rule *wide)
{
	for (size_t i = 0; i < wide->selector_count; i++)
		if (policy_selector_implies(selector, wide->selectors[i]->selector))
			return true;
	return false;
}

static bool same_port(const struct port_rule *narrow, const struct port_rule *wide)
{
	if (wide->protocol && wide->protocol != narrow->protocol)
		return false;
	if (narrow->name || wide->name)
		return narrow->name && wide->name && strcmp(narrow->name, wide->name) == 0;
	return wide->first <= narrow->first && narrow->last <= wide->last;
}

static bool has_names(const struct policy_rule *rule)
{
	for (size_t i = 0; i < rule->port_count; i++)
		if (rule->ports[i].name)
			return true;
	return false;
}

/* What a name stands for changes with pods. */
static bool ports_within(const struct policy_rule *narrow, const struct policy_rule *wide)
{
	if (wide->any_port || (!has_names(narrow) && !has_names(wide)))
		return true;
	for (size_t i = 0; i < narrow->port_count; i++) {
		bool within = false;

		for (size_t w = 0; !within && w < wide->port_count; w++)
			within = same_port(&narrow->ports[i], &wide->ports[w]);
		if (!within)
			return false;
	}
	return true;
}

/* That it is covered is known; whether that will hold for other pods than those that there are.
 * CIDRs and entities do not depend on pods, selectors and names of ports do. */
static bool site_implies(const struct policy_site *narrow, const struct policy_site *wide)
{
	const struct policy_rule *rule = narrow->rule->rule, *other = wide->rule->rule;

	if (!policy_selector_implies(narrow->spec->subject->selector,
				     wide->spec->subject->selector))
		return false;
	if (!ports_within(rule, other))
		return false;
	if (is_everyone(other))
		return true;
	if (is_everyone(rule) ||
	    (has_entity(rule, ENTITY_CLUSTER) && !has_entity(other, ENTITY_CLUSTER)))
		return false;
	for (size_t i = 0; i < narrow->rule->selector_count; i++)
		if (!has_entity(other, ENTITY_CLUSTER) &&
		    !selector_within(narrow->rule->selectors[i]->selector, wide->rule))
			return false;
	return true;
}

/* ---- finding */

static const struct policy_peer *subject_at(const struct policy_shadows *shadows, size_t slot)
{
	const struct policy_peer *peer = shadows->engine->peers.slots[slot];

	return peer && policy_peer_is_pod(peer->number) ? peer : NULL;
}

static const struct policy_peer *first_subject(const struct policy_shadows *shadows,
					       const struct policy_site *site)
{
	bits_for_each(slot, &site->spec->subject->members)
	{
		const struct policy_peer *peer = subject_at(shadows, slot);

		if (peer)
			return peer;
	}
	return NULL;
}

static bool subjects_within(const struct policy_shadows *shadows, const struct policy_site *narrow,
			    const struct policy_site *wide)
{
	if (narrow->spec->subject == wide->spec->subject)
		return true;
	bits_for_each(slot, &narrow->spec->subject->members)
	{
		if (subject_at(shadows, slot) && !bits_test(&wide->spec->subject->members, slot))
			return false;
	}
	return true;
}

/* Whether one rule covers another for every subject of that: 1, 0, -ENOMEM. */
static int covers_for_all(struct policy_shadows *shadows, struct rule *inner, struct rule *outer)
{
	struct covers a, b;
	bool covered = true, said = false;
	int r = covers_init(&a, 1);

	if (covers_init(&b, 1) < 0)
		r = -ENOMEM;
	bits_for_each(slot, &inner->site.spec->subject->members)
	{
		const struct policy_peer *subject = subject_at(shadows, slot);

		if (r < 0 || !covered || !subject)
			continue;
		r = covers_add(shadows, inner, subject, &a);
		if (!r)
			r = covers_add(shadows, outer, subject, &b);
		if (!r) {
			covered = is_covered(shadows, a.items[0], &b);
			said = said || a.items[0]->terms.count;
		}
		covers_clear(&a);
		covers_clear(&b);
		if (!inner->own_names && !outer->own_names)
			break;
	}
	covers_fini(&a);
	covers_fini(&b);
	return r < 0 ? r : covered && said;
}

static bool is_candidate(const struct policy_shadows *shadows, const struct rule *rule,
			 const struct rule *other, const struct policy_peer *subject, bool deny)
{
	return other != rule && other->site.rule->rule->deny == deny &&
	       other->site.rule->rule->direction == rule->site.rule->rule->direction &&
	       bits_test(&other->site.spec->subject->members, subject->slot);
}

/* Whether `at` adds nothing to `other`; of two alike only the narrower, or the later. */
static int weigh(struct policy_shadows *shadows, size_t at, size_t other, struct policy_shadow *ret)
{
	struct rule *rule = &shadows->rules[at], *by = &shadows->rules[other];
	bool narrower, wider;
	int r;

	if (!subjects_within(shadows, &rule->site, &by->site))
		return 0;
	r = covers_for_all(shadows, rule, by);
	if (r <= 0)
		return r;
	narrower = site_implies(&rule->site, &by->site);
	wider = site_implies(&by->site, &rule->site);
	*ret = (struct policy_shadow){ .by = by->site, .certain = narrower };
	if (!subjects_within(shadows, &by->site, &rule->site))
		return 1;
	r = covers_for_all(shadows, by, rule);
	if (r <= 0)
		return r < 0 ? r : 1;
	ret->same = narrower == wider;
	return narrower != wider ? narrower : other < at;
}

static int find_alike(struct policy_shadows *shadows, size_t at, const struct policy_peer *subject,
		      struct policy_shadow *ret)
{
	struct rule *rule = &shadows->rules[at];
	bool deny = rule->site.rule->rule->deny;
	int found = 0;

	for (size_t i = 0; i < shadows->rule_count; i++) {
		struct policy_shadow shadow;
		int r;

		if (!is_candidate(shadows, rule, &shadows->rules[i], subject, deny))
			continue;
		r = weigh(shadows, at, i, &shadow);
		if (r < 0)
			return r;
		if (!r || (found && !shadow.certain))
			continue;
		*ret = shadow;
		found = 1;
		if (shadow.certain)
			break;
	}
	return found;
}

/* The denies that a subject has against the rule, as covers. */
static int gather_denies(struct policy_shadows *shadows, const struct rule *rule,
			 const struct policy_peer *subject, struct covers *covers,
			 struct policy_shadow *shadow)
{
	int r = 0;

	for (size_t i = 0; !r && i < shadows->deny_count; i++) {
		struct rule *deny = &shadows->rules[shadows->denies[i]];

		if (!is_candidate(shadows, rule, deny, subject, true))
			continue;
		if (!shadow->by.rule)
			shadow->by = deny->site;
		r = covers_add(shadows, deny, subject, covers);
	}
	return r;
}

/* A single deny that does it all, if there is one, is the better reason. */
static int single_out(struct policy_shadows *shadows, struct rule *rule,
		      const struct policy_peer *subject, struct policy_shadow *shadow)
{
	shadow->several = true;
	for (size_t i = 0; i < shadows->deny_count; i++) {
		struct rule *deny = &shadows->rules[shadows->denies[i]];
		int r;

		if (!is_candidate(shadows, rule, deny, subject, true) ||
		    !subjects_within(shadows, &rule->site, &deny->site))
			continue;
		r = covers_for_all(shadows, rule, deny);
		if (r < 0)
			return r;
		if (!r)
			continue;
		shadow->by = deny->site;
		shadow->several = false;
		shadow->certain = site_implies(&rule->site, &deny->site);
		if (shadow->certain)
			break;
	}
	return 1;
}

static int find_denies(struct policy_shadows *shadows, size_t at, const struct policy_peer *first,
		       struct policy_shadow *ret)
{
	struct rule *rule = &shadows->rules[at];
	struct policy_shadow shadow = { .denies = true };
	struct covers mine, denies;
	bool covered = true, said = false;
	int r = covers_init(&mine, 1);

	if (covers_init(&denies, shadows->deny_count) < 0)
		r = -ENOMEM;
	bits_for_each(slot, &rule->site.spec->subject->members)
	{
		const struct policy_peer *subject = subject_at(shadows, slot);

		if (r < 0 || !covered || !subject)
			continue;
		r = gather_denies(shadows, rule, subject, &denies, &shadow);
		if (!r && denies.count)
			r = covers_add(shadows, rule, subject, &mine);
		covered = !r && denies.count && is_covered(shadows, mine.items[0], &denies);
		said = said || (covered && mine.items[0]->terms.count);
		covers_clear(&mine);
		covers_clear(&denies);
	}
	covers_fini(&mine);
	covers_fini(&denies);
	if (r < 0 || !covered || !said)
		return r;
	*ret = shadow;
	return single_out(shadows, rule, first, ret);
}

int policy_shadows_find(struct policy_shadows *shadows, size_t at, struct policy_shadow *ret)
{
	const struct rule *rule = &shadows->rules[at];
	const struct policy_peer *subject = first_subject(shadows, &rule->site);
	int r = 0;

	if (!subject)
		return 0;
	if (!rule->site.rule->rule->deny)
		r = find_denies(shadows, at, subject, ret);
	return r ? r : find_alike(shadows, at, subject, ret);
}

/* ---- life */

static bool has_own_names(const struct policy_rule *rule)
{
	return rule->direction == TD_INGRESS && has_names(rule);
}

static int add_rule(struct policy_shadows *shadows, const struct policy_site *site)
{
	struct rule *rules = array_room(shadows->rules, shadows->rule_count, &shadows->rule_room,
					sizeof(*rules));

	if (!rules)
		return -ENOMEM;
	shadows->rules = rules;
	rules[shadows->rule_count++] =
		(struct rule){ .site = *site, .own_names = has_own_names(site->rule->rule) };
	return 0;
}

static int add_rules(struct policy_shadows *shadows)
{
	const struct policy_engine *engine = shadows->engine;
	int r = 0;

	for (size_t p = 0; p < engine->policy_count; p++) {
		struct policy_site site = { .policy = engine->policies[p] };

		for (size_t s = 0; s < site.policy->spec_count; s++) {
			site.spec = &site.policy->specs[s];
			for (size_t i = 0; !r && i < site.spec->rule_count; i++) {
				site.rule = &site.spec->rules[i];
				r = add_rule(shadows, &site);
			}
		}
	}
	shadows->denies = calloc(shadows->rule_count + 1, sizeof(*shadows->denies));
	if (!shadows->denies)
		return -ENOMEM;
	for (size_t i = 0; i < shadows->rule_count; i++)
		if (shadows->rules[i].site.rule->rule->deny)
			shadows->denies[shadows->deny_count++] = i;
	return r;
}

int policy_shadows_new(const struct policy_engine *engine, struct policy_shadows **ret)
{
	_cleanup_(policy_shadows_freep) struct policy_shadows *shadows =
		calloc(1, sizeof(*shadows));
	const struct atom stranger = { 0 }; /* a pod that may come */
	int r = shadows ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	shadows->engine = engine;
	r = add_identities(shadows);
	if (!r)
		r = add_atom(shadows, &stranger);
	if (!r)
		r = add_regions(shadows);
	if (!r)
		r = add_rules(shadows);
	if (r < 0)
		return r;
	*ret = take_ptr(shadows);
	return 0;
}

void policy_shadows_free(struct policy_shadows *shadows)
{
	if (!shadows)
		return;
	for (size_t i = 0; i < shadows->rule_count; i++)
		cover_free(shadows->rules[i].cover);
	free(shadows->rules);
	free(shadows->denies);
	free(shadows->atoms);
	free(shadows);
}

size_t policy_shadows_count(const struct policy_shadows *shadows)
{
	return shadows->rule_count;
}

const struct policy_site *policy_shadows_site(const struct policy_shadows *shadows, size_t at)
{
	return &shadows->rules[at].site;
}
