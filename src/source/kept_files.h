/* SPDX-License-Identifier: Apache-2.0 */
/* kept_files: the last text of each file that was in force, so that a file that is broken when we start
 * again has previous objects too. Else a slip of the pen and a reboot would take a policy away.
 *
 * In: texts by the names of their files    Out: the same
 * Owns: a directory and what is in it    Thread: main loop; blocks on the disk */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct kept_files;
/* Makes the directory (0700; its parent must exist). -errno. */
int kept_files_open(const char *dir, struct kept_files **ret);
void kept_files_free(struct kept_files *kept);
DEFINE_FREEP(kept_files);

/* Durable; nothing is written if it is there already. -errno. */
int kept_files_put(const struct kept_files *kept, const char *name, const char *text,
		   size_t length);
/* The caller frees *ret. -ENOENT or another -errno. */
int kept_files_get(const struct kept_files *kept, const char *name, char **ret, size_t *ret_length);
/* Removes those that stays() does not want. -errno of the directory. */
int kept_files_sweep(const struct kept_files *kept, bool (*stays)(const char *name, void *data),
		     void *data);
