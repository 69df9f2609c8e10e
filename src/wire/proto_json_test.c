/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "observer.pb-c.h"
#include "wire/proto_json.h"

#define RESPONSE &observer__get_flows_response__descriptor
#define FILTER   &flow__flow_filter__descriptor
#define STATUS   &observer__server_status_response__descriptor
#define REQUEST  &observer__get_flows_request__descriptor

static int parse(const ProtobufCMessageDescriptor *type, const char *text, struct diag *diag,
		 ProtobufCMessage **ret)
{
	return proto_json_parse(type, text, strlen(text), 0, diag, ret);
}

/* Texts that come out as they went in. */
static const struct {
	const ProtobufCMessageDescriptor *type;
	const char *text;
} same[] = {
	{ RESPONSE, "{}" },
	{ RESPONSE,
	  "{\"flow\":{\"time\":\"2026-01-02T03:04:05.678Z\",\"verdict\":\"FORWARDED\",\"IP\":{"
	  "\"source\":\"10.0.0.1\",\"ipVersion\":\"IPv4\"},\"l4\":{\"TCP\":{\"source_port\":41234,"
	  "\"flags\":{\"SYN\":true}}},\"source\":{\"identity\":20001,\"labels\":[\"k8s:a=b\"],"
	  "\"pod_name\":\"web\"},\"Type\":\"L3_L4\",\"is_reply\":false,\"socket_cookie\":"
	  "\"18446744073709551615\",\"Summary\":\"TCP Flags: SYN\"},\"node_name\":\"c/n\","
	  "\"time\":\"1969-12-31T23:59:59.000000001Z\"}" },
	{ RESPONSE, "{\"flow\":{}}" }, /* a member of a oneof is there even if empty */
	{ RESPONSE,
	  "{\"lost_events\":{\"source\":\"HUBBLE_RING_BUFFER\",\"num_events_lost\":\"17\","
	  "\"cpu\":0,\"first\":\"2026-01-02T03:04:05Z\"}}" },
	{ RESPONSE, "{\"flow\":{\"verdict\":77,\"node_name\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\"}}" },
	{ RESPONSE,
	  "{\"flow\":{\"extensions\":{\"@type\":\"type.googleapis.com/google.protobuf.Struct\","
	  "\"value\":{\"a\":1.5,\"b\":[true,null,\"x\",{}],\"c\":{\"d\":-0.1}}}}}" },
	{ STATUS, "{\"num_flows\":\"1\",\"num_connected_nodes\":0,\"version\":\"1\","
		  "\"flows_rate\":12.35}" },
	{ FILTER, "{\"source_pod\":[\"shop/web\"],\"verdict\":[\"DROPPED\",\"AUDIT\"],\"reply\":["
		  "false,true],\"tcp_flags\":[{\"SYN\":true},{}]}" },
	{ REQUEST, "{\"number\":\"20\",\"field_mask\":\"source.podName,time\"}" },
};

static void what_is_read_is_written_the_same(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		_cleanup_free_ char *text = NULL;
		struct diag diag = { 0 };
		ProtobufCMessage *message;

		if (parse(same[i].type, same[i].text, &diag, &message) < 0)
			fail_msg("%s: %s", same[i].text, diag.text);
		assert_int_equal(proto_json_format(message, &text), 0);
		assert_string_equal(text, same[i].text);
		protobuf_c_message_free_unpacked(message, NULL);
	}
}

/* Other spellings that mean the same. */
static const struct {
	const ProtobufCMessageDescriptor *type;
	const char *text, *want;
} read_as[] = {
	{ RESPONSE, "{\"nodeName\":\"x\",\"time\":\"2026-01-02T05:04:05.100+02:00\"}",
	  "{\"node_name\":\"x\",\"time\":\"2026-01-02T03:04:05.100Z\"}" },
	{ STATUS, "{\"num_flows\":7,\"max_flows\":8.0,\"seen_flows\":null,\"flows_rate\":\"1e3\"}",
	  "{\"num_flows\":\"7\",\"max_flows\":\"8\",\"flows_rate\":1000}" },
	{ FILTER, "{\"verdict\":[2],\"source_identity\":[\"1\"]}",
	  "{\"verdict\":[\"DROPPED\"],\"source_identity\":[1]}" },
};

static void other_spellings_are_understood(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(read_as); i++) {
		_cleanup_free_ char *text = NULL;
		struct diag diag = { 0 };
		ProtobufCMessage *message;

		if (parse(read_as[i].type, read_as[i].text, &diag, &message) < 0)
			fail_msg("%s: %s", read_as[i].text, diag.text);
		assert_int_equal(proto_json_format(message, &text), 0);
		assert_string_equal(text, read_as[i].want);
		protobuf_c_message_free_unpacked(message, NULL);
	}
}

static const struct {
	const ProtobufCMessageDescriptor *type;
	const char *text, *say;
} refused[] = {
	{ RESPONSE, "", "no JSON" },
	{ RESPONSE, "[]", "message: found a list, expected an object" },
	{ RESPONSE, "{\"flow\":{\"colour\":1}}", "flow.colour: no such field in flow.Flow" },
	{ RESPONSE, "{\"flow\":{},\"lost_events\":{}}", "lost_events: found an object" },
	{ RESPONSE, "{\"node_name\":\"a\",\"nodeName\":\"b\"}", "nodeName: found \"b\"" },
	{ RESPONSE, "{\"node_name\":\"a\",\"node_name\":\"b\"}", "duplicate" },
	{ RESPONSE, "{\"time\":\"2026-13-02T03:04:05Z\"}", "RFC 3339" },
	{ RESPONSE, "{\"flow\":{\"verdict\":\"MAYBE\"}}", "found \"MAYBE\", expected Verdict" },
	{ RESPONSE, "{\"flow\":{\"IP\":{\"encrypted\":1}}}", "expected true or false" },
	{ RESPONSE, "{\"flow\":{\"proxy_port\":4294967296}}", "whole number in range" },
	{ RESPONSE, "{\"flow\":{\"proxy_port\":-1}}", "whole number in range" },
	{ RESPONSE, "{\"flow\":{\"extensions\":{\"@type\":\"x/y\"}}}", "google.protobuf.Struct" },
	{ FILTER, "{\"source_pod\":\"shop/web\"}",
	  "source_pod: found \"shop/web\", expected a list" },
	{ FILTER, "{\"source_pod\":[\"a\",1]}", "expected a string" },
	{ FILTER, "{\"tcp_flags\":[{\"SYN\":true},{\"SYN\":2}]}", "tcp_flags.SYN" },
};

static void wrong_input_is_refused_with_its_place(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct diag diag = { 0 };
		ProtobufCMessage *message = NULL;

		assert_int_equal(parse(refused[i].type, refused[i].text, &diag, &message), -EINVAL);
		assert_null(message);
		if (!strstr(diag.text, refused[i].say))
			fail_msg("%s: said \"%s\"", refused[i].text, diag.text);
	}
}

static void unknown_fields_are_skipped_on_request(void **state)
{
	static const char text[] = "{\"flow\":{\"colour\":{\"x\":[1]},\"node_name\":\"n\"}}";
	Observer__GetFlowsResponse *response;
	ProtobufCMessage *message;
	struct diag diag = { 0 };

	assert_int_equal(proto_json_parse(RESPONSE, text, sizeof(text) - 1,
					  PROTO_JSON_IGNORE_UNKNOWN, &diag, &message),
			 0);
	response = (Observer__GetFlowsResponse *)message;
	assert_string_equal(response->flow->node_name, "n");
	protobuf_c_message_free_unpacked(message, NULL);
}

static void deep_nesting_is_refused(void **state)
{
	char text[600] = "{\"flow\":{\"extensions\":{\"@type\":\"type.googleapis.com/"
			 "google.protobuf.Struct\",\"value\":{\"a\":";
	ProtobufCMessage *message = NULL;
	struct diag diag = { 0 };

	for (int i = 0; i < 100; i++)
		strcat(text, "[");
	for (int i = 0; i < 100; i++)
		strcat(text, "]");
	strcat(text, "}}}}");
	assert_int_equal(parse(RESPONSE, text, &diag, &message), -EINVAL);
	assert_non_null(strstr(diag.text, "nested"));
}

static void what_json_cannot_say_is_refused(void **state)
{
	Observer__GetFlowsResponse response = OBSERVER__GET_FLOWS_RESPONSE__INIT;
	Google__Protobuf__Timestamp stamp = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	char *text = NULL;

	response.node_name = "\xff";
	assert_int_equal(proto_json_format(&response.base, &text), -EINVAL);
	response.node_name = "\xed\xa0\x80"; /* a surrogate */
	assert_int_equal(proto_json_format(&response.base, &text), -EINVAL);
	response.node_name = "n";
	response.time = &stamp;
	stamp.nanos = 1000000000;
	assert_int_equal(proto_json_format(&response.base, &text), -EINVAL);
	assert_null(text);
}

static void bytes_are_base64_both_ways(void **state)
{
	static const char *const texts[] = {
		"{\"address\":\"AA==\"}",
		"{\"address\":\"AAE=\"}",
		"{\"address\":\"AAH/\"}",
		"{\"address\":\"+/+/AA==\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_free_ char *text = NULL;
		ProtobufCMessage *message;
		struct diag diag = { 0 };
		extern const ProtobufCMessageDescriptor tendril__tables__frontend__descriptor;

		assert_int_equal(
			parse(&tendril__tables__frontend__descriptor, texts[i], &diag, &message),
			0);
		assert_int_equal(proto_json_format(message, &text), 0);
		assert_string_equal(text, texts[i]);
		protobuf_c_message_free_unpacked(message, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read_is_written_the_same),
		cmocka_unit_test(other_spellings_are_understood),
		cmocka_unit_test(wrong_input_is_refused_with_its_place),
		cmocka_unit_test(unknown_fields_are_skipped_on_request),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(what_json_cannot_say_is_refused),
		cmocka_unit_test(bytes_are_base64_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
