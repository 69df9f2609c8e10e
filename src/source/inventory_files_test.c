/* SPDX-License-Identifier: Apache-2.0 */
#include "source/inventory_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "base/util.h"

#define MAX_AGE 3600

struct fixture {
	char dir[64], keep[80], in[80];
	uv_loop_t loop;
	struct store *store;
	struct inventory_files *inventory;
	char problems[2048];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/tendril-inventory-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->keep, sizeof(f->keep), "%s/keep", f->dir);
	snprintf(f->in, sizeof(f->in), "%s/in", f->dir);
	assert_int_equal(mkdir(f->in, 0755), 0);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(store_new(&f->store), 0);
	*state = f;
	return 0;
}

static void stop(struct fixture *f)
{
	inventory_files_free(f->inventory);
	f->inventory = NULL;
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	stop(f);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	store_free(f->store);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

/* As an agent that starts: with an empty store. */
static void start(struct fixture *f, int64_t max_age)
{
	stop(f);
	store_free(f->store);
	assert_int_equal(store_new(&f->store), 0);
	assert_int_equal(
		inventory_files_new(&f->loop, f->in, f->keep, max_age, f->store, &f->inventory), 0);
}

static void write_text(const struct fixture *f, const char *text)
{
	char path[128], temporary[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/aws.yaml", f->in);
	snprintf(temporary, sizeof(temporary), "%s/.tmp", f->in);
	file = fopen(temporary, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(temporary, path), 0);
}

static void write_group(const struct fixture *f, const char *address, int64_t age)
{
	time_t at = time(NULL) - age;
	char text[256], when[32];
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(text, sizeof(text),
		 "groups:\n- {provider: aws, addresses: [%s], generatedAt: \"%s\"}\n", address,
		 when);
	write_text(f, text);
}

static void add_problem(const char *name, const struct diag *problem, void *data)
{
	struct fixture *f = data;
	size_t used = strlen(f->problems);
	char text[1024];

	diag_format(problem, text, sizeof(text));
	snprintf(f->problems + used, sizeof(f->problems) - used, "%s\n", text);
}

static const char *problems(struct fixture *f)
{
	f->problems[0] = '\0';
	inventory_files_for_each_problem(f->inventory, add_problem, f);
	return f->problems;
}

/* The only group's only address; "" if there is none. */
static const char *address(const struct fixture *f)
{
	static char text[PREFIX_TEXT_MAX];
	const struct object *group = store_get(f->store, OBJECT_INVENTORY_GROUP, "", "aws.yaml/0");

	if (!group)
		return "";
	return prefix_format(&group->inventory_group.prefixes[0], text);
}

static void expire(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static bool run_until(struct fixture *f, bool (*done)(struct fixture *f, const char *want),
		      const char *want)
{
	bool expired = false;
	uv_timer_t timer;

	uv_timer_init(&f->loop, &timer);
	timer.data = &expired;
	uv_timer_start(&timer, expire, 20000, 0);
	while (!expired && !done(f, want))
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	return !expired;
}

static bool address_is(struct fixture *f, const char *want)
{
	return strcmp(address(f), want) == 0;
}

static bool problem_is(struct fixture *f, const char *want)
{
	return strstr(problems(f), want);
}

static void a_changed_file_changes_its_groups(void **state)
{
	struct fixture *f = *state;

	write_group(f, "10.0.0.1", 0);
	start(f, MAX_AGE);
	assert_string_equal(address(f), "10.0.0.1/32");
	write_group(f, "10.0.0.2", 0);
	assert_true(run_until(f, address_is, "10.0.0.2/32"));
	write_text(f, "groups: []\n");
	assert_true(run_until(f, address_is, ""));
	assert_string_equal(problems(f), "");
}

static void a_broken_file_keeps_its_last_good_groups(void **state)
{
	struct fixture *f = *state;

	write_group(f, "10.0.0.1", 0);
	start(f, MAX_AGE);
	write_text(f, "groups:\n- provider: aws\n  addresses: [10.0.0.");
	assert_true(run_until(f, problem_is, "/in/aws.yaml:"));
	assert_string_equal(address(f), "10.0.0.1/32");

	/* Over a restart too. */
	start(f, MAX_AGE);
	assert_string_equal(address(f), "10.0.0.1/32");
	assert_true(problem_is(f, "/in/aws.yaml:"));
	write_group(f, "10.0.0.2", 0);
	assert_true(run_until(f, address_is, "10.0.0.2/32"));
	assert_string_equal(problems(f), "");
}

static void an_old_file_keeps_the_last_good_groups(void **state)
{
	struct fixture *f = *state;

	write_group(f, "10.0.0.1", 0);
	start(f, MAX_AGE);
	write_group(f, "10.0.0.2", MAX_AGE + 60);
	assert_true(run_until(f, problem_is, "expected a time less than 3600 s ago"));
	assert_string_equal(address(f), "10.0.0.1/32");
	start(f, MAX_AGE);
	assert_string_equal(address(f), "10.0.0.1/32");
	/* Whoever does not mind the age gets them. */
	start(f, 0);
	assert_string_equal(address(f), "10.0.0.2/32");
	assert_string_equal(problems(f), "");
}

static void a_file_that_was_never_good_has_no_groups(void **state)
{
	struct fixture *f = *state;

	write_group(f, "10.0.0.1", MAX_AGE + 60);
	start(f, MAX_AGE);
	assert_string_equal(address(f), "");
	assert_true(problem_is(f, "expected a time less than 3600 s ago"));
}

static void groups_that_grow_old_stay_and_are_a_problem(void **state)
{
	struct fixture *f = *state;

	write_group(f, "10.0.0.1", 60);
	start(f, 0);
	assert_string_equal(problems(f), "");
	write_text(f, "broken");
	start(f, 30); /* its time has passed, as it were */
	assert_string_equal(address(f), "10.0.0.1/32");
	assert_true(problem_is(f, "found groups in force that were generated at"));
}

static bool is_forgotten(struct fixture *f, const char *path)
{
	struct stat st;

	return stat(path, &st) < 0;
}

static void a_removed_files_groups_go_and_are_forgotten(void **state)
{
	struct fixture *f = *state;
	char path[128], kept[128];

	snprintf(path, sizeof(path), "%s/aws.yaml", f->in);
	snprintf(kept, sizeof(kept), "%s/aws.yaml", f->keep);
	write_group(f, "10.0.0.1", 0);
	start(f, MAX_AGE);
	assert_false(is_forgotten(f, kept));
	assert_int_equal(remove(path), 0);
	assert_true(run_until(f, address_is, ""));
	assert_true(run_until(f, is_forgotten, kept));
	write_text(f, "broken");
	assert_true(run_until(f, problem_is, "/in/aws.yaml:"));
	assert_string_equal(address(f), "");
}

#define INVENTORY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		INVENTORY_TEST(a_changed_file_changes_its_groups),
		INVENTORY_TEST(a_broken_file_keeps_its_last_good_groups),
		INVENTORY_TEST(an_old_file_keeps_the_last_good_groups),
		INVENTORY_TEST(a_file_that_was_never_good_has_no_groups),
		INVENTORY_TEST(groups_that_grow_old_stay_and_are_a_problem),
		INVENTORY_TEST(a_removed_files_groups_go_and_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
