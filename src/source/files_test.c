/* SPDX-License-Identifier: Apache-2.0 */
#include "source/files.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "source/file_set.h"

struct fixture {
	char dir[64], kept[72];
	uv_loop_t loop;
	struct store *store;
	struct files *files;
	char events[1024];
	unsigned int commits;
};

static void write_down(const struct store_event *events, size_t count, void *data)
{
	struct fixture *fixture = data;

	fixture->commits++;
	for (size_t i = 0; i < count; i++) {
		const struct object *at = events[i].after ? events[i].after : events[i].before;
		char sign = events[i].before && events[i].after ? '~' : events[i].after ? '+' : '-';
		size_t used = strlen(fixture->events);

		snprintf(fixture->events + used, sizeof(fixture->events) - used, "%c%s ", sign,
			 at->name);
	}
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	strcpy(fixture->dir, "/tmp/tendril-files-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	sprintf(fixture->kept, "%s-kept", fixture->dir);
	assert_int_equal(uv_loop_init(&fixture->loop), 0);
	assert_int_equal(store_new(&fixture->store), 0);
	assert_int_equal(store_listen(fixture->store, write_down, fixture), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[192];

	files_free(fixture->files);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	store_free(fixture->store);
	snprintf(command, sizeof(command), "rm -rf '%s' '%s'", fixture->dir, fixture->kept);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static void path_of(const struct fixture *fixture, const char *name, char buf[static 128])
{
	snprintf(buf, 128, "%s/%s", fixture->dir, name);
}

/* As an editor does it: beside, then in place. */
static void write_file(const struct fixture *fixture, const char *name, const char *text)
{
	char path[128], temporary[128];
	FILE *file;

	path_of(fixture, name, path);
	path_of(fixture, ".tmp", temporary);
	file = fopen(temporary, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(temporary, path), 0);
}

static void remove_file(const struct fixture *fixture, const char *name)
{
	char path[128];

	path_of(fixture, name, path);
	assert_int_equal(unlink(path), 0);
}

/* One document per name. */
static const char *pods(const char *const *names)
{
	static char text[2048];

	text[0] = '\0';
	for (; *names; names++) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used,
			 "---\napiVersion: v1\nkind: Pod\nmetadata: {name: \"%s\"}\n", *names);
	}
	return text;
}

#define PODS(...) pods((const char *const[]){ __VA_ARGS__, NULL })

static void start(struct fixture *fixture)
{
	assert_int_equal(files_new(&fixture->loop, fixture->dir, fixture->kept, fixture->store,
				   NULL, &fixture->files),
			 0);
}

static void expire(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Runs the loop until `done` says so; at most five seconds, well below the rescan's doing. */
static bool run_until(struct fixture *fixture, bool (*done)(struct fixture *fixture))
{
	bool expired = false;
	uv_timer_t timer;

	uv_timer_init(&fixture->loop, &timer);
	timer.data = &expired;
	uv_timer_start(&timer, expire, 4000, 0);
	while (!expired && !done(fixture))
		uv_run(&fixture->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&fixture->loop, UV_RUN_NOWAIT);
	return !expired;
}

static bool has_events(struct fixture *fixture)
{
	return fixture->events[0];
}

static bool has_problem(struct fixture *fixture)
{
	return files_problem_count(fixture->files) > 0;
}

static bool has_no_problem(struct fixture *fixture)
{
	return files_problem_count(fixture->files) == 0;
}

static void expect_events(struct fixture *fixture, const char *want)
{
	assert_string_equal(fixture->events, want);
	fixture->events[0] = '\0';
}

static void first_problem(const char *name, const struct diag *problem, void *data)
{
	char *text = data;

	if (!text[0])
		diag_format(problem, text, DIAG_TEXT_MAX);
}

static void files_that_are_there_are_read_at_once_in_one_commit(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "a.yaml", PODS("x", "y"));
	write_file(fixture, "b.yaml", PODS("z"));
	write_file(fixture, ".hidden.yaml", PODS("h"));
	write_file(fixture, "notes.txt", "nothing of ours");
	start(fixture);
	expect_events(fixture, "+x +y +z ");
	assert_int_equal(fixture->commits, 1);
}

static void a_new_set_replaces_the_previous_one(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "a.yaml", PODS("x", "y"));
	start(fixture);
	fixture->events[0] = '\0';
	write_file(fixture, "a.yaml", PODS("x", "z"));
	assert_true(run_until(fixture, has_events));
	expect_events(fixture, "-y +z ");
}

static void a_removed_file_takes_its_objects_with_it(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "a.yaml", PODS("x"));
	write_file(fixture, "b.yaml", PODS("y"));
	start(fixture);
	fixture->events[0] = '\0';
	remove_file(fixture, "a.yaml");
	assert_true(run_until(fixture, has_events));
	expect_events(fixture, "-x ");
}

static void a_broken_file_keeps_its_objects_in_force_and_is_a_problem(void **state)
{
	struct fixture *fixture = *state;
	char text[DIAG_TEXT_MAX] = "";

	write_file(fixture, "a.yaml", PODS("x"));
	start(fixture);
	fixture->events[0] = '\0';
	write_file(fixture, "a.yaml", "kind: [\n");
	assert_true(run_until(fixture, has_problem));
	expect_events(fixture, "");
	files_for_each_problem(fixture->files, first_problem, text);
	assert_non_null(strstr(text, "/a.yaml:"));
	assert_non_null(store_get(fixture->store, OBJECT_POD, "default", "x"));

	write_file(fixture, "a.yaml", PODS("x", "y"));
	assert_true(run_until(fixture, has_no_problem));
	expect_events(fixture, "+y ");
}

static void an_emptied_file_does_not_delete_its_objects(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "a.yaml", PODS("x"));
	start(fixture);
	fixture->events[0] = '\0';
	write_file(fixture, "a.yaml", "");
	assert_true(run_until(fixture, has_problem));
	expect_events(fixture, "");
}

static void two_files_with_one_object_are_refused_naming_both(void **state)
{
	struct fixture *fixture = *state;
	char text[DIAG_TEXT_MAX] = "";

	write_file(fixture, "b.yaml", PODS("x"));
	start(fixture);
	fixture->events[0] = '\0';
	write_file(fixture, "a.yaml", PODS("x", "y"));
	assert_true(run_until(fixture, has_problem));
	expect_events(fixture, "");
	files_for_each_problem(fixture->files, first_problem, text);
	assert_non_null(strstr(text, "/a.yaml:"));
	assert_non_null(strstr(text, "/b.yaml too"));

	/* The other one lets go: what was refused comes into force by itself. */
	remove_file(fixture, "b.yaml");
	assert_true(run_until(fixture, has_no_problem));
	expect_events(fixture, "~x +y ");
}

static void an_object_twice_in_a_file_is_refused(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "a.yaml", PODS("x", "x"));
	start(fixture);
	expect_events(fixture, "");
	assert_int_equal(files_problem_count(fixture->files), 1);
}

static void an_object_may_move_between_files_in_one_scan(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "a.yaml", PODS("x", "y"));
	write_file(fixture, "b.yaml", PODS("z"));
	start(fixture);
	fixture->events[0] = '\0';
	write_file(fixture, "a.yaml", PODS("x"));
	write_file(fixture, "b.yaml", PODS("z", "y"));
	assert_true(run_until(fixture, has_events));
	expect_events(fixture, "~y ");
	assert_int_equal(files_problem_count(fixture->files), 0);
}

static void a_directory_that_vanishes_deletes_nothing_and_is_found_again(void **state)
{
	struct fixture *fixture = *state;
	char moved[128];

	write_file(fixture, "a.yaml", PODS("x"));
	start(fixture);
	fixture->events[0] = '\0';
	snprintf(moved, sizeof(moved), "%s.moved", fixture->dir);
	assert_int_equal(rename(fixture->dir, moved), 0);
	assert_true(run_until(fixture, has_problem));
	expect_events(fixture, "");
	assert_int_equal(rename(moved, fixture->dir), 0);
}

static void a_fifo_and_a_huge_file_are_refused_without_waiting(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	path_of(fixture, "fifo.yaml", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	path_of(fixture, "huge.yaml", path);
	fclose(fopen(path, "we"));
	assert_int_equal(truncate(path, 100000000), 0);
	write_file(fixture, "good.yaml", PODS("x"));
	start(fixture);
	expect_events(fixture, "+x ");
	assert_int_equal(files_problem_count(fixture->files), 2);
}

static struct object_list *parsed(const char *text, const char *file)
{
	struct object_parse_options options = { .file = file };
	struct object_list *list = NULL;
	struct diag diag = { 0 };

	assert_int_equal(object_parse(text, strlen(text), &options, &list, &diag), 0);
	return list;
}

/* a changes to want what b held and still holds after b's own change is refused for c's sake. */
static void a_refused_files_previous_objects_refuse_others_in_turn(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_(file_set_freep) struct file_set *set = NULL;
	struct diag diag = { 0 };

	assert_int_equal(file_set_new("d", fixture->store, &set), 0);
	assert_int_equal(file_set_offer(set, "a", parsed(PODS("p"), "a")), 0);
	assert_int_equal(file_set_offer(set, "b", parsed(PODS("q"), "b")), 0);
	assert_int_equal(file_set_offer(set, "c", parsed(PODS("r"), "c")), 0);
	assert_int_equal(file_set_commit(set, &diag), 0);
	expect_events(fixture, "+p +q +r ");
	assert_int_equal(file_set_offer(set, "a", parsed(PODS("q"), "a")), 0);
	assert_int_equal(file_set_offer(set, "b", parsed(PODS("r"), "b")), 0);
	assert_int_equal(file_set_commit(set, &diag), 0);
	expect_events(fixture, "");
	assert_int_equal(file_set_problem_count(set), 2);

	file_set_remove(set, "c");
	assert_int_equal(file_set_commit(set, &diag), 0);
	assert_int_equal(file_set_problem_count(set), 0);
	expect_events(fixture, "-p ~q ~r ");
}

#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* The agent starts again: nothing in memory, what there is on the disk. */
static void restart(struct fixture *fixture)
{
	files_free(take_ptr(fixture->files));
	uv_run(&fixture->loop, UV_RUN_NOWAIT);
	store_free(fixture->store);
	assert_int_equal(store_new(&fixture->store), 0);
	assert_int_equal(store_listen(fixture->store, write_down, fixture), 0);
	fixture->events[0] = '\0';
	start(fixture);
}

static void a_file_broken_at_the_next_start_has_its_objects_of_before(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "a.yaml", PODS("x"));
	write_file(fixture, "b.yaml", PODS("y"));
	start(fixture);
	write_file(fixture, "a.yaml", "apiVersion: [");
	remove_file(fixture, "b.yaml");
	write_file(fixture, "c.yaml", PODS("z", "x"));
	restart(fixture);
	expect_events(fixture, "+x ");
	assert_int_equal(files_problem_count(fixture->files), 2); /* x is a.yaml's still */

	/* And again: of the refused c.yaml nothing was kept, of b.yaml nothing is left. */
	write_file(fixture, "b.yaml", "apiVersion: [");
	write_file(fixture, "c.yaml", "apiVersion: [");
	restart(fixture);
	expect_events(fixture, "+x ");

	write_file(fixture, "a.yaml", PODS("w"));
	assert_true(run_until(fixture, has_events));
	expect_events(fixture, "+w -x ");
}

static void a_file_refused_for_anothers_at_the_next_start_has_its_objects_of_before(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "a.yaml", PODS("x"));
	write_file(fixture, "b.yaml", PODS("y"));
	start(fixture);
	write_file(fixture, "b.yaml", PODS("x", "y"));
	restart(fixture);
	expect_events(fixture, "+x +y ");
	assert_int_equal(files_problem_count(fixture->files), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILES_TEST(files_that_are_there_are_read_at_once_in_one_commit),
		FILES_TEST(a_new_set_replaces_the_previous_one),
		FILES_TEST(a_removed_file_takes_its_objects_with_it),
		FILES_TEST(a_broken_file_keeps_its_objects_in_force_and_is_a_problem),
		FILES_TEST(an_emptied_file_does_not_delete_its_objects),
		FILES_TEST(two_files_with_one_object_are_refused_naming_both),
		FILES_TEST(an_object_twice_in_a_file_is_refused),
		FILES_TEST(an_object_may_move_between_files_in_one_scan),
		FILES_TEST(a_directory_that_vanishes_deletes_nothing_and_is_found_again),
		FILES_TEST(a_fifo_and_a_huge_file_are_refused_without_waiting),
		FILES_TEST(a_refused_files_previous_objects_refuse_others_in_turn),
		FILES_TEST(a_file_broken_at_the_next_start_has_its_objects_of_before),
		FILES_TEST(a_file_refused_for_anothers_at_the_next_start_has_its_objects_of_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
