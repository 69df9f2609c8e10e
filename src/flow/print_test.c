/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/util.h"
#include "flow/print.h"
#include "wire/proto_json.h"

#define WEB "\"source\":{\"identity\":20001,\"namespace\":\"shop\",\"pod_name\":\"web-6d4b-x1\"}"
#define API                                                                                        \
	"\"destination\":{\"identity\":20002,\"namespace\":\"shop\",\"pod_name\":\"api-77c9-z9\"}"
#define WEB_DST                                                                                    \
	"\"destination\":{\"identity\":20001,\"namespace\":\"shop\",\"pod_name\":\"web-6d4b-x1\"}"
#define API_SRC                                                                                    \
	"\"source\":{\"identity\":20002,\"namespace\":\"shop\",\"pod_name\":\"api-77c9-z9\"}"
#define COREDNS                                                                                    \
	"\"destination\":{\"identity\":30001,\"namespace\":\"kube-system\",\"pod_name\":\"coredns-abc\"}"
#define COREDNS_SRC                                                                                \
	"\"source\":{\"identity\":30001,\"namespace\":\"kube-system\",\"pod_name\":\"coredns-abc\"}"
#define IPS          "\"IP\":{\"source\":\"10.0.1.1\",\"destination\":\"10.0.2.2\",\"ipVersion\":\"IPv4\"}"
#define TO_ONE       "\"IP\":{\"source\":\"10.0.1.1\",\"destination\":\"1.1.1.1\",\"ipVersion\":\"IPv4\"}"
#define AT(time)     "\"time\":\"2026-01-02T03:04:" time "Z\""
#define TCP(s, d)    "\"l4\":{\"TCP\":{\"source_port\":" s ",\"destination_port\":" d "}}"
#define UDP(s, d)    "\"l4\":{\"UDP\":{\"source_port\":" s ",\"destination_port\":" d "}}"
#define EVENT(t, s)  "\"event_type\":{\"type\":" t ",\"sub_type\":" s "}"
#define SUM(text)    "\"Summary\":\"" text "\""
#define FLOW(fields) "{\"flow\":{" fields ",\"node_name\":\"c/n1\"},\"node_name\":\"c/n1\"}"
#define SYN                                                                                        \
	FLOW(AT("05.678") ",\"verdict\":\"FORWARDED\"," IPS                                        \
			  "," TCP("41234", "8080") "," WEB "," API "," EVENT(                      \
				  "4", "0") ",\"is_reply\":false," SUM("TCP Flags: SYN"))
#define SYN_ACK                                                                                         \
	FLOW(AT("05.679") ",\"verdict\":\"FORWARDED\",\"IP\":{\"source\":\"10.0.2.2\",\"destination\":" \
			  "\"10.0.1.1\"}," TCP("8080", "41234") "," API_SRC "," WEB_DST "," EVENT(      \
				  "4", "0") ",\"is_reply\":true," SUM("TCP Flags: SYN, ACK"))
#define DROP                                                                                                   \
	FLOW(AT("06.100") ",\"verdict\":\"DROPPED\"," TO_ONE "," TCP(                                          \
		"41240",                                                                                       \
		"443") "," WEB                                                                                 \
		       ",\"destination\":{\"identity\":2},\"destination_names\":[\"one.one.one.one\"]," EVENT( \
			       "1", "133") "," SUM("TCP Flags: SYN"))
#define DENIED                                                                                     \
	FLOW(AT("06.100") ",\"verdict\":\"DROPPED\"," TO_ONE "," TCP(                              \
		"41240",                                                                           \
		"443") "," WEB                                                                     \
		       ",\"destination\":{\"identity\":2}," EVENT(                                 \
			       "5",                                                                \
			       "0") ",\"traffic_direction\":\"EGRESS\"," SUM("TCP Flags: SYN"))
#define ALLOWED                                                                                                                \
	FLOW(AT("06.200") ",\"verdict\":\"FORWARDED\"," IPS "," TCP(                                                           \
		"41234",                                                                                                       \
		"8080") "," WEB "," API                                                                                        \
			"," EVENT(                                                                                             \
				"5",                                                                                           \
				"0") ",\"traffic_direction\":\"INGRESS\",\"policy_match_type\":2,\"is_reply\":"                \
				     "false,\"ingress_allowed_by\":[{\"name\":\"web-to-api\",\"namespace\":\"shop\",\"kind\":" \
				     "\"CiliumNetworkPolicy\"},{\"name\":\"other\"}]," SUM(                                    \
					     "TCP Flags: SYN"))
#define DNS_REQUEST                                                                                             \
	FLOW(AT("07.001") ",\"verdict\":\"FORWARDED\"," IPS "," UDP(                                            \
		"50000",                                                                                        \
		"53") "," WEB "," COREDNS                                                                       \
		      ",\"l7\":{\"type\":\"REQUEST\",\"dns\":{\"observation_source\":\"proxy\"}},\"is_reply\":" \
		      "false," SUM("DNS Query api.shop.svc.cluster.local. A"))
#define DNS_RESPONSE                                                                                   \
	FLOW(AT("07.002") ",\"verdict\":\"FORWARDED\"," IPS "," UDP(                                   \
		"53",                                                                                  \
		"50000") "," COREDNS_SRC "," WEB_DST                                                   \
			 ",\"l7\":{\"type\":\"RESPONSE\",\"dns\":{\"observation_source\":\"proxy\"}}," \
			 "\"is_reply\":true," SUM("DNS Answer \\\"10.0.2.20\\\" TTL: 30 (Proxy "       \
						  "api.shop.svc.cluster.local. A)"))
#define HTTP_REQUEST                                                                               \
	FLOW(AT("08.001") ",\"verdict\":\"FORWARDED\"," IPS "," TCP(                               \
		"41234",                                                                           \
		"8080") "," WEB "," API                                                            \
			",\"l7\":{\"type\":\"REQUEST\",\"http\":{}},\"is_reply\":false," SUM(      \
				"HTTP/1.1 GET http://api:8080/v1/items"))
#define HTTP_RESPONSE                                                                              \
	FLOW(AT("08.006") ",\"verdict\":\"FORWARDED\"," IPS "," TCP(                               \
		"8080",                                                                            \
		"41234") "," API_SRC "," WEB_DST                                                   \
			 ",\"l7\":{\"type\":\"RESPONSE\",\"http\":{}},\"is_reply\":true," SUM(     \
				 "HTTP/1.1 200 5ms (GET http://api:8080/v1/items)"))
#define PING                                                                                       \
	FLOW(AT("09") ",\"verdict\":\"FORWARDED\"," IPS ",\"l4\":{\"ICMPv4\":{\"type\":8}}," WEB   \
		      "," API                                                                      \
		      "," EVENT("4", "3") ",\"is_reply\":false," SUM("ICMPv4 EchoRequest"))
#define SOCKET                                                                                               \
	FLOW(AT("09.100") ",\"verdict\":\"TRANSLATED\"," IPS "," TCP("0", "8080") "," WEB "," API "," EVENT( \
		"7",                                                                                         \
		"0") ",\"sock_xlate_point\":\"SOCK_XLATE_POINT_POST_DIRECTION_FWD\"," SUM("TCP"))
#define IPV6                                                                                           \
	FLOW(AT("09.200") ",\"verdict\":\"FORWARDED\",\"IP\":{\"source\":\"fd00::1\",\"destination\":" \
			  "\"fd00::2\"}," UDP(                                                         \
				  "5000", "5001") ",\"source\":{\"identity\":1},\"destination\":{"     \
						  "\"identity\":6}," EVENT("4",                        \
									   "11") "," SUM("UDP"))
#define LOST                                                                                             \
	"{\"lost_events\":{\"source\":\"PERF_EVENT_RING_BUFFER\",\"num_events_lost\":\"17\",\"cpu\":3}," \
	"\"node_name\":\"c/n1\"," AT("09.300") "}"

static Observer__GetFlowsResponse *read_response(const char *json)
{
	ProtobufCMessage *message;
	struct diag diag = { 0 };

	if (proto_json_parse(&observer__get_flows_response__descriptor, json, strlen(json), 0,
			     &diag, &message) < 0)
		fail_msg("%s: %s", json, diag.text);
	return (Observer__GetFlowsResponse *)message;
}

/* Prints lines of JSON, one per element, and returns what came out (err: to the second stream). */
static char *print(const char *format, const struct flow_print_options *options,
		   const char *const *json, size_t count, bool err)
{
	char *texts[2] = { NULL, NULL };
	size_t sizes[2];
	FILE *out = open_memstream(&texts[0], &sizes[0]);
	FILE *errors = open_memstream(&texts[1], &sizes[1]);
	struct flow_printer *printer;

	assert_int_equal(flow_printer_new(flow_format_find(format), options, out, errors, &printer),
			 0);
	for (size_t i = 0; i < count; i++) {
		Observer__GetFlowsResponse *response = read_response(json[i]);

		assert_int_equal(flow_printer_write(printer, response), 0);
		observer__get_flows_response__free_unpacked(response, NULL);
	}
	assert_int_equal(flow_printer_close(printer), 0);
	flow_printer_free(printer);
	fclose(out);
	fclose(errors);
	free(texts[!err]);
	return texts[err];
}

static const struct {
	const char *json, *line;
} compact[] = {
	{ SYN, "Jan  2 03:04:05.678: shop/web-6d4b-x1:41234 (ID:20001) -> shop/api-77c9-z9:8080 "
	       "(ID:20002) to-endpoint FORWARDED (TCP Flags: SYN)\n" },
	{ SYN_ACK,
	  "Jan  2 03:04:05.679: shop/web-6d4b-x1:41234 (ID:20001) <- "
	  "shop/api-77c9-z9:8080 (ID:20002) to-endpoint FORWARDED (TCP Flags: SYN, ACK)\n" },
	{ DROP, "Jan  2 03:04:06.100: shop/web-6d4b-x1:41240 (ID:20001) <> one.one.one.one:443 "
		"(world) Policy denied DROPPED (TCP Flags: SYN)\n" },
	{ DENIED, "Jan  2 03:04:06.100: shop/web-6d4b-x1:41240 (ID:20001) <> 1.1.1.1:443 (world) "
		  "policy-verdict:none EGRESS DENIED (TCP Flags: SYN)\n" },
	{ ALLOWED, "Jan  2 03:04:06.200: shop/web-6d4b-x1:41234 (ID:20001) -> "
		   "shop/api-77c9-z9:8080 (ID:20002) policy-verdict:L3-L4 INGRESS ALLOWED "
		   "(TCP Flags: SYN)\n" },
	{ DNS_REQUEST,
	  "Jan  2 03:04:07.001: shop/web-6d4b-x1:50000 (ID:20001) -> "
	  "kube-system/coredns-abc:53 (ID:30001) dns-request proxy FORWARDED (DNS Query "
	  "api.shop.svc.cluster.local. A)\n" },
	{ DNS_RESPONSE, "Jan  2 03:04:07.002: shop/web-6d4b-x1:50000 (ID:20001) <- "
			"kube-system/coredns-abc:53 (ID:30001) dns-response proxy FORWARDED (DNS "
			"Answer \"10.0.2.20\" TTL: 30 (Proxy api.shop.svc.cluster.local. A))\n" },
	{ HTTP_REQUEST, "Jan  2 03:04:08.001: shop/web-6d4b-x1:41234 (ID:20001) -> "
			"shop/api-77c9-z9:8080 (ID:20002) http-request FORWARDED (HTTP/1.1 GET "
			"http://api:8080/v1/items)\n" },
	{ HTTP_RESPONSE, "Jan  2 03:04:08.006: shop/web-6d4b-x1:41234 (ID:20001) <- "
			 "shop/api-77c9-z9:8080 (ID:20002) http-response FORWARDED (HTTP/1.1 200 "
			 "5ms (GET http://api:8080/v1/items))\n" },
	{ PING, "Jan  2 03:04:09.000: shop/web-6d4b-x1 (ID:20001) -> shop/api-77c9-z9 (ID:20002) "
		"to-stack FORWARDED (ICMPv4 EchoRequest)\n" },
	{ SOCKET, "Jan  2 03:04:09.100: shop/web-6d4b-x1 (ID:20001) <> shop/api-77c9-z9:8080 "
		  "(ID:20002) post-xlate-fwd TRANSLATED (TCP)\n" },
	{ IPV6, "Jan  2 03:04:09.200: [fd00::1]:5000 (host) <> [fd00::2]:5001 (remote-node) "
		"to-network FORWARDED (UDP)\n" },
	{ LOST, "Jan  2 03:04:09.300 EVENTS LOST: PERF_EVENT_RING_BUFFER CPU(3) 17\n" },
};

static void compact_lines_are_hubbles(void **state)
{
	struct flow_print_options options = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(compact); i++) {
		_cleanup_free_ char *text = print("compact", &options, &compact[i].json, 1, false);

		assert_string_equal(text, compact[i].line);
	}
}

static const struct option_case {
	const char *name, *format;
	struct flow_print_options options;
	const char *json, *want;
} option_cases[] = {
	{ "addresses instead of names",
	  "compact",
	  { .numeric = true },
	  DROP,
	  "Jan  2 03:04:06.100: 10.0.1.1:41240 (ID:20001) <> 1.1.1.1:443 (world) Policy denied "
	  "DROPPED (TCP Flags: SYN)\n" },
	{ "node name",
	  "compact",
	  { .node_name = true },
	  IPV6,
	  "Jan  2 03:04:09.200 [c/n1]: [fd00::1]:5000 (host) <> [fd00::2]:5001 (remote-node) "
	  "to-network FORWARDED (UDP)\n" },
	{ "policy names",
	  "compact",
	  { .policy_names = true },
	  ALLOWED,
	  "Jan  2 03:04:06.200: shop/web-6d4b-x1:41234 (ID:20001) -> shop/api-77c9-z9:8080 "
	  "(ID:20002) policy-verdict:L3-L4 INGRESS ALLOWED BY web-to-api (CiliumNetworkPolicy), "
	  "other (TCP Flags: SYN)\n" },
	{ "another time format",
	  "compact",
	  { .time_format = "%Y-%m-%dT%H:%M:%S%.9f%:z" },
	  PING,
	  "2026-01-02T03:04:09Z: shop/web-6d4b-x1 (ID:20001) -> shop/api-77c9-z9 (ID:20002) "
	  "to-stack FORWARDED (ICMPv4 EchoRequest)\n" },
	{ "a fraction without zeroes at its end",
	  "dict",
	  { .time_format = "%S%.6f" },
	  DROP,
	  "  TIMESTAMP: 06.1\n     SOURCE: shop/web-6d4b-x1:41240\n"
	  "DESTINATION: one.one.one.one:443\n       TYPE: Policy denied\n    VERDICT: DROPPED\n"
	  "    SUMMARY: TCP Flags: SYN\n" },
	{ "colours",
	  "compact",
	  { .color = true },
	  DROP,
	  "Jan  2 03:04:06.100: \x1b[36mshop/web-6d4b-x1:\x1b[33m41240\x1b[0m\x1b[0m "
	  "\x1b[35m(ID:20001)\x1b[0m <> \x1b[36mone.one.one.one:\x1b[33m443\x1b[0m\x1b[0m "
	  "\x1b[35m(world)\x1b[0m Policy denied \x1b[31mDROPPED\x1b[0m (TCP Flags: SYN)\n" },
	{ "no colours in a table",
	  "table",
	  { .color = true },
	  IPV6,
	  "TIMESTAMP             SOURCE           DESTINATION      TYPE         VERDICT     SUMMARY\n"
	  "Jan  2 03:04:09.200   [fd00::1]:5000   [fd00::2]:5001   to-network   FORWARDED   UDP\n" },
	{ "JSON",
	  "json",
	  { 0 },
	  LOST,
	  "{\"lost_events\":{\"source\":\"PERF_EVENT_RING_BUFFER\",\"num_events_lost\":\"17\","
	  "\"cpu\":3},\"node_name\":\"c/n1\",\"time\":\"2026-01-02T03:04:09.300Z\"}\n" },
	{ "a service's name",
	  "compact",
	  { 0 },
	  FLOW(IPS ",\"destination_service\":{\"name\":\"api\",\"namespace\":\"shop\"}"),
	  "N/A: 10.0.1.1 (unknown) <> shop/api (unknown) UNKNOWN VERDICT_UNKNOWN ()\n" },
	{ "MAC addresses without IP",
	  "compact",
	  { 0 },
	  FLOW("\"ethernet\":{\"source\":\"0e:54:00:00:00:01\",\"destination\":\"0e:54:00:00:00:00\"}"),
	  "N/A: 0e:54:00:00:00:01 (unknown) <> 0e:54:00:00:00:00 (unknown) UNKNOWN "
	  "VERDICT_UNKNOWN ()\n" },
	{ "names cannot drive the terminal",
	  "compact",
	  { 0 },
	  FLOW(IPS
	       ",\"destination_names\":[\"a\\u001b[2Jb\\r\"],\"ip_trace_id\":{\"trace_id\":\"7\"},"
	       "\"auth_type\":\"SPIRE\"," SUM("UDP")),
	  "N/A: 10.0.1.1 (unknown) <> a^[[2Jb\\r (unknown) UNKNOWN VERDICT_UNKNOWN "
	  "(IP Trace ID: 7; UDP; Auth: SPIRE)\n" },
	{ "numbers without names",
	  "compact",
	  { 0 },
	  FLOW("\"verdict\":99," IPS "," EVENT("1", "159") "," SUM("x")),
	  "N/A: 10.0.1.1 (unknown) <> 10.0.2.2 (unknown) 159 99 (x)\n" },
	{ "wide: the decision and the counts",
	  "wide",
	  { 0 },
	  FLOW("\"verdict\":\"DROPPED\"," IPS "," EVENT("1", "133") "," SUM(
		  "UDP") ",\"extensions\":{\"@type\":\"type.googleapis.com/google.protobuf.Struct\",\"value\":{"
			 "\"decision\":\"denied by default\",\"connection\":{\"packets_sent\":3,\"bytes_sent\":"
			 "180,\"packets_received\":2,\"bytes_received\":120}}}"),
	  "N/A: 10.0.1.1 (unknown) <> 10.0.2.2 (unknown) Policy denied DROPPED (UDP) "
	  "[denied by default] [sent 3 packets 180 bytes, received 2 packets 120 bytes]\n" },
};

static void options_change_what_they_name(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(option_cases); i++) {
		const struct option_case *c = &option_cases[i];
		_cleanup_free_ char *text = print(c->format, &c->options, &c->json, 1, false);

		if (strcmp(text, c->want) != 0)
			fail_msg("%s: printed\n%swant\n%s", c->name, text, c->want);
	}
}

static const char *const several[] = { SYN, LOST, DENIED };

static void dict_separates_its_flows_and_does_not_turn_replies(void **state)
{
	static const char want[] = "  TIMESTAMP: Jan  2 03:04:05.679\n"
				   "       NODE: c/n1\n"
				   "     SOURCE: shop/api-77c9-z9:8080\n"
				   "DESTINATION: shop/web-6d4b-x1:41234\n"
				   "       TYPE: to-endpoint\n"
				   "    VERDICT: FORWARDED\n"
				   "    SUMMARY: TCP Flags: SYN, ACK\n"
				   "------------\n"
				   "  TIMESTAMP: Jan  2 03:04:09.300\n"
				   "       NODE: c/n1\n"
				   "     SOURCE: PERF_EVENT_RING_BUFFER\n"
				   "       TYPE: EVENTS LOST\n"
				   "    VERDICT: \n"
				   "    SUMMARY: CPU(3) - 17\n";
	static const char *const json[] = { SYN_ACK, LOST };
	struct flow_print_options options = { .node_name = true };
	_cleanup_free_ char *text = print("dict", &options, json, 2, false);

	assert_string_equal(text, want);
}

static void table_columns_are_as_wide_as_their_widest_cell(void **state)
{
	static const char want[] =
		"TIMESTAMP             NODE   SOURCE                   DESTINATION             "
		"TYPE                         VERDICT     SUMMARY\n"
		"Jan  2 03:04:05.678   c/n1   shop/web-6d4b-x1:41234   shop/api-77c9-z9:8080   "
		"to-endpoint                  FORWARDED   TCP Flags: SYN\n"
		"Jan  2 03:04:09.300   c/n1   PERF_EVENT_RING_BUFFER                           "
		"EVENTS LOST                              CPU(3) - 17\n"
		"Jan  2 03:04:06.100   c/n1   shop/web-6d4b-x1:41240   1.1.1.1:443             "
		"policy-verdict:none EGRESS   DENIED      TCP Flags: SYN\n";
	struct flow_print_options options = { .node_name = true };
	_cleanup_free_ char *text = print("table", &options, several, ARRAY_SIZE(several), false);

	assert_string_equal(text, want);
}

static void node_status_goes_to_the_error_stream(void **state)
{
	static const char *const json[] = {
		"{\"node_status\":{\"state_change\":\"NODE_UNAVAILABLE\",\"node_names\":[\"a\",\"b\"]},"
		"\"node_name\":\"relay\"," AT("05.678") "}",
		"{\"node_status\":{\"state_change\":\"NODE_CONNECTED\",\"node_names\":[\"a\"]}}",
		"{\"node_status\":{\"state_change\":\"NODE_ERROR\",\"node_names\":["
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"b\",\"c\"],"
		"\"message\":\"no \\\"route\\\"\"},\"node_name\":\"relay\"," AT("06") "}",
	};
	static const char quiet[] =
		"Jan  2 03:04:05.678 [relay]: 2 nodes are unavailable: a, b\n"
		"Jan  2 03:04:06.000 [relay]: Error \"no \\\"route\\\"\" on 3 nodes: "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (and 2 more)\n";
	struct flow_print_options options = { 0 }, debug = { .debug = true };
	_cleanup_free_ char *text = print("compact", &options, json, 3, true);
	_cleanup_free_ char *more = print("compact", &debug, json, 3, true);
	_cleanup_free_ char *flows = print("compact", &options, json, 3, false);

	assert_string_equal(text, quiet);
	assert_non_null(strstr(more, "Receiving flows from 1 nodes: a\n"));
	assert_string_equal(flows, "");
}

static void formats_are_found_by_name(void **state)
{
	bool color;

	assert_null(flow_format_find("yaml"));
	assert_false(flow_format_streams(flow_format_find("table")));
	assert_true(flow_format_streams(flow_format_find("dict")));
	assert_string_equal(flow_time_format_find("YearMonthDay"), "%Y-%m-%d");
	assert_null(flow_time_format_find("yesterday"));
	assert_int_equal(flow_color_from_text("sometimes", stdout, &color), -EINVAL);
	assert_int_equal(flow_color_from_text("always", stdout, &color), 0);
	assert_true(color);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compact_lines_are_hubbles),
		cmocka_unit_test(options_change_what_they_name),
		cmocka_unit_test(dict_separates_its_flows_and_does_not_turn_replies),
		cmocka_unit_test(table_columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(node_status_goes_to_the_error_stream),
		cmocka_unit_test(formats_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
