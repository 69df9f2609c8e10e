/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/util.h"
#include "wire/dns.h"

#define HEADER(flags, questions, answers) "\x12\x34" flags "\0" questions "\0" answers "\0\0\0\0"
#define WWW                               "\3www\6disney\3com\0"
#define BYTES(text)                       (const uint8_t *)(text), sizeof(text) - 1

static const char answer[] =
	HEADER("\x81\x80", "\1",
	       "\3") "\3WwW\6disney\3com\0\0\1\0\1"
		     /* www.disney.com CNAME cdn.disney.com */
		     "\xc0\x0c\0\5\0\1\0\0\1\x2c\0\6\3cdn\xc0\x10"
		     "\xc0\x2c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
		     "\xc0\x2c\0\x1c\0\1\0\0\0\x3c\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1";

static void an_answer_gives_names_addresses_and_ttls(void **state)
{
	struct dns_message message;
	char text[ADDRESS_TEXT_MAX], name[DNS_NAME_TEXT_MAX];

	assert_int_equal(dns_parse(BYTES(answer), &message), 0);
	assert_true(message.response);
	assert_false(message.truncated);
	assert_int_equal(message.id, 0x1234);
	assert_int_equal(message.rcode, 0);
	assert_string_equal(message.query, "www.disney.com");
	assert_int_equal(message.qtype, DNS_TYPE_A);
	assert_int_equal(message.answer_count, 3);
	assert_int_equal(message.answers[0].type, DNS_TYPE_CNAME);
	assert_int_equal(message.answers[0].ttl, 300);
	assert_int_equal(dns_name(BYTES(answer), message.answers[0].target, name), 0);
	assert_string_equal(name, "cdn.disney.com");
	assert_int_equal(dns_name(BYTES(answer), message.answers[1].owner, name), 0);
	assert_string_equal(name, "cdn.disney.com");
	assert_string_equal(address_format(&message.answers[1].addr, text), "192.0.2.1");
	assert_int_equal(message.answers[1].ttl, 60);
	assert_string_equal(address_format(&message.answers[2].addr, text), "2001:db8::1");
}

static void a_cut_answer_gives_what_came_before_the_cut(void **state)
{
	/* The questions end at byte 32: shorter is no message, longer is a cut answer. */
	for (size_t size = 0; size < sizeof(answer) - 1; size++) {
		struct dns_message message;
		int r = dns_parse((const uint8_t *)answer, size, &message);

		if (size < 32) {
			assert_int_equal(r, -EINVAL);
			continue;
		}
		assert_int_equal(r, 0);
		assert_true(message.truncated);
		assert_int_equal(message.answer_count, size < 50 ? 0 : size < 66 ? 1 : 2);
	}
}

static const struct {
	const char *name;
	const uint8_t *data;
	size_t size;
} refused[] = {
	{ "nothing", BYTES("") },
	{ "a pointer to itself", BYTES(HEADER("\1\0", "\1", "\0") "\xc0\x0c\0\1\0\1") },
	{ "a pointer forwards", BYTES(HEADER("\1\0", "\1", "\0") "\xc0\x0e\1a\0\0\1\0\1") },
	{ "two pointers in a circle",
	  BYTES(HEADER("\1\0", "\2", "\0") "\1a\xc0\x10\xc0\x0c\0\1\0\1") },
	{ "a label longer than 63", BYTES(HEADER("\1\0", "\1", "\0") "\x40"
								     "aaaa\0\0\1\0\1") },
	{ "a question without type", BYTES(HEADER("\1\0", "\1", "\0") WWW) },
	{ "an A of five bytes", BYTES(HEADER("\x81\0", "\0", "\1") WWW "\0\1\0\1\0\0\0\1\0\5"
								       "12345") },
	{ "an AAAA of four bytes", BYTES(HEADER("\x81\0", "\0", "\1") WWW "\0\x1c\0\1\0\0\0\1\0\4"
									  "1234") },
	{ "a CNAME longer than its data",
	  BYTES(HEADER("\x81\0", "\0", "\1") WWW "\0\5\0\1\0\0\0\1\0\2" WWW) },
};

static void malformed_messages_are_refused_and_change_nothing(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct dns_message message = { .id = 0x5a5a };

		if (dns_parse(refused[i].data, refused[i].size, &message) != -EINVAL)
			fail_msg("%s was accepted", refused[i].name);
		assert_int_equal(message.id, 0x5a5a);
	}
}

static void names_are_plain_text_whatever_their_bytes(void **state)
{
	static const char odd[] = HEADER("\1\0", "\1", "\0") "\5\x1b[1m.\2\xff\\\0\0\1\0\1";
	static const char root[] = HEADER("\1\0", "\1", "\0") "\0\0\2\0\1";
	struct dns_message message;

	assert_int_equal(dns_parse(BYTES(odd), &message), 0);
	assert_string_equal(message.query, "\\027[1m\\046.\\255\\092");
	assert_int_equal(dns_parse(BYTES(root), &message), 0);
	assert_string_equal(message.query, ".");
	assert_int_equal(message.qtype, DNS_TYPE_NS);
}

static void names_are_at_most_255_bytes(void **state)
{
	uint8_t data[12 + 256 + 4] = { 0, 0, 1, 0, 0, 1 };
	struct dns_message message;
	uint8_t *p = data + 12;

	/* 3 * 64 + 62 + 1 = 255: the longest; all of it escaped is the longest text. */
	for (int i = 0; i < 3; i++, p += 64)
		p[0] = 63;
	p[0] = 61;
	assert_int_equal(dns_parse(data, sizeof(data), &message), 0);
	assert_int_equal(strlen(message.query), 4 * (3 * 63 + 61) + 3);
	p[0] = 62;
	assert_int_equal(dns_parse(data, sizeof(data), &message), -EINVAL);
}

static void more_answers_than_fit_are_left_out(void **state)
{
	static const uint8_t head[12] = { 0, 1, 0x81, 0, 0, 0, 0, 100 };
	static const uint8_t record[15] = { 0, 0, 1, 0, 1, 0xff, 0, 0, 0, 0, 4, 10, 0, 0, 1 };
	uint8_t data[12 + 100 * 15];
	struct dns_message message;

	memcpy(data, head, 12);
	for (int i = 0; i < 100; i++)
		memcpy(data + 12 + i * 15, record, 15);
	assert_int_equal(dns_parse(data, sizeof(data), &message), 0);
	assert_int_equal(message.answer_count, DNS_ANSWER_MAX);
	assert_int_equal(message.answers[0].ttl, 0); /* the top bit is set: RFC 2181 */
	assert_string_equal(message.query, "");
}

static void types_and_codes_have_names(void **state)
{
	assert_string_equal(dns_type_name(28), "AAAA");
	assert_null(dns_type_name(999));
	assert_string_equal(dns_rcode_text(3), "Non-Existent Domain");
	assert_null(dns_rcode_text(200));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_gives_names_addresses_and_ttls),
		cmocka_unit_test(a_cut_answer_gives_what_came_before_the_cut),
		cmocka_unit_test(malformed_messages_are_refused_and_change_nothing),
		cmocka_unit_test(names_are_plain_text_whatever_their_bytes),
		cmocka_unit_test(names_are_at_most_255_bytes),
		cmocka_unit_test(more_answers_than_fit_are_left_out),
		cmocka_unit_test(types_and_codes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
