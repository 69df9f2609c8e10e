/* SPDX-License-Identifier: Apache-2.0 */
#include "veth.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <linux/if.h>
#include <linux/nsfs.h>

#include "abi/config.h"
#include "base/address.h"
#include "rtnl.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* since 5.14 */
#endif
#define LOOPBACK_IFINDEX 1 /* in every network namespace */

const struct td_addr veth_gateway_ipv4 = { .bytes = { [10] = 0xff, [11] = 0xff, 169, 254, 1, 1 } };
const struct td_addr veth_gateway_ipv6 = { .bytes = { 0xfe, 0x80, [15] = 1 } };

int veth_node_open(const uint8_t host_mac[6], struct veth_node *ret)
{
	_cleanup_close_ int netns_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (netns_fd < 0)
		return -errno;
	r = netlink_open(0, &ret->netlink_fd);
	if (r < 0)
		return r;
	ret->netns_fd = take_fd(netns_fd);
	memcpy(ret->host_mac, host_mac, sizeof(ret->host_mac));
	return 0;
}

void veth_node_close(struct veth_node *node)
{
	closep(&node->netlink_fd);
	closep(&node->netns_fd);
	node->netlink_fd = -1;
	node->netns_fd = -1;
}

void veth_pod_close(struct veth_pod *pod)
{
	closep(&pod->netlink_fd);
	closep(&pod->netns_fd);
	pod->netlink_fd = -1;
	pod->netns_fd = -1;
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_ino == other.st_ino &&
	       one.st_dev == other.st_dev;
}

static int netns_open(const struct veth_node *node, const char *netns, int *ret, struct diag *diag)
{
	/* The path is the caller's: a pipe would keep us waiting for its writer. */
	_cleanup_close_ int fd = open(netns, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int error = errno;

	if (fd < 0) {
		diag_set(diag, NULL, 0, "network namespace %s: %s", netns, strerror(error));
		return -error;
	}
	/* What remains of an unmounted namespace file, or any other file, fails here. */
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return diag_set(diag, NULL, 0, "%s is not a network namespace", netns);
	if (same_file(fd, node->netns_fd))
		return diag_set(diag, NULL, 0,
				"%s is the node's own network namespace, expected a pod's", netns);
	*ret = take_fd(fd);
	return 0;
}

int veth_pod_open(const struct veth_node *node, const char *netns, struct veth_pod *ret,
		  struct diag *diag)
{
	_cleanup_close_ int netlink_fd = -1, netns_fd = -1;
	socklen_t length = sizeof(ret->cookie);
	uint64_t cookie;
	int r;

	r = netns_open(node, netns, &netns_fd, diag);
	if (r < 0)
		return r;
	r = netlink_open_in(netns_fd, node->netns_fd, &netlink_fd);
	if (r == 0 && getsockopt(netlink_fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) < 0)
		r = -errno;
	if (r < 0) {
		diag_set(diag, NULL, 0, "cannot enter network namespace %s: %s", netns,
			 strerror(-r));
		return r;
	}
	ret->netns_fd = take_fd(netns_fd);
	ret->netlink_fd = take_fd(netlink_fd);
	ret->cookie = cookie;
	return 0;
}

void veth_pod_mac(uint32_t endpoint_id, uint8_t ret[6])
{
	ret[0] = TD_POD_MAC0;
	ret[1] = TD_POD_MAC1;
	for (int i = 0; i < 4; i++)
		ret[2 + i] = (uint8_t)(endpoint_id >> (24 - 8 * i));
}

int veth_create(const struct veth_node *node, const struct veth_pod *pod,
		const struct datapath_device *device, uint32_t *ret_ifindex, struct diag *diag)
{
	struct netlink_batch batch;
	uint8_t pod_mac[6];
	struct rtnl_veth veth = {
		.host_ifname = device->host_ifname,
		.pod_ifname = device->pod_ifname,
		.host_mac = node->host_mac,
		.pod_mac = pod_mac,
		.pod_netns_fd = pod->netns_fd,
		.mtu = device->mtu,
	};
	uint32_t ifindex;
	int r;

	/* The kernel says EEXIST for either end. */
	if (netlink_ifindex(pod->netlink_fd, device->pod_ifname) != 0) {
		diag_set(diag, NULL, 0, "the pod already has an interface %s", device->pod_ifname);
		return -EEXIST;
	}
	if (netlink_ifindex(node->netlink_fd, device->host_ifname) != 0) {
		diag_set(diag, NULL, 0, "the node already has an interface %s",
			 device->host_ifname);
		return -EBUSY;
	}
	veth_pod_mac(device->endpoint_id, pod_mac);
	netlink_begin(&batch, node->netlink_fd);
	rtnl_add_veth(&batch, &veth);
	r = netlink_commit(&batch, diag);
	if (r < 0)
		return r;
	ifindex = netlink_ifindex(node->netlink_fd, device->host_ifname);
	if (ifindex == 0) {
		diag_set(diag, NULL, 0, "%s vanished while it was made", device->host_ifname);
		return -ENODEV;
	}
	*ret_ifindex = ifindex;
	return 0;
}

/* bpf_fib_lookup asks for it, and netlink has no message for it. A node without IPv6 has no file. */
static int enable_ipv6_forwarding(const char *ifname, struct diag *diag)
{
	_cleanup_close_ int fd = -1;
	char path[64 + IFNAMSIZ];
	int error;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/forwarding", ifname);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1", 1) == 1)
		return 0;
	error = errno;
	diag_set(diag, NULL, 0, "cannot write 1 to %s: %s", path, strerror(error));
	return -error;
}

int veth_raise_host(const struct veth_node *node, const struct datapath_device *device,
		    uint32_t ifindex, struct diag *diag)
{
	const struct td_addr *addresses[] = { &device->ipv4, &device->ipv6 };
	struct netlink_batch batch;
	uint8_t pod_mac[6];
	int r = 0;

	if (!address_is_zero(&device->ipv6))
		r = enable_ipv6_forwarding(device->host_ifname, diag);
	if (r < 0)
		return r;
	veth_pod_mac(device->endpoint_id, pod_mac);
	netlink_begin(&batch, node->netlink_fd);
	rtnl_set_quiet(&batch, ifindex);
	rtnl_set_ipv4_forwarding(&batch, ifindex);
	rtnl_set_link(&batch, ifindex, true, "bring up the host's end");
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		if (address_is_zero(addresses[i]))
			continue;
		rtnl_add_neighbour(&batch, ifindex, addresses[i], pod_mac, false);
		rtnl_add_route(&batch, ifindex, addresses[i]);
	}
	return netlink_commit(&batch, diag);
}

int veth_raise_pod(const struct veth_node *node, const struct veth_pod *pod,
		   const struct datapath_device *device, struct diag *diag)
{
	uint32_t ifindex = netlink_ifindex(pod->netlink_fd, device->pod_ifname);
	struct netlink_batch batch;

	if (ifindex == 0) {
		diag_set(diag, NULL, 0, "%s vanished from the pod", device->pod_ifname);
		return -ENODEV;
	}
	netlink_begin(&batch, pod->netlink_fd);
	rtnl_set_link(&batch, LOOPBACK_IFINDEX, true, "bring up the pod's loopback");
	rtnl_set_quiet(&batch, ifindex);
	rtnl_set_link(&batch, ifindex, true, "bring up the pod's end");
	if (!address_is_zero(&device->ipv4)) {
		rtnl_add_address(&batch, ifindex, &device->ipv4);
		rtnl_add_neighbour(&batch, ifindex, &veth_gateway_ipv4, node->host_mac, false);
		rtnl_add_default_route(&batch, ifindex, &veth_gateway_ipv4);
	}
	if (!address_is_zero(&device->ipv6)) {
		rtnl_add_address(&batch, ifindex, &device->ipv6);
		rtnl_add_neighbour(&batch, ifindex, &veth_gateway_ipv6, node->host_mac, true);
		rtnl_add_default_route(&batch, ifindex, &veth_gateway_ipv6);
	}
	return netlink_commit(&batch, diag);
}

struct list_state {
	const char *prefix;
	struct veth_found *items;
	size_t count, capacity;
};

static bool is_pod_name(const char *name, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strncmp(name, prefix, length) != 0 || name[length] == '\0')
		return false;
	return name[length + strspn(name + length, "0123456789")] == '\0';
}

static bool is_veth(const struct nlattr *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			return strcmp(mnl_attr_get_str(attr), "veth") == 0;
	}
	return false;
}

static int list_add(struct list_state *state, const char *name, uint32_t ifindex)
{
	if (state->count == state->capacity) {
		size_t capacity = state->capacity ? 2 * state->capacity : 16;
		struct veth_found *items = reallocarray(state->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		state->items = items;
		state->capacity = capacity;
	}
	snprintf(state->items[state->count].ifname, sizeof(state->items->ifname), "%s", name);
	state->items[state->count++].ifindex = ifindex;
	return 0;
}

static int list_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct list_state *state = data;
	const struct nlattr *attr;
	const char *name = NULL;
	const uint8_t *mac = NULL;
	bool veth = false;

	mnl_attr_for_each(attr, nlh, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			name = mnl_attr_get_str(attr);
			break;
		case IFLA_ADDRESS:
			mac = mnl_attr_get_payload_len(attr) == 6 ? mnl_attr_get_payload(attr)
								  : NULL;
			break;
		case IFLA_LINKINFO:
			veth = is_veth(attr);
			break;
		}
	}
	if (!veth || !name || !mac || mac[0] != TD_POD_MAC0 || mac[1] != TD_POD_MAC1 ||
	    !is_pod_name(name, state->prefix))
		return 0;
	return list_add(state, name, (uint32_t)info->ifi_index);
}

static void list_restart(void *data)
{
	((struct list_state *)data)->count = 0;
}

int veth_list(int netlink_fd, const char *prefix, struct veth_found **ret, size_t *ret_count)
{
	char buffer[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct list_state state = { .prefix = prefix };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct netlink_dump dump = { nlh, list_link, list_restart, &state };
	int r;

	nlh->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	r = netlink_dump(netlink_fd, &dump);
	if (r < 0) {
		free(state.items);
		return r;
	}
	*ret = state.items;
	*ret_count = state.count;
	return 0;
}
