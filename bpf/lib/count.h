/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters: td_stats by enum td_stat, td_drops by reason and direction. */
#pragma once

#include "lib/base.h"
#include "abi/drop.h"
#include "abi/event.h"
#include "abi/policy.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TD_STAT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} td_stats TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 512);
	__type(key, __u32);
	__type(value, __u64);
} td_drops TD_MAP;

static __always_inline void td_count(__u32 stat)
{
	__u64 *count = bpf_map_lookup_elem(&td_stats, &stat);

	if (count)
		*count += 1;
}

static __always_inline void td_count_drop(__u8 reason, __u32 direction)
{
	__u32 index = reason + 256 * (direction & 1);
	__u64 *count = bpf_map_lookup_elem(&td_drops, &index);

	if (count)
		*count += 1;
}
