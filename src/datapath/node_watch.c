/* SPDX-License-Identifier: Apache-2.0 */
/* The node's own addresses and uplinks: read by dumps, again whenever netlink says they changed. */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/log.h"
#include "host_address.h"

int datapath_watch_fd(const struct datapath *datapath)
{
	return datapath->watch_fd;
}

/* td_device of one uplink: what its packets leave with. */
static int add_device(const struct datapath *datapath, struct image *devices, uint32_t ifindex,
		      const struct host_address *addresses, size_t count)
{
	struct td_device value = { 0 };

	if (datapath->options.masquerade) {
		value.ipv4 = host_address_of_device(addresses, count, ifindex, true);
		value.ipv6 = host_address_of_device(addresses, count, ifindex, false);
	}
	return image_add(devices, &ifindex, &value);
}

static int sync_uplinks(struct datapath *datapath, const struct host_address *addresses,
			size_t count, struct diag *diag)
{
	_cleanup_(image_clear) struct image devices = IMAGE(uint32_t, struct td_device);
	int first = 0, r;

	for (size_t i = 0; i < datapath->options.device_count; i++) {
		const char *name = datapath->options.devices[i];
		uint32_t ifindex = netlink_ifindex(datapath->node.netlink_fd, name);

		if (ifindex == 0)
			continue; /* it is attached to when it appears */
		r = datapath_attach(datapath, ifindex, true, diag);
		if (r == 0)
			r = add_device(datapath, &devices, ifindex, addresses, count);
		if (r < 0)
			log_error("datapath", "a device is not served", LOG_STR("device", name),
				  LOG_ERR(r));
		if (first == 0)
			first = r;
	}
	image_sort(&devices);
	r = map_mirror_sync(&datapath->device_mirror, &devices, NULL, NULL);
	return first < 0 ? first : r;
}

static int take_host_addresses(struct datapath *datapath, const struct host_address *addresses,
			       size_t count)
{
	struct td_addr *copy = calloc(count ? count : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		copy[i] = addresses[i].addr;
	free(datapath->host_addresses);
	datapath->host_addresses = copy;
	datapath->host_address_count = count;
	return datapath_write_places(datapath);
}

int datapath_sync_node(struct datapath *datapath, struct diag *diag)
{
	_cleanup_free_ struct host_address *addresses = NULL;
	size_t count = 0;
	int r, s;

	r = host_address_list(datapath->node.netlink_fd, &addresses, &count);
	if (r < 0) {
		diag_set(diag, NULL, 0, "cannot list the node's addresses: %s", strerror(-r));
		return r;
	}
	r = take_host_addresses(datapath, addresses, count);
	s = sync_uplinks(datapath, addresses, count, diag);
	return r < 0 ? r : s;
}

const struct td_addr *datapath_host_addresses(const struct datapath *datapath, size_t *ret_count)
{
	*ret_count = datapath->host_address_count;
	return datapath->host_addresses;
}

int datapath_sync_host_addresses(struct datapath *datapath)
{
	struct diag diag = { 0 };
	int r = datapath_sync_node(datapath, &diag);

	if (r < 0)
		log_error("datapath", "the node's addresses are not up to date",
			  LOG_STR("reason", diag.text), LOG_ERR(r));
	return r;
}

/* Whether a message concerns us: addresses do, and devices that appear or go. Our own pods' devices
 * do not, or each CNI ADD would cost a dump. */
static bool concerns(const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (nlh->nlmsg_type == RTM_NEWADDR || nlh->nlmsg_type == RTM_DELADDR)
		return true;
	if (nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*info))
	{
		const uint8_t *mac = mnl_attr_get_payload(attr);

		if (mnl_attr_get_type(attr) == IFLA_ADDRESS &&
		    mnl_attr_get_payload_len(attr) == 6 && mac[0] == TD_POD_MAC0 &&
		    mac[1] == TD_POD_MAC1)
			return false;
	}
	return true;
}

int datapath_watch_process(struct datapath *datapath)
{
	char buffer[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool changed = false;

	for (;;) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buffer;
		ssize_t n = recv(datapath->watch_fd, buffer, sizeof(buffer), 0);
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			changed = true; /* something was missed */
			continue;
		}
		if (n <= 0)
			break;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			changed |= concerns(nlh);
	}
	if (!changed)
		return 0;
	return datapath_sync_host_addresses(datapath) < 0 ? -EIO : 1;
}
