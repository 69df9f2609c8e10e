// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Programs on the devices that lead out of the node. What concerns no pod passes untouched. */
#include "lib/base.h"
#include "lib/fast.h"
#include "lib/leave.h"
#include "lib/nat.h"
#include "lib/stage.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline bool td_address_load(struct __sk_buff *skb, bool source, struct td_addr *ret)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct td_eth *eth = data;

	if (data + sizeof(*eth) + sizeof(struct td_ipv4) > end)
		return false;
	if (eth->proto == bpf_htons(ETH_P_IP)) {
		struct td_ipv4 *ip = data + sizeof(*eth);

		td_addr_set_v4(ret, source ? ip->src : ip->dst);
		return true;
	}
	if (eth->proto == bpf_htons(ETH_P_IPV6)) {
		struct td_ipv6 *ip = data + sizeof(*eth);

		if ((void *)(ip + 1) > end)
			return false;
		*ret = source ? ip->src : ip->dst;
		return true;
	}
	return false;
}

/* The pod behind a masqueraded packet that came to the node: then s->pkt says so and s->rewrite is
 * what must be done to the packet. */
static __always_inline bool td_unmasquerade(struct __sk_buff *skb, struct td_slow *s)
{
	struct td_tuple *conn = &s->pkt.conn;
	struct td_nat_key key = {
		.remote = conn->addr[0],
		.local = conn->addr[1],
		.remote_port = conn->port[0], /* 0 if this answers an echo */
		.local_port = conn->port[1],
		.protocol = conn->protocol,
	};
	struct td_nat *nat;

	if (!td_nat_is_supported(&s->pkt))
		return false;
	nat = td_nat_find(&key, s->config_flags);
	/* The node may have opened a socket for it since. */
	if (!nat || td_nat_is_nodes(skb, &key, 0))
		return false;
	s->rewrite.from = conn->addr[1];
	s->rewrite.to = nat->pod;
	s->rewrite.from_port = conn->port[1];
	s->rewrite.to_port = nat->pod_port;
	s->rewrite.whose = 1;
	conn->addr[1] = nat->pod;
	conn->port[1] = nat->pod_port;
	return true;
}

static __always_inline int td_into_pod_from_outside(struct __sk_buff *skb, struct td_slow *s)
{
	__u32 to = !s->reply;
	int reason = 0, r;

	td_tell(skb, s, TD_TO_ENDPOINT);
	r = td_deliver_pod(skb, s, s->ct.ifindex[td_bit(to)], s->ct.endpoint_id[td_bit(to)],
			   &reason);
	return reason ? td_drop(skb, s, reason) : r;
}

/* To the node: a pod's if a live masqueraded connection says so, else the stack's. */
static __always_inline int td_to_node(struct __sk_buff *skb, struct td_slow *s)
{
	struct td_ct *ct;
	int reason;

	if (!td_unmasquerade(skb, s))
		return TD_NEXT;
	td_tuple_key(&s->pkt.conn, &s->key, &s->high);
	ct = td_ct_find(&s->key, s->config_flags);
	if (!ct || !(ct->flags & TD_CT_NAT))
		return TD_NEXT;
	s->pkt.addr[1] = s->rewrite.to;
	reason = td_admit(skb);
	if (reason)
		return td_refuse(skb, s, reason, TD_BACK_OUT);
	if (s->pkt.ttl <= 1)
		return td_drop(skb, s, TD_DROP_TTL_EXCEEDED);
	reason = td_rewrite_packet(skb, s);
	if (reason)
		return td_drop(skb, s, reason);
	return td_into_pod_from_outside(skb, s);
}

/* To a pod by its own address. */
static __always_inline int td_to_pod_routed(struct __sk_buff *skb, struct td_slow *s)
{
	struct td_place *from = bpf_map_lookup_elem(&td_addr_map, &s->pkt.addr[0]);
	int reason;

	if (from && (from->ifindex || (from->flags & TD_PLACE_HOST)))
		return td_drop(skb, s, TD_DROP_INVALID_SOURCE_IP);
	reason = td_admit(skb);
	if (reason)
		return td_refuse(skb, s, reason, TD_BACK_OUT);
	return td_into_pod_from_outside(skb, s);
}

/* To a pod by its own address, on an established connection. Return code, or TD_SLOW. */
static __always_inline int td_fast_to_pod_routed(struct __sk_buff *skb, const struct td_fast *fast,
						 __u32 ifindex)
{
	struct td_ct *ct = bpf_map_lookup_elem(&td_ct, &fast->key);
	struct td_config *config = td_config_get();
	__u32 now = td_now(), reply;

	if (!ct || !config)
		return TD_SLOW;
	reply = fast->high ^ (ct->flags & TD_CT_INITIATOR_HIGH);
	if (ct->ifindex[td_bit(!reply)] != ifindex || ct->ifindex[td_bit(reply)] ||
	    ct->identity[td_bit(reply)] == TD_ID_HOST || (ct->flags & TD_CT_NAT) ||
	    !td_fast_is_plain(fast, ct, config, now))
		return TD_SLOW;
	return td_fast_into_pod(skb, fast, ct, reply, now);
}

/* Whether no pod wears this port of the node towards this remote: the packet is the node's own. */
static __always_inline bool td_fast_is_nodes(const struct td_fast *fast)
{
	struct td_config *config = td_config_get();
	__u32 from = fast->high & 1;
	struct td_nat_key key = {
		.remote = from ? fast->key.addr[1] : fast->key.addr[0],
		.local = from ? fast->key.addr[0] : fast->key.addr[1],
		.remote_port = from ? fast->key.port[1] : fast->key.port[0],
		.local_port = from ? fast->key.port[0] : fast->key.port[1],
		.protocol = fast->key.protocol,
	};

	return config && !(config->flags & TD_CONFIG_CT_PREV) &&
	       !bpf_map_lookup_elem(&td_nat, &key);
}

static __always_inline int td_slow_from_uplink(struct __sk_buff *skb, __u32 identity,
					       __u32 endpoint_id, bool pod)
{
	struct td_slow *s = td_slow_begin(TD_INGRESS);

	if (!s)
		return TD_SHOT;
	s->identity = identity;
	s->endpoint_id = endpoint_id;
	/* What cannot be read is left to the stack; on its way to a pod td_to_pod sees it again. */
	if (td_packet_parse(skb, &s->pkt) || !s->pkt.version)
		return TD_NEXT;
	return pod ? td_to_pod_routed(skb, s) : td_to_node(skb, s);
}

/* From outside, to the node, under the address of one of its pods. */
static __always_inline bool td_is_claimed(struct __sk_buff *skb)
{
	struct td_place *place;
	struct td_addr src;

	if (!td_address_load(skb, true, &src))
		return false;
	place = bpf_map_lookup_elem(&td_addr_map, &src);
	return place && place->ifindex;
}

static __always_inline int td_drop_claimed(struct __sk_buff *skb, __u32 identity)
{
	struct td_slow *s = td_slow_begin(TD_INGRESS);

	if (!s)
		return TD_SHOT;
	s->identity = identity;
	td_packet_parse(skb, &s->pkt);
	return td_drop(skb, s, TD_DROP_INVALID_SOURCE_IP);
}

SEC("tc")
int td_from_uplink(struct __sk_buff *skb)
{
	struct td_place *place;
	struct td_fast fast;
	struct td_addr dst;
	int r = TD_SLOW;

	if (!td_address_load(skb, false, &dst))
		return TD_NEXT;
	place = bpf_map_lookup_elem(&td_addr_map, &dst);
	if (!place || !(place->ifindex || (place->flags & TD_PLACE_HOST)))
		return TD_NEXT;
	if (!place->ifindex && td_is_claimed(skb))
		return td_drop_claimed(skb, place->identity);
	if (td_fast_parse(skb, &fast)) {
		if (place->ifindex)
			r = td_fast_to_pod_routed(skb, &fast, place->ifindex);
		else if (td_fast_is_nodes(&fast))
			return TD_NEXT;
	}
	if (r != TD_SLOW)
		return r;
	return td_slow_from_uplink(skb, place->identity, place->endpoint_id, place->ifindex);
}

/* A pod's packet that the stack routed: it has been judged, but not masqueraded. */
static __always_inline int td_masquerade_late(struct __sk_buff *skb)
{
	struct td_slow *s = td_slow_begin(TD_EGRESS);
	__u32 ifindex = skb->ifindex;
	struct td_device *device = bpf_map_lookup_elem(&td_device, &ifindex);
	struct td_ct *ct;
	int reason;

	if (!device)
		return TD_NEXT;
	if (!s)
		return TD_SHOT;
	reason = td_packet_parse(skb, &s->pkt);
	if (reason)
		return td_drop(skb, s, reason);
	td_tuple_key(&s->pkt.conn, &s->key, &s->high);
	ct = td_ct_find(&s->key, s->config_flags);
	if (!ct) {
		if (td_addr_is_zero(s->pkt.version == 4 ? &device->ipv4 : &device->ipv6) ||
		    !td_is_masqueraded(&s->pkt.addr[1]))
			return TD_NEXT;
		return td_drop(skb, s, TD_DROP_NO_MAPPING_FOR_NAT_MASQUERADE);
	}
	s->ct = *ct;
	s->found = 1;
	s->reply = s->high != !!(ct->flags & TD_CT_INITIATOR_HIGH);
	reason = td_masquerade(skb, device);
	return reason ? td_drop(skb, s, reason) : TD_NEXT;
}

SEC("tc")
int td_to_uplink(struct __sk_buff *skb)
{
	struct td_place *place;
	struct td_addr src;

	if (!td_address_load(skb, true, &src))
		return TD_NEXT;
	place = bpf_map_lookup_elem(&td_addr_map, &src);
	if (!place || !place->ifindex)
		return TD_NEXT;
	return td_masquerade_late(skb);
}
