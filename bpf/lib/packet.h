/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets: the thorough parser. It copies what it needs into struct td_packet, so nothing depends
 * on what is linear; extension headers, fragments and ICMP errors end up in one shape.
 * Sources: RFC 791, 8200 (walk of extension headers), 792, 4443 (ICMP errors carry a packet). */
#pragma once

#include "lib/base.h"
#include "lib/frag.h"
#include "abi/conntrack.h"
#include "abi/drop.h"

#define TD_TCP_FIN 0x01
#define TD_TCP_SYN 0x02
#define TD_TCP_RST 0x04
#define TD_TCP_ACK 0x10
/* Flags that change a connection's state. */
#define TD_TCP_STATE (TD_TCP_FIN | TD_TCP_SYN | TD_TCP_RST)

#define TD_ICMP6_ECHO_REQUEST 128
#define TD_ICMP6_ECHO_REPLY   129
#define TD_ICMP_ECHO_REQUEST  8
#define TD_ICMP_ECHO_REPLY    0

/* IPv6 extension headers walked before giving up; more is drop 156. */
#define TD_EXTENSIONS_MAX 6

enum td_fragment { TD_WHOLE = 0, TD_FRAGMENT_HEAD, TD_FRAGMENT_TAIL };

/* Who speaks to whom: [0] sender, [1] receiver. */
struct td_tuple {
	struct td_addr addr[2];
	__be16 port[2];
	__u8 protocol;
	__u8 kind; /* td_key_kind */
	__u8 pad[2];
};

struct td_packet {
	struct td_addr addr[2]; /* of the outermost IP header */
	/* Of the connection it belongs to, in the packet's direction; for an ICMP error, of the
	 * packet inside, turned round. */
	struct td_tuple conn;
	__u32 len; /* bytes from the IP header on */
	__u32 fragment_id;
	__be16 eth_proto;
	__u16 l4;     /* offset from the frame's start */
	__u16 l4_len; /* bytes from l4 to the end of the IP packet */
	__u16 inner;  /* ICMP error: offset of the IP header inside; 0: none */
	__u16 inner_l4;
	__u8 version; /* 4 or 6; 0: not IP */
	__u8 protocol;
	__u8 conn_protocol;
	__u8 kind; /* td_key_kind */
	__u8 tcp_flags;
	__u8 icmp_type, icmp_code;
	__u8 ttl;
	__u8 fragment;  /* td_fragment */
	__u8 related;   /* an ICMP error about conn[] */
	__u8 mac[2][6]; /* [0] source, [1] destination */
	__u8 pad[2];
};

struct td_eth {
	__u8 dst[6], src[6];
	__be16 proto;
};

struct td_ipv4 {
	__u8 version_ihl, tos;
	__be16 total;
	__be16 id, frag;
	__u8 ttl, protocol;
	__be16 csum;
	__be32 src, dst;
};

struct td_ipv6 {
	__be32 flow;
	__be16 payload;
	__u8 next, hop_limit;
	struct td_addr src, dst;
};

struct td_ipv6_extension {
	__u8 next, len;
	__be16 offset; /* of a fragment header */
	__be32 id;
};

#define TD_IPV4_MF     0x2000
#define TD_IPV4_OFFSET 0x1fff

static __always_inline void td_packet_set_conn_icmp(struct td_packet *pkt, __u8 type, __be16 id,
						    bool inside)
{
	__u8 echo =
		pkt->conn.protocol == IPPROTO_ICMP ? TD_ICMP_ECHO_REQUEST : TD_ICMP6_ECHO_REQUEST;
	__u8 reply = pkt->conn.protocol == IPPROTO_ICMP ? TD_ICMP_ECHO_REPLY : TD_ICMP6_ECHO_REPLY;

	if (type == echo || type == reply) {
		/* The identifier stands on the side that asks, so that a request in the other
		 * direction is not taken for an answer. */
		pkt->conn.kind = TD_KEY_PORTS;
		pkt->conn.port[inside != (type == reply)] = id;
		pkt->conn.port[inside == (type == reply)] = 0;
	} else {
		/* Timestamp, information and mask requests (13, 15, 17) are answered by type + 1. */
		if (pkt->conn.protocol == IPPROTO_ICMP && type >= 13 && type <= 18)
			type = (type - 1) | 1;
		pkt->conn.kind = TD_KEY_ICMP_TYPE;
		pkt->conn.port[0] = bpf_htons(type);
		pkt->conn.port[1] = pkt->conn.port[0];
	}
}

/* Ports of the transport header at `at`, of which `room` bytes are there; `inside`: of a packet in
 * an ICMP error, which is cut and goes the other way. */
static __always_inline int td_packet_ports(struct __sk_buff *skb, struct td_packet *pkt, __u32 at,
					   __u32 room, bool inside)
{
	__be16 words[4];

	switch (pkt->conn.protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (room < 8 || bpf_skb_load_bytes(skb, at, words, 8) < 0)
			return TD_DROP_CT_TRUNCATED_OR_INVALID_HEADER;
		break;
	default:
		return TD_GO;
	}
	if (pkt->conn.protocol == IPPROTO_ICMP || pkt->conn.protocol == IPPROTO_ICMPV6) {
		__u16 type_code = bpf_ntohs(words[0]);

		if (!inside) {
			pkt->icmp_type = type_code >> 8;
			pkt->icmp_code = type_code & 0xff;
		}
		td_packet_set_conn_icmp(pkt, type_code >> 8, words[2], inside);
		return TD_GO;
	}
	pkt->conn.kind = TD_KEY_PORTS;
	pkt->conn.port[inside] = words[0];
	pkt->conn.port[!inside] = words[1];
	if (!inside && pkt->conn.protocol == IPPROTO_UDP && bpf_ntohs(words[2]) < 8 &&
	    !skb->gso_segs)
		return TD_DROP_CT_TRUNCATED_OR_INVALID_HEADER;
	return TD_GO;
}

static __always_inline int td_packet_tcp(struct __sk_buff *skb, struct td_packet *pkt)
{
	__u8 offset_flags[2];

	if (pkt->l4_len < 20 || bpf_skb_load_bytes(skb, pkt->l4 + 12, offset_flags, 2) < 0)
		return TD_DROP_CT_TRUNCATED_OR_INVALID_HEADER;
	if ((offset_flags[0] >> 4) < 5)
		return TD_DROP_CT_TRUNCATED_OR_INVALID_HEADER;
	if (pkt->fragment == TD_WHOLE && (offset_flags[0] >> 4) * 4 > pkt->l4_len)
		return TD_DROP_CT_TRUNCATED_OR_INVALID_HEADER;
	pkt->tcp_flags = offset_flags[1];
	return TD_GO;
}

static __always_inline bool td_icmp_is_error(__u8 protocol, __u8 type)
{
	if (protocol == IPPROTO_ICMP)
		return type == 3 || type == 4 || type == 11 || type == 12;
	return protocol == IPPROTO_ICMPV6 && type >= 1 && type <= 4;
}

/* Steps over the fragment header in the IPv6 packet of an error: routers say "too big" of fragments too.
 * Only the first of them tells whose it is. */
static __always_inline bool td_packet_inner_fragment(struct __sk_buff *skb, __u32 at, __u32 *header,
						     __u8 *protocol)
{
	struct td_ipv6_extension ext;

	if (*protocol != IPPROTO_FRAGMENT)
		return true;
	if (bpf_skb_load_bytes(skb, at + *header, &ext, sizeof(ext)) < 0 ||
	    (bpf_ntohs(ext.offset) & ~7))
		return false;
	*header += sizeof(ext);
	*protocol = ext.next;
	return true;
}

/* The packet an ICMP error is about. What cannot be read makes the error a connection of its own,
 * to be judged by policy. */
static __always_inline void td_packet_inner(struct __sk_buff *skb, struct td_packet *pkt)
{
	struct td_addr inner[2];
	__u32 at = pkt->l4 + 8, header;
	__u8 protocol;

	if (pkt->version == 4) {
		struct td_ipv4 ip;

		if (pkt->l4_len < 8 + sizeof(ip) ||
		    bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0)
			return;
		header = (ip.version_ihl & 15) * 4;
		if ((ip.version_ihl >> 4) != 4 || header < sizeof(ip) ||
		    (ip.frag & bpf_htons(TD_IPV4_OFFSET)))
			return;
		td_addr_set_v4(&inner[0], ip.src);
		td_addr_set_v4(&inner[1], ip.dst);
		protocol = ip.protocol;
	} else {
		struct td_ipv6 ip;

		if (pkt->l4_len < 8 + sizeof(ip) ||
		    bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0)
			return;
		if ((bpf_ntohl(ip.flow) >> 28) != 6)
			return;
		header = sizeof(ip);
		inner[0] = ip.src;
		inner[1] = ip.dst;
		protocol = ip.next;
		if (!td_packet_inner_fragment(skb, at, &header, &protocol))
			return;
	}
	/* An error goes to whoever sent the packet it is about; anything else is made up. */
	if (pkt->l4_len < 8 + header + 8 || !td_addr_equal(&inner[0], &pkt->addr[1]))
		return;
	pkt->conn.protocol = protocol;
	if (td_packet_ports(skb, pkt, at + header, 8, true) != TD_GO) {
		pkt->conn.protocol = pkt->protocol;
		td_packet_set_conn_icmp(pkt, pkt->icmp_type, 0, false);
		return;
	}
	pkt->conn.addr[0] = inner[1];
	pkt->conn.addr[1] = inner[0];
	pkt->inner = at;
	pkt->inner_l4 = at + header;
	pkt->related = 1;
}

/* Takes back what td_packet_inner() found: the error stands for itself. */
static __always_inline void td_packet_unrelate(struct td_packet *pkt)
{
	pkt->related = 0;
	pkt->conn.addr[0] = pkt->addr[0];
	pkt->conn.addr[1] = pkt->addr[1];
	pkt->conn.protocol = pkt->protocol;
	td_packet_set_conn_icmp(pkt, pkt->icmp_type, 0, false);
}

static __always_inline int td_packet_ipv4(struct __sk_buff *skb, struct td_packet *pkt)
{
	struct td_ipv4 ip;
	__u32 header, total, offset;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
		return TD_DROP_INVALID_PACKET_DROPPED;
	header = (ip.version_ihl & 15) * 4;
	total = bpf_ntohs(ip.total);
	if (!total && skb->gso_size) /* more than 64 kB: the length is the frame's */
		total = pkt->len;
	if ((ip.version_ihl >> 4) != 4 || header < sizeof(ip) || total < header || total > pkt->len)
		return TD_DROP_INVALID_PACKET_DROPPED;
	pkt->version = 4;
	td_addr_set_v4(&pkt->addr[0], ip.src);
	td_addr_set_v4(&pkt->addr[1], ip.dst);
	pkt->protocol = ip.protocol;
	pkt->ttl = ip.ttl;
	pkt->l4 = ETH_HLEN + header;
	pkt->l4_len = total - header > 0xffff ? 0xffff : total - header;
	offset = bpf_ntohs(ip.frag) & TD_IPV4_OFFSET;
	if (offset)
		pkt->fragment = TD_FRAGMENT_TAIL;
	else if (ip.frag & bpf_htons(TD_IPV4_MF))
		pkt->fragment = TD_FRAGMENT_HEAD;
	pkt->fragment_id = ip.id;
	return TD_GO;
}

static __always_inline bool td_ipv6_is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_AH || next == IPPROTO_FRAGMENT;
}

static __always_inline int td_packet_extensions(struct __sk_buff *skb, struct td_packet *pkt,
						__u8 next, __u32 end)
{
	__u32 at = ETH_HLEN + sizeof(struct td_ipv6);

	for (int i = 0; i < TD_EXTENSIONS_MAX && td_ipv6_is_extension(next); i++) {
		struct td_ipv6_extension ext;

		/* What follows in a tail is data, whatever it looks like. */
		if (pkt->fragment == TD_FRAGMENT_TAIL)
			break;
		if (at + 8 > end || bpf_skb_load_bytes(skb, at, &ext, sizeof(ext)) < 0)
			return TD_DROP_INVALID_IPV6_EXTENSION_HEADER;
		if (next == IPPROTO_FRAGMENT) {
			if (bpf_ntohs(ext.offset) & ~7)
				pkt->fragment = TD_FRAGMENT_TAIL;
			else if (ext.offset & bpf_htons(1))
				pkt->fragment = TD_FRAGMENT_HEAD;
			pkt->fragment_id = ext.id;
			at += 8;
		} else if (next == IPPROTO_AH) {
			at += (ext.len + 2) * 4;
		} else {
			/* Routing type 0 lets the sender choose the way: RFC 5095. */
			if (next == IPPROTO_ROUTING && !(bpf_ntohs(ext.offset) >> 8))
				return TD_DROP_INVALID_IPV6_EXTENSION_HEADER;
			at += (ext.len + 1) * 8;
		}
		next = ext.next;
	}
	if ((td_ipv6_is_extension(next) && pkt->fragment != TD_FRAGMENT_TAIL) || at > end)
		return TD_DROP_INVALID_IPV6_EXTENSION_HEADER;
	pkt->protocol = next;
	pkt->l4 = at;
	pkt->l4_len = end - at > 0xffff ? 0xffff : end - at;
	return TD_GO;
}

static __always_inline int td_packet_ipv6(struct __sk_buff *skb, struct td_packet *pkt)
{
	struct td_ipv6 ip;
	__u32 total;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
		return TD_DROP_INVALID_PACKET_DROPPED;
	total = sizeof(ip) + bpf_ntohs(ip.payload);
	if (!ip.payload && skb->gso_size)
		total = pkt->len;
	if ((bpf_ntohl(ip.flow) >> 28) != 6 || total > pkt->len)
		return TD_DROP_INVALID_PACKET_DROPPED;
	pkt->version = 6;
	pkt->addr[0] = ip.src;
	pkt->addr[1] = ip.dst;
	/* Only ours may look like this: on the wire it would pass for IPv4. */
	if (td_addr_is_v4(&pkt->addr[0]) || td_addr_is_v4(&pkt->addr[1]))
		return TD_DROP_INVALID_PACKET_DROPPED;
	pkt->ttl = ip.hop_limit;
	return td_packet_extensions(skb, pkt, ip.next, ETH_HLEN + total);
}

static __always_inline int td_packet_fragment(struct td_packet *pkt)
{
	struct td_frag_key key = { .protocol = pkt->protocol, .id = pkt->fragment_id };
	struct td_frag *found, frag = {};

	key.addr[0] = pkt->addr[0];
	key.addr[1] = pkt->addr[1];
	if (pkt->fragment == TD_FRAGMENT_HEAD) {
		frag.port[0] = pkt->conn.port[0];
		frag.port[1] = pkt->conn.port[1];
		frag.kind = pkt->conn.kind;
		frag.icmp_type = pkt->icmp_type;
		td_map_update(&td_frag, &key, &frag, BPF_ANY);
		return TD_GO;
	}
	found = bpf_map_lookup_elem(&td_frag, &key);
	if (!found)
		return TD_DROP_FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND;
	pkt->conn.port[0] = found->port[0];
	pkt->conn.port[1] = found->port[1];
	pkt->conn.kind = found->kind;
	pkt->icmp_type = found->icmp_type;
	return TD_GO;
}

/* Fills *pkt. 0, or a drop reason; then version tells how far it came. version 0 and 0: not IP. */
TD_GLOBAL int td_packet_parse(struct __sk_buff *skb, struct td_packet *pkt)
{
	struct td_eth eth;
	int r;

	if (!pkt)
		return TD_DROP_INVALID_PACKET_DROPPED;
	__builtin_memset(pkt, 0, sizeof(*pkt));
	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) < 0)
		return TD_DROP_INVALID_PACKET_DROPPED;
	__builtin_memcpy(pkt->mac[0], eth.src, 6);
	__builtin_memcpy(pkt->mac[1], eth.dst, 6);
	pkt->eth_proto = eth.proto;
	pkt->len = skb->len - ETH_HLEN;
	if (skb->vlan_present)
		return TD_DROP_VLAN_FILTERED;
	if (eth.proto == bpf_htons(ETH_P_IP))
		r = td_packet_ipv4(skb, pkt);
	else if (eth.proto == bpf_htons(ETH_P_IPV6))
		r = td_packet_ipv6(skb, pkt);
	else
		return TD_GO;
	pkt->conn.addr[0] = pkt->addr[0];
	pkt->conn.addr[1] = pkt->addr[1];
	pkt->conn.protocol = pkt->protocol;
	if (r != TD_GO)
		return r;
	if (pkt->fragment == TD_FRAGMENT_TAIL)
		return td_packet_fragment(pkt);
	r = td_packet_ports(skb, pkt, pkt->l4, pkt->l4_len, false);
	if (r == TD_GO && pkt->protocol == IPPROTO_TCP)
		r = td_packet_tcp(skb, pkt);
	if (r == TD_GO && pkt->fragment == TD_FRAGMENT_HEAD)
		r = td_packet_fragment(pkt);
	if (r == TD_GO && td_icmp_is_error(pkt->protocol, pkt->icmp_type))
		td_packet_inner(skb, pkt);
	return r;
}

static __always_inline bool td_addr_is_lower(const struct td_addr *a, const struct td_addr *b)
{
	__u64 x = bpf_be64_to_cpu(a->halves[0]), y = bpf_be64_to_cpu(b->halves[0]);

	if (x == y) {
		x = bpf_be64_to_cpu(a->halves[1]);
		y = bpf_be64_to_cpu(b->halves[1]);
	}
	return x < y;
}

/* Key of the connection; *ret_high: the sender is addr[1] of it. */
static __always_inline void td_tuple_key(const struct td_tuple *tuple, struct td_ct_key *ret,
					 __u32 *ret_high)
{
	bool high = td_addr_is_lower(&tuple->addr[1], &tuple->addr[0]) ||
		    (td_addr_equal(&tuple->addr[0], &tuple->addr[1]) &&
		     bpf_ntohs(tuple->port[1]) < bpf_ntohs(tuple->port[0]));

	ret->addr[0] = high ? tuple->addr[1] : tuple->addr[0];
	ret->addr[1] = high ? tuple->addr[0] : tuple->addr[1];
	ret->port[0] = high ? tuple->port[1] : tuple->port[0];
	ret->port[1] = high ? tuple->port[0] : tuple->port[1];
	ret->protocol = tuple->protocol;
	ret->kind = tuple->kind;
	ret->pad[0] = 0;
	ret->pad[1] = 0;
	*ret_high = high;
}
