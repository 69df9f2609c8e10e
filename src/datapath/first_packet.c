/* SPDX-License-Identifier: Apache-2.0 */
#include "first_packet.h"

#include <netinet/in.h>
#include <string.h>

#include "base/address.h"

#define ETHERNET  14
#define TTL       64
#define TCP_SYN   0x02
#define SCTP_INIT 1

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* RFC 1071. `start`: what the pseudo-header adds. */
static uint16_t checksum(const uint8_t *data, size_t length, uint32_t start)
{
	uint32_t sum = start;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t pseudo_header(const struct first_packet *packet, size_t length)
{
	bool ipv4 = address_is_ipv4(&packet->addr[0]);
	uint32_t sum = packet->protocol + (uint32_t)length;

	for (int end = 0; end < 2; end++)
		for (size_t i = ipv4 ? 12 : 0; i < 16; i += 2)
			sum += (uint32_t)packet->addr[end].bytes[i] << 8 |
			       packet->addr[end].bytes[i + 1];
	return sum;
}

static size_t put_transport(const struct first_packet *packet, uint8_t *at)
{
	static const struct {
		uint8_t protocol, length, checksum; /* checksum: its offset; 0: none of ours */
	} shapes[] = {
		{ IPPROTO_TCP, 20, 16 }, { IPPROTO_UDP, 8, 6 },    { IPPROTO_SCTP, 12 + 20, 0 },
		{ IPPROTO_ICMP, 8, 2 },  { IPPROTO_ICMPV6, 8, 2 },
	};
	size_t length = 0, sum_at = 0;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].protocol == packet->protocol) {
			length = shapes[i].length;
			sum_at = shapes[i].checksum;
		}
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		at[0] = (uint8_t)packet->to;
		put16(at + 4, packet->from);
	} else {
		put16(at, packet->from);
		put16(at + 2, packet->to);
	}
	if (packet->protocol == IPPROTO_TCP) {
		at[7] = 1;
		at[12] = 5 << 4; /* header length in words */
		at[13] = TCP_SYN;
	} else if (packet->protocol == IPPROTO_UDP) {
		put16(at + 4, (uint32_t)length);
	} else if (packet->protocol == IPPROTO_SCTP) {
		at[12] = SCTP_INIT;
		put16(at + 14, 20);
	}
	if (sum_at)
		put16(at + sum_at,
		      checksum(at, length,
			       packet->protocol == IPPROTO_ICMP ? 0
								: pseudo_header(packet, length)));
	return length;
}

static size_t put_ipv4(const struct first_packet *packet, uint8_t *at)
{
	size_t length = 20 + put_transport(packet, at + 20);

	at[0] = 0x45;
	put16(at + 2, (uint32_t)length);
	at[8] = TTL;
	at[9] = packet->protocol;
	memcpy(at + 12, &packet->addr[0].words[3], 4);
	memcpy(at + 16, &packet->addr[1].words[3], 4);
	put16(at + 10, checksum(at, 20, 0));
	return length;
}

static size_t put_ipv6(const struct first_packet *packet, uint8_t *at)
{
	size_t length = put_transport(packet, at + 40);

	at[0] = 0x60;
	put16(at + 4, (uint32_t)length);
	at[6] = packet->protocol;
	at[7] = TTL;
	memcpy(at + 8, &packet->addr[0], 16);
	memcpy(at + 24, &packet->addr[1], 16);
	return 40 + length;
}

size_t first_packet_build(const struct first_packet *packet, uint8_t ret[static FIRST_PACKET_MAX])
{
	bool ipv4 = address_is_ipv4(&packet->addr[0]);

	memset(ret, 0, FIRST_PACKET_MAX);
	memcpy(ret, packet->mac[1], 6);
	memcpy(ret + 6, packet->mac[0], 6);
	put16(ret + 12, ipv4 ? 0x0800 : 0x86dd);
	return ETHERNET +
	       (ipv4 ? put_ipv4(packet, ret + ETHERNET) : put_ipv6(packet, ret + ETHERNET));
}
