/* SPDX-License-Identifier: Apache-2.0 */
/* policy_expand: what rules say about one subject, in numbers: peers, ports, allow or deny.
 *
 * In: prepared rules, peers, CIDRs    Out: struct policy_terms
 * Owns: its arrays    Thread: main loop only */
#pragma once

#include "policy/policy_prepare.h"

/* A peer of a term. Among terms that say the same about one (class, peer) the lowest rank gives its
 * rule: the longest CIDR, then the order of the terms. */
struct policy_term_peer {
	uint32_t peer; /* as in td_policy_key */
	uint32_t rank; /* 128 - length of the CIDR it came from, 0 for what is no CIDR */
};

struct policy_port_range {
	uint8_t protocol;
	uint16_t first, last;
};

/* Every one of these ports (any: of all protocols) with every one of these peers. */
struct policy_term {
	uint32_t rule;
	bool deny;
	bool audit; /* with deny: its policy is in audit mode */
	bool any_port;
	size_t peer_at, peer_count;
	size_t range_at, range_count; /* sorted, disjoint */
};

struct policy_terms {
	struct policy_term *items;
	size_t count, room;
	struct policy_term_peer *peers;
	size_t peer_count, peer_room;
	struct policy_port_range *ranges;
	size_t range_count, range_room;
};

void policy_terms_fini(struct policy_terms *terms);
/* A term with one peer and any port. 0 or -ENOMEM. */
int policy_terms_add(struct policy_terms *terms, uint32_t rule, bool deny, uint32_t peer);

struct policy_view {
	const struct policy_peers *peers;
	const struct policy_cidr_list *cidrs;
	const struct policy_peer *subject; /* its ports resolve the names of ingress rules */
	bool spare_pods; /* NetworkPolicy's blocks are held against outside addresses only */
	bool audit;      /* the rules are of a policy in audit mode */
};
/* Appends what a rule says. -ENOMEM leaves the terms usable for freeing only. */
int policy_expand(const struct policy_view *view, const struct policy_prepared_rule *rule,
		  struct policy_terms *terms);
