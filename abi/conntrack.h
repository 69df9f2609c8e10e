/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connection tracking: one entry per connection, found from either direction.
 *
 * td_ct      HASH without preallocation: connections that both sides have spoken on.
 * td_ct_new  LRU_HASH: attempts, one-way flows, and remembered denials. A flood here pushes out
 *            others of its kind, never an established connection.
 * td_ct_prev, td_ct_new_prev, td_nat_prev: those of a build with another value layout, during an
 *            upgrade. Entries move over when a packet asks for them or when the timer visits them,
 *            whichever is first; so a round of the timer (TD_GC_ROUND) after the switch td_ct_prev
 *            and td_nat_prev hold nothing that matters.
 * td_ct_gc   QUEUE of struct td_gc_item: what the timer in td_gc_timer visits in turn; every key of
 *            td_ct and td_nat is in it exactly once. So entries expire without the agent. It has
 *            room for all of both maps, and is kept across upgrades.
 * td_gc_timer ARRAY of one struct td_gc_state; pinned, because an unreferenced map stops its timer.
 * td_nat     HASH without preallocation: masquerade, from the outside's view to the pod's.
 *
 * A TCP port that a connection wears which both sides have closed (TIME_WAIT) or reset is given to a
 * new one when none is free; so is any port whose connection has expired.
 *
 * If td_ct is full a connection stays in td_ct_new, tracked but evictable, and is counted
 * (TD_STAT_CT_FULL). If td_nat or its port range is full the packet is dropped
 * (NO_MAPPING_FOR_NAT_MASQUERADE). */
#pragma once

#include "types.h"

/* Normalised: the lower (address, port) pair comes first, compared as memcmp() does on the
 * address, then on the port's two bytes. ICMP echo: port is the identifier on the side that
 * asks, 0 on the other. Other ICMP: kind is TD_KEY_ICMP_TYPE and port the type (of the request, if it
 * is a reply) in both. */
struct td_ct_key {
	struct td_addr addr[2];
	__be16 port[2];
	__u8 protocol;
	__u8 kind; /* TD_KEY_* */
	__u8 pad[2];
};
TD_SIZE(struct td_ct_key, 40);

enum td_key_kind { TD_KEY_PORTS = 0, TD_KEY_ICMP_TYPE = 1 };

enum td_ct_state {
	TD_CT_NEW = 0,     /* only the initiator has spoken */
	TD_CT_ESTABLISHED, /* both have */
	TD_CT_CLOSING,     /* one FIN */
	TD_CT_TIME_WAIT,   /* both FINs */
	TD_CT_RESET,       /* RST seen */
	TD_CT_DENIED,      /* remembered denial; in td_ct only if it was allowed once */
};

#define TD_CT_INITIATOR_HIGH (1u << 0) /* the initiator is addr[1] */
#define TD_CT_NAT            (1u << 1) /* masqueraded: nat_addr and nat_port are set */
#define TD_CT_SEEN_REPLY     (1u << 2)

/* Fields after `end` may be added; the ones before never move: an upgrade reads the previous
 * build's entries up to the shorter length. [0] is the initiator's side, [1] the responder's. */
struct td_ct {
	__u32 expires;    /* tick */
	__u32 generation; /* of td_config when judged */
	__u32 reported;   /* tick of the last report */
	__u32 identity[2];
	__u32 rule
		[2]; /* deciding rule: [0] egress of the initiator, [1] ingress of the responder */
	__u32 ifindex[2]; /* host-side device of a local pod; 0: beyond the stack or an uplink */
	__u16 endpoint_id[2];
	__u8 state;
	__u8 flags;
	__u8 reason;       /* of a denial: td_drop */
	__u8 match;        /* td_match of egress | td_match of ingress << 4, with TD_MATCH_AUDIT */
	__u8 tcp_flags[2]; /* SYN, FIN, RST seen so far from each side; ICMP: [0] the first type */
	__be16 nat_port;
	struct td_addr nat_addr;
	__u32 uplink; /* ifindex a masqueraded or routed connection leaves by; 0: the stack decides */
	__u64 packets[2];
	__u64 bytes[2];
#ifdef TD_TEST_WIDE_CT
	__u64 test_extra; /* only in the build that tests upgrades */
#endif
};
#ifndef TD_TEST_WIDE_CT
TD_SIZE(struct td_ct, 104);
#endif

struct td_nat_key {
	struct td_addr remote;
	struct td_addr local; /* the node's address */
	__be16 remote_port;   /* ICMP: 0 */
	__be16 local_port;    /* ICMP: identifier */
	__u8 protocol;
	__u8 pad[3];
};
TD_SIZE(struct td_nat_key, 40);

struct td_nat {
	struct td_addr pod;
	__be16 pod_port; /* ICMP: identifier */
	__u16 pad;
	__u32 busy; /* some CPU is giving the mapping to another connection, or removing it */
#ifdef TD_TEST_WIDE_CT
	__u32 test_extra;
#endif
};
#ifndef TD_TEST_WIDE_CT
TD_SIZE(struct td_nat, 24);
#endif

enum td_gc_kind { TD_GC_CT = 0, TD_GC_NAT = 1 };

/* Every entry is visited once in about this time. */
#define TD_GC_ROUND TD_TICKS(10)

struct td_gc_item {
	union {
		struct td_ct_key ct;
		struct td_nat_key nat;
	};
	__u32 kind; /* TD_GC_* */
};
TD_SIZE(struct td_gc_item, 44);
