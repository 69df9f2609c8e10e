/* SPDX-License-Identifier: Apache-2.0 */
/* Takes over a running data path: the other build's half of datapath_upgrade_test.sh, and its first
 * half. Run in the node's network namespace:
 *
 *	datapath-upgrade BPF_DIR NETNS1 NETNS2
 *
 * Adds two pods unless they are there, syncs what allows 10.1.0.1 to reach TCP 8080 of 10.1.0.2 but
 * nothing the other way, commits, and prints the size of a value in td_ct. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>
#include <net/if.h>
#include <netinet/in.h>

#include "abi/conntrack.h"
#include "datapath/internal.h"
#include "datapath_fixture.h"

#define CLIENT 1000
#define SERVER 1001

static int complain(const char *what, int error, const struct diag *diag)
{
	fprintf(stderr, "%s: %s (%s)\n", what, diag->text, strerror(-error));
	return 1;
}

static int find_or_add(struct datapath *datapath, uint32_t id, const char *netns,
		       struct datapath_endpoint *ret)
{
	struct diag diag = { 0 };
	char ifname[16], text[32];
	struct datapath_device device = { .endpoint_id = id,
					  .host_ifname = ifname,
					  .pod_ifname = "eth0",
					  .netns = netns,
					  .mtu = 1500 };
	struct veth_pod pod;
	int r = 0;

	snprintf(ifname, sizeof(ifname), "td%u", id);
	snprintf(text, sizeof(text), "10.1.0.%u", id);
	device.ipv4 = fixture_address(text);
	ret->value = (struct td_endpoint){ .id = id,
					   .identity = id == 1 ? CLIENT : SERVER,
					   .ipv4 = device.ipv4 };
	ret->ifindex = if_nametoindex(ifname);
	if (ret->ifindex == 0)
		r = datapath_device_add(datapath, &device, &ret->ifindex,
					(uint64_t *)&ret->value.netns_cookie, &diag);
	if (r < 0)
		return complain("add", r, &diag);
	r = veth_pod_open(&datapath->node, netns, &pod, &diag);
	if (r < 0)
		return complain("netns", r, &diag);
	ret->value.netns_cookie = pod.cookie;
	veth_pod_close(&pod);
	return 0;
}

static int sync_all(struct datapath *datapath, const struct datapath_endpoint *endpoints)
{
	struct fixture_table open_table, port_table, closed_table;
	const struct policy_subject subjects[] = {
		{ CLIENT, { &open_table.table, &open_table.table } },
		{ SERVER, { &port_table.table, &closed_table.table } },
	};
	int r;

	fixture_table_allow_all(&open_table, 1);
	fixture_table_deny_all(&closed_table, 2);
	fixture_table_allow(&port_table, 3, CLIENT, IPPROTO_TCP, 8080);
	r = datapath_sync_endpoints(datapath, endpoints, 2);
	if (r == 0)
		r = datapath_sync_policy(datapath, subjects, 2, true);
	return r < 0 ? r : datapath_commit(datapath);
}

int main(int argc, char **argv)
{
	struct datapath_options options = fixture_options();
	struct datapath_endpoint endpoints[2];
	struct datapath *datapath = NULL;
	struct diag diag = { 0 };
	int r;

	if (argc != 4)
		return 2;
	options.bpf_dir = argv[1];
	r = datapath_open(&options, &datapath, &diag);
	if (r < 0)
		return complain("open", r, &diag);
	for (uint32_t i = 0; i < 2; i++) {
		if (find_or_add(datapath, i + 1, argv[2 + i], &endpoints[i]) != 0)
			return 1;
	}
	r = sync_all(datapath, endpoints);
	datapath_close(datapath);
	if (r < 0)
		return complain("sync", r, &diag);
	printf("%zu\n", sizeof(struct td_ct));
	return 0;
}
