/* SPDX-License-Identifier: Apache-2.0 */
/* file_set: which objects each file of a directory holds, and what is wrong with it.
 *
 * In: what a scan of the directory found (parsed objects, refusals, removals)
 * Out: one store_commit() of the difference    Owns: the files' objects    Thread: main loop only
 *
 * A refused file's previous objects stay in force. An object may be in one file only: of two files
 * that both hold it the one that did so before keeps it, else the first by name; the other is
 * refused naming both, and tried again at each commit until the conflict is gone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "store/store.h"

struct file_set;
/* dir goes before names in messages and in store_get()->file. */
int file_set_new(const char *dir, struct store *store, struct file_set **ret);
void file_set_free(struct file_set *set);
DEFINE_FREEP(file_set);

/* The file has this content now; takes list (also when it fails with -ENOMEM). */
int file_set_offer(struct file_set *set, const char *name, struct object_list *list);
/* The file is broken. 0 or -ENOMEM. */
int file_set_refuse(struct file_set *set, const char *name, const struct diag *problem);
/* What a file that was not offered yet held in an earlier run: its previous objects, should it be broken
 * now. Takes list (also when it fails with -ENOMEM). */
int file_set_restore(struct file_set *set, const char *name, struct object_list *list);
/* The file is gone. Unknown names are no error. */
void file_set_remove(struct file_set *set, const char *name);

/* Brings the store up to date in one commit. -ENOMEM or the store's refusal: nothing changed. */
int file_set_commit(struct file_set *set, struct diag *diag);

/* Whether what was offered last is in force. */
bool file_set_is_in_force(const struct file_set *set, const char *name);
/* Calls fn for each file that is refused as it stands, sorted by name. */
void file_set_for_each_problem(const struct file_set *set,
			       void (*fn)(const char *name, const struct diag *problem, void *data),
			       void *data);
size_t file_set_problem_count(const struct file_set *set);
