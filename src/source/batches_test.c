/* SPDX-License-Identifier: Apache-2.0 */
#include "source/batches.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fsutil.h"

struct fixture {
	char dir[64];
	int dir_fd;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	strcpy(fixture->dir, "/tmp/tendril-batches-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	fixture->dir_fd = open(fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fixture->dir_fd >= 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	close(fixture->dir_fd);
	snprintf(command, sizeof(command), "rm -rf '%s'", fixture->dir);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static void path_of(const struct fixture *fixture, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", fixture->dir, name);
}

static void assert_file(const struct fixture *fixture, const char *name, const char *text)
{
	_cleanup_free_ char *found = NULL;
	char path[128];

	path_of(fixture, name, path);
	if (!text) {
		assert_int_equal(access(path, F_OK), -1);
		return;
	}
	assert_int_equal(file_read(path, 1 << 20, &found, NULL), 0);
	assert_string_equal(found, text);
}

static void put_file(const struct fixture *fixture, const char *name, const char *text)
{
	char path[128];

	path_of(fixture, name, path);
	assert_int_equal(file_replace(path, text, strlen(text), 0600, false), 0);
}

static void put(struct batches *batches, const char *name, const char *text)
{
	assert_int_equal(batches_begin(batches), 0);
	batches_put(batches, name, text, strlen(text));
	assert_int_equal(batches_sync(batches), 0);
	assert_int_equal(batches_commit(batches), 0);
}

static void later_batches_win(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_(batches_freep) struct batches *batches = NULL;
	char text[16];

	assert_int_equal(batches_new(fixture->dir_fd, &batches), 0);
	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "number %d\n", i);
		put(batches, "x.yaml", text);
	}
	assert_int_equal(batches_begin(batches), 0);
	batches_put(batches, "y.yaml", "put 3 z.yaml\n", 13);
	batches_put(batches, "gone.yaml", "x", 1);
	batches_delete(batches, "gone.yaml");
	assert_int_equal(batches_sync(batches), 0);
	assert_int_equal(batches_commit(batches), 0);
	assert_int_equal(batches_settle(batches), 0);
	assert_file(fixture, "x.yaml", "number 39\n");
	assert_file(fixture, "y.yaml", "put 3 z.yaml\n");
	assert_file(fixture, "gone.yaml", NULL);
	assert_file(fixture, ".batch-0000000000000001", NULL);
	assert_file(fixture, ".batch-0000000000000029", NULL);
}

static void what_was_abandoned_never_counts(void **state)
{
	struct fixture *fixture = *state;
	struct batches *batches = NULL;

	assert_int_equal(batches_new(fixture->dir_fd, &batches), 0);
	assert_int_equal(batches_begin(batches), 0);
	batches_put(batches, "x.yaml", "a", 1);
	assert_int_equal(batches_sync(batches), 0);
	batches_abandon(batches);
	put(batches, "y.yaml", "b");
	batches_free(batches);
	assert_int_equal(batches_new(fixture->dir_fd, &batches), 0);
	assert_file(fixture, "x.yaml", NULL);
	assert_file(fixture, "y.yaml", "b");
	batches_free(batches);
}

/* The power went between any two steps: what the batches say is what there is. */
static void a_crash_is_finished_by_the_next_start(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_(batches_freep) struct batches *batches = NULL;

	put_file(fixture, "half.yaml", "");         /* renamed, but its data never came */
	put_file(fixture, "deleted.yaml", "old");   /* not yet */
	put_file(fixture, ".settle-0", "leftover"); /* and this from the middle of it */
	put_file(fixture, ".new-batch", "put 1 never.yaml\nx");
	put_file(fixture, ".batch-000000000000000a", "put 3 half.yaml\nnew");
	put_file(fixture, ".batch-0000000000000009",
		 "put 3 half.yaml\noldput 1 other.yaml\nodelete deleted.yaml\n");
	assert_int_equal(batches_new(fixture->dir_fd, &batches), 0);
	assert_file(fixture, "half.yaml", "new");
	assert_file(fixture, "other.yaml", "o");
	assert_file(fixture, "deleted.yaml", NULL);
	assert_file(fixture, "never.yaml", NULL);
	assert_file(fixture, ".settle-0", NULL);
	assert_file(fixture, ".new-batch", NULL);
	assert_file(fixture, ".batch-0000000000000009", NULL);
	assert_file(fixture, ".batch-000000000000000a", NULL);
}

static void a_batch_that_cannot_be_read_changes_nothing(void **state)
{
	static const char *const broken[] = {
		"put 5 x.yaml\nabc", "put x.yaml\nabc",    "put 1 ../x\na", "delete .batch-1\n",
		"remove x.yaml\n",   "put 1 ok.yaml\na\n", "delete x.yaml",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		_cleanup_(batches_freep) struct batches *batches = NULL;

		put_file(fixture, "x.yaml", "kept");
		put_file(fixture, ".batch-0000000000000001", broken[i]);
		assert_int_equal(batches_new(fixture->dir_fd, &batches), 0);
		assert_file(fixture, "x.yaml", "kept");
		assert_file(fixture, "ok.yaml", NULL);
		assert_file(fixture, "batch-0000000000000001.yaml", broken[i]);
	}
}

struct pending {
	char text[256];
};

static int note_pending(const char *name, const char *text, size_t length, void *data)
{
	struct pending *pending = data;
	size_t used = strlen(pending->text);

	snprintf(pending->text + used, sizeof(pending->text) - used, "%s=%.*s ", name,
		 text ? (int)length : 4, text ? text : "gone");
	return 0;
}

/* A directory of the file's name stands for a disk that does not take it. */
static void what_the_disk_does_not_take_is_pending(void **state)
{
	struct fixture *fixture = *state;
	struct batches *batches = NULL;
	struct pending pending = { "" };
	char path[128];

	path_of(fixture, "x.yaml", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(batches_new(fixture->dir_fd, &batches), 0);
	put(batches, "x.yaml", "first");
	assert_int_equal(batches_settle(batches), -EISDIR);
	assert_int_equal(batches_error(batches), -EISDIR);
	batches_free(batches);

	assert_int_equal(batches_new(fixture->dir_fd, &batches), 0);
	assert_int_equal(batches_error(batches), -EISDIR);
	assert_int_equal(batches_begin(batches), 0);
	batches_put(batches, "x.yaml", "second", 6);
	batches_delete(batches, "y.yaml");
	assert_int_equal(batches_sync(batches), 0);
	assert_int_equal(batches_commit(batches), 0);
	assert_int_equal(batches_settle(batches), -EISDIR);
	batches_free(batches);

	assert_int_equal(batches_new(fixture->dir_fd, &batches), 0);
	assert_int_equal(batches_for_each_pending(batches, note_pending, &pending), 0);
	assert_string_equal(pending.text, "x.yaml=first x.yaml=second y.yaml=gone ");
	assert_file(fixture, ".settle-0", NULL);
	assert_int_equal(rmdir(path), 0);
	put(batches, "z.yaml", "third");
	assert_int_equal(batches_settle(batches), 0);
	assert_int_equal(batches_error(batches), 0);
	batches_free(batches);
	assert_file(fixture, "x.yaml", "second");
	assert_file(fixture, "z.yaml", "third");
	assert_file(fixture, ".batch-0000000000000003", NULL);
}

#define BATCHES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BATCHES_TEST(later_batches_win),
		BATCHES_TEST(what_was_abandoned_never_counts),
		BATCHES_TEST(a_crash_is_finished_by_the_next_start),
		BATCHES_TEST(a_batch_that_cannot_be_read_changes_nothing),
		BATCHES_TEST(what_the_disk_does_not_take_is_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
