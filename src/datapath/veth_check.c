/* SPDX-License-Identifier: Apache-2.0 */
#include "veth.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>

#include "base/address.h"
#include "rtnl.h"

/* What a namespace holds of a device, gathered from dumps. Index 0: IPv4, 1: IPv6. */
struct facts {
	const struct datapath_device *device;
	uint32_t ifindex;
	bool pod;
	uint32_t flags;
	uint8_t mac[6];
	bool address[2];
	bool neighbour[2];
	bool route[2];
};

static const struct td_addr *wanted(const struct facts *facts, int family)
{
	return family ? &facts->device->ipv6 : &facts->device->ipv4;
}

static const struct td_addr *gateway(int family)
{
	return family ? &veth_gateway_ipv6 : &veth_gateway_ipv4;
}

static bool attr_is(const struct nlattr *attr, const struct td_addr *addr)
{
	size_t length = address_is_ipv4(addr) ? 4 : 16;

	return mnl_attr_get_payload_len(attr) == length &&
	       memcmp(mnl_attr_get_payload(attr), addr->bytes + 16 - length, length) == 0;
}

static int see_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct facts *facts = data;
	const struct nlattr *attr;

	facts->flags = info->ifi_flags;
	mnl_attr_for_each(attr, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == IFLA_ADDRESS && mnl_attr_get_payload_len(attr) == 6)
			memcpy(facts->mac, mnl_attr_get_payload(attr), 6);
	}
	return 0;
}

static int see_address(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *message = mnl_nlmsg_get_payload(nlh);
	int family = message->ifa_family == AF_INET6;
	struct facts *facts = data;
	const struct nlattr *attr;

	if (message->ifa_index != facts->ifindex)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(*message))
	{
		if (mnl_attr_get_type(attr) == IFA_ADDRESS && attr_is(attr, wanted(facts, family)))
			facts->address[family] = true;
	}
	return 0;
}

static int see_neighbour(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *message = mnl_nlmsg_get_payload(nlh);
	int family = message->ndm_family == AF_INET6;
	struct facts *facts = data;
	const struct td_addr *addr = facts->pod ? gateway(family) : wanted(facts, family);
	const struct nlattr *attr;

	if ((uint32_t)message->ndm_ifindex != facts->ifindex ||
	    !(message->ndm_state & NUD_PERMANENT))
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(*message))
	{
		if (mnl_attr_get_type(attr) == NDA_DST && attr_is(attr, addr))
			facts->neighbour[family] = true;
	}
	return 0;
}

/* In the pod a default route by our gateway, on whichever of its interfaces; on the node the pod's
 * own route. */
static int see_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *message = mnl_nlmsg_get_payload(nlh);
	int family = message->rtm_family == AF_INET6;
	struct facts *facts = data;
	const struct td_addr *addr = facts->pod ? gateway(family) : wanted(facts, family);
	bool device = false, target = false;
	const struct nlattr *attr;

	if (message->rtm_table != RT_TABLE_MAIN || (facts->pod && message->rtm_dst_len != 0))
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(*message))
	{
		if (mnl_attr_get_type(attr) == RTA_OIF)
			device = mnl_attr_get_u32(attr) == facts->ifindex;
		else if (mnl_attr_get_type(attr) == (facts->pod ? RTA_GATEWAY : RTA_DST))
			target = attr_is(attr, addr);
	}
	if ((device || facts->pod) && target)
		facts->route[family] = true;
	return 0;
}

/* Each restart begins from what was seen: facts only accumulate. */
static int dump_facts(int fd, uint16_t type, size_t header, struct facts *facts,
		      int (*fn)(const struct nlmsghdr *, void *))
{
	char buffer[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct netlink_dump dump = { .request = nlh, .fn = fn, .data = facts };

	nlh->nlmsg_type = type;
	mnl_nlmsg_put_extra_header(nlh, header);
	return netlink_dump(fd, &dump);
}

static int gather(int fd, const char *ifname, struct facts *facts)
{
	char buffer[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;
	int r;

	facts->ifindex = netlink_ifindex(fd, ifname);
	if (facts->ifindex == 0)
		return -ENODEV;
	nlh->nlmsg_type = RTM_GETLINK;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_index = (int)facts->ifindex;
	r = netlink_get(fd, nlh, see_link, facts);
	if (r == 0)
		r = dump_facts(fd, RTM_GETADDR, sizeof(struct ifaddrmsg), facts, see_address);
	if (r == 0)
		r = dump_facts(fd, RTM_GETNEIGH, sizeof(struct ndmsg), facts, see_neighbour);
	if (r == 0)
		r = dump_facts(fd, RTM_GETROUTE, sizeof(struct rtmsg), facts, see_route);
	return r;
}

static int judge_family(const struct facts *facts, const char *ifname, int family,
			struct diag *diag)
{
	char text[ADDRESS_TEXT_MAX];

	if (address_is_zero(wanted(facts, family)))
		return 0;
	address_format(wanted(facts, family), text);
	if (facts->pod && !facts->address[family])
		return diag_set(diag, NULL, 0, "%s in the pod lacks its address %s", ifname, text);
	if (!facts->neighbour[family])
		return diag_set(diag, NULL, 0, "%s lacks the permanent neighbour entry for %s",
				ifname, facts->pod ? "its gateway" : text);
	if (!facts->route[family])
		return diag_set(diag, NULL, 0, "%s lacks the %s route%s%s", ifname,
				facts->pod ? "default" : "pod's", facts->pod ? "" : " to ",
				facts->pod ? "" : text);
	return 0;
}

static int judge(int fd, struct facts *facts, const char *ifname, const uint8_t mac[6],
		 struct diag *diag)
{
	int r = gather(fd, ifname, facts);

	if (r < 0) {
		diag_set(diag, NULL, 0, "%s on the %s: %s", ifname, facts->pod ? "pod" : "node",
			 strerror(-r));
		return r;
	}
	if (!(facts->flags & IFF_UP))
		return diag_set(diag, NULL, 0, "%s is down", ifname);
	if (memcmp(facts->mac, mac, 6) != 0)
		return diag_set(diag, NULL, 0, "%s has another MAC address than it was given",
				ifname);
	r = judge_family(facts, ifname, 0, diag);
	return r < 0 ? r : judge_family(facts, ifname, 1, diag);
}

int veth_check_host(const struct veth_node *node, const struct datapath_device *device,
		    uint32_t ifindex, struct diag *diag)
{
	struct facts facts = { .device = device };
	int r = judge(node->netlink_fd, &facts, device->host_ifname, node->host_mac, diag);

	if (r < 0)
		return r;
	if (facts.ifindex != ifindex)
		return diag_set(diag, NULL, 0, "%s has interface index %u, expected %u",
				device->host_ifname, facts.ifindex, ifindex);
	return 0;
}

int veth_check_pod(const struct veth_node *node, const struct veth_pod *pod,
		   const struct datapath_device *device, struct diag *diag)
{
	struct facts facts = { .device = device, .pod = true };
	uint8_t mac[6];

	veth_pod_mac(device->endpoint_id, mac);
	return judge(pod->netlink_fd, &facts, device->pod_ifname, mac, diag);
}
