/* SPDX-License-Identifier: Apache-2.0 */
#include "packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define ETH 14

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static uint16_t get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

/* RFC 1071. */
static uint32_t sum(const uint8_t *data, size_t len, uint32_t start)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		start += get16(data + i);
	if (len & 1)
		start += data[len - 1] << 8;
	return start;
}

static uint16_t fold(uint32_t value)
{
	while (value >> 16)
		value = (value & 0xffff) + (value >> 16);
	return ~value;
}

static bool is_v6(const struct packet *packet)
{
	return strchr(packet->src, ':') != NULL;
}

static uint32_t pseudo_sum(const uint8_t *ip, bool v6, uint8_t protocol, size_t len)
{
	uint32_t start = protocol + len;

	return v6 ? sum(ip + 8, 32, start) : sum(ip + 12, 8, start);
}

/* Where a protocol keeps its checksum; 0: nowhere. */
static size_t checksum_offset(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

static size_t build_payload(const struct packet *packet, uint8_t *at)
{
	for (size_t i = 0; i < packet->payload_len; i++)
		at[i] = packet->payload ? ((const uint8_t *)packet->payload)[i] : i;
	return packet->payload_len;
}

static size_t build_ip(const struct packet *packet, uint8_t *at);

static size_t build_icmp(const struct packet *packet, uint8_t *at)
{
	uint8_t inner[PACKET_MAX] = {};
	size_t header;

	at[0] = packet->icmp_type;
	at[1] = packet->icmp_code;
	if (!packet->inner) {
		put16(at + 4, packet->id);
		return 8 + build_payload(packet, at + 8);
	}
	build_ip(packet->inner, inner);
	header = is_v6(packet->inner) ? 40 + (packet->inner->fragment_id ? 8 : 0) : 20;
	memcpy(at + 8, inner, header + 8);
	return 8 + header + 8;
}

static size_t build_l4(const struct packet *packet, uint8_t protocol, uint8_t *at)
{
	switch (protocol) {
	case IPPROTO_TCP:
		put16(at, packet->sport);
		put16(at + 2, packet->dport);
		at[7] = 1;
		at[12] = 0x50;
		at[13] = packet->flags ? packet->flags : TCP_ACK;
		return 20 + build_payload(packet, at + 20);
	case IPPROTO_UDP:
		put16(at, packet->sport);
		put16(at + 2, packet->dport);
		put16(at + 4, 8 + packet->payload_len);
		return 8 + build_payload(packet, at + 8);
	case IPPROTO_SCTP:
		put16(at, packet->sport);
		put16(at + 2, packet->dport);
		return 12 + build_payload(packet, at + 12);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return build_icmp(packet, at);
	default:
		return build_payload(packet, at);
	}
}

static void build_ipv4(const struct packet *packet, uint8_t *ip, uint8_t protocol, size_t len)
{
	ip[0] = 0x45;
	put16(ip + 2, 20 + len);
	put16(ip + 4, packet->fragment_id);
	put16(ip + 6, packet->fragment / 8 | (packet->more ? 0x2000 : 0));
	ip[9] = protocol;
	put16(ip + 10, 0);
	put16(ip + 10, fold(sum(ip, 20, 0)));
}

/* Extension headers in front of what was built at ip + 40; returns the payload's new length. */
static size_t build_extensions(const struct packet *packet, uint8_t *ip, uint8_t protocol,
			       size_t len)
{
	bool fragment = packet->fragment_id != 0;
	size_t room = packet->extensions * 8 + fragment * 8;
	uint8_t *at = ip + 40;

	memmove(at + room, at, len);
	memset(at, 0, room);
	ip[6] = packet->extensions ? IPPROTO_DSTOPTS : fragment ? IPPROTO_FRAGMENT : protocol;
	for (unsigned int i = 0; i < packet->extensions; i++, at += 8) {
		bool last = i + 1 == packet->extensions;

		at[0] = !last ? IPPROTO_DSTOPTS : fragment ? IPPROTO_FRAGMENT : protocol;
		at[2] = 1; /* PadN */
		at[3] = 4;
	}
	if (fragment) {
		at[0] = protocol;
		put16(at + 2, packet->fragment | packet->more);
		put16(at + 4, packet->fragment_id >> 16);
		put16(at + 6, packet->fragment_id);
	}
	return len + room;
}

static size_t build_ip(const struct packet *packet, uint8_t *ip)
{
	bool v6 = is_v6(packet);
	size_t header = v6 ? 40 : 20, len, at;
	uint8_t protocol = packet->protocol ? packet->protocol : IPPROTO_TCP;
	uint8_t *l4 = ip + header;

	if (inet_pton(v6 ? AF_INET6 : AF_INET, packet->src, ip + (v6 ? 8 : 12)) != 1 ||
	    inet_pton(v6 ? AF_INET6 : AF_INET, packet->dst, ip + (v6 ? 24 : 16)) != 1)
		abort();
	if (packet->fragment) {
		len = build_payload(packet, l4);
	} else {
		len = build_l4(packet, protocol, l4);
		at = checksum_offset(protocol);
		if (at && !packet->no_checksum)
			put16(l4 + at, fold(sum(l4, len,
						protocol == IPPROTO_ICMP
							? 0
							: pseudo_sum(ip, v6, protocol, len))));
	}
	ip[v6 ? 7 : 8] = packet->ttl ? packet->ttl : 64;
	if (!v6) {
		build_ipv4(packet, ip, protocol, len);
		return header + len;
	}
	ip[0] = 0x60;
	len = build_extensions(packet, ip, protocol, len);
	put16(ip + 4, len);
	return header + len;
}

size_t packet_build(const struct packet *packet, uint8_t *ret)
{
	memset(ret, 0, PACKET_MAX);
	memcpy(ret, packet->dst_mac, 6);
	memcpy(ret + 6, packet->src_mac, 6);
	put16(ret + 12, is_v6(packet) ? 0x86dd : 0x0800);
	return ETH + build_ip(packet, ret + ETH);
}

int packet_version(const uint8_t *frame)
{
	return frame[ETH] >> 4;
}

const uint8_t *packet_l4(const uint8_t *frame)
{
	return frame + ETH + (packet_version(frame) == 6 ? 40 : 20);
}

uint8_t packet_protocol(const uint8_t *frame)
{
	return frame[ETH + (packet_version(frame) == 6 ? 6 : 9)];
}

uint8_t packet_ttl(const uint8_t *frame)
{
	return frame[ETH + (packet_version(frame) == 6 ? 7 : 8)];
}

const char *packet_address(const uint8_t *frame, int whose)
{
	static char text[2][INET6_ADDRSTRLEN];

	if (packet_version(frame) == 6)
		return inet_ntop(AF_INET6, frame + ETH + 8 + 16 * whose, text[whose],
				 sizeof(text[0]));
	return inet_ntop(AF_INET, frame + ETH + 12 + 4 * whose, text[whose], sizeof(text[0]));
}

uint16_t packet_port(const uint8_t *frame, int whose)
{
	return get16(packet_l4(frame) + 2 * whose);
}

bool packet_checksums_hold(const uint8_t *frame, size_t len)
{
	bool v6 = packet_version(frame) == 6;
	const uint8_t *ip = frame + ETH, *l4 = packet_l4(frame);
	uint8_t protocol = packet_protocol(frame);
	size_t l4_len = v6 ? get16(ip + 4) : get16(ip + 2) - 20;
	size_t at = checksum_offset(protocol);

	if (l4 + l4_len > frame + len)
		return false;
	if (!v6 && fold(sum(ip, 20, 0)))
		return false;
	if (!at || (protocol == IPPROTO_UDP && !get16(l4 + at)))
		return true;
	return !fold(sum(l4, l4_len,
			 protocol == IPPROTO_ICMP ? 0 : pseudo_sum(ip, v6, protocol, l4_len)));
}
