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
static __always_inline bool td_fast_is_nodes(const struct td_fast *fast,
					     const struct td_config *config)
{
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

/* What headers alone leave open about a packet to the node. */
#define TD_MAYBE_CLAIMED (1u << 0) /* its source may be a pod's address */
#define TD_MAYBE_PODS    (1u << 1) /* it may belong to a masqueraded connection */

/* Masquerade gives TCP and UDP only ports of the range; others keep theirs (docs/adr/0018). */
static __always_inline __u32 td_glance_ports(__u8 protocol, const struct td_ports *ports)
{
	__u16 min = load_config.nat_port_min, max = load_config.nat_port_max;

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return TD_MAYBE_PODS;
	/* A range upside down wraps round, and only makes more be looked up. */
	return (__u16)(bpf_ntohs(ports->dst) - min) <= (__u16)(max - min) ? TD_MAYBE_PODS : 0;
}

static __always_inline __u32 td_glance_ipv4(const struct td_ipv4 *ip)
{
	const volatile struct td_cover *pods = &load_config.pods_ipv4;
	__u32 maybe = (ip->src & pods->mask.words[3]) == pods->addr.words[3] ? TD_MAYBE_CLAIMED : 0;

	/* The head of a fragmented packet tells the others' ports: the slow way remembers them. */
	if (ip->version_ihl != 0x45 || (ip->frag & bpf_htons(TD_IPV4_MF | TD_IPV4_OFFSET)))
		return maybe | TD_MAYBE_PODS;
	return maybe | td_glance_ports(ip->protocol, (const void *)(ip + 1));
}

static __always_inline __u32 td_glance_ipv6(const struct td_ipv6 *ip)
{
	const volatile struct td_cover *pods = &load_config.pods_ipv6;
	__u32 maybe = TD_MAYBE_CLAIMED;

	/* The first half is zero: it may be v4-mapped, and so an IPv4 address of a pod. */
	if (ip->src.halves[0] &&
	    ((ip->src.halves[0] & pods->mask.halves[0]) != pods->addr.halves[0] ||
	     (ip->src.halves[1] & pods->mask.halves[1]) != pods->addr.halves[1]))
		maybe = 0;
	return maybe | td_glance_ports(ip->next, (const void *)(ip + 1));
}

/* TD_MAYBE_*; 0: the packet is the node's own, whatever else is in it. Costs no look-up, for all
 * that the node itself receives comes by here. What cannot be read is left open. */
static __always_inline __u32 td_glance(struct __sk_buff *skb, const struct td_config *config)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct td_eth *eth = data;
	__u32 maybe = 0;

	if (!config || data + ETH_HLEN + sizeof(struct td_ipv4) + sizeof(struct td_ports) > end)
		return TD_MAYBE_CLAIMED | TD_MAYBE_PODS;
	if (config->flags & TD_CONFIG_PODS_WIDE)
		maybe |= TD_MAYBE_CLAIMED;
	if (config->flags & (TD_CONFIG_NAT_WIDE | TD_CONFIG_CT_PREV))
		maybe |= TD_MAYBE_PODS;
	if (eth->proto == bpf_htons(ETH_P_IP))
		return maybe | td_glance_ipv4(data + ETH_HLEN);
	if (data + ETH_HLEN + sizeof(struct td_ipv6) + sizeof(struct td_ports) > end)
		return TD_MAYBE_CLAIMED | TD_MAYBE_PODS;
	return maybe | td_glance_ipv6(data + ETH_HLEN);
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

static __always_inline int td_from_uplink_to_node(struct __sk_buff *skb,
						  const struct td_place *place)
{
	struct td_config *config = td_config_get();
	__u32 maybe = td_glance(skb, config);
	struct td_fast fast;

	if ((maybe & TD_MAYBE_CLAIMED) && td_is_claimed(skb))
		return td_drop_claimed(skb, place->identity);
	if (!(maybe & TD_MAYBE_PODS) ||
	    (td_fast_parse(skb, &fast) && td_fast_is_nodes(&fast, config)))
		return TD_NEXT;
	return td_slow_from_uplink(skb, place->identity, place->endpoint_id, false);
}

static __always_inline int td_from_uplink_to_pod(struct __sk_buff *skb,
						 const struct td_place *place)
{
	struct td_fast fast;
	int r = TD_SLOW;

	if (td_fast_parse(skb, &fast))
		r = td_fast_to_pod_routed(skb, &fast, place->ifindex);
	if (r != TD_SLOW)
		return r;
	return td_slow_from_uplink(skb, place->identity, place->endpoint_id, true);
}

SEC("tc")
int td_from_uplink(struct __sk_buff *skb)
{
	struct td_place *place;
	struct td_addr dst;

	if (!td_address_load(skb, false, &dst))
		return TD_NEXT;
	place = bpf_map_lookup_elem(&td_addr_map, &dst);
	if (!place)
		return TD_NEXT;
	if (place->ifindex)
		return td_from_uplink_to_pod(skb, place);
	return place->flags & TD_PLACE_HOST ? td_from_uplink_to_node(skb, place) : TD_NEXT;
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
