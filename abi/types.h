/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Types shared by BPF programs and user space.
 *
 * Every struct under abi/ is fixed width and padded by hand: padding the compiler adds is not
 * zeroed, and a map key with uninitialised bytes never matches. TD_SIZE() asserts each size.
 *
 * Addresses: one type for both families. IPv4 is carried v4-mapped (RFC 4291, 2.5.5.2:
 * ::ffff:a.b.c.d), bytes in network order. Ports are in network order (__be16) unless the field
 * says otherwise; everything else is in host order. */
#pragma once

#include <linux/types.h>

#define TD_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " changed its size")

/* Aligned as 32-bit words, so that keys need no padding before it. */
typedef __u64 __attribute__((aligned(4))) td_half;

struct td_addr {
	union {
		__u8 bytes[16];
		__be32 words[4];
		td_half halves[2];
	};
};
TD_SIZE(struct td_addr, 16);

/* Third 32-bit word of a v4-mapped address, in network order. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TD_V4_MAPPED ((__be32)0xffff0000)
#else
#define TD_V4_MAPPED ((__be32)0x0000ffff)
#endif

/* Reserved identities (the numbers Hubble's clients know). */
enum td_identity {
	TD_ID_UNKNOWN = 0,
	TD_ID_HOST = 1,
	TD_ID_WORLD = 2,
	TD_ID_UNMANAGED = 3,
	TD_ID_HEALTH = 4,
	TD_ID_INIT = 5,
	TD_ID_REMOTE_NODE = 6,
	TD_ID_KUBE_APISERVER = 7,
	TD_ID_INGRESS = 8,
	TD_ID_WORLD_IPV4 = 9,
	TD_ID_WORLD_IPV6 = 10,
	TD_ID_POD_MIN = 256,
	TD_ID_POD_MAX = 65535,
	TD_ID_LOCAL_MIN = 1 << 24, /* CIDR and name identities, local to the node */
};

/* A tick is 2^20 ns of CLOCK_MONOTONIC (about 1.05 ms), as bpf_ktime_get_coarse_ns() >> 20.
 * 32 bits wrap after 52 days: compare with (__s32)(a - b), valid for spans up to 26 days. */
#define TD_TICK_SHIFT         20
#define TD_TICKS_PER_SEC      954
#define TD_TICKS(seconds)     ((__u32)(((__u64)(seconds) * 1000000000ULL) >> TD_TICK_SHIFT))
#define TD_TICKS_TO_MS(ticks) (((__u64)(ticks) << TD_TICK_SHIFT) / 1000000ULL)
