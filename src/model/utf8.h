/* SPDX-License-Identifier: Apache-2.0 */
/* utf8: is it text? (RFC 3629: shortest forms, no surrogates, at most U+10FFFF.)
 *
 * Thread: any. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Valid UTF-8 whose only control characters are tab, line feed and carriage return. If not,
 * ret_bad (may be NULL) is the offset of the first byte that is wrong. */
bool utf8_is_text(const char *text, size_t length, size_t *ret_bad);
/* Valid UTF-8 without NUL bytes. */
bool utf8_is_string(const char *text, size_t length);
