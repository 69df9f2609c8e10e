/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refusing aloud: the denied packet is turned into its own refusal and goes back the way it came.
 * TCP gets a RST (RFC 9293, 3.10.7.1), everything else ICMP "administratively prohibited" (RFC 792
 * type 3 code 13, RFC 4443 type 1 code 1). The refusal's source is who was asked.
 *
 * A packet whose checksum a device was to complete (it holds the pseudo header's sum, nothing else)
 * stays one of this kind, which no helper tells or changes: the sum from the transport header on will be
 * written where that packet's checksum was. The refusal must come out right by it. */
#pragma once

#include "lib/base.h"
#include "lib/deliver.h"
#include "lib/nat.h"
#include "lib/slow.h"

/* Refusals a second and CPU; what is beyond is met by silence (RFC 4443, 2.4 f; RFC 1812, 4.3.2.8):
 * a source may be forged. As many as Linux sends (net.ipv4.icmp_msgs_per_sec). */
#define TD_REFUSAL_BUDGET 1000

/* Bytes of the packet an ICMP refusal quotes, multiples of 4: headers and more. */
#define TD_QUOTE_MAX 64

struct td_tcp {
	__be16 src, dst;
	__be32 seq, ack;
	__u8 offset, flags;
	__be16 window, csum, urgent;
};

struct td_icmp {
	__u8 type, code;
	__be16 csum;
	__be32 unused;
	__u8 quote[TD_QUOTE_MAX];
};

union td_refusal {
	struct td_tcp tcp;
	struct td_icmp icmp;
};

struct td_pseudo {
	struct td_addr src, dst;
	__be32 len;
	__be32 next;
};

static __always_inline __u16 td_csum_fold(__u64 sum)
{
	for (int i = 0; i < 4; i++)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Sum of the pseudo header: the bytes of a v4-mapped address beyond the four add 0xffff, which is
 * zero in this arithmetic, so one pseudo header does for both families. */
static __always_inline __s64 td_pseudo_sum(const struct td_packet *pkt, __u32 len, __u8 protocol)
{
	struct td_pseudo pseudo = {
		.src = pkt->addr[1],
		.dst = pkt->addr[0],
		.len = bpf_htonl(len),
		.next = bpf_htonl(protocol),
	};

	return bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
}

/* Whether the checksum of the denied packet is still to be completed: it is the pseudo header's sum.
 * That a finished one looks the same by chance costs one refusal. */
static __always_inline bool td_is_unfinished(const struct td_packet *pkt, __u16 csum)
{
	__s64 sum = td_pseudo_sum(pkt, pkt->l4_len, pkt->protocol);

	return csum == (__u16)~td_csum_fold(sum);
}

/* What a RST answers to; the length of the refusal, or negative. */
static __always_inline int td_refusal_tcp(struct __sk_buff *skb, const struct td_packet *pkt,
					  struct td_tcp *ret)
{
	struct td_tcp in;
	__u32 payload;
	__s64 pseudo;

	if (bpf_skb_load_bytes(skb, pkt->l4, &in, sizeof(in)) < 0 || (in.flags & TD_TCP_RST))
		return -1;
	payload = pkt->l4_len - (in.offset >> 4) * 4;
	__builtin_memset(ret, 0, sizeof(*ret));
	ret->src = in.dst;
	ret->dst = in.src;
	ret->offset = 0x50;
	ret->flags = TD_TCP_RST;
	if (in.flags & TD_TCP_ACK) {
		ret->seq = in.ack;
	} else {
		ret->flags |= TD_TCP_ACK;
		ret->ack = bpf_htonl(bpf_ntohl(in.seq) + payload + !!(in.flags & TD_TCP_SYN) +
				     !!(in.flags & TD_TCP_FIN));
	}
	pseudo = td_pseudo_sum(pkt, sizeof(*ret), IPPROTO_TCP);
	if (td_is_unfinished(pkt, in.csum))
		ret->csum = ~td_csum_fold(pseudo);
	else
		ret->csum =
			td_csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)ret, sizeof(*ret), pseudo));
	return sizeof(*ret);
}

static __always_inline int td_refusal_icmp(struct __sk_buff *skb, const struct td_packet *pkt,
					   struct td_icmp *ret)
{
	__u32 quote = pkt->len & ~3u;
	__u16 csum = 0;
	__u32 len;
	__s64 seed = 0;

	if (pkt->related || td_icmp_is_error(pkt->protocol, pkt->icmp_type))
		return -1; /* no errors about errors */
	if (quote > TD_QUOTE_MAX)
		quote = TD_QUOTE_MAX;
	if (quote < 28 || pkt->l4 + 8 - ETH_HLEN > quote)
		return -1;
	__builtin_memset(ret, 0, sizeof(*ret));
	ret->type = pkt->version == 4 ? 3 : 1;
	ret->code = pkt->version == 4 ? 13 : 1;
	asm volatile("" : "+r"(quote));
	if (quote > TD_QUOTE_MAX || quote < 28 ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, ret->quote, quote) < 0)
		return -1;
	len = 8 + quote;
	if (pkt->version == 6)
		seed = td_pseudo_sum(pkt, len, IPPROTO_ICMPV6);
	/* The checksum of a UDP packet was where an unused field is now. What completes it makes the
	 * whole sum up to zero less what it finds there: the pseudo header's share. */
	if (pkt->protocol == IPPROTO_UDP && pkt->version == 6 &&
	    bpf_skb_load_bytes(skb, pkt->l4 + 6, &csum, 2) == 0 && td_is_unfinished(pkt, csum))
		ret->unused = bpf_htonl((__u16)bpf_ntohs((__u16)~td_csum_fold(seed)));
	/* The bytes after the quote are zero and add nothing. */
	ret->csum = td_csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)ret, sizeof(*ret), seed));
	return len;
}

static __always_inline int td_refusal_ipv4(struct __sk_buff *skb, const struct td_packet *pkt,
					   __u32 len, __u8 protocol)
{
	struct td_ipv4 ip = {
		.version_ihl = 0x45,
		.total = bpf_htons(sizeof(ip) + len),
		.ttl = 64,
		.protocol = protocol,
		.src = pkt->addr[1].words[3],
		.dst = pkt->addr[0].words[3],
	};

	ip.csum = td_csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0));
	return bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), BPF_F_INVALIDATE_HASH);
}

static __always_inline int td_refusal_ipv6(struct __sk_buff *skb, const struct td_packet *pkt,
					   __u32 len, __u8 protocol)
{
	struct td_ipv6 ip = {
		.flow = bpf_htonl(6u << 28),
		.payload = bpf_htons(len),
		.next = protocol,
		.hop_limit = 64,
		.src = pkt->addr[1],
		.dst = pkt->addr[0],
	};

	return bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), BPF_F_INVALIDATE_HASH);
}

static __always_inline bool td_is_refusable(const struct td_slow *s)
{
	const struct td_addr *dst = &s->pkt.addr[1];

	if (!s->pkt.version || s->pkt.fragment == TD_FRAGMENT_TAIL || (s->pkt.mac[1][0] & 1) ||
	    (s->ct.flags & TD_CT_NAT))
		return false;
	return s->pkt.version == 4 ? (dst->bytes[12] & 0xf0) != 0xe0 : dst->bytes[0] != 0xff;
}

/* Turns the packet into its refusal. 0, or negative: drop it in silence. */
TD_GLOBAL int td_refusal_make(struct __sk_buff *skb, const struct td_slow *s)
{
	struct td_eth eth = {};
	union td_refusal body;
	__u32 header, len;
	__u8 protocol;
	int r;

	if (!s || !td_is_refusable(s))
		return -1;
	if (s->pkt.protocol == IPPROTO_TCP) {
		protocol = IPPROTO_TCP;
		r = td_refusal_tcp(skb, &s->pkt, &body.tcp);
	} else {
		protocol = s->pkt.version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		r = td_refusal_icmp(skb, &s->pkt, &body.icmp);
	}
	if (r < 0)
		return -1;
	len = r;
	header = ETH_HLEN + (s->pkt.version == 4 ? sizeof(struct td_ipv4) : sizeof(struct td_ipv6));
	if (bpf_skb_change_tail(skb, header + len, 0) < 0)
		return -1;
	__builtin_memcpy(eth.dst, s->pkt.mac[0], 6);
	__builtin_memcpy(eth.src, s->pkt.mac[1], 6);
	eth.proto = s->pkt.eth_proto;
	if (bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0) < 0)
		return -1;
	r = s->pkt.version == 4 ? td_refusal_ipv4(skb, &s->pkt, len, protocol)
				: td_refusal_ipv6(skb, &s->pkt, len, protocol);
	if (r < 0)
		return -1;
	if (len < 8 || len > sizeof(body.icmp))
		return -1;
	return bpf_skb_store_bytes(skb, header, &body, len, BPF_F_INVALIDATE_HASH);
}
