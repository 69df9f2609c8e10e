/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Masquerade: pods' connections leave with the node's address. A mapping belongs to a connection,
 * which remembers the address and port it wears outside; td_nat finds the way back.
 * Source: RFC 4787 (port preservation), 5508 (ICMP: identifiers, errors), 1624 (checksums). */
#pragma once

#include "lib/base.h"
#include "lib/address.h"
#include "lib/conntrack.h"
#include "lib/gc_queue.h"
#include "lib/slow.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_nat_key);
	__type(value, struct td_nat);
} td_nat TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_nat_key);
	__type(value, struct td_nat);
} td_nat_prev TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct td_device);
} td_device TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_cidr_key);
	__type(value, __u32);
} td_no_masq TD_MAP;

/* Ports tried besides the connection's own. */
#define TD_NAT_TRIES 24

/* Takes a mapping over from the previous build's table. Its item is in the queue already. */
TD_GLOBAL int td_nat_migrate(const struct td_nat_key *key)
{
	struct td_nat_key copy;
	struct td_nat nat = {};
	void *prev;

	if (!key || !prev_layout.nat_size)
		return -1;
	copy = *key;
	prev = bpf_map_lookup_elem(&td_nat_prev, &copy);
	if (!prev)
		return -1;
	TD_COPY_PREFIX(&nat, prev, prev_layout.nat_size);
	nat.busy = 0; /* with a CPU of that build */
	if (td_map_update(&td_nat, &copy, &nat, BPF_NOEXIST) == 0)
		td_count(TD_STAT_CT_MIGRATED);
	return 0;
}

static __always_inline struct td_nat *td_nat_find(const struct td_nat_key *key, __u32 config_flags)
{
	struct td_nat *nat = bpf_map_lookup_elem(&td_nat, key);

	if (nat || !(config_flags & TD_CONFIG_CT_PREV) || !prev_layout.nat_size)
		return nat;
	if (td_nat_migrate(key) < 0)
		return NULL;
	return bpf_map_lookup_elem(&td_nat, key);
}

static __always_inline bool td_is_icmp(__u8 protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

static __always_inline bool td_nat_is_supported(const struct td_packet *pkt)
{
	switch (pkt->conn.protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return pkt->conn.kind == TD_KEY_PORTS;
	default:
		return false;
	}
}

static __always_inline __be16 td_nat_any_port(__u32 span)
{
	return bpf_htons(load_config.nat_port_min + bpf_get_prandom_u32() % span);
}

/* The port to try first. Outside the range a socket of the node may wear it towards the same remote,
 * unknown to us (docs/adr/0018). The checksum of SCTP covers ports with the whole packet: its stays. */
static __always_inline __be16 td_nat_first_port(__be16 pod_port, __u8 protocol, __u32 span)
{
	__u16 port = bpf_ntohs(pod_port);

	if (protocol == IPPROTO_SCTP || !span ||
	    (port >= load_config.nat_port_min && port <= load_config.nat_port_max))
		return pod_port;
	return td_nat_any_port(span);
}

/* 1 if the node itself has a socket for this port and remote: a pod must not come to wear it, or
 * what is meant for the node would be delivered to the pod. listening: one that waits for anybody
 * counts too. */
TD_GLOBAL int td_nat_is_nodes(struct __sk_buff *skb, const struct td_nat_key *key, __u32 listening)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	int ret = 0;
	__u32 len;

	if (!key)
		return 0;
	if (td_addr_is_v4(&key->local)) {
		tuple.ipv4.saddr = key->remote.words[3];
		tuple.ipv4.daddr = key->local.words[3];
		tuple.ipv4.sport = key->remote_port;
		tuple.ipv4.dport = key->local_port;
		len = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, &key->remote, 16);
		__builtin_memcpy(tuple.ipv6.daddr, &key->local, 16);
		tuple.ipv6.sport = key->remote_port;
		tuple.ipv6.dport = key->local_port;
		len = sizeof(tuple.ipv6);
	}
	if (key->protocol == IPPROTO_TCP) {
		sk = bpf_skc_lookup_tcp(skb, &tuple, len, BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			ret = listening || sk->state != BPF_TCP_LISTEN;
			bpf_sk_release(sk);
		}
	} else if (key->protocol == IPPROTO_UDP) {
		sk = bpf_sk_lookup_udp(skb, &tuple, len, BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			ret = 1;
			bpf_sk_release(sk);
		}
	}
	return ret;
}

/* The key of the connection a mapping was made for, ordered as td_tuple_key() does. The two ends are
 * never the same address. */
static __always_inline void td_nat_connection(const struct td_nat_key *key,
					      const struct td_nat *nat, struct td_ct_key *ret)
{
	bool high = td_addr_is_lower(&key->remote, &nat->pod);

	ret->addr[0] = high ? key->remote : nat->pod;
	ret->addr[1] = high ? nat->pod : key->remote;
	ret->port[0] = high ? key->remote_port : nat->pod_port;
	ret->port[1] = high ? nat->pod_port : key->remote_port;
	ret->protocol = key->protocol;
	ret->kind = TD_KEY_PORTS;
	ret->pad[0] = 0;
	ret->pad[1] = 0;
}

static __always_inline bool td_nat_is_worn(const struct td_nat_key *key, const struct td_ct *ct,
					   __u32 now)
{
	return ct && !td_tick_reached(now, ct->expires) && (ct->flags & TD_CT_NAT) &&
	       ct->nat_port == key->local_port;
}

/* Whether the mapping is ours alone to change or remove. */
static __always_inline bool td_nat_lock(struct td_nat *nat)
{
	return __sync_val_compare_and_swap(&nat->busy, 0, 1) == 0;
}

/* Whether a mapping's connection, if it is there, needs its port no more. One that does not wear the
 * mapping yet is about to. */
static __always_inline bool td_nat_is_over(const struct td_slow *s, const struct td_ct *ct)
{
	return !ct || td_tick_reached(s->now, ct->expires) || ct->state == TD_CT_TIME_WAIT ||
	       ct->state == TD_CT_RESET;
}

/* How a connection came to its mapping. Negative: there is none to be had. */
enum td_nat_taken {
	TD_NAT_SAME,  /* the same mapping was there */
	TD_NAT_FRESH, /* entered, not queued */
	TD_NAT_OVER,  /* taken over: queued, and locked */
	TD_NAT_NONE_FREE,
};

/* Ports tried when none is free. */
#define TD_NAT_TAKE_OVER_TRIES 8

/* Tries the port of s->nat_key: 1 if its connection is over, then the mapping is this connection's,
 * locked until it is claimed. A function of its own, so that the verifier reads it once. */
TD_GLOBAL int td_nat_take_over_one(void)
{
	struct td_slow *s = td_slow_get();
	struct td_nat *have;
	struct td_ct *ct;

	if (!s)
		return 0;
	have = td_nat_find(&s->nat_key, s->config_flags);
	if (!have)
		return 0;
	td_nat_connection(&s->nat_key, have, &s->nat_ct);
	/* Of a build before too: else nothing was to be had while its connections move. */
	ct = td_ct_find(&s->nat_ct, s->config_flags);
	if (!td_nat_is_over(s, ct) || !td_nat_lock(have))
		return 0;
	if (ct)
		ct->expires = s->now; /* the timer tells its end */
	have->pod = s->pkt.conn.addr[0];
	have->pod_port = s->pkt.conn.port[0];
	return 1;
}

/* Gives the port of a connection that is over to this one, as the kernel's masquerading does:
 * TD_NAT_OVER, and s->nat_key is its mapping. */
static __always_inline int td_nat_take_over(struct td_slow *s)
{
	__u32 span = load_config.nat_port_max - load_config.nat_port_min + 1;

	for (int i = 0; span && i < TD_NAT_TAKE_OVER_TRIES; i++) {
		s->nat_key.local_port = td_nat_any_port(span);
		if (td_nat_take_over_one())
			return TD_NAT_OVER;
	}
	return -1;
}

/* Finds an outside port for the connection of s->nat_key and enters it into td_nat. */
static __always_inline int td_nat_take_port(struct __sk_buff *skb, struct td_slow *s)
{
	__u32 span = load_config.nat_port_max - load_config.nat_port_min + 1;
	struct td_nat want = { .pod = s->pkt.conn.addr[0], .pod_port = s->pkt.conn.port[0] };
	struct td_nat_key *key = &s->nat_key;

	key->local_port = td_nat_first_port(want.pod_port, key->protocol, span);
	for (int i = 0; i <= TD_NAT_TRIES; i++) {
		struct td_nat *have = td_nat_find(key, s->config_flags);

		if (have && !have->busy && td_addr_equal(&have->pod, &want.pod) &&
		    have->pod_port == want.pod_port)
			return TD_NAT_SAME;
		if (!have && !td_nat_is_nodes(skb, key, 1)) {
			if (td_map_update(&td_nat, key, &want, BPF_NOEXIST) == 0)
				return TD_NAT_FRESH;
			break; /* full, or another CPU was faster */
		}
		if (key->protocol == IPPROTO_SCTP || !span)
			return -1;
		key->local_port = td_nat_any_port(span);
	}
	return TD_NAT_NONE_FREE;
}

/* A mapping to `node`'s address for the connection: s->nat_key, and how it came to it. */
TD_GLOBAL int td_nat_choose(struct __sk_buff *skb, const struct td_addr *node)
{
	struct td_slow *s = td_slow_get();

	if (!s || !node)
		return -1;
	__builtin_memset(&s->nat_key, 0, sizeof(s->nat_key));
	s->nat_key.remote = s->pkt.conn.addr[1];
	s->nat_key.local = *node;
	s->nat_key.remote_port = s->pkt.conn.port[1];
	s->nat_key.protocol = s->pkt.conn.protocol;
	return td_nat_take_port(skb, s);
}

/* Writes s->nat_key into the connection, then queues it for the timer, in this order: the timer
 * removes mappings no connection claims. */
static __always_inline int td_nat_claim(struct td_slow *s, int taken)
{
	struct td_ct *ct = td_ct_find_here(&s->key);

	if (!ct)
		return -1;
	ct->nat_addr = s->nat_key.local;
	ct->nat_port = s->nat_key.local_port;
	ct->flags |= TD_CT_NAT;
	s->nat_item.nat = s->nat_key;
	s->nat_item.kind = TD_GC_NAT;
	if (taken == TD_NAT_FRESH && td_gc_push(&s->nat_item) < 0) {
		ct->flags &= ~TD_CT_NAT;
		return -1;
	}
	s->ct.nat_addr = s->nat_key.local;
	s->ct.nat_port = s->nat_key.local_port;
	s->ct.flags |= TD_CT_NAT;
	return 0;
}

static __always_inline void td_nat_unlock(const struct td_nat_key *key)
{
	struct td_nat *nat = bpf_map_lookup_elem(&td_nat, key);

	if (nat)
		nat->busy = 0;
}

/* Makes the chosen mapping the connection's. A drop reason, or 0. */
TD_GLOBAL int td_nat_settle(struct __sk_buff *skb, int taken)
{
	struct td_slow *s = td_slow_get();
	bool claimed;

	if (!s)
		return TD_DROP_NO_MAPPING_FOR_NAT_MASQUERADE;
	if (taken == TD_NAT_OVER && td_nat_is_nodes(skb, &s->nat_key, 1))
		claimed = false; /* since then */
	else
		claimed = taken >= 0 && td_nat_claim(s, taken) == 0;
	if (taken == TD_NAT_OVER)
		td_nat_unlock(&s->nat_key);
	if (claimed)
		return TD_GO;
	if (taken == TD_NAT_FRESH)
		bpf_map_delete_elem(&td_nat, &s->nat_key);
	td_count(TD_STAT_NAT_FULL);
	return TD_DROP_NO_MAPPING_FOR_NAT_MASQUERADE;
}

/* Gives the connection an outside address and port. A drop reason, or 0. One after the other and not
 * one within the other: the stack of all functions under way counts together. */
static __always_inline int td_nat_allocate(struct __sk_buff *skb, struct td_slow *s,
					   const struct td_addr *node)
{
	int taken;

	if (!td_nat_is_supported(&s->pkt))
		return TD_DROP_UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE;
	taken = td_nat_choose(skb, node);
	if (taken == TD_NAT_NONE_FREE)
		taken = td_nat_take_over(s);
	return td_nat_settle(skb, taken);
}

static __always_inline __u32 td_address_offset(__u8 version, __u32 whose)
{
	if (version == 4)
		return whose ? offsetof(struct td_ipv4, dst) : offsetof(struct td_ipv4, src);
	return whose ? offsetof(struct td_ipv6, dst) : offsetof(struct td_ipv6, src);
}

static __always_inline int td_store_address(struct __sk_buff *skb, __u8 version, __u32 at,
					    const struct td_addr *addr)
{
	if (version == 4)
		return bpf_skb_store_bytes(skb, at, &addr->words[3], 4, 0);
	return bpf_skb_store_bytes(skb, at, addr, 16, 0);
}

/* Adjusts the transport checksum at `at` for another address. */
static __always_inline int td_fix_address(struct __sk_buff *skb, const struct td_slow *s, __u32 at,
					  __u64 flags)
{
	const struct td_rewrite *rw = &s->rewrite;
	struct td_addr from = rw->from, to = rw->to;
	__s64 diff;

	if (s->pkt.version == 4)
		return bpf_l4_csum_replace(skb, at, from.words[3], to.words[3], flags | 4);
	diff = bpf_csum_diff(from.words, 16, to.words, 16, 0);
	return bpf_l4_csum_replace(skb, at, 0, diff, flags);
}

/* Transport header of a packet whose address changes: checksum and port. */
static __always_inline int td_rewrite_transport(struct __sk_buff *skb, struct td_slow *s)
{
	const struct td_rewrite *rw = &s->rewrite;
	__u32 csum, port, whose = rw->whose;
	__u64 flags = BPF_F_PSEUDO_HDR;

	switch (s->pkt.protocol) {
	case IPPROTO_TCP:
		csum = s->pkt.l4 + 16;
		port = s->pkt.l4 + (whose ? 2 : 0);
		break;
	case IPPROTO_UDP:
		csum = s->pkt.l4 + 6;
		port = s->pkt.l4 + (whose ? 2 : 0);
		flags |= BPF_F_MARK_MANGLED_0;
		break;
	case IPPROTO_ICMP:
		csum = s->pkt.l4 + 2;
		port = s->pkt.l4 + 4;
		flags = 0;
		break;
	case IPPROTO_ICMPV6:
		csum = s->pkt.l4 + 2;
		port = s->pkt.l4 + 4;
		break;
	default:
		return 0; /* SCTP: no pseudo header, and the port stays */
	}
	if (s->pkt.protocol != IPPROTO_ICMP && td_fix_address(skb, s, csum, flags) < 0)
		return -1;
	if (rw->from_port == rw->to_port || s->pkt.related)
		return 0;
	if (bpf_l4_csum_replace(skb, csum, rw->from_port, rw->to_port,
				(flags & BPF_F_MARK_MANGLED_0) | 2) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, port, &rw->to_port, 2, 0);
}

/* The packet inside an ICMP error: the same end stands on the other side. Its own IP checksum makes
 * up for the IPv4 address; its transport checksum is left, as nobody can check it. */
static __always_inline int td_rewrite_inner(struct __sk_buff *skb, struct td_slow *s)
{
	const struct td_rewrite *rw = &s->rewrite;
	__u32 whose = !rw->whose, csum = s->pkt.l4 + 2;
	__u32 at = s->pkt.inner + td_address_offset(s->pkt.version, whose);
	__u32 port = s->pkt.inner_l4 + (td_is_icmp(s->pkt.conn.protocol) ? 4 : (whose ? 2 : 0));

	if (s->pkt.version == 4) {
		if (bpf_l3_csum_replace(skb, s->pkt.inner + offsetof(struct td_ipv4, csum),
					rw->from.words[3], rw->to.words[3], 4) < 0)
			return -1;
	} else if (td_fix_address(skb, s, csum, 0) < 0) {
		return -1;
	}
	if (td_store_address(skb, s->pkt.version, at, &rw->to) < 0)
		return -1;
	if (rw->from_port == rw->to_port)
		return 0;
	if (bpf_l4_csum_replace(skb, csum, rw->from_port, rw->to_port, 2) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, port, &rw->to_port, 2, 0);
}

/* Carries out s->rewrite on the packet. A drop reason, or 0. */
TD_GLOBAL int td_rewrite_packet(struct __sk_buff *skb, struct td_slow *s)
{
	__u32 at;

	if (!s)
		return TD_DROP_ERROR_WRITING_TO_PACKET;
	at = ETH_HLEN + td_address_offset(s->pkt.version, s->rewrite.whose);
	if (s->pkt.related && td_rewrite_inner(skb, s) < 0)
		return TD_DROP_ERROR_WRITING_TO_PACKET;
	if (s->pkt.fragment != TD_FRAGMENT_TAIL && td_rewrite_transport(skb, s) < 0)
		return TD_DROP_ERROR_WHILE_CORRECTING_L4_CHECKSUM;
	if (s->pkt.version == 4 &&
	    bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct td_ipv4, csum),
				s->rewrite.from.words[3], s->rewrite.to.words[3], 4) < 0)
		return TD_DROP_ERROR_WHILE_CORRECTING_L3_CHECKSUM;
	if (td_store_address(skb, s->pkt.version, at, &s->rewrite.to) < 0)
		return TD_DROP_ERROR_WRITING_TO_PACKET;
	return TD_GO;
}

static __always_inline bool td_is_masqueraded(const struct td_addr *dst)
{
	struct td_cidr_key key = { .prefixlen = 128, .addr = *dst };

	return !bpf_map_lookup_elem(&td_no_masq, &key);
}

/* A pod's packet about to leave by `device`: the node's address as its source, if so configured.
 * A connection keeps what its first packet got. A drop reason, or 0. */
TD_GLOBAL int td_masquerade(struct __sk_buff *skb, const struct td_device *device)
{
	struct td_slow *s = td_slow_get();
	int reason;

	if (!s || !device)
		return TD_DROP_NO_MAPPING_FOR_NAT_MASQUERADE;
	if (!(s->ct.flags & TD_CT_NAT)) {
		const struct td_addr *node = s->pkt.version == 4 ? &device->ipv4 : &device->ipv6;

		if (s->reply || s->pkt.related || (s->ct.flags & TD_CT_SEEN_REPLY) ||
		    td_addr_is_zero(node) || !td_is_masqueraded(&s->pkt.addr[1]))
			return TD_GO;
		reason = td_nat_allocate(skb, s, node);
		if (reason)
			return reason;
	}
	s->rewrite.from = s->pkt.addr[0];
	s->rewrite.to = s->ct.nat_addr;
	s->rewrite.from_port = s->pkt.conn.port[0];
	s->rewrite.to_port = s->ct.nat_port;
	s->rewrite.whose = 0;
	return td_rewrite_packet(skb, s);
}
