/* SPDX-License-Identifier: Apache-2.0 */
/* problems: what is wrong right now, for `tendril status`: each says what, with which consequence,
 * and what to do. One per key; a key that is set again replaces its text.
 *
 * Owns: its strings    Thread: main loop only */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/util.h"

struct problem {
	char *key, *what;
	const char *consequence, *remedy; /* static texts */
};

struct problems {
	struct problem *items;
	size_t count;
};

/* Logs it too, if it is new or its text changed. If memory is short it is only logged. */
void problem_set(struct problems *problems, const char *key, const char *consequence,
		 const char *remedy, const char *fmt, ...) _printf_(5, 6);
/* Logs that it is over. No error if there was none. */
void problem_clear(struct problems *problems, const char *key);
/* Array of {what, consequence, do}. */
json_t *problems_json(const struct problems *problems);
void problems_free(struct problems *problems);
