/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

static const struct frame_case {
	const char *name;
	const char *bytes;
	size_t size;
	int want;            /* of the push */
	size_t used;         /* bytes taken */
	const char *message; /* of a whole message */
} frames[] = {
	{ "nothing", "", 0, 0, 0, NULL },
	{ "part of a prefix", "\0\0\0", 3, 0, 3, NULL },
	{ "prefix alone", "\0\0\0\0\3", 5, 0, 5, NULL },
	{ "empty message", "\0\0\0\0\0", 5, 1, 5, "" },
	{ "whole message", "\0\0\0\0\3abc", 8, 1, 8, "abc" },
	{ "stops at the end of the first", "\0\0\0\0\1a\0\0\0\0\1b", 12, 1, 6, "a" },
	{ "longest allowed", "\0\0\0\0\10abcdefgh", 13, 1, 13, "abcdefgh" },
	{ "one byte too long", "\0\0\0\0\11", 5, -EMSGSIZE, 5, NULL },
	{ "claims 4 GB", "\0\377\377\377\377", 5, -EMSGSIZE, 5, NULL },
	{ "compressed", "\1\0\0\0\1a", 6, -EOPNOTSUPP, 5, NULL },
	{ "unknown flag", "\2\0\0\0\1a", 6, -EBADMSG, 5, NULL },
};

static void frames_are_cut_where_the_prefix_says(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		const struct frame_case *c = &frames[i];
		_cleanup_(grpc_reader_clearp) struct grpc_reader reader = { .max = 8 };
		size_t used = 99;

		print_message("%s\n", c->name);
		assert_int_equal(grpc_reader_push(&reader, c->bytes, c->size, &used), c->want);
		assert_int_equal(used, c->used);
		if (c->message) {
			assert_int_equal(reader.have, strlen(c->message));
			assert_memory_equal(reader.have ? (char *)reader.data : "", c->message,
					    reader.have);
		}
	}
}

static void a_message_in_single_bytes_is_the_same(void **state)
{
	_cleanup_(grpc_reader_clearp) struct grpc_reader reader = { .max = 100 };
	static const char bytes[] = "\0\0\0\0\5hello\0\0\0\0\0";
	unsigned int messages = 0;
	size_t used;

	assert_true(grpc_reader_is_idle(&reader));
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		int r = grpc_reader_push(&reader, bytes + i, 1, &used);

		assert_int_equal(used, 1);
		assert_int_equal(r, i == 9 || i == 14);
		assert_false(grpc_reader_is_idle(&reader));
		if (r == 1) {
			assert_int_equal(reader.have, messages++ ? 0 : 5);
			grpc_reader_next(&reader);
			assert_true(grpc_reader_is_idle(&reader));
		}
	}
	assert_int_equal(messages, 2);
}

static void memory_follows_what_arrived_not_what_was_claimed(void **state)
{
	_cleanup_(grpc_reader_clearp) struct grpc_reader reader = { .max = GRPC_MESSAGE_MAX };
	static const char bytes[] = "\0\0\100\0\0only this";
	size_t used;

	assert_int_equal(grpc_reader_push(&reader, bytes, sizeof(bytes) - 1, &used), 0);
	assert_int_equal(used, sizeof(bytes) - 1);
	assert_true(reader.capacity <= 4096);
}

static void a_taken_message_belongs_to_the_taker(void **state)
{
	_cleanup_(grpc_reader_clearp) struct grpc_reader reader = { .max = 8 };
	_cleanup_free_ uint8_t *first = NULL, *second = NULL;
	uint32_t size = 99;
	size_t used;

	assert_int_equal(grpc_reader_push(&reader, "\0\0\0\0\2hi", 7, &used), 1);
	first = grpc_reader_take(&reader, &size);
	assert_int_equal(size, 2);
	assert_memory_equal(first, "hi", 2);
	assert_int_equal(grpc_reader_push(&reader, "\0\0\0\0\0", 5, &used), 1);
	second = grpc_reader_take(&reader, &size);
	assert_non_null(second);
	assert_int_equal(size, 0);
}

static void written_prefix_reads_back(void **state)
{
	_cleanup_(grpc_reader_clearp) struct grpc_reader reader = { .max = UINT32_MAX };
	uint8_t prefix[GRPC_PREFIX_SIZE];
	size_t used;

	grpc_prefix_write(0x01020304, prefix);
	assert_int_equal(grpc_reader_push(&reader, prefix, sizeof(prefix), &used), 0);
	assert_int_equal(reader.want, 0x01020304);
}

static const struct path_case {
	const char *path;
	bool want;
} paths[] = {
	{ "/observer.Observer/GetFlows", true },
	{ "/grpc.health.v1.Health/Check", true },
	{ "", false },
	{ "/", false },
	{ "//", false },
	{ "/a/", false },
	{ "//b", false },
	{ "a/b", false },
	{ "/a/b/c", false },
	{ "/a", false },
	{ "/a/b?x=1", false },
	{ "/a/..%2f", false },
};

static void paths_have_a_service_and_a_method(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		print_message("%s\n", paths[i].path);
		assert_int_equal(grpc_path_is_valid(paths[i].path, strlen(paths[i].path)),
				 paths[i].want);
	}
}

static const struct timeout_case {
	const char *text;
	int want;
	uint64_t ms;
} timeouts[] = {
	{ "1H", 0, 3600000 },
	{ "2M", 0, 120000 },
	{ "3S", 0, 3000 },
	{ "4m", 0, 4 },
	{ "11993522u", 0, 11994 }, /* rounded up: never earlier than asked */
	{ "1n", 0, 1 },
	{ "0m", 0, 0 },
	{ "99999999H", 0, 359999996400000 },
	{ "", -EINVAL, 0 },
	{ "m", -EINVAL, 0 },
	{ "5", -EINVAL, 0 },
	{ "123456789m", -EINVAL, 0 },
	{ "-1m", -EINVAL, 0 },
	{ "1.5S", -EINVAL, 0 },
	{ "1h", -EINVAL, 0 },
};

static void timeouts_read_as_grpc_writes_them(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
		const struct timeout_case *c = &timeouts[i];
		uint64_t ms = 77;

		print_message("%s\n", c->text);
		assert_int_equal(grpc_timeout_parse(c->text, strlen(c->text), &ms), c->want);
		assert_true(ms == (c->want ? 77 : c->ms));
	}
}

static void formatted_timeouts_are_never_shorter(void **state)
{
	static const uint64_t values[] = { 0, 1, 12000, 99999999, 100000000, 100000001 };
	char text[GRPC_TIMEOUT_MAX];
	uint64_t ms;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		grpc_timeout_format(values[i], text);
		assert_int_equal(grpc_timeout_parse(text, strlen(text), &ms), 0);
		assert_true(ms >= values[i] && ms < values[i] + 1000);
	}
	grpc_timeout_format(UINT64_MAX, text);
	assert_string_equal(text, "99999999S");
}

static const struct percent_case {
	const char *plain, *coded;
} percents[] = {
	{ "", "" },
	{ "no such method", "no such method" },
	{ "100 %", "100 %25" },
	{ "caf\xc3\xa9", "caf%C3%A9" },
};

static void messages_survive_percent_encoding(void **state)
{
	char coded[64], plain[64];

	for (size_t i = 0; i < ARRAY_SIZE(percents); i++) {
		assert_int_equal(grpc_percent_encode(percents[i].plain, coded, sizeof(coded)),
				 strlen(percents[i].coded));
		assert_string_equal(coded, percents[i].coded);
		grpc_percent_decode(coded, strlen(coded), plain, sizeof(plain));
		assert_string_equal(plain, percents[i].plain);
	}
}

static void encoding_cuts_between_characters_only(void **state)
{
	char coded[6];

	assert_int_equal(grpc_percent_encode("ab\n\n", coded, sizeof(coded)), 5);
	assert_string_equal(coded, "ab%0A");
	assert_int_equal(grpc_percent_encode("abc\n", coded, sizeof(coded)), 3);
	assert_string_equal(coded, "abc");
}

static void decoding_keeps_what_is_malformed_and_disarms_control_characters(void **state)
{
	char plain[64];

	grpc_percent_decode("50%", 3, plain, sizeof(plain));
	assert_string_equal(plain, "50%");
	grpc_percent_decode("%zz%1", 5, plain, sizeof(plain));
	assert_string_equal(plain, "%zz%1");
	grpc_percent_decode("%1B[2Jx", 7, plain, sizeof(plain));
	assert_string_equal(plain, "?[2Jx");
	assert_int_equal(grpc_percent_decode("abcdef", 6, plain, 4), 3);
	assert_string_equal(plain, "abc");
}

static void status_codes_read_and_print(void **state)
{
	assert_int_equal(grpc_status_parse("0", 1), GRPC_OK);
	assert_int_equal(grpc_status_parse("16", 2), GRPC_UNAUTHENTICATED);
	assert_int_equal(grpc_status_parse("17", 2), GRPC_UNKNOWN);
	assert_int_equal(grpc_status_parse("", 0), GRPC_UNKNOWN);
	assert_int_equal(grpc_status_parse("0x", 2), GRPC_UNKNOWN);
	assert_int_equal(grpc_status_from_http(503), GRPC_UNAVAILABLE);
	assert_int_equal(grpc_status_from_http(404), GRPC_UNIMPLEMENTED);
	for (unsigned int i = 0; i < GRPC_STATUS_MAX; i++)
		assert_true(grpc_status_name(i)[0] != '\0');
}

static void content_types_of_grpc_only(void **state)
{
	assert_true(grpc_content_type_is_valid("application/grpc", 16));
	assert_true(grpc_content_type_is_valid("application/grpc+proto", 22));
	assert_false(grpc_content_type_is_valid("application/grpc-web", 20));
	assert_false(grpc_content_type_is_valid("application/json", 16));
	assert_false(grpc_content_type_is_valid("application", 11));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_cut_where_the_prefix_says),
		cmocka_unit_test(a_message_in_single_bytes_is_the_same),
		cmocka_unit_test(memory_follows_what_arrived_not_what_was_claimed),
		cmocka_unit_test(a_taken_message_belongs_to_the_taker),
		cmocka_unit_test(written_prefix_reads_back),
		cmocka_unit_test(paths_have_a_service_and_a_method),
		cmocka_unit_test(timeouts_read_as_grpc_writes_them),
		cmocka_unit_test(formatted_timeouts_are_never_shorter),
		cmocka_unit_test(messages_survive_percent_encoding),
		cmocka_unit_test(encoding_cuts_between_characters_only),
		cmocka_unit_test(decoding_keeps_what_is_malformed_and_disarms_control_characters),
		cmocka_unit_test(status_codes_read_and_print),
		cmocka_unit_test(content_types_of_grpc_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
