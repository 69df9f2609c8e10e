/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections and their verdicts: may this packet go on, and what has changed by it?
 *
 * A packet with an entry of the present generation is already judged. Without an entry it is judged
 * as the first of a connection, whatever its TCP flags. With a stale entry the connection is judged
 * again, in its initiator's direction. A denial is an entry too. */
#pragma once

#include "lib/base.h"
#include "lib/conntrack.h"
#include "lib/policy.h"
#include "lib/report.h"
#include "lib/slow.h"

/* Destination port as policy sees it: of the initiator's first packet. */
static __always_inline __be16 td_judged_port(const struct td_slow *s)
{
	__u8 protocol = s->key.protocol;

	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		return bpf_htons(s->ct.tcp_flags[0]);
	return s->reply ? s->pkt.conn.port[0] : s->pkt.conn.port[1];
}

/* One direction of the verdict; whose: 0 egress of the initiator, 1 ingress of the responder. */
static __always_inline int td_judge_one(struct td_slow *s, __u32 whose)
{
	struct td_end *subject = &s->end[td_bit(whose)], *peer = &s->end[td_bit(!whose)];
	__u8 match;

	s->question.subject = subject->identity;
	s->question.direction = whose ? TD_INGRESS : TD_EGRESS;
	s->question.peer = *peer;
	s->question.addr = s->pkt.conn.addr[td_bit((whose ? 0 : 1) ^ s->reply)];
	s->question.protocol = s->key.protocol;
	s->question.port = td_judged_port(s);
	s->question.audit = !!subject->audit;
	td_policy_judge(&s->question, &s->verdict);
	match = s->verdict.match | (s->verdict.audited ? TD_MATCH_AUDIT : 0);
	s->ct.rule[td_bit(whose)] = s->verdict.rule;
	s->ct.match |= whose ? match << 4 : match;
	if (s->verdict.reason && !s->verdict.audited) {
		s->event_flags |= whose ? TD_EVENT_DENIED_INGRESS : TD_EVENT_DENIED_EGRESS;
		return s->verdict.reason;
	}
	if (s->verdict.enforced || s->verdict.audited)
		s->event_flags |= whose ? TD_EVENT_VERDICT_INGRESS : TD_EVENT_VERDICT_EGRESS;
	return TD_DROP_NONE;
}

/* Both ends of the scratch packet's connection into s->end. */
TD_GLOBAL int td_ends_find(void)
{
	struct td_slow *s = td_slow_get();

	if (!s)
		return 0;
	td_end_find(s->reply ? &s->pkt.conn.addr[1] : &s->pkt.conn.addr[0], &s->end[0]);
	td_end_find(s->reply ? &s->pkt.conn.addr[0] : &s->pkt.conn.addr[1], &s->end[1]);
	return 0;
}

/* Judges the connection of s into s->ct. A drop reason, or 0. */
TD_GLOBAL int td_judge(void)
{
	struct td_slow *s = td_slow_get();
	int reason = TD_DROP_NONE;

	if (!s)
		return TD_DROP_INVALID_PACKET_DROPPED;
	td_ends_find();
	for (int i = 0; i < 2; i++) {
		s->ct.identity[i] = s->end[i].identity;
		s->ct.ifindex[i] = s->end[i].ifindex;
		s->ct.endpoint_id[i] = s->end[i].endpoint_id;
		s->ct.rule[i] = TD_RULE_NONE;
	}
	s->ct.match = 0;
	s->ct.generation = s->generation;
	if (s->end[0].ifindex)
		reason = td_judge_one(s, 0);
	if (!reason && s->end[1].ifindex)
		reason = td_judge_one(s, 1);
	s->ct.reason = reason;
	return reason;
}

/* Puts the first packet of a connection into s->ct. */
static __always_inline void td_ct_begin(struct td_slow *s)
{
	__u8 protocol = s->key.protocol;

	__builtin_memset(&s->ct, 0, sizeof(s->ct));
	s->reply = 0;
	s->ct.flags = s->high ? TD_CT_INITIATOR_HIGH : 0;
	s->ct.state = TD_CT_NEW;
	s->ct.reported = s->now;
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		s->ct.tcp_flags[0] = s->pkt.icmp_type;
}

/* A connection that was allowed once is remembered for as long as its ends go on trying: TCP sends
 * again after 120 s at the latest. */
static __always_inline __u32 td_ct_deny_until(const struct td_ct *ct, __u32 now)
{
	__u32 times = ct->flags & TD_CT_SEEN_REPLY ? 2 : 1;

	return now + times * load_config.ct_tcp_syn;
}

static __always_inline void td_ct_deny(struct td_ct *ct, __u8 reason, __u32 now)
{
	ct->state = TD_CT_DENIED;
	ct->reason = reason;
	ct->reported = now;
	ct->expires = td_ct_deny_until(ct, now);
}

static __always_inline void td_ct_count(struct __sk_buff *skb, struct td_ct *ct,
					const struct td_slow *s)
{
	td_ct_add(ct, s->reply, skb->gso_segs ? skb->gso_segs : 1, s->pkt.len);
}

/* s->ct in place of an entry that ended. Other CPUs' fast paths go by the generation: it is no present
 * one until all the rest is there. */
static __always_inline void td_ct_replace(struct td_ct *old, struct td_slow *s)
{
	__u32 generation = s->ct.generation;

	s->ct.generation = generation - 1;
	*old = s->ct;
	s->ct.generation = generation;
	__sync_lock_test_and_set(&old->generation, generation);
}

/* A connection with no entry, or one that has ended and begins again in `old`. */
static __always_inline int td_admit_new(struct __sk_buff *skb, struct td_slow *s, struct td_ct *old)
{
	int reason;

	td_ct_begin(s);
	s->found = 1;
	reason = td_judge();
	if (reason) {
		td_ct_deny(&s->ct, reason, s->now);
	} else {
		td_ct_advance(&s->ct, &s->pkt, 0, s->now);
		s->trace = old ? TD_REASON_REOPENED : TD_REASON_NEW;
	}
	td_ct_count(skb, &s->ct, s);
	if (old)
		td_ct_replace(old, s);
	else if (td_map_update(&td_ct_new, &s->key, &s->ct, BPF_ANY) < 0 && !reason)
		return TD_DROP_CT_MAP_INSERTION_FAILED;
	return reason;
}

/* Whether a connection goes on only by audit, and was not told of as it is now. */
static __always_inline bool td_audit_is_new(const struct td_ct *now, const struct td_ct *before)
{
	return (now->match & (TD_MATCH_AUDIT | TD_MATCH_AUDIT << 4)) &&
	       (now->match != before->match || now->rule[0] != before->rule[0] ||
		now->rule[1] != before->rule[1]);
}

/* Policy, addresses or labels changed since `ct` was judged. */
static __always_inline int td_admit_stale(struct td_slow *s, struct td_ct *ct)
{
	bool was_denied = ct->state == TD_CT_DENIED;
	int reason;

	s->ct = *ct;
	reason = td_judge();
	if (reason) {
		td_ct_deny(&s->ct, reason, s->now);
	} else if (was_denied) {
		s->ct.state = s->ct.flags & TD_CT_SEEN_REPLY ? TD_CT_ESTABLISHED : TD_CT_NEW;
		s->trace = TD_REASON_NEW;
		s->ct.reported = s->now;
	} else if (td_audit_is_new(&s->ct, ct)) {
		s->trace = s->reply ? TD_REASON_REPLY : TD_REASON_ESTABLISHED;
	}
	for (int i = 0; i < 2; i++) {
		ct->identity[i] = s->ct.identity[i];
		ct->ifindex[i] = s->ct.ifindex[i];
		ct->endpoint_id[i] = s->ct.endpoint_id[i];
		ct->rule[i] = s->ct.rule[i];
	}
	ct->match = s->ct.match;
	ct->reason = s->ct.reason;
	ct->state = s->ct.state;
	ct->reported = s->ct.reported;
	ct->expires = s->ct.expires;
	ct->generation = s->ct.generation;
	return reason;
}

static __always_inline bool td_is_syn(const struct td_packet *pkt)
{
	return pkt->conn.protocol == IPPROTO_TCP && !pkt->related &&
	       (pkt->tcp_flags & (TD_TCP_SYN | TD_TCP_ACK)) == TD_TCP_SYN;
}

/* Whether the packet opens a new connection in place of an entry that has ended. The timer collects
 * td_ct only, and in its own time: any entry has ended when its time is up. A masqueraded one is opened
 * again from its pod's side only: from outside it has no other name than the mapping. */
static __always_inline bool td_ct_begins_again(const struct td_ct *ct, const struct td_slow *s)
{
	bool reply = s->high != !!(ct->flags & TD_CT_INITIATOR_HIGH);

	if (s->pkt.related || (reply && (ct->flags & TD_CT_NAT)))
		return false;
	if (td_tick_reached(s->now, ct->expires))
		return true;
	switch (ct->state) {
	case TD_CT_CLOSING:
	case TD_CT_TIME_WAIT:
	case TD_CT_RESET:
		return td_is_syn(&s->pkt);
	default:
		return false;
	}
}

/* What is worth telling about this packet of an admitted connection: called before it changes ct. */
static __always_inline __u8 td_trace_reason(const struct td_ct *ct, const struct td_slow *s)
{
	__u8 flags = s->pkt.tcp_flags & TD_TCP_STATE;
	__u8 reason = s->reply ? TD_REASON_REPLY : TD_REASON_ESTABLISHED;

	if (s->reply && !(ct->flags & TD_CT_SEEN_REPLY))
		return reason;
	if (s->pkt.conn.protocol == IPPROTO_TCP && (flags & ~ct->tcp_flags[td_bit(s->reply)]))
		return reason;
	if (s->report_interval && s->now - ct->reported >= s->report_interval)
		return reason;
	return s->config_flags & TD_CONFIG_REPORT_ALL ? reason : 0;
}

/* An ICMP error goes with its connection and changes nothing in it. */
static __always_inline int td_admit_related(struct td_slow *s, struct td_ct *ct)
{
	s->ct = *ct;
	s->trace = td_report_allowed(s) ? TD_REASON_RELATED : 0;
	return TD_GO;
}

static __always_inline int td_admit_known(struct __sk_buff *skb, struct td_slow *s,
					  struct td_ct *ct)
{
	__u8 told = td_trace_reason(ct, s);
	bool promote;

	if (told) {
		if (!s->trace)
			s->trace = told;
		ct->reported = s->now;
	}
	promote = s->reply && ct->state == TD_CT_NEW;
	td_ct_advance(ct, &s->pkt, s->reply, s->now);
	td_ct_count(skb, ct, s);
	s->ct = *ct;
	if (promote && ct->state != TD_CT_RESET)
		td_ct_promote(&s->key);
	return TD_GO;
}

static __always_inline int td_admit_denied(struct __sk_buff *skb, struct td_slow *s,
					   struct td_ct *ct)
{
	__u32 interval = load_config.drop_report_interval;

	td_ct_count(skb, ct, s);
	if (ct->flags & TD_CT_SEEN_REPLY)
		ct->expires = td_ct_deny_until(ct, s->now);
	if (interval && s->now - ct->reported < interval)
		s->quiet = 1;
	else
		ct->reported = s->now;
	s->ct = *ct;
	s->event_flags |=
		ct->rule[1] == TD_RULE_NONE ? TD_EVENT_DENIED_EGRESS : TD_EVENT_DENIED_INGRESS;
	return ct->reason;
}

/* A denial holds for what the same side sends: the other side's packet may be the first of another
 * connection, or of the same one whose own entry was pushed out. But a connection that was allowed
 * once is not begun again by an answer. */
static __always_inline bool td_denial_is_others(const struct td_ct *ct, const struct td_slow *s)
{
	return ct->state == TD_CT_DENIED && s->reply && !s->pkt.related &&
	       (!(ct->flags & TD_CT_SEEN_REPLY) || td_is_syn(&s->pkt));
}

/* Whether an end lives elsewhere than when the connection was judged: the address is another pod's
 * now, which has no part in what its predecessor began. */
static __always_inline bool td_ct_is_anothers(const struct td_ct *ct, struct td_slow *s)
{
	s->reply = s->high != !!(ct->flags & TD_CT_INITIATOR_HIGH);
	if (ct->generation == s->generation)
		return false;
	td_ends_find();
	return s->end[0].ifindex != ct->ifindex[0] || s->end[1].ifindex != ct->ifindex[1];
}

/* Makes or advances the entry of the scratch packet's connection; s->ct is it. A drop reason, or 0. */
TD_GLOBAL int td_admit(struct __sk_buff *skb)
{
	struct td_slow *s = td_slow_get();
	struct td_ct *ct;
	int reason;

	if (!s)
		return TD_DROP_INVALID_PACKET_DROPPED;
	td_tuple_key(&s->pkt.conn, &s->key, &s->high);
	ct = td_ct_find(&s->key, s->config_flags);
	if (s->pkt.related && (!ct || td_ct_is_anothers(ct, s))) {
		td_packet_unrelate(&s->pkt);
		td_tuple_key(&s->pkt.conn, &s->key, &s->high);
		ct = td_ct_find(&s->key, s->config_flags);
	}
	if (!ct || td_ct_is_anothers(ct, s) || td_ct_begins_again(ct, s) ||
	    td_denial_is_others(ct, s))
		return td_admit_new(skb, s, ct);
	s->found = 1;
	if (ct->generation != s->generation) {
		reason = td_admit_stale(s, ct);
		if (reason) {
			td_ct_count(skb, ct, s);
			return reason;
		}
	}
	if (ct->state == TD_CT_DENIED)
		return td_admit_denied(skb, s, ct);
	if (s->pkt.related)
		return td_admit_related(s, ct);
	return td_admit_known(skb, s, ct);
}
