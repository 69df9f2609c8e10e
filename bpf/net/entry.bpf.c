// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is attached to devices, once: each goes on to the stage of the build in force. */
#include "lib/base.h"
#include "lib/config.h"
#include "lib/count.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline int td_enter(struct __sk_buff *skb, __u32 stage, __u32 direction)
{
	struct td_config *config = td_config_get();

	if (config)
		bpf_tail_call(skb, &td_progs, config->slot_base + stage);
	td_count_drop(TD_DROP_MISSED_TAIL_CALL, direction);
	return TD_SHOT;
}

SEC("tc")
int td_entry_from_pod(struct __sk_buff *skb)
{
	return td_enter(skb, TD_STAGE_FROM_POD, TD_EGRESS);
}

SEC("tc")
int td_entry_to_pod(struct __sk_buff *skb)
{
	return td_enter(skb, TD_STAGE_TO_POD, TD_INGRESS);
}

SEC("tc")
int td_entry_from_uplink(struct __sk_buff *skb)
{
	return td_enter(skb, TD_STAGE_FROM_UPLINK, TD_INGRESS);
}

SEC("tc")
int td_entry_to_uplink(struct __sk_buff *skb)
{
	return td_enter(skb, TD_STAGE_TO_UPLINK, TD_EGRESS);
}
