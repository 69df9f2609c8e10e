/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fsutil.h"

static char dir[64], path[96];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/fsutil-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void what_was_written_is_read(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(file_replace(path, "one", 3, 0600, true), 0);
	assert_int_equal(file_replace(path, "second", 6, 0600, false), 0);
	assert_int_equal(file_read(path, 6, &text, &len), 0);
	assert_string_equal(text, "second");
	assert_int_equal(len, 6);
}

static void a_file_above_the_limit_is_refused(void **state)
{
	char *text = NULL;

	(void)state;
	assert_int_equal(file_replace(path, "1234567", 7, 0600, false), 0);
	assert_int_equal(file_read(path, 6, &text, NULL), -EFBIG);
	assert_int_equal(file_read("/proc/self/environ", 0, &text, NULL), -EFBIG);
	assert_null(text);
}

static void a_failed_replacement_leaves_the_old_file_and_no_other(void **state)
{
	_cleanup_free_ char *text = NULL;
	char blocker[128], temporary[128];

	(void)state;
	snprintf(blocker, sizeof(blocker), "%s/taken", dir);
	assert_int_equal(mkdir(blocker, 0700), 0);
	assert_int_equal(file_replace(blocker, "x", 1, 0600, false), -EISDIR);
	snprintf(temporary, sizeof(temporary), "%s/.taken.tmp", dir);
	assert_int_equal(access(temporary, F_OK), -1);
}

static void a_planted_symlink_is_not_followed(void **state)
{
	char temporary[128], target[128];

	(void)state;
	snprintf(temporary, sizeof(temporary), "%s/.file.tmp", dir);
	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(symlink(target, temporary), 0);
	assert_int_equal(file_replace(path, "x", 1, 0600, false), -ELOOP);
	assert_int_equal(access(target, F_OK), -1);
}

static void directories_are_made_with_their_parents(void **state)
{
	char deep[128], under_file[128];
	struct stat st;

	(void)state;
	snprintf(deep, sizeof(deep), "%s/a/b/c", dir);
	assert_int_equal(dir_make(deep, 0700), 0);
	assert_int_equal(dir_make(deep, 0700), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(file_replace(path, "x", 1, 0600, false), 0);
	assert_int_equal(dir_make(path, 0700), -ENOTDIR);
	snprintf(under_file, sizeof(under_file), "%s/b", path);
	assert_int_equal(dir_make(under_file, 0700), -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(a_file_above_the_limit_is_refused),
		cmocka_unit_test(a_failed_replacement_leaves_the_old_file_and_no_other),
		cmocka_unit_test(directories_are_made_with_their_parents),
		cmocka_unit_test(a_planted_symlink_is_not_followed),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
