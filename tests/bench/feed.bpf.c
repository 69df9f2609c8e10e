// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Writes records as the network programs do, so many per run, into the observer's ring or into one
 * of its own.
 *
 * In: templates, count (globals)    Out: records; lost counts those that found no room */
#include "lib/base.h"
#include "abi/event.h"
#include "lib/report.h"

#include "feed.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} bench_ring SEC(".maps");

struct td_event templates[FEED_TEMPLATES];
__u32 count;
__u32 at;
__u64 lost;

static __always_inline void write_next(struct td_event *event)
{
	__builtin_memcpy(event, &templates[at & (FEED_TEMPLATES - 1)], sizeof(*event));
	event->time = bpf_ktime_get_ns();
	event->port[0] = (__be16)at;
	at++;
}

static long write_real(__u32 i, void *context)
{
	struct td_event *event = bpf_ringbuf_reserve(&td_events, sizeof(*event), 0);

	if (!event) {
		lost++;
		return 0;
	}
	write_next(event);
	td_submit(event);
	return 0;
}

static long write_own(__u32 i, void *context)
{
	struct td_event *event = bpf_ringbuf_reserve(&bench_ring, sizeof(*event), 0);

	if (!event) {
		lost++;
		return 0;
	}
	write_next(event);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tc")
int feed_real(struct __sk_buff *skb)
{
	bpf_loop(count, write_real, NULL, 0);
	return 0;
}

SEC("tc")
int feed_own(struct __sk_buff *skb)
{
	bpf_loop(count, write_own, NULL, 0);
	return 0;
}
