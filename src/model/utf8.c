/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <stdint.h>

/* Bytes of the sequence that starts here; 0 if it is none. */
static size_t sequence_length(const unsigned char *bytes, size_t left)
{
	static const struct form {
		uint8_t mask, lead;
		uint32_t min;
	} forms[] = { { 0x80, 0x00, 0 },
		      { 0xe0, 0xc0, 0x80 },
		      { 0xf0, 0xe0, 0x800 },
		      { 0xf8, 0xf0, 0x10000 } };

	for (size_t extra = 0; extra < 4; extra++) {
		const struct form *form = &forms[extra];
		uint32_t code = bytes[0] & (uint8_t)~form->mask;

		if ((bytes[0] & form->mask) != form->lead)
			continue;
		if (extra >= left)
			return 0;
		for (size_t i = 1; i <= extra; i++) {
			if ((bytes[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (bytes[i] & 0x3f);
		}
		if (code < form->min || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return 0;
		return extra + 1;
	}
	return 0;
}

static bool is_control(unsigned char byte)
{
	return (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f;
}

bool utf8_is_text(const char *text, size_t length, size_t *ret_bad)
{
	const unsigned char *bytes = (const unsigned char *)text;

	for (size_t i = 0; i < length;) {
		size_t step = is_control(bytes[i]) ? 0 : sequence_length(bytes + i, length - i);

		if (!step) {
			if (ret_bad)
				*ret_bad = i;
			return false;
		}
		i += step;
	}
	return true;
}

bool utf8_is_string(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;

	for (size_t i = 0; i < length;) {
		size_t step = bytes[i] ? sequence_length(bytes + i, length - i) : 0;

		if (!step)
			return false;
		i += step;
	}
	return true;
}
