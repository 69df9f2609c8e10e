/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define READER_STEP 4096u

static const char *const status_names[GRPC_STATUS_MAX] = {
	[GRPC_OK] = "OK",
	[GRPC_CANCELLED] = "Canceled",
	[GRPC_UNKNOWN] = "Unknown",
	[GRPC_INVALID_ARGUMENT] = "InvalidArgument",
	[GRPC_DEADLINE_EXCEEDED] = "DeadlineExceeded",
	[GRPC_NOT_FOUND] = "NotFound",
	[GRPC_ALREADY_EXISTS] = "AlreadyExists",
	[GRPC_PERMISSION_DENIED] = "PermissionDenied",
	[GRPC_RESOURCE_EXHAUSTED] = "ResourceExhausted",
	[GRPC_FAILED_PRECONDITION] = "FailedPrecondition",
	[GRPC_ABORTED] = "Aborted",
	[GRPC_OUT_OF_RANGE] = "OutOfRange",
	[GRPC_UNIMPLEMENTED] = "Unimplemented",
	[GRPC_INTERNAL] = "Internal",
	[GRPC_UNAVAILABLE] = "Unavailable",
	[GRPC_DATA_LOSS] = "DataLoss",
	[GRPC_UNAUTHENTICATED] = "Unauthenticated",
};

const char *grpc_status_name(enum grpc_status status)
{
	return status < GRPC_STATUS_MAX ? status_names[status] : status_names[GRPC_UNKNOWN];
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

enum grpc_status grpc_status_parse(const char *text, size_t size)
{
	unsigned int code = 0;

	if (!size || size > 2)
		return GRPC_UNKNOWN;
	for (size_t i = 0; i < size; i++) {
		if (!is_digit(text[i]))
			return GRPC_UNKNOWN;
		code = code * 10 + (unsigned int)(text[i] - '0');
	}
	return code < GRPC_STATUS_MAX ? (enum grpc_status)code : GRPC_UNKNOWN;
}

enum grpc_status grpc_status_from_http(unsigned int http_status)
{
	switch (http_status) {
	case 400:
		return GRPC_INTERNAL;
	case 401:
		return GRPC_UNAUTHENTICATED;
	case 403:
		return GRPC_PERMISSION_DENIED;
	case 404:
		return GRPC_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504:
		return GRPC_UNAVAILABLE;
	default:
		return GRPC_UNKNOWN;
	}
}

void grpc_prefix_write(uint32_t size, uint8_t ret[static GRPC_PREFIX_SIZE])
{
	ret[0] = 0;
	ret[1] = (uint8_t)(size >> 24);
	ret[2] = (uint8_t)(size >> 16);
	ret[3] = (uint8_t)(size >> 8);
	ret[4] = (uint8_t)size;
}

static int reader_check_prefix(struct grpc_reader *reader)
{
	const uint8_t *p = reader->prefix;

	if (p[0] == 1)
		return -EOPNOTSUPP;
	if (p[0])
		return -EBADMSG;
	reader->want = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	return reader->want > reader->max ? -EMSGSIZE : 0;
}

static int reader_reserve(struct grpc_reader *reader, uint32_t more)
{
	uint32_t need = reader->have + more, capacity = MAX(reader->capacity, READER_STEP);
	uint8_t *data;

	if (need <= reader->capacity)
		return 0;
	while (capacity < need)
		capacity *= 2; /* max is far below 2^31 */
	data = realloc(reader->data, capacity);
	if (!data)
		return -ENOMEM;
	reader->data = data;
	reader->capacity = capacity;
	return 0;
}

int grpc_reader_push(struct grpc_reader *reader, const void *data, size_t size, size_t *ret_used)
{
	const uint8_t *from = data;
	size_t used = 0;
	uint32_t take;
	int r;

	while (reader->prefix_have < GRPC_PREFIX_SIZE && used < size)
		reader->prefix[reader->prefix_have++] = from[used++];
	*ret_used = used;
	if (reader->prefix_have < GRPC_PREFIX_SIZE)
		return 0;
	r = reader_check_prefix(reader); /* on every push: a bad stream stays bad */
	if (r < 0)
		return r;
	take = (uint32_t)MIN(size - used, (size_t)(reader->want - reader->have));
	r = reader_reserve(reader, take);
	if (r < 0)
		return r;
	if (take)
		memcpy(reader->data + reader->have, from + used, take);
	reader->have += take;
	*ret_used = used + take;
	return reader->have == reader->want;
}

void grpc_reader_next(struct grpc_reader *reader)
{
	reader->prefix_have = reader->want = reader->have = 0;
}

uint8_t *grpc_reader_take(struct grpc_reader *reader, uint32_t *ret_size)
{
	uint8_t *data = reader->data ? take_ptr(reader->data) : calloc(1, 1);

	if (!data)
		return NULL;
	*ret_size = reader->have;
	reader->capacity = 0;
	grpc_reader_next(reader);
	return data;
}

bool grpc_reader_is_idle(const struct grpc_reader *reader)
{
	return reader->prefix_have == 0;
}

void grpc_reader_clear(struct grpc_reader *reader)
{
	free(take_ptr(reader->data));
	reader->capacity = 0;
	grpc_reader_next(reader);
}

static bool is_name_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
	       c == '_' || c == '-';
}

bool grpc_path_is_valid(const char *path, size_t size)
{
	size_t slashes = 0, part = 0;

	if (!size || path[0] != '/')
		return false;
	for (size_t i = 0; i < size; i++) {
		if (path[i] == '/') {
			if (slashes++ && !part)
				return false;
			part = 0;
		} else if (is_name_char(path[i])) {
			part++;
		} else {
			return false;
		}
	}
	return slashes == 2 && part;
}

bool grpc_content_type_is_valid(const char *text, size_t size)
{
	static const char want[] = "application/grpc";
	size_t len = sizeof(want) - 1;

	if (size < len || memcmp(text, want, len) != 0)
		return false;
	return size == len || text[len] == '+' || text[len] == ';';
}

size_t grpc_percent_encode(const char *text, char *buf, size_t size)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t len = 0;

	if (!size)
		return 0;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = c >= 0x20 && c <= 0x7e && c != '%';

		if (size - len <= (plain ? 1u : 3u))
			break;
		if (plain) {
			buf[len++] = (char)c;
			continue;
		}
		buf[len++] = '%';
		buf[len++] = hex[c >> 4];
		buf[len++] = hex[c & 15];
	}
	buf[len] = '\0';
	return len;
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

size_t grpc_percent_decode(const char *text, size_t text_size, char *buf, size_t size)
{
	size_t len = 0;

	if (!size)
		return 0;
	for (size_t i = 0; i < text_size && len + 1 < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '%' && text_size - i > 2 && hex_value(text[i + 1]) >= 0 &&
		    hex_value(text[i + 2]) >= 0) {
			c = (unsigned char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
			i += 2;
		}
		buf[len++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	buf[len] = '\0';
	return len;
}

static const struct {
	char letter;
	uint64_t per_ms; /* units in a millisecond, or 0 */
	uint64_t ms;     /* milliseconds in a unit, or 0 */
} timeout_units[] = {
	{ 'H', 0, 3600000 }, { 'M', 0, 60000 }, { 'S', 0, 1000 },
	{ 'm', 0, 1 },       { 'u', 1000, 0 },  { 'n', 1000000, 0 },
};

int grpc_timeout_parse(const char *text, size_t size, uint64_t *ret_ms)
{
	uint64_t value = 0;

	if (size < 2 || size > 9)
		return -EINVAL;
	for (size_t i = 0; i + 1 < size; i++) {
		if (!is_digit(text[i]))
			return -EINVAL;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	for (size_t i = 0; i < ARRAY_SIZE(timeout_units); i++) {
		uint64_t per_ms = timeout_units[i].per_ms;

		if (timeout_units[i].letter != text[size - 1])
			continue;
		*ret_ms = per_ms ? (value + per_ms - 1) / per_ms : value * timeout_units[i].ms;
		return 0;
	}
	return -EINVAL;
}

void grpc_timeout_format(uint64_t ms, char buf[static GRPC_TIMEOUT_MAX])
{
	uint64_t limit = 99999999, seconds = ms / 1000 + (ms % 1000 != 0);

	if (ms <= limit)
		snprintf(buf, GRPC_TIMEOUT_MAX, "%um", (unsigned int)ms);
	else
		snprintf(buf, GRPC_TIMEOUT_MAX, "%uS", (unsigned int)MIN(seconds, limit));
}
