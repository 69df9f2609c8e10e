/* SPDX-License-Identifier: Apache-2.0 */
/* inventory_files: a cloud's groups in a directory's *.yaml files (model/inventory.h), watched live.
 *
 * In: a directory that an operator's job writes    Out: objects of kind OBJECT_INVENTORY_GROUP, of
 * origin STORE_FILE, in the store; problems for the status
 * Owns: its watch on the loop; the last good text of each file, in a directory of its own
 * Thread: main loop; reads and writes files there
 *
 * As in files.h, and: a file that is broken, or was generated longer ago than max_age, leaves the
 * last good groups of that file in force, over restarts too, and is a problem; so are groups that grow
 * older than max_age in force. A file that was never good has no groups. */
#pragma once

#include "source/files.h"

struct inventory_files;
/* keep: where the last good texts are; made if its parent exists. max_age: seconds, 0: any. -errno. */
int inventory_files_new(uv_loop_t *loop, const char *dir, const char *keep, int64_t max_age,
			struct store *store, struct inventory_files **ret);
/* Stops watching; what the store holds stays. The loop must run once more to close the handles. */
void inventory_files_free(struct inventory_files *inventory);
DEFINE_FREEP(inventory_files);

/* Each file that is not in force as it stands, or is too old by now. */
void inventory_files_for_each_problem(const struct inventory_files *inventory,
				      void (*fn)(const char *name, const struct diag *problem,
						 void *data),
				      void *data);
