/* SPDX-License-Identifier: Apache-2.0 */
/* Each map equal to its table, read back from the kernel; full maps deny; the clean-up leaves
 * nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <cmocka.h>

#include "abi/service.h"
#include "base/address.h"
#include "base/util.h"
#include "datapath_fixture.h"
#include "sandbox.h"

static struct datapath *reopen(struct datapath *datapath, const struct datapath_options *options)
{
	assert_int_equal(datapath_commit(datapath), 0);
	datapath_close(datapath);
	return fixture_open(options);
}

static void wait_until_idle(struct datapath *datapath)
{
	for (int i = 0; i < 100 && datapath_maintain(datapath); i++) {
		usleep(50000);
		datapath_device_reap(datapath, NULL, NULL);
	}
	assert_false(datapath_maintain(datapath));
}

static uint32_t table_of(uint32_t identity, int direction)
{
	struct td_subject subject;

	assert_true(fixture_map_get("td_subject", &identity, &subject));
	return subject.table[direction];
}

static void a_changed_table_is_a_new_one_and_the_old_goes_later(void **state)
{
	struct datapath_options options = fixture_options();
	struct datapath *datapath = fixture_open(&options);
	struct fixture_table open_table, first, second;
	struct policy_subject subject = { 500, { &first.table, &open_table.table } };
	uint32_t before;

	fixture_table_allow_all(&open_table, 1);
	fixture_table_allow(&first, 2, 600, IPPROTO_TCP, 80);
	fixture_table_allow(&second, 3, 601, IPPROTO_UDP, 53);
	assert_int_equal(datapath_sync_policy(datapath, &subject, 1, true), 0);
	assert_int_equal(datapath_commit(datapath), 0);
	before = table_of(500, TD_INGRESS);
	assert_int_equal(fixture_map_count("td_policy"), 2);
	assert_int_equal(fixture_map_count("td_pol_class"), 1);
	subject.table[TD_INGRESS] = &second.table;
	assert_int_equal(datapath_sync_policy(datapath, &subject, 1, false), 0);
	assert_int_not_equal(table_of(500, TD_INGRESS), before);
	assert_int_equal(fixture_map_count("td_policy"), 3);
	wait_until_idle(datapath);
	assert_int_equal(fixture_map_count("td_policy"), 2);
	assert_int_equal(fixture_map_count("td_pol_class"), 1);
	/* The same contents under other numbers, as after a restart: nothing is written anew. */
	before = table_of(500, TD_INGRESS);
	datapath = reopen(datapath, &options);
	second.table.number = 77;
	open_table.table.number = 78;
	assert_int_equal(datapath_sync_policy(datapath, &subject, 1, true), 0);
	assert_int_equal(table_of(500, TD_INGRESS), before);
	assert_int_equal(datapath_sync_policy(datapath, NULL, 0, true), 0);
	assert_int_equal(datapath_commit(datapath), 0);
	wait_until_idle(datapath);
	assert_int_equal(fixture_map_count("td_subject"), 0);
	assert_int_equal(fixture_map_count("td_policy"), 0);
	assert_int_equal(fixture_map_count("td_pol_class"), 0);
	datapath_close(datapath);
	assert_int_equal(datapath_cleanup(options.bpf_dir, "td", NULL, NULL), 0);
}

#define MANY 200

static void a_table_that_does_not_fit_denies_its_subject_only(void **state)
{
	struct datapath_options options = fixture_options();
	struct policy_row rows[MANY];
	struct fixture_table small;
	struct policy_table large = { .number = 9, .rows = rows, .row_count = MANY };
	struct policy_subject subjects[] = {
		{ 500, { &small.table, &small.table } },
		{ 501, { &large, &small.table } },
	};
	struct datapath *datapath;
	const uint32_t *refused;
	uint32_t lost = 501;
	struct td_subject subject;
	size_t count;

	for (uint32_t i = 0; i < MANY; i++)
		rows[i] = (struct policy_row){ .peer = 1000 + i, .val = { .allow_rule = 16 } };
	fixture_table_allow(&small, 1, 600, IPPROTO_TCP, 80);
	options.max_policy = 100;
	datapath = fixture_open(&options);
	assert_int_equal(datapath_sync_policy(datapath, subjects, 2, true), -E2BIG);
	assert_true(table_of(500, TD_INGRESS) > 0);
	assert_false(fixture_map_get("td_subject", &lost, &subject));
	refused = datapath_policy_refused(datapath, &count);
	assert_int_equal(count, 1);
	assert_int_equal(refused[0], lost);
	/* Once it fits, calling again installs it. */
	large.number = 10;
	large.row_count = 50;
	assert_int_equal(datapath_sync_policy(datapath, subjects, 2, true), 0);
	assert_true(table_of(501, TD_INGRESS) > 0);
	datapath_policy_refused(datapath, &count);
	assert_int_equal(count, 0);
	/* A change needs room for both, and there is none: the old one makes room. */
	large.number = 11;
	large.row_count = 90;
	assert_int_equal(datapath_sync_policy(datapath, subjects, 2, true), 0);
	assert_true(fixture_map_get("td_subject", &lost, &subject));
	assert_int_equal(fixture_map_count("td_policy"), 91);
	datapath_close(datapath);
	assert_int_equal(datapath_cleanup(options.bpf_dir, "td", NULL, NULL), 0);
}

static void an_endpoint_whose_address_does_not_fit_is_locked_down(void **state)
{
	struct datapath_options options = fixture_options();
	struct fixture_pod pods[FIXTURE_POD_MAX] = { 0 };
	struct datapath *datapath;
	int locked = 0;

	options.max_addresses = 3;
	datapath = fixture_open(&options);
	for (uint32_t i = 0; i < FIXTURE_POD_MAX; i++) {
		pods[i].id = pods[i].ifindex = 10 + i;
		pods[i].identity = 500;
		pods[i].device.ipv4 = address_from_ipv4(htonl(0x0a010001 + i));
	}
	assert_int_equal(fixture_sync_endpoints(datapath, pods, FIXTURE_POD_MAX), -E2BIG);
	for (uint32_t i = 0; i < FIXTURE_POD_MAX; i++) {
		struct td_endpoint endpoint;
		struct td_place place;
		bool known = fixture_map_get("td_addr_map", &pods[i].device.ipv4, &place);

		assert_true(fixture_map_get("td_endpoint", &pods[i].ifindex, &endpoint));
		assert_int_equal(!!(endpoint.flags & TD_EP_LOCKDOWN), !known);
		locked += !known;
	}
	assert_int_equal(locked, 1);
	assert_int_equal(fixture_sync_endpoints(datapath, pods, 3), 0);
	assert_int_equal(fixture_map_count("td_endpoint"), 3);
	assert_int_equal(fixture_map_count("td_addr_map"), 3);
	datapath_close(datapath);
	assert_int_equal(datapath_cleanup(options.bpf_dir, "td", NULL, NULL), 0);
}

static void services_keep_their_number_and_count_their_backends(void **state)
{
	struct datapath_options options = fixture_options();
	struct datapath *datapath = fixture_open(&options);
	struct service_backend backends[] = { { fixture_address("10.1.0.1"), 8080 },
					      { fixture_address("10.1.0.2"), 8080 },
					      { fixture_address("10.1.0.3"), 8080 } };
	struct service_frontend frontends[] = {
		{ .addr = fixture_address("10.96.0.1"), .port = 80, .protocol = IPPROTO_TCP },
		{ .addr = fixture_address("10.96.0.2"), .port = 53, .protocol = IPPROTO_UDP },
	};
	struct service_table table = { frontends, 2 };
	struct td_service_key key = { .addr = frontends[0].addr,
				      .port = htons(80),
				      .protocol = IPPROTO_TCP };
	struct td_service service, again;
	struct td_backend backend;

	frontends[0].backends = backends;
	frontends[0].backend_count = 3;
	assert_int_equal(datapath_sync_services(datapath, &table), 0);
	assert_true(fixture_map_get("td_service", &key, &service));
	assert_int_equal(service.backends, 3);
	assert_int_equal(fixture_map_count("td_backend"), 3);
	frontends[0].backends = backends + 1;
	frontends[0].backend_count = 1;
	datapath = reopen(datapath, &options);
	assert_int_equal(datapath_sync_services(datapath, &table), 0);
	assert_true(fixture_map_get("td_service", &key, &again));
	assert_int_equal(again.id, service.id);
	assert_int_equal(again.backends, 1);
	assert_int_equal(fixture_map_count("td_backend"), 1);
	assert_true(fixture_map_get("td_backend", &(struct td_backend_key){ .service = again.id },
				    &backend));
	assert_memory_equal(&backend.addr, &backends[1].addr, sizeof(backend.addr));
	/* No backends: the service stays, so that connections are refused rather than lost. */
	key = (struct td_service_key){ .addr = frontends[1].addr,
				       .port = htons(53),
				       .protocol = IPPROTO_UDP };
	assert_true(fixture_map_get("td_service", &key, &again));
	assert_int_equal(again.backends, 0);
	table.count = 0;
	assert_int_equal(datapath_sync_services(datapath, &table), 0);
	assert_int_equal(fixture_map_count("td_service"), 0);
	assert_int_equal(fixture_map_count("td_backend"), 0);
	datapath_close(datapath);
	assert_int_equal(datapath_cleanup(options.bpf_dir, "td", NULL, NULL), 0);
}

static uint32_t cidr_of(const char *text)
{
	struct td_cidr_key key = { .prefixlen = 128, .addr = fixture_address(text) };
	uint32_t identity = 0;

	fixture_map_get("td_cidr", &key, &identity);
	return identity;
}

static void cidrs_follow_their_table(void **state)
{
	struct datapath_options options = fixture_options();
	struct datapath *datapath = fixture_open(&options);
	struct policy_cidr cidrs[4];
	static const char *const texts[] = { "10.0.0.0/8", "10.2.0.0/16", "fd00::/8", "0.0.0.0/0" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(prefix_parse(texts[i], &cidrs[i].prefix), 0);
		cidrs[i].identity = TD_ID_LOCAL_MIN + (uint32_t)i;
	}
	assert_int_equal(datapath_sync_cidrs(datapath, cidrs, 4), 0);
	assert_int_equal(cidr_of("10.2.3.4"), TD_ID_LOCAL_MIN + 1);
	assert_int_equal(cidr_of("10.3.3.4"), TD_ID_LOCAL_MIN);
	assert_int_equal(cidr_of("8.8.8.8"), TD_ID_LOCAL_MIN + 3);
	assert_int_equal(cidr_of("fd12::1"), TD_ID_LOCAL_MIN + 2);
	datapath = reopen(datapath, &options);
	assert_int_equal(datapath_sync_cidrs(datapath, cidrs, 1), 0);
	assert_int_equal(cidr_of("10.2.3.4"), TD_ID_LOCAL_MIN);
	assert_int_equal(cidr_of("8.8.8.8"), 0);
	assert_int_equal(fixture_map_count("td_cidr"), 1);
	datapath_close(datapath);
	assert_int_equal(datapath_cleanup(options.bpf_dir, "td", NULL, NULL), 0);
}

static void uplinks_are_served_when_they_appear_and_left_clean(void **state)
{
	char *devices[] = { (char *)"out0", (char *)"out1" };
	struct datapath_options options = fixture_options();
	struct td_device device;
	struct datapath *datapath;
	uint32_t ifindex;

	assert_int_equal(sandbox_sh(NULL, "ip link add out0 type veth peer name far0 &&"
					  "tc qdisc add dev out0 clsact &&"
					  "ip addr add 192.0.2.10/24 dev out0 &&"
					  "ip link set out0 up"),
			 0);
	options.devices = devices;
	options.device_count = 2;
	options.masquerade = true;
	datapath = fixture_open(&options);
	assert_int_equal(fixture_map_count("td_device"), 1);
	assert_int_equal(sandbox_sh(NULL, "ip link add out1 type veth peer name far1 &&"
					  "ip addr add 198.51.100.7/24 dev out1"),
			 0);
	assert_int_equal(datapath_watch_process(datapath), 1);
	assert_int_equal(fixture_map_count("td_device"), 2);
	ifindex = (uint32_t)sandbox_sh(NULL, "exit $(ip -o link show out1 | cut -d: -f1)");
	assert_true(fixture_map_get("td_device", &ifindex, &device));
	assert_memory_equal(&device.ipv4, &(struct td_addr[]){ fixture_address("198.51.100.7") },
			    sizeof(device.ipv4));
	assert_int_equal(datapath_commit(datapath), 0);
	wait_until_idle(datapath); /* links now */
	assert_int_equal(sandbox_sh(NULL, "test $(ls %s/links | wc -l) = 4", options.bpf_dir), 0);
	datapath_close(datapath);
	assert_int_equal(datapath_cleanup(options.bpf_dir, "td", NULL, NULL), 0);
	/* The qdisc that was there before stays, ours does not. */
	assert_int_equal(sandbox_sh(NULL, "tc qdisc show dev out0 | grep -q clsact"), 0);
	assert_int_not_equal(sandbox_sh(NULL, "tc qdisc show dev out1 | grep -q clsact"), 0);
	assert_int_equal(sandbox_sh(NULL, "test ! -e %s", options.bpf_dir), 0);
	assert_int_equal(sandbox_sh(NULL, "ip link del out0; ip link del out1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_table_is_a_new_one_and_the_old_goes_later),
		cmocka_unit_test(a_table_that_does_not_fit_denies_its_subject_only),
		cmocka_unit_test(an_endpoint_whose_address_does_not_fit_is_locked_down),
		cmocka_unit_test(services_keep_their_number_and_count_their_backends),
		cmocka_unit_test(cidrs_follow_their_table),
		cmocka_unit_test(uplinks_are_served_when_they_appear_and_left_clean),
	};

	sandbox_enter("datapath-sync");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
