/* SPDX-License-Identifier: Apache-2.0 */
/* api_objects: objects applied through the API, kept one file each so that they survive a reboot.
 *
 * In: changes of origin STORE_API    Out: the same changes in the store, and files
 * Owns: the directory's files named KIND_NAMESPACE_NAME.yaml, and those of batches.h
 * Thread: main loop; blocks on the disk until what was written is there to stay
 *
 * A file is the object's own text. What is committed together is made durable together, by two
 * flushes however many objects there are, before the caller may answer; the objects' own files
 * follow (batches.h). A file that does not parse, or whose name is not its object's, is reported and
 * left alone until its object is applied again or deleted, or somebody removes the file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "store/store.h"

struct api_objects;
/* Makes the directory (mode 0700; its parent must exist) if it is not there, removes what an
 * interrupted write left, and finishes what was committed, as far as the disk takes it. -errno. */
int api_objects_open(const char *dir, struct store *store, struct api_objects **ret);
void api_objects_free(struct api_objects *objects);
DEFINE_FREEP(api_objects);

/* Told of each file that is left alone, and when it no longer is. opens: its object may be one that
 * denies: a policy, a Namespace that policies select by, or what cannot be told by the file's name. */
struct api_objects_watch {
	void (*broken)(const char *file, const struct diag *diag, bool opens, void *data);
	void (*mended)(const char *file, void *data);
	void *data;
};

/* Puts every kept object into the store in one commit. Call it before files are read: the store
 * refuses API objects that a file already holds. watch is copied; its functions may be NULL. -EINVAL
 * with diag set (from the store), -errno. */
int api_objects_load(struct api_objects *objects, const struct api_objects_watch *watch,
		     struct diag *diag);
/* A file left alone that may hold an object that denies: what the store has is not all there is, and
 * must not replace what is in force. Borrowed until the next call. NULL: none. */
const char *api_objects_missing(struct api_objects *objects);
/* Whether this object's file is one of those left alone. */
bool api_objects_is_broken(const struct api_objects *objects, enum object_kind kind,
			   const char *namespace, const char *name);

/* store_commit() of changes that must all be of origin STORE_API, made durable: 0 means they are in
 * force and on the disk. On failure neither store nor files have changed: -EINVAL with diag set if
 * refused, else -errno of the disk, with diag set too. The one exception is a disk that fails at the
 * very last step: the store is in force, the disk perhaps, and the error says it. */
int api_objects_commit(struct api_objects *objects, const struct store_change *changes,
		       size_t count, struct diag *diag);

/* Waits until every object's own file is as committed. -errno of the disk. */
int api_objects_settle(struct api_objects *objects);
/* Why the last objects committed are not in files of their own, -errno of the disk; 0: they are, or will
 * be. They are safe where they are, and api_objects_load() finds them. */
int api_objects_error(const struct api_objects *objects);
