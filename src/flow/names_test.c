/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/test_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND 1000000000ULL

static void names_are_found_by_number_and_address(void **state)
{
	struct flow_names *names = world_names();
	struct td_addr v4 = addr_of("10.0.0.7"), v6 = addr_of("fd00::7"),
		       vip = addr_of("172.20.0.1");
	struct td_addr other = addr_of("10.0.0.9");

	assert_string_equal(flow_names_node(names), "c1/n1");
	assert_string_equal(flow_names_cluster(names), "c1");
	assert_string_equal(flow_names_endpoint(names, 7)->pod, "xwing");
	assert_ptr_equal(flow_names_endpoint_at(names, &v4), flow_names_endpoint(names, 7));
	assert_ptr_equal(flow_names_endpoint_at(names, &v6), flow_names_endpoint(names, 7));
	assert_null(flow_names_endpoint_at(names, &other));
	assert_string_equal(flow_names_identity(names, XWING)->labels[1], "k8s:org=alliance");
	assert_string_equal(flow_names_service(names, &vip, 80, 6)->name, "deathstar");
	assert_null(flow_names_service(names, &vip, 80, 17));
	assert_null(flow_names_service(names, &vip, 81, 6));
	assert_string_equal(flow_names_rule(names, RULE_ALLOW)->file, "policy.yaml");
	assert_string_equal(flow_names_interface(names, 17)->name, "td7");
	assert_true(flow_names_synced(names));
	flow_names_free(names);
}

static void an_update_replaces_the_addresses_it_had(void **state)
{
	struct flow_names *names = world_names();
	struct td_addr v4 = addr_of("10.0.0.7"), v6 = addr_of("fd00::7"),
		       vip = addr_of("172.20.0.1");

	assert_int_equal(update_names(names, "{\"endpoint\":{\"id\":7,\"pod_name\":\"new\","
					     "\"addresses\":[\"/QAAAAAAAAAAAAAAAAAABw==\"]}}"),
			 0);
	assert_null(flow_names_endpoint_at(names, &v4));
	assert_string_equal(flow_names_endpoint_at(names, &v6)->pod, "new");
	assert_int_equal(update_names(names, "{\"service\":{\"namespace\":\"default\",\"name\":"
					     "\"deathstar\"}}"),
			 0);
	assert_null(flow_names_service(names, &vip, 80, 6));
	flow_names_free(names);
}

static void an_address_that_moved_stays_with_its_new_owner(void **state)
{
	struct flow_names *names = world_names();
	struct td_addr v4 = addr_of("10.0.0.7");

	assert_int_equal(update_names(names, "{\"endpoint\":{\"id\":9,\"pod_name\":\"heir\","
					     "\"addresses\":[\"AAAAAAAAAAAAAP//CgAABw==\"]}}"),
			 0);
	assert_int_equal(update_names(names, "{\"endpoint\":{\"id\":7},\"deleted\":true}"), 0);
	assert_null(flow_names_endpoint(names, 7));
	assert_string_equal(flow_names_endpoint_at(names, &v4)->pod, "heir");
	flow_names_free(names);
}

static void deleted_names_are_gone(void **state)
{
	static const char *const deletions[] = {
		"{\"endpoint\":{\"id\":7},\"deleted\":true}",
		"{\"identity\":{\"number\":16092},\"deleted\":true}",
		"{\"service\":{\"namespace\":\"default\",\"name\":\"deathstar\"},\"deleted\":true}",
		"{\"rule\":{\"number\":16},\"deleted\":true}",
		"{\"interface\":{\"ifindex\":17},\"deleted\":true}",
	};
	struct flow_names *names = world_names();
	struct td_addr v4 = addr_of("10.0.0.7"), vip = addr_of("172.20.0.1");

	for (int again = 0; again < 2; again++)
		for (size_t i = 0; i < ARRAY_SIZE(deletions); i++)
			assert_int_equal(update_names(names, deletions[i]), 0);
	assert_null(flow_names_endpoint(names, 7));
	assert_null(flow_names_endpoint_at(names, &v4));
	assert_null(flow_names_identity(names, XWING));
	assert_null(flow_names_service(names, &vip, 80, 6));
	assert_null(flow_names_rule(names, RULE_ALLOW));
	assert_null(flow_names_interface(names, 17));
	assert_non_null(flow_names_endpoint(names, 8));
	flow_names_free(names);
}

static void a_new_connection_forgets_what_it_does_not_repeat(void **state)
{
	struct flow_names *names = world_names();
	char json[200];

	for (int i = 100; i < 1100; i++) {
		snprintf(json, sizeof(json),
			 "{\"identity\":{\"number\":%d,\"labels\":[\"k8s:n=%d\"]}}", i, i);
		assert_int_equal(update_names(names, json), 0);
	}
	flow_names_begin(names);
	assert_false(flow_names_synced(names));
	assert_int_equal(update_names(names, world[0]), 0);
	assert_int_equal(update_names(names, world[4]), 0);
	for (int i = 100; i < 1100; i += 7) {
		snprintf(json, sizeof(json),
			 "{\"identity\":{\"number\":%d,\"labels\":[\"k8s:m=%d\"]}}", i, i);
		assert_int_equal(update_names(names, json), 0);
	}
	/* Until all is said, the old names hold. */
	assert_string_equal(flow_names_endpoint(names, 8)->pod, "deathstar-1");
	assert_int_equal(update_names(names, "{\"synced\":true}"), 0);
	assert_null(flow_names_endpoint(names, 8));
	assert_null(flow_names_rule(names, RULE_ALLOW));
	assert_string_equal(flow_names_endpoint(names, 7)->pod, "xwing");
	for (int i = 100; i < 1100; i++)
		assert_int_equal(!!flow_names_identity(names, (uint32_t)i), (i - 100) % 7 == 0);
	flow_names_free(names);
}

static void malformed_updates_change_nothing(void **state)
{
	struct flow_names *names = world_names();

	assert_int_equal(update_names(names, "{}"), -EINVAL);
	assert_int_equal(update_names(names, "{\"endpoint\":{\"id\":7,\"addresses\":[\"AAAA\"]}}"),
			 -EINVAL);
	assert_int_equal(update_names(names, "{\"service\":{\"namespace\":\"default\",\"name\":"
					     "\"deathstar\",\"frontends\":[{\"port\":1}]}}"),
			 -EINVAL);
	assert_string_equal(flow_names_endpoint(names, 7)->pod, "xwing");
	flow_names_free(names);
}

/* An answer for one name of up to nine bytes with one A record. */
static size_t dns_answer(uint8_t *data, const char *name, const char *address, uint8_t flags,
			 uint32_t ttl)
{
	struct td_addr addr = addr_of(address);
	static const uint8_t head[12] = { 0, 1, 0x80, 0, 0, 1, 0, 1 };
	uint8_t *p = data;

	memcpy(p, head, 12);
	p[3] = flags;
	p += 12;
	*p++ = (uint8_t)strlen(name);
	p = (uint8_t *)stpcpy((char *)p, name) + 1;
	memcpy(p, "\0\1\0\1\xc0\x0c\0\1\0\1", 10);
	p += 10;
	*p++ = (uint8_t)(ttl >> 24);
	*p++ = (uint8_t)(ttl >> 16);
	*p++ = (uint8_t)(ttl >> 8);
	*p++ = (uint8_t)ttl;
	memcpy(p, "\0\4", 2);
	memcpy(p + 2, addr.bytes + 12, 4);
	return (size_t)(p + 6 - data);
}

static int learn(struct flow_names *names, uint32_t pod, const char *name, const char *address,
		 uint64_t now)
{
	uint8_t data[64];

	return flow_names_learn_dns(names, pod, data, dns_answer(data, name, address, 0, 30), now);
}

static void a_pod_knows_the_names_it_asked_for(void **state)
{
	struct flow_names *names = world_names();
	struct td_addr addr = addr_of("192.0.2.1");
	const struct flow_dns_names *list;

	assert_int_equal(learn(names, 7, "one", "192.0.2.1", 0), 1);
	assert_int_equal(learn(names, 7, "two", "192.0.2.1", 0), 1);
	assert_int_equal(learn(names, 7, "two", "192.0.2.1", 0), 1);
	list = flow_names_dns(names, 7, &addr, 1);
	assert_int_equal(list->count, 2);
	assert_string_equal(list->names[0], "two");
	assert_string_equal(list->names[1], "one");
	assert_null(flow_names_dns(names, 8, &addr, 1));
	for (int i = 0; i < 20; i++) {
		char name[8];

		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(learn(names, 7, name, "192.0.2.1", 0), 1);
	}
	assert_int_equal(flow_names_dns(names, 7, &addr, 1)->count, FLOW_DNS_NAMES_PER_IP);
	assert_string_equal(flow_names_dns(names, 7, &addr, 1)->names[0], "n19");
	flow_names_free(names);
}

static void names_expire_but_not_before_an_hour(void **state)
{
	struct flow_names *names = world_names();
	struct td_addr addr = addr_of("192.0.2.1"), slow = addr_of("192.0.2.2");
	uint8_t data[64];
	size_t size;

	assert_int_equal(learn(names, 7, "one", "192.0.2.1", 0), 1);
	size = dns_answer(data, "slow", "192.0.2.2", 0, 86400);
	assert_int_equal(flow_names_learn_dns(names, 7, data, size, 0), 1);
	assert_non_null(flow_names_dns(names, 7, &addr, FLOW_DNS_MIN_TTL * SECOND));
	assert_null(flow_names_dns(names, 7, &addr, (FLOW_DNS_MIN_TTL + 1) * SECOND));
	assert_int_equal(flow_names_dns_count(names), 1);
	assert_non_null(flow_names_dns(names, 7, &slow, 86400 * SECOND));
	assert_null(flow_names_dns(names, 7, &slow, 86401 * SECOND));
	flow_names_free(names);
}

static void the_least_recently_used_names_go_first(void **state)
{
	struct flow_names *names;
	struct td_addr first = addr_of("192.0.2.1"), second = addr_of("192.0.2.2");

	assert_int_equal(flow_names_new(3, &names), 0);
	assert_int_equal(learn(names, 7, "a", "192.0.2.1", 0), 1);
	assert_int_equal(learn(names, 7, "b", "192.0.2.2", 0), 1);
	assert_int_equal(learn(names, 7, "c", "192.0.2.3", 0), 1);
	assert_non_null(flow_names_dns(names, 7, &first, 1));
	assert_int_equal(learn(names, 7, "d", "192.0.2.4", 0), 1);
	assert_int_equal(flow_names_dns_count(names), 3);
	assert_non_null(flow_names_dns(names, 7, &first, 1));
	assert_null(flow_names_dns(names, 7, &second, 1));
	flow_names_free(names);
}

static void other_dns_messages_teach_nothing(void **state)
{
	struct flow_names *names = world_names();
	uint8_t data[64];
	size_t size;

	size = dns_answer(data, "no", "192.0.2.1", 3, 30); /* NXDOMAIN */
	assert_int_equal(flow_names_learn_dns(names, 7, data, size, 0), 0);
	size = dns_answer(data, "no", "192.0.2.1", 0, 30);
	data[2] = 0; /* a query */
	assert_int_equal(flow_names_learn_dns(names, 7, data, size, 0), 0);
	assert_int_equal(flow_names_learn_dns(names, 7, data, 5, 0), -EINVAL);
	assert_int_equal(flow_names_dns_count(names), 0);
	flow_names_free(names);
}

static int count_endpoint(const struct flow_endpoint *endpoint, void *data)
{
	(*(int *)data)++;
	return 0;
}

static void endpoints_can_be_listed(void **state)
{
	struct flow_names *names = world_names();
	int count = 0;

	assert_int_equal(flow_names_for_each_endpoint(names, count_endpoint, &count), 0);
	assert_int_equal(count, 2);
	flow_names_free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_found_by_number_and_address),
		cmocka_unit_test(an_update_replaces_the_addresses_it_had),
		cmocka_unit_test(an_address_that_moved_stays_with_its_new_owner),
		cmocka_unit_test(deleted_names_are_gone),
		cmocka_unit_test(a_new_connection_forgets_what_it_does_not_repeat),
		cmocka_unit_test(malformed_updates_change_nothing),
		cmocka_unit_test(a_pod_knows_the_names_it_asked_for),
		cmocka_unit_test(names_expire_but_not_before_an_hour),
		cmocka_unit_test(the_least_recently_used_names_go_first),
		cmocka_unit_test(other_dns_messages_teach_nothing),
		cmocka_unit_test(endpoints_can_be_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
