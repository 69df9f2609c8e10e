/* SPDX-License-Identifier: Apache-2.0 */
/* What the data path keeps: over restarts, changes of capacity, crashes between open and commit; and
 * that it leaves nothing where it should not. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <cmocka.h>

#include "abi/service.h"
#include "base/util.h"
#include "datapath_fixture.h"
#include "sandbox.h"

#define CLIENT 1000
#define SERVER 1001

static struct fixture_table open_table, closed_table, port_table;

/* The server may be reached on its port and may itself begin nothing: its replies pass only as part
 * of a connection that is known. */
static int sync_all(struct datapath *datapath, const struct fixture_pod pods[2])
{
	const struct policy_subject subjects[] = {
		{ CLIENT, { &open_table.table, &open_table.table } },
		{ SERVER, { &port_table.table, &closed_table.table } },
	};
	int r = fixture_sync_endpoints(datapath, pods, 2);

	return r < 0 ? r : datapath_sync_policy(datapath, subjects, 2, true);
}

static int listing(const char *name)
{
	return sandbox_sh(NULL,
			  "{ ip -o link | sed 's/ *$//'; ip addr; ip route show table all;"
			  "ip -6 route show table all; ip neigh; find %s; } | sort >%s/%s",
			  sandbox_bpffs(), sandbox_dir(), name);
}

static int setup(void **state)
{
	fixture_table_allow_all(&open_table, 1);
	fixture_table_deny_all(&closed_table, 2);
	fixture_table_allow(&port_table, 3, CLIENT, IPPROTO_TCP, 8080);
	return listing("before");
}

/* Everything is gone, as the listing taken before the first test says. */
static int teardown(void **state)
{
	datapath_cleanup(fixture_options().bpf_dir, "td", NULL, NULL);
	listing("after");
	return sandbox_sh(NULL, "diff %s/before %s/after", sandbox_dir(), sandbox_dir());
}

struct talk {
	char path[128]; /* what the client has to say at the end */
};

/* A TCP connection that carries an echo every 20 ms for some seconds. */
static void talk_begin(struct talk *talk, const struct fixture_pod pods[2], int seconds)
{
	static int number;

	snprintf(talk->path, sizeof(talk->path), "%s/talk%d", sandbox_dir(), number++);
	sandbox_sh(pods[1].netns, "timeout 60 python3 -c '\n"
				  "import socket\n"
				  "s = socket.create_server((\"10.1.0.2\", 8080))\n"
				  "c, _ = s.accept()\n"
				  "while True:\n"
				  "    d = c.recv(100)\n"
				  "    if not d: break\n"
				  "    c.sendall(d)\n"
				  "' >/dev/null 2>&1 &");
	sandbox_sh(pods[0].netns,
		   "timeout 60 python3 -c '\n"
		   "import socket, time\n"
		   "end = time.time() + 10\n"
		   "while True:\n"
		   "    try:\n"
		   "        s = socket.create_connection((\"10.1.0.2\", 8080), timeout=1)\n"
		   "        break\n"
		   "    except OSError:\n"
		   "        if time.time() > end: raise\n"
		   "        time.sleep(0.05)\n"
		   "open(\"%s.up\", \"w\").close()\n"
		   "s.settimeout(0.9)\n"
		   "end = time.time() + %d\n"
		   "while time.time() < end:\n"
		   "    s.sendall(b\"hello\")\n"
		   "    assert s.recv(100) == b\"hello\"\n"
		   "    time.sleep(0.02)\n"
		   "print(\"unbroken\")\n"
		   "' >%s 2>&1 &",
		   talk->path, seconds, talk->path);
	assert_int_equal(sandbox_sh(NULL,
				    "i=0; until test -e %s.up; do [ $i -lt 200 ] || exit 1; "
				    "i=$((i + 1)); sleep 0.05; done",
				    talk->path),
			 0);
}

static void talk_end(const struct talk *talk)
{
	assert_int_equal(sandbox_sh(NULL,
				    "i=0; until grep -q unbroken %s; do [ $i -lt 300 ] || "
				    "{ cat %s; exit 1; }; i=$((i + 1)); sleep 0.05; done",
				    talk->path, talk->path),
			 0);
}

static void a_restart_adopts_everything_and_breaks_nothing(void **state)
{
	struct datapath_options options = fixture_options();
	struct datapath *datapath = fixture_open(&options);
	struct fixture_pod pods[2];
	struct talk talk;
	char **names = NULL;
	size_t count = 0;

	fixture_pod_add(datapath, 1, CLIENT, &pods[0]);
	fixture_pod_add(datapath, 2, SERVER, &pods[1]);
	assert_int_equal(sync_all(datapath, pods), 0);
	assert_int_equal(datapath_commit(datapath), 0);
	talk_begin(&talk, pods, 3);
	for (int i = 0; i < 4; i++) {
		datapath_close(datapath);
		usleep(300000);
		datapath = fixture_open(&options);
		assert_int_equal(fixture_map_count("td_endpoint"), 2);
		assert_int_equal(fixture_map_count("td_subject"), 2);
		if (i == 1)
			continue; /* died before it had synced anything */
		assert_int_equal(sync_all(datapath, pods), 0);
		assert_int_equal(datapath_commit(datapath), 0);
		assert_int_equal(fixture_map_count("td_policy"), 2);
	}
	talk_end(&talk);
	assert_int_equal(datapath_device_list(datapath, &names, &count), 0);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	assert_int_equal(sandbox_sh(NULL, "! ls %s/maps | grep -e -next -e -prev", options.bpf_dir),
			 0);
	fixture_pod_remove(datapath, &pods[0]);
	fixture_pod_remove(datapath, &pods[1]);
	datapath_close(datapath);
}

static void other_capacities_take_over_without_breaking_a_connection(void **state)
{
	struct datapath_options options = fixture_options();
	struct datapath *datapath = fixture_open(&options);
	struct fixture_pod pods[2];
	struct talk talk;

	fixture_pod_add(datapath, 1, CLIENT, &pods[0]);
	fixture_pod_add(datapath, 2, SERVER, &pods[1]);
	assert_int_equal(sync_all(datapath, pods), 0);
	assert_int_equal(datapath_commit(datapath), 0);
	talk_begin(&talk, pods, 3);
	datapath_close(datapath);

	options.max_ct = 4096;
	options.max_ct_new = 2048;
	options.max_policy = 1024;
	options.max_addresses = 512;
	datapath = fixture_open(&options);
	/* The old ones are in force, the new ones empty beside them. */
	assert_int_equal(fixture_map_count("td_policy"), 2);
	assert_int_equal(fixture_map_count("td_policy-next"), 0);
	usleep(500000);
	/* A crash here: the next start clears up and begins again. */
	datapath_close(datapath);
	datapath = fixture_open(&options);
	assert_int_equal(sync_all(datapath, pods), 0);
	assert_int_equal(fixture_map_count("td_policy-next"), 2);
	assert_int_equal(datapath_commit(datapath), 0);
	assert_int_equal(fixture_map_count("td_policy-next"), -1);
	assert_int_equal(fixture_map_count("td_policy"), 2);
	talk_end(&talk);
	assert_true(fixture_map_count("td_ct") >= 1);
	assert_true(fixture_map_count("td_ct-prev") >= 0);
	assert_int_equal(sandbox_sh(NULL,
				    "bpftool map show pinned %s/maps/td_ct |"
				    "grep -q 'max_entries 4096 '",
				    options.bpf_dir),
			 0);
	assert_int_equal(sandbox_sh(NULL,
				    "bpftool map show pinned %s/maps/td_ct_gc |"
				    "grep -q \"max_entries $((4096 + 32768)) \"",
				    options.bpf_dir),
			 0);
	fixture_pod_remove(datapath, &pods[0]);
	fixture_pod_remove(datapath, &pods[1]);
	datapath_close(datapath);
	assert_int_equal(datapath_cleanup(options.bpf_dir, "td", NULL, NULL), 0);
}

static void a_second_agent_is_refused(void **state)
{
	struct datapath_options options = fixture_options();
	struct datapath *first = fixture_open(&options), *second = NULL;
	struct diag diag = { 0 };

	assert_int_equal(datapath_open(&options, &second, &diag), -EBUSY);
	assert_non_null(strstr(diag.text, "another running agent"));
	datapath_close(first);
}

static void assert_nothing_left(const char *host_ifname)
{
	assert_int_not_equal(sandbox_sh(NULL, "ip link show %s 2>/dev/null", host_ifname), 0);
	assert_int_equal(sandbox_sh(NULL, "test -z \"$(ls %s/links)\"", fixture_options().bpf_dir),
			 0);
}

static void a_refused_add_leaves_nothing(void **state)
{
	struct datapath_options options = fixture_options();
	struct datapath *datapath = fixture_open(&options);
	_cleanup_free_ char *netns = sandbox_netns("refused");
	struct datapath_device device = {
		.endpoint_id = 3,
		.host_ifname = "td3",
		.pod_ifname = "eth0",
		.netns = netns,
		.ipv4 = fixture_address("10.1.0.3"),
		.ipv6 = fixture_address("fd00::3"),
		.mtu = 1500,
	};
	struct diag diag = { 0 };
	uint32_t ifindex = 77;
	uint64_t cookie = 78;

	/* Refused last, when all else is done: the pod's namespace takes no IPv6 address. */
	assert_int_equal(sandbox_sh(netns, "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"),
			 0);
	assert_true(datapath_device_add(datapath, &device, &ifindex, &cookie, &diag) < 0);
	assert_non_null(strstr(diag.text, "cannot add the pod's address"));
	assert_nothing_left("td3");
	assert_int_equal(ifindex, 77);
	assert_int_equal(cookie, 78);
	/* The kernel refuses the pair itself. */
	device.mtu = 20;
	diag = (struct diag){ 0 };
	assert_true(datapath_device_add(datapath, &device, &ifindex, &cookie, &diag) < 0);
	assert_nothing_left("td3");
	/* The namespace is gone: its path, then its file's mount. */
	sandbox_netns_remove(netns);
	diag = (struct diag){ 0 };
	assert_int_equal(datapath_device_add(datapath, &device, &ifindex, &cookie, &diag), -ENOENT);
	assert_nothing_left("td3");
	datapath_close(datapath);
}

static int gone_count;

static void count_gone(const char *host_ifname, int error, void *data)
{
	assert_int_equal(error, 0);
	assert_int_not_equal(sandbox_sh(NULL, "ip link show %s 2>/dev/null", host_ifname), 0);
	gone_count++;
}

static void a_deletion_without_waiting_says_when_it_is_done(void **state)
{
	struct datapath_options options = fixture_options();
	struct datapath *datapath = fixture_open(&options);
	struct fixture_pod pods[3];

	for (uint32_t i = 0; i < 3; i++)
		fixture_pod_add(datapath, i + 1, CLIENT, &pods[i]);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(datapath_device_delete(datapath, pods[i].ifname, false), 0);
	assert_int_equal(datapath_device_delete(datapath, "td999", false), 0);
	gone_count = 0;
	for (int i = 0; i < 50 && gone_count < 3; i++) {
		struct pollfd poll_fd = { datapath_device_reap_fd(datapath), POLLIN, 0 };

		poll(&poll_fd, 1, 200);
		datapath_device_reap(datapath, count_gone, NULL);
	}
	assert_int_equal(gone_count, 3);
	assert_nothing_left("td1");
	for (uint32_t i = 0; i < 3; i++) {
		sandbox_netns_remove(pods[i].netns);
		free(pods[i].netns);
	}
	datapath_close(datapath);
}

static void a_pod_whose_programs_got_lost_is_found_and_healed(void **state)
{
	struct datapath_options options = fixture_options();
	struct datapath *datapath = fixture_open(&options);
	struct diag diag = { 0 };
	struct fixture_pod pod;

	fixture_pod_add(datapath, 1, CLIENT, &pod);
	assert_int_equal(sandbox_sh(NULL, "tc qdisc del dev %s clsact", pod.ifname), 0);
	assert_true(datapath_device_check(datapath, &pod.device, pod.ifindex, &diag) < 0);
	assert_string_equal(diag.text, "our programs are not attached to td1");
	datapath_close(datapath);
	datapath = fixture_open(&options);
	diag = (struct diag){ 0 };
	assert_int_equal(datapath_device_check(datapath, &pod.device, pod.ifindex, &diag), 0);
	fixture_pod_remove(datapath, &pod);
	datapath_close(datapath);
}

static void a_cgroup_root_of_no_cgroup_is_refused_before_anything_is_done(void **state)
{
	struct datapath_options options = fixture_options();
	struct datapath *datapath = NULL;
	struct diag diag = { 0 };

	options.cgroup_root = sandbox_dir();
	assert_int_equal(datapath_open(&options, &datapath, &diag), -EINVAL);
	assert_non_null(strstr(diag.text, "is not in cgroup v2"));
	options.cgroup_root = "/nonexistent";
	diag = (struct diag){ 0 };
	assert_int_equal(datapath_open(&options, &datapath, &diag), -EINVAL);
	assert_non_null(strstr(diag.text, "/nonexistent (No such file"));
}

static struct td_config config_in_force(void)
{
	struct td_config config;
	uint32_t zero = 0;

	assert_true(fixture_map_get("td_config", &zero, &config));
	return config;
}

/* The cgroup goes between the look at it and the switch. */
static void sockets_that_cannot_be_attached_do_not_repeat_the_switch(void **state)
{
	struct datapath_options options = fixture_options();
	struct td_config before, after;
	struct datapath *datapath;
	struct diag diag = { 0 };
	char cgroup[160];

	snprintf(cgroup, sizeof(cgroup), "%s/cgroup2/td-state-%d", sandbox_dir(), getpid());
	assert_int_equal(sandbox_sh(NULL, "mkdir %s/cgroup2 && mount -t cgroup2 none %s/cgroup2",
				    sandbox_dir(), sandbox_dir()),
			 0);
	assert_int_equal(mkdir(cgroup, 0700), 0);
	options.cgroup_root = cgroup;
	datapath = fixture_open(&options);
	assert_int_equal(rmdir(cgroup), 0);
	assert_int_equal(datapath_commit(datapath), 0);
	before = config_in_force();
	assert_int_equal(datapath_attach_sockets(datapath, &diag), -ENOENT);
	assert_non_null(strstr(diag.text, cgroup));
	after = config_in_force();
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(mkdir(cgroup, 0700), 0);
	assert_int_equal(datapath_attach_sockets(datapath, &diag), 0);
	assert_int_equal(sandbox_sh(NULL, "ls %s/*/links/cgroup-* >/dev/null", sandbox_bpffs()), 0);
	assert_int_equal(rmdir(cgroup), 0);
	datapath_close(datapath);
	assert_int_equal(sandbox_sh(NULL, "umount %s/cgroup2 && rmdir %s/cgroup2", sandbox_dir(),
				    sandbox_dir()),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cgroup_root_of_no_cgroup_is_refused_before_anything_is_done),
		cmocka_unit_test(sockets_that_cannot_be_attached_do_not_repeat_the_switch),
		cmocka_unit_test(a_restart_adopts_everything_and_breaks_nothing),
		cmocka_unit_test(other_capacities_take_over_without_breaking_a_connection),
		cmocka_unit_test(a_second_agent_is_refused),
		cmocka_unit_test(a_refused_add_leaves_nothing),
		cmocka_unit_test(a_deletion_without_waiting_says_when_it_is_done),
		cmocka_unit_test(a_pod_whose_programs_got_lost_is_found_and_healed),
	};

	sandbox_enter("datapath-state");
	return cmocka_run_group_tests_name("state", tests, setup, teardown);
}
