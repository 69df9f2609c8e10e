/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* td_config: what tendrild may change while programs run (array map, one element).
 *
 * Attached to every device are tiny entry programs that only tail-call td_progs[slot_base + stage].
 * A new build of the data path is loaded into the other half of td_progs and comes into force, for
 * all devices and directions at once, by the one write of slot_base. A missing stage drops the
 * packet (MISSED_TAIL_CALL). */
#pragma once

#include "types.h"

struct td_config {
	__u32 generation; /* of policy and addresses; a connection judged under another one is judged again */
	__u32 slot_base;       /* 0 or TD_STAGE_MAX */
	__u32 report_interval; /* ticks between byte-count reports of a live connection; 0: never */
	__u32 flags;           /* TD_CONFIG_* */
};
TD_SIZE(struct td_config, 16);

#define TD_CONFIG_REJECT                                                                           \
	(1u << 0) /* denied: answer with ICMP unreachable or RST instead of silence */
#define TD_CONFIG_REPORT_ALL (1u << 1) /* report every packet, not only state changes */
#define TD_CONFIG_CT_PREV                                                                          \
	(1u << 2) /* connections of the previous layout may still be in td_ct_prev */
/* What a start cannot know at load, so that td_load_config says less than it seems to. Both are set
 * before a build's programs come into force, and cleared when the agent has made sure. */
#define TD_CONFIG_NAT_WIDE                                                                         \
	(1u << 3) /* td_nat may have TCP and UDP ports outside nat_port_min..nat_port_max */
#define TD_CONFIG_PODS_WIDE (1u << 4) /* pods may have addresses outside pods_ipv4, pods_ipv6 */

/* Stages that entry programs tail-call to. */
enum td_stage {
	TD_STAGE_FROM_POD = 0, /* host end of a pod's veth, ingress: the pod sends */
	TD_STAGE_TO_POD =
		1, /* host end of a pod's veth, egress: the host's stack sends to the pod */
	TD_STAGE_FROM_UPLINK = 2, /* a configured device, ingress */
	TD_STAGE_TO_UPLINK = 3,   /* a configured device, egress */
	TD_STAGE_MAX = 16,
};

/* Addresses that may be a pod's: all zero covers every one. IPv4 in its v4-mapped form. */
struct td_cover {
	struct td_addr addr, mask;
};
TD_SIZE(struct td_cover, 32);

/* Load-time configuration of the network programs (const volatile struct td_load_config). */
struct td_load_config {
	__u32 ct_tcp_syn, ct_tcp_established, ct_tcp_closing, ct_tcp_time_wait,
		ct_tcp_reset;                           /* ticks */
	__u32 ct_udp, ct_udp_stream, ct_icmp, ct_other; /* ticks */
	__u16 nat_port_min, nat_port_max;               /* host order, inclusive */
	__u32 drop_report_interval; /* ticks between reports of one denied connection; 0: each packet */
	__u8 host_mac[6];           /* of the host end of every pod's veth */
	__u8 has_redirect_peer;     /* bpf_redirect_peer usable on this kernel */
	__u8 pad;
	__u32 slot_base; /* the half of td_progs this build is loaded into: only in force does its
			  * timer visit connections */
	struct td_cover pods_ipv4, pods_ipv6; /* other sources are not looked up as pods' */
};
TD_SIZE(struct td_load_config, 120);

/* Load-time: value sizes of td_ct_prev (and td_ct_new_prev) and td_nat_prev, as the build that made
 * them laid them out (const volatile struct td_prev_layout prev_layout). Multiples of 4; 0: there is
 * no such map, and the programs do not look. */
struct td_prev_layout {
	__u32 ct_size;
	__u32 nat_size;
};
TD_SIZE(struct td_prev_layout, 8);

/* The pod end of a veth has this MAC: a fixed prefix and the endpoint id, so that no lookup is
 * needed to rewrite it. 0x0e: unicast, locally administered. */
#define TD_POD_MAC0 0x0e
#define TD_POD_MAC1 0x54
