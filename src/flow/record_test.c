/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/test_names.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "abi/drop.h"
#include "abi/policy.h"
#include "flow/record.h"

/* What an event becomes: each flow as "type verdict direction reply sub_type match rule". */
struct expected {
	uint8_t type, verdict, direction;
	int reply; /* -1: absent */
	uint8_t sub_type, match;
	uint32_t rule;
};

#define TRACE   FLOW_TYPE_TRACE
#define DROP    FLOW_TYPE_DROP
#define VERDICT FLOW_TYPE_POLICY_VERDICT
#define FWD     FLOW_VERDICT_FORWARDED
#define DROPPED FLOW_VERDICT_DROPPED
#define IN      FLOW_DIRECTION_INGRESS
#define OUT     FLOW_DIRECTION_EGRESS

static const struct {
	const char *name;
	uint8_t kind, point, reason, flags;
	uint16_t endpoint_id[2];
	int count;
	struct expected want[FLOW_RECORDS_PER_EVENT];
} cases[] = {
	{ "a new connection between local pods, both enforced",
	  TD_EVENT_TRACE,
	  TD_TO_ENDPOINT,
	  TD_REASON_NEW,
	  TD_EVENT_VERDICT_EGRESS | TD_EVENT_VERDICT_INGRESS,
	  { 7, 8 },
	  3,
	  { { VERDICT, FWD, OUT, 0, 0, 4, 1 },
	    { VERDICT, FWD, IN, 0, 0, 2, RULE_ALLOW },
	    { TRACE, FWD, IN, 0, TD_TO_ENDPOINT, 0, 0 } } },
	{ "its reply",
	  TD_EVENT_TRACE,
	  TD_TO_ENDPOINT,
	  TD_REASON_REPLY,
	  TD_EVENT_REPLY,
	  { 8, 7 },
	  1,
	  { { TRACE, FWD, OUT, 1, TD_TO_ENDPOINT, 0, 0 } } },
	{ "from a pod to the stack",
	  TD_EVENT_TRACE,
	  TD_TO_STACK,
	  TD_REASON_NEW,
	  0,
	  { 7, 0 },
	  1,
	  { { TRACE, FWD, OUT, 0, TD_TO_STACK, 0, 0 } } },
	{ "a pod's reply to the outside",
	  TD_EVENT_TRACE,
	  TD_TO_NETWORK,
	  TD_REASON_REPLY,
	  TD_EVENT_REPLY,
	  { 7, 0 },
	  1,
	  { { TRACE, FWD, IN, 1, TD_TO_NETWORK, 0, 0 } } },
	{ "masqueraded",
	  TD_EVENT_TRACE,
	  TD_TO_NETWORK,
	  TD_REASON_NEW,
	  TD_EVENT_NAT,
	  { 7, 0 },
	  1,
	  { { TRACE, FWD, OUT, 0, TD_TO_NETWORK, 0, 0 } } },
	{ "a reason unknown says neither reply nor direction",
	  TD_EVENT_TRACE,
	  TD_TO_STACK,
	  TD_REASON_UNKNOWN,
	  0,
	  { 7, 0 },
	  1,
	  { { TRACE, FWD, 0, -1, TD_TO_STACK, 0, 0 } } },
	{ "no local pod: no direction",
	  TD_EVENT_TRACE,
	  TD_FROM_NETWORK,
	  TD_REASON_NEW,
	  0,
	  { 0, 0 },
	  1,
	  { { TRACE, FWD, 0, 0, TD_FROM_NETWORK, 0, 0 } } },
	{ "denied by the receiver after the sender allowed it",
	  TD_EVENT_DROP,
	  0,
	  TD_DROP_POLICY_DENIED,
	  TD_EVENT_VERDICT_EGRESS | TD_EVENT_VERDICT_INGRESS | TD_EVENT_DENIED_INGRESS,
	  { 7, 8 },
	  3,
	  { { VERDICT, FWD, OUT, 0, 0, 4, 1 },
	    { VERDICT, DROPPED, IN, -1, 0, 2, RULE_ALLOW },
	    { DROP, DROPPED, IN, -1, 133, 2, RULE_ALLOW } } },
	{ "denied by the sender",
	  TD_EVENT_DROP,
	  0,
	  TD_DROP_POLICY_DENY,
	  TD_EVENT_DENIED_EGRESS,
	  { 7, 8 },
	  2,
	  { { VERDICT, DROPPED, OUT, -1, 0, 4, 1 }, { DROP, DROPPED, OUT, -1, 181, 4, 1 } } },
	{ "a drop of another kind at the sender",
	  TD_EVENT_DROP,
	  0,
	  TD_DROP_INVALID_SOURCE_IP,
	  0,
	  { 7, 0 },
	  1,
	  { { DROP, DROPPED, OUT, -1, 132, 0, 0 } } },
	{ "a drop of another kind at the receiver",
	  TD_EVENT_DROP,
	  0,
	  TD_DROP_FIB_LOOKUP_FAILED,
	  0,
	  { 0, 8 },
	  1,
	  { { DROP, DROPPED, IN, -1, 169, 0, 0 } } },
	{ "a trace cannot have been denied",
	  TD_EVENT_TRACE,
	  TD_TO_ENDPOINT,
	  TD_REASON_NEW,
	  TD_EVENT_DENIED_INGRESS,
	  { 7, 8 },
	  1,
	  { { TRACE, FWD, IN, 0, 0, 0, 0 } } },
	{ "the end of a connection is one trace",
	  TD_EVENT_CLOSE,
	  TD_TO_ENDPOINT,
	  TD_REASON_ESTABLISHED,
	  TD_EVENT_VERDICT_EGRESS,
	  { 7, 8 },
	  1,
	  { { TRACE, FWD, OUT, 0, TD_TO_ENDPOINT, 0, 0 } } },
};

static void check(const char *name, int i, const struct flow_record *record,
		  const struct expected *want)
{
	int reply = !(record->flags & FLOW_REPLY_KNOWN) ? -1 : !!(record->flags & FLOW_REPLY);

	if (record->type != want->type || record->verdict != want->verdict ||
	    record->direction != want->direction || reply != want->reply ||
	    record->sub_type != want->sub_type || record->match != want->match ||
	    record->rule_number != want->rule)
		fail_msg("%s: flow %d is type %u verdict %u direction %u reply %d sub %u match %u "
			 "rule %u",
			 name, i, record->type, record->verdict, record->direction, reply,
			 record->sub_type, record->match, record->rule_number);
}

static void events_become_hubbles_flows(void **state)
{
	struct flow_names *names = world_names();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct flow_record records[FLOW_RECORDS_PER_EVENT];
		struct td_event event = syn_event();

		event.kind = cases[i].kind;
		event.point = cases[i].point;
		event.reason = cases[i].reason;
		event.flags = cases[i].flags;
		memcpy(event.endpoint_id, cases[i].endpoint_id, sizeof(event.endpoint_id));
		assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records),
				 cases[i].count);
		for (int k = 0; k < cases[i].count; k++) {
			check(cases[i].name, k, &records[k], &cases[i].want[k]);
			assert_int_equal(!!(records[k].flags & FLOW_CLOSE),
					 cases[i].kind == TD_EVENT_CLOSE);
			flow_record_clear(&records[k]);
		}
	}
	flow_names_free(names);
}

/* Each end by itself: audited on the way out, allowed or denied on the way in. */
static void an_audited_verdict_is_no_drop(void **state)
{
	static const struct expected out = { VERDICT, FLOW_VERDICT_AUDIT, OUT, 0, 0, 4, RULE_DENY };
	static const struct expected in = { VERDICT, FWD, IN, 0, 0, 2, RULE_ALLOW };
	static const struct expected trace = { TRACE, FWD, IN, 0, TD_TO_ENDPOINT, 0, 0 };
	static const struct expected drop = { DROP, DROPPED, IN, -1, 181, 2, RULE_ALLOW };
	struct flow_names *names = world_names();

	for (int denied = 0; denied < 2; denied++) {
		struct flow_record records[FLOW_RECORDS_PER_EVENT];
		struct td_event event = syn_event();

		event.match |= TD_MATCH_AUDIT;
		event.rule[0] = RULE_DENY;
		event.flags = TD_EVENT_VERDICT_EGRESS |
			      (denied ? TD_EVENT_DENIED_INGRESS : TD_EVENT_VERDICT_INGRESS);
		event.kind = denied ? TD_EVENT_DROP : TD_EVENT_TRACE;
		if (denied)
			event.reason = TD_DROP_POLICY_DENY;
		assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records), 3);
		check("egress", 0, &records[0], &out);
		assert_int_equal(records[0].reason, TD_DROP_POLICY_DENY);
		if (!denied)
			check("ingress", 1, &records[1], &in);
		check("the packet", 2, &records[2], denied ? &drop : &trace);
		for (int i = 0; i < 3; i++)
			flow_record_clear(&records[i]);
	}
	flow_names_free(names);
}

static void a_record_carries_the_packet_and_its_names(void **state)
{
	struct flow_names *names = world_names();
	struct td_event event = syn_event();
	struct flow_record records[FLOW_RECORDS_PER_EVENT], copy;

	event.flags = TD_EVENT_NAT;
	event.xlated = addr_of("203.0.113.5");
	event.nat_port = htons(61000);
	assert_int_equal(flow_decode(names, &event, sizeof(event), 1000, records), 1);
	assert_int_equal(records[0].time, 5000001000);
	assert_int_equal(records[0].port[0], 49610);
	assert_int_equal(records[0].port[1], 80);
	assert_int_equal(records[0].nat_port, 61000);
	assert_int_equal(address_compare(&records[0].xlated, &event.xlated), 0);
	assert_int_equal(records[0].packets[0], 1);
	assert_int_equal(records[0].socket_cookie, 99);
	assert_string_equal(records[0].endpoint[0]->pod, "xwing");
	assert_string_equal(records[0].endpoint[1]->pod, "deathstar-1");
	assert_string_equal(records[0].labels[1]->labels[0], "k8s:class=deathstar");
	assert_string_equal(records[0].interface->name, "td7");
	flow_record_copy(&records[0], &copy);
	flow_record_clear(&records[0]);
	flow_names_free(names);
	assert_string_equal(copy.endpoint[0]->pod, "xwing");
	flow_record_clear(&copy);
}

static void a_verdict_found_by_a_reply_is_told_from_the_initiator(void **state)
{
	struct flow_names *names = world_names();
	struct flow_record records[FLOW_RECORDS_PER_EVENT];
	struct td_event event = syn_event();

	/* The packet goes from deathstar (xwing's responder) to xwing. */
	event.flags = TD_EVENT_REPLY | TD_EVENT_VERDICT_EGRESS | TD_EVENT_NAT;
	event.reason = TD_REASON_REPLY;
	event.xlated = addr_of("203.0.113.5");
	event.addr[0] = addr_of("10.0.0.8");
	event.addr[1] = addr_of("10.0.0.7");
	event.endpoint_id[0] = DEATHSTAR_ID;
	event.endpoint_id[1] = XWING_ID;
	assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records), 2);
	assert_string_equal(records[0].endpoint[0]->pod, "xwing");
	assert_int_equal(records[0].endpoint_id[0], XWING_ID);
	assert_int_equal(records[0].port[0], 80);
	assert_int_equal(records[0].direction, OUT);
	assert_string_equal(records[1].endpoint[0]->pod, "deathstar-1");
	assert_int_equal(records[1].flags, FLOW_REPLY_KNOWN | FLOW_REPLY);
	flow_record_clear(&records[0]);
	flow_record_clear(&records[1]);
	flow_names_free(names);
}

static void outside_addresses_have_services_or_dns_names(void **state)
{
	static const uint8_t answer[] = "\0\1\x80\0\0\1\0\1\0\0\0\0\3www\6disney\3com\0\0\1\0\1"
					"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\x63";
	struct td_dns_event dns = { .head = { .kind = TD_EVENT_DNS, .endpoint_id = { 0, 7 } },
				    .len = sizeof(answer) - 1 };
	size_t size = offsetof(struct td_dns_event, payload) + sizeof(answer) - 1;
	struct flow_names *names = world_names();
	struct flow_record records[FLOW_RECORDS_PER_EVENT];
	struct td_event event = syn_event();

	memcpy(dns.payload, answer, sizeof(answer) - 1);
	assert_int_equal(flow_event_dns(names, &dns, size), 1);
	event.endpoint_id[1] = 0;
	event.addr[1] = addr_of("192.0.2.99");
	assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records), 1);
	assert_string_equal(records[0].dns[1]->names[0], "www.disney.com");
	assert_null(records[0].service[1]);
	flow_record_clear(&records[0]);
	event.addr[1] = addr_of("172.20.0.1");
	assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records), 1);
	assert_string_equal(records[0].service[1]->name, "deathstar");
	assert_null(records[0].dns[1]);
	flow_record_clear(&records[0]);
	/* A DNS event shorter than it says, and one of another kind. */
	assert_int_equal(flow_event_dns(names, &dns, size - 1), -EINVAL);
	dns.head.kind = TD_EVENT_TRACE;
	assert_int_equal(flow_event_dns(names, &dns, size), -EINVAL);
	flow_names_free(names);
}

static void what_is_no_event_is_refused(void **state)
{
	struct flow_names *names = world_names();
	struct flow_record records[FLOW_RECORDS_PER_EVENT];
	struct td_event event = syn_event();

	assert_int_equal(flow_decode(names, &event, sizeof(event) - 1, 0, records), -EINVAL);
	event.kind = TD_EVENT_DNS;
	assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records), -EINVAL);
	event.kind = 0;
	assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records), -EINVAL);
	assert_int_equal(flow_event_kind(&event, 8), 0);
	event.kind = 77;
	assert_int_equal(flow_event_kind(&event, sizeof(event)), 77);
	assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records), -EINVAL);
	flow_names_free(names);
}

static void the_clock_offset_leads_to_the_wall_clock(void **state)
{
	struct timespec mono, wall;
	int64_t distance;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &wall);
	distance = (int64_t)mono.tv_sec * 1000000000 + mono.tv_nsec + flow_clock_offset() -
		   ((int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec);
	assert_true(llabs(distance) < 1000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_become_hubbles_flows),
		cmocka_unit_test(an_audited_verdict_is_no_drop),
		cmocka_unit_test(a_record_carries_the_packet_and_its_names),
		cmocka_unit_test(a_verdict_found_by_a_reply_is_told_from_the_initiator),
		cmocka_unit_test(outside_addresses_have_services_or_dns_names),
		cmocka_unit_test(what_is_no_event_is_refused),
		cmocka_unit_test(the_clock_offset_leads_to_the_wall_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
