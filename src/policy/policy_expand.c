/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_expand.h"

#include <netinet/in.h>

#include "base/util.h"

#define ENTITY_PEERS_MAX 8

/* Reserved identities of each entity; 0 ends a list. */
static const struct {
	bool any, pods;
	uint32_t peers[ENTITY_PEERS_MAX];
} entities[] = {
	[ENTITY_ALL] = { .any = true },
	[ENTITY_WORLD] = { .peers = { TD_ID_WORLD } },
	[ENTITY_WORLD_IPV4] = { 0 }, /* see policy_entity_prefix() */
	[ENTITY_WORLD_IPV6] = { 0 },
	[ENTITY_CLUSTER] = { .pods = true,
			     .peers = { TD_ID_HOST, TD_ID_UNMANAGED, TD_ID_HEALTH, TD_ID_INIT,
					TD_ID_REMOTE_NODE, TD_ID_KUBE_APISERVER, TD_ID_INGRESS } },
	[ENTITY_HOST] = { .peers = { TD_ID_HOST } },
	/* A node that runs the API server has that identity, and is a node still. */
	[ENTITY_REMOTE_NODE] = { .peers = { TD_ID_REMOTE_NODE, TD_ID_KUBE_APISERVER } },
	[ENTITY_KUBE_APISERVER] = { .peers = { TD_ID_KUBE_APISERVER } },
	[ENTITY_INIT] = { .peers = { TD_ID_INIT } },
	[ENTITY_UNMANAGED] = { .peers = { TD_ID_UNMANAGED } },
	[ENTITY_HEALTH] = { .peers = { TD_ID_HEALTH } },
	[ENTITY_INGRESS] = { .peers = { TD_ID_INGRESS } },
	[ENTITY_NONE] = { 0 },
};

void policy_terms_fini(struct policy_terms *terms)
{
	free(terms->items);
	free(terms->peers);
	free(terms->ranges);
	*terms = (struct policy_terms){ 0 };
}

static int add_peer(struct policy_terms *terms, uint32_t peer, uint32_t rank)
{
	struct policy_term_peer *peers =
		array_room(terms->peers, terms->peer_count, &terms->peer_room, sizeof(*peers));

	if (!peers)
		return -ENOMEM;
	terms->peers = peers;
	peers[terms->peer_count++] = (struct policy_term_peer){ peer, rank };
	return 0;
}

static int add_range(struct policy_terms *terms, uint8_t protocol, uint16_t first, uint16_t last)
{
	struct policy_port_range *ranges =
		array_room(terms->ranges, terms->range_count, &terms->range_room, sizeof(*ranges));

	if (!ranges)
		return -ENOMEM;
	terms->ranges = ranges;
	ranges[terms->range_count++] = (struct policy_port_range){ protocol, first, last };
	return 0;
}

static int add_term(struct policy_terms *terms, const struct policy_term *term)
{
	struct policy_term *items =
		array_room(terms->items, terms->count, &terms->room, sizeof(*items));

	if (!items)
		return -ENOMEM;
	terms->items = items;
	items[terms->count++] = *term;
	return 0;
}

int policy_terms_add(struct policy_terms *terms, uint32_t rule, bool deny, uint32_t peer)
{
	struct policy_term term = { .rule = rule,
				    .deny = deny,
				    .any_port = true,
				    .peer_at = terms->peer_count,
				    .peer_count = 1 };
	int r = add_peer(terms, peer, 0);

	return r ? r : add_term(terms, &term);
}

static bool inside_exception(const struct cidr_rule *cidr, const struct prefix *prefix)
{
	for (size_t i = 0; i < cidr->except_count; i++)
		if (prefix_covers(&cidr->except[i], prefix))
			return true;
	return false;
}

/* An address has the identity of its longest prefix only, so the rule stands under every prefix
 * inside its own, except what it carves out. */
static int add_cidr(const struct policy_view *view, const struct cidr_rule *cidr, uint32_t form,
		    struct policy_terms *terms)
{
	const struct policy_cidr_list *list = view->cidrs;
	uint32_t rank = 128u - prefix_mapped_length(&cidr->prefix);
	bool ipv4 = address_is_ipv4(&cidr->prefix.addr);
	int r = 0;

	for (size_t i = policy_cidr_list_position(list, &cidr->prefix); !r && i < list->count;
	     i++) {
		const struct policy_cidr *item = &list->items[i];

		/* All of IPv4 stands among the shortest IPv6 prefixes. */
		if (!ipv4 && address_is_ipv4(&item->prefix.addr))
			continue;
		if (!prefix_covers(&cidr->prefix, &item->prefix))
			break;
		if (!inside_exception(cidr, &item->prefix))
			r = add_peer(terms, item->identity | form, rank);
	}
	return r;
}

static int add_pods(const struct policy_view *view, struct policy_terms *terms)
{
	int r = 0;

	for (size_t i = 0; !r && i < view->peers->count; i++)
		if (policy_peer_is_pod(view->peers->sorted[i]->number))
			r = add_peer(terms, view->peers->sorted[i]->number, 0);
	return r;
}

static int add_entity(const struct policy_view *view, enum entity entity,
		      struct policy_terms *terms)
{
	struct cidr_rule family = { 0 };
	int r = 0;

	if (policy_entity_prefix(entity, &family.prefix))
		return add_cidr(view, &family, TD_PEER_WORLD_ONLY, terms);
	if (entities[entity].any)
		return add_peer(terms, TD_PEER_ANY, 0);
	if (entities[entity].pods)
		r = add_pods(view, terms);
	for (size_t i = 0; !r && i < ENTITY_PEERS_MAX && entities[entity].peers[i]; i++)
		r = add_peer(terms, entities[entity].peers[i], 0);
	return r;
}

static int add_selected(const struct policy_view *view, const struct policy_selector *selector,
			struct policy_terms *terms)
{
	int r = 0;

	bits_for_each(slot, &selector->members)
	{
		const struct policy_peer *peer = view->peers->slots[slot];

		if (peer && !peer->gone)
			r = add_peer(terms, peer->number, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_members(const struct policy_view *view, const struct policy_members *members,
		       const struct group_ref *ref, struct policy_terms *terms)
{
	int r = 0;

	for (size_t i = 0; !r && i < members->selector_count; i++)
		r = add_selected(view, members->selectors[i], terms);
	for (size_t i = 0; !r && i < members->prefix_count; i++) {
		const struct cidr_rule cidr = { members->prefixes[i], ref->except,
						ref->except_count };

		r = add_cidr(view, &cidr, TD_PEER_WORLD_ONLY, terms);
	}
	return r;
}

static int add_peers(const struct policy_view *view, const struct policy_prepared_rule *prepared,
		     struct policy_terms *terms)
{
	const struct policy_rule *rule = prepared->rule;
	bool everywhere = rule->cidrs_match_all && !view->spare_pods;
	int r = 0;

	if (rule->any_peer)
		return add_peer(terms, TD_PEER_ANY, 0);
	for (size_t i = 0; !r && i < prepared->selector_count; i++)
		r = add_selected(view, prepared->selectors[i], terms);
	for (size_t i = 0; !r && i < rule->entity_count; i++)
		r = add_entity(view, rule->entities[i], terms);
	for (size_t i = 0; !r && i < rule->cidr_count; i++)
		r = add_cidr(view, &rule->cidrs[i], everywhere ? 0 : TD_PEER_WORLD_ONLY, terms);
	for (size_t i = 0; !r && i < prepared->set_count; i++)
		r = add_members(view, &prepared->sets[i]->now, &rule->groups[i], terms);
	return r;
}

static bool port_has_name(const struct port_rule *port, const struct named_port *named)
{
	if (strcmp(port->name, named->name) != 0)
		return false;
	if (port->protocol)
		return port->protocol == named->protocol;
	return named->protocol == IPPROTO_TCP || named->protocol == IPPROTO_UDP ||
	       named->protocol == IPPROTO_SCTP;
}

static int add_named(const struct port_rule *port, const struct policy_peer *peer,
		     struct policy_terms *terms)
{
	int r = 0;

	for (size_t i = 0; !r && i < peer->port_count; i++)
		if (port_has_name(port, &peer->ports[i]))
			r = add_range(terms, peer->ports[i].protocol, peer->ports[i].port,
				      peer->ports[i].port);
	return r;
}

static int add_numbered(const struct port_rule *port, struct policy_terms *terms)
{
	static const uint8_t every[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	int r = 0;

	if (port->protocol)
		return add_range(terms, port->protocol, port->first, port->last);
	for (size_t i = 0; !r && i < ARRAY_SIZE(every); i++)
		r = add_range(terms, every[i], port->first, port->last);
	return r;
}

static int range_order(const void *a, const void *b)
{
	const struct policy_port_range *x = a, *y = b;
	int order = (int)x->protocol - (int)y->protocol;

	return order ? order : (int)x->first - (int)y->first;
}

/* Sorts the ranges from `at` on and joins those that meet. */
static void join_ranges(struct policy_terms *terms, size_t at)
{
	size_t count = terms->range_count - at, kept = 0;
	struct policy_port_range *ranges;

	if (!count)
		return;
	ranges = terms->ranges + at;
	qsort(ranges, count, sizeof(*ranges), range_order);
	for (size_t i = 1; i < count; i++) {
		struct policy_port_range *last = &ranges[kept];

		if (last->protocol == ranges[i].protocol && ranges[i].first <= last->last + 1)
			last->last = MAX(last->last, ranges[i].last);
		else
			ranges[++kept] = ranges[i];
	}
	terms->range_count = at + kept + 1;
}

/* One peer an egress rule's named port leads to, and where. */
struct resolved {
	struct policy_port_range range;
	struct policy_term_peer peer;
};

struct resolution {
	struct resolved *items;
	size_t count, room;
};

static int resolve_at(const struct port_rule *port, const struct policy_peer *owner,
		      const struct policy_term_peer *peer, struct resolution *into)
{
	for (size_t i = 0; i < owner->port_count; i++) {
		const struct named_port *named = &owner->ports[i];
		struct resolved *items;

		if (!port_has_name(port, named))
			continue;
		items = array_room(into->items, into->count, &into->room, sizeof(*items));
		if (!items)
			return -ENOMEM;
		into->items = items;
		items[into->count++] =
			(struct resolved){ { named->protocol, named->port, named->port }, *peer };
	}
	return 0;
}

/* A pod's own port of that name. What has no named ports of its own (the outside, nodes) has those
 * that any pod gives the name. A CIDR does not tell which pod an address inside it is, so here it
 * means the outside only. */
static int resolve_peer(const struct policy_view *view, const struct port_rule *port,
			const struct policy_term_peer *peer, struct resolution *into)
{
	struct policy_term_peer other = *peer;
	int r = 0;

	if (policy_peer_is_pod(peer->peer)) {
		const struct policy_peer *owner = policy_peers_find(view->peers, peer->peer);

		return owner ? resolve_at(port, owner, peer, into) : 0;
	}
	if (peer->peer >= TD_ID_LOCAL_MIN)
		other.peer |= TD_PEER_WORLD_ONLY;
	for (size_t i = 0; !r && i < view->peers->count; i++)
		r = resolve_at(port, view->peers->sorted[i], &other, into);
	return r;
}

/* "Every peer" has no ports; each known one has. */
static int resolve_every_peer(const struct policy_view *view, const struct port_rule *port,
			      struct resolution *into)
{
	int r = 0;

	for (size_t i = 0; !r && i < view->peers->count; i++) {
		struct policy_term_peer peer = { view->peers->sorted[i]->number, 0 };

		r = resolve_peer(view, port, &peer, into);
	}
	return r;
}

static int resolved_order(const void *a, const void *b)
{
	const struct resolved *x = a, *y = b;
	int order = range_order(&x->range, &y->range);

	if (!order)
		order = (x->peer.peer > y->peer.peer) - (x->peer.peer < y->peer.peer);
	if (!order)
		order = (x->peer.rank > y->peer.rank) - (x->peer.rank < y->peer.rank);
	return order;
}

/* One term for each port, with the peers that have it. */
static int add_resolved(const struct resolution *resolution, const struct policy_term *like,
			struct policy_terms *terms)
{
	struct policy_term term;
	int r = 0;

	for (size_t i = 0, end; !r && i < resolution->count; i = end) {
		const struct policy_port_range *range = &resolution->items[i].range;

		term = (struct policy_term){ .rule = like->rule,
					     .deny = like->deny,
					     .audit = like->audit,
					     .peer_at = terms->peer_count,
					     .range_at = terms->range_count,
					     .range_count = 1 };
		r = add_range(terms, range->protocol, range->first, range->last);
		for (end = i; !r && end < resolution->count; end++) {
			const struct resolved *item = &resolution->items[end];

			if (range_order(&item->range, range) != 0)
				break;
			if (end > i && resolved_order(item, item - 1) == 0)
				continue;
			r = add_peer(terms, item->peer.peer, item->peer.rank);
		}
		term.peer_count = terms->peer_count - term.peer_at;
		if (!r)
			r = add_term(terms, &term);
	}
	return r;
}

static int expand_egress_names(const struct policy_view *view, const struct policy_rule *rule,
			       const struct policy_term *whole, struct policy_terms *terms)
{
	struct resolution resolution = { 0 };
	int r = 0;

	for (size_t p = 0; !r && p < rule->port_count; p++) {
		const struct port_rule *port = &rule->ports[p];

		for (size_t i = 0; !r && port->name && i < whole->peer_count; i++) {
			const struct policy_term_peer peer = terms->peers[whole->peer_at + i];

			if (peer.peer == TD_PEER_ANY)
				r = resolve_every_peer(view, port, &resolution);
			else
				r = resolve_peer(view, port, &peer, &resolution);
		}
	}
	if (!r && resolution.count) {
		qsort(resolution.items, resolution.count, sizeof(*resolution.items),
		      resolved_order);
		r = add_resolved(&resolution, whole, terms);
	}
	free(resolution.items);
	return r;
}

int policy_expand(const struct policy_view *view, const struct policy_prepared_rule *prepared,
		  struct policy_terms *terms)
{
	const struct policy_rule *rule = prepared->rule;
	struct policy_term term = { .rule = prepared->number,
				    .deny = rule->deny,
				    .audit = rule->deny && view->audit,
				    .any_port = rule->any_port,
				    .peer_at = terms->peer_count,
				    .range_at = terms->range_count };
	int r = add_peers(view, prepared, terms);

	for (size_t i = 0; !r && !rule->any_port && i < rule->port_count; i++) {
		if (!rule->ports[i].name)
			r = add_numbered(&rule->ports[i], terms);
		else if (rule->direction == TD_INGRESS)
			r = add_named(&rule->ports[i], view->subject, terms);
	}
	if (r < 0)
		return r;
	join_ranges(terms, term.range_at);
	term.peer_count = terms->peer_count - term.peer_at;
	term.range_count = terms->range_count - term.range_at;
	if (term.peer_count && (term.any_port || term.range_count)) {
		r = add_term(terms, &term);
		if (r < 0)
			return r;
	}
	if (rule->any_port || rule->direction != TD_EGRESS)
		return 0;
	return expand_egress_names(view, rule, &term, terms);
}
