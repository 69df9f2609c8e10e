/* SPDX-License-Identifier: Apache-2.0 */
/* rtnl: the requests a pod's network is made of, appended to a batch.
 *
 * In: names, indices, addresses    Out: messages in a netlink_batch    Owns: nothing    Thread: any
 *
 * Formats: linux/if_link.h, linux/rtnetlink.h, linux/neighbour.h, linux/if_addr.h. */
#pragma once

#include "abi/types.h"
#include "netlink.h"

struct rtnl_veth {
	const char *host_ifname;
	const char *pod_ifname;
	const uint8_t *host_mac; /* 6 bytes */
	const uint8_t *pod_mac;
	int pod_netns_fd;
	uint32_t mtu;
};

/* A veth pair, down, its other end made directly in the pod's network namespace. */
void rtnl_add_veth(struct netlink_batch *batch, const struct rtnl_veth *veth);
void rtnl_delete_link(struct netlink_batch *batch, uint32_t ifindex);
void rtnl_set_link(struct netlink_batch *batch, uint32_t ifindex, bool up, const char *what);
/* No link-local address of its own: a pod's neighbours are permanent, nothing is to be solicited,
 * and an address that is ready at once needs no duplicate address detection. */
void rtnl_set_quiet(struct netlink_batch *batch, uint32_t ifindex);
/* net.ipv4.conf.DEV.forwarding = 1; bpf_fib_lookup asks for it. */
void rtnl_set_ipv4_forwarding(struct netlink_batch *batch, uint32_t ifindex);
/* The whole address (/32 or /128), usable at once (IFA_F_NODAD), without a prefix route. */
void rtnl_add_address(struct netlink_batch *batch, uint32_t ifindex, const struct td_addr *addr);
/* Permanent. router: an IPv6 gateway, which the kernel tells apart. */
void rtnl_add_neighbour(struct netlink_batch *batch, uint32_t ifindex, const struct td_addr *addr,
			const uint8_t mac[6], bool router);
/* The whole address, on the link. */
void rtnl_add_route(struct netlink_batch *batch, uint32_t ifindex,
		    const struct td_addr *destination);
/* The default route by a gateway on the link, unless there is one: a container's first interface
 * keeps it. */
void rtnl_add_default_route(struct netlink_batch *batch, uint32_t ifindex,
			    const struct td_addr *gateway);
