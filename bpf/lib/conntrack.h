/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connection tracking: finding, starting, advancing and promoting entries. Who may talk is decided
 * elsewhere (connection.h); here is only what has been seen. States and timeouts follow the
 * kernel's nf_conntrack, without its window checks. */
#pragma once

#include <linux/errno.h>

#include "lib/base.h"
#include "lib/config.h"
#include "lib/count.h"
#include "lib/gc_queue.h"
#include "lib/packet.h"
#include "abi/conntrack.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_ct_key);
	__type(value, struct td_ct);
} td_ct TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct td_ct_key);
	__type(value, struct td_ct);
} td_ct_new TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_ct_key);
	__type(value, struct td_ct);
} td_ct_prev TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct td_ct_key);
	__type(value, struct td_ct);
} td_ct_new_prev TD_MAP;

static __always_inline __u32 td_ct_timeout(__u8 protocol, __u8 state)
{
	bool open = state != TD_CT_NEW;

	switch (protocol) {
	case IPPROTO_TCP:
		switch (state) {
		case TD_CT_NEW:
			return load_config.ct_tcp_syn;
		case TD_CT_ESTABLISHED:
			return load_config.ct_tcp_established;
		case TD_CT_CLOSING:
			return load_config.ct_tcp_closing;
		case TD_CT_TIME_WAIT:
			return load_config.ct_tcp_time_wait;
		default:
			return load_config.ct_tcp_reset;
		}
	case IPPROTO_UDP:
		return open ? load_config.ct_udp_stream : load_config.ct_udp;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return load_config.ct_icmp;
	default:
		return load_config.ct_other;
	}
}

/* Copies the first `size` bytes of a value of another build; the rest stays. `size` is known when
 * the program is loaded, so the verifier sees only the words that are there. */
#define TD_COPY_PREFIX(to, from, size)                                                             \
	do {                                                                                       \
		__u32 *to_ = (__u32 *)(to);                                                        \
		const __u32 *from_ = (const __u32 *)(from);                                        \
		_Pragma("unroll") for (int i_ = 0; i_ < (int)sizeof(*(to)) / 4; i_++)              \
		{                                                                                  \
			if ((size) >= (i_ + 1) * 4u)                                               \
				to_[i_] = *(volatile const __u32 *)&from_[i_];                     \
		}                                                                                  \
	} while (0)

/* Takes an entry over from the previous build's tables. Its item is in the queue already. */
TD_GLOBAL int td_ct_migrate(const struct td_ct_key *key)
{
	struct td_ct_key copy;
	struct td_ct ct = {};
	void *prev;

	if (!key || !prev_layout.ct_size)
		return -1;
	copy = *key;
	prev = bpf_map_lookup_elem(&td_ct_prev, &copy);
	if (prev) {
		TD_COPY_PREFIX(&ct, prev, prev_layout.ct_size);
		if (td_map_update(&td_ct, &copy, &ct, BPF_NOEXIST) == 0)
			td_count(TD_STAT_CT_MIGRATED);
		return 0;
	}
	prev = bpf_map_lookup_elem(&td_ct_new_prev, &copy);
	if (!prev)
		return -1;
	TD_COPY_PREFIX(&ct, prev, prev_layout.ct_size);
	if (td_map_update(&td_ct_new, &copy, &ct, BPF_NOEXIST) == 0)
		td_count(TD_STAT_CT_MIGRATED);
	return 0;
}

static __always_inline struct td_ct *td_ct_find_here(const struct td_ct_key *key)
{
	struct td_ct *ct = bpf_map_lookup_elem(&td_ct, key);

	return ct ? ct : bpf_map_lookup_elem(&td_ct_new, key);
}

static __always_inline struct td_ct *td_ct_find(const struct td_ct_key *key, __u32 config_flags)
{
	struct td_ct *ct = td_ct_find_here(key);

	if (ct || !(config_flags & TD_CONFIG_CT_PREV) || !prev_layout.ct_size)
		return ct;
	if (td_ct_migrate(key) < 0)
		return NULL;
	return td_ct_find_here(key);
}

/* A packet from the initiator (reply 0) or responder (1) of a live entry. */
static __always_inline void td_ct_advance(struct td_ct *ct, const struct td_packet *pkt,
					  __u32 reply, __u32 now)
{
	__u8 flags = pkt->tcp_flags & TD_TCP_STATE;

	if (reply)
		ct->flags |= TD_CT_SEEN_REPLY;
	if (pkt->conn.protocol == IPPROTO_TCP && flags) {
		__u8 seen = ct->tcp_flags[td_bit(reply)] | flags;
		__u8 other = ct->tcp_flags[td_bit(!reply)];

		ct->tcp_flags[td_bit(reply)] = seen;
		if (flags & TD_TCP_RST)
			ct->state = TD_CT_RESET;
		else if (ct->state != TD_CT_RESET && (flags & TD_TCP_FIN))
			ct->state = other & TD_TCP_FIN ? TD_CT_TIME_WAIT : TD_CT_CLOSING;
	}
	if (reply && ct->state == TD_CT_NEW)
		ct->state = TD_CT_ESTABLISHED;
	ct->expires = now + td_ct_timeout(pkt->conn.protocol, ct->state);
}

static __always_inline void td_ct_add(struct td_ct *ct, __u32 reply, __u32 packets, __u32 bytes)
{
	ct->packets[td_bit(reply)] += packets;
	ct->bytes[td_bit(reply)] += bytes;
}

/* Moves an entry both sides have spoken on to where floods cannot push it out. A refused attempt
 * (answered by RST) is not worth a place there. */
TD_GLOBAL int td_ct_promote(const struct td_ct_key *key)
{
	struct td_gc_item item = {};
	struct td_ct *attempt;
	struct td_ct ct;
	int r;

	if (!key)
		return -1;
	item.ct = *key;
	item.kind = TD_GC_CT;
	attempt = bpf_map_lookup_elem(&td_ct_new, &item.ct);
	if (!attempt)
		return -1;
	ct = *attempt;
	r = td_map_update(&td_ct, &item.ct, &ct, BPF_NOEXIST);
	if (r == -EEXIST) /* another CPU was faster */
		return 0;
	if (r < 0) {
		td_count(TD_STAT_CT_FULL);
		return -1;
	}
	if (td_gc_push(&item) < 0) {
		bpf_map_delete_elem(&td_ct, &item.ct);
		td_count(TD_STAT_CT_FULL);
		return -1;
	}
	bpf_map_delete_elem(&td_ct_new, &item.ct);
	td_count(TD_STAT_CT_CREATED);
	return 0;
}
