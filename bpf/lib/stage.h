/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Beginnings and ends that the stages share. */
#pragma once

#include "lib/base.h"
#include "lib/config.h"
#include "lib/connection.h"
#include "lib/deliver.h"
#include "lib/reject.h"
#include "lib/report.h"
#include "lib/slow.h"

/* The slow path's scratch, with everything of the last packet forgotten. NULL: impossible. */
static __always_inline struct td_slow *td_slow_begin(__u32 direction)
{
	struct td_config *config = td_config_get();
	struct td_slow *s = td_slow_get();

	if (!s || !config)
		return NULL;
	s->now = td_now();
	s->generation = config->generation;
	s->config_flags = config->flags;
	s->report_interval = config->report_interval;
	s->direction = direction;
	s->event_flags = 0;
	s->identity = 0;
	s->endpoint_id = 0;
	s->found = 0;
	s->quiet = 0;
	s->trace = 0;
	s->reply = 0;
	return s;
}

/* The pod whose device this is; NULL after a reason was set in *ret_reason. */
static __always_inline struct td_endpoint *td_slow_endpoint(struct __sk_buff *skb,
							    struct td_slow *s, int *ret_reason)
{
	__u32 ifindex = skb->ifindex;
	struct td_endpoint *ep = bpf_map_lookup_elem(&td_endpoint, &ifindex);

	if (!ep) {
		*ret_reason = TD_DROP_DROP_EP_NOT_READY;
		return NULL;
	}
	s->identity = ep->identity;
	s->endpoint_id = ep->id;
	if (ep->flags & TD_EP_LOCKDOWN) {
		*ret_reason = TD_DROP_NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION;
		return NULL;
	}
	return ep;
}

/* Where a refusal goes: back to the sender. */
enum td_way_back {
	TD_BACK_TO_POD,   /* it came out of the pod behind skb->ifindex */
	TD_BACK_TO_STACK, /* it was on its way from the stack to the pod behind skb->ifindex */
	TD_BACK_OUT,      /* it came in by the device skb->ifindex */
};

static __always_inline int td_send_back(struct __sk_buff *skb, enum td_way_back way)
{
	if (way == TD_BACK_TO_POD && load_config.has_redirect_peer)
		return bpf_redirect_peer(skb->ifindex, 0);
	if (way != TD_BACK_OUT)
		skb->mark = TD_MARK_OURS;
	return bpf_redirect(skb->ifindex, way == TD_BACK_TO_STACK ? BPF_F_INGRESS : 0);
}

/* A packet policy or tracking refused. */
static __always_inline int td_refuse(struct __sk_buff *skb, struct td_slow *s, __u32 reason,
				     enum td_way_back way)
{
	__u32 direction = s->direction;

	if (s->event_flags & TD_EVENT_DENIED_EGRESS)
		direction = TD_EGRESS;
	else if (s->event_flags & TD_EVENT_DENIED_INGRESS)
		direction = TD_INGRESS;
	td_count_drop(reason, direction);
	if (!s->quiet)
		td_report_drop(skb, s, reason);
	if ((s->config_flags & TD_CONFIG_REJECT) &&
	    td_budget_take(&s->refusals, s->now, TD_REFUSAL_BUDGET) && td_refusal_make(skb, s) == 0)
		return td_send_back(skb, way);
	return TD_SHOT;
}

static __always_inline bool td_is_dns_answer(const struct td_packet *pkt)
{
	return pkt->protocol == IPPROTO_UDP && pkt->conn.port[0] == bpf_htons(53) &&
	       pkt->fragment != TD_FRAGMENT_TAIL;
}

/* Tells what is to be told of a packet that goes on to `point`. */
static __always_inline void td_tell(struct __sk_buff *skb, struct td_slow *s, __u32 point)
{
	if (s->trace)
		td_report_trace(skb, s, point);
	if (point == TD_TO_ENDPOINT && td_is_dns_answer(&s->pkt))
		td_report_dns(skb, s);
}
