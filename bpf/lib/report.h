/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Telling the observer: one record per change of state or verdict (abi/event.h). */
#pragma once

#include "lib/base.h"
#include "lib/config.h"
#include "lib/count.h"
#include "lib/slow.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} td_events TD_MAP;

/* Waking the observer for every record costs a short connection more than all else we do for it. So
 * the observer looks by itself, some 25 times a second, and is woken as the ring passes a quarter.
 * About `slack` bytes wake, should the very record that passes not see it. */
static __always_inline void td_submit(void *event)
{
	__u64 waiting = bpf_ringbuf_query(&td_events, BPF_RB_AVAIL_DATA);
	__u64 quarter = bpf_ringbuf_query(&td_events, BPF_RB_RING_SIZE) / 4;
	const __u64 slack = 4096;

	bpf_ringbuf_submit(event,
			   waiting - quarter < slack ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void td_event_connection(struct td_event *event, const struct td_slow *s)
{
	const struct td_ct *ct = &s->ct;
	__u32 from = s->reply & 1;

	event->identity[0] = ct->identity[td_bit(from)];
	event->identity[1] = ct->identity[td_bit(!from)];
	event->endpoint_id[0] = ct->endpoint_id[td_bit(from)];
	event->endpoint_id[1] = ct->endpoint_id[td_bit(!from)];
	event->rule[0] = ct->rule[0];
	event->rule[1] = ct->rule[1];
	event->match = ct->match;
	event->packets[0] = ct->packets[0];
	event->packets[1] = ct->packets[1];
	event->bytes[0] = ct->bytes[0];
	event->bytes[1] = ct->bytes[1];
	if (from)
		event->flags |= TD_EVENT_REPLY;
	if (ct->flags & TD_CT_NAT) {
		event->flags |= TD_EVENT_NAT;
		event->xlated = ct->nat_addr;
		event->nat_port = ct->nat_port;
	}
}

static __always_inline void td_event_fill(struct __sk_buff *skb, struct td_event *event,
					  const struct td_slow *s)
{
	const struct td_packet *pkt = &s->pkt;

	__builtin_memset(event, 0, sizeof(*event));
	event->time = bpf_ktime_get_ns();
	event->flags = s->event_flags;
	event->protocol = pkt->protocol;
	event->tcp_flags = pkt->tcp_flags;
	event->icmp_type = pkt->icmp_type;
	event->icmp_code = pkt->icmp_code;
	event->addr[0] = pkt->addr[0];
	event->addr[1] = pkt->addr[1];
	if (pkt->protocol != IPPROTO_ICMP && pkt->protocol != IPPROTO_ICMPV6) {
		event->port[0] = pkt->conn.port[0];
		event->port[1] = pkt->conn.port[1];
	}
	event->ip_version = pkt->version;
	event->ifindex = skb->ifindex;
	__builtin_memcpy(event->mac, pkt->mac, sizeof(event->mac));
	event->cpu = bpf_get_smp_processor_id();
	event->socket_cookie = bpf_get_socket_cookie(skb);
	if (s->found)
		td_event_connection(event, s);
}

/* A packet that goes on to `point`. */
TD_GLOBAL int td_report_trace(struct __sk_buff *skb, const struct td_slow *s, __u32 point)
{
	struct td_event *event;

	if (!s)
		return 0;
	event = bpf_ringbuf_reserve(&td_events, sizeof(*event), 0);
	if (!event) {
		td_count(TD_STAT_LOST);
		return 0;
	}
	td_event_fill(skb, event, s);
	event->kind = TD_EVENT_TRACE;
	event->point = point;
	event->reason = s->trace;
	td_submit(event);
	return 0;
}

TD_GLOBAL int td_report_drop(struct __sk_buff *skb, const struct td_slow *s, __u32 reason)
{
	struct td_event *event;

	if (!s)
		return 0;
	event = bpf_ringbuf_reserve(&td_events, sizeof(*event), 0);
	if (!event) {
		td_count(TD_STAT_LOST);
		return 0;
	}
	td_event_fill(skb, event, s);
	if (!s->found) {
		__u32 pod = s->direction == TD_EGRESS ? 0 : 1;

		event->identity[pod] = s->identity;
		event->endpoint_id[pod] = s->endpoint_id;
	}
	event->kind = TD_EVENT_DROP;
	event->reason = reason;
	td_submit(event);
	return 0;
}

/* A DNS answer on its way to a pod, for the names in flows. */
TD_GLOBAL int td_report_dns(struct __sk_buff *skb, const struct td_slow *s)
{
	struct td_dns_event *event;
	__u32 at, len;

	if (!s)
		return 0;
	at = s->pkt.l4 + 8;
	len = s->pkt.l4_len - 8;
	if (s->pkt.l4_len <= 8 || len > 0xffff)
		return 0;
	if (len > TD_DNS_MAX)
		len = TD_DNS_MAX;
	event = bpf_ringbuf_reserve(&td_events, sizeof(*event), 0);
	if (!event) {
		td_count(TD_STAT_LOST);
		return 0;
	}
	td_event_fill(skb, &event->head, s);
	event->head.kind = TD_EVENT_DNS;
	event->head.point = TD_TO_ENDPOINT;
	event->len = len;
	__builtin_memset(event->pad, 0, sizeof(event->pad));
	asm volatile("" : "+r"(len));
	if (len == 0 || len > TD_DNS_MAX || bpf_skb_load_bytes(skb, at, event->payload, len) < 0) {
		bpf_ringbuf_discard(event, 0);
		return 0;
	}
	td_submit(event);
	return 0;
}

/* Drops that belong to no connection could come at line rate: so many are told per CPU and
 * second, all are counted. */
#define TD_REPORT_BUDGET 1000

static __always_inline bool td_report_allowed(struct td_slow *s)
{
	return td_budget_take(&s->reports, s->now, TD_REPORT_BUDGET);
}

/* The end of a packet that belongs to no connection. */
static __always_inline int td_drop(struct __sk_buff *skb, struct td_slow *s, __u32 reason)
{
	td_count_drop(reason, s->direction);
	if (!s->quiet && td_report_allowed(s))
		td_report_drop(skb, s, reason);
	return TD_SHOT;
}
