/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy in the kernel: what the compiler (src/policy) writes and the slow path reads.
 *
 * A subject (an identity) has one table per direction. Equal tables are stored once.
 * In a table, ports fall into classes: disjoint sets of (protocol, port) that no rule tells apart;
 * class 0 is every protocol and port, ICMP too. A row says what rules say about (class, peer);
 * peer 0 is every peer.
 *
 * Verdict of (table, protocol, port, peer address):
 *   classes = { class of (protocol, port) if any, 0 }
 *   peers   = { identity; CIDR identity of the address if any; TD_ID_WORLD if the address is no
 *               endpoint and no node; 0 }
 *   over all rows of classes x peers: a row with a deny denies; else a row with an allow allows;
 *   else denied by default. The deciding rule is the one of the most specific row: peers in the
 *   order above, then class before class 0.
 * Audit: what is denied by policies in audit mode alone is forwarded and reported. A deny_rule with
 * TD_RULE_AUDIT is such a policy's; TD_SUBJECT_AUDIT_DEFAULT says that only such policies isolate:
 *   a row with another deny denies; else, without an allow and without TD_SUBJECT_AUDIT_DEFAULT,
 *   denied by default; else a row with an audited deny is audited; else an allow allows; else the
 *   default denial is audited.
 * Whatever the tables deny is audited if the subject's endpoint is in audit mode (TD_PLACE_AUDIT).
 * A subject without tables is denied all the same.
 * The CIDR identity of an endpoint's or node's own address is looked up only if the subject says
 * TD_SUBJECT_CIDR_ALL for the direction (NetworkPolicy's ipBlock, which matches every address);
 * rows for such rules stand under peer = CIDR identity. Rules whose CIDRs do not match endpoints
 * (CiliumNetworkPolicy) stand under peer = CIDR identity | TD_PEER_WORLD_ONLY, which only
 * addresses that are no endpoint and no node look up; for those, both forms are looked up.
 * A direction that no policy isolates has the row (0, 0) = allow by TD_RULE_UNSELECTED. */
#pragma once

#include "types.h"

enum td_direction { TD_INGRESS = 0, TD_EGRESS = 1 };

/* Identity 0 stands for "every peer"; CIDR identities use the bits below this one. */
#define TD_PEER_ANY        0u
#define TD_PEER_WORLD_ONLY (1u << 31)

/* td_subject: HASH, identity (__u32) -> struct td_subject. A subject that is not there is denied
 * both ways (NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION). */
struct td_subject {
	__u32 table[2]; /* by td_direction */
	__u32 flags[2]; /* by td_direction, TD_SUBJECT_* */
};
TD_SIZE(struct td_subject, 16);

#define TD_SUBJECT_ENFORCED                                                                        \
	(1u << 0) /* some policy isolates this direction: verdicts are reported */
#define TD_SUBJECT_CIDR_ALL                                                                        \
	(1u << 1) /* rows on CIDRs apply to endpoints' and nodes' addresses too */
#define TD_SUBJECT_WORLD_CIDR (1u << 2) /* the table has rows of the TD_PEER_WORLD_ONLY form */
#define TD_SUBJECT_INIT       (1u << 3) /* identity init: denied by default is by TD_RULE_INIT */
#define TD_SUBJECT_AUDIT_DEFAULT                                                                   \
	(1u << 4) /* only policies in audit mode isolate: a denial by default is audited */
#define TD_SUBJECT_ALWAYS                                                                          \
	(1u                                                                                        \
	 << 5) /* no policy isolates, the node's mode does: denied by default is by TD_RULE_ALWAYS */

/* td_pol_class: LPM_TRIE, struct td_class_key -> __u32 class (from 1).
 * prefixlen counts from table on: 48 for "any port of the protocol", 64 for one port. */
struct td_class_key {
	__u32 prefixlen;
	__be32 table;
	__u8 protocol; /* IPPROTO_* */
	__u8 pad;
	__be16 port; /* destination port; for ICMP and ICMPv6 the type */
};
TD_SIZE(struct td_class_key, 12);
#define TD_CLASS_PREFIX(port_bits) (48 + (port_bits))

/* td_policy: HASH without preallocation, struct td_policy_key -> struct td_policy_val. */
struct td_policy_key {
	__u32 table;
	__u32 klass;
	__u32 peer;
};
TD_SIZE(struct td_policy_key, 12);

struct td_policy_val {
	__u32 allow_rule; /* 0: no rule allows */
	__u32 deny_rule; /* 0: no rule denies; with TD_RULE_AUDIT: only policies in audit mode do */
};
TD_SIZE(struct td_policy_val, 8);
#define TD_RULE_AUDIT (1u << 31)

/* Rules: numbers that stand for a line of a policy. The observer has the names. */
enum td_rule {
	TD_RULE_NONE = 0,
	TD_RULE_UNSELECTED = 1,   /* allowed: no policy isolates this direction */
	TD_RULE_DEFAULT_DENY = 2, /* denied: isolated, and nothing allows */
	TD_RULE_LOCAL_HOST = 3,   /* allowed: the node to its own pods */
	TD_RULE_NO_SUBJECT = 4,   /* denied: the subject has no tables (fail closed) */
	TD_RULE_INIT = 5,         /* denied: identity init, no object yet */
	TD_RULE_NEVER = 6,        /* allowed: enforcement mode never */
	TD_RULE_ALWAYS = 7,       /* denied: enforcement mode always, and nothing allows */
	TD_RULE_MIN = 16,         /* the first number of a real rule, below TD_RULE_AUDIT */
};

/* td_drop of what a rule denies (abi/drop.h). */
#define TD_RULE_REASON(rule) ((rule) >= TD_RULE_MIN ? TD_DROP_POLICY_DENY : TD_DROP_POLICY_DENIED)

/* How specific the deciding row was; Hubble's policy_match_type. */
enum td_match {
	TD_MATCH_NONE = 0,
	TD_MATCH_L3_ONLY = 1, /* (0, peer) */
	TD_MATCH_L3_L4 = 2,   /* (class, peer) */
	TD_MATCH_L4_ONLY = 3, /* (class, 0) */
	TD_MATCH_ALL = 4,     /* (0, 0) */
};
#define TD_MATCH_AUDIT 8 /* beside it: denied, but forwarded and reported */
