/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_explain.h"

#include "base/util.h"
#include "policy/policy_state.h"

#define PEERS_MAX 5

/* Every number under which rules may speak of the peer. */
static size_t list_peers(const struct policy_query *query, uint32_t peers[static PEERS_MAX])
{
	size_t count = 0;

	peers[count++] = TD_PEER_ANY;
	if (query->identity)
		peers[count++] = query->identity;
	if (query->cidr)
		peers[count++] = query->cidr;
	if (query->outside) {
		peers[count++] = TD_ID_WORLD;
		if (query->cidr)
			peers[count++] = query->cidr | TD_PEER_WORLD_ONLY;
	}
	return count;
}

static bool term_has_peer(const struct policy_terms *terms, const struct policy_term *term,
			  const uint32_t *peers, size_t count)
{
	for (size_t i = 0; i < term->peer_count; i++)
		for (size_t p = 0; p < count; p++)
			if (terms->peers[term->peer_at + i].peer == peers[p])
				return true;
	return false;
}

static bool term_has_port(const struct policy_terms *terms, const struct policy_term *term,
			  const struct policy_query *query)
{
	for (size_t i = 0; i < term->range_count; i++) {
		const struct policy_port_range *range = &terms->ranges[term->range_at + i];

		if (range->protocol == query->protocol && range->first <= query->port &&
		    query->port <= range->last)
			return true;
	}
	return term->any_port;
}

static enum policy_fit fit_of(const struct policy_terms *terms, const struct policy_query *query)
{
	enum policy_fit fit = POLICY_FIT_NONE;
	uint32_t peers[PEERS_MAX];
	size_t count = list_peers(query, peers);

	for (size_t i = 0; i < terms->count; i++) {
		const struct policy_term *term = &terms->items[i];
		bool peer = term_has_peer(terms, term, peers, count);

		enum policy_fit found = peer ? POLICY_FIT_PEER : POLICY_FIT_NONE;

		if (term_has_port(terms, term, query))
			found = peer ? POLICY_FIT_BOTH : POLICY_FIT_PORT;
		fit = MAX(fit, found);
	}
	return fit;
}

struct explanation {
	const struct policy_engine *engine;
	const struct policy_peer *subject;
	enum td_direction direction;
	const struct policy_query *query;
	struct policy_terms terms;
	policy_fit_fn fn;
	void *data;
};

static int explain_rule(struct explanation *explanation, const struct policy_prepared_rule *rule)
{
	const struct policy_view view = { .peers = &explanation->engine->peers,
					  .cidrs = &explanation->engine->list,
					  .subject = explanation->subject,
					  .spare_pods = explanation->engine->spare_pods };
	struct policy_terms *terms = &explanation->terms;
	int r;

	terms->count = terms->peer_count = terms->range_count = 0;
	r = policy_expand(&view, rule, terms);
	if (r < 0)
		return r;
	return explanation->fn(policy_engine_rule(explanation->engine, rule->number),
			       fit_of(terms, explanation->query), explanation->data);
}

static int explain_policy(struct explanation *explanation, const struct policy_prepared *policy)
{
	int r = 0;

	for (size_t s = 0; !r && s < policy->spec_count; s++) {
		const struct policy_prepared_spec *spec = &policy->specs[s];

		if (!bits_test(&spec->subject->members, explanation->subject->slot))
			continue;
		for (size_t i = 0; !r && i < spec->rule_count; i++)
			if (spec->rules[i].rule->direction == explanation->direction)
				r = explain_rule(explanation, &spec->rules[i]);
	}
	return r;
}

int policy_explain(const struct policy_engine *engine, uint32_t subject,
		   enum td_direction direction, const struct policy_query *query, policy_fit_fn fn,
		   void *data)
{
	struct explanation explanation = { .engine = engine,
					   .subject = policy_peers_find(&engine->peers, subject),
					   .direction = direction,
					   .query = query,
					   .fn = fn,
					   .data = data };
	int r = explanation.subject ? 0 : -ENOENT;

	for (size_t p = 0; !r && p < engine->policy_count; p++)
		r = explain_policy(&explanation, engine->policies[p]);
	policy_terms_fini(&explanation.terms);
	return r;
}

static bool isolates(const struct policy_prepared *policy, const struct policy_peer *subject,
		     enum td_direction direction)
{
	for (size_t s = 0; s < policy->spec_count; s++)
		if (policy->specs[s].isolates[direction] &&
		    bits_test(&policy->specs[s].subject->members, subject->slot))
			return true;
	return false;
}

int policy_isolating(const struct policy_engine *engine, uint32_t subject,
		     enum td_direction direction, policy_object_fn fn, void *data)
{
	const struct policy_peer *peer = policy_peers_find(&engine->peers, subject);
	int r = peer ? 0 : -ENOENT;

	for (size_t p = 0; !r && p < engine->policy_count; p++)
		if (isolates(engine->policies[p], peer, direction))
			r = fn(engine->policies[p]->object, data);
	return r;
}
