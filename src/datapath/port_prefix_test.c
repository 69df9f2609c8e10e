/* SPDX-License-Identifier: Apache-2.0 */
#include "port_prefix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static size_t covered(const struct port_prefix *prefixes, size_t count, uint32_t port)
{
	size_t hits = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t size = 1u << (16 - prefixes[i].bits);

		hits += port >= prefixes[i].port && port < prefixes[i].port + size;
	}
	return hits;
}

static void check_range(uint16_t first, uint16_t last)
{
	struct port_prefix prefixes[PORT_PREFIX_MAX];
	size_t count = port_prefix_split(first, last, prefixes);

	for (uint32_t port = 0; port <= UINT16_MAX; port++)
		assert_int_equal(covered(prefixes, count, port), port >= first && port <= last);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(prefixes[i].port & ((1u << (16 - prefixes[i].bits)) - 1), 0);
}

static void one_port_is_one_full_prefix(void **state)
{
	struct port_prefix prefixes[PORT_PREFIX_MAX];

	assert_int_equal(port_prefix_split(443, 443, prefixes), 1);
	assert_int_equal(prefixes[0].port, 443);
	assert_int_equal(prefixes[0].bits, 16);
}

static void all_ports_are_one_empty_prefix(void **state)
{
	struct port_prefix prefixes[PORT_PREFIX_MAX];

	assert_int_equal(port_prefix_split(0, 65535, prefixes), 1);
	assert_int_equal(prefixes[0].bits, 0);
}

static void the_worst_range_takes_thirty_prefixes(void **state)
{
	struct port_prefix prefixes[PORT_PREFIX_MAX];

	assert_int_equal(port_prefix_split(1, 65534, prefixes), 30);
}

static void prefixes_cover_each_port_of_the_range_once_and_no_other(void **state)
{
	uint32_t seed = 1;

	check_range(0, 0);
	check_range(65535, 65535);
	check_range(1, 65534);
	check_range(1024, 65535);
	check_range(0, 1023);
	for (int i = 0; i < 60; i++) {
		uint16_t a, b;

		seed = seed * 1664525 + 1013904223;
		a = (uint16_t)(seed >> 16);
		seed = seed * 1664525 + 1013904223;
		b = (uint16_t)(seed >> 16);
		check_range(a < b ? a : b, a < b ? b : a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_port_is_one_full_prefix),
		cmocka_unit_test(all_ports_are_one_empty_prefix),
		cmocka_unit_test(the_worst_range_takes_thirty_prefixes),
		cmocka_unit_test(prefixes_cover_each_port_of_the_range_once_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
