/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The fast path: an established connection of the present generation costs one lookup. Whatever is
 * unusual goes the slow way, which handles everything; nothing here decides anything new. */
#pragma once

#include "lib/base.h"
#include "lib/config.h"
#include "lib/conntrack.h"
#include "lib/count.h"
#include "lib/deliver.h"
#include "lib/packet.h"

/* A fast path's answer when it has none. */
#define TD_SLOW (-100)

struct td_fast {
	struct td_ct_key key;
	__u32 high; /* the sender is addr[1] */
	__u32 version;
	__be16 flow_port; /* the sender's */
	__be16 tcp_word;  /* data offset and flags; 0 if not TCP */
	__u8 ttl;
};

struct td_ports {
	__be16 src, dst;
};

static __always_inline bool td_fast_addresses(struct td_fast *fast, const struct td_addr *src,
					      const struct td_addr *dst,
					      const struct td_ports *ports)
{
	__u64 a = bpf_be64_to_cpu(src->halves[0]), b = bpf_be64_to_cpu(dst->halves[0]);

	if (a == b) {
		a = bpf_be64_to_cpu(src->halves[1]);
		b = bpf_be64_to_cpu(dst->halves[1]);
		if (a == b) /* to itself: rare, and ordered by port */
			return false;
	}
	fast->flow_port = ports->src;
	fast->high = a > b;
	if (a > b) {
		fast->key.addr[0] = *dst;
		fast->key.addr[1] = *src;
		fast->key.port[0] = ports->dst;
		fast->key.port[1] = ports->src;
	} else {
		fast->key.addr[0] = *src;
		fast->key.addr[1] = *dst;
		fast->key.port[0] = ports->src;
		fast->key.port[1] = ports->dst;
	}
	return true;
}

static __always_inline bool td_fast_transport(struct td_fast *fast, void *l4, void *end,
					      __u8 protocol)
{
	fast->key.protocol = protocol;
	fast->key.kind = TD_KEY_PORTS;
	fast->key.pad[0] = 0;
	fast->key.pad[1] = 0;
	fast->tcp_word = 0;
	if (protocol == IPPROTO_TCP) {
		if (l4 + 20 > end)
			return false;
		fast->tcp_word = *(__be16 *)(l4 + 12);
		return (fast->tcp_word & bpf_htons(0xf000)) >= bpf_htons(0x5000);
	}
	return protocol == IPPROTO_UDP && l4 + 8 <= end;
}

/* Whether the packet is of the plain kind the fast path takes; then *fast says whose. */
static __always_inline bool td_fast_parse(struct __sk_buff *skb, struct td_fast *fast)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct td_eth *eth = data;

	if (data + ETH_HLEN + sizeof(struct td_ipv4) + 8 > end || skb->vlan_present)
		return false;
	if (eth->proto == bpf_htons(ETH_P_IP)) {
		struct td_ipv4 *ip = data + ETH_HLEN;
		struct td_addr src, dst;
		void *l4 = ip + 1;

		if (ip->version_ihl != 0x45 ||
		    (ip->frag & bpf_htons(TD_IPV4_MF | TD_IPV4_OFFSET)) ||
		    bpf_ntohs(ip->total) + ETH_HLEN > skb->len ||
		    bpf_ntohs(ip->total) < sizeof(*ip) + 20)
			return false;
		fast->version = 4;
		fast->ttl = ip->ttl;
		if (!td_fast_transport(fast, l4, end, ip->protocol))
			return false;
		td_addr_set_v4(&src, ip->src);
		td_addr_set_v4(&dst, ip->dst);
		return td_fast_addresses(fast, &src, &dst, l4);
	}
	if (eth->proto == bpf_htons(ETH_P_IPV6)) {
		struct td_ipv6 *ip = data + ETH_HLEN;
		void *l4 = ip + 1;

		if (l4 + 8 > end || (ip->flow & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000) ||
		    bpf_ntohs(ip->payload) + ETH_HLEN + sizeof(*ip) > skb->len ||
		    bpf_ntohs(ip->payload) < 20 || !ip->src.halves[0] || !ip->dst.halves[0])
			return false; /* no v4-mapped address: keys would be those of IPv4 */
		fast->version = 6;
		fast->ttl = ip->hop_limit;
		if (!td_fast_transport(fast, l4, end, ip->next))
			return false;
		return td_fast_addresses(fast, &ip->src, &ip->dst, l4);
	}
	return false;
}

/* An entry the packet may pass by without another look. Anything that would be told, or that may
 * change the entry's state, is not for here. */
static __always_inline bool td_fast_is_plain(const struct td_fast *fast, const struct td_ct *ct,
					     const struct td_config *config, __u32 now)
{
	if (ct->state != TD_CT_ESTABLISHED || ct->generation != config->generation ||
	    (config->flags & TD_CONFIG_REPORT_ALL) || (fast->tcp_word & bpf_htons(TD_TCP_STATE)) ||
	    fast->ttl <= 1)
		return false;
	if (fast->key.protocol == IPPROTO_UDP && fast->flow_port == bpf_htons(53))
		return false; /* a DNS answer is copied */
	return !config->report_interval || now - ct->reported < config->report_interval;
}

static __always_inline void td_fast_count(struct __sk_buff *skb, struct td_ct *ct,
					  const struct td_fast *fast, __u32 reply, __u32 now)
{
	__u32 segments = skb->gso_segs;
	__u32 timeout = fast->key.protocol == IPPROTO_TCP ? load_config.ct_tcp_established
							  : load_config.ct_udp_stream;

	td_ct_add(ct, reply, segments ? segments : 1, skb->len - ETH_HLEN);
	ct->expires = now + timeout;
}

/* Into a local pod, with packet pointers: false if the frame must be made writable first. */
static __always_inline bool td_fast_rewrite(struct __sk_buff *skb, const struct td_fast *fast,
					    __u32 endpoint_id)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u8 *mac = data;

	if (data + ETH_HLEN + sizeof(struct td_ipv4) > end)
		return false;
	if (fast->version == 4) {
		struct td_ipv4 *ip = data + ETH_HLEN;
		__u32 csum = ip->csum + bpf_htons(0x0100);

		ip->csum = csum + (csum >> 16); /* RFC 1624: ttl is the high byte of its word */
		ip->ttl--;
	} else {
		struct td_ipv6 *ip = data + ETH_HLEN;

		ip->hop_limit--;
	}
	*(__u16 *)mac = bpf_htons(TD_POD_MAC0 << 8 | TD_POD_MAC1);
	*(__u32 *)(mac + 2) = bpf_htonl(endpoint_id);
	*(__u16 *)(mac + 6) = *(const volatile __u16 *)&load_config.host_mac[0];
	*(__u32 *)(mac + 8) = *(const volatile __u16 *)&load_config.host_mac[2] |
			      (__u32) * (const volatile __u16 *)&load_config.host_mac[4] << 16;
	return true;
}

/* The last step of the fast path towards a local pod: return code, or TD_SLOW. */
static __always_inline int td_fast_into_pod(struct __sk_buff *skb, const struct td_fast *fast,
					    struct td_ct *ct, __u32 reply, __u32 now)
{
	__u32 ifindex = ct->ifindex[td_bit(!reply)];

	if (!td_fast_rewrite(skb, fast, ct->endpoint_id[td_bit(!reply)]))
		return TD_SLOW;
	td_fast_count(skb, ct, fast, reply, now);
	td_count(TD_STAT_FORWARDED);
	return td_into_pod(skb, ifindex);
}
