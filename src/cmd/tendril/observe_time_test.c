/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_time.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/util.h"

#define SECOND UINT64_C(1000000000)
#define NOW    (UINT64_C(1767366245) * SECOND) /* 2026-01-02T15:04:05Z */

static const struct time_case {
	const char *text;
	int64_t want; /* ns after NOW */
} times[] = {
	{ "now", 0 },
	{ "5s", -5 * (int64_t)SECOND },
	{ "1h30m", -5400 * (int64_t)SECOND },
	{ "1.5s", -1500000000 },
	{ "250ms", -250000000 },
	{ "7us", -7000 },
	{ "2d", -172800 * (int64_t)SECOND },
	{ "2026-01-02T15:04:05Z", 0 },
	{ "2026-01-02T15:04:05.25Z", 250000000 },
	{ "2026-01-02T15:04:05", 0 },
	{ "2026-01-02 15:04:05", 0 },
	{ "2026-01-02T16:04:05+01:00", 0 },
	{ "2026-01-02T10:34:05-04:30", 0 },
	{ "2026-01-02T15:04Z", -5 * (int64_t)SECOND },
	{ "2026-01-02T15Z", -245 * (int64_t)SECOND },
	{ "2026-01-02", -54245 * (int64_t)SECOND },
};

static void times_are_what_they_say(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		uint64_t time = 0;

		print_message("%s\n", times[i].text);
		assert_int_equal(observe_time_parse(times[i].text, NOW, &time), 0);
		assert_int_equal((int64_t)(time - NOW), times[i].want);
	}
}

static void a_span_longer_than_time_is_the_beginning(void **state)
{
	uint64_t time = 1;

	assert_int_equal(observe_time_parse("36000d", NOW, &time), 0);
	assert_int_equal(time, 0);
}

static const char *const wrong[] = {
	"",
	"5",
	"s",
	"5x",
	"-5s",
	"1h ",
	"2026",
	"2026-13-01",
	"2026-01-32",
	"2026-1-2",
	"2026-01-02T",
	"2026-01-02T25:00:00Z",
	"1969-12-31",
	"2026-01-02T15:04:05.Z",
	"2026-01-02T15:04:05+0100",
	"999999999999999999999999h",
	"2026-01-02T15:04:05Zx",
};

static void anything_else_is_refused(void **state)
{
	uint64_t time = 77;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		print_message("%s\n", wrong[i]);
		assert_int_equal(observe_time_parse(wrong[i], NOW, &time), -EINVAL);
		assert_int_equal(time, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_what_they_say),
		cmocka_unit_test(a_span_longer_than_time_is_the_beginning),
		cmocka_unit_test(anything_else_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
