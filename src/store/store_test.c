/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

/* Events as text: "+ns/name" new, "-ns/name" gone, "~ns/name" replaced. */
struct journal {
	char text[1024];
	unsigned int calls;
};

static void write_down(const struct store_event *events, size_t count, void *data)
{
	struct journal *journal = data;

	journal->calls++;
	for (size_t i = 0; i < count; i++) {
		const struct object *at = events[i].after ? events[i].after : events[i].before;
		char sign = events[i].before && events[i].after ? '~' : events[i].after ? '+' : '-';
		size_t used = strlen(journal->text);

		snprintf(journal->text + used, sizeof(journal->text) - used, "%c%s/%s ", sign,
			 at->namespace, at->name);
	}
}

struct fixture {
	struct store *store;
	struct journal journal;
	struct diag diag;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	assert_int_equal(store_new(&fixture->store), 0);
	assert_int_equal(store_listen(fixture->store, write_down, &fixture->journal), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	store_free(fixture->store);
	free(fixture);
	return 0;
}

static int put(struct fixture *fixture, enum store_origin origin, const char *name,
	       const char *file)
{
	_cleanup_(object_unrefp) struct object *pod = object_new(OBJECT_POD, "default", name);
	struct store_change change = { .origin = origin, .object = pod };

	assert_non_null(pod);
	if (file)
		pod->file = strdup(file);
	return store_commit(fixture->store, &change, 1, &fixture->diag);
}

static int delete(struct fixture *fixture, enum store_origin origin, const char *name)
{
	struct store_change change = {
		.origin = origin, .kind = OBJECT_POD, .namespace = "default", .name = name
	};

	return store_commit(fixture->store, &change, 1, &fixture->diag);
}

static const char *journal_of(struct fixture *fixture)
{
	static char text[1024];

	memcpy(text, fixture->journal.text, sizeof(text));
	fixture->journal.text[0] = '\0';
	return text;
}

static void listeners_hear_new_replaced_and_gone(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(put(fixture, STORE_API, "a", NULL), 0);
	assert_string_equal(journal_of(fixture), "+default/a ");
	assert_int_equal(put(fixture, STORE_API, "a", NULL), 0);
	assert_string_equal(journal_of(fixture), "~default/a ");
	assert_int_equal(delete (fixture, STORE_API, "a"), 0);
	assert_string_equal(journal_of(fixture), "-default/a ");
	assert_null(store_get(fixture->store, OBJECT_POD, "default", "a"));
}

static void deleting_what_is_not_there_is_silent(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(delete (fixture, STORE_API, "nobody"), 0);
	assert_int_equal(fixture->journal.calls, 0);
}

static void the_stronger_origin_is_in_force_and_the_weaker_waits(void **state)
{
	struct fixture *fixture = *state;
	const struct object *api, *file;

	assert_int_equal(put(fixture, STORE_API, "a", NULL), 0);
	api = store_get(fixture->store, OBJECT_POD, "default", "a");
	assert_int_equal(put(fixture, STORE_FILE, "a", "x.yaml"), 0);
	file = store_get(fixture->store, OBJECT_POD, "default", "a");
	assert_ptr_not_equal(api, file);
	assert_ptr_equal(store_get_from(fixture->store, STORE_API, OBJECT_POD, "default", "a"),
			 api);
	assert_string_equal(journal_of(fixture), "+default/a ~default/a ");
	assert_int_equal(store_count(fixture->store, OBJECT_POD), 1);

	/* What waits beneath may go without anybody noticing ... */
	assert_int_equal(delete (fixture, STORE_API, "a"), 0);
	assert_string_equal(journal_of(fixture), "");
	assert_ptr_equal(store_get(fixture->store, OBJECT_POD, "default", "a"), file);
}

static void the_weaker_takes_over_when_the_stronger_goes(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(put(fixture, STORE_API, "a", NULL), 0);
	assert_int_equal(put(fixture, STORE_FILE, "a", "x.yaml"), 0);
	journal_of(fixture);
	assert_int_equal(delete (fixture, STORE_FILE, "a"), 0);
	assert_string_equal(journal_of(fixture), "~default/a ");
	assert_null(store_get(fixture->store, OBJECT_POD, "default", "a")->file);
}

static void the_api_may_not_put_what_a_file_holds(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(put(fixture, STORE_FILE, "a", "/etc/objects/x.yaml"), 0);
	journal_of(fixture);
	assert_int_equal(put(fixture, STORE_API, "a", NULL), -EINVAL);
	assert_non_null(strstr(fixture->diag.text, "/etc/objects/x.yaml"));
	assert_string_equal(journal_of(fixture), "");
}

static void a_refused_batch_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_(object_unrefp) struct object *a = object_new(OBJECT_POD, "default", "a");
	_cleanup_(object_unrefp) struct object *b = object_new(OBJECT_POD, "default", "b");
	_cleanup_(object_unrefp) struct object *again = object_new(OBJECT_POD, "default", "a");
	struct store_change changes[] = {
		{ .origin = STORE_FILE, .object = a },
		{ .origin = STORE_FILE, .object = b },
		{ .origin = STORE_FILE, .object = again },
	};

	assert_int_equal(store_commit(fixture->store, changes, ARRAY_SIZE(changes), &fixture->diag),
			 -EINVAL);
	assert_non_null(strstr(fixture->diag.text, "Pod default/a twice"));
	assert_int_equal(store_count(fixture->store, OBJECT_POD), 0);
	assert_int_equal(fixture->journal.calls, 0);
}

static void a_batch_is_told_at_once(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_(object_unrefp) struct object *a = object_new(OBJECT_POD, "default", "a");
	_cleanup_(object_unrefp) struct object *b = object_new(OBJECT_POD, "default", "b");
	struct store_change changes[] = {
		{ .origin = STORE_FILE, .object = b },
		{ .origin = STORE_FILE, .object = a },
	};

	assert_int_equal(store_commit(fixture->store, changes, ARRAY_SIZE(changes), &fixture->diag),
			 0);
	assert_int_equal(fixture->journal.calls, 1);
	assert_string_equal(journal_of(fixture), "+default/a +default/b ");
}

static int note_order(const struct object *object, void *data)
{
	char *text = data;

	strcat(strcat(strcat(text, object->namespace), "/"), object->name);
	strcat(text, " ");
	return 0;
}

static void objects_come_sorted_by_namespace_and_name(void **state)
{
	struct fixture *fixture = *state;
	static const char *const names[][2] = {
		{ "b", "x" }, { "a", "y" }, { "b", "a" }, { "a-b", "z" }, { "a", "b" },
	};
	char text[128] = "";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(object_unrefp) struct object *pod =
			object_new(OBJECT_POD, names[i][0], names[i][1]);
		struct store_change change = { .origin = STORE_API, .object = pod };

		assert_int_equal(store_commit(fixture->store, &change, 1, &fixture->diag), 0);
	}
	store_for_each(fixture->store, OBJECT_POD, note_order, text);
	assert_string_equal(text, "a/b a/y a-b/z b/a b/x ");
}

static void kinds_do_not_mix(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(put(fixture, STORE_API, "a", NULL), 0);
	assert_null(store_get(fixture->store, OBJECT_SERVICE, "default", "a"));
	assert_int_equal(store_count(fixture->store, OBJECT_SERVICE), 0);
}

static void a_ninth_listener_is_refused(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 7; i++)
		assert_int_equal(store_listen(fixture->store, write_down, &fixture->journal), 0);
	assert_int_equal(store_listen(fixture->store, write_down, &fixture->journal), -ENOSPC);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(listeners_hear_new_replaced_and_gone),
		STORE_TEST(deleting_what_is_not_there_is_silent),
		STORE_TEST(the_stronger_origin_is_in_force_and_the_weaker_waits),
		STORE_TEST(the_weaker_takes_over_when_the_stronger_goes),
		STORE_TEST(the_api_may_not_put_what_a_file_holds),
		STORE_TEST(a_refused_batch_changes_nothing),
		STORE_TEST(a_batch_is_told_at_once),
		STORE_TEST(objects_come_sorted_by_namespace_and_name),
		STORE_TEST(kinds_do_not_mix),
		STORE_TEST(a_ninth_listener_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
