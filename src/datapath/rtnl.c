/* SPDX-License-Identifier: Apache-2.0 */
#include "rtnl.h"

#include <string.h>
#include <sys/socket.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/veth.h>

#include "base/address.h"

static int address_family(const struct td_addr *addr)
{
	return address_is_ipv4(addr) ? AF_INET : AF_INET6;
}

static uint8_t address_bits(const struct td_addr *addr)
{
	return address_is_ipv4(addr) ? 32 : 128;
}

static void put_address(struct nlmsghdr *nlh, uint16_t type, const struct td_addr *addr)
{
	if (address_is_ipv4(addr))
		mnl_attr_put(nlh, type, 4, &addr->bytes[12]);
	else
		mnl_attr_put(nlh, type, 16, addr->bytes);
}

static struct ifinfomsg *put_ifinfo(struct nlmsghdr *nlh)
{
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->ifi_family = AF_UNSPEC;
	return info;
}

static struct nlmsghdr *add_set_link(struct netlink_batch *batch, uint32_t ifindex, bool optional,
				     const char *what)
{
	struct nlmsghdr *nlh = optional ? netlink_add_optional(batch, RTM_SETLINK, 0, what)
					: netlink_add(batch, RTM_SETLINK, 0, what);

	put_ifinfo(nlh)->ifi_index = (int)ifindex;
	return nlh;
}

void rtnl_add_veth(struct netlink_batch *batch, const struct rtnl_veth *veth)
{
	struct nlmsghdr *nlh;
	struct nlattr *info, *data, *peer;

	nlh = netlink_add(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "create the veth pair");
	put_ifinfo(nlh);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, veth->host_ifname);
	mnl_attr_put_u32(nlh, IFLA_MTU, veth->mtu);
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, veth->host_mac);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, veth->pod_ifname);
	mnl_attr_put_u32(nlh, IFLA_MTU, veth->mtu);
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, veth->pod_mac);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)veth->pod_netns_fd);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

void rtnl_delete_link(struct netlink_batch *batch, uint32_t ifindex)
{
	struct nlmsghdr *nlh = netlink_add(batch, RTM_DELLINK, 0, "delete the device");

	put_ifinfo(nlh)->ifi_index = (int)ifindex;
}

void rtnl_set_link(struct netlink_batch *batch, uint32_t ifindex, bool up, const char *what)
{
	struct nlmsghdr *nlh = netlink_add(batch, RTM_NEWLINK, 0, what);
	struct ifinfomsg *info = put_ifinfo(nlh);

	info->ifi_index = (int)ifindex;
	info->ifi_flags = up ? IFF_UP : 0;
	info->ifi_change = IFF_UP;
}

void rtnl_set_quiet(struct netlink_batch *batch, uint32_t ifindex)
{
	/* Optional: a kernel booted with ipv6.disable=1 knows no such attribute. */
	struct nlmsghdr *nlh = add_set_link(batch, ifindex, true, "turn off link-local addresses");
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, family);
	mnl_attr_nest_end(nlh, spec);
}

void rtnl_set_ipv4_forwarding(struct netlink_batch *batch, uint32_t ifindex)
{
	struct nlmsghdr *nlh = add_set_link(batch, ifindex, false, "turn on forwarding");
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(nlh, AF_INET);
	struct nlattr *conf = mnl_attr_nest_start(nlh, IFLA_INET_CONF);

	mnl_attr_put_u32(nlh, IPV4_DEVCONF_FORWARDING, 1);
	mnl_attr_nest_end(nlh, conf);
	mnl_attr_nest_end(nlh, family);
	mnl_attr_nest_end(nlh, spec);
}

void rtnl_add_address(struct netlink_batch *batch, uint32_t ifindex, const struct td_addr *addr)
{
	struct nlmsghdr *nlh =
		netlink_add(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "add the pod's address");
	struct ifaddrmsg *message = mnl_nlmsg_put_extra_header(nlh, sizeof(*message));

	message->ifa_family = (uint8_t)address_family(addr);
	message->ifa_prefixlen = address_bits(addr);
	message->ifa_index = ifindex;
	message->ifa_scope = RT_SCOPE_UNIVERSE;
	put_address(nlh, IFA_LOCAL, addr);
	put_address(nlh, IFA_ADDRESS, addr);
	mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
}

void rtnl_add_neighbour(struct netlink_batch *batch, uint32_t ifindex, const struct td_addr *addr,
			const uint8_t mac[6], bool router)
{
	struct nlmsghdr *nlh = netlink_add(batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
					   "add the neighbour entry");
	struct ndmsg *message = mnl_nlmsg_put_extra_header(nlh, sizeof(*message));

	message->ndm_family = (uint8_t)address_family(addr);
	message->ndm_ifindex = (int)ifindex;
	message->ndm_state = NUD_PERMANENT;
	/* Or every half minute the kernel forgets which path MTUs it was told of by way of it. */
	message->ndm_flags = router ? NTF_ROUTER : 0;
	put_address(nlh, NDA_DST, addr);
	mnl_attr_put(nlh, NDA_LLADDR, 6, mac);
}

static void put_route(struct nlmsghdr *nlh, uint32_t ifindex, const struct td_addr *destination,
		      const struct td_addr *gateway)
{
	const struct td_addr *any = destination ? destination : gateway;
	struct rtmsg *message = mnl_nlmsg_put_extra_header(nlh, sizeof(*message));

	message->rtm_family = (uint8_t)address_family(any);
	message->rtm_dst_len = destination ? address_bits(destination) : 0;
	message->rtm_table = RT_TABLE_MAIN;
	message->rtm_protocol = RTPROT_STATIC;
	message->rtm_scope = gateway || !address_is_ipv4(any) ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	message->rtm_type = RTN_UNICAST;
	/* Or the kernel would look for the gateway behind the interface that was there first. */
	if (gateway && address_is_ipv4(gateway))
		message->rtm_flags = RTNH_F_ONLINK;
	if (destination)
		put_address(nlh, RTA_DST, destination);
	if (gateway)
		put_address(nlh, RTA_GATEWAY, gateway);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
}

void rtnl_add_route(struct netlink_batch *batch, uint32_t ifindex,
		    const struct td_addr *destination)
{
	put_route(netlink_add(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "add the route"),
		  ifindex, destination, NULL);
}

void rtnl_add_default_route(struct netlink_batch *batch, uint32_t ifindex,
			    const struct td_addr *gateway)
{
	/* fe80::1 is on every link. */
	if (address_is_ipv4(gateway))
		put_route(netlink_add_if_missing(batch, RTM_NEWROUTE, "add the gateway's route"),
			  ifindex, gateway, NULL);
	put_route(netlink_add_if_missing(batch, RTM_NEWROUTE, "add the default route"), ifindex,
		  NULL, gateway);
}
