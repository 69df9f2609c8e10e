/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The story of one packet on the slow path: too large for the stack, so one per CPU. Nothing in it
 * outlives the packet. Programs of this kind do not interrupt each other on a CPU. */
#pragma once

#include "lib/base.h"
#include "lib/address.h"
#include "lib/packet.h"
#include "lib/policy.h"
#include "abi/conntrack.h"
#include "abi/event.h"

/* Exchange of one end's address and port; in an ICMP error the packet inside changes too. */
struct td_rewrite {
	struct td_addr from, to;
	__be16 from_port, to_port;
	__u32 whose; /* 0: source, 1: destination */
};

/* So many a second and CPU, and no more. */
struct td_budget {
	__u32 tick, left;
};

static __always_inline bool td_budget_take(struct td_budget *budget, __u32 now, __u32 a_second)
{
	if (now - budget->tick >= TD_TICKS_PER_SEC) {
		budget->tick = now;
		budget->left = a_second;
	}
	if (!budget->left)
		return false;
	budget->left--;
	return true;
}

struct td_slow {
	struct td_packet pkt;
	struct td_ct_key key;
	struct td_ct ct;      /* the connection's entry as it is after this packet */
	struct td_end end[2]; /* [0] initiator, [1] responder; set when judged */
	struct td_question question;
	struct td_verdict verdict;
	struct td_rewrite rewrite;
	struct td_nat_key nat_key; /* a mapping that is tried */
	struct td_ct_key nat_ct;   /* the connection it was made for */
	struct td_gc_item nat_item;
	__u8 trace; /* td_trace_reason to report with; 0: nothing to tell */
	__u8 pad[3];
	__u32 high;       /* the packet's sender is addr[1] of key */
	__u32 reply;      /* the packet travels from responder to initiator */
	__u32 now;        /* tick */
	__u32 generation; /* of td_config */
	__u32 config_flags;
	__u32 report_interval;
	__u32 event_flags; /* TD_EVENT_* */
	__u32 direction;   /* td_direction a drop is counted under */
	__u32 identity;    /* without an entry: of the pod concerned */
	__u32 endpoint_id;
	__u32 found;              /* ct is an entry's */
	__u32 quiet;              /* a drop that is only counted */
	struct td_budget reports; /* of drops that belong to no connection */
	struct td_budget refusals;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct td_slow);
} td_slow TD_MAP;

/* Global functions that look something up by a field of it must fetch it themselves: Linux 6.1
 * takes keys from map values and the stack, not from arguments. NULL: impossible. */
static __always_inline struct td_slow *td_slow_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&td_slow, &zero);
}
