/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "service/service_table.h"

static struct td_addr parse(const char *text)
{
	struct td_addr addr = { 0 };

	if (text)
		assert_int_equal(address_parse(text, &addr), 0);
	return addr;
}

static void put(struct store *store, struct object *object)
{
	const struct store_change change = { .origin = STORE_AGENT, .object = object };
	struct diag diag = { 0 };

	assert_int_equal(store_commit(store, &change, 1, &diag), 0);
	object_unref(object);
}

/* port: name, protocol, port, number or name of the target. */
static struct object *service(const char *namespace, const char *name, const char *app,
			      const char *const ips[2], struct service_port port)
{
	struct object *object = object_new(OBJECT_SERVICE, namespace, name);
	struct service *spec = &object->service;

	if (app) {
		spec->selector = selector_new();
		assert_int_equal(selector_add(spec->selector, "k8s", "app", SELECTOR_IN, &app, 1),
				 0);
	}
	spec->cluster_ips = calloc(2, sizeof(*spec->cluster_ips));
	for (size_t i = 0; i < 2 && ips[i]; i++)
		spec->cluster_ips[spec->cluster_ip_count++] = parse(ips[i]);
	spec->ports = calloc(1, sizeof(*spec->ports));
	spec->port_count = 1;
	spec->ports[0] = port;
	spec->ports[0].name = port.name ? strdup(port.name) : NULL;
	spec->ports[0].target_name = port.target_name ? strdup(port.target_name) : NULL;
	return object;
}

static void pod(struct store *store, const char *namespace, const char *name, const char *app,
		uint16_t http)
{
	struct object *object = object_new(OBJECT_POD, namespace, name);

	assert_int_equal(labels_set(object->labels, "k8s", "app", app), 0);
	object->pod.service_account = strdup("default");
	object->pod.ports = calloc(1, sizeof(*object->pod.ports));
	object->pod.port_count = 1;
	object->pod.ports[0] = (struct named_port){ strdup("http"), IPPROTO_TCP, http };
	put(store, object);
}

static struct object *endpoint(const char *namespace, const char *name, const char *ipv4,
			       const char *ipv6)
{
	struct object *object = object_new(OBJECT_ENDPOINT, namespace, name);

	object->endpoint.state = ENDPOINT_READY;
	object->endpoint.ipv4 = parse(ipv4);
	object->endpoint.ipv6 = parse(ipv6);
	return object;
}

static void slice(struct store *store, const char *name, const char *of, const char *address,
		  bool ready, const char *port_name, uint16_t port)
{
	struct object *object = object_new(OBJECT_ENDPOINT_SLICE, "default", name);
	struct endpoint_slice *spec = &object->endpoint_slice;

	spec->service = strdup(of);
	spec->endpoints = calloc(1, sizeof(*spec->endpoints));
	spec->endpoint_count = 1;
	spec->endpoints[0].addresses = calloc(1, sizeof(struct td_addr));
	spec->endpoints[0].addresses[0] = parse(address);
	spec->endpoints[0].address_count = 1;
	spec->endpoints[0].ready = ready;
	spec->ports = calloc(1, sizeof(*spec->ports));
	spec->port_count = 1;
	spec->ports[0] = (struct service_port){ .name = port_name ? strdup(port_name) : NULL,
						.protocol = IPPROTO_TCP,
						.port = port };
	put(store, object);
}

/* "ADDR PORT/PROTOCOL NAMESPACE/NAME: ADDR PORT, ...;" of every frontend. */
static char *print(const struct service_table *table)
{
	size_t size = 4096, used = 0;
	char *text = calloc(1, size), buf[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < table->count; i++) {
		const struct service_frontend *f = &table->items[i];

		used += (size_t)snprintf(text + used, size - used,
					 "%s %u/%u %s/%s:", address_format(&f->addr, buf), f->port,
					 f->protocol, f->namespace, f->name);
		for (size_t b = 0; b < f->backend_count; b++)
			used += (size_t)snprintf(text + used, size - used, " %s %u",
						 address_format(&f->backends[b].addr, buf),
						 f->backends[b].port);
		used += (size_t)snprintf(text + used, size - used, ";");
	}
	return text;
}

static void assert_builds(const struct store *store, const char *want)
{
	_cleanup_(service_table_freep) struct service_table *table = NULL;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(service_table_build(store, &table, NULL, NULL), 0);
	text = print(table);
	assert_string_equal(text, want);
}

static int setup(void **state)
{
	return store_new((struct store **)state);
}

static int teardown(void **state)
{
	store_free(*state);
	return 0;
}

static const char *const one_ip[2] = { "10.96.0.1" };

static void selector_picks_ready_pods_of_its_namespace(void **state)
{
	struct store *store = *state;
	struct object *late = endpoint("default", "late", "10.1.0.9", NULL);

	put(store, service("default", "web", "web", one_ip,
			   (struct service_port){
				   .protocol = IPPROTO_TCP, .port = 80, .target_port = 8080 }));
	pod(store, "default", "b", "web", 1);
	pod(store, "default", "a", "web", 1);
	pod(store, "default", "late", "web", 1);
	pod(store, "default", "db", "db", 1);
	pod(store, "other", "a", "web", 1);
	put(store, endpoint("default", "b", "10.1.0.3", NULL));
	put(store, endpoint("default", "a", "10.1.0.4", NULL));
	put(store, endpoint("default", "db", "10.1.0.5", NULL));
	put(store, endpoint("other", "a", "10.1.0.6", NULL));
	put(store, endpoint("default", "stray", "10.1.0.7", NULL));
	late->endpoint.state = ENDPOINT_CREATING;
	put(store, late);
	assert_builds(store, "10.96.0.1 80/6 default/web: 10.1.0.3 8080 10.1.0.4 8080;");
}

static void run_workload_serves_by_its_own_labels(void **state)
{
	struct object *object = endpoint("default", "box", "10.1.0.3", NULL);
	struct store *store = *state;

	object->endpoint.run_labels = labels_new();
	assert_int_equal(label_parse("app=web", object->endpoint.run_labels), 0);
	put(store, object);
	put(store, service("default", "web", "web", one_ip,
			   (struct service_port){
				   .protocol = IPPROTO_TCP, .port = 80, .target_port = 80 }));
	assert_builds(store, "10.96.0.1 80/6 default/web: 10.1.0.3 80;");
}

static void dual_stack_has_backends_of_each_family(void **state)
{
	static const char *const ips[2] = { "10.96.0.1", "fd00:96::1" };
	struct store *store = *state;

	put(store, service("default", "web", "web", ips,
			   (struct service_port){
				   .protocol = IPPROTO_TCP, .port = 80, .target_port = 80 }));
	pod(store, "default", "a", "web", 1);
	pod(store, "default", "b", "web", 1);
	put(store, endpoint("default", "a", "10.1.0.3", "fd00:1::3"));
	put(store, endpoint("default", "b", NULL, "fd00:1::4"));
	assert_builds(store, "10.96.0.1 80/6 default/web: 10.1.0.3 80;"
			     "fd00:96::1 80/6 default/web: fd00:1::3 80 fd00:1::4 80;");
}

static void named_target_port_resolves_per_pod(void **state)
{
	struct store *store = *state;

	put(store, service("default", "web", "web", one_ip,
			   (struct service_port){
				   .protocol = IPPROTO_TCP, .port = 80, .target_name = "http" }));
	pod(store, "default", "a", "web", 8080);
	pod(store, "default", "b", "web", 9090);
	put(store, endpoint("default", "a", "10.1.0.3", NULL));
	put(store, endpoint("default", "b", "10.1.0.4", NULL));
	assert_builds(store, "10.96.0.1 80/6 default/web: 10.1.0.3 8080 10.1.0.4 9090;");
}

static void unresolved_target_name_has_no_backend(void **state)
{
	struct store *store = *state;

	put(store, service("default", "web", "web", one_ip,
			   (struct service_port){
				   .protocol = IPPROTO_UDP, .port = 80, .target_name = "http" }));
	pod(store, "default", "a", "web", 8080);
	put(store, endpoint("default", "a", "10.1.0.3", NULL));
	assert_builds(store, "10.96.0.1 80/17 default/web:;");
}

static void headless_service_has_no_frontend(void **state)
{
	static const char *const none[2] = { NULL };
	struct store *store = *state;

	put(store, service("default", "web", "web", none,
			   (struct service_port){
				   .protocol = IPPROTO_TCP, .port = 80, .target_port = 80 }));
	assert_builds(store, "");
}

static void slices_add_theirs_and_duplicates_count_once(void **state)
{
	struct store *store = *state;

	put(store, service("default", "web", "web", one_ip,
			   (struct service_port){ .name = "main",
						  .protocol = IPPROTO_TCP,
						  .port = 80,
						  .target_port = 8080 }));
	pod(store, "default", "a", "web", 1);
	put(store, endpoint("default", "a", "10.1.0.3", NULL));
	slice(store, "s1", "web", "10.1.0.3", true, "main", 8080);
	slice(store, "s2", "web", "192.0.2.7", true, "main", 9090);
	slice(store, "s3", "web", "192.0.2.8", true, "other", 9090);
	slice(store, "s4", "web", "192.0.2.9", false, "main", 9090);
	slice(store, "s5", "wed", "192.0.2.10", true, "main", 9090);
	slice(store, "s6", "web", "2001:db8::1", true, "main", 9090);
	assert_builds(store, "10.96.0.1 80/6 default/web: 10.1.0.3 8080 192.0.2.7 9090;");
}

static void service_without_selector_lives_of_slices(void **state)
{
	struct store *store = *state;

	put(store, service("default", "db", NULL, one_ip,
			   (struct service_port){
				   .protocol = IPPROTO_TCP, .port = 80, .target_port = 80 }));
	pod(store, "default", "a", "web", 1);
	put(store, endpoint("default", "a", "10.1.0.3", NULL));
	slice(store, "s1", "db", "192.0.2.7", true, NULL, 5432);
	assert_builds(store, "10.96.0.1 80/6 default/db: 192.0.2.7 5432;");
}

static void note_conflict(const struct object *service, void *data)
{
	char **text = data;
	char *longer = NULL;

	assert_true(asprintf(&longer, "%s%s/%s ", *text ? *text : "", service->namespace,
			     service->name) > 0);
	free(*text);
	*text = longer;
}

static void first_by_name_wins_a_place_and_the_other_is_reported(void **state)
{
	_cleanup_(service_table_freep) struct service_table *table = NULL;
	_cleanup_free_ char *lost = NULL, *text = NULL;
	struct service_port tcp = { .protocol = IPPROTO_TCP, .port = 80, .target_port = 80 };
	struct service_port udp = { .protocol = IPPROTO_UDP, .port = 80, .target_port = 80 };
	struct store *store = *state;

	put(store, service("default", "b", NULL, one_ip, tcp));
	put(store, service("zoo", "a", NULL, one_ip, tcp));
	put(store, service("default", "a", NULL, one_ip, tcp));
	put(store, service("zoo", "u", NULL, one_ip, udp));
	assert_int_equal(service_table_build(store, &table, note_conflict, &lost), 0);
	text = print(table);
	assert_string_equal(text, "10.96.0.1 80/6 default/a:;10.96.0.1 80/17 zoo/u:;");
	assert_string_equal(lost, "default/b zoo/a ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(selector_picks_ready_pods_of_its_namespace),
		TEST(run_workload_serves_by_its_own_labels),
		TEST(dual_stack_has_backends_of_each_family),
		TEST(named_target_port_resolves_per_pod),
		TEST(unresolved_target_name_has_no_backend),
		TEST(headless_service_has_no_frontend),
		TEST(slices_add_theirs_and_duplicates_count_once),
		TEST(service_without_selector_lives_of_slices),
		TEST(first_by_name_wins_a_place_and_the_other_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
