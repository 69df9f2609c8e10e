/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>

#include "base/address.h"
#include "datapath/map_io.h"
#include "sandbox.h"

static char bpf_dir[128];

struct datapath_options fixture_options(void)
{
	snprintf(bpf_dir, sizeof(bpf_dir), "%s/tendril", sandbox_bpffs());
	return (struct datapath_options){
		.bpf_dir = bpf_dir,
		.device_prefix = "td",
		.load = {
			.ct_tcp_syn = TD_TICKS(120),
			.ct_tcp_established = TD_TICKS(432000),
			.ct_tcp_closing = TD_TICKS(120),
			.ct_tcp_time_wait = TD_TICKS(120),
			.ct_tcp_reset = TD_TICKS(10),
			.ct_udp = TD_TICKS(30),
			.ct_udp_stream = TD_TICKS(120),
			.ct_icmp = TD_TICKS(30),
			.ct_other = TD_TICKS(600),
			.nat_port_min = 61000,
			.nat_port_max = 65535,
			.drop_report_interval = TD_TICKS(1),
			.host_mac = { TD_POD_MAC0, TD_POD_MAC1 },
			.has_redirect_peer = 1,
		},
	};
}

struct datapath *fixture_open(const struct datapath_options *options)
{
	struct datapath *datapath = NULL;
	struct diag diag = { 0 };
	int r = datapath_open(options, &datapath, &diag);

	if (r < 0)
		print_error("datapath_open: %s\n", diag.text);
	assert_int_equal(r, 0);
	return datapath;
}

struct td_addr fixture_address(const char *text)
{
	struct td_addr addr;

	assert_int_equal(address_parse(text, &addr), 0);
	return addr;
}

void fixture_pod_add(struct datapath *datapath, uint32_t id, uint32_t identity,
		     struct fixture_pod *ret)
{
	struct diag diag = { 0 };
	char text[32];
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->id = id;
	ret->identity = identity;
	snprintf(ret->ifname, sizeof(ret->ifname), "td%u", id);
	snprintf(text, sizeof(text), "pod%u", id);
	ret->netns = sandbox_netns(text);
	ret->device = (struct datapath_device){
		.endpoint_id = id,
		.host_ifname = ret->ifname,
		.pod_ifname = "eth0",
		.netns = ret->netns,
		.mtu = 1500,
	};
	snprintf(text, sizeof(text), "10.1.0.%u", id);
	ret->device.ipv4 = fixture_address(text);
	snprintf(text, sizeof(text), "fd00::%u", id);
	ret->device.ipv6 = fixture_address(text);
	r = datapath_device_add(datapath, &ret->device, &ret->ifindex, &ret->cookie, &diag);
	if (r < 0)
		print_error("datapath_device_add: %s\n", diag.text);
	assert_int_equal(r, 0);
}

void fixture_pod_remove(struct datapath *datapath, struct fixture_pod *pod)
{
	assert_int_equal(datapath_device_delete(datapath, pod->ifname, true), 0);
	sandbox_netns_remove(pod->netns);
	free(pod->netns);
	pod->netns = NULL;
}

int fixture_sync_endpoints(struct datapath *datapath, const struct fixture_pod *pods, size_t count)
{
	struct datapath_endpoint endpoints[FIXTURE_POD_MAX] = { 0 };

	assert_true(count <= FIXTURE_POD_MAX);
	for (size_t i = 0; i < count; i++) {
		endpoints[i].ifindex = pods[i].ifindex;
		endpoints[i].value = (struct td_endpoint){
			.id = pods[i].id,
			.identity = pods[i].identity,
			.ipv4 = pods[i].device.ipv4,
			.ipv6 = pods[i].device.ipv6,
			.netns_cookie = pods[i].cookie,
		};
	}
	return datapath_sync_endpoints(datapath, endpoints, count);
}

void fixture_table_allow_all(struct fixture_table *ret, uint32_t number)
{
	*ret = (struct fixture_table){
		.row = { .val = { .allow_rule = TD_RULE_UNSELECTED } },
	};
	ret->table = (struct policy_table){ .number = number, .rows = &ret->row, .row_count = 1 };
}

void fixture_table_deny_all(struct fixture_table *ret, uint32_t number)
{
	*ret = (struct fixture_table){
		.table = { .number = number, .flags = TD_SUBJECT_ENFORCED },
	};
}

void fixture_table_allow(struct fixture_table *ret, uint32_t number, uint32_t peer,
			 uint8_t protocol, uint16_t port)
{
	*ret = (struct fixture_table){
		.row = { .klass = 1, .peer = peer, .val = { .allow_rule = TD_RULE_MIN } },
		.klass = { .protocol = protocol, .first = port, .last = port, .klass = 1 },
	};
	ret->table = (struct policy_table){ .number = number,
					    .flags = TD_SUBJECT_ENFORCED,
					    .rows = &ret->row,
					    .row_count = 1,
					    .classes = &ret->klass,
					    .class_count = 1 };
}

static int open_map(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/maps/%s", bpf_dir, name);
	return bpf_obj_get(path);
}

static int count_one(const void *key, const void *value, void *data)
{
	++*(int *)data;
	return 0;
}

int fixture_map_count(const char *name)
{
	_cleanup_close_ int fd = open_map(name);
	int count = 0;

	if (fd < 0)
		return -1;
	assert_int_equal(map_io_for_each(fd, count_one, &count), 0);
	return count;
}

bool fixture_map_get(const char *name, const void *key, void *value)
{
	_cleanup_close_ int fd = open_map(name);

	return fd >= 0 && bpf_map_lookup_elem(fd, key, value) == 0;
}
