/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/test_names.h"

#include <errno.h>
#include <stdlib.h>

#include "abi/drop.h"
#include "abi/policy.h"
#include "flow/to_proto.h"

/* The last flow of an event as JSON, of the fields in paths ("" ends them; none: all). */
static char *flow_json(struct flow_names *names, const struct td_event *event,
		       const char *const *paths)
{
	struct flow_record records[FLOW_RECORDS_PER_EVENT];
	struct flow_mask *mask = NULL;
	struct diag diag = { 0 };
	size_t count = 0;
	Flow__Flow *flow;
	char *text;
	int n;

	while (paths[count])
		count++;
	if (flow_mask_new((char *const *)paths, count, &diag, &mask) < 0)
		fail_msg("%s", diag.text);
	n = flow_decode(names, event, sizeof(*event), 0, records);
	assert_true(n > 0);
	assert_int_equal(flow_to_proto(&records[n - 1], names, mask, &flow), 0);
	assert_int_equal(proto_json_format(&flow->base, &text), 0);
	flow__flow__free_unpacked(flow, NULL);
	while (n--)
		flow_record_clear(&records[n]);
	flow_mask_free(mask);
	return text;
}

static void a_flow_says_all_of_its_record(void **state)
{
	static const char *const want[] = {
		"{\"time\":\"1970-01-01T00:00:05Z\",\"verdict\":\"FORWARDED\",\"ethernet\":{\"source\":"
		"\"0e:54:00:00:00:07\",\"destination\":\"0e:54:00:00:00:00\"},\"IP\":{\"source\":"
		"\"10.0.0.7\",\"destination\":\"10.0.0.8\",\"ipVersion\":\"IPv4\"},\"l4\":{\"TCP\":{"
		"\"source_port\":49610,\"destination_port\":80,\"flags\":{\"SYN\":true}}},\"source\":{"
		"\"ID\":7,\"identity\":16092,\"namespace\":\"default\",\"labels\":[\"k8s:class=xwing\","
		"\"k8s:org=alliance\"],\"pod_name\":\"xwing\",\"workloads\":[{\"name\":\"xwing\","
		"\"kind\":\"Deployment\"}],\"cluster_name\":\"c1\"},\"destination\":{\"ID\":8,"
		"\"identity\":16081,\"namespace\":\"default\",\"labels\":[\"k8s:class=deathstar\","
		"\"k8s:org=empire\"],\"pod_name\":\"deathstar-1\",\"cluster_name\":\"c1\"},\"Type\":"
		"\"L3_L4\",\"node_name\":\"c1/n1\",\"event_type\":{\"type\":4},\"traffic_direction\":"
		"\"INGRESS\",\"trace_observation_point\":\"TO_ENDPOINT\",\"is_reply\":false,"
		"\"interface\":{\"index\":17,\"name\":\"td7\"},\"socket_cookie\":\"99\",\"uuid\":\"",
		/* uuid */
		"\",\"trace_reason\":\"NEW\",\"node_labels\":[\"k8s:zone=a\"],\"emitter\":{\"name\":"
		"\"Tendril\",\"version\":\"" TENDRIL_VERSION "\"},\"Summary\":\"TCP Flags: SYN\","
		"\"extensions\":{\"@type\":\"type.googleapis.com/google.protobuf.Struct\",\"value\":{"
		"\"connection\":{\"packets_sent\":1,\"packets_received\":0,\"bytes_sent\":60,"
		"\"bytes_received\":0}}}}",
	};
	static const char *const everything[] = { NULL };
	struct flow_names *names = world_names();
	struct td_event event = syn_event();
	_cleanup_free_ char *text = flow_json(names, &event, everything);
	char *rest = strstr(text, "\"uuid\":\"") + strlen("\"uuid\":\"");

	assert_int_equal(strncmp(text, want[0], strlen(want[0])), 0);
	assert_int_equal(rest - text, strlen(want[0]));
	assert_int_equal(rest[14], '4'); /* version and variant of RFC 9562 */
	assert_non_null(strchr("89ab", rest[19]));
	assert_string_equal(rest + 36, want[1]);
	flow_names_free(names);
}

static const struct {
	const char *name;
	uint8_t kind, reason, flags;
	uint32_t rule;
	const char *paths[4];
	const char *want;
} cases[] = {
	{ "a named deny",
	  TD_EVENT_DROP,
	  TD_DROP_POLICY_DENY,
	  TD_EVENT_DENIED_EGRESS,
	  RULE_DENY,
	  { "ingress_denied_by", "egress_denied_by", "drop_reason_desc", "policy_log" },
	  "{\"drop_reason_desc\":\"POLICY_DENY\",\"egress_denied_by\":[{\"name\":\"no-rebels\","
	  "\"labels\":[\"k8s:io.cilium.k8s.policy.derived-from=CiliumClusterwideNetworkPolicy\","
	  "\"k8s:io.cilium.k8s.policy.name=no-rebels\"],\"kind\":\"CiliumClusterwideNetworkPolicy\""
	  "}]}" },
	{ "a named deny, told",
	  TD_EVENT_DROP,
	  TD_DROP_POLICY_DENY,
	  TD_EVENT_DENIED_EGRESS,
	  RULE_DENY,
	  { "extensions" },
	  "{\"extensions\":{\"@type\":\"type.googleapis.com/google.protobuf.Struct\",\"value\":{"
	  "\"decision\":\"denied by CiliumClusterwideNetworkPolicy no-rebels, egress deny rule 3\","
	  "\"connection\":{\"packets_sent\":1,\"packets_received\":0,\"bytes_sent\":60,"
	  "\"bytes_received\":0}}}}" },
	{ "default deny",
	  TD_EVENT_DROP,
	  TD_DROP_POLICY_DENIED,
	  TD_EVENT_DENIED_INGRESS,
	  TD_RULE_DEFAULT_DENY,
	  { "drop_reason", "is_reply", "ingress_denied_by", "policy_log" },
	  "{\"drop_reason\":133,\"policy_log\":[\"denied by default: policies isolate the ingress of "
	  "default/deathstar-1 and none of their rules allows this\"]}" },
	{ "a drop for another reason has no policy",
	  TD_EVENT_DROP,
	  TD_DROP_INVALID_SOURCE_IP,
	  0,
	  RULE_DENY,
	  { "drop_reason_desc", "policy_log", "egress_denied_by", "event_type" },
	  "{\"event_type\":{\"type\":1,\"sub_type\":132},\"drop_reason_desc\":\"INVALID_SOURCE_IP\"}" },
	{ "a reason without a name",
	  TD_EVENT_DROP,
	  159,
	  0,
	  0,
	  { "drop_reason_desc", "drop_reason", "event_type.sub_type" },
	  "{\"drop_reason\":159,\"event_type\":{\"sub_type\":159}}" },
	{ "the end of a connection",
	  TD_EVENT_CLOSE,
	  TD_REASON_ESTABLISHED,
	  0,
	  0,
	  { "extensions" },
	  "{\"extensions\":{\"@type\":\"type.googleapis.com/google.protobuf.Struct\",\"value\":{"
	  "\"connection\":{\"packets_sent\":1,\"packets_received\":0,\"bytes_sent\":60,"
	  "\"bytes_received\":0,\"closed\":true}}}}" },
	{ "a rule whose policy is gone",
	  TD_EVENT_DROP,
	  TD_DROP_POLICY_DENY,
	  TD_EVENT_DENIED_INGRESS,
	  99,
	  { "policy_log" },
	  "{\"policy_log\":[\"denied by rule 99 of a policy that is gone\"]}" },
	{ "a mask inside messages",
	  TD_EVENT_TRACE,
	  TD_REASON_NEW,
	  0,
	  0,
	  { "source.pod_name", "IP.source", "l4.TCP.destination_port", "interface.name" },
	  "{\"IP\":{\"source\":\"10.0.0.7\"},\"l4\":{\"TCP\":{\"destination_port\":80}},\"source\":{"
	  "\"pod_name\":\"xwing\"},\"interface\":{\"name\":\"td7\"}}" },
	{ "a mask of what is not there keeps the message",
	  TD_EVENT_TRACE,
	  TD_REASON_NEW,
	  0,
	  0,
	  { "l4.UDP", "destination.workloads", "source_service.name" },
	  "{\"l4\":{},\"destination\":{}}" },
	{ "a whole message beside one of its fields",
	  TD_EVENT_TRACE,
	  TD_REASON_NEW,
	  0,
	  0,
	  { "event_type", "event_type.type", "ethernet.source", "ethernet" },
	  "{\"ethernet\":{\"source\":\"0e:54:00:00:00:07\",\"destination\":\"0e:54:00:00:00:00\"},"
	  "\"event_type\":{\"type\":4}}" },
};

static void fields_say_what_hubbles_say(void **state)
{
	struct flow_names *names = world_names();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *paths[ARRAY_SIZE(cases[i].paths) + 1] = { NULL };
		struct td_event event = syn_event();
		_cleanup_free_ char *text = NULL;

		memcpy(paths, cases[i].paths, sizeof(cases[i].paths));
		event.kind = cases[i].kind;
		event.reason = cases[i].reason;
		event.flags = cases[i].flags;
		event.rule[0] = event.rule[1] = cases[i].rule;
		text = flow_json(names, &event, paths);
		if (strcmp(text, cases[i].want) != 0)
			fail_msg("%s: got\n%s\nwant\n%s", cases[i].name, text, cases[i].want);
	}
	flow_names_free(names);
}

static void an_allowed_verdict_names_its_policy(void **state)
{
	static const char *const want =
		"allowed by CiliumNetworkPolicy default/rule1, ingress rule 0 (policy.yaml:12)";
	struct flow_names *names = world_names();
	struct flow_record records[FLOW_RECORDS_PER_EVENT];
	struct td_event event = syn_event();
	Flow__Flow *flow;
	char text[200];

	event.flags = TD_EVENT_VERDICT_INGRESS;
	assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records), 2);
	assert_int_equal(flow_decision_format(&records[0], names, text, sizeof(text)),
			 strlen(want));
	assert_string_equal(text, want);
	assert_int_equal(flow_to_proto(&records[0], names, NULL, &flow), 0);
	assert_int_equal(flow->n_ingress_allowed_by, 1);
	assert_string_equal(flow->ingress_allowed_by[0]->name, "rule1");
	assert_string_equal(flow->ingress_allowed_by[0]->namespace_, "default");
	assert_int_equal(flow->n_egress_allowed_by, 0);
	assert_int_equal(flow->policy_match_type, TD_MATCH_L3_L4);
	flow__flow__free_unpacked(flow, NULL);
	flow_record_clear(&records[0]);
	flow_record_clear(&records[1]);
	flow_names_free(names);
}

/* Nothing was dropped, but reason and rule are those of the drop it would have been. */
static void an_audited_verdict_says_what_a_drop_would(void **state)
{
	static const struct {
		uint32_t rule;
		Flow__DropReason reason;
		size_t denied_by, logged;
		const char *want;
	} rows[] = {
		{ RULE_DENY, FLOW__DROP_REASON__POLICY_DENY, 1, 0, "audited, else denied by " },
		{ TD_RULE_DEFAULT_DENY, FLOW__DROP_REASON__POLICY_DENIED, 0, 1,
		  "audited, else denied by default: " },
	};
	struct flow_names *names = world_names();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct flow_record records[FLOW_RECORDS_PER_EVENT];
		struct td_event event = syn_event();
		char text[300];
		Flow__Flow *flow;

		event.flags = TD_EVENT_VERDICT_INGRESS;
		event.match |= TD_MATCH_AUDIT << 4;
		event.rule[1] = rows[i].rule;
		assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records), 2);
		assert_true(flow_decision_format(&records[0], names, text, 10) > 10);
		assert_int_equal(strlen(text), 9);
		flow_decision_format(&records[0], names, text, sizeof(text));
		assert_ptr_equal(strstr(text, rows[i].want), text);
		assert_int_equal(flow_to_proto(&records[0], names, NULL, &flow), 0);
		assert_int_equal(flow->verdict, FLOW__VERDICT__AUDIT);
		assert_int_equal(flow->drop_reason_desc, rows[i].reason);
		assert_int_equal(flow->n_ingress_denied_by, rows[i].denied_by);
		assert_int_equal(flow->n_ingress_allowed_by, 0);
		assert_int_equal(flow->n_policy_log, rows[i].logged);
		assert_non_null(flow->is_reply);
		flow__flow__free_unpacked(flow, NULL);
		flow_record_clear(&records[0]);
		flow_record_clear(&records[1]);
	}
	flow_names_free(names);
}

static void masks_of_unknown_fields_are_refused(void **state)
{
	static const char *const paths[] = { "colour",
					     "ip",
					     "source.pod",
					     "source.",
					     "",
					     "time.seconds.x",
					     "egress_allowed_by.name",
					     ".time" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct flow_mask *mask = NULL;
		struct diag diag = { 0 };

		if (flow_mask_new((char *const *)&paths[i], 1, &diag, &mask) != -EINVAL)
			fail_msg("\"%s\" was accepted", paths[i]);
		assert_null(mask);
		assert_non_null(strstr(diag.text, paths[i]));
	}
}

static void summaries_are_hubbles(void **state)
{
	static const struct {
		uint8_t protocol, tcp_flags, type, code;
		const char *want;
	} summaries[] = {
		{ IPPROTO_TCP, 0xff, 0, 0, "TCP Flags: SYN, ACK, RST, FIN, PSH, URG, ECE, CWR" },
		{ IPPROTO_TCP, 0, 0, 0, "TCP" },
		{ IPPROTO_UDP, 0x02, 0, 0, "UDP" },
		{ IPPROTO_SCTP, 0, 0, 0, "SCTP" },
		{ IPPROTO_ICMP, 0, 8, 0, "ICMPv4 EchoRequest" },
		{ IPPROTO_ICMP, 0, 8, 1, "ICMPv4 EchoRequest(Code: 1)" },
		{ IPPROTO_ICMP, 0, 3, 3, "ICMPv4 DestinationUnreachable(Port)" },
		{ IPPROTO_ICMP, 0, 3, 200, "ICMPv4 DestinationUnreachable(Code: 200)" },
		{ IPPROTO_ICMP, 0, 99, 7, "ICMPv4 99(7)" },
		{ IPPROTO_ICMPV6, 0, 128, 0, "ICMPv6 EchoRequest" },
		{ IPPROTO_ICMPV6, 0, 3, 0, "ICMPv6 TimeExceeded(HopLimitExceeded)" },
		{ 200, 0, 0, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(summaries); i++) {
		struct flow_record record = { .protocol = summaries[i].protocol,
					      .tcp_flags = summaries[i].tcp_flags,
					      .icmp_type = summaries[i].type,
					      .icmp_code = summaries[i].code };
		char text[100];

		flow_summary_format(&record, text, sizeof(text));
		assert_string_equal(text, summaries[i].want);
	}
}

static void drop_reasons_are_those_of_the_proto(void **state)
{
	static const struct {
		int number;
		const char *name;
	} reasons[] = {
#define TD_DROP(number, name, text) { number, #name },
#include "abi/drop_reasons.def"
#undef TD_DROP
	};

	assert_int_equal(flow__drop_reason__descriptor.n_values, ARRAY_SIZE(reasons) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		assert_string_equal(protobuf_c_enum_descriptor_get_value(
					    &flow__drop_reason__descriptor, reasons[i].number)
					    ->name,
				    reasons[i].name);
}

static void lost_events_have_their_place(void **state)
{
	Observer__GetFlowsResponse *response;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(flow_lost_response(FLOW__LOST_EVENT_SOURCE__HUBBLE_RING_BUFFER, 7, "c1/n1",
					    1500000000, &response),
			 0);
	assert_int_equal(proto_json_format(&response->base, &text), 0);
	assert_string_equal(text, "{\"lost_events\":{\"source\":\"HUBBLE_RING_BUFFER\","
				  "\"num_events_lost\":\"7\"},\"node_name\":\"c1/n1\",\"time\":"
				  "\"1970-01-01T00:00:01.500Z\"}");
	observer__get_flows_response__free_unpacked(response, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_says_all_of_its_record),
		cmocka_unit_test(fields_say_what_hubbles_say),
		cmocka_unit_test(an_allowed_verdict_names_its_policy),
		cmocka_unit_test(an_audited_verdict_says_what_a_drop_would),
		cmocka_unit_test(masks_of_unknown_fields_are_refused),
		cmocka_unit_test(summaries_are_hubbles),
		cmocka_unit_test(drop_reasons_are_those_of_the_proto),
		cmocka_unit_test(lost_events_have_their_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
