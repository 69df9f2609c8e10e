/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Leaving the node: the route, the masquerade address if there is one, and out by the device.
 * Whatever the route lookup does not settle is left to the stack, where td_to_uplink masquerades. */
#pragma once

#include "lib/base.h"
#include "lib/deliver.h"
#include "lib/nat.h"
#include "lib/report.h"
#include "lib/slow.h"
#include "lib/stage.h"

static __always_inline int td_route(struct __sk_buff *skb, const struct td_packet *pkt,
				    struct bpf_fib_lookup *fib)
{
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->ifindex = skb->ifindex;
	fib->l4_protocol = pkt->protocol;
	if (pkt->version == 4) {
		fib->family = AF_INET;
		fib->ipv4_src = pkt->addr[0].words[3];
		fib->ipv4_dst = pkt->addr[1].words[3];
	} else {
		fib->family = AF_INET6;
		__builtin_memcpy(fib->ipv6_src, &pkt->addr[0], 16);
		__builtin_memcpy(fib->ipv6_dst, &pkt->addr[1], 16);
	}
	return bpf_fib_lookup(skb, fib, sizeof(*fib), BPF_FIB_LOOKUP_SKIP_NEIGH);
}

static __always_inline int td_redirect_out(const struct bpf_fib_lookup *fib)
{
	struct bpf_redir_neigh nh = { .nh_family = fib->family };

	__builtin_memcpy(nh.ipv6_nh, fib->ipv6_dst, 16);
	return bpf_redirect_neigh(fib->ifindex, &nh, sizeof(nh), 0);
}

/* Return code of the program. */
TD_GLOBAL int td_leave(struct __sk_buff *skb, struct td_slow *s)
{
	struct bpf_fib_lookup fib;
	struct td_device *device = NULL;
	int reason;

	if (!s)
		return TD_SHOT;
	if (s->pkt.ttl > 1 && td_route(skb, &s->pkt, &fib) == BPF_FIB_LKUP_RET_SUCCESS)
		device = bpf_map_lookup_elem(&td_device, &fib.ifindex);
	if (!device) {
		td_tell(skb, s, TD_TO_STACK);
		td_count(TD_STAT_FORWARDED);
		return TD_NEXT;
	}
	reason = td_masquerade(skb, device);
	if (!reason)
		reason = td_hop(skb, &s->pkt);
	if (reason)
		return td_drop(skb, s, reason);
	td_tell(skb, s, TD_TO_STACK);
	td_count(TD_STAT_FORWARDED);
	return td_redirect_out(&fib);
}
