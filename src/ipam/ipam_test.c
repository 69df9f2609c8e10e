/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/ipam.h"

static struct ipam *make(const char *ipv4, const char *ipv6)
{
	struct prefix v4 = { 0 }, v6 = { 0 };
	struct ipam *ipam = NULL;

	if (ipv4)
		assert_int_equal(prefix_parse(ipv4, &v4), 0);
	if (ipv6)
		assert_int_equal(prefix_parse(ipv6, &v6), 0);
	assert_int_equal(ipam_new(ipv4 ? &v4 : NULL, ipv6 ? &v6 : NULL, &ipam), 0);
	return ipam;
}

static struct td_addr parse(const char *text)
{
	struct td_addr addr;

	assert_int_equal(address_parse(text, &addr), 0);
	return addr;
}

static void assert_takes(struct ipam *ipam, int family, const char *want)
{
	char buf[ADDRESS_TEXT_MAX];
	struct td_addr addr;

	assert_int_equal(ipam_take(ipam, family, &addr), 0);
	assert_string_equal(address_format(&addr, buf), want);
}

static void network_first_and_broadcast_are_never_given_out(void **state)
{
	_cleanup_(ipam_freep) struct ipam *ipam = make("10.1.0.0/29", "fd00:1::/125");
	struct td_addr addr;

	assert_int_equal(ipam_capacity(ipam, 4), 5);
	assert_int_equal(ipam_capacity(ipam, 6), 6);
	for (int i = 2; i <= 6; i++) {
		char want[32];

		snprintf(want, sizeof(want), "10.1.0.%d", i);
		assert_takes(ipam, 4, want);
		snprintf(want, sizeof(want), "fd00:1::%d", i);
		assert_takes(ipam, 6, want);
	}
	assert_int_equal(ipam_take(ipam, 4, &addr), -ENOSPC);
	assert_takes(ipam, 6, "fd00:1::7");
	assert_int_equal(ipam_take(ipam, 6, &addr), -ENOSPC);
	assert_int_equal(ipam_used(ipam, 4), 5);
}

static void exhausted_prefix_serves_again_after_a_release(void **state)
{
	_cleanup_(ipam_freep) struct ipam *ipam = make("10.1.0.0/30", NULL);
	struct td_addr addr = parse("10.1.0.2"), none = parse("192.0.2.1"), kept = none;

	assert_takes(ipam, 4, "10.1.0.2");
	assert_int_equal(ipam_take(ipam, 4, &kept), -ENOSPC);
	assert_int_equal(address_compare(&kept, &none), 0);
	ipam_release(ipam, &addr);
	assert_takes(ipam, 4, "10.1.0.2");
}

static void freed_address_is_not_reused_before_the_wrap(void **state)
{
	_cleanup_(ipam_freep) struct ipam *ipam = make("10.1.0.0/24", NULL);
	struct td_addr first = parse("10.1.0.2"), addr;

	for (int i = 0; i < 253; i++) {
		assert_int_equal(ipam_take(ipam, 4, &addr), 0);
		assert_true(i == 0 || address_compare(&addr, &first) != 0);
		ipam_release(ipam, &addr);
	}
	assert_takes(ipam, 4, "10.1.0.2");
}

static void adopted_addresses_are_skipped_and_not_adopted_twice(void **state)
{
	_cleanup_(ipam_freep) struct ipam *ipam = make("10.1.0.0/29", "fd00::/64");
	struct td_addr three = parse("10.1.0.3"), six = parse("fd00::5");

	assert_int_equal(ipam_reserve(ipam, &three), 0);
	assert_int_equal(ipam_reserve(ipam, &three), -EEXIST);
	assert_int_equal(ipam_reserve(ipam, &six), 0);
	assert_takes(ipam, 4, "10.1.0.4");
	assert_takes(ipam, 4, "10.1.0.5");
	assert_takes(ipam, 4, "10.1.0.6");
	assert_takes(ipam, 4, "10.1.0.2");
	assert_takes(ipam, 6, "fd00::6");
	assert_int_equal(ipam_used(ipam, 4), 5);
}

static const char *const strangers[] = { "10.1.0.0", "10.1.0.1", "10.1.0.7", "10.2.0.3",
					 "fd00::",   "fd00::1",  "fd01::2",  "fd00::1:0:2" };

static void addresses_of_others_are_refused(void **state)
{
	_cleanup_(ipam_freep) struct ipam *ipam = make("10.1.0.0/29", "fd00::/64");

	for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++) {
		struct td_addr addr = parse(strangers[i]);

		assert_int_equal(ipam_reserve(ipam, &addr), -ERANGE);
		ipam_release(ipam, &addr);
	}
	assert_int_equal(ipam_used(ipam, 4) + ipam_used(ipam, 6), 0);
}

static void release_of_a_free_address_changes_nothing(void **state)
{
	_cleanup_(ipam_freep) struct ipam *ipam = make("10.1.0.0/29", NULL);
	struct td_addr free_one = parse("10.1.0.5");

	assert_takes(ipam, 4, "10.1.0.2");
	ipam_release(ipam, &free_one);
	assert_int_equal(ipam_used(ipam, 4), 1);
}

static const struct prefix_case {
	const char *prefix;
	int family, want;
} prefix_cases[] = {
	{ "10.0.0.0/7", 4, -EINVAL },  { "10.0.0.0/31", 4, -EINVAL }, { "10.0.0.0/8", 4, 0 },
	{ "10.0.0.0/30", 4, 0 },       { "fd00::/63", 6, -EINVAL },   { "fd00::/127", 6, -EINVAL },
	{ "fd00::/64", 6, 0 },         { "fd00::/126", 6, 0 },        { "fd00::/64", 4, -EINVAL },
	{ "10.0.0.0/24", 6, -EINVAL },
};

static void prefixes_outside_the_limits_are_refused(void **state)
{
	for (size_t i = 0; i < sizeof(prefix_cases) / sizeof(*prefix_cases); i++) {
		const struct prefix_case *c = &prefix_cases[i];
		_cleanup_(ipam_freep) struct ipam *ipam = NULL;
		struct prefix prefix;

		assert_int_equal(prefix_parse(c->prefix, &prefix), 0);
		assert_int_equal(ipam_new(c->family == 4 ? &prefix : NULL,
					  c->family == 6 ? &prefix : NULL, &ipam),
				 c->want);
	}
}

static void family_without_a_prefix_is_said_so(void **state)
{
	_cleanup_(ipam_freep) struct ipam *ipam = make("10.1.0.0/24", NULL);
	struct td_addr addr;

	assert_int_equal(ipam_take(ipam, 6, &addr), -EAFNOSUPPORT);
	assert_int_equal(ipam_capacity(ipam, 6), 0);
}

/* 20,000 random takes and releases against a plain array of flags. */
static void random_cycles_leak_nothing_and_give_no_address_twice(void **state)
{
	_cleanup_(ipam_freep) struct ipam *ipam = make("10.1.0.0/24", NULL);
	bool used[256] = { false };
	unsigned int seed = 42, count = 0;

	for (int i = 0; i < 20000; i++) {
		struct td_addr addr;

		if (rand_r(&seed) % 2) {
			int r = ipam_take(ipam, 4, &addr);

			assert_int_equal(r, count == 253 ? -ENOSPC : 0);
			if (r == 0) {
				assert_false(used[addr.bytes[15]]);
				used[addr.bytes[15]] = true;
				count++;
			}
		} else {
			addr = parse("10.1.0.0");
			addr.bytes[15] = (uint8_t)rand_r(&seed);
			count -= used[addr.bytes[15]];
			used[addr.bytes[15]] = false;
			ipam_release(ipam, &addr);
		}
		assert_int_equal(ipam_used(ipam, 4), count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_first_and_broadcast_are_never_given_out),
		cmocka_unit_test(exhausted_prefix_serves_again_after_a_release),
		cmocka_unit_test(freed_address_is_not_reused_before_the_wrap),
		cmocka_unit_test(adopted_addresses_are_skipped_and_not_adopted_twice),
		cmocka_unit_test(addresses_of_others_are_refused),
		cmocka_unit_test(release_of_a_free_address_changes_nothing),
		cmocka_unit_test(prefixes_outside_the_limits_are_refused),
		cmocka_unit_test(family_without_a_prefix_is_said_so),
		cmocka_unit_test(random_cycles_leak_nothing_and_give_no_address_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
