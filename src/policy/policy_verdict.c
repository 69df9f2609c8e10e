/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_engine.h"

#define PEERS_MAX 5

static const struct policy_row *find_row(const struct policy_table *table, uint32_t klass,
					 uint32_t peer)
{
	size_t low = 0, high = table->row_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct policy_row *row = &table->rows[middle];

		if (row->klass < klass || (row->klass == klass && row->peer < peer))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == table->row_count || table->rows[low].klass != klass ||
	    table->rows[low].peer != peer)
		return NULL;
	return &table->rows[low];
}

static uint32_t find_class(const struct policy_table *table, uint8_t protocol, uint16_t port)
{
	size_t low = 0, high = table->class_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct policy_class *item = &table->classes[middle];

		if (item->protocol < protocol || (item->protocol == protocol && item->last < port))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == table->class_count || table->classes[low].protocol != protocol ||
	    table->classes[low].first > port)
		return 0;
	return table->classes[low].klass;
}

/* From the most specific to "every peer". */
static size_t list_peers(const struct policy_table *table, const struct policy_query *query,
			 uint32_t peers[static PEERS_MAX])
{
	size_t count = 0;

	/* The outside as a whole is less specific than a prefix of it. */
	if (query->identity && !(query->outside && query->identity == TD_ID_WORLD))
		peers[count++] = query->identity;
	if (query->cidr && (table->flags & TD_SUBJECT_CIDR_ALL))
		peers[count++] = query->cidr;
	if (query->cidr && query->outside && (table->flags & TD_SUBJECT_WORLD_CIDR))
		peers[count++] = query->cidr | TD_PEER_WORLD_ONLY;
	if (query->outside)
		peers[count++] = TD_ID_WORLD;
	peers[count++] = TD_PEER_ANY;
	return count;
}

static enum td_match match_of(const struct policy_row *row)
{
	if (row->klass)
		return row->peer ? TD_MATCH_L3_L4 : TD_MATCH_L4_ONLY;
	return row->peer ? TD_MATCH_L3_ONLY : TD_MATCH_ALL;
}

struct policy_decision policy_verdict(const struct policy_table *table,
				      const struct policy_query *query)
{
	uint32_t classes[2] = { find_class(table, query->protocol, query->port), 0 };
	const struct policy_row *allows = NULL;
	uint32_t peers[PEERS_MAX];
	size_t count = list_peers(table, query, peers);

	for (size_t p = 0; p < count; p++) {
		for (size_t k = classes[0] ? 0 : 1; k < 2; k++) {
			const struct policy_row *row = find_row(table, classes[k], peers[p]);

			if (row && row->val.deny_rule)
				return (struct policy_decision){ false, row->val.deny_rule,
								 match_of(row) };
			if (row && row->val.allow_rule && !allows)
				allows = row;
		}
	}
	if (allows)
		return (struct policy_decision){ true, allows->val.allow_rule, match_of(allows) };
	return (struct policy_decision){
		.rule = table->flags & TD_SUBJECT_INIT ? TD_RULE_INIT : TD_RULE_DEFAULT_DENY,
	};
}
