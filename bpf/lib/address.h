/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses and devices to identities: who is at either end of a packet. */
#pragma once

#include "lib/base.h"
#include "abi/endpoint.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct td_endpoint);
} td_endpoint TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_addr);
	__type(value, struct td_place);
} td_addr_map TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_cidr_key);
	__type(value, __u32);
} td_cidr TD_MAP;

/* One end of a connection. */
struct td_end {
	__u32 identity;    /* outside: the CIDR identity if there is one, else world */
	__u32 cidr;        /* CIDR identity of the address; 0: none, or not looked up yet */
	__u32 ifindex;     /* of a local pod; 0 else */
	__u16 endpoint_id; /* of a local pod; 0 else */
	__u8 known;        /* an endpoint or a node: not the outside world */
	__u8 host;         /* this node */
	__u32 audit;       /* a pod in audit mode */
};

static __always_inline __u32 td_cidr_identity(const struct td_addr *addr)
{
	struct td_cidr_key key = { .prefixlen = 128, .addr = *addr };
	__u32 *identity = bpf_map_lookup_elem(&td_cidr, &key);

	return identity ? *identity : 0;
}

static __always_inline void td_end_find(const struct td_addr *addr, struct td_end *ret)
{
	struct td_place *place = bpf_map_lookup_elem(&td_addr_map, addr);

	if (place) {
		ret->identity = place->identity;
		ret->cidr = 0;
		ret->ifindex = place->ifindex;
		ret->endpoint_id = place->endpoint_id;
		ret->known = 1;
		ret->host = !!(place->flags & TD_PLACE_HOST);
		ret->audit = place->flags & TD_PLACE_AUDIT;
		return;
	}
	ret->cidr = td_cidr_identity(addr);
	ret->identity = ret->cidr ? ret->cidr : TD_ID_WORLD;
	ret->ifindex = 0;
	ret->endpoint_id = 0;
	ret->known = 0;
	ret->host = 0;
	ret->audit = 0;
}
