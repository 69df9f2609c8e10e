/* SPDX-License-Identifier: Apache-2.0 */
/* Connections between pods, to and from the node: states, counters, deliveries, events. */
#include "suite.h"

#define V4(...) { .src = "10.0.0.1", .dst = "10.0.0.2", .sport = 40000, .dport = 80, __VA_ARGS__ }
#define V4_BACK(...)                                                                               \
	{ .src = "10.0.0.2", .dst = "10.0.0.1", .sport = 80, .dport = 40000, __VA_ARGS__ }
#define V6(...) { .src = "fd00::1", .dst = "fd00::2", .sport = 40000, .dport = 80, __VA_ARGS__ }
#define V6_BACK(...)                                                                               \
	{ .src = "fd00::2", .dst = "fd00::1", .sport = 80, .dport = 40000, __VA_ARGS__ }

static void handshake(struct world *world, const struct packet *there, const struct packet *back)
{
	struct packet syn = *there, synack = *back;

	syn.flags = TCP_SYN;
	synack.flags = TCP_SYN | TCP_ACK;
	assert_int_equal(world_from_pod(world, 1, &syn), REDIRECT);
	assert_int_equal(world_from_pod(world, 2, &synack), REDIRECT);
	assert_int_equal(world_from_pod(world, 1, there), REDIRECT);
}

static void assert_delivered_to_pod(const struct world *world, uint8_t id)
{
	const uint8_t mac[6] = { TD_POD_MAC0, TD_POD_MAC1, 0, 0, 0, id };
	const uint8_t gateway[6] = { 0x0e, 0x54, 0, 0, 0, 0 };

	assert_memory_equal(world->frame, mac, 6);
	assert_memory_equal(world->frame + 6, gateway, 6);
	assert_int_equal(packet_ttl(world->frame), 63);
	assert_true(packet_checksums_hold(world->frame, world->frame_len));
}

static void check_handshake(const struct packet *there, const struct packet *back)
{
	struct world *world = suite_world(NULL);
	struct td_ct ct;

	handshake(world, there, back);
	assert_delivered_to_pod(world, 2);
	assert_true(world_connection(world, "td_ct", there, &ct));
	assert_int_equal(ct.state, TD_CT_ESTABLISHED);
	assert_int_equal(ct.identity[0], POD_IDENTITY(1));
	assert_int_equal(ct.identity[1], POD_IDENTITY(2));
	assert_int_equal(ct.ifindex[1], world->pod[2]);
	assert_int_equal(ct.packets[0], 2);
	assert_int_equal(ct.packets[1], 1);
	assert_false(world_connection(world, "td_ct_new", there, &ct));
}

static void pods_shake_hands_over_ipv4(void **state)
{
	const struct packet there = V4(), back = V4_BACK();

	check_handshake(&there, &back);
}

static void pods_shake_hands_over_ipv6(void **state)
{
	const struct packet there = V6(), back = V6_BACK();

	check_handshake(&there, &back);
}

static void new_connection_is_told_once_with_both_ends(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet syn = V4(.flags = TCP_SYN);
	const struct td_event *event;

	world_subject(world, POD_IDENTITY(2), 1, 1, TD_SUBJECT_ENFORCED);
	world_from_pod(world, 1, &syn);
	assert_int_equal(world->event_count, 1);
	event = world_event(world, TD_EVENT_TRACE);
	assert_non_null(event);
	assert_int_equal(event->reason, TD_REASON_NEW);
	assert_int_equal(event->point, TD_TO_ENDPOINT);
	assert_int_equal(event->flags, TD_EVENT_VERDICT_INGRESS);
	assert_int_equal(event->identity[0], POD_IDENTITY(1));
	assert_int_equal(event->endpoint_id[1], 2);
	assert_int_equal(event->rule[1], TD_RULE_UNSELECTED);
	assert_int_equal(event->tcp_flags, TCP_SYN);
	world_from_pod(world, 1, &syn);
	assert_int_equal(world->event_count, 0);
}

static void flags_and_replies_are_told_at_first_sight(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK();
	const struct packet fin = V4(.flags = TCP_FIN | TCP_ACK);
	const struct packet synack = V4_BACK(.flags = TCP_SYN | TCP_ACK);
	const struct packet syn = V4(.flags = TCP_SYN);

	world_from_pod(world, 1, &syn);
	world_from_pod(world, 2, &synack);
	assert_int_equal(world->event_count, 1);
	assert_int_equal(world->events[0].reason, TD_REASON_REPLY);
	assert_int_equal(world->events[0].flags, TD_EVENT_REPLY);
	world_from_pod(world, 1, &there);
	assert_int_equal(world->event_count, 0);
	world_from_pod(world, 2, &back);
	assert_int_equal(world->event_count, 0);
	world_from_pod(world, 1, &fin);
	assert_int_equal(world->event_count, 1);
	assert_int_equal(world->events[0].reason, TD_REASON_ESTABLISHED);
}

static void fins_and_resets_move_the_state(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK();
	const struct packet fin = V4(.flags = TCP_FIN | TCP_ACK);
	const struct packet fin_back = V4_BACK(.flags = TCP_FIN | TCP_ACK);
	const struct packet rst = V4(.flags = TCP_RST);
	struct td_ct ct;

	handshake(world, &there, &back);
	world_from_pod(world, 1, &fin);
	assert_true(world_connection(world, "td_ct", &there, &ct));
	assert_int_equal(ct.state, TD_CT_CLOSING);
	world_from_pod(world, 2, &fin_back);
	assert_true(world_connection(world, "td_ct", &there, &ct));
	assert_int_equal(ct.state, TD_CT_TIME_WAIT);
	world_from_pod(world, 1, &rst);
	assert_true(world_connection(world, "td_ct", &there, &ct));
	assert_int_equal(ct.state, TD_CT_RESET);
}

static void syn_on_a_closed_connection_is_judged_as_a_new_one(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK();
	const struct packet rst = V4(.flags = TCP_RST);
	const struct packet syn_back = V4_BACK(.flags = TCP_SYN);
	const struct packet syn = V4(.flags = TCP_SYN);
	struct td_ct ct;

	handshake(world, &there, &back);
	world_from_pod(world, 1, &rst);
	assert_int_equal(world_from_pod(world, 1, &syn), REDIRECT);
	assert_int_equal(world->events[0].reason, TD_REASON_REOPENED);
	world_from_pod(world, 1, &rst);
	/* Pod 1 lets nobody in: the responder of yore may not call back on the same ports. */
	world_subject(world, POD_IDENTITY(1), 9, 1, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_from_pod(world, 2, &syn_back), SHOT);
	assert_true(world_connection(world, "td_ct", &there, &ct));
	assert_int_equal(ct.state, TD_CT_DENIED);
}

static void refused_attempt_stays_among_the_attempts(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet syn = V4(.flags = TCP_SYN);
	const struct packet rst = V4_BACK(.flags = TCP_RST | TCP_ACK);
	struct td_ct ct;

	world_from_pod(world, 1, &syn);
	assert_int_equal(world_from_pod(world, 2, &rst), REDIRECT);
	assert_false(world_connection(world, "td_ct", &syn, &ct));
	assert_true(world_connection(world, "td_ct_new", &syn, &ct));
	assert_int_equal(ct.state, TD_CT_RESET);
}

static void denial_is_remembered_and_told_once(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet syn = V4(.flags = TCP_SYN), other = V4(.flags = TCP_SYN, .dport = 81);
	const struct td_event *event;

	world_subject(world, POD_IDENTITY(2), 9, 1, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_from_pod(world, 1, &syn), SHOT);
	event = world_event(world, TD_EVENT_DROP);
	assert_non_null(event);
	assert_int_equal(event->reason, TD_DROP_POLICY_DENIED);
	assert_int_equal(event->flags, TD_EVENT_DENIED_INGRESS);
	assert_int_equal(event->rule[1], TD_RULE_DEFAULT_DENY);
	assert_int_equal(event->identity[0], POD_IDENTITY(1));
	assert_int_equal(world_from_pod(world, 1, &syn), SHOT);
	assert_int_equal(world->event_count, 0);
	assert_int_equal(world_from_pod(world, 1, &other), SHOT);
	assert_int_equal(world->event_count, 1);
	assert_int_equal(world_drops(world, TD_DROP_POLICY_DENIED, TD_INGRESS), 3);
}

static void middle_of_an_unknown_connection_is_judged(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet ack = V4(), back = V4_BACK();

	world_subject(world, POD_IDENTITY(2), 9, 9, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_from_pod(world, 1, &ack), SHOT);
	assert_int_equal(world_from_pod(world, 2, &back), SHOT);
}

/* The first SYN's entry was pushed out; its answer, judged as a first packet, was denied. */
static void denial_of_one_side_does_not_hold_for_the_other(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet syn = V4(.flags = TCP_SYN);
	const struct packet syn_ack = V4_BACK(.flags = TCP_SYN | TCP_ACK);
	struct td_ct ct;

	world_subject(world, POD_IDENTITY(1), 9, 1, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_from_pod(world, 2, &syn_ack), SHOT);
	assert_int_equal(world_from_pod(world, 2, &syn_ack), SHOT);
	assert_int_equal(world_from_pod(world, 1, &syn), REDIRECT);
	assert_true(world_connection(world, "td_ct_new", &syn, &ct));
	assert_int_equal(ct.state, TD_CT_NEW);
	assert_int_equal(world_from_pod(world, 2, &syn_ack), REDIRECT);
	assert_int_equal(world_from_pod(world, 1, &syn), REDIRECT);
}

static void attempt_is_denied_whatever_the_other_side_was_denied(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet syn = V4(.flags = TCP_SYN);
	const struct packet syn_back = V4_BACK(.flags = TCP_SYN);

	world_subject(world, POD_IDENTITY(1), 9, 9, TD_SUBJECT_ENFORCED);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(world_from_pod(world, 2, &syn_back), SHOT);
		assert_int_equal(world_from_pod(world, 1, &syn), SHOT);
	}
}

static void policy_change_ends_an_established_connection(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK();
	struct td_ct ct;

	handshake(world, &there, &back);
	world_subject(world, POD_IDENTITY(2), 9, 1, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_from_pod(world, 1, &there), REDIRECT);
	world_new_generation(world);
	/* Judged again in the initiator's direction, though it is the responder that speaks. */
	assert_int_equal(world_from_pod(world, 2, &back), SHOT);
	assert_int_equal(world_event(world, TD_EVENT_DROP)->flags,
			 TD_EVENT_DENIED_INGRESS | TD_EVENT_REPLY);
	assert_int_equal(world_from_pod(world, 1, &there), SHOT);
	/* The responder might call the initiator, but this is no new connection. */
	assert_int_equal(world_from_pod(world, 2, &back), SHOT);
	assert_int_equal(world_from_pod(world, 1, &there), SHOT);
	assert_true(world_connection(world, "td_ct", &there, &ct));
	assert_int_equal(ct.state, TD_CT_DENIED);
	world_subject(world, POD_IDENTITY(2), 1, 1, 0);
	world_new_generation(world);
	assert_int_equal(world_from_pod(world, 1, &there), REDIRECT);
	assert_true(world_connection(world, "td_ct", &there, &ct));
	assert_int_equal(ct.state, TD_CT_ESTABLISHED);
}

static void policy_change_spares_what_stays_allowed(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK();

	handshake(world, &there, &back);
	/* The responder may call nobody, the initiator lets nobody in: replies still pass. */
	world_subject(world, POD_IDENTITY(2), 1, 9, TD_SUBJECT_ENFORCED);
	world_subject(world, POD_IDENTITY(1), 9, 1, TD_SUBJECT_ENFORCED);
	world_new_generation(world);
	assert_int_equal(world_from_pod(world, 2, &back), REDIRECT);
	assert_int_equal(world_from_pod(world, 1, &there), REDIRECT);
}

static void assert_told_audited(const struct world *world, uint8_t reason)
{
	const struct td_event *event = world_event(world, TD_EVENT_TRACE);

	assert_non_null(event);
	assert_int_equal(event->reason, reason);
	assert_int_equal(event->flags & ~TD_EVENT_REPLY, TD_EVENT_VERDICT_INGRESS);
	assert_int_equal(event->match >> 4, TD_MATCH_NONE | TD_MATCH_AUDIT);
	assert_int_equal(event->rule[1], TD_RULE_DEFAULT_DENY);
}

static void check_audit(const struct packet *there, const struct packet *back)
{
	struct world *world = suite_world(NULL);
	struct packet syn = *there, fresh = *there;
	struct td_ct ct;

	syn.flags = fresh.flags = TCP_SYN;
	fresh.sport++;
	world_subject(world, POD_IDENTITY(2), 9, 9, TD_SUBJECT_ENFORCED);
	world_audit(world, 2, true);
	assert_int_equal(world_from_pod(world, 1, &syn), REDIRECT);
	assert_told_audited(world, TD_REASON_NEW);
	handshake(world, there, back);
	assert_int_equal(world_from_pod(world, 2, back), REDIRECT);
	assert_int_equal(world->event_count, 0);
	assert_true(world_connection(world, "td_ct", there, &ct));
	assert_int_equal(ct.state, TD_CT_ESTABLISHED);
	assert_int_equal(ct.reason, 0);
	/* Audit is over: the next packet is the first that is dropped, whoever sends it. */
	world_audit(world, 2, false);
	world_new_generation(world);
	assert_int_equal(world_from_pod(world, 2, back), SHOT);
	assert_int_equal(world_event(world, TD_EVENT_DROP)->flags,
			 TD_EVENT_DENIED_INGRESS | TD_EVENT_REPLY);
	assert_int_equal(world_event(world, TD_EVENT_DROP)->match >> 4, TD_MATCH_NONE);
	assert_int_equal(world_from_pod(world, 1, there), SHOT);
	assert_int_equal(world_from_pod(world, 1, &fresh), SHOT);
	/* And back: what is remembered as denied is judged again, too. */
	world_audit(world, 2, true);
	world_new_generation(world);
	assert_int_equal(world_from_pod(world, 1, there), REDIRECT);
	assert_told_audited(world, TD_REASON_NEW);
	assert_int_equal(world_from_pod(world, 2, back), REDIRECT);
	assert_int_equal(world_from_pod(world, 1, &fresh), REDIRECT);
	assert_told_audited(world, TD_REASON_NEW);
}

static void audited_connection_lives_as_long_as_audit_over_ipv4(void **state)
{
	const struct packet there = V4(), back = V4_BACK();

	check_audit(&there, &back);
}

static void audited_connection_lives_as_long_as_audit_over_ipv6(void **state)
{
	const struct packet there = V6(), back = V6_BACK();

	check_audit(&there, &back);
}

/* A policy comes that would cut it. */
static void connection_that_becomes_audited_is_told_once(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK();

	handshake(world, &there, &back);
	world_audit(world, 2, true);
	world_subject(world, POD_IDENTITY(2), 9, 1, TD_SUBJECT_ENFORCED);
	world_new_generation(world);
	assert_int_equal(world_from_pod(world, 2, &back), REDIRECT);
	assert_told_audited(world, TD_REASON_REPLY);
	assert_int_equal(world_from_pod(world, 1, &there), REDIRECT);
	assert_int_equal(world->event_count, 0);
	world_new_generation(world);
	assert_int_equal(world_from_pod(world, 1, &there), REDIRECT);
	assert_int_equal(world->event_count, 0);
}

/* Pod 1 calls pod 2 and is gone; another pod, which lets nobody in, gets its address. */
/* Pod 1's address becomes another pod's, which lets nobody in. */
static void give_address_to_another(struct world *world)
{
	const struct td_addr address = world_address("10.0.0.1");
	struct td_place place;

	assert_int_equal(bpf_map_lookup_elem(world_map(world, "td_addr_map"), &address, &place), 0);
	place.ifindex += 100;
	place.endpoint_id = 7;
	place.identity = 307;
	bpf_map_update_elem(world_map(world, "td_addr_map"), &address, &place, BPF_ANY);
	world_subject(world, 307, 9, 1, TD_SUBJECT_ENFORCED);
	world_new_generation(world);
}

static void error_about_a_connection_does_not_hand_it_on(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK();
	const struct packet error = { .src = "10.0.0.2",
				      .dst = "10.0.0.1",
				      .protocol = IPPROTO_ICMP,
				      .icmp_type = 3,
				      .inner = &there };

	handshake(world, &there, &back);
	give_address_to_another(world);
	assert_int_equal(world_from_pod(world, 2, &error), SHOT);
	assert_int_equal(world_from_pod(world, 2, &back), SHOT);
}

static void connection_does_not_outlive_its_pod(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK(), syn_back = V4_BACK(.flags = TCP_SYN);

	handshake(world, &there, &back);
	give_address_to_another(world);
	assert_int_equal(world_from_pod(world, 2, &back), SHOT);
	assert_int_equal(world_from_pod(world, 2, &syn_back), SHOT);
}

static void full_table_keeps_the_connection_evictable(void **state)
{
	const struct world_sizes sizes = { .ct = 1 };
	struct world *world = suite_world_sized(&sizes);
	const struct packet first = V4(), first_back = V4_BACK();
	const struct packet second = V4(.sport = 40001), second_back = V4_BACK(.dport = 40001);
	struct td_ct ct;

	handshake(world, &first, &first_back);
	handshake(world, &second, &second_back);
	assert_false(world_connection(world, "td_ct", &second, &ct));
	assert_true(world_connection(world, "td_ct_new", &second, &ct));
	assert_int_equal(ct.state, TD_CT_ESTABLISHED);
	assert_int_equal(world_stat(world, TD_STAT_CT_FULL), 1);
	assert_int_equal(world_from_pod(world, 2, &second_back), REDIRECT);
}

static void live_connection_is_told_at_intervals(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK();

	world_config(world, 0, 20);
	handshake(world, &there, &back);
	world_from_pod(world, 1, &there);
	assert_int_equal(world->event_count, 0);
	usleep(40000);
	world_from_pod(world, 1, &there);
	assert_int_equal(world->event_count, 1);
	assert_int_equal(world->events[0].packets[0], 4);
	assert_int_equal(world->events[0].reason, TD_REASON_ESTABLISHED);
}

static void every_packet_is_told_if_asked(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK();

	handshake(world, &there, &back);
	world_config(world, TD_CONFIG_REPORT_ALL, 0);
	world_from_pod(world, 1, &there);
	assert_int_equal(world->event_count, 1);
	world_from_pod(world, 1, &there);
	assert_int_equal(world->event_count, 1);
}

static void udp_and_echo_are_connections(void **state)
{
	static const struct {
		struct packet there, back;
	} rows[] = {
		{ V4(.protocol = IPPROTO_UDP, .payload_len = 20),
		  V4_BACK(.protocol = IPPROTO_UDP, .payload_len = 20) },
		{ V6(.protocol = IPPROTO_UDP, .payload_len = 20),
		  V6_BACK(.protocol = IPPROTO_UDP, .payload_len = 20) },
		{ V4(.protocol = IPPROTO_ICMP, .icmp_type = 8, .id = 77),
		  V4_BACK(.protocol = IPPROTO_ICMP, .icmp_type = 0, .id = 77) },
		{ V6(.protocol = IPPROTO_ICMPV6, .icmp_type = 128, .id = 77),
		  V6_BACK(.protocol = IPPROTO_ICMPV6, .icmp_type = 129, .id = 77) },
		{ V4(.protocol = IPPROTO_SCTP), V4_BACK(.protocol = IPPROTO_SCTP) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *world = suite_world(NULL);
		struct td_ct ct;

		/* Only pod 1 may begin. */
		world_subject(world, POD_IDENTITY(1), 9, 1, TD_SUBJECT_ENFORCED);
		assert_int_equal(world_from_pod(world, 1, &rows[i].there), REDIRECT);
		assert_int_equal(world_from_pod(world, 2, &rows[i].back), REDIRECT);
		assert_delivered_to_pod(world, 1);
		assert_true(world_connection(world, "td_ct", &rows[i].there, &ct));
		assert_int_equal(ct.state, TD_CT_ESTABLISHED);
		assert_int_equal(world_from_pod(world, 1, &rows[i].there), REDIRECT);
	}
}

static void echo_request_against_an_allowed_one_is_judged_for_itself(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(.protocol = IPPROTO_ICMP, .icmp_type = 8, .id = 77);
	const struct packet answer = V4_BACK(.protocol = IPPROTO_ICMP, .icmp_type = 0, .id = 77);
	const struct packet request = V4_BACK(.protocol = IPPROTO_ICMP, .icmp_type = 8, .id = 77);

	/* Only pod 1 may ask. */
	world_subject(world, POD_IDENTITY(1), 9, 1, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_from_pod(world, 1, &there), REDIRECT);
	assert_int_equal(world_from_pod(world, 2, &answer), REDIRECT);
	assert_int_equal(world_from_pod(world, 2, &request), SHOT);
}

static void reply_before_any_request_is_judged_as_new(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet reply = V4(.protocol = IPPROTO_ICMP, .icmp_type = 0, .id = 77);

	world_row(world, 5, 0, TD_PEER_ANY, 0, 0);
	world_class(world, 5, IPPROTO_ICMP, 8, 50);
	world_row(world, 5, 50, TD_PEER_ANY, 20, 0);
	world_subject(world, POD_IDENTITY(2), 5, 1, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_from_pod(world, 1, &reply), SHOT);
}

static void pod_to_node_goes_to_the_stack(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet syn = {
		.src = "10.0.0.1", .dst = NODE, .sport = 1, .dport = 22, .flags = TCP_SYN
	};
	const struct packet synack = {
		.src = NODE, .dst = "10.0.0.1", .sport = 22, .dport = 1, .flags = TCP_SYN | TCP_ACK
	};

	world_subject(world, POD_IDENTITY(1), 9, 1, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_from_pod(world, 1, &syn), NEXT);
	assert_int_equal(world_event(world, TD_EVENT_TRACE)->point, TD_TO_HOST);
	assert_int_equal(world_to_pod(world, 1, &synack, 0), NEXT);
}

static void node_reaches_its_pods_unless_a_rule_denies(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet syn = {
		.src = NODE6, .dst = "fd00::1", .sport = 1, .dport = 22, .flags = TCP_SYN
	};

	world_subject(world, POD_IDENTITY(1), 9, 9, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_to_pod(world, 1, &syn, 0), NEXT);
	assert_int_equal(world_event(world, TD_EVENT_TRACE)->rule[1], TD_RULE_LOCAL_HOST);
	world_row(world, 9, 0, TD_ID_HOST, 0, 30);
	world_new_generation(world);
	assert_int_equal(world_to_pod(world, 1, &syn, 0), SHOT);
	assert_int_equal(world_event(world, TD_EVENT_DROP)->reason, TD_DROP_POLICY_DENY);
	assert_int_equal(world_event(world, TD_EVENT_DROP)->rule[1], 30);
}

static void dns_answers_are_copied(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet query = V4(.protocol = IPPROTO_UDP, .dport = 53, .payload_len = 30);
	const struct packet answer =
		V4_BACK(.protocol = IPPROTO_UDP, .sport = 53, .payload_len = 200);

	world_from_pod(world, 1, &query);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(world_from_pod(world, 2, &answer), REDIRECT);
		assert_non_null(world_event(world, TD_EVENT_DNS));
		assert_int_equal(world->dns_len, 200);
		assert_int_equal(world->dns[199], 199);
	}
	world_from_pod(world, 1, &query);
	assert_null(world_event(world, TD_EVENT_DNS));
}

static void nothing_passes_a_device_without_an_endpoint(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet syn = V4(.flags = TCP_SYN), back = V4_BACK();
	const struct packet report = {
		.src = "::", .dst = "ff02::16", .protocol = IPPROTO_ICMPV6, .icmp_type = 143
	};

	bpf_map_delete_elem(world_map(world, "td_endpoint"), &world->pod[1]);
	assert_int_equal(world_from_pod(world, 1, &syn), SHOT);
	assert_int_equal(world_to_pod(world, 1, &back, 0), SHOT);
	assert_int_equal(world_drops(world, TD_DROP_DROP_EP_NOT_READY, TD_EGRESS), 1);
	assert_non_null(world_event(world, TD_EVENT_DROP));
	assert_int_equal(world_drops(world, TD_DROP_DROP_EP_NOT_READY, TD_INGRESS), 1);
	/* What every interface sends when it comes up is counted, and not told. */
	assert_int_equal(world_to_pod(world, 1, &report, 0), SHOT);
	assert_null(world_event(world, TD_EVENT_DROP));
	assert_int_equal(world_drops(world, TD_DROP_DROP_EP_NOT_READY, TD_INGRESS), 2);
}

static void lockdown_stops_everything(void **state)
{
	struct world *world = suite_world(NULL);
	const struct packet there = V4(), back = V4_BACK();
	struct td_endpoint endpoint;

	handshake(world, &there, &back);
	bpf_map_lookup_elem(world_map(world, "td_endpoint"), &world->pod[1], &endpoint);
	endpoint.flags = TD_EP_LOCKDOWN;
	bpf_map_update_elem(world_map(world, "td_endpoint"), &world->pod[1], &endpoint, BPF_ANY);
	world_no_subject(world, POD_IDENTITY(1));
	world_new_generation(world);
	assert_int_equal(world_from_pod(world, 1, &there), SHOT);
	assert_int_equal(world_from_pod(world, 2, &back), SHOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_shake_hands_over_ipv4),
		cmocka_unit_test(pods_shake_hands_over_ipv6),
		cmocka_unit_test(new_connection_is_told_once_with_both_ends),
		cmocka_unit_test(flags_and_replies_are_told_at_first_sight),
		cmocka_unit_test(fins_and_resets_move_the_state),
		cmocka_unit_test(syn_on_a_closed_connection_is_judged_as_a_new_one),
		cmocka_unit_test(refused_attempt_stays_among_the_attempts),
		cmocka_unit_test(denial_is_remembered_and_told_once),
		cmocka_unit_test(middle_of_an_unknown_connection_is_judged),
		cmocka_unit_test(denial_of_one_side_does_not_hold_for_the_other),
		cmocka_unit_test(attempt_is_denied_whatever_the_other_side_was_denied),
		cmocka_unit_test(policy_change_ends_an_established_connection),
		cmocka_unit_test(policy_change_spares_what_stays_allowed),
		cmocka_unit_test(audited_connection_lives_as_long_as_audit_over_ipv4),
		cmocka_unit_test(audited_connection_lives_as_long_as_audit_over_ipv6),
		cmocka_unit_test(connection_that_becomes_audited_is_told_once),
		cmocka_unit_test(connection_does_not_outlive_its_pod),
		cmocka_unit_test(error_about_a_connection_does_not_hand_it_on),
		cmocka_unit_test(full_table_keeps_the_connection_evictable),
		cmocka_unit_test(live_connection_is_told_at_intervals),
		cmocka_unit_test(every_packet_is_told_if_asked),
		cmocka_unit_test(udp_and_echo_are_connections),
		cmocka_unit_test(echo_request_against_an_allowed_one_is_judged_for_itself),
		cmocka_unit_test(reply_before_any_request_is_judged_as_new),
		cmocka_unit_test(pod_to_node_goes_to_the_stack),
		cmocka_unit_test(node_reaches_its_pods_unless_a_rule_denies),
		cmocka_unit_test(dns_answers_are_copied),
		cmocka_unit_test(nothing_passes_a_device_without_an_endpoint),
		cmocka_unit_test(lockdown_stops_everything),
	};

	return suite_run("connection", tests, sizeof(tests) / sizeof(tests[0]));
}
