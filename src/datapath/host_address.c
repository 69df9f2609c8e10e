/* SPDX-License-Identifier: Apache-2.0 */
#include "host_address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/if_addr.h>

#include "base/address.h"
#include "netlink.h"

#define LOOPBACK_NET 127

struct list {
	struct host_address *items;
	size_t count, capacity;
};

static bool is_loopback(const struct td_addr *addr)
{
	static const struct td_addr loopback = { .bytes = { [15] = 1 } };

	return address_is_ipv4(addr) ? addr->bytes[12] == LOOPBACK_NET
				     : address_compare(addr, &loopback) == 0;
}

static int list_add(struct list *list, const struct host_address *address)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct host_address *items = reallocarray(list->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = *address;
	return 0;
}

static bool read_bytes(const struct nlattr *attr, struct td_addr *ret)
{
	uint32_t word;

	switch (mnl_attr_get_payload_len(attr)) {
	case 4:
		memcpy(&word, mnl_attr_get_payload(attr), sizeof(word));
		*ret = address_from_ipv4(word);
		return true;
	case 16:
		memcpy(ret->bytes, mnl_attr_get_payload(attr), 16);
		return true;
	default:
		return false;
	}
}

static int see_address(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *message = mnl_nlmsg_get_payload(nlh);
	struct host_address address = { .ifindex = message->ifa_index };
	uint32_t flags = message->ifa_flags;
	const struct nlattr *attr;
	bool local = false, found = false;

	if (nlh->nlmsg_type != RTM_NEWADDR ||
	    (message->ifa_family != AF_INET && message->ifa_family != AF_INET6))
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(*message))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFA_LOCAL: /* on a point-to-point device IFA_ADDRESS is the other side's */
			local = read_bytes(attr, &address.addr);
			break;
		case IFA_ADDRESS:
			if (!local)
				found = read_bytes(attr, &address.addr);
			break;
		case IFA_FLAGS:
			flags = mnl_attr_get_u32(attr);
			break;
		}
	}
	if ((!local && !found) || is_loopback(&address.addr) || (flags & IFA_F_DADFAILED))
		return 0;
	address.global = message->ifa_scope == RT_SCOPE_UNIVERSE;
	/* IFA_F_SECONDARY and IFA_F_TEMPORARY are one bit. */
	address.secondary = flags & (IFA_F_SECONDARY | IFA_F_DEPRECATED | IFA_F_TENTATIVE);
	return list_add(data, &address);
}

static void restart(void *data)
{
	((struct list *)data)->count = 0;
}

int host_address_list(int netlink_fd, struct host_address **ret, size_t *ret_count)
{
	char buffer[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct list list = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct netlink_dump dump = { nlh, see_address, restart, &list };
	int r;

	nlh->nlmsg_type = RTM_GETADDR;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	r = netlink_dump(netlink_fd, &dump);
	if (r < 0) {
		free(list.items);
		return r;
	}
	*ret = list.items;
	*ret_count = list.count;
	return 0;
}

struct td_addr host_address_of_device(const struct host_address *addresses, size_t count,
				      uint32_t ifindex, bool ipv4)
{
	struct td_addr second_best = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct host_address *address = &addresses[i];

		if (address->ifindex != ifindex || !address->global ||
		    address_is_ipv4(&address->addr) != ipv4)
			continue;
		if (!address->secondary)
			return address->addr;
		if (address_is_zero(&second_best))
			second_best = address->addr;
	}
	return second_best;
}
