/* SPDX-License-Identifier: Apache-2.0 */
/* packet: the one builder of frames for tests of BPF programs.
 *
 * In: a description, every field of which may be left out    Out: an Ethernet frame with right
 * checksums    Owns: nothing    Thread: any */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 2048

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

struct packet {
	const char *src, *dst; /* addresses as text; a ':' makes it IPv6 */
	uint8_t src_mac[6], dst_mac[6];
	uint8_t protocol;      /* IPPROTO_*; 0: TCP */
	uint16_t sport, dport; /* host order */
	uint8_t flags;         /* TCP_*; 0: ACK */
	uint8_t icmp_type, icmp_code;
	uint16_t id;        /* ICMP echo identifier */
	uint8_t ttl;        /* 0: 64 */
	size_t payload_len; /* bytes after the transport header, counting up unless payload */
	const void *payload;
	bool no_checksum;     /* UDP over IPv4: zero */
	uint16_t fragment;    /* offset in bytes, multiple of 8; from 8 on there is no L4 header */
	bool more;            /* more fragments follow */
	uint32_t fragment_id; /* a fragment if not 0 */
	unsigned int extensions;    /* IPv6 destination options headers before the transport */
	const struct packet *inner; /* of an ICMP error: its IP header and 8 bytes more */
};

/* Length of the frame built into ret, which has PACKET_MAX bytes. Aborts on nonsense. */
size_t packet_build(const struct packet *packet, uint8_t *ret);

/* Whether every checksum of the frame is right: IPv4 header, TCP, UDP, ICMP, ICMPv6. */
bool packet_checksums_hold(const uint8_t *frame, size_t len);

/* Views into a frame without extension headers. */
int packet_version(const uint8_t *frame);
const uint8_t *packet_l4(const uint8_t *frame);
uint8_t packet_protocol(const uint8_t *frame);
uint8_t packet_ttl(const uint8_t *frame);
/* Text of source (0) or destination (1) address in a static buffer per side. */
const char *packet_address(const uint8_t *frame, int whose);
uint16_t packet_port(const uint8_t *frame, int whose);
