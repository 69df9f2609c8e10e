/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "workload.h"

static struct store *store_with(const char *const pods[][2], size_t count)
{
	struct store *store = NULL;

	assert_int_equal(store_new(&store), 0);
	for (size_t i = 0; i < count; i++) {
		struct object *pod = object_new(OBJECT_POD, pods[i][0], pods[i][1]);
		const struct store_change change = { .origin = STORE_API, .object = pod };
		struct diag diag = {};

		assert_int_equal(store_commit(store, &change, 1, &diag), 0);
		object_unref(pod);
	}
	return store;
}

static void a_container_without_arguments_is_found_by_its_id(void **state)
{
	static const char *const pods[][2] = {
		{ "default", "web" }, { "a", "b-c" }, { "a-b", "c" }, { "a", "b" }, { "x-y", "z" },
	};
	static const struct {
		const char *container_id;
		int want;
		const char *namespace, *name;
	} cases[] = {
		{ "default-web", 0, "default", "web" },
		{ "a-b", 0, "a", "b" },
		{ "a-b-c", -EEXIST, NULL, NULL },
		{ "x-y-z", 0, "x-y", "z" },
		{ "x-y", 0, NULL, NULL },
		{ "default", 0, NULL, NULL },
		{ "default-", 0, NULL, NULL },
		{ "default-webx", 0, NULL, NULL },
		{ "xdefault-web", 0, NULL, NULL },
		{ "", 0, NULL, NULL },
	};
	_cleanup_(store_freep) struct store *store = store_with(pods, ARRAY_SIZE(pods));

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct object *pod = NULL;
		struct diag diag = {};

		assert_int_equal(workload_find_pod(store, cases[i].container_id, &pod, &diag),
				 cases[i].want);
		assert_int_equal(pod != NULL, cases[i].name != NULL);
		if (pod) {
			assert_string_equal(pod->namespace, cases[i].namespace);
			assert_string_equal(pod->name, cases[i].name);
		}
		if (cases[i].want) {
			assert_non_null(strstr(diag.text, "a/b-c"));
			assert_non_null(strstr(diag.text, "a-b/c"));
		}
	}
}

static struct workload *sample(void)
{
	struct workload *workload = calloc(1, sizeof(*workload));

	workload->id = 7;
	workload->state = ENDPOINT_READY;
	workload->run = true;
	workload->network = strdup("net");
	workload->container_id = strdup("abc");
	workload->ifname = strdup("eth0");
	workload->netns = strdup("/run/netns/x");
	workload->host_ifname = strdup("td7");
	workload->host_ifindex = 42;
	workload->netns_cookie = 4026532000ull << 8;
	workload->namespace = strdup("default");
	workload->name = strdup("web");
	workload->run_labels = labels_new();
	labels_set(workload->run_labels, "k8s", "app", "web");
	address_parse("10.0.0.7", &workload->ipv4);
	address_parse("fd00::7", &workload->ipv6);
	return workload;
}

static void a_record_is_read_as_it_was_written(void **state)
{
	_cleanup_(workload_freep) struct workload *before = sample(), *after = NULL;
	_cleanup_free_ char *text = workload_save(before), *again = NULL;
	struct diag diag = {};

	(void)state;
	assert_non_null(text);
	assert_int_equal(workload_load(text, strlen(text), "7.json", &after, &diag), 0);
	assert_int_equal(after->state, ENDPOINT_READY);
	assert_true(after->run);
	assert_string_equal(after->network, "net");
	assert_int_equal(after->netns_cookie, before->netns_cookie);
	assert_int_equal(address_compare(&after->ipv6, &before->ipv6), 0);
	assert_string_equal(labels_get(after->run_labels, "k8s", "app"), "web");
	again = workload_save(after);
	assert_string_equal(text, again);
}

static void a_record_without_addresses_has_none(void **state)
{
	_cleanup_(workload_freep) struct workload *before = sample(), *after = NULL;
	_cleanup_free_ char *text = NULL;
	struct diag diag = {};

	(void)state;
	before->ipv4 = before->ipv6 = (struct td_addr){};
	text = workload_save(before);
	assert_int_equal(workload_load(text, strlen(text), "7.json", &after, &diag), 0);
	assert_true(address_is_zero(&after->ipv4));
}

/* One field of a good record replaced. */
static void broken_records_are_refused_with_the_field(void **state)
{
	static const struct {
		const char *key, *value, *want;
	} cases[] = {
		{ "id", "0", "id:" },
		{ "id", "65536", "id:" },
		{ "id", "-1", "id:" },
		{ "id", "\"7\"", "id:" },
		{ "state", "\"gone\"", "state: found 'gone'" },
		{ "state", "3", "state:" },
		{ "container_id", "\"../x\"", "container id" },
		{ "container_id", "\"\"", "container id" },
		{ "container_id", "null", "container_id: found no text" },
		{ "ifname", "\"a/b\"", "interface name" },
		{ "ifname", "\"sixteencharslong\"", "interface name" },
		{ "host_ifname", "\"..\"", "interface name" },
		{ "host_ifindex", "4294967296", "host_ifindex:" },
		{ "ipv4", "\"10.0.0.256\"", "ipv4:" },
		{ "ipv6", "7", "ipv6:" },
		{ "labels", "{\"app\": 1}", "labels:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(workload_freep) struct workload *before = sample(), *after = NULL;
		_cleanup_free_ char *text = workload_save(before), *broken = NULL;
		json_t *json = json_loads(text, 0, NULL);
		struct diag diag = {};

		json_object_set_new(json, cases[i].key,
				    json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		broken = json_dumps(json, 0);
		json_decref(json);
		assert_int_equal(workload_load(broken, strlen(broken), "7.json", &after, &diag),
				 -EINVAL);
		assert_null(after);
		if (!strstr(diag.text, cases[i].want))
			fail_msg("%s=%s: said '%s'", cases[i].key, cases[i].value, diag.text);
	}
}

static void a_record_cut_anywhere_is_refused(void **state)
{
	_cleanup_(workload_freep) struct workload *before = sample();
	_cleanup_free_ char *text = workload_save(before);
	size_t len = strlen(text);

	(void)state;
	while (len-- > 0) {
		struct workload *after = NULL;
		struct diag diag = {};

		assert_int_equal(workload_load(text, len, "7.json", &after, &diag), -EINVAL);
	}
}

static void names_that_could_leave_their_directory_are_refused(void **state)
{
	static const char *const bad_ids[] = { "", ".", "..", "-a", "a/b", "a b", "a\n", "\xff" };
	static const char *const bad_names[] = {
		"", ".", "..", "a/b", "a:1", "a b", "0123456789abcdef"
	};
	char long_id[CONTAINER_ID_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_ids); i++)
		assert_false(workload_container_id_ok(bad_ids[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad_names); i++)
		assert_false(workload_ifname_ok(bad_names[i]));
	memset(long_id, 'a', sizeof(long_id));
	long_id[CONTAINER_ID_MAX + 1] = '\0';
	assert_false(workload_container_id_ok(long_id));
	long_id[CONTAINER_ID_MAX] = '\0';
	assert_true(workload_container_id_ok(long_id));
	assert_true(workload_container_id_ok("default-web_1.x"));
	assert_true(workload_ifname_ok("eth0"));
	assert_true(workload_ifname_ok("0123456789abcde"));
}

static void the_object_carries_what_services_need(void **state)
{
	_cleanup_(workload_freep) struct workload *workload = sample();
	_cleanup_(object_unrefp) struct object *object = NULL;

	(void)state;
	workload->has_object = true;
	assert_int_equal(workload_object(workload, "web#7", &object), 0);
	assert_int_equal(object->kind, OBJECT_ENDPOINT);
	assert_string_equal(object->namespace, "default");
	assert_string_equal(object->name, "web#7");
	assert_int_equal(object->endpoint.state, ENDPOINT_READY);
	assert_string_equal(labels_get(object->endpoint.run_labels, "k8s", "app"), "web");
	assert_int_equal(address_compare(&object->endpoint.ipv4, &workload->ipv4), 0);
	assert_int_equal(object->endpoint.host_ifindex, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_without_arguments_is_found_by_its_id),
		cmocka_unit_test(a_record_is_read_as_it_was_written),
		cmocka_unit_test(a_record_without_addresses_has_none),
		cmocka_unit_test(broken_records_are_refused_with_the_field),
		cmocka_unit_test(a_record_cut_anywhere_is_refused),
		cmocka_unit_test(names_that_could_leave_their_directory_are_refused),
		cmocka_unit_test(the_object_carries_what_services_need),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
