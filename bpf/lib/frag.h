/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fragments: the head's ports, for its tails. A tail that comes before its head is dropped. */
#pragma once

#include "lib/base.h"

struct td_frag_key {
	struct td_addr addr[2]; /* as on the wire */
	__u32 id;
	__u8 protocol;
	__u8 pad[3];
};
TD_SIZE(struct td_frag_key, 40);

struct td_frag {
	__be16 port[2];
	__u8 kind; /* td_key_kind */
	__u8 icmp_type;
	__u8 pad[2];
};
TD_SIZE(struct td_frag, 8);

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct td_frag_key);
	__type(value, struct td_frag);
} td_frag TD_MAP;
