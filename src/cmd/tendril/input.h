/* SPDX-License-Identifier: Apache-2.0 */
/* input: files that people name on the command line.
 *
 * Owns: nothing    Thread: one */
#pragma once

#include <stddef.h>

/* The whole file, or stdin for "-", up to somewhat more than the agent takes; the caller frees.
 * NUL-terminated. Returns 0, or EXIT_NO after saying on stderr what is wrong. */
int input_read(const char *path, char **ret, size_t *ret_len);
