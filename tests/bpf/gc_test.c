/* SPDX-License-Identifier: Apache-2.0 */
/* Expiry by the timer, without an agent, and the move from a previous build's tables. */
#include "suite.h"

#include <time.h>

static uint32_t tick_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * 1000000000ull + now.tv_nsec) >> TD_TICK_SHIFT;
}

static void start(struct world *world)
{
	uint8_t frame[64] = {};

	assert_int_equal(
		world_run_frame(world, world->skel->progs.td_gc_start, frame, sizeof(frame), 1, 0),
		0);
}

/* Consumes events while waiting for a statistic to reach a value. */
static bool wait_for(struct world *world, enum td_stat stat, uint64_t value, int ms)
{
	world->event_count = 0;
	for (; ms > 0 && world_stat(world, stat) < value; ms -= 20)
		usleep(20000);
	ring_buffer__consume(world->ring);
	return world_stat(world, stat) >= value;
}

static const struct packet there = { .src = "10.0.0.1",
				     .dst = "10.0.0.2",
				     .sport = 40000,
				     .dport = 80,
				     .protocol = IPPROTO_UDP,
				     .payload_len = 50 };
static const struct packet back = { .src = "10.0.0.2",
				    .dst = "10.0.0.1",
				    .sport = 80,
				    .dport = 40000,
				    .protocol = IPPROTO_UDP,
				    .payload_len = 70 };

static void silent_connection_expires_with_its_counts(void **state)
{
	struct td_load_config load = world_load_config();
	const struct td_event *event;
	struct world *world;
	struct td_ct ct;

	load.ct_udp_stream = TD_TICKS(3); /* an emulated machine is slow */
	world = suite_world(&load);
	start(world);
	start(world); /* again: no harm */
	world_from_pod(world, 1, &there);
	world_from_pod(world, 2, &back);
	world_from_pod(world, 2, &back);
	assert_true(world_connection(world, "td_ct", &there, &ct));
	usleep(500000);
	assert_true(world_connection(world, "td_ct", &there, &ct));
	assert_true(wait_for(world, TD_STAT_CT_EXPIRED, 1, 10000));
	assert_false(world_connection(world, "td_ct", &there, &ct));
	event = world_event(world, TD_EVENT_CLOSE);
	assert_non_null(event);
	assert_int_equal(event->packets[0], 1);
	assert_int_equal(event->packets[1], 2);
	assert_int_equal(event->bytes[0], 20 + 8 + 50);
	assert_int_equal(event->bytes[1], 2 * (20 + 8 + 70));
	assert_int_equal(event->port[1], htons(80));
	assert_int_equal(event->identity[0], POD_IDENTITY(1));
}

static void talking_keeps_a_connection(void **state)
{
	struct td_load_config load = world_load_config();
	struct world *world;
	struct td_ct ct;

	load.ct_udp_stream = TD_TICKS(1);
	world = suite_world(&load);
	start(world);
	world_from_pod(world, 1, &there);
	for (int i = 0; i < 20; i++) {
		world_from_pod(world, 2, &back);
		usleep(100000);
	}
	assert_true(world_connection(world, "td_ct", &there, &ct));
	assert_int_equal(world_stat(world, TD_STAT_CT_EXPIRED), 0);
}

static bool mapping_exists(struct world *world)
{
	struct td_nat_key key = { .remote = world_address(OUTSIDE),
				  .local = world_address(NODE),
				  .remote_port = htons(80),
				  .local_port = htons(40000),
				  .protocol = IPPROTO_UDP };
	struct td_nat nat;

	return bpf_map_lookup_elem(world_map(world, "td_nat"), &key, &nat) == 0;
}

static void mapping_dies_with_its_connection(void **state)
{
	struct td_load_config load = world_load_config();
	struct packet out = there, in = back;
	struct world *world;

	out.dst = in.src = OUTSIDE;
	in.dst = NODE;
	load.ct_udp_stream = TD_TICKS(1);
	world = suite_world(&load);
	world_masquerade(world, NODE, NODE6);
	start(world);
	world_from_pod(world, 1, &out);
	world_from_uplink(world, &in);
	usleep(500000);
	assert_true(mapping_exists(world));
	assert_true(wait_for(world, TD_STAT_CT_EXPIRED, 1, 3000));
	for (int i = 0; i < 100 && mapping_exists(world); i++)
		usleep(20000);
	assert_false(mapping_exists(world));
}

/* An attempt that got no answer keeps its mapping only as long as itself. */
static void mapping_of_an_unanswered_attempt_dies(void **state)
{
	struct td_load_config load = world_load_config();
	struct packet out = there;
	struct world *world;

	out.dst = OUTSIDE;
	load.ct_udp = TD_TICKS(1);
	world = suite_world(&load);
	world_masquerade(world, NODE, NODE6);
	start(world);
	world_from_pod(world, 1, &out);
	assert_true(mapping_exists(world));
	for (int i = 0; i < 200 && mapping_exists(world); i++)
		usleep(20000);
	assert_false(mapping_exists(world));
}

/* Fills td_ct and its queue as promotion would. */
static void fill(struct world *world, uint32_t count, uint32_t expires)
{
	struct td_gc_item item = {
		.ct = { .addr = { world_address("10.0.0.1"), world_address("10.0.0.2") },
			.protocol = IPPROTO_TCP },
	};
	struct td_ct ct = { .expires = expires, .state = TD_CT_ESTABLISHED };
	struct td_gc_counter {
		uint64_t timer[2], queued, others[2];
	} counter;
	int gc = world_map(world, "td_gc_timer");
	uint32_t zero = 0;

	for (uint32_t i = 0; i < count; i++) {
		item.ct.port[0] = i & 0xffff;
		item.ct.port[1] = i >> 16;
		assert_int_equal(bpf_map_update_elem(world_map(world, "td_ct"), &item.ct, &ct, 0),
				 0);
		assert_int_equal(bpf_map_update_elem(world_map(world, "td_ct_gc"), NULL, &item, 0),
				 0);
	}
	assert_int_equal(bpf_map_lookup_elem(gc, &zero, &counter), 0);
	counter.queued += count;
	assert_int_equal(bpf_map_update_elem(gc, &zero, &counter, BPF_EXIST), 0);
}

static void full_table_is_visited_within_a_round(void **state)
{
	struct world *world = suite_world(NULL);
	const uint32_t count = 100000;

	fill(world, count, tick_now());
	start(world);
	assert_true(wait_for(world, TD_STAT_CT_EXPIRED, count, 60000));
	/* Visits are counted behind what they did. */
	assert_true(wait_for(world, TD_STAT_GC_VISITED, count, 5000));
	assert_in_range(world_stat(world, TD_STAT_GC_VISITED), count, count + 100);
}

/* A visit costs something: few entries must not be visited without end. */
static void few_entries_are_visited_rarely(void **state)
{
	struct world *world = suite_world(NULL);

	fill(world, 10, tick_now() + TD_TICKS(100));
	start(world);
	usleep(1000000);
	assert_in_range(world_stat(world, TD_STAT_GC_VISITED), 1, 15);
}

static struct world *upgraded_world(uint32_t ct_size, uint32_t nat_size)
{
	const struct world_sizes sizes = { .prev = { ct_size, nat_size } };
	struct world *world = suite_world_sized(&sizes);

	world_config(world, TD_CONFIG_CT_PREV, 0);
	return world;
}

static void put_previous(struct world *world, const char *map, uint32_t size,
			 const struct packet *packet)
{
	struct td_addr a = world_address(packet->src), b = world_address(packet->dst);
	bool high = memcmp(&a, &b, sizeof(a)) > 0;
	struct td_ct_key key = { .protocol = IPPROTO_TCP,
				 .addr = { high ? b : a, high ? a : b },
				 .port = { htons(high ? packet->dport : packet->sport),
					   htons(high ? packet->sport : packet->dport) } };
	uint8_t value[256];
	struct td_ct ct = {
		.expires = tick_now() + TD_TICKS(100),
		.generation = 1,
		.identity = { POD_IDENTITY(1), POD_IDENTITY(2) },
		.ifindex = { world->pod[1], world->pod[2] },
		.endpoint_id = { 1, 2 },
		.state = TD_CT_ESTABLISHED,
		.flags = TD_CT_SEEN_REPLY | (high ? TD_CT_INITIATOR_HIGH : 0),
		.packets = { 5, 6 },
	};

	memset(value, 0xee, sizeof(value));
	memcpy(value, &ct, sizeof(ct));
	assert_int_equal(bpf_map_update_elem(world_map(world, map), &key, value, BPF_ANY), 0);
}

static void connections_of_another_layout_go_on(void **state)
{
	static const int differences[] = { -8, 0, 8 };
	const struct packet ack = {
		.src = "10.0.0.1", .dst = "10.0.0.2", .sport = 40000, .dport = 80
	};
	const struct packet answer = {
		.src = "10.0.0.2", .dst = "10.0.0.1", .sport = 80, .dport = 40000
	};

	for (size_t i = 0; i < 3; i++) {
		uint32_t size = sizeof(struct td_ct) + differences[i];
		struct world *world = upgraded_world(size, sizeof(struct td_nat));
		struct td_ct ct;

		/* As new connections, both directions would be denied. */
		world_subject(world, POD_IDENTITY(1), 9, 9, TD_SUBJECT_ENFORCED);
		world_subject(world, POD_IDENTITY(2), 9, 9, TD_SUBJECT_ENFORCED);
		put_previous(world, "td_ct_prev", size, &ack);
		assert_int_equal(world_from_pod(world, 2, &answer), REDIRECT);
		assert_int_equal(world_from_pod(world, 1, &ack), REDIRECT);
		assert_true(world_connection(world, "td_ct", &ack, &ct));
		assert_int_equal(ct.packets[0], 6);
		assert_int_equal(ct.packets[1], differences[i] < 0 ? ct.packets[1] : 7);
		assert_int_equal(world_stat(world, TD_STAT_CT_MIGRATED), 1);
	}
}

static void attempts_of_another_layout_go_on(void **state)
{
	struct world *world = upgraded_world(sizeof(struct td_ct) + 8, sizeof(struct td_nat));
	const struct packet ack = {
		.src = "10.0.0.1", .dst = "10.0.0.2", .sport = 40000, .dport = 80
	};

	world_subject(world, POD_IDENTITY(1), 9, 9, TD_SUBJECT_ENFORCED);
	put_previous(world, "td_ct_new_prev", sizeof(struct td_ct) + 8, &ack);
	assert_int_equal(world_from_pod(world, 1, &ack), REDIRECT);
}

static void timer_moves_what_no_packet_asks_for(void **state)
{
	struct world *world = upgraded_world(sizeof(struct td_ct) + 8, sizeof(struct td_nat));
	const struct packet ack = {
		.src = "10.0.0.1", .dst = "10.0.0.2", .sport = 40000, .dport = 80
	};
	struct td_gc_item item = {
		.ct = { .addr = { world_address("10.0.0.1"), world_address("10.0.0.2") },
			.port = { htons(40000), htons(80) },
			.protocol = IPPROTO_TCP },
	};
	struct td_ct ct;

	put_previous(world, "td_ct_prev", sizeof(struct td_ct) + 8, &ack);
	assert_int_equal(bpf_map_update_elem(world_map(world, "td_ct_gc"), NULL, &item, 0), 0);
	start(world);
	assert_true(wait_for(world, TD_STAT_CT_MIGRATED, 1, 2000));
	assert_true(world_connection(world, "td_ct", &ack, &ct));
	assert_int_equal(ct.endpoint_id[1], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silent_connection_expires_with_its_counts),
		cmocka_unit_test(talking_keeps_a_connection),
		cmocka_unit_test(mapping_dies_with_its_connection),
		cmocka_unit_test(mapping_of_an_unanswered_attempt_dies),
		cmocka_unit_test(full_table_is_visited_within_a_round),
		cmocka_unit_test(few_entries_are_visited_rarely),
		cmocka_unit_test(connections_of_another_layout_go_on),
		cmocka_unit_test(attempts_of_another_layout_go_on),
		cmocka_unit_test(timer_moves_what_no_packet_asks_for),
	};

	return suite_run("gc", tests, sizeof(tests) / sizeof(tests[0]));
}
