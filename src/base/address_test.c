/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

static const struct prefix_case {
	const char *text;
	const char *want; /* NULL: refused */
} prefix_cases[] = {
	{ "10.1.2.3/8", "10.0.0.0/8" },
	{ "10.1.2.3", "10.1.2.3/32" },
	{ "0.0.0.0/0", "0.0.0.0/0" },
	{ "fd00::1/64", "fd00::/64" },
	{ "::/0", "::/0" },
	{ "::ffff:10.0.0.1", "10.0.0.1/32" },
	{ "10.0.0.0/33", NULL },
	{ "10.0.0.0/08", NULL },
	{ "fd00::/129", NULL },
	{ "10.0.0.0/-1", NULL },
	{ "10.0.0.0/ 8", NULL },
	{ "10.0.0/8", NULL },
	{ "", NULL },
	{ "/8", NULL },
};

static void prefixes_parse_and_clear_host_bits(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefix_cases); i++) {
		struct prefix prefix;
		char buf[PREFIX_TEXT_MAX];
		int r = prefix_parse(prefix_cases[i].text, &prefix);

		if (!prefix_cases[i].want) {
			assert_int_equal(r, -EINVAL);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(prefix_format(&prefix, buf), prefix_cases[i].want);
	}
}

static const struct contains_case {
	const char *prefix, *addr;
	bool want;
} contains_cases[] = {
	{ "10.0.0.0/8", "10.255.0.1", true },  { "10.0.0.0/8", "11.0.0.1", false },
	{ "0.0.0.0/0", "192.0.2.1", true },    { "0.0.0.0/0", "::1", false },
	{ "::/0", "192.0.2.1", false },        { "::/0", "fd00::1", true },
	{ "192.0.2.4/31", "192.0.2.5", true }, { "192.0.2.4/31", "192.0.2.6", false },
	{ "192.0.2.4/32", "192.0.2.4", true }, { "fd00::/9", "fd7f::1", true },
	{ "fd00::/9", "fd80::1", false },
};

static void a_prefix_contains_addresses_of_its_own_family_only(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(contains_cases); i++) {
		struct prefix prefix;
		struct td_addr addr;

		assert_int_equal(prefix_parse(contains_cases[i].prefix, &prefix), 0);
		assert_int_equal(address_parse(contains_cases[i].addr, &addr), 0);
		assert_int_equal(prefix_contains(&prefix, &addr), contains_cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_parse_and_clear_host_bits),
		cmocka_unit_test(a_prefix_contains_addresses_of_its_own_family_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
