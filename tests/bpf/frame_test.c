/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as they should not be: spoofed, cut, cut up, wrapped, random. */
#include "suite.h"

#include <stdlib.h>

#define RANDOM_FRAMES 1000000

/* Recent kernels run no program on a frame that is cut within its IP header. */
static size_t shortest(const uint8_t *frame)
{
	uint16_t proto = frame[12] << 8 | frame[13];

	return proto == 0x0800 ? 34 : proto == 0x86dd ? 54 : 15;
}

static void pods_speak_only_as_themselves(void **state)
{
	static const struct {
		const char *name;
		struct packet packet;
		uint8_t reason;
	} rows[] = {
		{ "another pod's address",
		  { .src = "10.0.0.2", .dst = NODE },
		  TD_DROP_INVALID_SOURCE_IP },
		{ "the node's address",
		  { .src = NODE, .dst = "10.0.0.2" },
		  TD_DROP_INVALID_SOURCE_IP },
		{ "an address from outside",
		  { .src = OUTSIDE6, .dst = "fd00::2" },
		  TD_DROP_INVALID_SOURCE_IP },
		{ "a link-local address",
		  { .src = "fe80::5", .dst = "fd00::2" },
		  TD_DROP_INVALID_SOURCE_IP },
		{ "no address",
		  { .src = "0.0.0.0",
		    .dst = "255.255.255.255",
		    .protocol = IPPROTO_UDP,
		    .sport = 68,
		    .dport = 67 },
		  TD_DROP_INVALID_SOURCE_IP },
		{ "another MAC",
		  { .src = "10.0.0.1", .dst = "10.0.0.2", .src_mac = { 0x0e, 0x54, 0, 0, 0, 9 } },
		  TD_DROP_INVALID_SOURCE_MAC },
		{ "a v4-mapped address",
		  { .src = "::ffff:10.0.0.1", .dst = "::ffff:10.0.0.2" },
		  TD_DROP_INVALID_PACKET_DROPPED },
		{ "a router's advertisement",
		  { .src = "fd00::1",
		    .dst = "ff02::1",
		    .protocol = IPPROTO_ICMPV6,
		    .icmp_type = 134 },
		  TD_DROP_FORBIDDEN_ICMPV6_MESSAGE },
		{ "a solicitation that would be routed",
		  { .src = "fd00::1",
		    .dst = OUTSIDE6,
		    .protocol = IPPROTO_ICMPV6,
		    .icmp_type = 135,
		    .ttl = 255 },
		  TD_DROP_FORBIDDEN_ICMPV6_MESSAGE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *world = suite_world(NULL);

		if (world_from_pod(world, 1, &rows[i].packet) != SHOT ||
		    world_drops(world, rows[i].reason, TD_EGRESS) != 1)
			fail_msg("%s passed, or was dropped for another reason", rows[i].name);
	}
}

/* The source is verified by the device even when a connection of the spoofed pod exists. */
static void established_connection_is_not_a_disguise(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = { .src = "10.0.0.1", .dst = NODE, .sport = 1, .dport = 2 };
	const struct packet back = { .src = NODE, .dst = "10.0.0.1", .sport = 2, .dport = 1 };
	struct packet masked = there;

	assert_int_equal(world_from_pod(world, 1, &there), NEXT);
	assert_int_equal(world_to_pod(world, 1, &back, 0), NEXT);
	assert_int_equal(world_from_pod(world, 1, &there), NEXT);
	assert_int_equal(world_from_pod(world, 2, &there), SHOT);
	assert_int_equal(world_drops(world, TD_DROP_INVALID_SOURCE_IP, TD_EGRESS), 1);
	memcpy(masked.src_mac, (uint8_t[]){ TD_POD_MAC0, TD_POD_MAC1, 0, 0, 0, 1 }, 6);
	assert_int_equal(world_from_pod(world, 2, &masked), SHOT);
	assert_int_equal(world_drops(world, TD_DROP_INVALID_SOURCE_MAC, TD_EGRESS), 1);
}

static void outside_does_not_speak_as_inside(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet as_pod = { .src = "10.0.0.2", .dst = "10.0.0.1" };
	const struct packet as_node = { .src = NODE, .dst = "10.0.0.1" };
	const struct packet pod_to_node = { .src = "10.0.0.2", .dst = NODE };
	const struct packet pod6_to_node = { .src = "fd00::2", .dst = NODE6 };

	assert_int_equal(world_from_uplink(world, &as_pod), SHOT);
	assert_int_equal(world_from_uplink(world, &as_node), SHOT);
	assert_int_equal(world_to_pod(world, 1, &as_pod, 0), SHOT);
	assert_int_equal(world_to_pod(world, 1, &as_node, world->uplink), SHOT);
	assert_int_equal(world_drops(world, TD_DROP_INVALID_SOURCE_IP, TD_INGRESS), 4);
	assert_int_equal(world_from_uplink(world, &pod_to_node), SHOT);
	assert_int_equal(world_from_uplink(world, &pod6_to_node), SHOT);
	assert_int_equal(world_drops(world, TD_DROP_INVALID_SOURCE_IP, TD_INGRESS), 6);
	assert_int_equal(world_to_pod(world, 1, &as_node, 0), NEXT);
}

static void add_pod_address(struct world *world, const char *text)
{
	struct td_place place = { POD_IDENTITY(1), world->pod[1], 1, 0 };
	struct td_addr addr = world_address(text);

	assert_int_equal(
		bpf_map_update_elem(world_map(world, "td_addr_map"), &addr, &place, BPF_ANY), 0);
}

/* The prefixes of load_config spare look-ups of sources that are no pod's, and no others. */
static const struct claim_case {
	const char *name, *src;
	uint32_t flags;
	int want;
} claims[] = {
	{ "a pod's", "10.0.0.2", 0, SHOT },
	{ "a pod's, IPv6", "fd00::2", 0, SHOT },
	{ "nobody's, but it could be a pod's", "10.0.0.3", 0, NEXT },
	{ "nobody's, but it could be a pod's, IPv6", "fd00::3", 0, NEXT },
	{ "from outside", OUTSIDE, 0, NEXT },
	{ "from outside, IPv6", OUTSIDE6, 0, NEXT },
	{ "from outside, and pods are anywhere", OUTSIDE, TD_CONFIG_PODS_WIDE, NEXT },
	{ "a pod's outside the prefix", "10.0.1.2", TD_CONFIG_PODS_WIDE, SHOT },
	{ "a pod's outside the prefix, IPv6", "fd00:0:0:1::2", TD_CONFIG_PODS_WIDE, SHOT },
	{ "the unspecified one", "::", 0, NEXT },
};

static const struct claim_case claims_without_prefixes[] = {
	{ "a pod's, no prefixes", "10.0.1.2", 0, SHOT },
	{ "a pod's, no prefixes, IPv6", "fd00:0:0:1::2", 0, SHOT },
	{ "from outside, no prefixes", OUTSIDE, 0, NEXT },
};

static void check_claim(struct world *world, const struct claim_case *claim)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_GRE };
	static const uint16_t ports[] = { 80, 40000 }; /* outside masquerade's range, inside */
	uint64_t before = world_drops(world, TD_DROP_INVALID_SOURCE_IP, TD_INGRESS);
	uint64_t dropped = claim->want == SHOT ? 6 : 0;

	world_config(world, claim->flags, 0);
	for (size_t i = 0; i < 6; i++) {
		const struct packet packet = {
			.src = claim->src,
			.dst = strchr(claim->src, ':') ? NODE6 : NODE,
			.protocol = protocols[i / 2],
			.sport = 1,
			.dport = ports[i % 2],
		};

		if (world_from_uplink(world, &packet) != claim->want)
			fail_msg("%s, protocol %u to port %u", claim->name, packet.protocol,
				 packet.dport);
	}
	assert_int_equal(world_drops(world, TD_DROP_INVALID_SOURCE_IP, TD_INGRESS),
			 before + dropped);
}

static void claims_are_found_wherever_pods_may_be(void **state)
{
	struct td_load_config load = world_load_config();
	struct world *world = suite_world(&load);

	add_pod_address(world, "10.0.1.2");
	add_pod_address(world, "fd00:0:0:1::2");
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
		check_claim(world, &claims[i]);
	load.pods_ipv4 = load.pods_ipv6 = (struct td_cover){};
	world = suite_world(&load);
	add_pod_address(world, "10.0.1.2");
	add_pod_address(world, "fd00:0:0:1::2");
	for (size_t i = 0; i < sizeof(claims_without_prefixes) / sizeof(claims[0]); i++)
		check_claim(world, &claims_without_prefixes[i]);
}

/* On the wire of IPv6, a pod's IPv4 address in its v4-mapped form. */
static void v4_mapped_claim_is_a_claim(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet packet = { .src = OUTSIDE6, .dst = NODE6, .sport = 1, .dport = 80 };
	const struct td_addr pod = world_address("10.0.0.2");
	uint8_t frame[PACKET_MAX];
	size_t len = packet_build(&packet, frame);

	memcpy(frame + 14 + 8, &pod, sizeof(pod));
	assert_int_equal(world_run_frame(world, world->skel->progs.td_from_uplink, frame, len,
					 world->uplink, 0),
			 SHOT);
	assert_int_equal(world_drops(world, TD_DROP_INVALID_SOURCE_IP, TD_INGRESS), 1);
}

/* Who solicits: the pod's address, none yet, or the one of its device; never another's. */
static void neighbour_discovery_of_the_link_goes_to_the_stack(void **state)
{
	static const struct solicit_case {
		const char *src;
		int want;
	} cases[] = {
		{ "fe80::c54:ff:fe00:1", NEXT }, { "fd00::1", NEXT }, { "::", NEXT },
		{ "fe80::c54:ff:fe00:2", SHOT }, { "fe80::5", SHOT }, { "fd00::2", SHOT },
	};
	struct world *world = suite_world(NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct packet solicit = { .src = cases[i].src,
						.dst = "ff02::1:ff00:1",
						.protocol = IPPROTO_ICMPV6,
						.icmp_type = 135,
						.ttl = 255,
						.payload_len = 16 };

		if (world_from_pod(world, 1, &solicit) != cases[i].want)
			fail_msg("solicitation from %s", cases[i].src);
	}
}

static void arp_names_its_true_sender_or_is_dropped(void **state)
{
	static const uint8_t ours[] = { TD_POD_MAC0, TD_POD_MAC1, 0, 0, 0, 1 };
	static const struct arp_case {
		const char *name;
		size_t at; /* of the byte that differs */
		uint8_t byte;
		size_t len;
		int want;
	} cases[] = {
		{ "the truth", 0, 0xff, 42, NEXT },
		{ "another MAC in the frame", 11, 2, 42, SHOT },
		{ "another MAC in the question", 27, 2, 42, SHOT },
		{ "another pod's address", 31, 2, 42, SHOT },
		{ "cut before the sender", 0, 0xff, 24, SHOT },
	};
	struct world *world = suite_world(NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t arp[42] = { [12] = 0x08, [13] = 0x06, [28] = 10, [31] = 1 };

		memcpy(arp + 6, ours, 6);
		memcpy(arp + 22, ours, 6);
		arp[cases[i].at] = cases[i].byte;
		if (world_run_frame(world, world->skel->progs.td_from_pod, arp, cases[i].len,
				    world->pod[1], 0) != cases[i].want)
			fail_msg("ARP: %s", cases[i].name);
	}
}

/* The node's stack would take it for itself, whether or not policy lets the pod to the node. */
static void multicast_and_broadcast_do_not_reach_the_node(void **state)
{
	static const char *const groups[][2] = { { "10.0.0.1", "224.0.0.251" },
						 { "10.0.0.1", "255.255.255.255" },
						 { "fd00::1", "ff02::1" },
						 { "fd00::1", "ff05::2" } };

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		struct world *world = suite_world(NULL);
		const struct packet packet = { .src = groups[i][0],
					       .dst = groups[i][1],
					       .protocol = IPPROTO_UDP,
					       .sport = 5353,
					       .dport = 5353 };

		assert_int_equal(world_from_pod(world, 1, &packet), SHOT);
		assert_int_equal(world_drops(world, TD_DROP_MULTICAST_HANDLED, TD_EGRESS), 1);
	}
}

static void extension_headers_are_walked(void **state)
{
	struct packet packet = {
		.src = "fd00::1", .dst = "fd00::2", .sport = 40000, .dport = 81, .flags = TCP_SYN
	};

	for (unsigned int n = 0; n <= 8; n++) {
		struct world *world = suite_world(NULL);

		world_class(world, 7, IPPROTO_TCP, 80, 70);
		world_row(world, 7, 0, TD_PEER_ANY, 20, 0);
		world_row(world, 7, 70, TD_PEER_ANY, 0, 30);
		world_subject(world, POD_IDENTITY(1), 1, 7, TD_SUBJECT_ENFORCED);
		packet.extensions = n;
		packet.dport = 81;
		assert_int_equal(world_from_pod(world, 1, &packet), n > 6 ? SHOT : REDIRECT);
		packet.dport = 80;
		assert_int_equal(world_from_pod(world, 1, &packet), SHOT);
		assert_int_equal(world_drops(world, TD_DROP_POLICY_DENY, TD_EGRESS), n > 6 ? 0 : 1);
		assert_int_equal(
			world_drops(world, TD_DROP_INVALID_IPV6_EXTENSION_HEADER, TD_EGRESS),
			n > 6 ? 2 : 0);
	}
}

/* Tails have no ports: they follow their head's verdict and never go before it. */
static void fragments_follow_their_head(void **state)
{
	static const char *const ends[][2] = { { "10.0.0.1", "10.0.0.2" },
					       { "fd00::1", "fd00::2" } };

	for (size_t i = 0; i < 2; i++) {
		struct world *world = suite_world(NULL);
		struct packet head = { .src = ends[i][0],
				       .dst = ends[i][1],
				       .sport = 40000,
				       .dport = 80,
				       .protocol = IPPROTO_UDP,
				       .payload_len = 64,
				       .more = true,
				       .fragment_id = 7 };
		struct packet tail = head;

		tail.fragment = 72;
		tail.more = false;
		assert_int_equal(world_from_pod(world, 1, &tail), SHOT);
		assert_int_equal(world_drops(world,
					     TD_DROP_FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND,
					     TD_EGRESS),
				 1);
		assert_int_equal(world_from_pod(world, 1, &head), REDIRECT);
		assert_int_equal(world_from_pod(world, 1, &tail), REDIRECT);
		world_subject(world, POD_IDENTITY(1), 1, 9, TD_SUBJECT_ENFORCED);
		head.fragment_id = tail.fragment_id = 8;
		head.sport = 40001;
		assert_int_equal(world_from_pod(world, 1, &head), SHOT);
		assert_int_equal(world_from_pod(world, 1, &tail), SHOT);
	}
}

/* Errors pass with the connection they are about, and only with it. */
static void icmp_errors_go_with_their_connection(void **state)
{
	static const struct {
		const char *one, *two;
		uint8_t protocol;
		uint8_t type;
		uint32_t fragment_id;
	} rows[] = {
		{ "10.0.0.1", "10.0.0.2", IPPROTO_ICMP, 3, 0 },
		{ "fd00::1", "fd00::2", IPPROTO_ICMPV6, 1, 0 },
		{ "10.0.0.1", "10.0.0.2", IPPROTO_ICMP, 3, 7 },
		{ "fd00::1", "fd00::2", IPPROTO_ICMPV6, 2, 7 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world *world = suite_world(NULL);
		struct packet datagram = { .src = rows[i].one,
					   .dst = rows[i].two,
					   .sport = 40000,
					   .dport = 80,
					   .protocol = IPPROTO_UDP,
					   .payload_len = 8,
					   .fragment_id = rows[i].fragment_id,
					   .more = rows[i].fragment_id != 0 };
		const struct packet error = { .src = rows[i].two,
					      .dst = rows[i].one,
					      .protocol = rows[i].protocol,
					      .icmp_type = rows[i].type,
					      .inner = &datagram };
		struct packet other = error;

		world_subject(world, POD_IDENTITY(1), 9, 1, TD_SUBJECT_ENFORCED);
		assert_int_equal(world_from_pod(world, 2, &error), SHOT);
		assert_int_equal(world_from_pod(world, 1, &datagram), REDIRECT);
		assert_int_equal(world_from_pod(world, 2, &error), REDIRECT);
		assert_int_equal(world_event(world, TD_EVENT_TRACE)->reason, TD_REASON_RELATED);
		/* About another connection, or sent to someone who did not send the packet. */
		datagram.dport = 81;
		assert_int_equal(world_from_pod(world, 2, &error), SHOT);
		datagram.dport = 80;
		other.dst = i & 1 ? NODE6 : NODE;
		world_subject(world, POD_IDENTITY(2), 1, 9, TD_SUBJECT_ENFORCED);
		assert_int_equal(world_from_pod(world, 2, &other), SHOT);
	}
}

/* Every length of a good frame but the whole one, through every program. */
static void cut_frames_are_dropped_or_left_to_the_stack(void **state)
{
	static const struct packet packets[] = {
		{ .src = "10.0.0.1", .dst = "10.0.0.2", .sport = 1, .dport = 2 },
		{ .src = "fd00::1", .dst = "fd00::2", .sport = 1, .dport = 2 },
		{ .src = "10.0.0.1", .dst = "10.0.0.2", .protocol = IPPROTO_UDP },
		{ .src = "fd00::1",
		  .dst = "fd00::2",
		  .protocol = IPPROTO_ICMPV6,
		  .icmp_type = 128 },
		{ .src = "fd00::1", .dst = "fd00::2", .extensions = 3 },
	};
	struct world *world = suite_world(NULL);

	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct packet packet = packets[i];
		uint8_t frame[PACKET_MAX];
		size_t len;

		memcpy(packet.src_mac, (uint8_t[]){ TD_POD_MAC0, TD_POD_MAC1, 0, 0, 0, 1 }, 6);
		len = packet_build(&packet, frame);
		for (size_t cut = shortest(frame); cut < len; cut++)
			assert_int_equal(world_run_frame(world, world->skel->progs.td_from_pod,
							 frame, cut, world->pod[1], 0),
					 SHOT);
		assert_int_equal(world_run_frame(world, world->skel->progs.td_from_pod, frame, len,
						 world->pod[1], 0),
				 REDIRECT);
	}
}

static uint64_t random_state = 88172645463325252ull;

/* xorshift64 (Marsaglia): the same frames in every run. */
static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* A frame that gets past the first checks: a real one, or the head of one, with bytes changed. */
static size_t random_frame(uint8_t *frame)
{
	static const char *const v4[] = { "10.0.0.1", "10.0.0.2", NODE, OUTSIDE };
	static const char *const v6[] = { "fd00::1", "fd00::2", NODE6, OUTSIDE6 };
	static const uint8_t protocols[] = { IPPROTO_TCP,    IPPROTO_UDP,  IPPROTO_ICMP,
					     IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_GRE };
	uint64_t r = random_next();
	const char *const *addresses = r & 1 ? v6 : v4;
	const struct packet inner = { .src = addresses[r >> 1 & 3],
				      .dst = addresses[r >> 3 & 3],
				      .sport = r >> 5 & 3,
				      .dport = r >> 7 & 3 };
	const struct packet packet = {
		.src = addresses[r >> 9 & 3],
		.dst = addresses[r >> 11 & 3],
		.src_mac = { TD_POD_MAC0, TD_POD_MAC1, 0, 0, 0, 1 },
		.protocol = protocols[(r >> 13 & 7) % 6],
		.sport = r >> 16 & 3,
		.dport = r >> 18 & 3,
		.flags = r >> 20 & 0x1f,
		.icmp_type = r >> 25 & 15,
		.inner = r >> 29 & 1 ? &inner : NULL,
		.extensions = r >> 30 & 3,
		.fragment_id = r >> 32 & 1,
		.fragment = r >> 33 & 1 ? 8 : 0,
		.more = r >> 34 & 1,
		.payload_len = r >> 35 & 63,
	};
	size_t len = packet_build(&packet, frame);

	for (uint64_t n = r >> 41 & 3; n; n--) {
		uint64_t change = random_next();

		frame[12 + change % (len - 12)] = change >> 32;
	}
	if ((r >> 43 & 3) == 0)
		len = shortest(frame) + random_next() % (len - 33);
	return len < shortest(frame) ? shortest(frame) : len;
}

/* Nothing is allowed: whatever comes, no program may hand it to a pod. What is not for a pod may
 * only pass untouched, and only on an uplink. */
static void random_frames_never_pass_a_denial(void **state)
{
	struct td_load_config load = world_load_config();
	struct world *world;
	uint8_t frame[PACKET_MAX];

	load.drop_report_interval = TD_TICKS(3600);
	world = suite_world(&load);
	world_subject(world, POD_IDENTITY(1), 9, 9, TD_SUBJECT_ENFORCED);
	world_subject(world, POD_IDENTITY(2), 9, 9, TD_SUBJECT_ENFORCED);
	world_row(world, 9, 0, TD_PEER_ANY, 0, 30);
	world_masquerade(world, NODE, NODE6);
	for (size_t i = 0; i < RANDOM_FRAMES; i++) {
		size_t len = random_frame(frame);
		int ret;

		switch (i & 3) {
		case 0:
		case 1:
			ret = world_run_frame(world, world->skel->progs.td_from_pod, frame, len,
					      world->pod[1], 0);
			/* ARP and solicitations may go to the stack. */
			if (ret == SHOT || (ret == NEXT && (frame[12] != 8 || frame[13] != 0)))
				break;
			fail_msg("frame %zu left the pod: %d", i, ret);
			break;
		case 2:
			ret = world_run_frame(world, world->skel->progs.td_to_pod, frame, len,
					      world->pod[1], world->uplink);
			if (ret != SHOT && !(frame[12] == 8 && frame[13] == 6))
				fail_msg("frame %zu reached the pod: %d", i, ret);
			break;
		default:
			ret = world_run_frame(world, world->skel->progs.td_from_uplink, frame, len,
					      world->uplink, 0);
			if (ret == REDIRECT)
				fail_msg("frame %zu reached a pod", i);
			if (ret == NEXT)
				assert_memory_equal(world->frame, frame, len);
		}
		for (size_t e = 0; e < world->event_count; e++) {
			assert_in_range(world->events[e].kind, TD_EVENT_TRACE, TD_EVENT_DNS);
			assert_int_not_equal(world->events[e].kind, TD_EVENT_TRACE);
		}
	}
	assert_int_equal(world_stat(world, TD_STAT_CT_CREATED), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_speak_only_as_themselves),
		cmocka_unit_test(established_connection_is_not_a_disguise),
		cmocka_unit_test(outside_does_not_speak_as_inside),
		cmocka_unit_test(claims_are_found_wherever_pods_may_be),
		cmocka_unit_test(v4_mapped_claim_is_a_claim),
		cmocka_unit_test(neighbour_discovery_of_the_link_goes_to_the_stack),
		cmocka_unit_test(arp_names_its_true_sender_or_is_dropped),
		cmocka_unit_test(multicast_and_broadcast_do_not_reach_the_node),
		cmocka_unit_test(extension_headers_are_walked),
		cmocka_unit_test(fragments_follow_their_head),
		cmocka_unit_test(icmp_errors_go_with_their_connection),
		cmocka_unit_test(cut_frames_are_dropped_or_left_to_the_stack),
		cmocka_unit_test(random_frames_never_pass_a_denial),
	};

	return suite_run("frame", tests, sizeof(tests) / sizeof(tests[0]));
}
