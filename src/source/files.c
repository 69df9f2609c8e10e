/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "source/file_set.h"
#include "source/kept_files.h"
#include "source/text_file.h"

/* A file changed so shortly before it was read may change again within its timestamps' grain. */
#define RACY_NS 20000000ll

/* What tells that a file is not the one that was read. */
struct signature {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed, modified;
};

struct seen {
	char *name;
	struct signature signature;
	bool here;  /* in the scan that is going on */
	char *text; /* to be kept once it is in force; NULL: nothing */
	size_t length;
};

struct files {
	uv_loop_t *loop;
	char *dir;
	struct files_format format;
	struct file_set *set;
	struct kept_files *kept;
	struct seen *seen;
	size_t seen_count;
	struct diag dir_problem;
	struct signature watched; /* the directory that the watch is on */
	bool watching;
	bool racy;   /* something has to be looked at again soon */
	bool unkept; /* texts may be kept of files that are not there */
	uv_fs_event_t watch;
	uv_timer_t quiet, rescan;
	unsigned int open_handles;
};

static struct signature signature_of(const struct stat *st)
{
	return (struct signature){ .device = st->st_dev,
				   .inode = st->st_ino,
				   .size = st->st_size,
				   .changed = st->st_ctim,
				   .modified = st->st_mtim };
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_signature(const struct signature *a, const struct signature *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       same_time(a->changed, b->changed) && same_time(a->modified, b->modified);
}

/* A time to come is that of a clock since put back: waiting for it could take years. */
static bool is_recent(struct timespec at)
{
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = (now.tv_sec - at.tv_sec) * 1000000000ll + (now.tv_nsec - at.tv_nsec);
	return age < RACY_NS && age > -RACY_NS;
}

static struct seen *find_seen(struct files *files, const char *name)
{
	for (size_t i = 0; i < files->seen_count; i++)
		if (!strcmp(files->seen[i].name, name))
			return &files->seen[i];
	return NULL;
}

static struct seen *add_seen(struct files *files, const char *name)
{
	struct seen *seen = reallocarray(files->seen, files->seen_count + 1, sizeof(*files->seen));
	char *copy = strdup(name);

	if (seen)
		files->seen = seen;
	if (!seen || !copy) {
		free(copy);
		return NULL;
	}
	seen = &files->seen[files->seen_count++];
	*seen = (struct seen){ .name = copy };
	return seen;
}

static int parse_manifests(const char *text, size_t length, const char *path, const char *name,
			   void *data, struct object_list **ret, struct diag *diag)
{
	const struct object_parse_options options = { .file = path };

	return object_parse(text, length, &options, ret, diag);
}

/* Gives a file that we see first the objects it had in an earlier run: should it be broken now, or
 * refused for what another one holds, these stay. */
static int restore(struct files *files, const char *name, const char *shown)
{
	const struct files_format *format = &files->format;
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	_cleanup_free_ char *text = NULL;
	struct diag diag = { 0 };
	size_t length;
	int r;

	r = kept_files_get(files->kept, name, &text, &length);
	if (r == 0)
		r = (format->parse_kept ? format->parse_kept : format->parse)(
			text, length, shown, name, format->data, &list, &diag);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	return file_set_restore(files->set, name, take_ptr(list));
}

static int read_file(struct files *files, int dir_fd, struct seen *seen, bool first,
		     struct stat *ret_stat)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	_cleanup_free_ char *text = NULL;
	char shown[PATH_MAX];
	struct diag diag = { 0 };
	size_t length;
	int r;

	snprintf(shown, sizeof(shown), "%s/%s", files->dir, seen->name);
	r = text_file_read(dir_fd, seen->name, shown, &text, &length, ret_stat, &diag);
	if (r >= 0)
		r = files->format.parse(text, length, shown, seen->name, files->format.data, &list,
					&diag);
	free(take_ptr(seen->text));
	if (r < 0 && !diag_is_set(&diag))
		return r;
	if (first) {
		int restored = restore(files, seen->name, shown);

		if (restored < 0)
			return restored;
	}
	if (r >= 0) {
		seen->text = take_ptr(text);
		seen->length = length;
		return file_set_offer(files->set, seen->name, take_ptr(list));
	}
	return file_set_refuse(files->set, seen->name, &diag);
}

/* Reads the file unless it is the one that was read before. */
static int visit(struct files *files, int dir_fd, const char *name)
{
	struct seen *seen = find_seen(files, name);
	bool fresh = !seen;
	struct signature signature;
	struct stat st;
	int r;

	if (fstatat(dir_fd, name, &st, 0) < 0 && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return 0; /* gone between listing and looking: not seen, so removed */
	if (fresh)
		seen = add_seen(files, name);
	if (!seen)
		return -ENOMEM;
	seen->here = true;
	signature = signature_of(&st);
	if (!fresh && same_signature(&seen->signature, &signature))
		return 0;
	r = read_file(files, dir_fd, seen, fresh, &st);
	if (r < 0)
		return r;
	seen->signature = signature_of(&st);
	if (files->format.timed && !seen->text) /* it may be right a moment later */
		seen->signature = (struct signature){ 0 };
	if (is_recent(st.st_ctim)) {
		seen->signature = (struct signature){ 0 };
		files->racy = true;
	}
	return 0;
}

static bool is_object_file(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' && length > 5 && !strcmp(name + length - 5, ".yaml");
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int visit_all(struct files *files)
{
	_cleanup_(closedirp) DIR *dir = opendir(files->dir);
	struct dirent *entry;
	int r;

	if (!dir)
		return -errno;
	for (size_t i = 0; i < files->seen_count; i++)
		files->seen[i].here = false;
	errno = 0;
	while ((entry = readdir(dir))) {
		if (is_object_file(entry->d_name)) {
			r = visit(files, dirfd(dir), entry->d_name);
			if (r < 0)
				return r;
		}
		errno = 0;
	}
	return -errno;
}

static void forget_removed(struct files *files)
{
	size_t kept = 0;

	for (size_t i = 0; i < files->seen_count; i++) {
		struct seen *seen = &files->seen[i];

		if (seen->here) {
			files->seen[kept++] = *seen;
			continue;
		}
		file_set_remove(files->set, seen->name);
		files->unkept = true;
		free(seen->text);
		free(seen->name);
	}
	files->seen_count = kept;
}

static void log_problem(const char *name, const struct diag *problem, void *data)
{
	char text[DIAG_TEXT_MAX + DIAG_FILE_MAX + 16];

	diag_format(problem, text, sizeof(text));
	log_warn("source", "file refused, its previous objects stay in force",
		 LOG_STR("file", name), LOG_STR("problem", text));
}

static void note_dir_problem(struct files *files, int error)
{
	if (diag_is_set(&files->dir_problem))
		return;
	diag_set(&files->dir_problem, files->dir, 0,
		 "found a directory that cannot be read (%s), expected one with *.yaml files; what "
		 "they held before stays in force",
		 strerror(-error));
	log_problem(".", &files->dir_problem, NULL);
}

/* Problems are logged when there are other ones than before. */
struct digest {
	uint64_t hash;
};

static void digest_problem(const char *name, const struct diag *problem, void *data)
{
	struct digest *digest = data;

	for (const char *p = name; *p; p++)
		digest->hash = (digest->hash ^ (unsigned char)*p) * 0x100000001b3;
	for (const char *p = problem->text; *p; p++)
		digest->hash = (digest->hash ^ (unsigned char)*p) * 0x100000001b3;
	digest->hash ^= problem->line;
}

static uint64_t digest_problems(const struct files *files)
{
	struct digest digest = { 0xcbf29ce484222325 };

	file_set_for_each_problem(files->set, digest_problem, &digest);
	return digest.hash;
}

static bool stays(const char *name, void *data)
{
	return find_seen(data, name) != NULL;
}

/* What came into force is there for the next start; what went is not. */
static void keep(struct files *files)
{
	int r = files->unkept ? kept_files_sweep(files->kept, stays, files) : 0;

	files->unkept = false;
	for (size_t i = 0; i < files->seen_count; i++) {
		struct seen *seen = &files->seen[i];

		if (!seen->text || !file_set_is_in_force(files->set, seen->name))
			continue;
		if (r == 0)
			r = kept_files_put(files->kept, seen->name, seen->text, seen->length);
		free(take_ptr(seen->text));
	}
	if (r < 0)
		log_warn("source",
			 "files in force are not kept: one that is broken at the next start "
			 "would have no previous objects",
			 LOG_ERR(r));
}

static void scan(struct files *files)
{
	uint64_t before = digest_problems(files);
	struct diag diag = { 0 };
	int r;

	files->racy = false;
	r = visit_all(files);
	if (r < 0) {
		note_dir_problem(files, r);
		return;
	}
	files->dir_problem = (struct diag){ 0 };
	forget_removed(files);
	r = file_set_commit(files->set, &diag);
	if (r < 0) {
		files->dir_problem = diag;
		note_dir_problem(files, r);
		return;
	}
	keep(files);
	if (digest_problems(files) != before)
		file_set_for_each_problem(files->set, log_problem, NULL);
}

static void on_quiet(uv_timer_t *timer);

static void wait_for_quiet(struct files *files)
{
	uv_timer_start(&files->quiet, on_quiet, FILES_QUIET_MS, 0);
}

static void on_watch(uv_fs_event_t *watch, const char *name, int events, int status)
{
	wait_for_quiet(watch->data);
}

/* The watch is on a directory, not on its name: it moves when the name means another one. */
static void keep_watching(struct files *files)
{
	struct signature signature;
	struct stat st;

	if (stat(files->dir, &st) < 0)
		return;
	signature = signature_of(&st);
	if (files->watching && signature.inode == files->watched.inode &&
	    signature.device == files->watched.device)
		return;
	uv_fs_event_stop(&files->watch);
	files->watching = !uv_fs_event_start(&files->watch, on_watch, files->dir, 0);
	files->watched = signature;
}

static void look(struct files *files)
{
	keep_watching(files);
	scan(files);
	if (files->racy)
		wait_for_quiet(files);
}

static void on_quiet(uv_timer_t *timer)
{
	look(timer->data);
}

static void on_rescan(uv_timer_t *timer)
{
	look(timer->data);
}

static void release(struct files *files)
{
	for (size_t i = 0; i < files->seen_count; i++) {
		free(files->seen[i].text);
		free(files->seen[i].name);
	}
	free(files->seen);
	file_set_free(files->set);
	kept_files_free(files->kept);
	free(files->dir);
	free(files);
}

static void on_closed(uv_handle_t *handle)
{
	struct files *files = handle->data;

	if (!--files->open_handles)
		release(files);
}

void files_free(struct files *files)
{
	if (!files)
		return;
	if (!files->open_handles) {
		release(files);
		return;
	}
	uv_close((uv_handle_t *)&files->watch, on_closed);
	uv_close((uv_handle_t *)&files->quiet, on_closed);
	uv_close((uv_handle_t *)&files->rescan, on_closed);
}

/* These three calls cannot fail on Linux but for inotify, which comes with the first watch. */
static void open_handles(struct files *files)
{
	uv_fs_event_init(files->loop, &files->watch);
	uv_timer_init(files->loop, &files->quiet);
	uv_timer_init(files->loop, &files->rescan);
	files->watch.data = files->quiet.data = files->rescan.data = files;
	files->open_handles = 3;
	uv_unref((uv_handle_t *)&files->watch);
	uv_unref((uv_handle_t *)&files->quiet);
	uv_unref((uv_handle_t *)&files->rescan);
}

int files_new(uv_loop_t *loop, const char *dir, const char *kept_dir, struct store *store,
	      const struct files_format *format, struct files **ret)
{
	static const struct files_format manifests = { .parse = parse_manifests };
	_cleanup_(files_freep) struct files *files = calloc(1, sizeof(*files));
	int r;

	if (!files)
		return -ENOMEM;
	files->loop = loop;
	files->format = format ? *format : manifests;
	files->dir = strdup(dir);
	if (!files->dir)
		return -ENOMEM;
	r = file_set_new(dir, store, &files->set);
	if (r == 0)
		r = kept_files_open(kept_dir, &files->kept);
	if (r < 0)
		return r;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	files->unkept = true;
	open_handles(files);
	uv_timer_start(&files->rescan, on_rescan, FILES_RESCAN_MS, FILES_RESCAN_MS);
	look(files);
	*ret = take_ptr(files);
	return 0;
}

void files_for_each_problem(const struct files *files,
			    void (*fn)(const char *name, const struct diag *problem, void *data),
			    void *data)
{
	if (diag_is_set(&files->dir_problem))
		fn(".", &files->dir_problem, data);
	file_set_for_each_problem(files->set, fn, data);
}

size_t files_problem_count(const struct files *files)
{
	return diag_is_set(&files->dir_problem) + file_set_problem_count(files->set);
}
