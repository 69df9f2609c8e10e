/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who lives where: the maps that turn addresses and devices into identities. */
#pragma once

#include "types.h"

/* td_endpoint: HASH, host-side ifindex (__u32) -> the pod behind it. Source verification reads it. */
struct td_endpoint {
	__u32 id; /* endpoint id, 1..65535, also in the pod's MAC (abi/config.h) */
	__u32 identity;
	struct td_addr ipv4; /* zero: none */
	struct td_addr ipv6; /* zero: none */
	__u64 netns_cookie;
	__u32 flags; /* TD_EP_* */
	__u32 pad;
};
TD_SIZE(struct td_endpoint, 56);

#define TD_EP_LOCKDOWN (1u << 0) /* nothing in, nothing out: its policy could not be installed */

/* td_addr_map: HASH, struct td_addr -> struct td_place. Exact addresses: pods and this node. */
struct td_place {
	__u32 identity;
	__u32 ifindex;     /* host-side device of a local pod; 0: not a local pod */
	__u32 endpoint_id; /* of a local pod; 0 else */
	__u32 flags;       /* TD_PLACE_* */
};
TD_SIZE(struct td_place, 16);

#define TD_PLACE_HOST  (1u << 0) /* an address of this node */
#define TD_PLACE_AUDIT (1u << 1) /* what policies of this pod deny is forwarded and reported */

/* td_cidr: LPM_TRIE, struct td_cidr_key -> __u32 identity (from TD_ID_LOCAL_MIN). The longest
 * prefix decides; the compiler has put every rule on a shorter prefix under it too. */
struct td_cidr_key {
	__u32 prefixlen; /* of the v4-mapped address: IPv4 /n is 96 + n */
	struct td_addr addr;
};
TD_SIZE(struct td_cidr_key, 20);

/* td_device: HASH, ifindex (__u32) of a configured device -> what leaves there. */
struct td_device {
	struct td_addr ipv4; /* masquerade address; zero: leave the source alone */
	struct td_addr ipv6;
};
TD_SIZE(struct td_device, 32);

/* td_no_masq: LPM_TRIE, struct td_cidr_key -> __u32 1. Destinations reached with the pod's own
 * address. */

/* td_netns: HASH, netns cookie (__u64) -> __u32 endpoint id. Socket programs act for these only. */
