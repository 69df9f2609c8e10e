/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/test_names.h"

#include <errno.h>

#include "abi/drop.h"
#include "flow/filter.h"
#include "flow/to_proto.h"

#define PARTS_MAX 3

/* Reads filters from JSON and makes a matcher of them. */
static int new_filter(const char *const *white, const char *const *black, unsigned int flags,
		      struct diag *diag, struct flow_filter **ret)
{
	Flow__FlowFilter *messages[2][PARTS_MAX] = { 0 };
	size_t counts[2] = { 0, 0 };
	int r;

	for (int list = 0; list < 2; list++) {
		const char *const *texts = list ? black : white;

		for (; texts[counts[list]]; counts[list]++) {
			const char *text = texts[counts[list]];
			ProtobufCMessage *message;

			if (proto_json_parse(&flow__flow_filter__descriptor, text, strlen(text), 0,
					     diag, &message) < 0)
				fail_msg("%s: %s", text, diag->text);
			messages[list][counts[list]] = (Flow__FlowFilter *)message;
		}
	}
	r = flow_filter_new(messages[0], counts[0], messages[1], counts[1], flags, diag, ret);
	for (int list = 0; list < 2; list++)
		for (size_t i = 0; i < counts[list]; i++)
			flow__flow_filter__free_unpacked(messages[list][i], NULL);
	return r;
}

static struct flow_record decode_one(struct flow_names *names, const struct td_event *event)
{
	struct flow_record records[FLOW_RECORDS_PER_EVENT];

	assert_int_equal(flow_decode(names, event, sizeof(*event), 0, records), 1);
	return records[0];
}

/* The flows of the cases below. */
enum flow {
	SYN,     /* xwing 10.0.0.7:49610 -> deathstar-1 10.0.0.8:80, to-endpoint, ingress */
	REPLY,   /* its SYN, ACK */
	DROP,    /* the same SYN dropped: POLICY_DENIED */
	OUTSIDE, /* UDP from xwing to 192.0.2.99:53 by NAT 203.0.113.5, to-network, egress */
	SERVICE, /* TCP from xwing to 172.20.0.1:80 */
	PING6,   /* ICMPv6 from fd00::7 to fd00::99 */
	FLOWS
};

static void make_flows(struct flow_names *names, struct flow_record *flows)
{
	static const uint8_t answer[] = "\0\1\x80\0\0\1\0\1\0\0\0\0\3WWW\6disney\3com\0\0\1\0\1"
					"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\x63";
	struct td_event event = syn_event(), base = event;

	flows[SYN] = decode_one(names, &event);
	event.reason = TD_REASON_REPLY;
	event.flags = TD_EVENT_REPLY;
	event.tcp_flags = 0x12;
	flows[REPLY] = decode_one(names, &event);
	event = base;
	event.kind = TD_EVENT_DROP;
	event.reason = TD_DROP_POLICY_DENIED;
	flows[DROP] = decode_one(names, &event);
	assert_int_equal(flow_names_learn_dns(names, XWING_ID, answer, sizeof(answer) - 1, 0), 1);
	event = base;
	event.protocol = IPPROTO_UDP;
	event.tcp_flags = 0;
	event.point = TD_TO_NETWORK;
	event.addr[1] = addr_of("192.0.2.99");
	event.port[1] = htons(53);
	event.identity[1] = 2;
	event.endpoint_id[1] = 0;
	event.flags = TD_EVENT_NAT;
	event.xlated = addr_of("203.0.113.5");
	flows[OUTSIDE] = decode_one(names, &event);
	event = base;
	event.addr[1] = addr_of("172.20.0.1");
	event.identity[1] = 0;
	event.endpoint_id[1] = 0;
	event.ifindex = 0;
	flows[SERVICE] = decode_one(names, &event);
	event.ip_version = 6;
	event.protocol = IPPROTO_ICMPV6;
	event.port[0] = event.port[1] = 0;
	event.addr[0] = addr_of("fd00::7");
	event.addr[1] = addr_of("fd00::99");
	event.identity[1] = 2;
	flows[PING6] = decode_one(names, &event);
}

#define M(flow) (1u << (flow))
#define ALL     ((1u << FLOWS) - 1)

static const struct {
	const char *filter;
	unsigned int want; /* flows that pass */
} cases[] = {
	{ "{}", ALL },
	{ "{\"source_ip\":[\"10.0.0.7\"]}", ALL & ~M(PING6) },
	{ "{\"destination_ip\":[\"192.0.2.0/24\",\"fd00::/64\"]}", M(OUTSIDE) | M(PING6) },
	{ "{\"destination_ip\":[\"10.0.0.9\"]}", 0 },
	{ "{\"source_pod\":[\"default/xw\"]}", ALL },
	{ "{\"source_pod\":[\"xwing\"]}", ALL },
	{ "{\"source_pod\":[\"/xwing\"]}", ALL },
	{ "{\"source_pod\":[\"default/\"]}", ALL },
	{ "{\"source_pod\":[\"kube-system/\"]}", 0 },
	{ "{\"source_pod\":[\"kube-system/xwing\"]}", 0 },
	{ "{\"destination_pod\":[\"default/deathstar\"]}", M(SYN) | M(REPLY) | M(DROP) },
	{ "{\"destination_pod\":[\"default/deathstar-12\"]}", 0 },
	{ "{\"verdict\":[\"DROPPED\"]}", M(DROP) },
	{ "{\"verdict\":[\"DROPPED\",\"FORWARDED\"]}", ALL },
	{ "{\"verdict\":[\"AUDIT\"]}", 0 },
	{ "{\"event_type\":[{\"type\":1}]}", M(DROP) },
	{ "{\"event_type\":[{\"type\":4,\"match_sub_type\":true,\"sub_type\":11}]}", M(OUTSIDE) },
	{ "{\"event_type\":[{\"type\":1,\"match_sub_type\":true,\"sub_type\":181}]}", 0 },
	{ "{\"event_type\":[{\"type\":5}]}", 0 },
	{ "{\"destination_fqdn\":[\"*.disney.com\"]}", M(OUTSIDE) },
	{ "{\"destination_fqdn\":[\"WWW.Disney.com.\"]}", M(OUTSIDE) },
	{ "{\"destination_fqdn\":[\"www.*.com\",\"x\"]}", M(OUTSIDE) },
	{ "{\"destination_fqdn\":[\"disney.com\"]}", 0 },
	{ "{\"source_fqdn\":[\"*\"]}", 0 },
	{ "{\"source_label\":[\"class=xwing,org in (alliance)\"]}", ALL },
	{ "{\"source_label\":[\"k8s:class=tie\",\"!class\"]}", 0 },
	{ "{\"destination_label\":[\"reserved:world\"]}", M(OUTSIDE) | M(PING6) },
	{ "{\"destination_label\":[\"reserved:unknown\"]}", M(SERVICE) },
	{ "{\"protocol\":[\"UDP\"]}", M(OUTSIDE) },
	{ "{\"protocol\":[\"icmp\"]}", M(PING6) },
	{ "{\"protocol\":[\"icmpv4\"]}", 0 },
	{ "{\"protocol\":[\"http\",\"dns\"]}", 0 },
	{ "{\"source_port\":[\"49610\"]}", ALL & ~M(PING6) },
	{ "{\"destination_port\":[\"53\",\"81\"]}", M(OUTSIDE) },
	{ "{\"destination_port\":[\"0\"]}", 0 },
	{ "{\"reply\":[true]}", M(REPLY) },
	{ "{\"reply\":[false]}", ALL & ~M(REPLY) },
	{ "{\"destination_service\":[\"default/death\"]}", M(SERVICE) },
	{ "{\"destination_service\":[\"shop/death\"]}", 0 },
	{ "{\"source_identity\":[16092]}", ALL },
	{ "{\"destination_identity\":[2,77]}", M(OUTSIDE) | M(PING6) },
	{ "{\"tcp_flags\":[{\"SYN\":true}]}", M(SYN) | M(REPLY) | M(DROP) | M(SERVICE) },
	{ "{\"tcp_flags\":[{\"SYN\":true,\"ACK\":true}]}", M(REPLY) },
	{ "{\"tcp_flags\":[{\"NS\":true}]}", 0 },
	{ "{\"node_name\":[\"c1/n1\"]}", ALL },
	{ "{\"node_name\":[\"n*\"]}", ALL },
	{ "{\"node_name\":[\"/n1\"]}", ALL },
	{ "{\"node_name\":[\"c1/\"]}", ALL },
	{ "{\"node_name\":[\"c2/n1\",\"n2\"]}", 0 },
	{ "{\"ip_version\":[\"IPv6\"]}", M(PING6) },
	{ "{\"source_workload\":[{\"name\":\"xwing\"}]}", ALL },
	{ "{\"source_workload\":[{\"name\":\"xwing\",\"kind\":\"DaemonSet\"}]}", 0 },
	{ "{\"destination_workload\":[{\"kind\":\"Deployment\"}]}", 0 },
	{ "{\"traffic_direction\":[\"EGRESS\"]}", ALL & ~M(SYN) },
	{ "{\"traffic_direction\":[\"TRAFFIC_DIRECTION_UNKNOWN\"]}", 0 },
	{ "{\"drop_reason_desc\":[\"POLICY_DENIED\"]}", M(DROP) },
	{ "{\"drop_reason_desc\":[\"POLICY_DENY\"]}", 0 },
	{ "{\"source_ip_xlated\":[\"203.0.113.0/24\"]}", M(OUTSIDE) },
	{ "{\"interface\":[{\"name\":\"td7\"}]}", ALL & ~M(SERVICE) & ~M(PING6) },
	{ "{\"interface\":[{\"index\":17},{\"name\":\"x\"}]}", ALL & ~M(SERVICE) & ~M(PING6) },
	{ "{\"interface\":[{\"index\":18}]}", 0 },
	{ "{\"node_labels\":[\"zone=a\"]}", ALL },
	{ "{\"node_labels\":[\"zone=b\"]}", 0 },
	{ "{\"source_cluster_name\":[\"c1\"]}", ALL },
	{ "{\"destination_cluster_name\":[\"c1\"]}", M(SYN) | M(REPLY) | M(DROP) },
	{ "{\"encrypted\":[false]}", ALL },
	{ "{\"encrypted\":[true]}", 0 },
	{ "{\"http_method\":[\"GET\"]}", 0 },
	{ "{\"dns_query\":[\".*\"]}", 0 },
	{ "{\"trace_id\":[\"1\"]}", 0 },
	{ "{\"ip_trace_id\":[\"1\"]}", 0 },
	{ "{\"uuid\":[\"00000000-0000-4000-8000-000000000000\"]}", 0 },
	{ "{\"source_pod\":[\"xwing\"],\"verdict\":[\"DROPPED\"]}", M(DROP) },
	{ "{\"source_pod\":[\"xwing\"],\"protocol\":[\"udp\"],\"verdict\":[\"DROPPED\"]}", 0 },
};

static void each_field_chooses_its_flows(void **state)
{
	struct flow_names *names = world_names();
	struct flow_record flows[FLOWS];

	make_flows(names, flows);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *white[] = { cases[i].filter, NULL }, *none[] = { NULL };
		struct flow_filter *filter;
		struct diag diag = { 0 };
		unsigned int passed = 0;

		if (new_filter(white, none, 0, &diag, &filter) < 0)
			fail_msg("%s: %s", cases[i].filter, diag.text);
		for (int k = 0; k < FLOWS; k++)
			passed |= flow_filter_match(filter, names, &flows[k]) ? M(k) : 0;
		flow_filter_free(filter);
		if (passed != cases[i].want)
			fail_msg("%s passes %#x, not %#x", cases[i].filter, passed, cases[i].want);
	}
	for (int k = 0; k < FLOWS; k++)
		flow_record_clear(&flows[k]);
	flow_names_free(names);
}

static const struct {
	const char *white[PARTS_MAX], *black[PARTS_MAX];
	unsigned int want;
} lists[] = {
	{ { NULL }, { NULL }, ALL },
	{ { "{\"verdict\":[\"DROPPED\"]}", "{\"protocol\":[\"udp\"]}" },
	  { NULL },
	  M(DROP) | M(OUTSIDE) },
	{ { NULL },
	  { "{\"verdict\":[\"DROPPED\"]}", "{\"protocol\":[\"udp\"]}" },
	  ALL & ~M(DROP) & ~M(OUTSIDE) },
	{ { "{\"protocol\":[\"tcp\"]}" }, { "{\"reply\":[true]}" }, M(SYN) | M(DROP) | M(SERVICE) },
	{ { "{}" }, { "{}" }, 0 },
};

static void whitelists_are_ored_and_blacklists_taken_away(void **state)
{
	struct flow_names *names = world_names();
	struct flow_record flows[FLOWS];

	make_flows(names, flows);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct flow_filter *filter;
		struct diag diag = { 0 };
		unsigned int passed = 0;

		assert_int_equal(new_filter(lists[i].white, lists[i].black, 0, &diag, &filter), 0);
		for (int k = 0; k < FLOWS; k++)
			passed |= flow_filter_match(filter, names, &flows[k]) ? M(k) : 0;
		flow_filter_free(filter);
		assert_int_equal(passed, lists[i].want);
	}
	for (int k = 0; k < FLOWS; k++)
		flow_record_clear(&flows[k]);
	flow_names_free(names);
}

static const struct {
	const char *filter, *say;
} refused[] = {
	{ "{\"source_ip\":[\"10.0.0.1\",\"10.0.0\"]}", "whitelist[0].source_ip: found \"10.0.0\"" },
	{ "{\"destination_ip\":[\"10.0.0.0/33\"]}", "destination_ip" },
	{ "{\"source_pod\":[\"\"]}", "source_pod" },
	{ "{\"source_pod\":[\"/\"]}", "source_pod" },
	{ "{\"destination_service\":[\"a/b/c\"]}", "destination_service" },
	{ "{\"source_label\":[\"a in b\"]}", "source_label" },
	{ "{\"source_fqdn\":[\"a b\"]}", "source_fqdn" },
	{ "{\"source_fqdn\":[\".\"]}", "source_fqdn" },
	{ "{\"protocol\":[\"tcpp\"]}", "expected icmp" },
	{ "{\"destination_port\":[\"65536\"]}", "a port, 0 to 65535" },
	{ "{\"destination_port\":[\"http\"]}", "a port" },
	{ "{\"source_port\":[\"\"]}", "a port" },
	{ "{\"node_name\":[\"A\"]}", "node_name" },
	{ "{\"node_name\":[\"a/b/c\"]}", "node_name" },
	{ "{\"interface\":[{}]}", "interface" },
	{ "{\"source_workload\":[{}]}", "source_workload" },
	{ "{\"experimental\":{\"cel_expression\":[\"true\"]}}", "CEL" },
};

static void wrong_values_are_refused_with_their_place(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const char *white[] = { refused[i].filter, NULL }, *none[] = { NULL };
		struct flow_filter *filter = NULL;
		struct diag diag = { 0 };

		assert_int_equal(new_filter(white, none, 0, &diag, &filter), -EINVAL);
		assert_null(filter);
		if (!strstr(diag.text, refused[i].say))
			fail_msg("%s: said \"%s\"", refused[i].filter, diag.text);
	}
}

static void a_flow_is_found_by_its_uuid(void **state)
{
	struct flow_names *names = world_names();
	struct flow_record flows[FLOWS];
	char uuid[FLOW_UUID_TEXT_MAX], text[100];
	const char *white[] = { text, NULL }, *none[] = { NULL };
	struct flow_filter *filter;
	struct diag diag = { 0 };

	make_flows(names, flows);
	for (int k = 0; k < FLOWS; k++)
		flows[k].sequence = (uint64_t)k + 1;
	flow_uuid_format(&flows[REPLY], uuid);
	snprintf(text, sizeof(text), "{\"uuid\":[\"%s\"]}", uuid);
	assert_int_equal(new_filter(white, none, 0, &diag, &filter), 0);
	for (int k = 0; k < FLOWS; k++) {
		assert_int_equal(flow_filter_match(filter, names, &flows[k]), k == REPLY);
		flow_record_clear(&flows[k]);
	}
	flow_filter_free(filter);
	flow_names_free(names);
}

static void closed_connections_pass_only_if_wanted(void **state)
{
	struct flow_names *names = world_names();
	struct td_event event = syn_event();
	const char *none[] = { NULL };
	struct flow_filter *filter;
	struct flow_record record;
	struct diag diag = { 0 };

	event.kind = TD_EVENT_CLOSE;
	record = decode_one(names, &event);
	assert_int_equal(new_filter(none, none, 0, &diag, &filter), 0);
	assert_false(flow_filter_match(filter, names, &record));
	flow_filter_free(filter);
	assert_int_equal(new_filter(none, none, FLOW_FILTER_CLOSES, &diag, &filter), 0);
	assert_true(flow_filter_match(filter, names, &record));
	flow_filter_free(filter);
	flow_record_clear(&record);
	flow_names_free(names);
}

static void names_that_come_late_still_match(void **state)
{
	const char *white[] = { "{\"source_pod\":[\"xwing\"],\"source_label\":[\"class=xwing\"]}",
				NULL },
		   *none[] = { NULL };
	struct td_event event = syn_event();
	struct flow_filter *filter;
	struct flow_record record;
	struct flow_names *names;
	struct diag diag = { 0 };

	assert_int_equal(flow_names_new(1, &names), 0);
	record = decode_one(names, &event);
	assert_int_equal(new_filter(white, none, 0, &diag, &filter), 0);
	assert_false(flow_filter_match(filter, names, &record));
	for (size_t i = 0; i < ARRAY_SIZE(world); i++)
		update_names(names, world[i]);
	assert_true(flow_filter_match(filter, names, &record));
	flow_filter_free(filter);
	flow_record_clear(&record);
	flow_names_free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_chooses_its_flows),
		cmocka_unit_test(whitelists_are_ored_and_blacklists_taken_away),
		cmocka_unit_test(wrong_values_are_refused_with_their_place),
		cmocka_unit_test(a_flow_is_found_by_its_uuid),
		cmocka_unit_test(closed_connections_pass_only_if_wanted),
		cmocka_unit_test(names_that_come_late_still_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
