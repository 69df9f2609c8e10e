/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_reach.h"

#include <assert.h>

#include "base/util.h"

void policy_reach_fini(struct policy_reach *reach)
{
	free(reach->items);
	*reach = (struct policy_reach){ 0 };
}

static int add_span(struct policy_reach *reach, uint8_t protocol, uint32_t first, uint32_t last,
		    const struct policy_decision *decision)
{
	struct policy_span *items =
		array_room(reach->items, reach->count, &reach->room, sizeof(*items));

	if (!items)
		return -ENOMEM;
	reach->items = items;
	items[reach->count++] = (struct policy_span){
		.range = { protocol, (uint16_t)first, (uint16_t)last },
		.decision = *decision,
	};
	return 0;
}

static struct policy_decision ask(const struct policy_table *table, const struct policy_query *like,
				  uint8_t protocol, uint32_t port)
{
	struct policy_query query = *like;

	if (!table)
		return (struct policy_decision){ .allowed = true, .rule = TD_RULE_UNSELECTED };
	query.protocol = protocol;
	query.port = (uint16_t)port;
	return policy_verdict(table, &query);
}

static int reach_space(const struct policy_table *table, const struct policy_query *query,
		       const struct policy_port_space *space, struct policy_reach *ret)
{
	const struct policy_decision between = ask(table, query, POLICY_PROTOCOL_OTHER, 0);
	uint32_t next = space->first;
	int r = 0;

	for (size_t i = 0; table && !r && i < table->class_count; i++) {
		const struct policy_class *item = &table->classes[i];
		uint32_t first = MAX(item->first, space->first);
		uint32_t last = MIN(item->last, space->last);
		struct policy_decision decision;

		if (item->protocol != space->protocol || first > last)
			continue;
		if (first > next)
			r = add_span(ret, space->protocol, next, first - 1, &between);
		decision = ask(table, query, space->protocol, first);
		if (!r)
			r = add_span(ret, space->protocol, first, last, &decision);
		next = last + 1;
	}
	if (!r && next <= space->last)
		r = add_span(ret, space->protocol, next, space->last, &between);
	return r;
}

int policy_reach_make(const struct policy_table *table, const struct policy_query *query,
		      unsigned int families, struct policy_reach *ret)
{
	int r = 0;

	ret->count = 0;
	for (size_t s = 0; !r && s < POLICY_PORT_SPACES; s++)
		if (policy_port_spaces[s].families & families)
			r = reach_space(table, query, &policy_port_spaces[s], ret);
	return r;
}

int policy_reach_join(const struct policy_reach *reaches, size_t count, policy_reach_fn fn,
		      void *data)
{
	const struct policy_decision *decisions[POLICY_REACH_JOIN_MAX];
	size_t at[POLICY_REACH_JOIN_MAX] = { 0 };
	uint32_t first = 0;
	int r = 0;

	assert(count && count <= POLICY_REACH_JOIN_MAX);
	while (!r && at[0] < reaches[0].count) {
		struct policy_port_range range = reaches[0].items[at[0]].range;

		for (size_t i = 0; i < count; i++) {
			const struct policy_span *span = &reaches[i].items[at[i]];

			decisions[i] = &span->decision;
			range.last = MIN(range.last, span->range.last);
		}
		range.first = (uint16_t)MAX(range.first, first);
		r = fn(&range, decisions, data);
		first = range.last + 1u;
		for (size_t i = 0; i < count; i++)
			at[i] += reaches[i].items[at[i]].range.last == range.last;
		if (at[0] < reaches[0].count &&
		    reaches[0].items[at[0]].range.protocol != range.protocol)
			first = 0;
	}
	return r;
}
