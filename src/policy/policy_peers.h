/* SPDX-License-Identifier: Apache-2.0 */
/* policy_peers: the identities policies may speak of, and the selectors that speak of them.
 *
 * In: identities, selectors    Out: for each selector the set of slots it matches
 * Owns: copies of the identities, the interned selectors    Thread: main loop only
 *
 * An identity has a slot while it is known; equal selectors exist once, with their set of slots
 * cached, so that a change of an identity is one match per distinct selector. A deleted identity
 * keeps its slot and its places in the sets, marked gone, until policy_peers_settle(): the compiler
 * must still see whom it concerned. */
#pragma once

#include "model/selector.h"
#include "policy/array.h"
#include "policy/policy_engine.h"

struct policy_peer {
	uint32_t number;
	size_t slot;
	struct labels *labels;
	struct named_port *ports;
	size_t port_count;
	bool gone;
	bool dirty; /* a subject whose tables are to be made again */
	struct policy_subject subject;
};

struct policy_selector {
	struct selector *selector;
	struct bits members; /* slots */
	uint32_t hash;
	unsigned int refs;
	struct policy_selector *next;
};

struct policy_peers {
	struct policy_peer **slots; /* NULL: free */
	size_t slot_count, slot_room;
	struct policy_peer **sorted; /* by number, without those that are gone */
	size_t count, room;
	struct bits touched; /* slots new or gone since the last settling */
	struct policy_selector **buckets;
	size_t bucket_count, selector_count;
};

static inline bool policy_peer_is_pod(uint32_t number)
{
	return number >= TD_ID_POD_MIN && number < TD_ID_LOCAL_MIN;
}

/* Pods' identities, and init. */
static inline bool policy_peer_is_subject(uint32_t number)
{
	return policy_peer_is_pod(number) || number == TD_ID_INIT;
}

/* With the reserved identities 1 to 8 in it. */
int policy_peers_init(struct policy_peers *peers);
void policy_peers_fini(struct policy_peers *peers);

/* Copies. A known number with other labels or ports is replaced. -ENOMEM changes nothing. */
int policy_peers_put(struct policy_peers *peers, uint32_t number, const struct labels *labels,
		     const struct named_port *ports, size_t port_count);
/* Reserved and unknown numbers: does nothing. */
void policy_peers_delete(struct policy_peers *peers, uint32_t number);
/* NULL if unknown or gone. */
struct policy_peer *policy_peers_find(const struct policy_peers *peers, uint32_t number);
/* Forgets what is gone, and what was touched. */
void policy_peers_settle(struct policy_peers *peers);

/* A reference on the interned conjunction of a selector and further ones. 0 or -ENOMEM. */
int policy_peers_select(struct policy_peers *peers, const struct selector *selector,
			struct selector *const *also, size_t also_count,
			struct policy_selector **ret);
/* Drops a reference. */
void policy_peers_unselect(struct policy_peers *peers, struct policy_selector *selector);
