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

/* The most specific rows of each kind. */
struct rows {
	const struct policy_row *allow, *deny, *audit; /* audit: of policies in audit mode */
};

static void note_row(struct rows *rows, const struct policy_row *row)
{
	uint32_t deny = row->val.deny_rule;

	if (deny & TD_RULE_AUDIT)
		rows->audit = rows->audit ? rows->audit : row;
	else if (deny)
		rows->deny = rows->deny ? rows->deny : row;
	if (row->val.allow_rule)
		rows->allow = rows->allow ? rows->allow : row;
}

static uint32_t default_rule(uint32_t flags)
{
	if (flags & TD_SUBJECT_INIT)
		return TD_RULE_INIT;
	return flags & TD_SUBJECT_ALWAYS ? TD_RULE_ALWAYS : TD_RULE_DEFAULT_DENY;
}

static struct policy_decision denied(const struct policy_row *row, bool audited)
{
	return (struct policy_decision){ .audited = audited,
					 .rule = row->val.deny_rule & ~TD_RULE_AUDIT,
					 .match = match_of(row) };
}

static struct policy_decision decide(const struct policy_table *table, const struct rows *rows,
				     bool audited)
{
	bool by_default = table->flags & TD_SUBJECT_AUDIT_DEFAULT;

	if (rows->deny)
		return denied(rows->deny, audited);
	if (rows->audit && (rows->allow || by_default))
		return denied(rows->audit, true);
	if (rows->allow)
		return (struct policy_decision){ .allowed = true,
						 .rule = rows->allow->val.allow_rule,
						 .match = match_of(rows->allow) };
	return (struct policy_decision){ .audited = audited || by_default,
					 .rule = default_rule(table->flags) };
}

struct policy_decision policy_verdict(const struct policy_table *table,
				      const struct policy_query *query)
{
	uint32_t classes[2] = { find_class(table, query->protocol, query->port), 0 };
	struct rows rows = { 0 };
	uint32_t peers[PEERS_MAX];
	size_t count = list_peers(table, query, peers);

	for (size_t p = 0; p < count; p++) {
		for (size_t k = classes[0] ? 0 : 1; k < 2; k++) {
			const struct policy_row *row = find_row(table, classes[k], peers[p]);

			if (row)
				note_row(&rows, row);
		}
	}
	return decide(table, &rows, query->audited);
}
