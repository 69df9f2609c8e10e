/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Expiry: what the timer does with one item of the queue. Without the agent, as long as
 * td_gc_timer is pinned. */
#pragma once

#include "lib/base.h"
#include "lib/conntrack.h"
#include "lib/nat.h"
#include "lib/report.h"

/* The last record of a connection: its final counts. */
static __always_inline void td_report_close(const struct td_ct_key *key, const struct td_ct *ct)
{
	__u32 first = ct->flags & TD_CT_INITIATOR_HIGH;
	struct td_event *event;

	event = bpf_ringbuf_reserve(&td_events, sizeof(*event), 0);
	if (!event) {
		td_count(TD_STAT_LOST);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->time = bpf_ktime_get_ns();
	event->kind = TD_EVENT_CLOSE;
	event->protocol = key->protocol;
	event->addr[0] = first ? key->addr[1] : key->addr[0];
	event->addr[1] = first ? key->addr[0] : key->addr[1];
	if (key->protocol != IPPROTO_ICMP && key->protocol != IPPROTO_ICMPV6) {
		event->port[0] = first ? key->port[1] : key->port[0];
		event->port[1] = first ? key->port[0] : key->port[1];
	} else {
		event->icmp_type = ct->tcp_flags[0];
	}
	for (int i = 0; i < 2; i++) {
		event->identity[i] = ct->identity[i];
		event->endpoint_id[i] = ct->endpoint_id[i];
		event->rule[i] = ct->rule[i];
		event->packets[i] = ct->packets[i];
		event->bytes[i] = ct->bytes[i];
	}
	event->match = ct->match;
	event->ip_version = td_addr_is_v4(&key->addr[0]) ? 4 : 6;
	if (ct->flags & TD_CT_NAT) {
		event->flags |= TD_EVENT_NAT;
		event->xlated = ct->nat_addr;
		event->nat_port = ct->nat_port;
	}
	event->cpu = bpf_get_smp_processor_id();
	td_submit(event);
}

/* Whether the connection stays. */
static __always_inline bool td_gc_visit_ct(const struct td_ct_key *key, __u32 config_flags,
					   __u32 now)
{
	struct td_ct *ct = bpf_map_lookup_elem(&td_ct, key);

	if (!ct && (config_flags & TD_CONFIG_CT_PREV) && prev_layout.ct_size) {
		td_ct_migrate(key);
		ct = bpf_map_lookup_elem(&td_ct, key);
	}
	if (!ct)
		return false;
	if (!td_tick_reached(now, ct->expires))
		return true;
	td_report_close(key, ct);
	bpf_map_delete_elem(&td_ct, key);
	/* Else it would move over again, and nobody would visit it. */
	if ((config_flags & TD_CONFIG_CT_PREV) && prev_layout.ct_size)
		bpf_map_delete_elem(&td_ct_prev, key);
	td_count(TD_STAT_CT_EXPIRED);
	return false;
}

/* Whether the mapping's connection is alive, so that the mapping stays. */
static __always_inline bool td_gc_visit_nat(const struct td_nat_key *key, __u32 config_flags,
					    __u32 now)
{
	struct td_nat *nat = td_nat_find(key, config_flags);
	struct td_ct_key ct_key;

	if (!nat)
		return false;
	td_nat_connection(key, nat, &ct_key);
	if (td_nat_is_worn(key, td_ct_find(&ct_key, config_flags), now) || !td_nat_lock(nat))
		return true;
	bpf_map_delete_elem(&td_nat, key);
	if ((config_flags & TD_CONFIG_CT_PREV) && prev_layout.nat_size)
		bpf_map_delete_elem(&td_nat_prev, key);
	return false;
}

struct td_gc_round {
	__u32 now;
	__u32 config_flags;
	__u32 left; /* items taken out of the queue for good */
	__u32 visited;
};

/* bpf_loop callback: one item. 1 ends the round. */
static __attribute__((unused)) long td_gc_visit(__u32 index, void *data)
{
	struct td_gc_round *round = data;
	struct td_gc_item item;
	bool stays;

	if (td_queue_pop(&td_ct_gc, &item) < 0)
		return 1;
	round->visited++;
	if (item.kind == TD_GC_NAT)
		stays = td_gc_visit_nat(&item.nat, round->config_flags, round->now);
	else
		stays = td_gc_visit_ct(&item.ct, round->config_flags, round->now);
	if (!stays || td_queue_push(&td_ct_gc, &item) < 0)
		round->left++;
	return 0;
}
