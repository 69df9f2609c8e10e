/* SPDX-License-Identifier: Apache-2.0 */
/* files: the objects in a directory's *.yaml files, watched live.
 *
 * In: a directory    Out: objects of origin STORE_FILE in the store, problems for the status
 * Owns: kept_dir, its watch and timers on the loop    Thread: main loop; reads files there
 *
 * A change is noticed by inotify, and within FILES_RESCAN_MS without it (files behind symlinks, a
 * directory that was replaced), and read once the directory has been quiet for FILES_QUIET_MS. All
 * files that changed go to the store in one commit: a file's objects replace its previous ones; a
 * broken file's previous ones stay in force; a removed file's go. A directory that cannot be listed
 * is a problem, not an empty one. Names that begin with a dot are not read. */
#pragma once

#include <stddef.h>

#include <uv.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "store/store.h"

#define FILES_QUIET_MS  50
#define FILES_RESCAN_MS 5000

/* How a file's text becomes objects. */
struct files_format {
	/* As object_parse(); path is for messages, name is the file's in its directory. */
	int (*parse)(const char *text, size_t length, const char *path, const char *name,
		     void *data, struct object_list **ret, struct diag *diag);
	/* The same of a text that was in force once, for a file that is broken now. NULL: parse. */
	int (*parse_kept)(const char *text, size_t length, const char *path, const char *name,
			  void *data, struct object_list **ret, struct diag *diag);
	bool timed; /* what is refused now may be right later: it is read again at each look */
	void *data;
};

struct files;
/* Reads what is there and commits it before it returns. The directory is made (0755) if its parent
 * exists. A broken file is a problem, not a failure: what it held the last time it was in force, be it in
 * an earlier run, comes from kept_dir (kept_files.h). format NULL: manifests; else it is copied. -errno. */
int files_new(uv_loop_t *loop, const char *dir, const char *kept_dir, struct store *store,
	      const struct files_format *format, struct files **ret);
/* Stops watching; what the store holds stays. The loop must run once more to close the handles. */
void files_free(struct files *files);
DEFINE_FREEP(files);

/* Each file that is not in force as it stands, and the directory (name ".") if it cannot be read. */
void files_for_each_problem(const struct files *files,
			    void (*fn)(const char *name, const struct diag *problem, void *data),
			    void *data);
size_t files_problem_count(const struct files *files);
