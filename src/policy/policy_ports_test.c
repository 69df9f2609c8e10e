/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>

#include "base/util.h"
#include "policy/policy_ports.h"
#include "policy/policy_reach.h"

#define RANGES_MAX 9

static const struct format_case {
	const char *name, *want;
	unsigned int families;
	struct policy_port_range ranges[RANGES_MAX]; /* ends with protocol 0 */
} cases[] = {
	{ "nothing", "none", POLICY_BOTH, { { 0 } } },
	{ "one port", "80/TCP", POLICY_BOTH, { { IPPROTO_TCP, 80, 80 } } },
	{ "ranges of one protocol",
	  "80,90-99/TCP",
	  POLICY_BOTH,
	  { { IPPROTO_TCP, 80, 80 }, { IPPROTO_TCP, 90, 99 } } },
	{ "ranges that meet are one",
	  "80-99/TCP",
	  POLICY_BOTH,
	  { { IPPROTO_TCP, 80, 89 }, { IPPROTO_TCP, 90, 99 } } },
	{ "several protocols",
	  "53/UDP, 80/SCTP, ICMP/8",
	  POLICY_BOTH,
	  { { IPPROTO_UDP, 53, 53 }, { IPPROTO_SCTP, 80, 80 }, { IPPROTO_ICMP, 8, 8 } } },
	{ "a whole protocol", "all/TCP", POLICY_BOTH, { { IPPROTO_TCP, 1, 65535 } } },
	{ "a whole protocol of types", "ICMPv6/all", POLICY_IPV6, { { IPPROTO_ICMPV6, 0, 255 } } },
	{ "all of one family",
	  "all",
	  POLICY_IPV4,
	  { { IPPROTO_TCP, 1, 65535 },
	    { IPPROTO_UDP, 1, 65535 },
	    { IPPROTO_SCTP, 1, 65535 },
	    { IPPROTO_ICMP, 0, 255 },
	    { POLICY_PROTOCOL_OTHER, 0, 0 } } },
	{ "which is not all of both",
	  "all but ICMPv6/all",
	  POLICY_BOTH,
	  { { IPPROTO_TCP, 1, 65535 },
	    { IPPROTO_UDP, 1, 65535 },
	    { IPPROTO_SCTP, 1, 65535 },
	    { IPPROTO_ICMP, 0, 255 },
	    { POLICY_PROTOCOL_OTHER, 0, 0 } } },
	{ "all but a port and a type",
	  "all but 80/TCP, ICMP/8",
	  POLICY_IPV4,
	  { { IPPROTO_TCP, 1, 79 },
	    { IPPROTO_TCP, 81, 65535 },
	    { IPPROTO_UDP, 1, 65535 },
	    { IPPROTO_SCTP, 1, 65535 },
	    { IPPROTO_ICMP, 0, 7 },
	    { IPPROTO_ICMP, 9, 255 },
	    { POLICY_PROTOCOL_OTHER, 0, 0 } } },
	{ "the same of three protocols is ANY",
	  "53,80-81/ANY, ICMP/8",
	  POLICY_BOTH,
	  { { IPPROTO_TCP, 53, 53 },
	    { IPPROTO_TCP, 80, 81 },
	    { IPPROTO_UDP, 53, 53 },
	    { IPPROTO_UDP, 80, 81 },
	    { IPPROTO_SCTP, 53, 53 },
	    { IPPROTO_SCTP, 80, 81 },
	    { IPPROTO_ICMP, 8, 8 } } },
	{ "of two it is not",
	  "53/TCP, 53/UDP",
	  POLICY_BOTH,
	  { { IPPROTO_TCP, 53, 53 }, { IPPROTO_UDP, 53, 53 } } },
	{ "nor if one has more",
	  "53/TCP, 53/UDP, 53-54/SCTP",
	  POLICY_BOTH,
	  { { IPPROTO_TCP, 53, 53 }, { IPPROTO_UDP, 53, 53 }, { IPPROTO_SCTP, 53, 54 } } },
	{ "all three without the rest",
	  "all/TCP, all/UDP, all/SCTP",
	  POLICY_BOTH,
	  { { IPPROTO_TCP, 1, 65535 }, { IPPROTO_UDP, 1, 65535 }, { IPPROTO_SCTP, 1, 65535 } } },
};

static void sets_are_printed_short_and_whole(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct format_case *item = &cases[i];
		struct policy_ports ports = { 0 };
		char *text;

		for (const struct policy_port_range *range = item->ranges; range->protocol; range++)
			assert_int_equal(policy_ports_append(&ports, range->protocol, range->first,
							     range->last),
					 0);
		text = policy_ports_format(&ports, item->families);
		print_message("%s\n", item->name);
		assert_string_equal(text, item->want);
		assert_int_equal(policy_ports_is_all(&ports, item->families),
				 strcmp(item->want, "all") == 0);
		free(text);
		policy_ports_fini(&ports);
	}
}

static int count_ports(const struct policy_port_range *range,
		       const struct policy_decision *const *decisions, void *data)
{
	size_t *counts = data;

	counts[decisions[0]->allowed + 2 * decisions[1]->allowed] +=
		range->last - range->first + 1u;
	return 0;
}

/* One table allows TCP 80-89 to everyone, the other 85-99: joined, they part there and nowhere else. */
static void reaches_are_joined_at_every_end(void **state)
{
	struct policy_row row = { .klass = 1, .peer = TD_PEER_ANY, .val = { .allow_rule = 20 } };
	struct policy_class classes[] = { { IPPROTO_TCP, 80, 89, 1 }, { IPPROTO_TCP, 85, 99, 1 } };
	struct policy_reach reaches[2] = { 0 };
	size_t counts[4] = { 0 };
	const struct policy_query query = { .identity = TD_ID_HOST };

	for (size_t i = 0; i < 2; i++) {
		const struct policy_table table = {
			.rows = &row, .row_count = 1, .classes = &classes[i], .class_count = 1
		};

		assert_int_equal(policy_reach_make(&table, &query, POLICY_IPV4, &reaches[i]), 0);
	}
	assert_int_equal(policy_reach_join(reaches, 2, count_ports, counts), 0);
	assert_int_equal(counts[3], 5);  /* 85-89 */
	assert_int_equal(counts[1], 5);  /* 80-84 */
	assert_int_equal(counts[2], 10); /* 90-99 */
	assert_int_equal(counts[0], 3 * 65535 - 20 + 256 + 1);
	policy_reach_fini(&reaches[0]);
	policy_reach_fini(&reaches[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_printed_short_and_whole),
		cmocka_unit_test(reaches_are_joined_at_every_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
