/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sending a packet on: into a pod on this node, or out by a device. The MAC addresses of pods and
 * of the host end follow from the endpoint id and load_config, so no lookup is needed. */
#pragma once

#include "lib/base.h"
#include "lib/config.h"
#include "lib/count.h"
#include "lib/slow.h"

#ifndef AF_INET
#define AF_INET  2
#define AF_INET6 10
#endif

#define TD_IPV4_TTL_OFFSET  (ETH_HLEN + offsetof(struct td_ipv4, ttl))
#define TD_IPV4_CSUM_OFFSET (ETH_HLEN + offsetof(struct td_ipv4, csum))
#define TD_IPV6_HOP_OFFSET  (ETH_HLEN + offsetof(struct td_ipv6, hop_limit))

static __always_inline void td_pod_mac(__u32 endpoint_id, __u8 *ret)
{
	ret[0] = TD_POD_MAC0;
	ret[1] = TD_POD_MAC1;
	ret[2] = endpoint_id >> 24;
	ret[3] = endpoint_id >> 16;
	ret[4] = endpoint_id >> 8;
	ret[5] = endpoint_id;
}

/* One hop less; the caller has seen that ttl > 1. */
static __always_inline int td_hop(struct __sk_buff *skb, const struct td_packet *pkt)
{
	__u8 ttl = pkt->ttl - 1;

	if (pkt->version == 4) {
		__be16 from = bpf_htons(pkt->ttl << 8 | pkt->protocol);
		__be16 to = bpf_htons(ttl << 8 | pkt->protocol);

		if (bpf_l3_csum_replace(skb, TD_IPV4_CSUM_OFFSET, from, to, 2) < 0)
			return TD_DROP_ERROR_WHILE_CORRECTING_L3_CHECKSUM;
		if (bpf_skb_store_bytes(skb, TD_IPV4_TTL_OFFSET, &ttl, 1, 0) < 0)
			return TD_DROP_ERROR_WRITING_TO_PACKET;
		return TD_GO;
	}
	if (bpf_skb_store_bytes(skb, TD_IPV6_HOP_OFFSET, &ttl, 1, 0) < 0)
		return TD_DROP_ERROR_WRITING_TO_PACKET;
	return TD_GO;
}

/* Into the pod behind ifindex: the packet appears on the pod's own device. */
static __always_inline int td_into_pod(struct __sk_buff *skb, __u32 ifindex)
{
	if (load_config.has_redirect_peer)
		return bpf_redirect_peer(ifindex, 0);
	skb->mark = TD_MARK_OURS;
	return bpf_redirect(ifindex, 0);
}

/* Routes s's packet into a local pod. Return code of the program, or a drop reason in *ret_reason. */
static __always_inline int td_deliver_pod(struct __sk_buff *skb, struct td_slow *s, __u32 ifindex,
					  __u32 endpoint_id, int *ret_reason)
{
	struct td_eth eth = { .proto = s->pkt.eth_proto };

	if (s->pkt.ttl <= 1)
		return TD_NEXT; /* the stack answers with time exceeded, and routes no further */
	td_pod_mac(endpoint_id, eth.dst);
	for (int i = 0; i < 6; i++)
		eth.src[i] = load_config.host_mac[i];
	*ret_reason = td_hop(skb, &s->pkt);
	if (!*ret_reason && bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0) < 0)
		*ret_reason = TD_DROP_ERROR_WRITING_TO_PACKET;
	if (*ret_reason)
		return TD_SHOT;
	td_count(TD_STAT_FORWARDED);
	return td_into_pod(skb, ifindex);
}
