/* SPDX-License-Identifier: Apache-2.0 */
/* Two pods, real packets: what the tables allow passes, what they do not is dropped. By an argument
 * with the clsact filters a device has first, with those only ("clsact"), or with the tcx links that
 * take their place ("links"). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <cmocka.h>

#include "base/util.h"
#include "datapath_fixture.h"
#include "sandbox.h"

#define CLIENT 1000
#define SERVER 1001

static const char *mode = "first";
static struct datapath *datapath;
static struct fixture_pod pods[2]; /* client, server */

static struct fixture_table open_table, closed_table, port_table;

static void apply(const struct fixture_table *server_ingress)
{
	const struct policy_subject subjects[] = {
		{ CLIENT, { &open_table.table, &open_table.table } },
		{ SERVER, { &server_ingress->table, &open_table.table } },
	};

	assert_int_equal(datapath_sync_policy(datapath, subjects, 2, true), 0);
	assert_int_equal(datapath_commit(datapath), 0);
}

static bool linked(const struct fixture_pod *pod)
{
	return sandbox_sh(NULL, "test -e %s/links/%u-ingress -a -e %s/links/%u-egress",
			  fixture_options().bpf_dir, pod->ifindex, fixture_options().bpf_dir,
			  pod->ifindex) == 0;
}

static bool filtered(const struct fixture_pod *pod)
{
	return sandbox_sh(NULL, "tc filter show dev %s ingress | grep -q tendril", pod->ifname) ==
	       0;
}

/* Until every device has its links, while a ping runs whose every packet has to arrive. */
static void wait_for_links(void)
{
	int rounds = 0;

	apply(&open_table);
	sandbox_sh(pods[0].netns, "ping -q -i 0.01 -c 350 -W 1 10.1.0.2 >%s/ping &", sandbox_dir());
	while (datapath_maintain(datapath) && rounds++ < 100) {
		usleep(50000);
		datapath_device_reap(datapath, NULL, NULL);
	}
	assert_int_equal(sandbox_sh(NULL,
				    "i=0; until grep -q ' 0%% packet loss' %s/ping; do "
				    "[ $i -lt 80 ] || exit 1; i=$((i + 1)); sleep 0.05; done",
				    sandbox_dir()),
			 0);
}

static int setup(void **state)
{
	struct datapath_options options = fixture_options();

	options.force_clsact = strcmp(mode, "clsact") == 0;
	datapath = fixture_open(&options);
	fixture_table_allow_all(&open_table, 1);
	fixture_table_deny_all(&closed_table, 2);
	fixture_table_allow(&port_table, 3, CLIENT, IPPROTO_TCP, 8080);
	fixture_pod_add(datapath, 1, CLIENT, &pods[0]);
	fixture_pod_add(datapath, 2, SERVER, &pods[1]);
	assert_int_equal(fixture_sync_endpoints(datapath, pods, 2), 0);
	if (strcmp(mode, "links") == 0)
		wait_for_links();
	return 0;
}

static void programs_are_attached_as_wanted(void **state)
{
	bool links = strcmp(mode, "links") == 0;

	for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
		assert_int_equal(linked(&pods[i]), links);
		assert_int_equal(filtered(&pods[i]), !links);
	}
}

static int teardown(void **state)
{
	fixture_pod_remove(datapath, &pods[0]);
	fixture_pod_remove(datapath, &pods[1]);
	datapath_close(datapath);
	return datapath_cleanup(fixture_options().bpf_dir, "td", NULL, NULL);
}

static bool ping(const char *address)
{
	return sandbox_sh(pods[0].netns, "ping -q -c 1 -W 1 %s >/dev/null", address) == 0;
}

/* A listener in the server, one connection from the client. */
static bool tcp(const char *address, unsigned int port)
{
	return sandbox_sh(pods[0].netns,
			  "nsenter --net=%s python3 -c '\n"
			  "import socket, sys\n"
			  "s = socket.create_server((\"::\", %u), family=socket.AF_INET6,\n"
			  "                         dualstack_ipv6=True)\n"
			  "print(flush=True)\n"
			  "s.settimeout(3)\n"
			  "c, _ = s.accept()\n"
			  "c.sendall(b\"x\" * 100000)\n"
			  "' 2>/dev/null | {\n"
			  "read -r ready\n"
			  "python3 -c '\n"
			  "import socket\n"
			  "s = socket.create_connection((\"%s\", %u), timeout=1)\n"
			  "n = 0\n"
			  "while True:\n"
			  "    d = s.recv(65536)\n"
			  "    if not d: break\n"
			  "    n += len(d)\n"
			  "assert n == 100000\n"
			  "' 2>/dev/null; }",
			  pods[1].netns, port, address, port) == 0;
}

static void nothing_passes_without_a_subject(void **state)
{
	assert_int_equal(datapath_sync_policy(datapath, NULL, 0, true), 0);
	assert_int_equal(datapath_commit(datapath), 0);
	assert_false(ping("10.1.0.2"));
	assert_false(ping("fd00::2"));
}

static void everything_passes_under_open_tables(void **state)
{
	apply(&open_table);
	assert_true(ping("10.1.0.2"));
	assert_true(ping("fd00::2"));
	assert_true(tcp("10.1.0.2", 8080));
	assert_true(tcp("fd00::2", 8081));
}

static void a_closed_table_denies_new_and_established_alike(void **state)
{
	apply(&open_table);
	assert_true(ping("10.1.0.2"));
	apply(&closed_table);
	assert_false(ping("10.1.0.2"));
	assert_false(ping("fd00::2"));
	assert_false(tcp("10.1.0.2", 8080));
}

static void only_the_allowed_port_passes(void **state)
{
	apply(&port_table);
	assert_true(tcp("10.1.0.2", 8080));
	assert_true(tcp("fd00::2", 8080));
	assert_false(tcp("10.1.0.2", 8082));
	assert_false(ping("10.1.0.2"));
}

static void the_node_reaches_its_pods(void **state)
{
	apply(&closed_table);
	assert_int_equal(sandbox_sh(NULL, "ip addr add 192.0.2.1/32 dev lo"), 0);
	assert_int_equal(datapath_watch_process(datapath), 1);
	assert_int_equal(datapath_commit(datapath), 0);
	assert_int_equal(sandbox_sh(NULL, "ping -q -c 1 -W 1 10.1.0.2 >/dev/null"), 0);
	assert_int_equal(sandbox_sh(NULL, "ip addr del 192.0.2.1/32 dev lo"), 0);
	assert_int_equal(datapath_watch_process(datapath), 1);
}

static void a_forged_source_is_dropped(void **state)
{
	apply(&open_table);
	assert_int_equal(sandbox_sh(pods[0].netns, "ip addr add 10.1.0.99/32 dev eth0"), 0);
	assert_int_not_equal(
		sandbox_sh(pods[0].netns, "ping -q -c 1 -W 1 -I 10.1.0.99 10.1.0.2 >/dev/null"), 0);
	assert_int_equal(sandbox_sh(pods[0].netns, "ip addr del 10.1.0.99/32 dev eth0"), 0);
	assert_true(ping("10.1.0.2"));
}

static void a_pod_that_is_no_endpoint_any_more_is_cut_off(void **state)
{
	apply(&open_table);
	assert_int_equal(fixture_sync_endpoints(datapath, pods, 1), 0);
	assert_int_equal(datapath_commit(datapath), 0);
	assert_false(ping("10.1.0.2"));
	assert_int_equal(fixture_sync_endpoints(datapath, pods, 2), 0);
	assert_int_equal(datapath_commit(datapath), 0);
	assert_true(ping("10.1.0.2"));
}

static void the_check_finds_the_devices_as_added(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
		struct diag diag = { 0 };

		assert_int_equal(
			datapath_device_check(datapath, &pods[i].device, pods[i].ifindex, &diag),
			0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_attached_as_wanted),
		cmocka_unit_test(nothing_passes_without_a_subject),
		cmocka_unit_test(everything_passes_under_open_tables),
		cmocka_unit_test(a_closed_table_denies_new_and_established_alike),
		cmocka_unit_test(only_the_allowed_port_passes),
		cmocka_unit_test(the_node_reaches_its_pods),
		cmocka_unit_test(a_forged_source_is_dropped),
		cmocka_unit_test(a_pod_that_is_no_endpoint_any_more_is_cut_off),
		cmocka_unit_test(the_check_finds_the_devices_as_added),
	};

	if (argc > 1)
		mode = argv[1];
	sandbox_enter("datapath-traffic");
	return cmocka_run_group_tests(tests, setup, teardown);
}
