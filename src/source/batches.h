/* SPDX-License-Identifier: Apache-2.0 */
/* batches: changes of many files of one directory, made durable together at the price of two
 * flushes, and put into the files themselves later by a thread of their own.
 *
 * In: puts and deletes of whole files    Out: the files
 * Owns: the directory's .batch-*, .new-batch and .settle-* and a thread    Thread: any one; the own
 * thread touches only files and its state under the lock
 *
 * A batch is one file, written, synced, renamed to .batch-NUMBER, and the directory synced: from then
 * on it counts, all of it or nothing. Its contents are then written to their own files, synced,
 * renamed, the directory synced, and the batch removed: in order of numbers, so that after a crash
 * at any instant doing it again gives the same files (write-ahead logging). As every commit takes
 * this way, a batch can never overwrite something newer. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

struct batches;

/* dir_fd is borrowed. Finishes first, blocking, what an earlier run has left, as far as the disk takes
 * it: on one that is full or read-only batches stay, and batches_for_each_pending() has them. A batch
 * that cannot be read (a disk that lies) becomes batch-NUMBER.yaml, for the caller to report. -errno. */
int batches_new(int dir_fd, struct batches **ret);
/* What the files do not say yet: names with their text, which is not NUL-terminated, or NULL: deleted.
 * A batch that cannot be read, on a disk where it could not be renamed, comes under its own name. Oldest
 * first. To be called before the first commit. fn's first negative value ends it and is
 * returned. -errno. */
int batches_for_each_pending(const struct batches *batches,
			     int (*fn)(const char *name, const char *text, size_t length,
				       void *data),
			     void *data);
/* Stops after the step it is in; the next batches_new() does the rest. */
void batches_free(struct batches *batches);
DEFINE_FREEP(batches);

/* One batch is begun, filled, synced, and then committed or abandoned. Errors are -errno and stick:
 * sync tells the first one. Names are of at most NAME_MAX bytes without '\n'. */
int batches_begin(struct batches *batches);
void batches_put(struct batches *batches, const char *name, const char *text, size_t length);
void batches_delete(struct batches *batches, const char *name);
/* On the disk, without a name that counts. On failure it is abandoned. */
int batches_sync(struct batches *batches);
/* Counts, and is there to stay. On failure it may or may not. */
int batches_commit(struct batches *batches);
void batches_abandon(struct batches *batches);

/* Waits until every file is as committed. The error of the last batch that was tried: it is tried again
 * with the next commit. */
int batches_settle(struct batches *batches);
/* The same without waiting. */
int batches_error(struct batches *batches);
