/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "abi/types.h"
#include "identity/identity.h"

static struct identities *fresh(void)
{
	struct identities *identities = NULL;

	assert_int_equal(identities_new(&identities), 0);
	return identities;
}

static uint32_t get_with_ports(struct identities *identities, const char *label,
			       const struct named_port *ports, size_t count)
{
	_cleanup_(labels_freep) struct labels *labels = labels_new();
	uint32_t number = 0;

	assert_int_equal(label_parse(label, labels), 0);
	assert_int_equal(identities_get(identities, labels, ports, count, &number), 0);
	return number;
}

static uint32_t get(struct identities *identities, const char *label)
{
	return get_with_ports(identities, label, NULL, 0);
}

static void equal_labels_share_a_number_from_256(void **state)
{
	_cleanup_(identities_freep) struct identities *identities = fresh();

	assert_int_equal(get(identities, "app=a"), 256);
	assert_int_equal(get(identities, "app=b"), 257);
	assert_int_equal(get(identities, "app=a"), 256);
	assert_int_equal(identities_find(identities, 256)->refs, 2);
}

static void named_ports_tell_identities_apart(void **state)
{
	_cleanup_(identities_freep) struct identities *identities = fresh();
	struct named_port ports[] = { { "web", IPPROTO_TCP, 80 }, { "dns", IPPROTO_UDP, 53 } };
	struct named_port turned[] = { ports[1], ports[0], ports[0] };
	struct named_port other[] = { ports[1], { "web", IPPROTO_TCP, 8080 } };
	uint32_t number = get_with_ports(identities, "app=a", ports, 2);

	assert_int_equal(get_with_ports(identities, "app=a", turned, 3), number);
	assert_int_not_equal(get_with_ports(identities, "app=a", other, 2), number);
	assert_int_not_equal(get(identities, "app=a"), number);
	assert_string_equal(identities_find(identities, number)->ports[0].name, "dns");
}

static void reserved_identities_have_their_labels(void **state)
{
	static const struct {
		uint32_t number;
		const char *labels;
	} want[] = {
		{ TD_ID_HOST, "reserved:host" },
		{ TD_ID_WORLD, "reserved:world" },
		{ TD_ID_UNMANAGED, "reserved:unmanaged" },
		{ TD_ID_HEALTH, "reserved:health" },
		{ TD_ID_INIT, "reserved:init" },
		{ TD_ID_REMOTE_NODE, "reserved:remote-node" },
		{ TD_ID_KUBE_APISERVER, "reserved:kube-apiserver,reserved:remote-node" },
		{ TD_ID_INGRESS, "reserved:ingress" },
	};
	_cleanup_(identities_freep) struct identities *identities = fresh();

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		const struct identity *identity = identities_find(identities, want[i].number);
		_cleanup_free_ char *text = labels_format(identity->labels);

		assert_string_equal(text, want[i].labels);
	}
	assert_null(identities_find(identities, 0));
	assert_null(identities_find(identities, 300));
	assert_null(identities_find(identities, TD_ID_LOCAL_MIN));
}

static void released_number_waits_for_equal_labels(void **state)
{
	_cleanup_(identities_freep) struct identities *identities = fresh();
	uint32_t a = get(identities, "app=a");

	identities_put(identities, a);
	assert_int_equal(get(identities, "app=b"), 257);
	assert_int_equal(get(identities, "app=a"), a);
	assert_int_equal(identities_find(identities, a)->refs, 1);
	identities_put(identities, TD_ID_HOST);
	identities_put(identities, 60000);
	assert_non_null(identities_find(identities, TD_ID_HOST));
}

static void churning_labels_do_not_grow_the_table(void **state)
{
	_cleanup_(identities_freep) struct identities *identities = fresh();
	uint32_t number = 0, highest = 0;

	for (int i = 0; i < 5000; i++) {
		char label[32];

		snprintf(label, sizeof(label), "run=%d", i);
		number = get(identities, label);
		highest = number > highest ? number : highest;
		identities_put(identities, number);
	}
	assert_true(highest <= 256 + 1025);
	/* The last ones still wait for their labels. */
	assert_int_equal(get(identities, "run=4999"), number);
}

static void all_numbers_in_use_is_an_error_until_one_is_released(void **state)
{
	_cleanup_(identities_freep) struct identities *identities = fresh();
	_cleanup_(labels_freep) struct labels *labels = labels_new();
	uint32_t number = 0;

	for (int i = 256; i <= 65535; i++) {
		char value[16];

		snprintf(value, sizeof(value), "%d", i);
		assert_int_equal(labels_set(labels, "k8s", "n", value), 0);
		assert_int_equal(identities_get(identities, labels, NULL, 0, &number), 0);
	}
	assert_int_equal(number, 65535);
	assert_int_equal(labels_set(labels, "k8s", "n", "more"), 0);
	number = 7;
	assert_int_equal(identities_get(identities, labels, NULL, 0, &number), -ENOSPC);
	assert_int_equal(number, 7);
	identities_put(identities, 4711);
	assert_int_equal(identities_get(identities, labels, NULL, 0, &number), 0);
	assert_int_equal(number, 4711);
}

static int collect(const struct identity *identity, void *data)
{
	uint32_t **next = data;

	*(*next)++ = identity->number;
	return identity->number == 257 ? 1 : 0;
}

static void for_each_visits_used_ones_in_order_and_stops(void **state)
{
	_cleanup_(identities_freep) struct identities *identities = fresh();
	uint32_t seen[32], *next = seen;

	get(identities, "app=a");
	get(identities, "app=b");
	get(identities, "app=c");
	identities_put(identities, 256);
	assert_int_equal(identities_for_each(identities, collect, &next), 1);
	assert_int_equal(seen[0], TD_ID_HOST);
	assert_int_equal(next[-1], 257);
	assert_int_equal(next[-2], TD_ID_WORLD_IPV6);
}

static void save_and_load_keep_numbers(void **state)
{
	_cleanup_(identities_freep) struct identities *before = fresh(), *after = fresh();
	struct named_port port = { "web", IPPROTO_TCP, 80 };
	_cleanup_free_ char *text = NULL, *again = NULL;
	uint32_t a = get(before, "app=a"), gone = get(before, "gone=1"), b;

	b = get_with_ports(before, "app=b", &port, 1);
	identities_put(before, gone);
	text = identities_save(before);
	assert_int_equal(identities_load(after, text), 0);
	assert_int_equal(get(after, "new=1"), gone);
	assert_int_equal(get_with_ports(after, "app=b", &port, 1), b);
	assert_int_equal(get(after, "app=a"), a);
	assert_int_equal(identities_load(after, text), -EBUSY);
	identities_put(after, gone);
	again = identities_save(after);
	assert_string_equal(again, text);
}

static const char *const broken[] = {
	"",
	"{}",
	"[]",
	"{\"identities\":{}}",
	"{\"identities\":[1]}",
	"{\"identities\":[{\"number\":256,\"labels\":[\"a=b\"]}]}",
	"{\"identities\":[{\"number\":255,\"labels\":[\"a=b\"],\"ports\":[]}]}",
	"{\"identities\":[{\"number\":65536,\"labels\":[\"a=b\"],\"ports\":[]}]}",
	"{\"identities\":[{\"number\":-1,\"labels\":[\"a=b\"],\"ports\":[]}]}",
	"{\"identities\":[{\"number\":256,\"labels\":[7],\"ports\":[]}]}",
	"{\"identities\":[{\"number\":256,\"labels\":[\"=b\"],\"ports\":[]}]}",
	"{\"identities\":[{\"number\":256,\"labels\":[\"a=b\",\"a=c\"],\"ports\":[]}]}",
	"{\"identities\":[{\"number\":256,\"labels\":[\"a=b\"],\"ports\":[{\"name\":\"x\","
	"\"protocol\":6,\"port\":0}]}]}",
	"{\"identities\":[{\"number\":256,\"labels\":[\"a=b\"],\"ports\":[]},"
	"{\"number\":256,\"labels\":[\"a=c\"],\"ports\":[]}]}",
	"{\"identities\":[{\"number\":256,\"labels\":[\"a=b\"],\"ports\":[]},"
	"{\"number\":257,\"labels\":[\"a=b\"],\"ports\":[]}]}",
};

static void broken_saved_text_is_refused_and_changes_nothing(void **state)
{
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		_cleanup_(identities_freep) struct identities *identities = fresh();

		if (identities_load(identities, broken[i]) != -EINVAL)
			fail_msg("accepted: %s", broken[i]);
		assert_int_equal(get(identities, "x=y"), 256);
	}
}

static struct object *object_with(enum object_kind kind, const char *label, struct labels **labels)
{
	struct object *object = calloc(1, sizeof(*object));

	assert_non_null(object);
	*labels = labels_new();
	if (label)
		assert_int_equal(label_parse(label, *labels), 0);
	object->kind = kind;
	object->labels = *labels;
	return object;
}

static void workload_gets_derived_labels_that_it_cannot_forge(void **state)
{
	_cleanup_(labels_freep) struct labels *own = NULL, *space = NULL, *labels = NULL;
	_cleanup_free_ struct object *pod = object_with(OBJECT_POD, "app=web", &own);
	_cleanup_free_ struct object *namespace = object_with(OBJECT_NAMESPACE, "team=x", &space);
	_cleanup_free_ char *text = NULL;

	assert_int_equal(label_parse("io.kubernetes.pod.namespace=kube-system", own), 0);
	assert_int_equal(label_parse("io.cilium.k8s.namespace.labels.tier=top", own), 0);
	assert_int_equal(label_parse("io.cilium.k8s.policy.serviceaccount=root", own), 0);
	assert_int_equal(label_parse("kubernetes.io/metadata.name=kube-system", space), 0);
	pod->pod.service_account = "sa";
	assert_int_equal(identity_labels(pod, namespace, "shop", "east", &labels), 0);
	text = labels_format(labels);
	assert_string_equal(text,
			    "k8s:app=web,"
			    "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop,"
			    "k8s:io.cilium.k8s.namespace.labels.team=x,"
			    "k8s:io.cilium.k8s.policy.cluster=east,"
			    "k8s:io.cilium.k8s.policy.serviceaccount=sa,"
			    "k8s:io.kubernetes.pod.namespace=shop");
}

static void run_workload_keeps_no_reserved_label(void **state)
{
	_cleanup_(labels_freep) struct labels *own = NULL, *run = labels_new(), *labels = NULL;
	_cleanup_free_ struct object *endpoint = object_with(OBJECT_ENDPOINT, NULL, &own);

	assert_int_equal(label_parse("reserved:host", run), 0);
	assert_int_equal(label_parse("org=empire", run), 0);
	endpoint->endpoint.run_labels = run;
	assert_int_equal(identity_labels(endpoint, NULL, "default", NULL, &labels), 0);
	assert_null(labels_get(labels, "reserved", "host"));
	assert_string_equal(labels_get(labels, "k8s", "org"), "empire");
	assert_string_equal(labels_get(labels, "k8s", LABEL_SERVICE_ACCOUNT), "default");
	assert_string_equal(labels_get(labels, "k8s", LABEL_CLUSTER), "default");
	assert_string_equal(
		labels_get(labels, "k8s", LABEL_NAMESPACE_META "kubernetes.io/metadata.name"),
		"default");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_labels_share_a_number_from_256),
		cmocka_unit_test(named_ports_tell_identities_apart),
		cmocka_unit_test(reserved_identities_have_their_labels),
		cmocka_unit_test(released_number_waits_for_equal_labels),
		cmocka_unit_test(churning_labels_do_not_grow_the_table),
		cmocka_unit_test(all_numbers_in_use_is_an_error_until_one_is_released),
		cmocka_unit_test(for_each_visits_used_ones_in_order_and_stops),
		cmocka_unit_test(save_and_load_keep_numbers),
		cmocka_unit_test(broken_saved_text_is_refused_and_changes_nothing),
		cmocka_unit_test(workload_gets_derived_labels_that_it_cannot_forge),
		cmocka_unit_test(run_workload_keeps_no_reserved_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
