/* SPDX-License-Identifier: Apache-2.0 */
/* Masquerade: out with the node's address, back to the pod, checksums right both ways. */
#include "suite.h"

#include <errno.h>
#include <sys/socket.h>

static struct world *nat_world(const struct td_load_config *load, const struct world_sizes *sizes)
{
	struct world *world = suite_world_with(load, sizes);

	world_masquerade(world, NODE, NODE6);
	return world;
}

static void assert_ends(const struct world *world, const char *src, const char *dst)
{
	assert_string_equal(packet_address(world->frame, 0), src);
	assert_string_equal(packet_address(world->frame, 1), dst);
	assert_true(packet_checksums_hold(world->frame, world->frame_len));
}

static const struct round_trip {
	const char *name, *pod, *node;
	struct packet out, back;
} trips[] = {
	{ "TCP over IPv4",
	  "10.0.0.1",
	  NODE,
	  { .src = "10.0.0.1", .dst = OUTSIDE, .sport = 40000, .dport = 443, .flags = TCP_SYN },
	  { .src = OUTSIDE,
	    .dst = NODE,
	    .sport = 443,
	    .dport = 40000,
	    .flags = TCP_SYN | TCP_ACK } },
	{ "TCP over IPv6",
	  "fd00::1",
	  NODE6,
	  { .src = "fd00::1",
	    .dst = OUTSIDE6,
	    .sport = 40000,
	    .dport = 443,
	    .flags = TCP_SYN,
	    .payload_len = 3 },
	  { .src = OUTSIDE6,
	    .dst = NODE6,
	    .sport = 443,
	    .dport = 40000,
	    .flags = TCP_SYN | TCP_ACK } },
	{ "UDP over IPv4",
	  "10.0.0.1",
	  NODE,
	  { .src = "10.0.0.1",
	    .dst = OUTSIDE,
	    .sport = 40000,
	    .dport = 53,
	    .protocol = IPPROTO_UDP,
	    .payload_len = 33 },
	  { .src = OUTSIDE,
	    .dst = NODE,
	    .sport = 53,
	    .dport = 40000,
	    .protocol = IPPROTO_UDP,
	    .payload_len = 77 } },
	{ "UDP over IPv6",
	  "fd00::1",
	  NODE6,
	  { .src = "fd00::1",
	    .dst = OUTSIDE6,
	    .sport = 40000,
	    .dport = 123,
	    .protocol = IPPROTO_UDP,
	    .payload_len = 48 },
	  { .src = OUTSIDE6,
	    .dst = NODE6,
	    .sport = 123,
	    .dport = 40000,
	    .protocol = IPPROTO_UDP,
	    .payload_len = 48 } },
	{ "echo over IPv4",
	  "10.0.0.1",
	  NODE,
	  { .src = "10.0.0.1",
	    .dst = OUTSIDE,
	    .protocol = IPPROTO_ICMP,
	    .icmp_type = 8,
	    .id = 40711,
	    .payload_len = 56 },
	  { .src = OUTSIDE,
	    .dst = NODE,
	    .protocol = IPPROTO_ICMP,
	    .icmp_type = 0,
	    .id = 40711,
	    .payload_len = 56 } },
	{ "echo over IPv6",
	  "fd00::1",
	  NODE6,
	  { .src = "fd00::1",
	    .dst = OUTSIDE6,
	    .protocol = IPPROTO_ICMPV6,
	    .icmp_type = 128,
	    .id = 40711,
	    .payload_len = 56 },
	  { .src = OUTSIDE6,
	    .dst = NODE6,
	    .protocol = IPPROTO_ICMPV6,
	    .icmp_type = 129,
	    .id = 40711,
	    .payload_len = 56 } },
	{ "SCTP over IPv4",
	  "10.0.0.1",
	  NODE,
	  { .src = "10.0.0.1",
	    .dst = OUTSIDE,
	    .sport = 40000,
	    .dport = 80,
	    .protocol = IPPROTO_SCTP },
	  { .src = OUTSIDE, .dst = NODE, .sport = 80, .dport = 40000, .protocol = IPPROTO_SCTP } },
};

static void packets_go_out_as_the_node_and_come_back(void **state)
{
	for (size_t i = 0; i < sizeof(trips) / sizeof(trips[0]); i++) {
		const struct round_trip *t = &trips[i];
		struct world *world = nat_world(NULL, NULL);
		const struct td_event *event;
		struct td_ct ct;

		/* Nobody may call the pod: only replies come in. */
		world_subject(world, POD_IDENTITY(1), 9, 1, TD_SUBJECT_ENFORCED);
		for (int again = 0; again < 3; again++) {
			if (world_from_pod(world, 1, &t->out) != REDIRECT)
				fail_msg("%s: not sent out", t->name);
			assert_ends(world, t->node, t->out.dst);
			assert_int_equal(packet_ttl(world->frame), 63);
			if (!again) {
				event = world_event(world, TD_EVENT_TRACE);
				assert_non_null(event);
				assert_int_equal(event->point, TD_TO_STACK);
				assert_true(event->flags & TD_EVENT_NAT);
			}
			if (world_from_uplink(world, &t->back) != REDIRECT)
				fail_msg("%s: not brought back", t->name);
			assert_ends(world, t->back.src, t->pod);
		}
		assert_true(world_connection(world, "td_ct", &t->out, &ct));
		assert_true(ct.flags & TD_CT_NAT);
		assert_int_equal(ct.packets[1], 3);
	}
}

static void udp_without_checksum_stays_without(void **state)
{
	struct world *world = nat_world(NULL, NULL);
	struct packet out = trips[2].out, back = trips[2].back;

	out.no_checksum = true;
	back.no_checksum = true;
	assert_int_equal(world_from_pod(world, 1, &out), REDIRECT);
	assert_int_equal(packet_l4(world->frame)[6] | packet_l4(world->frame)[7], 0);
	assert_int_equal(world_from_uplink(world, &back), REDIRECT);
	assert_int_equal(packet_l4(world->frame)[6] | packet_l4(world->frame)[7], 0);
	assert_ends(world, OUTSIDE, "10.0.0.1");
}

static void taken_port_is_exchanged(void **state)
{
	static const size_t kinds[] = { 0, 1, 2, 4, 5 };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct round_trip *t = &trips[kinds[i]];
		struct world *world = nat_world(NULL, NULL);
		struct packet out = t->out, back = t->back;
		bool echo = out.id != 0;
		uint16_t port;

		assert_int_equal(world_from_pod(world, 1, &t->out), REDIRECT);
		out.src = strchr(out.src, ':') ? "fd00::2" : "10.0.0.2";
		assert_int_equal(world_from_pod(world, 2, &out), REDIRECT);
		assert_ends(world, t->node, t->out.dst);
		port = packet_port(world->frame, echo ? 2 : 0);
		assert_in_range(port, 40000, 40999);
		back.dport = back.id = port;
		assert_int_equal(world_from_uplink(world, &back), REDIRECT);
		assert_ends(world, back.src, out.src);
		assert_int_equal(packet_port(world->frame, echo ? 2 : 1),
				 echo ? out.id : out.sport);
	}
}

/* A socket of the node may wear such a port towards the same server. */
static void port_outside_the_range_is_exchanged(void **state)
{
	static const uint16_t ports[] = { 1024, 39999, 41000, 65535 };
	static const size_t kinds[] = { 0, 1, 2, 4, 5 };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (size_t j = 0; j < sizeof(ports) / sizeof(ports[0]); j++) {
			const struct round_trip *t = &trips[kinds[i]];
			struct world *world = nat_world(NULL, NULL);
			struct packet out = t->out, back = t->back;
			bool echo = out.id != 0;
			uint16_t port;

			out.sport = out.id = ports[j];
			assert_int_equal(world_from_pod(world, 1, &out), REDIRECT);
			assert_ends(world, t->node, out.dst);
			port = packet_port(world->frame, echo ? 2 : 0);
			assert_in_range(port, 40000, 40999);
			back.dport = back.id = port;
			assert_int_equal(world_from_uplink(world, &back), REDIRECT);
			assert_ends(world, back.src, t->pod);
			assert_int_equal(packet_port(world->frame, echo ? 2 : 1), ports[j]);
		}
}

static int socket_of_the_node(int type, const char *address, uint16_t port)
{
	const struct sockaddr_in local = { .sin_family = AF_INET,
					   .sin_port = htons(port),
					   .sin_addr.s_addr = inet_addr(address) };
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&local, sizeof(local)), 0);
	return fd;
}

static void call_outside(int fd, uint16_t port)
{
	const struct sockaddr_in remote = { .sin_family = AF_INET,
					    .sin_port = htons(port),
					    .sin_addr.s_addr = inet_addr(OUTSIDE) };

	/* TCP: on its way, and stays there. */
	if (connect(fd, (const struct sockaddr *)&remote, sizeof(remote)) < 0)
		assert_int_equal(errno, EINPROGRESS);
}

/* Else a pod could have what is meant for the node delivered to itself, by choosing its port. */
static void port_of_the_node_is_not_taken(void **state)
{
	static const struct {
		size_t trip;
		int type;
		bool listen, call;
	} rows[] = {
		{ 0, SOCK_STREAM, .listen = true },
		{ 0, SOCK_STREAM, .call = true },
		{ 2, SOCK_DGRAM, .call = false },
		{ 2, SOCK_DGRAM, .call = true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct round_trip *t = &trips[rows[i].trip];
		struct world *world = nat_world(NULL, NULL);
		int fd = socket_of_the_node(rows[i].type, rows[i].call ? NODE : "0.0.0.0",
					    t->out.sport);

		if (rows[i].listen)
			assert_int_equal(listen(fd, 1), 0);
		if (rows[i].call)
			call_outside(fd, t->out.dport);
		assert_int_equal(world_from_pod(world, 1, &t->out), REDIRECT);
		assert_ends(world, NODE, OUTSIDE);
		assert_in_range(packet_port(world->frame, 0), 40000, 40999);
		assert_int_not_equal(packet_port(world->frame, 0), t->out.sport);
		assert_int_equal(world_from_uplink(world, &t->back), NEXT);
		close(fd);
	}
}

static void port_the_node_uses_since_is_the_nodes(void **state)
{
	static const struct {
		size_t trip;
		int type;
	} rows[] = { { 0, SOCK_STREAM }, { 2, SOCK_DGRAM } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct round_trip *t = &trips[rows[i].trip];
		struct world *world = nat_world(NULL, NULL);
		int fd;

		assert_int_equal(world_from_pod(world, 1, &t->out), REDIRECT);
		assert_int_equal(packet_port(world->frame, 0), t->out.sport);
		fd = socket_of_the_node(rows[i].type, NODE, t->out.sport);
		call_outside(fd, t->out.dport);
		assert_int_equal(world_from_uplink(world, &t->back), NEXT);
		assert_ends(world, OUTSIDE, NODE);
		close(fd);
		assert_int_equal(world_from_uplink(world, &t->back), REDIRECT);
		assert_ends(world, OUTSIDE, "10.0.0.1");
	}
}

static void full_table_drops_what_it_cannot_bring_back(void **state)
{
	const struct world_sizes sizes = { .nat = 1 };
	struct world *world = nat_world(NULL, &sizes);
	struct packet second = trips[0].out;

	assert_int_equal(world_from_pod(world, 1, &trips[0].out), REDIRECT);
	second.sport++;
	assert_int_equal(world_from_pod(world, 1, &second), SHOT);
	assert_int_equal(world_stat(world, TD_STAT_NAT_FULL), 1);
	assert_int_equal(world_drops(world, TD_DROP_NO_MAPPING_FOR_NAT_MASQUERADE, TD_EGRESS), 1);
}

static void range_without_a_free_port_drops(void **state)
{
	struct td_load_config load = world_load_config();
	struct packet second = trips[0].out;
	struct world *world;

	load.nat_port_min = load.nat_port_max = trips[0].out.sport;
	world = nat_world(&load, NULL);
	assert_int_equal(world_from_pod(world, 1, &trips[0].out), REDIRECT);
	second.src = "10.0.0.2";
	assert_int_equal(world_from_pod(world, 2, &second), SHOT);
}

static void port_of_a_closed_connection_is_taken_over_when_none_is_free(void **state)
{
	struct td_load_config load = world_load_config();
	struct packet first = trips[0].out, second = trips[0].out, back = trips[0].back;
	struct world *world;

	load.nat_port_min = load.nat_port_max = first.sport;
	world = nat_world(&load, NULL);
	second.src = "10.0.0.2";
	second.sport = first.sport + 1;
	assert_int_equal(world_from_pod(world, 1, &first), REDIRECT);
	assert_int_equal(world_from_pod(world, 2, &second), SHOT);
	first.flags = TCP_RST;
	assert_int_equal(world_from_pod(world, 1, &first), REDIRECT);
	assert_int_equal(world_from_pod(world, 2, &second), REDIRECT);
	assert_ends(world, trips[0].node, OUTSIDE);
	back.dport = trips[0].out.sport;
	assert_int_equal(world_from_uplink(world, &back), REDIRECT);
	assert_ends(world, back.src, "10.0.0.2");
	assert_int_equal(packet_port(world->frame, 1), second.sport);
	/* It is worn now. */
	second.sport++;
	assert_int_equal(world_from_pod(world, 2, &second), SHOT);
}

/* The only entry of `map` becomes one of a previous build with the same layout. */
static void make_previous(const struct world *world, const char *map, const char *previous)
{
	struct td_ct_key key;
	struct td_ct ct;

	assert_int_equal(bpf_map_get_next_key(world_map(world, map), NULL, &key), 0);
	assert_int_equal(bpf_map_lookup_elem(world_map(world, map), &key, &ct), 0);
	assert_int_equal(bpf_map_update_elem(world_map(world, previous), &key, &ct, BPF_ANY), 0);
	assert_int_equal(bpf_map_delete_elem(world_map(world, map), &key), 0);
}

static void port_of_a_connection_that_has_not_moved_over_is_taken_over(void **state)
{
	const struct world_sizes sizes = { .prev = { sizeof(struct td_ct),
						     sizeof(struct td_nat) } };
	struct td_load_config load = world_load_config();
	struct packet first = trips[0].out, second = trips[0].out;

	load.nat_port_min = load.nat_port_max = first.sport;
	second.src = "10.0.0.2";
	for (int over = 0; over < 2; over++) {
		struct world *world = nat_world(&load, &sizes);

		first.flags = TCP_SYN;
		assert_int_equal(world_from_pod(world, 1, &first), REDIRECT);
		first.flags = TCP_RST;
		if (over)
			assert_int_equal(world_from_pod(world, 1, &first), REDIRECT);
		make_previous(world, "td_ct_new", "td_ct_new_prev");
		world_config(world, TD_CONFIG_CT_PREV, 0);
		assert_int_equal(world_from_pod(world, 2, &second), over ? REDIRECT : SHOT);
	}
}

static void other_protocols_are_not_masqueraded(void **state)
{
	struct world *world = nat_world(NULL, NULL);
	const struct packet gre = {
		.src = "10.0.0.1", .dst = OUTSIDE, .protocol = IPPROTO_GRE, .payload_len = 30
	};

	assert_int_equal(world_from_pod(world, 1, &gre), SHOT);
	assert_int_equal(
		world_drops(world, TD_DROP_UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE, TD_EGRESS), 1);
}

static void excepted_destinations_see_the_pod(void **state)
{
	struct world *world = nat_world(NULL, NULL);
	struct td_cidr_key key = { .prefixlen = 96 + 24, .addr = world_address("203.0.113.0") };
	uint32_t one = 1;

	bpf_map_update_elem(world_map(world, "td_no_masq"), &key, &one, BPF_ANY);
	assert_int_equal(world_from_pod(world, 1, &trips[0].out), REDIRECT);
	assert_ends(world, "10.0.0.1", OUTSIDE);
}

static void stack_routed_packets_are_masqueraded_at_the_device(void **state)
{
	struct world *world = nat_world(NULL, NULL);
	struct packet out = trips[0].out;

	/* Too old for another hop: the stack gets it, as it is. */
	out.ttl = 1;
	assert_int_equal(world_from_pod(world, 1, &out), NEXT);
	assert_ends(world, "10.0.0.1", OUTSIDE);
	out.ttl = 64;
	assert_int_equal(world_to_uplink(world, &out), NEXT);
	assert_ends(world, NODE, OUTSIDE);
	assert_int_equal(world_from_uplink(world, &trips[0].back), REDIRECT);
	assert_ends(world, OUTSIDE, "10.0.0.1");
}

static void pod_without_a_connection_does_not_leave_by_the_stack(void **state)
{
	struct world *world = nat_world(NULL, NULL);

	assert_int_equal(world_to_uplink(world, &trips[0].out), SHOT);
}

static void traffic_of_the_node_is_untouched(void **state)
{
	struct world *world = nat_world(NULL, NULL);
	const struct packet in = { .src = OUTSIDE, .dst = NODE, .sport = 443, .dport = 50000 };
	const struct packet out = { .src = NODE, .dst = OUTSIDE, .sport = 50000, .dport = 443 };
	const struct packet through = { .src = OUTSIDE, .dst = "192.0.2.77", .dport = 1 };
	struct packet small = in;

	small.protocol = IPPROTO_UDP;
	assert_int_equal(world_from_uplink(world, &in), NEXT);
	assert_ends(world, OUTSIDE, NODE);
	assert_int_equal(world_from_uplink(world, &small), NEXT);
	assert_int_equal(world_to_uplink(world, &out), NEXT);
	assert_ends(world, NODE, OUTSIDE);
	assert_int_equal(world_from_uplink(world, &through), NEXT);
	assert_int_equal(world->event_count, 0);
}

/* "Fragmentation needed" from a router on the way: it quotes the packet as it was outside. */
static void errors_about_masqueraded_packets_reach_the_pod(void **state)
{
	static const size_t kinds[] = { 0, 1, 2, 3, 4 };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct round_trip *t = &trips[kinds[i]];
		bool ipv6 = strchr(t->pod, ':');
		struct world *world = nat_world(NULL, NULL);
		struct packet blocker = t->out, outside = t->out;
		const struct packet error = {
			.src = ipv6 ? "2001:db8:99::1" : "203.0.113.254",
			.dst = t->node,
			.protocol = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			.icmp_type = 3,
			.icmp_code = ipv6 ? 0 : 4,
			.inner = &outside,
		};
		const uint8_t *quoted;

		/* So that the port changes too. */
		blocker.src = ipv6 ? "fd00::2" : "10.0.0.2";
		assert_int_equal(world_from_pod(world, 2, &blocker), REDIRECT);
		assert_int_equal(world_from_pod(world, 1, &t->out), REDIRECT);
		outside.src = t->node;
		outside.sport = outside.id = packet_port(world->frame, t->out.id ? 2 : 0);
		world_subject(world, POD_IDENTITY(1), 9, 1, TD_SUBJECT_ENFORCED);
		if (world_from_uplink(world, &error) != REDIRECT)
			fail_msg("%s: error not brought back", t->name);
		assert_ends(world, error.src, t->pod);
		assert_int_equal(world_event(world, TD_EVENT_TRACE)->reason, TD_REASON_RELATED);
		quoted = packet_l4(world->frame) + 8 - 14; /* a frame without its first 14 bytes */
		assert_string_equal(packet_address(quoted, 0), t->pod);
		assert_string_equal(packet_address(quoted, 1), ipv6 ? OUTSIDE6 : OUTSIDE);
		assert_int_equal(packet_port(quoted, t->out.id ? 2 : 0),
				 t->out.id ? t->out.id : t->out.sport);
	}
}

/* A pod's "port unreachable" about a late answer: it quotes the packet as the pod saw it. */
static void errors_of_the_pod_leave_as_the_nodes(void **state)
{
	struct world *world = nat_world(NULL, NULL);
	const struct round_trip *t = &trips[2];
	struct packet answer = t->back;
	const struct packet error = { .src = "10.0.0.1",
				      .dst = OUTSIDE,
				      .protocol = IPPROTO_ICMP,
				      .icmp_type = 3,
				      .icmp_code = 3,
				      .inner = &answer };
	const uint8_t *quoted;

	world_from_pod(world, 1, &t->out);
	world_from_uplink(world, &t->back);
	answer.dst = "10.0.0.1";
	assert_int_equal(world_from_pod(world, 1, &error), REDIRECT);
	assert_ends(world, NODE, OUTSIDE);
	quoted = packet_l4(world->frame) + 8 - 14;
	assert_string_equal(packet_address(quoted, 1), NODE);
}

static void fragments_of_a_masqueraded_packet_follow_its_head(void **state)
{
	struct world *world = nat_world(NULL, NULL);
	struct packet head = { .src = "10.0.0.1",
			       .dst = OUTSIDE,
			       .sport = 40000,
			       .dport = 9,
			       .protocol = IPPROTO_UDP,
			       .payload_len = 64,
			       .more = true,
			       .fragment_id = 99 };
	struct packet tail = head, stray = head;

	tail.fragment = 72;
	tail.more = false;
	stray.fragment = 72;
	stray.fragment_id = 100;
	assert_int_equal(world_from_pod(world, 1, &head), REDIRECT);
	assert_int_equal(world_from_pod(world, 1, &tail), REDIRECT);
	assert_string_equal(packet_address(world->frame, 0), NODE);
	assert_int_equal(world_from_pod(world, 1, &stray), SHOT);
	head.src = tail.src = OUTSIDE;
	head.dst = tail.dst = NODE;
	head.sport = 9;
	head.dport = 40000;
	assert_int_equal(world_from_uplink(world, &head), REDIRECT);
	assert_int_equal(world_from_uplink(world, &tail), REDIRECT);
	assert_string_equal(packet_address(world->frame, 1), "10.0.0.1");
}

static void mapping_without_its_connection_brings_nothing_in(void **state)
{
	struct world *world = nat_world(NULL, NULL);
	struct td_nat_key key = { .remote = world_address(OUTSIDE),
				  .local = world_address(NODE),
				  .remote_port = htons(443),
				  .local_port = htons(40000),
				  .protocol = IPPROTO_TCP };
	struct td_nat nat = { .pod = world_address("10.0.0.1"), .pod_port = htons(40000) };

	bpf_map_update_elem(world_map(world, "td_nat"), &key, &nat, BPF_ANY);
	assert_int_equal(world_from_uplink(world, &trips[0].back), NEXT);
	assert_ends(world, OUTSIDE, NODE);
}

/* Gives the connection of `trip` a second mapping, of another port: as an earlier run, with another
 * range, might have made it. Returns the answer to it. */
static struct packet map_port(struct world *world, const struct round_trip *trip, uint16_t port)
{
	struct packet back = trip->back;
	struct td_nat_key key = { .remote = world_address(back.src),
				  .local = world_address(back.dst),
				  .remote_port = htons(back.sport),
				  .local_port = htons(port),
				  .protocol = back.protocol ? back.protocol : IPPROTO_TCP };
	struct td_nat nat = { .pod = world_address(trip->pod), .pod_port = htons(trip->out.sport) };

	assert_int_equal(world_from_pod(world, 1, &trip->out), REDIRECT);
	assert_int_equal(bpf_map_update_elem(world_map(world, "td_nat"), &key, &nat, BPF_ANY), 0);
	back.dport = port;
	return back;
}

static void only_ports_of_the_range_are_looked_up(void **state)
{
	static const struct {
		uint16_t min, max, port;
		int want;
	} rows[] = {
		{ 40000, 40999, 40000, REDIRECT }, { 40000, 40999, 40999, REDIRECT },
		{ 40000, 40999, 39999, NEXT },     { 40000, 40999, 41000, NEXT },
		{ 40000, 40999, 80, NEXT },        { 40000, 40000, 40000, REDIRECT },
		{ 40000, 40000, 40001, NEXT },     { 1024, 65535, 65535, REDIRECT },
		{ 1024, 65535, 1023, NEXT },
	};
	struct td_load_config load = world_load_config();
	struct world *world = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!world || load.nat_port_min != rows[i].min ||
		    load.nat_port_max != rows[i].max) {
			load.nat_port_min = rows[i].min;
			load.nat_port_max = rows[i].max;
			world = nat_world(&load, NULL);
		}
		for (size_t j = 0; j < 4; j++) {
			struct packet back = map_port(world, &trips[j], rows[i].port);

			if (world_from_uplink(world, &back) != rows[i].want)
				fail_msg("%s, port %u of %u..%u", trips[j].name, rows[i].port,
					 rows[i].min, rows[i].max);
		}
	}
}

static void old_mapping_outside_the_range_is_found_when_there_may_be_some(void **state)
{
	struct world *world = nat_world(NULL, NULL);

	for (size_t i = 0; i < 4; i++) {
		struct packet back = map_port(world, &trips[i], 50000), other = back;

		other.dport = 50001;
		world_config(world, 0, 0);
		assert_int_equal(world_from_uplink(world, &back), NEXT);
		world_config(world, TD_CONFIG_NAT_WIDE, 0);
		assert_int_equal(world_from_uplink(world, &other), NEXT);
		assert_ends(world, trips[i].back.src, trips[i].node);
		assert_int_equal(world_from_uplink(world, &back), REDIRECT);
		assert_ends(world, trips[i].back.src, trips[i].pod);
		assert_int_equal(packet_port(world->frame, 1), trips[i].out.sport);
		world_config(world, TD_CONFIG_CT_PREV, 0);
		assert_int_equal(world_from_uplink(world, &back), REDIRECT);
	}
}

/* Its port is the pod's, whatever the range. */
static void port_of_sctp_is_looked_up_outside_the_range(void **state)
{
	struct world *world = nat_world(NULL, NULL);
	struct packet out = trips[6].out, back = trips[6].back;

	out.sport = back.dport = 50000;
	assert_int_equal(world_from_pod(world, 1, &out), REDIRECT);
	assert_int_equal(world_from_uplink(world, &back), REDIRECT);
	assert_ends(world, OUTSIDE, "10.0.0.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_go_out_as_the_node_and_come_back),
		cmocka_unit_test(udp_without_checksum_stays_without),
		cmocka_unit_test(taken_port_is_exchanged),
		cmocka_unit_test(port_outside_the_range_is_exchanged),
		cmocka_unit_test(port_of_the_node_is_not_taken),
		cmocka_unit_test(port_the_node_uses_since_is_the_nodes),
		cmocka_unit_test(full_table_drops_what_it_cannot_bring_back),
		cmocka_unit_test(range_without_a_free_port_drops),
		cmocka_unit_test(port_of_a_closed_connection_is_taken_over_when_none_is_free),
		cmocka_unit_test(port_of_a_connection_that_has_not_moved_over_is_taken_over),
		cmocka_unit_test(other_protocols_are_not_masqueraded),
		cmocka_unit_test(excepted_destinations_see_the_pod),
		cmocka_unit_test(stack_routed_packets_are_masqueraded_at_the_device),
		cmocka_unit_test(pod_without_a_connection_does_not_leave_by_the_stack),
		cmocka_unit_test(traffic_of_the_node_is_untouched),
		cmocka_unit_test(errors_about_masqueraded_packets_reach_the_pod),
		cmocka_unit_test(errors_of_the_pod_leave_as_the_nodes),
		cmocka_unit_test(fragments_of_a_masqueraded_packet_follow_its_head),
		cmocka_unit_test(mapping_without_its_connection_brings_nothing_in),
		cmocka_unit_test(only_ports_of_the_range_are_looked_up),
		cmocka_unit_test(old_mapping_outside_the_range_is_found_when_there_may_be_some),
		cmocka_unit_test(port_of_sctp_is_looked_up_outside_the_range),
	};

	return suite_run("nat", tests, sizeof(tests) / sizeof(tests[0]));
}
