// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What stands before a program whose cost per packet is measured by PROG_TEST_RUN with repeat: the
 * same frame again, as if just received, of the next flow. Its own cost is the floor.
 *
 * In: frame, ports, flows (globals, written before a run); the program in bench_target[0]
 * Out: whatever that program returns */
#include "lib/base.h"
#include "lib/packet.h"
#include "abi/conntrack.h"

#include "packet.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bench_target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct bench_key);
	__type(value, struct bench_value);
} bench_lru SEC(".maps");

__u8 frame[BENCH_FRAME];
__u16 ports[BENCH_FLOWS_MAX]; /* network order, in the order flows are visited */
__u32 flows = 1;
__u32 at;

/* The frame as it was, whatever the last round made of it. */
static __always_inline bool restore(struct __sk_buff *skb, __u16 port)
{
	__u64 *data, *end;

	if (skb->len != BENCH_FRAME &&
	    bpf_skb_adjust_room(skb, BENCH_FRAME - (__s32)skb->len, BPF_ADJ_ROOM_MAC, 0) < 0)
		return false;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if ((void *)data + BENCH_FRAME > (void *)end)
		return false;
	for (int i = 0; i < BENCH_FRAME / 8; i++)
		data[i] = ((__u64 *)frame)[i];
	*(__u16 *)((void *)data + BENCH_PORT_OFFSET) = port;
	return true;
}

SEC("tc")
int bench_round(struct __sk_buff *skb)
{
	__u32 i = at;

	at = i + 1 < flows ? i + 1 : 0;
	if (!restore(skb, ports[i & (BENCH_FLOWS_MAX - 1)]))
		return TD_SHOT;
	skb->mark = 0;
	skb->cb[0] = 0;
	skb->cb[1] = 0;
	skb->cb[2] = 0;
	skb->cb[3] = 0;
	skb->cb[4] = 0;
	bpf_tail_call(skb, &bench_target, 0);
	return TD_SHOT;
}

SEC("tc")
int bench_empty(struct __sk_buff *skb)
{
	return BENCH_RETURN;
}

/* The yardstick: the least that any tracking of connections does. */
SEC("tc")
int bench_yardstick(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct td_eth *eth = data;
	struct td_ipv4 *ip = data + ETH_HLEN;
	struct bench_key key = {};
	struct bench_value *value;
	__be16 *l4 = (void *)(ip + 1);

	if ((void *)(l4 + 2) > end || eth->proto != bpf_htons(ETH_P_IP) || ip->version_ihl != 0x45)
		return TD_SHOT;
	key.src = ip->src;
	key.dst = ip->dst;
	key.sport = l4[0];
	key.dport = l4[1];
	key.protocol = ip->protocol;
	value = bpf_map_lookup_elem(&bench_lru, &key);
	if (!value)
		return TD_SHOT;
	value->packets++;
	return BENCH_RETURN;
}
