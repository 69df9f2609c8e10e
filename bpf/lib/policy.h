/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy: one verdict for one direction, as abi/policy.h defines it. The slow path: it reads every
 * row that applies, because any of them may deny. */
#pragma once

#include "lib/base.h"
#include "lib/address.h"
#include "abi/drop.h"
#include "abi/policy.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct td_subject);
} td_subject TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_class_key);
	__type(value, __u32);
} td_pol_class TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_policy_key);
	__type(value, struct td_policy_val);
} td_policy TD_MAP;

struct td_question {
	__u32 subject;   /* identity */
	__u32 direction; /* td_direction */
	struct td_end peer;
	struct td_addr addr; /* of the peer */
	__be16 port;         /* destination port; ICMP type; 0 */
	__u8 protocol;
	__u8 audit; /* the subject is in audit mode */
};

struct td_verdict {
	__u32 rule;    /* td_rule or a rule's number */
	__u8 reason;   /* TD_DROP_NONE: allowed */
	__u8 match;    /* td_match */
	__u8 enforced; /* some policy isolates this direction */
	__u8 audited;  /* there is a reason, and the packet goes on all the same */
};

/* From the most specific: the peer itself, its CIDR in both forms, the world, everyone. */
#define TD_PEERS 5

static __always_inline void td_peers(const struct td_question *q, __u32 flags, __u32 *ret)
{
	__u32 cidr = q->peer.cidr;

	if (q->peer.known && (flags & TD_SUBJECT_CIDR_ALL))
		cidr = td_cidr_identity(&q->addr);
	ret[0] = q->peer.identity;
	ret[1] = cidr;
	ret[2] = !q->peer.known && cidr && (flags & TD_SUBJECT_WORLD_CIDR)
			 ? cidr | TD_PEER_WORLD_ONLY
			 : 0;
	ret[3] = q->peer.known ? 0 : TD_ID_WORLD;
	ret[4] = TD_PEER_ANY;
}

static __always_inline __u8 td_match_of(__u32 klass, __u32 peer)
{
	if (peer != TD_PEER_ANY)
		return klass ? TD_MATCH_L3_L4 : TD_MATCH_L3_ONLY;
	return klass ? TD_MATCH_L4_ONLY : TD_MATCH_ALL;
}

struct td_rows {
	__u32 allow, deny, audit; /* audit: a deny of a policy in audit mode */
	__u8 allow_match, deny_match, audit_match;
	__u8 pad;
};

static __always_inline void td_row_read(__u32 table, __u32 klass, __u32 peer, struct td_rows *rows)
{
	struct td_policy_key key = { .table = table, .klass = klass, .peer = peer };
	struct td_policy_val *val = bpf_map_lookup_elem(&td_policy, &key);

	if (!val)
		return;
	if (val->deny_rule & TD_RULE_AUDIT) {
		if (!rows->audit) {
			rows->audit = val->deny_rule & ~TD_RULE_AUDIT;
			rows->audit_match = td_match_of(klass, peer);
		}
	} else if (val->deny_rule && !rows->deny) {
		rows->deny = val->deny_rule;
		rows->deny_match = td_match_of(klass, peer);
	}
	if (val->allow_rule && !rows->allow) {
		rows->allow = val->allow_rule;
		rows->allow_match = td_match_of(klass, peer);
	}
}

static __always_inline void td_rows_read(const struct td_question *q, __u32 table, __u32 flags,
					 struct td_rows *rows)
{
	struct td_class_key key = {
		.prefixlen = TD_CLASS_PREFIX(16),
		.table = bpf_htonl(table),
		.protocol = q->protocol,
		.port = q->port,
	};
	__u32 *class_value = bpf_map_lookup_elem(&td_pol_class, &key);
	__u32 klass = class_value ? *class_value : 0;
	__u32 peers[TD_PEERS];

	td_peers(q, flags, peers);
	for (int i = 0; i < TD_PEERS; i++) {
		if (peers[i] == TD_PEER_ANY && i != TD_PEERS - 1)
			continue;
		if (klass)
			td_row_read(table, klass, peers[i], rows);
		td_row_read(table, 0, peers[i], rows);
	}
}

static __always_inline __u32 td_default_rule(__u32 flags)
{
	if (flags & TD_SUBJECT_INIT)
		return TD_RULE_INIT;
	return flags & TD_SUBJECT_ALWAYS ? TD_RULE_ALWAYS : TD_RULE_DEFAULT_DENY;
}

static __always_inline void td_deny(struct td_verdict *ret, __u32 rule, __u8 match, bool audited)
{
	ret->rule = rule;
	ret->match = match;
	ret->reason = TD_RULE_REASON(rule);
	ret->audited = audited;
}

/* Answers q into *ret. The node reaches its own pods unless a rule denies it. */
TD_GLOBAL int td_policy_judge(const struct td_question *q, struct td_verdict *ret)
{
	struct td_rows rows = {};
	struct td_subject *subject;
	__u32 subject_key, direction, flags;
	bool host;

	if (!q || !ret)
		return 0;
	subject_key = q->subject;
	direction = q->direction & 1;
	subject = bpf_map_lookup_elem(&td_subject, &subject_key);
	ret->audited = 0;
	if (!subject) {
		ret->rule = TD_RULE_NO_SUBJECT;
		ret->reason = TD_DROP_NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION;
		ret->match = TD_MATCH_NONE;
		ret->enforced = 1;
		return 0;
	}
	flags = subject->flags[td_bit(direction)];
	ret->enforced = !!(flags & TD_SUBJECT_ENFORCED);
	td_rows_read(q, subject->table[td_bit(direction)], flags, &rows);
	host = direction == TD_INGRESS && q->peer.host;
	if (rows.deny) {
		td_deny(ret, rows.deny, rows.deny_match, q->audit);
	} else if (!rows.allow && !host && !(flags & TD_SUBJECT_AUDIT_DEFAULT)) {
		td_deny(ret, td_default_rule(flags), TD_MATCH_NONE, q->audit);
	} else if (rows.audit) {
		td_deny(ret, rows.audit, rows.audit_match, true);
	} else if (!rows.allow && !host) {
		td_deny(ret, td_default_rule(flags), TD_MATCH_NONE, true);
	} else {
		ret->rule = rows.allow ? rows.allow : TD_RULE_LOCAL_HOST;
		ret->match = rows.allow_match;
		ret->reason = TD_DROP_NONE;
	}
	return 0;
}
