// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The timer that lets connections expire, with or without an agent. */
#include "lib/base.h"
#include "lib/config.h"
#include "lib/gc.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define TD_GC_SHORT_NS 10000000ULL  /* between bursts while there is much to visit */
#define TD_GC_LONG_NS  100000000ULL /* else */
#define TD_GC_MANY     2000         /* items, from which on bursts are short */
/* A burst of the longest allowed size takes about 2 ms; beyond, a round takes longer than
 * TD_GC_ROUND. */
#define TD_GC_BURST_MAX 8192

#ifndef CLOCK_MONOTONIC
#define CLOCK_MONOTONIC 1
#endif

/* A round visits what was queued at its beginning, evenly over TD_GC_ROUND. */
static __always_inline void td_gc_begin_round(struct td_gc_state *state)
{
	__s64 queued = state->queued;
	__u64 burst;

	if (queued < 0) /* the count comes after the push */
		queued = 0;
	state->left = queued;
	state->hurried = queued >= TD_GC_MANY;
	burst = (__u64)queued / (state->hurried ? 1000 : 100) + 1;
	state->burst = burst < TD_GC_BURST_MAX ? burst : TD_GC_BURST_MAX;
}

static int td_gc_tick(void *map, __u32 *key, struct td_gc_state *state)
{
	struct td_config *config = td_config_get();
	struct td_gc_round round = { .now = td_now() };
	__u32 visited = TD_STAT_GC_VISITED;
	__u64 *count;

	/* Just before or after a switch: connections may stand in maps that only the build in force
	 * knows, and an item dropped now would never be visited again. */
	if (!config || config->slot_base != load_config.slot_base) {
		bpf_timer_start(&state->timer, TD_GC_LONG_NS, 0);
		return 0;
	}
	round.config_flags = config->flags;
	if (!state->left)
		td_gc_begin_round(state);
	bpf_loop(state->burst, td_gc_visit, &round, 0);
	state->left = round.visited < state->burst || state->left <= round.visited
			      ? 0
			      : state->left - round.visited;
	if (round.left)
		__sync_fetch_and_sub(&state->queued, round.left);
	td_count(TD_STAT_GC_RUNS);
	count = bpf_map_lookup_elem(&td_stats, &visited);
	if (count)
		*count += round.visited;
	bpf_timer_start(&state->timer, state->hurried ? TD_GC_SHORT_NS : TD_GC_LONG_NS, 0);
	return 0;
}

/* Starts the timer, or hands a running one to this build: run once by the loader. 0 is success. The
 * mark is the length of the queue, if it was found without the timer's state; else 0. */
SEC("tc")
int td_gc_start(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct td_gc_state *state = bpf_map_lookup_elem(&td_gc_timer, &zero);

	if (!state)
		return 1;
	if (skb->mark)
		__sync_fetch_and_add(&state->queued, skb->mark);
	bpf_timer_init(&state->timer, &td_gc_timer, CLOCK_MONOTONIC); /* -EBUSY: it is running */
	if (bpf_timer_set_callback(&state->timer, td_gc_tick) < 0)
		return 2;
	return bpf_timer_start(&state->timer, TD_GC_LONG_NS, 0) < 0 ? 3 : 0;
}
