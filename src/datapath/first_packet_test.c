/* SPDX-License-Identifier: Apache-2.0 */
#include "first_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "base/address.h"
#include "base/util.h"
#include "tests/bpf/packet.h"

static const struct packet_case {
	const char *name, *src, *dst;
	uint8_t protocol;
	uint16_t from, to;
} cases[] = {
	{ "TCP", "10.0.0.1", "192.0.2.7", IPPROTO_TCP, 40000, 80 },
	{ "UDP", "10.0.0.1", "192.0.2.7", IPPROTO_UDP, 40001, 53 },
	{ "SCTP", "10.0.0.1", "192.0.2.7", IPPROTO_SCTP, 40002, 9 },
	{ "ICMP echo", "10.0.0.1", "192.0.2.7", IPPROTO_ICMP, 7, 8 },
	{ "ICMP echo reply", "10.0.0.1", "192.0.2.7", IPPROTO_ICMP, 65535, 0 },
	{ "TCP over IPv6", "fd00::1", "2001:db8::7", IPPROTO_TCP, 40000, 65535 },
	{ "UDP over IPv6", "fd00::1", "2001:db8::7", IPPROTO_UDP, 40001, 53 },
	{ "SCTP over IPv6", "fd00::1", "2001:db8::7", IPPROTO_SCTP, 40002, 9 },
	{ "ICMPv6 echo", "fd00::1", "2001:db8::7", IPPROTO_ICMPV6, 7, 128 },
};

static const uint8_t macs[2][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };

static size_t build(const struct packet_case *c, uint8_t frame[static FIRST_PACKET_MAX])
{
	struct first_packet packet = { .protocol = c->protocol, .from = c->from, .to = c->to };

	assert_int_equal(address_parse(c->src, &packet.addr[0]), 0);
	assert_int_equal(address_parse(c->dst, &packet.addr[1]), 0);
	memcpy(packet.mac, macs, sizeof(macs));
	return first_packet_build(&packet, frame);
}

/* The tests' own builder, which shares no code with this one. */
static size_t build_otherwise(const struct packet_case *c, uint8_t *frame)
{
	struct packet packet = {
		.src = c->src,
		.dst = c->dst,
		.protocol = c->protocol,
		.sport = c->from,
		.dport = c->to,
		.flags = TCP_SYN,
		.icmp_type = (uint8_t)c->to,
		.id = c->from,
		.payload = "\1\0\0\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", /* an INIT chunk */
		.payload_len = c->protocol == IPPROTO_SCTP ? 20 : 0,
	};

	memcpy(packet.src_mac, macs[0], 6);
	memcpy(packet.dst_mac, macs[1], 6);
	return packet_build(&packet, frame);
}

static void frames_are_byte_for_byte_those_of_another_builder(void **state)
{
	uint8_t frame[FIRST_PACKET_MAX], other[PACKET_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t length = build(&cases[i], frame);

		if (length != build_otherwise(&cases[i], other) || memcmp(frame, other, length))
			fail_msg("%s: the frames differ", cases[i].name);
	}
}

static void checksums_are_right(void **state)
{
	uint8_t frame[FIRST_PACKET_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t length = build(&cases[i], frame);

		if (!packet_checksums_hold(frame, length))
			fail_msg("%s: a checksum is wrong", cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_byte_for_byte_those_of_another_builder),
		cmocka_unit_test(checksums_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
