/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "abi/drop.h"
#include "abi/policy.h"
#include "base/address.h"

unsigned int flow_event_kind(const void *event, size_t size)
{
	struct td_event head;

	if (size < offsetof(struct td_event, kind) + sizeof(head.kind))
		return 0;
	return ((const uint8_t *)event)[offsetof(struct td_event, kind)];
}

static void take_references(struct flow_record *record)
{
	for (int side = 0; side < 2; side++) {
		flow_name_get(record->endpoint[side]);
		flow_name_get(record->labels[side]);
		flow_name_get(record->dns[side]);
		flow_name_get(record->service[side]);
	}
	flow_name_get(record->rule);
	flow_name_get(record->interface);
}

void flow_record_clear(struct flow_record *record)
{
	for (int side = 0; side < 2; side++) {
		flow_name_put(record->endpoint[side]);
		flow_name_put(record->labels[side]);
		flow_name_put(record->dns[side]);
		flow_name_put(record->service[side]);
	}
	flow_name_put(record->rule);
	flow_name_put(record->interface);
	memset(record, 0, sizeof(*record));
}

void flow_record_copy(const struct flow_record *record, struct flow_record *ret)
{
	*ret = *record;
	take_references(ret);
}

/* What the event says of the packet, its names borrowed. */
static void decode_packet(struct flow_names *names, const struct td_event *event,
			  struct flow_record *record)
{
	*record = (struct flow_record){
		.addr = { event->addr[0], event->addr[1] },
		.packets = { event->packets[0], event->packets[1] },
		.bytes = { event->bytes[0], event->bytes[1] },
		.socket_cookie = event->socket_cookie,
		.identity = { event->identity[0], event->identity[1] },
		.ifindex = event->ifindex,
		.port = { ntohs(event->port[0]), ntohs(event->port[1]) },
		.endpoint_id = { event->endpoint_id[0], event->endpoint_id[1] },
		.protocol = event->protocol,
		.ip_version = event->ip_version,
		.tcp_flags = event->tcp_flags,
		.icmp_type = event->icmp_type,
		.icmp_code = event->icmp_code,
	};
	memcpy(record->mac, event->mac, sizeof(record->mac));
	/* The flag is the connection's: what a reply's source is on the wire it does not tell. */
	if (event->flags & TD_EVENT_NAT && !(event->flags & TD_EVENT_REPLY) &&
	    !address_is_zero(&event->xlated)) {
		record->flags |= FLOW_NAT;
		record->xlated = event->xlated;
		record->nat_port = ntohs(event->nat_port);
	}
	if (event->ifindex)
		record->interface = flow_names_interface(names, event->ifindex);
}

static void decode_names(struct flow_names *names, const struct td_event *event,
			 struct flow_record *record)
{
	for (int side = 0; side < 2; side++) {
		const struct td_addr *addr = &record->addr[side];
		uint16_t other = record->endpoint_id[!side];

		record->labels[side] = flow_names_identity(names, record->identity[side]);
		if (record->endpoint_id[side])
			record->endpoint[side] =
				flow_names_endpoint(names, record->endpoint_id[side]);
		else if (record->ip_version)
			record->endpoint[side] = flow_names_endpoint_at(names, addr);
		if (record->endpoint_id[side] || record->endpoint[side] || !record->ip_version)
			continue;
		record->service[side] =
			flow_names_service(names, addr, record->port[side], record->protocol);
		if (other)
			record->dns[side] = flow_names_dns(names, other, addr, event->time);
	}
}

static void set_rule(struct flow_names *names, const struct td_event *event, bool ingress,
		     struct flow_record *record)
{
	record->rule_number = event->rule[ingress];
	record->match = (ingress ? event->match >> 4 : event->match) & (TD_MATCH_AUDIT - 1);
	if (record->rule_number >= TD_RULE_MIN)
		record->rule = flow_names_rule(names, record->rule_number);
}

#define SWAP_SIDES(pair)                                                                           \
	({                                                                                         \
		__typeof__((pair)[0]) first_ = (pair)[0];                                          \
		(pair)[0] = (pair)[1];                                                             \
		(pair)[1] = first_;                                                                \
	})

/* A verdict is about the connection, even if it was a reply that made us judge it again. */
static void turn_to_initiator(struct flow_record *record)
{
	uint8_t mac[6];

	SWAP_SIDES(record->addr);
	SWAP_SIDES(record->port);
	SWAP_SIDES(record->identity);
	SWAP_SIDES(record->endpoint_id);
	SWAP_SIDES(record->endpoint);
	SWAP_SIDES(record->labels);
	SWAP_SIDES(record->dns);
	SWAP_SIDES(record->service);
	memcpy(mac, record->mac[0], sizeof(mac));
	memcpy(record->mac[0], record->mac[1], sizeof(mac));
	memcpy(record->mac[1], mac, sizeof(mac));
}

static void make_verdict(struct flow_names *names, const struct td_event *event, bool ingress,
			 struct flow_record *record)
{
	bool denied = event->flags & (ingress ? TD_EVENT_DENIED_INGRESS : TD_EVENT_DENIED_EGRESS);
	bool audited = event->match & (ingress ? TD_MATCH_AUDIT << 4 : TD_MATCH_AUDIT);

	if (event->flags & TD_EVENT_REPLY)
		turn_to_initiator(record);
	record->type = FLOW_TYPE_POLICY_VERDICT;
	record->direction = ingress ? FLOW_DIRECTION_INGRESS : FLOW_DIRECTION_EGRESS;
	record->verdict = denied ? FLOW_VERDICT_DROPPED : FLOW_VERDICT_FORWARDED;
	record->reason = denied ? event->reason : 0;
	record->flags |= denied ? 0 : FLOW_REPLY_KNOWN;
	set_rule(names, event, ingress, record);
	if (denied || !audited)
		return;
	record->verdict = FLOW_VERDICT_AUDIT;
	record->reason = TD_RULE_REASON(record->rule_number);
}

static void make_drop(struct flow_names *names, const struct td_event *event,
		      struct flow_record *record)
{
	record->type = FLOW_TYPE_DROP;
	record->sub_type = event->reason;
	record->reason = event->reason;
	record->verdict = FLOW_VERDICT_DROPPED;
	record->flags |= event->flags & TD_EVENT_REPLY ? FLOW_REPLY : 0;
	if (event->flags & (TD_EVENT_DENIED_EGRESS | TD_EVENT_DENIED_INGRESS)) {
		bool ingress = !(event->flags & TD_EVENT_DENIED_EGRESS);

		record->direction = ingress ? FLOW_DIRECTION_INGRESS : FLOW_DIRECTION_EGRESS;
		set_rule(names, event, ingress, record);
	} else if (event->endpoint_id[0]) {
		record->direction = FLOW_DIRECTION_EGRESS;
	} else if (event->endpoint_id[1]) {
		record->direction = FLOW_DIRECTION_INGRESS;
	}
}

/* The endpoint that reports a trace is the one the packet is delivered to, else its sender. */
static uint8_t trace_direction(const struct td_event *event, bool reply)
{
	bool to_endpoint = event->point == TD_TO_ENDPOINT;
	bool source = event->endpoint_id[0] && !(to_endpoint && event->endpoint_id[1]);

	if (event->reason == TD_REASON_UNKNOWN ||
	    (!event->endpoint_id[0] && !event->endpoint_id[1]))
		return FLOW_DIRECTION_UNKNOWN;
	if (event->flags & TD_EVENT_NAT)
		return FLOW_DIRECTION_EGRESS;
	return source != reply ? FLOW_DIRECTION_EGRESS : FLOW_DIRECTION_INGRESS;
}

static void make_trace(const struct td_event *event, struct flow_record *record)
{
	bool reply = event->flags & TD_EVENT_REPLY || event->reason == TD_REASON_REPLY;

	record->type = FLOW_TYPE_TRACE;
	record->sub_type = event->point;
	record->reason = event->reason;
	record->verdict = FLOW_VERDICT_FORWARDED;
	record->direction = trace_direction(event, reply);
	if (event->reason != TD_REASON_UNKNOWN)
		record->flags |= FLOW_REPLY_KNOWN | (reply ? FLOW_REPLY : 0);
}

/* The end of a connection is no packet: it is told from its initiator's side. */
static void make_close(const struct td_event *event, struct flow_record *record)
{
	record->type = FLOW_TYPE_TRACE;
	record->sub_type = event->endpoint_id[1] ? TD_TO_ENDPOINT : TD_TO_STACK;
	record->verdict = FLOW_VERDICT_FORWARDED;
	record->direction = event->endpoint_id[0] ? FLOW_DIRECTION_EGRESS : FLOW_DIRECTION_INGRESS;
	record->flags |= FLOW_REPLY_KNOWN | FLOW_CLOSE;
}

int flow_decode(struct flow_names *names, const void *data, size_t size, int64_t clock_offset,
		struct flow_record ret[static FLOW_RECORDS_PER_EVENT])
{
	static const uint8_t decided[2] = { TD_EVENT_VERDICT_EGRESS | TD_EVENT_DENIED_EGRESS,
					    TD_EVENT_VERDICT_INGRESS | TD_EVENT_DENIED_INGRESS };
	struct flow_record packet;
	struct td_event event;
	int count = 0;

	if (size < sizeof(event))
		return -EINVAL;
	memcpy(&event, data, sizeof(event));
	if (event.kind < TD_EVENT_TRACE || event.kind > TD_EVENT_CLOSE)
		return -EINVAL;
	/* Only a drop can have been denied. */
	if (event.kind != TD_EVENT_DROP)
		event.flags &= (uint8_t)~(TD_EVENT_DENIED_EGRESS | TD_EVENT_DENIED_INGRESS);
	decode_packet(names, &event, &packet);
	decode_names(names, &event, &packet);
	packet.time = event.time + (uint64_t)clock_offset;
	for (int ingress = 0; ingress < 2 && event.kind != TD_EVENT_CLOSE; ingress++) {
		if (!(event.flags & decided[ingress]))
			continue;
		ret[count] = packet;
		make_verdict(names, &event, ingress, &ret[count]);
		take_references(&ret[count++]);
	}
	ret[count] = packet;
	if (event.kind == TD_EVENT_DROP)
		make_drop(names, &event, &ret[count]);
	else if (event.kind == TD_EVENT_CLOSE)
		make_close(&event, &ret[count]);
	else
		make_trace(&event, &ret[count]);
	take_references(&ret[count++]);
	return count;
}

int flow_event_dns(struct flow_names *names, const void *data, size_t size)
{
	size_t head = offsetof(struct td_dns_event, payload);
	struct td_dns_event event;

	if (size < head || flow_event_kind(data, size) != TD_EVENT_DNS)
		return -EINVAL;
	memcpy(&event, data, head);
	if (event.len > TD_DNS_MAX || event.len > size - head)
		return -EINVAL;
	return flow_names_learn_dns(names, event.head.endpoint_id[1], (const uint8_t *)data + head,
				    event.len, event.head.time);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t flow_clock_offset(void)
{
	int64_t best = INT64_MAX, offset = 0;

	/* The reading least disturbed between its two clocks counts. */
	for (int i = 0; i < 5; i++) {
		int64_t before = clock_ns(CLOCK_MONOTONIC);
		int64_t wall = clock_ns(CLOCK_REALTIME);
		int64_t after = clock_ns(CLOCK_MONOTONIC);

		if (after - before >= best)
			continue;
		best = after - before;
		offset = wall - before - best / 2;
	}
	return offset;
}
