/* SPDX-License-Identifier: Apache-2.0 */
/* text_file: whole small files in and out of a directory, safely.
 *
 * In: a directory's fd and a name    Out: its text; or a file that is there whole or not at all
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

/* Writes text to a new file and syncs it; it has no name that counts yet. -errno. */
int text_file_write(int dir_fd, const char *temporary, const char *text, size_t length);
