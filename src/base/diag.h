/* SPDX-License-Identifier: Apache-2.0 */
/* diag: what is wrong with a human's input: where, what was found, what was expected.
 *
 * In: the parser's findings    Out: one line "file:line: found X, expected Y"
 * Owns: its strings, in place (cut at DIAG_TEXT_MAX)    Thread: any, one at a time
 *
 * The first finding stays: later diag_set() calls on the same struct change nothing, so the cause
 * is not covered by what follows from it. */
#pragma once

#include <stdbool.h>

#include "util.h"

#define DIAG_TEXT_MAX 512
#define DIAG_FILE_MAX 256

struct diag {
	char file[DIAG_FILE_MAX]; /* "" if unknown */
	unsigned int line;        /* from 1; 0 if unknown */
	char text[DIAG_TEXT_MAX]; /* "" if nothing was found wrong */
};

/* Records the first finding. Returns -EINVAL, so a parser may `return diag_set(...)`. */
int diag_set(struct diag *diag, const char *file, unsigned int line, const char *fmt, ...)
	_printf_(4, 5);

bool diag_is_set(const struct diag *diag);

/* Writes "file:line: text" (parts that are unknown left out) into buf, always terminated. */
void diag_format(const struct diag *diag, char *buf, unsigned int size);
