/* SPDX-License-Identifier: Apache-2.0 */
/* sources: where objects come from: what the API was given (state_dir/objects), and files in
 * objects_dir, watched live.
 *
 * In: settings    Out: store_commit()    Owns: src/source's state    Thread: main loop only */
#pragma once

#include <jansson.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "model/object.h"

struct agent;
struct sources;

/* Loads both, and watches from then on. What cannot be taken is a problem, not an error: the rest is
 * in force. */
int sources_new(struct agent *agent, struct sources **ret, struct diag *diag);
/* The loop must run once more for its handles. */
void sources_free(struct sources *sources);
DEFINE_FREEP(sources);

/* Keeps (fsynced) and puts in force all objects of a text, or none. ret: the answer's
 * {"objects": [...], "skipped": [...]}. -EINVAL with diag; -errno if it could not be kept. */
int sources_apply(struct sources *sources, const char *text, size_t len, const char *name,
		  bool skip_other_kinds, json_t **ret, struct diag *diag);
/* -ENOENT: the API was given no such object; -EINVAL with diag: a file holds it. */
int sources_delete(struct sources *sources, enum object_kind kind, const char *namespace,
		   const char *name, struct diag *diag);

/* An applied object that may deny something and cannot be read: the file in state_dir/objects, borrowed
 * until the next call. While there is one, what the kernel enforces must not be replaced by what the
 * store says. NULL: none. */
const char *sources_missing(const struct sources *sources);

/* Appends {what, consequence, do} for each file that is not in force as it stands. */
void sources_add_problems(const struct sources *sources, json_t *problems);
