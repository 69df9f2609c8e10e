/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "observe_request.h"

/* Flags as "name=value name=value"; filters as JSON, one per line. */
static const struct filter_case {
	const char *flags, *white, *black;
} cases[] = {
	{ "", "", "" },
	{ "pod=a", "{\"source_pod\":[\"a\"]}\n{\"destination_pod\":[\"a\"]}\n", "" },
	{ "from-pod=a to-pod=b", "{\"source_pod\":[\"a\"],\"destination_pod\":[\"b\"]}\n", "" },
	{ "pod=a pod=b", "{\"source_pod\":[\"a\",\"b\"]}\n{\"destination_pod\":[\"a\",\"b\"]}\n",
	  "" },
	{ "pod=a port=80",
	  "{\"source_pod\":[\"a\"],\"source_port\":[\"80\"]}\n"
	  "{\"destination_pod\":[\"a\"],\"destination_port\":[\"80\"]}\n",
	  "" },
	{ "pod=a verdict=dropped",
	  "{\"source_pod\":[\"a\"],\"verdict\":[\"DROPPED\"]}\n"
	  "{\"destination_pod\":[\"a\"],\"verdict\":[\"DROPPED\"]}\n",
	  "" },
	{ "verdict=DROPPED", "{\"verdict\":[\"DROPPED\"]}\n", "" },
	{ "namespace=x", "{\"source_pod\":[\"x/\"]}\n{\"destination_pod\":[\"x/\"]}\n", "" },
	{ "namespace=x pod=a", "{\"source_pod\":[\"x/a\"]}\n{\"destination_pod\":[\"x/a\"]}\n",
	  "" },
	{ "namespace=x from-pod=a", "{\"source_pod\":[\"x/a\"]}\n", "" },
	{ "from-namespace=x to-namespace=y",
	  "{\"source_pod\":[\"x/\"],\"destination_pod\":[\"y/\"]}\n", "" },
	{ "namespace= pod=a", "{\"source_pod\":[\"/a\"]}\n{\"destination_pod\":[\"/a\"]}\n", "" },
	{ "namespace=", "", "" },
	{ "namespace=x service=s",
	  "{\"source_service\":[\"x/s\"]}\n{\"destination_service\":[\"x/s\"]}\n", "" },
	{ "not pod=a", "", "{\"source_pod\":[\"a\"]}\n{\"destination_pod\":[\"a\"]}\n" },
	{ "not verdict=FORWARDED to-port=53", "{\"destination_port\":[\"53\"]}\n",
	  "{\"verdict\":[\"FORWARDED\"]}\n" },
	{ "from-identity=world to-identity=16092",
	  "{\"source_identity\":[2],\"destination_identity\":[16092]}\n", "" },
	{ "type=trace:to-stack type=drop",
	  "{\"event_type\":[{\"type\":4,\"match_sub_type\":true,\"sub_type\":3},{\"type\":1}]}\n",
	  "" },
	{ "type=policy-verdict", "{\"event_type\":[{\"type\":5}]}\n", "" },
	{ "type=drop:133",
	  "{\"event_type\":[{\"type\":1,\"match_sub_type\":true,\"sub_type\":133}]}\n", "" },
	{ "tcp-flags=SYN,ACK", "{\"tcp_flags\":[{\"SYN\":true,\"ACK\":true}]}\n", "" },
	{ "protocol=TCP ip-version=6", "{\"protocol\":[\"tcp\"],\"ip_version\":[\"IPv6\"]}\n", "" },
	{ "drop-reason-desc=policy-denied traffic-direction=egress",
	  "{\"traffic_direction\":[\"EGRESS\"],\"drop_reason_desc\":[\"POLICY_DENIED\"]}\n", "" },
	{ "from-workload=Deployment/w",
	  "{\"source_workload\":[{\"name\":\"w\",\"kind\":"
	  "\"Deployment\"}]}\n",
	  "" },
	{ "from-ip=10.0.0.0/8 to-ip=fd00::1",
	  "{\"source_ip\":[\"10.0.0.0/8\"],\"destination_ip\":[\"fd00::1\"]}\n", "" },
	{ "label=app=x", "{\"source_label\":[\"app=x\"]}\n{\"destination_label\":[\"app=x\"]}\n",
	  "" },
};

static int add_flags(struct observe_filters *filters, const char *flags, struct diag *diag)
{
	char copy[256], *rest = copy, *flag;
	int r = 0;

	snprintf(copy, sizeof(copy), "%s", flags);
	while (r == 0 && (flag = strsep(&rest, " ")) && *flag) {
		char *equals = strchr(flag, '=');

		if (equals)
			*equals = '\0';
		r = observe_filters_add(filters, flag, equals ? equals + 1 : NULL, diag);
	}
	return r;
}

static void assert_list(const struct observe_lists *list, const char *want)
{
	char text[1024] = "";
	size_t len = 0;

	for (size_t i = 0; i < list->count; i++) {
		_cleanup_free_ char *json = NULL;

		assert_int_equal(observe_filter_format(list->items[i], &json), 0);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n", json);
	}
	assert_string_equal(text, want);
}

static void flags_become_hubbles_filters(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(observe_filters_freep) struct observe_filters *filters = NULL;
		struct observe_lists white, black;
		struct diag diag = { 0 };

		print_message("%s\n", cases[i].flags);
		assert_int_equal(observe_filters_new(&filters), 0);
		assert_int_equal(add_flags(filters, cases[i].flags, &diag), 0);
		assert_int_equal(observe_filters_finish(filters, &white, &black, &diag), 0);
		assert_list(&white, cases[i].white);
		assert_list(&black, cases[i].black);
	}
}

static const struct wrong_case {
	const char *flags, *text; /* a part of the message */
} wrong[] = {
	{ "port=65536", "65536" },
	{ "port=http", "a port" },
	{ "from-ip=10.0.0.0/33", "CIDR" },
	{ "identity=nobody", "reserved" },
	{ "verdict=maybe", "maybe" },
	{ "type=nonsense", "policy-verdict" },
	{ "type=trace:nowhere", "to-endpoint" },
	{ "tcp-flags=SYN,WHAT", "WHAT" },
	{ "protocol=quic", "tcp" },
	{ "not", "--not" },
	{ "not not pod=a", "--not" },
	{ "pod=a from-pod=b", "--from-pod" },
	{ "to-label=a label=b", "--to-label" },
	{ "namespace=x pod=y/a", "y/a" },
	{ "pod=a from-namespace=x", "--from-namespace" },
};

static void wrong_flags_say_what_was_expected(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_(observe_filters_freep) struct observe_filters *filters = NULL;
		struct observe_lists white, black;
		struct diag diag = { 0 };
		int r;

		print_message("%s\n", wrong[i].flags);
		assert_int_equal(observe_filters_new(&filters), 0);
		r = add_flags(filters, wrong[i].flags, &diag);
		if (r == 0)
			r = observe_filters_finish(filters, &white, &black, &diag);
		assert_int_equal(r, -EINVAL);
		if (!strstr(diag.text, wrong[i].text))
			fail_msg("'%s' does not say %s", diag.text, wrong[i].text);
	}
}

static void filters_in_json_stand_beside_flags(void **state)
{
	_cleanup_(observe_filters_freep) struct observe_filters *filters = NULL;
	struct observe_lists white, black;
	struct diag diag = { 0 };

	assert_int_equal(observe_filters_new(&filters), 0);
	assert_int_equal(observe_filters_add_json(filters, false,
						  "{\"source_pod\":[\"a\"]} {\"reply\":[true]}\n",
						  &diag),
			 0);
	assert_int_equal(observe_filters_add_json(filters, true, "{\"uuid\":[\"1\"]}", &diag), 0);
	assert_int_equal(observe_filters_add(filters, "verdict", "DROPPED", &diag), 0);
	assert_int_equal(observe_filters_finish(filters, &white, &black, &diag), 0);
	assert_list(&white, "{\"verdict\":[\"DROPPED\"]}\n{\"source_pod\":[\"a\"]}\n"
			    "{\"reply\":[true]}\n");
	assert_list(&black, "{\"uuid\":[\"1\"]}\n");
	assert_int_equal(observe_filters_add_json(filters, true, "{\"nonsense\":1}", &diag),
			 -EINVAL);
	assert_int_equal(observe_filters_add_json(filters, true, "[", &diag), -EINVAL);
	assert_int_equal(observe_filters_add(filters, "nonsense", "x", &diag), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_become_hubbles_filters),
		cmocka_unit_test(wrong_flags_say_what_was_expected),
		cmocka_unit_test(filters_in_json_stand_beside_flags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
