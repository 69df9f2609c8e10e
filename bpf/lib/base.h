/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every BPF program here needs: UAPI types, helpers, return codes, time.
 *
 * Functions marked TD_GLOBAL are verified once, on their own, whatever calls them; they see their
 * pointers as possibly NULL and must check. Maps and globals are weak: each header that owns one
 * defines it, and linking the objects makes them one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "abi/types.h"

#define TD_GLOBAL __weak __attribute__((noinline))
#define TD_MAP    __weak SEC(".maps")

#ifndef likely
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

/* Return codes of a program: the next one in the chain, then the stack (TCX_NEXT is TC_ACT_UNSPEC,
 * so tcx and clsact agree), or the end. */
#define TD_NEXT (-1)
#define TD_SHOT 2

/* Where functions return a drop reason (td_drop), 0 goes on. */
#define TD_GO 0

/* Set on a packet we send ourselves through one of our own hooks; the hook lets it through. The
 * mark of a packet that comes out of a pod was cleared on its way across the veth pair. */
#define TD_MARK_OURS 0x54440001

/* The lowest bit, to index an array of two by. The verifier of Linux 6.1 loses the range of a value
 * in an exclusive or, and the compiler drops a mask it knows to be superfluous. */
static __always_inline __u32 td_bit(__u64 value)
{
	asm volatile("%0 &= 1" : "+r"(value));
	return value;
}

/* Before Linux 6.4 these return an int whose upper half, read as a long, is undefined: a plain
 * "< 0" would take every error for success. */
static __always_inline int td_map_update(void *map, const void *key, const void *value, __u64 flags)
{
	return (int)bpf_map_update_elem(map, key, value, flags);
}

static __always_inline int td_queue_push(void *queue, const void *value)
{
	return (int)bpf_map_push_elem(queue, value, 0);
}

static __always_inline int td_queue_pop(void *queue, void *value)
{
	return (int)bpf_map_pop_elem(queue, value);
}

static __always_inline __u32 td_now(void)
{
	return bpf_ktime_get_coarse_ns() >> TD_TICK_SHIFT;
}

/* Whether tick a is at or after b; spans up to 26 days. */
static __always_inline bool td_tick_reached(__u32 a, __u32 b)
{
	return (__s32)(a - b) >= 0;
}

static __always_inline bool td_addr_equal(const struct td_addr *a, const struct td_addr *b)
{
	return a->halves[0] == b->halves[0] && a->halves[1] == b->halves[1];
}

static __always_inline bool td_addr_is_zero(const struct td_addr *a)
{
	return !(a->halves[0] | a->halves[1]);
}

static __always_inline void td_addr_set_v4(struct td_addr *addr, __be32 v4)
{
	addr->halves[0] = 0;
	addr->words[2] = TD_V4_MAPPED;
	addr->words[3] = v4;
}

static __always_inline bool td_addr_is_v4(const struct td_addr *a)
{
	return !a->halves[0] && a->words[2] == TD_V4_MAPPED;
}
