// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Programs on the host end of every pod's veth: what the pod sends, what the stack sends to it. */
#include "lib/base.h"
#include "lib/fast.h"
#include "lib/leave.h"
#include "lib/stage.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A denial of the present generation, for this direction, that was told a moment ago: two lookups
 * and out. */
static __always_inline bool td_fast_denied(struct __sk_buff *skb, const struct td_fast *fast,
					   const struct td_config *config, __u32 now)
{
	struct td_ct *ct = bpf_map_lookup_elem(&td_ct_new, &fast->key);
	__u32 reply;

	if (!ct || ct->state != TD_CT_DENIED || ct->generation != config->generation ||
	    now - ct->reported >= load_config.drop_report_interval ||
	    (config->flags & TD_CONFIG_REJECT))
		return false;
	reply = fast->high ^ (ct->flags & TD_CT_INITIATOR_HIGH);
	if (reply || ct->ifindex[0] != skb->ifindex)
		return false;
	td_ct_add(ct, 0, skb->gso_segs ? skb->gso_segs : 1, skb->len - ETH_HLEN);
	td_count_drop(ct->reason, ct->rule[1] == TD_RULE_NONE ? TD_EGRESS : TD_INGRESS);
	return true;
}

static __always_inline bool td_fast_source_mac(struct __sk_buff *skb, __u32 endpoint_id)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (data + ETH_HLEN > end)
		return false;
	return *(__u16 *)(data + 6) == bpf_htons(TD_POD_MAC0 << 8 | TD_POD_MAC1) &&
	       *(__u32 *)(data + 8) == bpf_htonl(endpoint_id);
}

static __always_inline int td_fast_from_pod(struct __sk_buff *skb)
{
	struct td_config *config = td_config_get();
	struct td_fast fast;
	__u32 now, reply;
	struct td_ct *ct;

	if (!config || !td_fast_parse(skb, &fast))
		return TD_SLOW;
	now = td_now();
	ct = bpf_map_lookup_elem(&td_ct, &fast.key);
	if (!ct)
		return td_fast_denied(skb, &fast, config, now) ? TD_SHOT : TD_SLOW;
	reply = fast.high ^ (ct->flags & TD_CT_INITIATOR_HIGH);
	if (!ct->ifindex[td_bit(!reply)] || ct->ifindex[td_bit(reply)] != skb->ifindex ||
	    !td_fast_source_mac(skb, ct->endpoint_id[td_bit(reply)]) ||
	    !td_fast_is_plain(&fast, ct, config, now))
		return TD_SLOW;
	return td_fast_into_pod(skb, &fast, ct, reply, now);
}

static __always_inline bool td_mac_is_pods(const __u8 *mac, __u32 id)
{
	__u8 want[6];

	td_pod_mac(id, want);
	for (int i = 0; i < 6; i++)
		if (mac[i] != want[i])
			return false;
	return true;
}

static __always_inline bool td_addr_is_link_scope(const struct td_addr *addr)
{
	return (addr->bytes[0] == 0xff && (addr->bytes[1] & 0xf) == 2) ||
	       (addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80);
}

/* Multicast, and broadcast within the link: only the node would hear it, whatever policy says of the
 * node, so it goes nowhere. */
static __always_inline bool td_addr_is_many(const struct td_addr *addr)
{
	if (!td_addr_is_v4(addr))
		return addr->bytes[0] == 0xff;
	return (addr->bytes[12] & 0xf0) == 0xe0 || addr->words[3] == 0xffffffff;
}

/* Neighbour discovery, multicast listeners, IGMP: pods have fixed neighbours and the node is no
 * multicast router. 0: not of this kind; TD_NEXT: to the stack; else a reason to drop it quietly. */
static __always_inline int td_link_local(const struct td_packet *pkt)
{
	if (pkt->protocol == IPPROTO_IGMP)
		return TD_DROP_IGMP_HANDLED;
	if (pkt->version != 6 || pkt->protocol != IPPROTO_ICMPV6)
		return 0;
	/* Solicitations for the gateway: of link scope, so the stack forwards them nowhere. */
	if (pkt->icmp_type == 135 && pkt->ttl == 255 && td_addr_is_link_scope(&pkt->addr[1]))
		return TD_NEXT;
	if ((pkt->icmp_type >= 130 && pkt->icmp_type <= 137) || pkt->icmp_type == 143)
		return TD_DROP_FORBIDDEN_ICMPV6_MESSAGE;
	return 0;
}

/* The address a pod's device gives itself by RFC 4291, appendix A. */
static __always_inline bool td_is_own_link_local(const struct td_addr *addr, __u32 id)
{
	__u8 mac[6];

	td_pod_mac(id, mac);
	return addr->words[0] == bpf_htonl(0xfe800000) && !addr->words[1] &&
	       addr->bytes[8] == (mac[0] ^ 2) && addr->bytes[9] == mac[1] &&
	       addr->bytes[10] == mac[2] && addr->bytes[11] == 0xff && addr->bytes[12] == 0xfe &&
	       addr->bytes[13] == mac[3] && addr->bytes[14] == mac[4] && addr->bytes[15] == mac[5];
}

/* RFC 826 up to the sender; the rest does not matter here. */
struct td_arp {
	__be16 hardware, protocol;
	__u8 hardware_len, protocol_len;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender[4];
};

/* The node learns neighbours from what it is asked: made-up ones would fill its table. */
static __always_inline int td_verify_arp(struct __sk_buff *skb, const struct td_endpoint *ep)
{
	struct td_arp arp;
	__be32 sender;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp)) < 0)
		return TD_DROP_INVALID_PACKET_DROPPED;
	if (!td_mac_is_pods(arp.sender_mac, ep->id))
		return TD_DROP_INVALID_SOURCE_MAC;
	__builtin_memcpy(&sender, arp.sender, 4);
	return !sender || sender == ep->ipv4.words[3] ? TD_GO : TD_DROP_INVALID_SOURCE_IP;
}

/* `solicits`: a question for a neighbour, which may also come from an address of link scope. */
static __always_inline int td_verify_source(struct __sk_buff *skb, struct td_slow *s, bool solicits)
{
	const struct td_addr *src = &s->pkt.addr[0];
	struct td_endpoint *ep;
	int r = TD_GO;

	ep = td_slow_endpoint(skb, s, &r);
	if (!ep)
		return r;
	if (!td_mac_is_pods(s->pkt.mac[0], ep->id))
		return TD_DROP_INVALID_SOURCE_MAC;
	if (!s->pkt.version)
		return s->pkt.eth_proto == bpf_htons(ETH_P_ARP) ? td_verify_arp(skb, ep)
								: TD_DROP_UNSUPPORTED_L3_PROTOCOL;
	if (td_addr_equal(src, s->pkt.version == 4 ? &ep->ipv4 : &ep->ipv6) &&
	    !td_addr_is_zero(src))
		return TD_GO;
	if (solicits && (td_addr_is_zero(src) || td_is_own_link_local(src, ep->id)))
		return TD_GO;
	return TD_DROP_INVALID_SOURCE_IP;
}

static __always_inline int td_deliver_from_pod(struct __sk_buff *skb, struct td_slow *s)
{
	__u32 to = !s->reply;
	__u32 ifindex = s->ct.ifindex[td_bit(to)];
	int reason = 0, r;

	if (ifindex) {
		td_tell(skb, s, TD_TO_ENDPOINT);
		r = td_deliver_pod(skb, s, ifindex, s->ct.endpoint_id[td_bit(to)], &reason);
	} else if (s->ct.identity[td_bit(to)] == TD_ID_HOST) {
		td_tell(skb, s, TD_TO_HOST);
		td_count(TD_STAT_FORWARDED);
		return TD_NEXT;
	} else {
		return td_leave(skb, s);
	}
	if (reason)
		return td_drop(skb, s, reason);
	return r;
}

static __always_inline int td_slow_from_pod(struct __sk_buff *skb)
{
	struct td_slow *s = td_slow_begin(TD_EGRESS);
	int reason, r = 0;

	if (!s)
		return TD_SHOT;
	reason = td_packet_parse(skb, &s->pkt);
	if (!reason) {
		r = s->pkt.version ? td_link_local(&s->pkt) : 0;
		s->quiet = r > 0;
		reason = r > 0 ? r : td_verify_source(skb, s, r == TD_NEXT);
	}
	if (reason)
		return td_drop(skb, s, reason);
	if (!s->pkt.version || r == TD_NEXT)
		return TD_NEXT; /* ARP, or the same of IPv6 */
	if (td_addr_is_many(&s->pkt.addr[1])) {
		s->quiet = 1;
		return td_drop(skb, s, TD_DROP_MULTICAST_HANDLED);
	}
	/* A pod is no router: it may complain about its own connections only. */
	if (s->pkt.related && !td_addr_equal(&s->pkt.conn.addr[0], &s->pkt.addr[0]))
		td_packet_unrelate(&s->pkt);
	reason = td_admit(skb);
	if (reason)
		return td_refuse(skb, s, reason, TD_BACK_TO_POD);
	return td_deliver_from_pod(skb, s);
}

SEC("tc")
int td_from_pod(struct __sk_buff *skb)
{
	int r;

	if (skb->mark == TD_MARK_OURS)
		return TD_NEXT;
	r = td_fast_from_pod(skb);
	return r == TD_SLOW ? td_slow_from_pod(skb) : r;
}

/* What may come out of the host's stack towards a pod, before any connection is looked at. */
static __always_inline int td_verify_to_pod(struct __sk_buff *skb, struct td_slow *s)
{
	struct td_endpoint *ep;
	struct td_place *place;
	int r = TD_GO;

	ep = td_slow_endpoint(skb, s, &r);
	if (!ep) {
		/* What the stack sends by each interface that comes up is counted, and not told. */
		if (s->pkt.version == 6 && td_addr_is_zero(&s->pkt.addr[0]))
			s->quiet = 1;
		return r;
	}
	if (!s->pkt.version)
		return s->pkt.eth_proto == bpf_htons(ETH_P_ARP) ? TD_GO
								: TD_DROP_UNSUPPORTED_L3_PROTOCOL;
	if (!td_addr_equal(&s->pkt.addr[1], s->pkt.version == 4 ? &ep->ipv4 : &ep->ipv6)) {
		s->quiet = 1; /* the stack's own multicast, mostly */
		return TD_DROP_UNKNOWN_L3_TARGET_ADDRESS;
	}
	place = bpf_map_lookup_elem(&td_addr_map, &s->pkt.addr[0]);
	if (!place)
		return TD_GO;
	if (place->ifindex || ((place->flags & TD_PLACE_HOST) && skb->ingress_ifindex))
		return TD_DROP_INVALID_SOURCE_IP;
	return TD_GO;
}

/* The node's own neighbour discovery on the pod's link. */
static __always_inline bool td_is_neighbour_discovery(struct __sk_buff *skb,
						      const struct td_packet *pkt)
{
	return pkt->version == 6 && pkt->protocol == IPPROTO_ICMPV6 && !skb->ingress_ifindex &&
	       (pkt->icmp_type == 135 || pkt->icmp_type == 136) && pkt->ttl == 255;
}

static __always_inline int td_slow_to_pod(struct __sk_buff *skb)
{
	struct td_slow *s = td_slow_begin(TD_INGRESS);
	int reason;

	if (!s)
		return TD_SHOT;
	reason = td_packet_parse(skb, &s->pkt);
	if (!reason && td_is_neighbour_discovery(skb, &s->pkt))
		return TD_NEXT;
	if (!reason)
		reason = td_verify_to_pod(skb, s);
	if (reason)
		return td_drop(skb, s, reason);
	if (!s->pkt.version)
		return TD_NEXT; /* ARP */
	reason = td_admit(skb);
	if (reason)
		return td_refuse(skb, s, reason, TD_BACK_TO_STACK);
	td_tell(skb, s, TD_TO_ENDPOINT);
	td_count(TD_STAT_FORWARDED);
	return TD_NEXT;
}

SEC("tc")
int td_to_pod(struct __sk_buff *skb)
{
	struct td_config *config = td_config_get();
	struct td_fast fast;
	struct td_ct *ct;
	__u32 now, reply;

	if (skb->mark == TD_MARK_OURS)
		return TD_NEXT;
	if (!config || !td_fast_parse(skb, &fast))
		return td_slow_to_pod(skb);
	now = td_now();
	ct = bpf_map_lookup_elem(&td_ct, &fast.key);
	if (!ct)
		return td_slow_to_pod(skb);
	reply = fast.high ^ (ct->flags & TD_CT_INITIATOR_HIGH);
	if (ct->ifindex[td_bit(!reply)] != skb->ifindex || ct->ifindex[td_bit(reply)] ||
	    (ct->identity[td_bit(reply)] == TD_ID_HOST && skb->ingress_ifindex) ||
	    !td_fast_is_plain(&fast, ct, config, now))
		return td_slow_to_pod(skb);
	td_fast_count(skb, ct, &fast, reply, now);
	td_count(TD_STAT_FORWARDED);
	return TD_NEXT;
}
