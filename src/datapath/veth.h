/* SPDX-License-Identifier: Apache-2.0 */
/* veth: a pod's device: the pair, its addresses, routes and neighbours, in both namespaces.
 *
 * In: struct datapath_device    Out: devices    Owns: the sockets in the structs here
 * Thread: main loop only (enters pods' namespaces)
 *
 * The pod has its addresses as /32 and /128, and default routes by 169.254.1.1 and fe80::1, whose
 * neighbour entries are permanent: nothing in the pod ever has to be resolved. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "datapath.h"
#include "netlink.h"

/* The network namespace the agent runs in. */
struct veth_node {
	int netns_fd;
	int netlink_fd;
	uint8_t host_mac[6]; /* of the host end of every pair */
};

int veth_node_open(const uint8_t host_mac[6], struct veth_node *ret);
void veth_node_close(struct veth_node *node);

/* A pod's network namespace, entered by a socket. */
struct veth_pod {
	int netns_fd;
	int netlink_fd;
	uint64_t cookie;
};

/* -ENOENT: gone; -EINVAL: no network namespace, or the node's own. */
int veth_pod_open(const struct veth_node *node, const char *netns, struct veth_pod *ret,
		  struct diag *diag);
void veth_pod_close(struct veth_pod *pod);

extern const struct td_addr veth_gateway_ipv4; /* 169.254.1.1 */
extern const struct td_addr veth_gateway_ipv6; /* fe80::1 */

void veth_pod_mac(uint32_t endpoint_id, uint8_t ret[6]);

/* Makes the pair, both ends down. -EEXIST: pod_ifname is taken; -EBUSY: host_ifname is. */
int veth_create(const struct veth_node *node, const struct veth_pod *pod,
		const struct datapath_device *device, uint32_t *ret_ifindex, struct diag *diag);
/* Host end up, with routes and neighbours. The programs are attached before. */
int veth_raise_host(const struct veth_node *node, const struct datapath_device *device,
		    uint32_t ifindex, struct diag *diag);
/* Pod end up, with addresses, routes and neighbours. */
int veth_raise_pod(const struct veth_node *node, const struct veth_pod *pod,
		   const struct datapath_device *device, struct diag *diag);
int veth_check_host(const struct veth_node *node, const struct datapath_device *device,
		    uint32_t ifindex, struct diag *diag);
int veth_check_pod(const struct veth_node *node, const struct veth_pod *pod,
		   const struct datapath_device *device, struct diag *diag);

/* Host ends of pairs made here: veth, named prefix and digits, with a host MAC of ours (first two
 * bytes). */
struct veth_found {
	char ifname[16];
	uint32_t ifindex;
};

int veth_list(int netlink_fd, const char *prefix, struct veth_found **ret, size_t *ret_count);
