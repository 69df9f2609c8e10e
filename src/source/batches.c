/* SPDX-License-Identifier: Apache-2.0 */
#include "source/batches.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

#define NEW_NAME      ".new-batch"
#define BATCH_PREFIX  ".batch-"
#define BATCH_FORMAT  ".batch-%016llx"
#define BROKEN_FORMAT "batch-%016llx.yaml"
#define SETTLE_PREFIX ".settle-"

struct batches {
	int dir_fd;
	unsigned long long next; /* number of the batch to come */
	FILE *file;              /* of the batch that is being filled */
	int error;               /* the first while it is filled */

	pthread_t thread;
	bool started; /* to be joined */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	/* Under the lock: */
	bool running, stop, again;
	int settle_error; /* of the last batch that was tried */
};

/* ---- reading a batch */

struct change {
	char name[NAME_MAX + 1];
	const char *text; /* NULL: delete */
	size_t length;
};

struct reader {
	const char *at, *end;
};

/* One line without its '\n', NUL-terminated. */
static int read_line(struct reader *reader, char *buf, size_t room)
{
	const char *end = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
	size_t length = end ? (size_t)(end - reader->at) : room;

	if (length >= room)
		return -EBADMSG;
	memcpy(buf, reader->at, length);
	buf[length] = '\0';
	reader->at = end + 1;
	return 0;
}

static bool name_ok(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

/* 1: one more; 0: the end. Lines are "put LENGTH NAME", followed by the text, or "delete NAME". */
static int read_change(struct reader *reader, struct change *ret)
{
	char line[NAME_MAX + 40], *name;
	unsigned long long length = 0;
	bool put;
	int r;

	if (reader->at == reader->end)
		return 0;
	r = read_line(reader, line, sizeof(line));
	if (r < 0)
		return r;
	put = strncmp(line, "put ", 4) == 0;
	if (!put && strncmp(line, "delete ", 7) != 0)
		return -EBADMSG;
	name = line + (put ? 4 : 7);
	if (put)
		length = strtoull(name, &name, 10);
	if (put && *name++ != ' ')
		return -EBADMSG;
	if (!name_ok(name) || strlen(name) > NAME_MAX ||
	    length > (unsigned long long)(reader->end - reader->at))
		return -EBADMSG;
	strcpy(ret->name, name);
	ret->text = put ? reader->at : NULL;
	ret->length = (size_t)length;
	reader->at += length;
	return 1;
}

struct contents {
	char *text;
	size_t length;
};

static void contents_clear(struct contents *contents)
{
	if (contents->length)
		munmap(contents->text, contents->length);
}

static int map_batch(int dir_fd, const char *name, struct contents *ret)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	void *text;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return 0;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return -errno;
	*ret = (struct contents){ text, (size_t)st.st_size };
	return 0;
}

/* ---- settling: from the batch to the files */

static int write_all(int fd, const char *text, size_t length)
{
	while (length) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

static void settle_name(size_t index, char buf[static 40])
{
	snprintf(buf, 40, SETTLE_PREFIX "%zu", index);
}

static int write_beside(int dir_fd, const struct change *change, size_t index)
{
	char name[40];

	if (!change->text)
		return 0;
	settle_name(index, name);
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : write_all(fd, change->text, change->length);
}

static int remove_beside(int dir_fd, const struct change *change, size_t index)
{
	char name[40];

	settle_name(index, name);
	unlinkat(dir_fd, name, 0);
	return 0;
}

static int move_into_place(int dir_fd, const struct change *change, size_t index)
{
	char name[40];

	if (!change->text)
		return unlinkat(dir_fd, change->name, 0) < 0 && errno != ENOENT ? -errno : 0;
	settle_name(index, name);
	return renameat(dir_fd, name, dir_fd, change->name) < 0 ? -errno : 0;
}

static int for_each_change(int dir_fd, const struct contents *contents,
			   int (*fn)(int dir_fd, const struct change *change, size_t index))
{
	struct reader reader = { contents->text, contents->text + contents->length };
	struct change change;
	size_t index = 0;
	int r;

	while ((r = read_change(&reader, &change)) > 0) {
		r = fn(dir_fd, &change, index++);
		if (r < 0)
			return r;
	}
	return r;
}

static int check_change(int dir_fd, const struct change *change, size_t index)
{
	return 0;
}

/* Files written, all flushed at once, and only then renamed: each is old or new, never half. */
static int settle_one(int dir_fd, unsigned long long number)
{
	_cleanup_(contents_clear) struct contents contents = { 0 };
	char name[40], broken[40];
	int r;

	snprintf(name, sizeof(name), BATCH_FORMAT, number);
	r = map_batch(dir_fd, name, &contents);
	if (r < 0)
		return r;
	if (for_each_change(dir_fd, &contents, check_change) < 0) {
		snprintf(broken, sizeof(broken), BROKEN_FORMAT, number);
		return renameat(dir_fd, name, dir_fd, broken) < 0 ? -errno : 0;
	}
	r = for_each_change(dir_fd, &contents, write_beside);
	if (r == 0 && syncfs(dir_fd) < 0)
		r = -errno;
	if (r == 0)
		r = for_each_change(dir_fd, &contents, move_into_place);
	if (r < 0) /* a full disk is not to be filled by us */
		for_each_change(dir_fd, &contents, remove_beside);
	if (r == 0 && fsync(dir_fd) < 0)
		r = -errno;
	/* That it is gone may be lost with the power: then the same files are written again. */
	if (r == 0 && unlinkat(dir_fd, name, 0) < 0)
		r = -errno;
	return r;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static DIR *list_dir(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* The lowest number above `after`; 0: none. */
static int find_next(int dir_fd, unsigned long long after, unsigned long long *ret)
{
	_cleanup_(closedirp) DIR *dir = list_dir(dir_fd);
	unsigned long long first = 0, number;
	const struct dirent *entry;
	char *end;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, BATCH_PREFIX, strlen(BATCH_PREFIX)) != 0)
			continue;
		number = strtoull(entry->d_name + strlen(BATCH_PREFIX), &end, 16);
		if (*end == '\0' && number > after && (!first || number < first))
			first = number;
	}
	*ret = first;
	return 0;
}

/* Settles the first batch. 1: there was one. */
static int settle_first(int dir_fd)
{
	unsigned long long number = 0;
	int r = find_next(dir_fd, 0, &number);

	if (r == 0 && number)
		r = settle_one(dir_fd, number);
	return r < 0 ? r : number != 0;
}

/* ---- the thread */

static bool goes_on(struct batches *batches, int result)
{
	bool more;

	pthread_mutex_lock(&batches->lock);
	batches->settle_error = MIN(result, 0);
	more = !batches->stop && (result > 0 || (result == 0 && batches->again));
	batches->again = false;
	if (!more) {
		batches->running = false;
		pthread_cond_broadcast(&batches->idle);
	}
	pthread_mutex_unlock(&batches->lock);
	return more;
}

static void *settle_all(void *data)
{
	struct batches *batches = data;

	while (goes_on(batches, settle_first(batches->dir_fd)))
		;
	return NULL;
}

static int wake(struct batches *batches)
{
	bool running;
	int r;

	pthread_mutex_lock(&batches->lock);
	running = batches->running;
	batches->again = true;
	batches->running = true;
	pthread_mutex_unlock(&batches->lock);
	if (running)
		return 0;
	if (batches->started)
		pthread_join(batches->thread, NULL);
	r = pthread_create(&batches->thread, NULL, settle_all, batches);
	batches->started = r == 0;
	if (r) {
		batches->running = false;
		batches->settle_error = -r;
	}
	return -r;
}

int batches_error(struct batches *batches)
{
	int r;

	pthread_mutex_lock(&batches->lock);
	r = batches->settle_error;
	pthread_mutex_unlock(&batches->lock);
	return r;
}

int batches_settle(struct batches *batches)
{
	int r;

	pthread_mutex_lock(&batches->lock);
	while (batches->running)
		pthread_cond_wait(&batches->idle, &batches->lock);
	r = batches->settle_error;
	pthread_mutex_unlock(&batches->lock);
	return r;
}

/* ---- life */

static int remove_leftovers(int dir_fd)
{
	_cleanup_(closedirp) DIR *dir = list_dir(dir_fd);
	const struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, SETTLE_PREFIX, strlen(SETTLE_PREFIX)) == 0 ||
		    strcmp(entry->d_name, NEW_NAME) == 0)
			unlinkat(dir_fd, entry->d_name, 0);
	}
	return 0;
}

static int find_last(int dir_fd, unsigned long long *ret)
{
	unsigned long long number = 0;
	int r;

	*ret = 0;
	while ((r = find_next(dir_fd, number, &number)) == 0 && number)
		*ret = number;
	return r;
}

int batches_new(int dir_fd, struct batches **ret)
{
	_cleanup_(batches_freep) struct batches *batches = calloc(1, sizeof(*batches));
	int r;

	if (!batches)
		return -ENOMEM;
	batches->dir_fd = dir_fd;
	pthread_mutex_init(&batches->lock, NULL);
	pthread_cond_init(&batches->idle, NULL);
	r = remove_leftovers(dir_fd);
	if (r < 0)
		return r;
	while ((r = settle_first(dir_fd)) > 0)
		;
	batches->settle_error = r;
	r = find_last(dir_fd, &batches->next);
	if (r < 0)
		return r;
	batches->next++;
	*ret = take_ptr(batches);
	return 0;
}

static int visit_batch(int dir_fd, unsigned long long number,
		       int (*fn)(const char *name, const char *text, size_t length, void *data),
		       void *data)
{
	_cleanup_(contents_clear) struct contents contents = { 0 };
	struct reader reader;
	struct change change;
	char name[40];
	int r;

	snprintf(name, sizeof(name), BATCH_FORMAT, number);
	r = map_batch(dir_fd, name, &contents);
	if (r < 0)
		return r;
	/* All of it or nothing. */
	if (for_each_change(dir_fd, &contents, check_change) < 0)
		return fn(name, contents.text ? contents.text : "", contents.length, data);
	reader = (struct reader){ contents.text, contents.text + contents.length };
	while ((r = read_change(&reader, &change)) > 0) {
		r = fn(change.name, change.text, change.length, data);
		if (r < 0)
			return r;
	}
	return r;
}

int batches_for_each_pending(const struct batches *batches,
			     int (*fn)(const char *name, const char *text, size_t length,
				       void *data),
			     void *data)
{
	unsigned long long number = 0;
	int r;

	while ((r = find_next(batches->dir_fd, number, &number)) == 0 && number) {
		r = visit_batch(batches->dir_fd, number, fn, data);
		if (r < 0)
			return r;
	}
	return r;
}

void batches_free(struct batches *batches)
{
	if (!batches)
		return;
	pthread_mutex_lock(&batches->lock);
	batches->stop = true;
	pthread_mutex_unlock(&batches->lock);
	if (batches->started)
		pthread_join(batches->thread, NULL);
	batches_abandon(batches);
	pthread_cond_destroy(&batches->idle);
	pthread_mutex_destroy(&batches->lock);
	free(batches);
}

/* ---- writing a batch */

int batches_begin(struct batches *batches)
{
	int fd = openat(batches->dir_fd, NEW_NAME,
			O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : 0;

	batches->error = 0;
	if (r == 0) {
		batches->file = fdopen(fd, "w");
		if (!batches->file) {
			r = -errno;
			close(fd);
		}
	}
	return r;
}

static void note(struct batches *batches, bool failed)
{
	if (failed && !batches->error)
		batches->error = errno ? -errno : -EIO;
}

void batches_put(struct batches *batches, const char *name, const char *text, size_t length)
{
	note(batches, fprintf(batches->file, "put %zu %s\n", length, name) < 0);
	note(batches, fwrite(text, 1, length, batches->file) != length);
}

void batches_delete(struct batches *batches, const char *name)
{
	note(batches, fprintf(batches->file, "delete %s\n", name) < 0);
}

int batches_sync(struct batches *batches)
{
	int r;

	note(batches, fflush(batches->file) != 0 || fsync(fileno(batches->file)) < 0);
	r = batches->error;
	if (r < 0)
		batches_abandon(batches);
	return r;
}

void batches_abandon(struct batches *batches)
{
	if (!batches->file)
		return;
	fclose(batches->file);
	batches->file = NULL;
	unlinkat(batches->dir_fd, NEW_NAME, 0);
}

int batches_commit(struct batches *batches)
{
	char name[40];
	int r = 0;

	snprintf(name, sizeof(name), BATCH_FORMAT, batches->next);
	if (renameat(batches->dir_fd, NEW_NAME, batches->dir_fd, name) < 0) {
		r = -errno;
		batches_abandon(batches);
		return r;
	}
	fclose(batches->file);
	batches->file = NULL;
	batches->next++;
	if (fsync(batches->dir_fd) < 0)
		r = -errno;
	/* Without a thread it stays a batch: as durable, and the next commit tries again. */
	wake(batches);
	return r;
}
