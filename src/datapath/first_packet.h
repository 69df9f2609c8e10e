/* SPDX-License-Identifier: Apache-2.0 */
/* first_packet: an Ethernet frame with the first packet of a connection.
 *
 * In: two ends, a protocol    Out: a frame    Owns: nothing    Thread: any. Pure.
 *
 * TCP: a SYN (RFC 9293). UDP: no payload (RFC 768). SCTP: an INIT chunk (RFC 9260). ICMP and ICMPv6:
 * a message of the type with code 0, and for those that have one an identifier (RFC 792, 4443). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

#define FIRST_PACKET_MAX 128 /* bytes */

struct first_packet {
	struct td_addr addr[2]; /* [0] sender, [1] receiver; of one family */
	uint8_t mac[2][6];
	uint8_t protocol; /* IPPROTO_* */
	uint16_t from;    /* source port; ICMP: identifier */
	uint16_t to;      /* destination port; ICMP: type */
};

/* Bytes of the frame written to ret. Every checksum is right but SCTP's, which is zero: it is the
 * receiver's to verify. */
size_t first_packet_build(const struct first_packet *packet, uint8_t ret[static FIRST_PACKET_MAX]);
