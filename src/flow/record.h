/* SPDX-License-Identifier: Apache-2.0 */
/* record: one flow in memory, compact, with references to its names.
 *
 * In: struct td_event    Out: one to three records per event
 * Owns: a reference to each name it points to    Thread: one
 *
 * How an event becomes flows:
 *   TRACE  the verdicts it carries (policy-verdict, egress then ingress), then a trace flow
 *   DROP   the verdicts it carries (an allowed egress before a denied ingress too), then the drop
 *   CLOSE  one trace flow with FLOW_CLOSE set: final counts; readers skip it unless they want it
 *   DNS    none: its answers go to flow_names_learn_dns()
 * Hubble's rules for the fields (is_reply, direction, sub_type ...) are those of its threefour
 * parser. Numbers out of their range in an event are kept as numbers and print as unknown. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/event.h"
#include "flow/names.h"

/* event_type.type of Hubble. */
enum flow_type {
	FLOW_TYPE_DROP = 1,
	FLOW_TYPE_TRACE = 4,
	FLOW_TYPE_POLICY_VERDICT = 5,
};

enum flow_verdict {
	FLOW_VERDICT_UNKNOWN = 0,
	FLOW_VERDICT_FORWARDED = 1,
	FLOW_VERDICT_DROPPED = 2,
	FLOW_VERDICT_AUDIT = 4, /* denied, but forwarded */
};

enum flow_direction {
	FLOW_DIRECTION_UNKNOWN = 0,
	FLOW_DIRECTION_INGRESS = 1,
	FLOW_DIRECTION_EGRESS = 2,
};

enum flow_record_flags {
	FLOW_REPLY_KNOWN = 1 << 0, /* is_reply is present */
	FLOW_REPLY = 1 << 1, /* from responder to initiator; a drop may have it, yet not say so */
	FLOW_CLOSE = 1 << 2, /* the connection has left the table */
	FLOW_NAT = 1 << 3,   /* xlated and nat_port are set */
};

/* [0] source, [1] destination of the packet; counters: [0] initiator, [1] responder. */
struct flow_record {
	uint64_t time;     /* ns since 1970, wall clock */
	uint64_t sequence; /* set by the ring; makes the uuid */
	struct td_addr addr[2];
	struct td_addr xlated;
	uint64_t packets[2], bytes[2];
	uint64_t socket_cookie;
	const struct flow_endpoint *endpoint[2];
	const struct flow_identity *labels[2];
	const struct flow_dns_names *dns[2];
	const struct flow_service *service[2];
	const struct flow_rule *rule;
	const struct flow_interface *interface;
	uint32_t identity[2];
	uint32_t rule_number; /* td_rule or a rule's number; 0: not decided by policy */
	uint32_t ifindex;
	uint16_t port[2]; /* host order */
	uint16_t endpoint_id[2];
	uint16_t nat_port; /* host order */
	uint8_t mac[2][6];
	uint8_t protocol;   /* IPPROTO_* */
	uint8_t ip_version; /* 0, 4, 6 */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint8_t type;      /* flow_type */
	uint8_t sub_type;  /* trace: td_point; drop: td_drop; verdict: 0 */
	uint8_t verdict;   /* flow_verdict */
	uint8_t reason;    /* trace: td_trace_reason; drop, denied and audited verdict: td_drop */
	uint8_t direction; /* flow_direction */
	uint8_t match;     /* td_match, of a verdict or a policy drop */
	uint8_t flags;     /* flow_record_flags */
};
_Static_assert(sizeof(struct flow_record) <= 256, "65,536 flows must fit into 16 MB");

#define FLOW_RECORDS_PER_EVENT 3

/* clock_offset: ns to add to CLOCK_MONOTONIC to get the wall clock (flow_clock_offset()).
 * size: bytes of the event; -EINVAL if shorter than struct td_event, of unknown kind, or a DNS event
 * (give those to flow_event_dns()). Returns the number of records written into ret. */
int flow_decode(struct flow_names *names, const void *event, size_t size, int64_t clock_offset,
		struct flow_record ret[static FLOW_RECORDS_PER_EVENT]);

/* A DNS event: learns its answers. Returns like flow_names_learn_dns(); -EINVAL: no DNS event, or
 * shorter than it says. */
int flow_event_dns(struct flow_names *names, const void *event, size_t size);

/* td_event_kind of an event; 0 if size is too small to say. */
unsigned int flow_event_kind(const void *event, size_t size);

/* Drops the references; the record is zeroed. Copying a record does not copy references: use
 * flow_record_copy() (a deep copy to be cleared in its turn). */
void flow_record_clear(struct flow_record *record);
void flow_record_copy(const struct flow_record *record, struct flow_record *ret);

/* CLOCK_REALTIME - CLOCK_MONOTONIC now, ns. The wall clock is set and slewed while we run: measure
 * again every few seconds. */
int64_t flow_clock_offset(void);
