/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The queue of entries that wait for the timer's next visit. */
#pragma once

#include "lib/base.h"
#include "abi/conntrack.h"

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 131072 + 32768);
	__type(value, struct td_gc_item);
} td_ct_gc TD_MAP;

struct td_gc_state {
	struct bpf_timer timer;
	__u64 queued;  /* follows the length of the queue, from all CPUs */
	__u64 left;    /* visits to go in this round: of the timer alone, as the rest */
	__u32 burst;   /* visits per tick of the timer, the same for a whole round */
	__u32 hurried; /* the timer's ticks are short in this round */
};
TD_SIZE(struct td_gc_state, 40);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct td_gc_state);
} td_gc_timer TD_MAP;

/* 0, or negative: no room. */
static __always_inline int td_gc_push(const struct td_gc_item *item)
{
	__u32 zero = 0;
	struct td_gc_state *state;

	if (td_queue_push(&td_ct_gc, item) < 0)
		return -1;
	state = bpf_map_lookup_elem(&td_gc_timer, &zero);
	if (state)
		__sync_fetch_and_add(&state->queued, 1);
	return 0;
}
