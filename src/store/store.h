/* SPDX-License-Identifier: Apache-2.0 */
/* store: the one entrance: every change of what should be goes through store_commit().
 *
 * In: changes from sources (files, API, endpoints)    Out: listeners, called after each commit
 * Owns: references to the objects    Thread: main loop only
 *
 * The same object may come from several origins; the strongest origin's is in force, the others
 * wait beneath it. Objects are immutable: a change replaces one. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "model/object.h"

enum store_origin {
	STORE_API,
	STORE_FILE,
	STORE_AGENT,
	STORE_ORIGIN_COUNT
}; /* later is stronger */

struct store_change {
	enum store_origin origin;
	struct object
		*object; /* put: borrowed, the store takes a reference of its own; delete: NULL */
	enum object_kind kind; /* delete: which */
	const char *namespace;
	const char *name;
};

/* What a commit changed in force: before NULL: new; after NULL: gone. */
struct store_event {
	const struct object *before;
	const struct object *after;
};

typedef void (*store_listener)(const struct store_event *events, size_t count, void *data);

struct store;
int store_new(struct store **ret);
void store_free(struct store *store);
DEFINE_FREEP(store);

/* At most 8 listeners, called in the order they were added. 0 or -ENOSPC. */
int store_listen(struct store *store, store_listener listener, void *data);

/* All changes or none. Refuses (-EINVAL, diag): API puts of an object a file holds, two objects of
 * one key in a batch. Deleting what is not there is no error. -ENOMEM changes nothing. */
int store_commit(struct store *store, const struct store_change *changes, size_t count,
		 struct diag *diag);

/* The object in force; NULL if none. Borrowed until the next commit. */
const struct object *store_get(const struct store *store, enum object_kind kind,
			       const char *namespace, const char *name);
/* The object of one origin, in force or not. */
const struct object *store_get_from(const struct store *store, enum store_origin origin,
				    enum object_kind kind, const char *namespace, const char *name);

/* Calls fn for every object in force of a kind, sorted by namespace and name; stops at non-zero and
 * returns it. */
int store_for_each(const struct store *store, enum object_kind kind,
		   int (*fn)(const struct object *object, void *data), void *data);
size_t store_count(const struct store *store, enum object_kind kind);
