/* SPDX-License-Identifier: Apache-2.0 */
#include "source/api_objects.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"

struct fixture {
	char dir[80];
	struct store *store;
	struct api_objects *objects;
	struct diag diag;
	char broken[512], mended[512];
};

static void note_broken(const char *file, const struct diag *diag, bool opens, void *data)
{
	struct fixture *fixture = data;

	strcat(strcat(fixture->broken, file), " ");
	assert_true(diag_is_set(diag));
}

static void note_mended(const char *file, void *data)
{
	struct fixture *fixture = data;

	strcat(strcat(fixture->mended, file), " ");
}

/* The agent starts: nothing in memory, what there is on the disk. */
static void restart(struct fixture *fixture)
{
	const struct api_objects_watch watch = { note_broken, note_mended, fixture };

	api_objects_free(fixture->objects);
	store_free(fixture->store);
	fixture->broken[0] = fixture->mended[0] = '\0';
	assert_int_equal(store_new(&fixture->store), 0);
	assert_int_equal(api_objects_open(fixture->dir, fixture->store, &fixture->objects), 0);
	assert_int_equal(api_objects_load(fixture->objects, &watch, &fixture->diag), 0);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	strcpy(fixture->dir, "/tmp/tendril-api-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	strcat(fixture->dir, "/objects");
	restart(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	api_objects_free(fixture->objects);
	store_free(fixture->store);
	snprintf(command, sizeof(command), "rm -rf '%s/..'/*; rmdir '%.*s'", fixture->dir,
		 (int)(strlen(fixture->dir) - strlen("/objects")), fixture->dir);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static int apply(struct fixture *fixture, const char *text)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	struct object_parse_options options = { .file = "given.yaml", .from_api = true };
	struct store_change changes[8] = { 0 };

	assert_int_equal(object_parse(text, strlen(text), &options, &list, &fixture->diag), 0);
	assert_true(list->count <= ARRAY_SIZE(changes));
	for (size_t i = 0; i < list->count; i++)
		changes[i] = (struct store_change){ .origin = STORE_API, .object = list->items[i] };
	return api_objects_commit(fixture->objects, changes, list->count, &fixture->diag);
}

static int delete_pod(struct fixture *fixture, const char *name)
{
	struct store_change change = {
		.origin = STORE_API, .kind = OBJECT_POD, .namespace = "default", .name = name
	};

	return api_objects_commit(fixture->objects, &change, 1, &fixture->diag);
}

static unsigned int count_files(const struct fixture *fixture)
{
	char command[160];
	unsigned int count = 0;
	FILE *pipe;

	snprintf(command, sizeof(command), "ls -A '%s' | wc -l", fixture->dir);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%u", &count), 1);
	pclose(pipe);
	return count;
}

static void put_file(const struct fixture *fixture, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

#define POD(name) "apiVersion: v1\nkind: Pod\nmetadata: {name: \"" name "\", labels: {a: b}}\n"

static void what_was_applied_survives_a_restart(void **state)
{
	struct fixture *fixture = *state;
	const struct object *pod;

	assert_int_equal(apply(fixture, POD("x") "---\n" POD("y")), 0);
	restart(fixture);
	assert_int_equal(store_count(fixture->store, OBJECT_POD), 2);
	pod = store_get_from(fixture->store, STORE_API, OBJECT_POD, "default", "x");
	assert_non_null(pod);
	assert_null(pod->file);
	assert_string_equal(labels_get(pod->labels, "k8s", "a"), "b");
	assert_string_equal(fixture->broken, "");
}

static void what_was_deleted_stays_deleted(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(apply(fixture, POD("x")), 0);
	assert_int_equal(delete_pod(fixture, "x"), 0);
	assert_int_equal(delete_pod(fixture, "never-there"), 0);
	assert_int_equal(api_objects_settle(fixture->objects), 0);
	assert_int_equal(count_files(fixture), 0);
	restart(fixture);
	assert_int_equal(store_count(fixture->store, OBJECT_POD), 0);
}

static void a_refused_change_leaves_no_file(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(apply(fixture, POD("x") "---\n" POD("x")), -EINVAL);
	assert_int_equal(count_files(fixture), 0);
	assert_int_equal(store_count(fixture->store, OBJECT_POD), 0);
}

static void a_broken_file_is_reported_and_left_alone(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(apply(fixture, POD("x")), 0);
	put_file(fixture, "Pod_default_y.yaml", "kind: [");
	put_file(fixture, "Pod_default_z.yaml", POD("other"));
	put_file(fixture, ".batch-00000000000000ff", "put 99999 Pod_default_w.yaml\nshort");
	restart(fixture);
	assert_non_null(strstr(fixture->broken, "Pod_default_y.yaml"));
	assert_non_null(strstr(fixture->broken, "Pod_default_z.yaml"));
	assert_non_null(strstr(fixture->broken, "batch-00000000000000ff.yaml"));
	assert_int_equal(store_count(fixture->store, OBJECT_POD), 1);
	assert_int_equal(count_files(fixture), 4);
}

#define POLICY_FILE "CiliumNetworkPolicy_default_p.yaml"
#define POLICY                                                                                     \
	"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\n"               \
	"spec: {endpointSelector: {}}\n"

static void what_may_deny_is_missed_while_it_cannot_be_read(void **state)
{
	static const struct {
		const char *file;
		bool missed;
	} cases[] = {
		{ POLICY_FILE, true },
		{ "NetworkPolicy_default_p.yaml", true },
		{ "CiliumClusterwideNetworkPolicy__p.yaml", true },
		{ "Namespace__default.yaml", true },
		{ "batch-0000000000000001.yaml", true },
		{ "Podium_default_p.yaml", true },
		{ "x.yaml", true },
		{ "Pod_default_p.yaml", true }, /* it may take itself out of an audit */
		{ "Service_default_p.yaml", true },
		{ "EndpointSlice_default_p.yaml", true },
		{ "CiliumCIDRGroup__p.yaml", true },
		{ "PolicyMode__p.yaml", true },
		{ "Node__p.yaml", false },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[256];
		const char *missing;

		put_file(fixture, cases[i].file, "kind: [");
		restart(fixture);
		missing = api_objects_missing(fixture->objects);
		if (cases[i].missed != (missing && strcmp(missing, cases[i].file) == 0))
			fail_msg("%s: missing is %s", cases[i].file, missing ? missing : "nothing");
		snprintf(path, sizeof(path), "%s/%s", fixture->dir, cases[i].file);
		assert_int_equal(unlink(path), 0);
		assert_null(api_objects_missing(fixture->objects));
		if (cases[i].missed)
			assert_string_equal(fixture->mended, fixture->broken);
	}
}

static void a_broken_object_that_is_applied_again_is_mended(void **state)
{
	struct fixture *fixture = *state;

	put_file(fixture, POLICY_FILE, "kind: [");
	put_file(fixture, "Pod_default_x.yaml", "");
	restart(fixture);
	assert_true(api_objects_is_broken(fixture->objects, OBJECT_POD, "default", "x"));
	assert_false(api_objects_is_broken(fixture->objects, OBJECT_POD, "default", "y"));
	assert_int_equal(apply(fixture, POLICY), 0);
	assert_string_equal(api_objects_missing(fixture->objects), "Pod_default_x.yaml");
	assert_string_equal(fixture->mended, POLICY_FILE " ");
	assert_int_equal(delete_pod(fixture, "x"), 0);
	assert_null(api_objects_missing(fixture->objects));
	assert_false(api_objects_is_broken(fixture->objects, OBJECT_POD, "default", "x"));
	assert_int_equal(api_objects_settle(fixture->objects), 0);
	restart(fixture);
	assert_string_equal(fixture->broken, "");
	assert_int_equal(store_count(fixture->store, OBJECT_CILIUM_NETWORK_POLICY), 1);
}

/* On a disk without room a batch stays one: here a directory is in the way of its first file. */
static void what_a_batch_says_counts_for_a_broken_file(void **state)
{
	struct fixture *fixture = *state;
	char path[256];

	snprintf(path, sizeof(path), "%s/.settle-0", fixture->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(apply(fixture, POLICY), 0);
	assert_true(api_objects_settle(fixture->objects) < 0);
	put_file(fixture, POLICY_FILE, "kind: [");
	put_file(fixture, ".batch-00000000000000ff", "put 99999 Pod_default_w.yaml\nshort");
	restart(fixture);
	assert_string_equal(fixture->broken, POLICY_FILE " .batch-00000000000000ff ");
	assert_string_equal(fixture->mended, POLICY_FILE " ");
	assert_int_equal(store_count(fixture->store, OBJECT_CILIUM_NETWORK_POLICY), 1);
	assert_string_equal(api_objects_missing(fixture->objects), ".batch-00000000000000ff");
}

static void what_an_interrupted_write_left_is_removed(void **state)
{
	struct fixture *fixture = *state;

	put_file(fixture, ".new-batch", "put 1 Pod_default_x.yaml\nx");
	put_file(fixture, ".settle-0", POD("x"));
	restart(fixture);
	assert_int_equal(count_files(fixture), 0);
	assert_int_equal(store_count(fixture->store, OBJECT_POD), 0);
}

/* Two names that differ only beyond what a file's name can hold. */
static void names_longer_than_a_files_name_keep_apart(void **state)
{
	struct fixture *fixture = *state;
	char head[260], text[1200];

	memset(head, 'a', 252);
	head[252] = '\0';
	snprintf(text, sizeof(text),
		 "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\n"
		 "metadata: {name: %sb}\nspec: {endpointSelector: {}}\n---\n"
		 "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\n"
		 "metadata: {name: %sc}\nspec: {endpointSelector: {}}\n",
		 head, head);
	assert_int_equal(apply(fixture, text), 0);
	restart(fixture);
	assert_int_equal(store_count(fixture->store, OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY), 2);
	assert_string_equal(fixture->broken, "");
}

static void nothing_changes_when_the_disk_does_not_write(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	/* A directory stands where the batch would be written. */
	snprintf(path, sizeof(path), "%s/.new-batch", fixture->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(apply(fixture, POD("x") "---\n" POD("y")) < 0);
	assert_non_null(strstr(fixture->diag.text, "nothing has changed"));
	assert_int_equal(store_count(fixture->store, OBJECT_POD), 0);
	assert_int_equal(count_files(fixture), 1);
}

#define API_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(what_was_applied_survives_a_restart),
		API_TEST(what_was_deleted_stays_deleted),
		API_TEST(a_refused_change_leaves_no_file),
		API_TEST(a_broken_file_is_reported_and_left_alone),
		API_TEST(what_may_deny_is_missed_while_it_cannot_be_read),
		API_TEST(a_broken_object_that_is_applied_again_is_mended),
		API_TEST(what_a_batch_says_counts_for_a_broken_file),
		API_TEST(what_an_interrupted_write_left_is_removed),
		API_TEST(names_longer_than_a_files_name_keep_apart),
		API_TEST(nothing_changes_when_the_disk_does_not_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
