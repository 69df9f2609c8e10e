/* SPDX-License-Identifier: Apache-2.0 */
/* A pod's device, in both namespaces: made as documented, checked, refused without remains. */
#include "datapath/veth.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/address.h"
#include "datapath/rtnl.h"
#include "sandbox.h"

static const uint8_t host_mac[6] = { 0x0e, 0x54, 0, 0, 0, 0 };
static struct veth_node node;

static struct td_addr parsed(const char *text)
{
	struct td_addr addr;

	assert_int_equal(address_parse(text, &addr), 0);
	return addr;
}

static struct datapath_device device_of(uint32_t id, const char *host_ifname, const char *netns)
{
	return (struct datapath_device){
		.endpoint_id = id,
		.host_ifname = host_ifname,
		.pod_ifname = "eth0",
		.netns = netns,
		.ipv4 = parsed("10.1.0.7"),
		.ipv6 = parsed("fd00::7"),
		.mtu = 1480,
	};
}

static uint32_t raise_all(const struct datapath_device *device, struct veth_pod *pod)
{
	struct diag diag = { 0 };
	uint32_t ifindex = 0;

	assert_int_equal(veth_pod_open(&node, device->netns, pod, &diag), 0);
	assert_int_equal(veth_create(&node, pod, device, &ifindex, &diag), 0);
	assert_int_equal(veth_raise_host(&node, device, ifindex, &diag), 0);
	assert_int_equal(veth_raise_pod(&node, pod, device, &diag), 0);
	assert_string_equal(diag.text, "");
	return ifindex;
}

static void delete_link(uint32_t ifindex)
{
	struct netlink_batch batch;

	netlink_begin(&batch, node.netlink_fd);
	rtnl_delete_link(&batch, ifindex);
	assert_int_equal(netlink_commit(&batch, NULL), 0);
}

static void the_pod_has_addresses_routes_and_permanent_neighbours(void **state)
{
	_cleanup_free_ char *netns = sandbox_netns("full");
	struct datapath_device device = device_of(0x1234, "td4660", netns);
	struct veth_pod pod = { -1, -1, 0 };
	uint32_t ifindex = raise_all(&device, &pod);
	struct diag diag = { 0 };

	assert_true(pod.cookie != 0);
	assert_int_equal(sandbox_sh(netns, "ip -o link show eth0 | grep -q 'mtu 1480.*state UP.*"
					   "link/ether 0e:54:00:00:12:34'"),
			 0);
	assert_int_equal(sandbox_sh(netns, "ip link show lo | grep -q ,UP"), 0);
	assert_int_equal(sandbox_sh(netns, "ip -o -4 addr show eth0 | grep -q 'inet 10.1.0.7/32'"),
			 0);
	/* Usable at once: no tentative state, and nothing but our address. */
	assert_int_equal(sandbox_sh(netns, "ip -o -6 addr show eth0 | grep -q 'inet6 fd00::7/128.*"
					   "nodad'"),
			 0);
	assert_int_equal(sandbox_sh(netns, "! ip -6 addr show eth0 | grep -qE 'tentative|fe80'"),
			 0);
	assert_int_equal(sandbox_sh(netns, "ip route get 8.8.8.8 | grep -q 'via 169.254.1.1 dev "
					   "eth0 src 10.1.0.7'"),
			 0);
	assert_int_equal(sandbox_sh(netns, "ip -6 route get 2001:db8::1 | grep -q 'via fe80::1 dev "
					   "eth0.*src fd00::7'"),
			 0);
	assert_int_equal(sandbox_sh(netns, "ip neigh show 169.254.1.1 | grep -q "
					   "'0e:54:00:00:00:00 PERMANENT'"),
			 0);
	assert_int_equal(sandbox_sh(netns, "ip -6 neigh show fe80::1 | grep -q 'router PERMANENT'"),
			 0);
	assert_int_equal(sandbox_sh(NULL, "ip route get 10.1.0.7 | grep -q 'dev td4660'"), 0);
	assert_int_equal(sandbox_sh(NULL, "ip neigh show 10.1.0.7 | grep -q "
					  "'0e:54:00:00:12:34 PERMANENT'"),
			 0);
	assert_int_equal(sandbox_sh(NULL, "ip -6 route show fd00::7 | grep -q 'dev td4660'"), 0);
	assert_int_equal(sandbox_sh(NULL, "grep -q 1 /proc/sys/net/ipv4/conf/td4660/forwarding"),
			 0);
	assert_int_equal(sandbox_sh(NULL, "grep -q 1 /proc/sys/net/ipv6/conf/td4660/forwarding"),
			 0);
	assert_int_equal(veth_check_host(&node, &device, ifindex, &diag), 0);
	assert_int_equal(veth_check_pod(&node, &pod, &device, &diag), 0);
	veth_pod_close(&pod);
	delete_link(ifindex);
	sandbox_netns_remove(netns);
}

static void packets_pass_between_node_and_pod_at_once(void **state)
{
	_cleanup_free_ char *netns = sandbox_netns("ping");
	struct datapath_device device = device_of(9, "td9", netns);
	struct veth_pod pod = { -1, -1, 0 };
	uint32_t ifindex = raise_all(&device, &pod);

	assert_int_equal(sandbox_sh(NULL, "ip addr add 192.0.2.1/32 dev lo;"
					  "ip -6 addr add 2001:db8::1/128 dev lo nodad"),
			 0);
	assert_int_equal(sandbox_sh(netns, "ping -q -c 1 -W 2 192.0.2.1 >/dev/null"), 0);
	assert_int_equal(sandbox_sh(netns, "ping -q -c 1 -W 2 2001:db8::1 >/dev/null"), 0);
	assert_int_equal(sandbox_sh(NULL, "ping -q -c 1 -W 2 10.1.0.7 >/dev/null"), 0);
	veth_pod_close(&pod);
	delete_link(ifindex);
	assert_int_equal(sandbox_sh(NULL, "ip addr flush dev lo scope global"), 0);
	sandbox_netns_remove(netns);
}

static const struct damage {
	const char *command; /* in the pod */
	const char *finding;
} damages[] = {
	{ "ip addr del 10.1.0.7/32 dev eth0; ip route add 169.254.1.1 dev eth0;"
	  "ip route add default via 169.254.1.1",
	  "eth0 in the pod lacks its address 10.1.0.7" },
	{ "ip -6 addr del fd00::7/128 dev eth0", "eth0 in the pod lacks its address fd00::7" },
	{ "ip route del default", "eth0 lacks the default route" },
	{ "ip -6 route del default", "eth0 lacks the default route" },
	{ "ip neigh del 169.254.1.1 dev eth0",
	  "eth0 lacks the permanent neighbour entry for its gateway" },
	{ "ip link set eth0 down", "eth0 is down" },
	{ "ip link set eth0 address 02:00:00:00:00:01",
	  "eth0 has another MAC address than it was given" },
	{ "ip link set eth0 down; ip link set eth0 name other", "eth0 on the pod: No such device" },
};

static void check_names_what_differs(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		_cleanup_free_ char *netns = sandbox_netns("check");
		struct datapath_device device = device_of(5, "td5", netns);
		struct veth_pod pod = { -1, -1, 0 };
		uint32_t ifindex = raise_all(&device, &pod);
		struct diag diag = { 0 };

		assert_int_equal(sandbox_sh(netns, "%s", damages[i].command), 0);
		assert_true(veth_check_pod(&node, &pod, &device, &diag) < 0);
		assert_string_equal(diag.text, damages[i].finding);
		veth_pod_close(&pod);
		delete_link(ifindex);
		sandbox_netns_remove(netns);
	}
}

static void a_taken_name_is_refused_on_either_side(void **state)
{
	_cleanup_free_ char *netns = sandbox_netns("taken");
	struct datapath_device device = device_of(6, "td6", netns);
	struct veth_pod pod = { -1, -1, 0 };
	uint32_t ifindex = raise_all(&device, &pod), other = 0;
	struct diag diag = { 0 };

	device.host_ifname = "td66";
	assert_int_equal(veth_create(&node, &pod, &device, &other, &diag), -EEXIST);
	assert_string_equal(diag.text, "the pod already has an interface eth0");
	diag = (struct diag){ 0 };
	device.host_ifname = "td6";
	device.pod_ifname = "eth1";
	assert_int_equal(veth_create(&node, &pod, &device, &other, &diag), -EBUSY);
	assert_string_equal(diag.text, "the node already has an interface td6");
	veth_pod_close(&pod);
	delete_link(ifindex);
	sandbox_netns_remove(netns);
}

static void what_is_no_pod_namespace_is_refused(void **state)
{
	struct veth_pod pod = { -1, -1, 0 };
	struct diag diag = { 0 };

	assert_int_equal(veth_pod_open(&node, "/nonexistent/netns", &pod, &diag), -ENOENT);
	assert_string_equal(diag.text,
			    "network namespace /nonexistent/netns: No such file or directory");
	diag = (struct diag){ 0 };
	assert_int_equal(veth_pod_open(&node, "/etc/passwd", &pod, &diag), -EINVAL);
	assert_string_equal(diag.text, "/etc/passwd is not a network namespace");
	diag = (struct diag){ 0 };
	assert_int_equal(veth_pod_open(&node, "/proc/self/ns/net", &pod, &diag), -EINVAL);
	diag = (struct diag){ 0 };
	assert_int_equal(veth_pod_open(&node, "/proc/self/ns/mnt", &pod, &diag), -EINVAL);
}

static void the_list_holds_our_devices_only(void **state)
{
	_cleanup_free_ char *netns = sandbox_netns("list");
	struct datapath_device device = device_of(31, "td31", netns);
	struct veth_pod pod = { -1, -1, 0 };
	uint32_t ifindex = raise_all(&device, &pod);
	_cleanup_free_ struct veth_found *found = NULL;
	size_t count = 0;

	/* Others': another kind, another name, another MAC. */
	assert_int_equal(sandbox_sh(NULL, "ip link add td1 address 0e:54:00:00:00:00 type bridge &&"
					  "ip link add tdx1 address 0e:54:00:00:00:00 type veth "
					  "peer name other &&"
					  "ip link add td2 type veth peer name tde"),
			 0);
	assert_int_equal(veth_list(node.netlink_fd, "td", &found, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(found[0].ifname, "td31");
	assert_int_equal(found[0].ifindex, ifindex);
	veth_pod_close(&pod);
	delete_link(ifindex);
	assert_int_equal(sandbox_sh(NULL, "ip link del td1; ip link del tdx1; ip link del td2"), 0);
	sandbox_netns_remove(netns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pod_has_addresses_routes_and_permanent_neighbours),
		cmocka_unit_test(packets_pass_between_node_and_pod_at_once),
		cmocka_unit_test(check_names_what_differs),
		cmocka_unit_test(a_taken_name_is_refused_on_either_side),
		cmocka_unit_test(what_is_no_pod_namespace_is_refused),
		cmocka_unit_test(the_list_holds_our_devices_only),
	};

	sandbox_enter("datapath-veth");
	if (veth_node_open(host_mac, &node) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
