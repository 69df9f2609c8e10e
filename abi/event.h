/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the network programs tell the observer, through the ring td_events (RINGBUF).
 *
 * One record per state change of a connection or verdict, not per packet. One record may become
 * several flows: a new connection between two local pods carries the egress verdict, the ingress
 * verdict and the delivery.
 *
 * A record that does not fit is counted once, in td_stats[TD_STAT_LOST]. */
#pragma once

#include "types.h"

enum td_event_kind {
	TD_EVENT_TRACE = 1, /* a packet went on; `point` says where to */
	TD_EVENT_DROP = 2,  /* a packet was dropped; `reason` says why */
	TD_EVENT_CLOSE = 3, /* a connection left the table; final counts */
	TD_EVENT_DNS = 4,   /* struct td_dns_event follows: a DNS answer, as it was on the wire */
};

/* Hubble's TraceObservationPoint sub-types (event_type.sub_type numbering). */
enum td_point {
	TD_TO_ENDPOINT = 0,
	TD_TO_PROXY = 1,
	TD_TO_HOST = 2,
	TD_TO_STACK = 3,
	TD_TO_OVERLAY = 4,
	TD_FROM_ENDPOINT = 5,
	TD_FROM_NETWORK = 10,
	TD_TO_NETWORK = 11,
};

/* Hubble's TraceReason. */
enum td_trace_reason {
	TD_REASON_UNKNOWN = 0,
	TD_REASON_NEW = 1,
	TD_REASON_ESTABLISHED = 2,
	TD_REASON_REPLY = 3,
	TD_REASON_RELATED = 4,
	TD_REASON_REOPENED = 5,
};

#define TD_EVENT_VERDICT_EGRESS  (1u << 0) /* rule[0] was just decided and its subject is enforced */
#define TD_EVENT_VERDICT_INGRESS (1u << 1) /* rule[1] likewise */
#define TD_EVENT_DENIED_EGRESS   (1u << 2) /* a drop decided by the sender's egress table */
#define TD_EVENT_DENIED_INGRESS  (1u << 3) /* a drop decided by the receiver's ingress table */
#define TD_EVENT_REPLY           (1u << 4) /* the packet travels from responder to initiator */
#define TD_EVENT_NAT             (1u << 5) /* masqueraded; xlated is the source on the wire */

/* Addresses, ports, identities and MACs are those of the packet: [0] source, [1] destination, as
 * the pods see them. rule[] and the counters are the connection's: [0] initiator, [1] responder. */
struct td_event {
	__u64 time;     /* ns, CLOCK_MONOTONIC (bpf_ktime_get_ns) */
	__u8 kind;      /* td_event_kind */
	__u8 point;     /* td_point */
	__u8 reason;    /* TRACE: td_trace_reason; DROP: td_drop */
	__u8 flags;     /* TD_EVENT_* */
	__u8 protocol;  /* IPPROTO_* */
	__u8 tcp_flags; /* of this packet */
	__u8 icmp_type, icmp_code;
	struct td_addr addr[2];
	__be16 port[2];
	__u32 identity[2];
	__u16 endpoint_id[2]; /* 0: not a local pod */
	__u32 rule[2];        /* td_rule or a number of the rules table */
	__u8 match;           /* as in struct td_ct */
	__u8 ip_version;      /* 4 or 6; 0: not IP */
	__be16 nat_port;
	struct td_addr xlated; /* source after masquerade; zero: none */
	__u32 ifindex;         /* device the packet was seen on */
	__u8 mac[2][6];        /* [0] source, [1] destination, as seen */
	__u32 cpu;
	__u64 packets[2], bytes[2]; /* so far */
	__u64 socket_cookie;        /* 0: unknown */
};
TD_SIZE(struct td_event, 152);

/* TD_EVENT_DNS: the UDP payload of a packet from port 53 to a pod, cut at TD_DNS_MAX. */
#define TD_DNS_MAX 1232
struct td_dns_event {
	struct td_event head;
	__u16 len; /* bytes of payload that follow */
	__u16 pad[3];
	__u8 payload[TD_DNS_MAX];
};
TD_SIZE(struct td_dns_event, 152 + 8 + TD_DNS_MAX);

/* td_stats: PERCPU_ARRAY, one __u64 per enum td_stat. */
enum td_stat {
	TD_STAT_LOST = 0, /* records that did not fit into td_events */
	TD_STAT_CT_FULL,  /* connections that had to stay in td_ct_new */
	TD_STAT_CT_CREATED,
	TD_STAT_CT_EXPIRED,
	TD_STAT_NAT_FULL,
	TD_STAT_FORWARDED,
	TD_STAT_FRAG_MISS, /* fragments whose head was not seen */
	TD_STAT_GC_RUNS,
	TD_STAT_GC_VISITED,
	TD_STAT_CT_MIGRATED, /* entries taken over from td_ct_prev */
	TD_STAT_MAX = 32,
};

/* td_drops: PERCPU_ARRAY of 512, one __u64 at reason + 256 * td_direction. */
