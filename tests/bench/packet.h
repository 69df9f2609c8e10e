/* SPDX-License-Identifier: Apache-2.0 */
/* What packet.c and packet.bpf.c agree on. */
#pragma once

#include <linux/types.h>

#define BENCH_FRAME       64 /* bytes, without the frame check sequence */
#define BENCH_PORT_OFFSET 34 /* source port behind an IPv4 header without options */
#define BENCH_FLOWS_MAX   65536
#define BENCH_RETURN      7 /* TC_ACT_REDIRECT: as the programs of interest return */

struct bench_key {
	__be32 src, dst;
	__be16 sport, dport;
	__u32 protocol;
};

struct bench_value {
	__u64 packets;
	__u8 state[56]; /* a cache line in all, as connections have */
};
