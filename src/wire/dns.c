/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/util.h"

#define HEADER_SIZE 12
#define CLASS_IN    1

struct reader {
	const uint8_t *data;
	size_t size;
	size_t at;
};

static bool reader_has(const struct reader *reader, size_t bytes)
{
	return reader->size - reader->at >= bytes;
}

static uint16_t read_u16(struct reader *reader)
{
	const uint8_t *p = reader->data + reader->at;

	reader->at += 2;
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t read_u32(struct reader *reader)
{
	uint32_t high = read_u16(reader);

	return high << 16 | read_u16(reader);
}

static size_t text_byte(char *text, size_t at, uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		byte |= 0x20;
	if (byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\') {
		text[at++] = (char)byte;
		return at;
	}
	text[at++] = '\\';
	text[at++] = (char)('0' + byte / 100);
	text[at++] = (char)('0' + byte / 10 % 10);
	text[at++] = (char)('0' + byte % 10);
	return at;
}

/* Reads the name at *at and moves *at behind it. text may be NULL. A pointer must lead in front of
 * the labels it follows; so the way down is finite whatever the bytes say. -ENODATA: the bytes end
 * inside the name; -EINVAL: malformed. */
static int read_name(const uint8_t *data, size_t size, size_t *at, char *text)
{
	size_t pos = *at, start = *at, end = 0, wire = 1, out = 0;

	for (;;) {
		uint8_t length;

		if (pos >= size)
			return -ENODATA;
		length = data[pos];
		if (length >= 0xc0) {
			if (size - pos < 2)
				return -ENODATA;
			end = end ? end : pos + 2;
			pos = (size_t)(length & 0x3f) << 8 | data[pos + 1];
			if (pos >= start)
				return -EINVAL;
			start = pos;
			continue;
		}
		if (length == 0)
			break;
		wire += length + 1u;
		if (length > 63 || wire > DNS_NAME_MAX)
			return -EINVAL;
		if (size - pos - 1 < length)
			return -ENODATA;
		if (text && out)
			text[out++] = '.';
		for (size_t i = 1; text && i <= length; i++)
			out = text_byte(text, out, data[pos + i]);
		pos += length + 1u;
	}
	if (text && !out)
		text[out++] = '.';
	if (text)
		text[out] = 0;
	*at = end ? end : pos + 1;
	return 0;
}

int dns_name(const uint8_t *data, size_t size, size_t offset, char ret[static DNS_NAME_TEXT_MAX])
{
	char text[DNS_NAME_TEXT_MAX];
	int r;

	r = read_name(data, size, &offset, text);
	if (r < 0)
		return -EINVAL;
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int parse_questions(struct reader *reader, unsigned int count, struct dns_message *message)
{
	for (unsigned int i = 0; i < count; i++) {
		int r;

		r = read_name(reader->data, reader->size, &reader->at, i ? NULL : message->query);
		if (r < 0)
			return -EINVAL;
		if (!reader_has(reader, 4))
			return -EINVAL;
		if (i == 0)
			message->qtype = read_u16(reader);
		else
			reader->at += 2;
		reader->at += 2; /* class */
	}
	return 0;
}

/* Fills in what the data of a record says. False: nothing for us. -EINVAL: malformed. */
static int parse_data(const struct reader *reader, size_t length, struct dns_answer *answer)
{
	const uint8_t *data = reader->data + reader->at;
	size_t at = reader->at;
	uint32_t ipv4;

	switch (answer->type) {
	case DNS_TYPE_A:
		if (length != 4)
			return -EINVAL;
		memcpy(&ipv4, data, 4);
		answer->addr = address_from_ipv4(ipv4);
		return true;
	case DNS_TYPE_AAAA:
		if (length != 16)
			return -EINVAL;
		memcpy(answer->addr.bytes, data, 16);
		return true;
	case DNS_TYPE_CNAME:
		answer->target = (uint16_t)at;
		if (read_name(reader->data, reader->size, &at, NULL) < 0)
			return -EINVAL;
		return at == reader->at + length ? true : -EINVAL;
	default:
		return false;
	}
}

/* 1: read, 0: the bytes ended, -EINVAL: malformed. */
static int parse_answer(struct reader *reader, struct dns_message *message)
{
	struct dns_answer answer = { .owner = (uint16_t)reader->at };
	size_t length;
	uint16_t class;
	int r;

	r = read_name(reader->data, reader->size, &reader->at, NULL);
	if (r < 0)
		return r == -ENODATA ? 0 : r;
	if (!reader_has(reader, 10))
		return 0;
	answer.type = read_u16(reader);
	class = read_u16(reader);
	answer.ttl = read_u32(reader);
	length = read_u16(reader);
	if (!reader_has(reader, length))
		return 0;
	/* RFC 2181, 8: a TTL with the top bit set counts as zero. */
	if (answer.ttl > INT32_MAX)
		answer.ttl = 0;
	r = class == CLASS_IN ? parse_data(reader, length, &answer) : false;
	if (r < 0)
		return r;
	if (r && message->answer_count < ARRAY_SIZE(message->answers))
		message->answers[message->answer_count++] = answer;
	reader->at += length;
	return 1;
}

int dns_parse(const uint8_t *data, size_t size, struct dns_message *ret)
{
	struct reader reader = { data, MIN(size, (size_t)UINT16_MAX), 0 };
	unsigned int questions, answers;
	struct dns_message message;
	uint16_t flags;
	int r = 1;

	if (!reader_has(&reader, HEADER_SIZE))
		return -EINVAL;
	memset(&message, 0, offsetof(struct dns_message, query) + 1);
	message.qtype = 0;
	message.answer_count = 0;
	message.id = read_u16(&reader);
	flags = read_u16(&reader);
	message.response = flags >> 15;
	message.opcode = flags >> 11 & 15;
	message.truncated = flags >> 9 & 1;
	message.rcode = flags & 15;
	questions = read_u16(&reader);
	answers = read_u16(&reader);
	reader.at += 4; /* counts of authority and additional records, which are not read */
	if (parse_questions(&reader, questions, &message) < 0)
		return -EINVAL;
	for (unsigned int i = 0; i < answers && r > 0; i++)
		r = parse_answer(&reader, &message);
	if (r < 0)
		return r;
	if (r == 0)
		message.truncated = true;
	memcpy(ret, &message, offsetof(struct dns_message, query));
	memcpy(ret->query, message.query, strlen(message.query) + 1);
	ret->qtype = message.qtype;
	memcpy(ret->answers, message.answers, message.answer_count * sizeof(*message.answers));
	ret->answer_count = message.answer_count;
	return 0;
}

static const struct {
	uint16_t type;
	const char *name;
} type_names[] = {
	{ DNS_TYPE_A, "A" },     { DNS_TYPE_NS, "NS" },     { DNS_TYPE_CNAME, "CNAME" },
	{ DNS_TYPE_SOA, "SOA" }, { DNS_TYPE_PTR, "PTR" },   { DNS_TYPE_MX, "MX" },
	{ DNS_TYPE_TXT, "TXT" }, { DNS_TYPE_AAAA, "AAAA" }, { DNS_TYPE_SRV, "SRV" },
};

const char *dns_type_name(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_names); i++)
		if (type_names[i].type == type)
			return type_names[i].name;
	return NULL;
}

static const char *const rcode_texts[] = {
	"No Error",
	"Format Error",
	"Server Failure",
	"Non-Existent Domain",
	"Not Implemented",
	"Query Refused",
	"Name Exists when it should not",
	"RR Set Exists when it should not",
	"RR Set that should exist does not",
	"Server Not Authoritative for zone",
	"Name not contained in zone",
};

const char *dns_rcode_text(uint8_t rcode)
{
	return rcode < ARRAY_SIZE(rcode_texts) ? rcode_texts[rcode] : NULL;
}
