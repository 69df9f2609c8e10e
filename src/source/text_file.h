/* SPDX-License-Identifier: Apache-2.0 */
/* text_file: whole small files out of a directory, safely.
 *
 * In: a directory's fd and a name    Out: its text
 * Owns: nothing    Thread: any; blocks on the disk */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/diag.h"

/* Reads a regular file of at most DOCUMENT_TEXT_MAX bytes; bigger ones and other things are refused
 * before they are read. The caller frees *ret. ret_stat (may be NULL) is from before the reading.
 * -errno; diag is set whenever something is wrong, naming `shown` (a path for humans). */
int text_file_read(int dir_fd, const char *name, const char *shown, char **ret, size_t *ret_length,
		   struct stat *ret_stat, struct diag *diag);
