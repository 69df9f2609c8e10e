/* SPDX-License-Identifier: Apache-2.0 */
/* fsutil: whole files, read within a limit and written so that a reader or a crash sees either the
 * old one or the new one.
 *
 * Owns: nothing    Thread: any */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The whole file, NUL-terminated, caller frees; ret_len (may be NULL) is without the NUL.
 * -EFBIG: longer than max; -EISDIR and other errors of open and read. */
int file_read(const char *path, size_t max, char **ret, size_t *ret_len);

/* Writes beside the file and renames it over it. durable: also fsyncs file and directory, so that
 * it survives a power cut; without, only our own death. mode as open(). On error the old file is
 * there and nothing else. */
int file_replace(const char *path, const void *data, size_t len, mode_t mode, bool durable);

/* Makes the directory and its parents. 0 if it is there; -ENOTDIR if something else is. */
int dir_make(const char *path, mode_t mode);
