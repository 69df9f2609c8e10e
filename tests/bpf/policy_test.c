/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict of abi/policy.h, row by row, judged by the programs themselves. */
#include "suite.h"

#define TABLE 7
#define CLASS 70
#define PORT  80

/* A row of the table of a subject; class is CLASS (TCP port PORT) or 0. */
struct row {
	uint32_t klass, peer, allow, deny;
};

enum peer { PEER_POD, PEER_WORLD, PEER_CIDR, PEER_HOST };

static const struct verdict_case {
	const char *name;
	struct row rows[4];
	enum peer peer;
	uint32_t flags; /* TD_SUBJECT_* besides ENFORCED */
	uint16_t port;  /* 0: PORT */
	bool allowed;
	uint32_t rule;
	uint8_t match; /* td_match */
	uint8_t reason;
} cases[] = {
	{ "no row denies by default",
	  {},
	  PEER_POD,
	  0,
	  0,
	  false,
	  TD_RULE_DEFAULT_DENY,
	  TD_MATCH_NONE,
	  TD_DROP_POLICY_DENIED },
	{ "row on everything allows",
	  { { 0, 0, 20, 0 } },
	  PEER_POD,
	  0,
	  0,
	  true,
	  20,
	  TD_MATCH_ALL,
	  0 },
	{ "row on the peer allows",
	  { { 0, POD_IDENTITY(2), 20, 0 } },
	  PEER_POD,
	  0,
	  0,
	  true,
	  20,
	  TD_MATCH_L3_ONLY,
	  0 },
	{ "row on another peer does not",
	  { { 0, POD_IDENTITY(3), 20, 0 } },
	  PEER_POD,
	  0,
	  0,
	  false,
	  TD_RULE_DEFAULT_DENY,
	  TD_MATCH_NONE,
	  TD_DROP_POLICY_DENIED },
	{ "row on the port allows",
	  { { CLASS, 0, 20, 0 } },
	  PEER_POD,
	  0,
	  0,
	  true,
	  20,
	  TD_MATCH_L4_ONLY,
	  0 },
	{ "row on the port says nothing of another",
	  { { CLASS, 0, 20, 0 } },
	  PEER_POD,
	  0,
	  81,
	  false,
	  TD_RULE_DEFAULT_DENY,
	  TD_MATCH_NONE,
	  TD_DROP_POLICY_DENIED },
	{ "row on peer and port allows",
	  { { CLASS, POD_IDENTITY(2), 20, 0 } },
	  PEER_POD,
	  0,
	  0,
	  true,
	  20,
	  TD_MATCH_L3_L4,
	  0 },
	{ "most specific allow decides",
	  { { 0, 0, 20, 0 },
	    { CLASS, 0, 21, 0 },
	    { 0, POD_IDENTITY(2), 22, 0 },
	    { CLASS, POD_IDENTITY(2), 23, 0 } },
	  PEER_POD,
	  0,
	  0,
	  true,
	  23,
	  TD_MATCH_L3_L4,
	  0 },
	{ "peer goes before port",
	  { { 0, 0, 20, 0 }, { CLASS, 0, 21, 0 }, { 0, POD_IDENTITY(2), 22, 0 } },
	  PEER_POD,
	  0,
	  0,
	  true,
	  22,
	  TD_MATCH_L3_ONLY,
	  0 },
	{ "wide deny beats narrow allow",
	  { { CLASS, POD_IDENTITY(2), 20, 0 }, { 0, 0, 0, 30 } },
	  PEER_POD,
	  0,
	  0,
	  false,
	  30,
	  TD_MATCH_ALL,
	  TD_DROP_POLICY_DENY },
	{ "deny on the port beats allow on the peer",
	  { { 0, POD_IDENTITY(2), 20, 0 }, { CLASS, 0, 0, 30 } },
	  PEER_POD,
	  0,
	  0,
	  false,
	  30,
	  TD_MATCH_L4_ONLY,
	  TD_DROP_POLICY_DENY },
	{ "deny and allow in one row deny",
	  { { 0, 0, 20, 30 } },
	  PEER_POD,
	  0,
	  0,
	  false,
	  30,
	  TD_MATCH_ALL,
	  TD_DROP_POLICY_DENY },
	{ "most specific deny decides",
	  { { 0, 0, 0, 30 }, { 0, POD_IDENTITY(2), 0, 31 } },
	  PEER_POD,
	  0,
	  0,
	  false,
	  31,
	  TD_MATCH_L3_ONLY,
	  TD_DROP_POLICY_DENY },
	{ "what init is denied by default is for want of an object",
	  {},
	  PEER_POD,
	  TD_SUBJECT_INIT,
	  0,
	  false,
	  TD_RULE_INIT,
	  TD_MATCH_NONE,
	  TD_DROP_POLICY_DENIED },
	{ "init is denied as by default",
	  { { 0, 0, 0, TD_RULE_INIT } },
	  PEER_POD,
	  0,
	  0,
	  false,
	  TD_RULE_INIT,
	  TD_MATCH_ALL,
	  TD_DROP_POLICY_DENIED },
	{ "world is the outside",
	  { { 0, TD_ID_WORLD, 20, 0 } },
	  PEER_WORLD,
	  0,
	  0,
	  true,
	  20,
	  TD_MATCH_L3_ONLY,
	  0 },
	{ "world is no pod",
	  { { 0, TD_ID_WORLD, 20, 0 } },
	  PEER_POD,
	  0,
	  0,
	  false,
	  TD_RULE_DEFAULT_DENY,
	  TD_MATCH_NONE,
	  TD_DROP_POLICY_DENIED },
	{ "world is an address in a CIDR too",
	  { { 0, TD_ID_WORLD, 20, 0 } },
	  PEER_CIDR,
	  0,
	  0,
	  true,
	  20,
	  TD_MATCH_L3_ONLY,
	  0 },
	{ "CIDR allows",
	  { { 0, WORLD_CIDR, 20, 0 } },
	  PEER_CIDR,
	  0,
	  0,
	  true,
	  20,
	  TD_MATCH_L3_ONLY,
	  0 },
	{ "CIDR says nothing of other addresses",
	  { { 0, WORLD_CIDR, 20, 0 } },
	  PEER_WORLD,
	  0,
	  0,
	  false,
	  TD_RULE_DEFAULT_DENY,
	  TD_MATCH_NONE,
	  TD_DROP_POLICY_DENIED },
	{ "CIDR of the world only allows outside",
	  { { 0, WORLD_CIDR | TD_PEER_WORLD_ONLY, 20, 0 } },
	  PEER_CIDR,
	  TD_SUBJECT_WORLD_CIDR,
	  0,
	  true,
	  20,
	  TD_MATCH_L3_ONLY,
	  0 },
	{ "deny on a CIDR of the world only beats allow on the world",
	  { { 0, WORLD_CIDR | TD_PEER_WORLD_ONLY, 0, 30 }, { 0, TD_ID_WORLD, 20, 0 } },
	  PEER_CIDR,
	  TD_SUBJECT_WORLD_CIDR,
	  0,
	  false,
	  30,
	  TD_MATCH_L3_ONLY,
	  TD_DROP_POLICY_DENY },
	{ "node is reached over a default deny on egress only if allowed",
	  { { 0, TD_ID_HOST, 20, 0 } },
	  PEER_HOST,
	  0,
	  0,
	  true,
	  20,
	  TD_MATCH_L3_ONLY,
	  0 },
	{ "audited deny of an allowed peer is forwarded",
	  { { 0, 0, 20, 0 }, { CLASS, 0, 0, 30 | TD_RULE_AUDIT } },
	  PEER_POD,
	  0,
	  0,
	  true,
	  30,
	  TD_MATCH_L4_ONLY | TD_MATCH_AUDIT,
	  0 },
	{ "audited deny beside an enforced one does not save",
	  { { 0, 0, 20, 31 }, { CLASS, POD_IDENTITY(2), 0, 30 | TD_RULE_AUDIT } },
	  PEER_POD,
	  0,
	  0,
	  false,
	  31,
	  TD_MATCH_ALL,
	  TD_DROP_POLICY_DENY },
	{ "audited deny of what nothing allows is denied by default",
	  { { 0, 0, 0, 30 | TD_RULE_AUDIT } },
	  PEER_POD,
	  0,
	  0,
	  false,
	  TD_RULE_DEFAULT_DENY,
	  TD_MATCH_NONE,
	  TD_DROP_POLICY_DENIED },
	{ "audited deny where only audited policies isolate is forwarded",
	  { { 0, 0, 0, 30 | TD_RULE_AUDIT } },
	  PEER_POD,
	  TD_SUBJECT_AUDIT_DEFAULT,
	  0,
	  true,
	  30,
	  TD_MATCH_ALL | TD_MATCH_AUDIT,
	  0 },
	{ "denied by default where only audited policies isolate is forwarded",
	  {},
	  PEER_POD,
	  TD_SUBJECT_AUDIT_DEFAULT,
	  0,
	  true,
	  TD_RULE_DEFAULT_DENY,
	  TD_MATCH_NONE | TD_MATCH_AUDIT,
	  0 },
	{ "allowed where only audited policies isolate is allowed",
	  { { 0, 0, 20, 0 } },
	  PEER_POD,
	  TD_SUBJECT_AUDIT_DEFAULT,
	  0,
	  true,
	  20,
	  TD_MATCH_ALL,
	  0 },
	{ "enforced deny where only audited policies isolate denies",
	  { { 0, 0, 0, 30 } },
	  PEER_POD,
	  TD_SUBJECT_AUDIT_DEFAULT,
	  0,
	  false,
	  30,
	  TD_MATCH_ALL,
	  TD_DROP_POLICY_DENY },
	{ "enforcement mode always is told as what denies",
	  {},
	  PEER_POD,
	  TD_SUBJECT_ALWAYS,
	  0,
	  false,
	  TD_RULE_ALWAYS,
	  TD_MATCH_NONE,
	  TD_DROP_POLICY_DENIED },
};

static const struct {
	const char *ipv4, *ipv6;
} peers[] = {
	[PEER_POD] = { "10.0.0.2", "fd00::2" },
	[PEER_WORLD] = { OUTSIDE, OUTSIDE6 },
	[PEER_CIDR] = { IN_CIDR, IN_CIDR6 },
	[PEER_HOST] = { NODE, NODE6 },
};

static void apply(struct world *world, const struct verdict_case *c)
{
	world_class(world, TABLE, IPPROTO_TCP, PORT, CLASS);
	for (size_t i = 0; i < 4; i++)
		if (c->rows[i].allow || c->rows[i].deny)
			world_row(world, TABLE, c->rows[i].klass, c->rows[i].peer, c->rows[i].allow,
				  c->rows[i].deny);
}

static void take_back(struct world *world, const struct verdict_case *c)
{
	for (size_t i = 0; i < 4; i++)
		world_row(world, TABLE, c->rows[i].klass, c->rows[i].peer, 0, 0);
}

static void check(const struct world *world, const struct verdict_case *c, int ret, int whose)
{
	const struct td_event *event =
		world_event(world, c->allowed ? TD_EVENT_TRACE : TD_EVENT_DROP);
	bool dropped = ret == SHOT;

	if (dropped == c->allowed || !event)
		fail_msg("%s: returned %d, %zu events", c->name, ret, world->event_count);
	if (event->rule[whose] != c->rule)
		fail_msg("%s: rule %u, expected %u", c->name, event->rule[whose], c->rule);
	if ((event->match >> (4 * whose) & 15) != c->match)
		fail_msg("%s: match %u, expected %u", c->name, event->match, c->match);
	if (!c->allowed && event->reason != c->reason)
		fail_msg("%s: reason %u, expected %u", c->name, event->reason, c->reason);
}

/* What an endpoint in audit mode makes of it: nothing is dropped, and the rule is the same. */
static struct verdict_case audited(const struct verdict_case *c)
{
	struct verdict_case audited = *c;

	audited.match |= c->allowed ? 0 : TD_MATCH_AUDIT;
	audited.allowed = true;
	return audited;
}

static void run_egress(bool ipv6, bool audit)
{
	struct world *world = suite_world(NULL);

	world_audit(world, 1, audit);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct verdict_case told = audited(&cases[i]);
		const struct verdict_case *c = audit ? &told : &cases[i];
		const struct packet syn = {
			.src = ipv6 ? "fd00::1" : "10.0.0.1",
			.dst = ipv6 ? peers[c->peer].ipv6 : peers[c->peer].ipv4,
			.sport = 40000 + i, /* a connection of its own */
			.dport = c->port ? c->port : PORT,
			.flags = TCP_SYN,
		};

		apply(world, c);
		world_subject(world, POD_IDENTITY(1), 1, TABLE, TD_SUBJECT_ENFORCED | c->flags);
		check(world, c, world_from_pod(world, 1, &syn), 0);
		take_back(world, c);
	}
}

static void run_ingress(bool ipv6, bool audit)
{
	struct world *world = suite_world(NULL);

	world_audit(world, 1, audit);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct verdict_case told = audited(&cases[i]);
		const struct verdict_case *c = audit ? &told : &cases[i];
		const struct packet syn = {
			.src = ipv6 ? peers[c->peer].ipv6 : peers[c->peer].ipv4,
			.dst = ipv6 ? "fd00::1" : "10.0.0.1",
			.sport = 40000 + i, /* a connection of its own */
			.dport = c->port ? c->port : PORT,
			.flags = TCP_SYN,
		};
		int ret;

		apply(world, c);
		world_subject(world, POD_IDENTITY(1), TABLE, 1, TD_SUBJECT_ENFORCED | c->flags);
		if (c->peer == PEER_POD)
			ret = world_from_pod(world, 2, &syn);
		else if (c->peer == PEER_HOST)
			ret = world_to_pod(world, 1, &syn, 0);
		else
			ret = world_from_uplink(world, &syn);
		check(world, c, ret, 1);
		take_back(world, c);
	}
}

static void egress_verdicts_over_ipv4(void **state)
{
	run_egress(false, false);
}

static void egress_verdicts_in_audit_over_ipv4(void **state)
{
	run_egress(false, true);
}

static void egress_verdicts_over_ipv6(void **state)
{
	run_egress(true, false);
}

static void egress_verdicts_in_audit_over_ipv6(void **state)
{
	run_egress(true, true);
}

static void ingress_verdicts_over_ipv4(void **state)
{
	run_ingress(false, false);
}

static void ingress_verdicts_in_audit_over_ipv4(void **state)
{
	run_ingress(false, true);
}

static void ingress_verdicts_over_ipv6(void **state)
{
	run_ingress(true, false);
}

static void ingress_verdicts_in_audit_over_ipv6(void **state)
{
	run_ingress(true, true);
}

static const struct packet syn_to_2 = {
	.src = "10.0.0.1", .dst = "10.0.0.2", .sport = 40000, .dport = PORT, .flags = TCP_SYN
};

static void subject_without_tables_is_denied(void **state)
{
	struct world *world = suite_world(NULL);
	const struct td_event *event;

	world_no_subject(world, POD_IDENTITY(2));
	assert_int_equal(world_from_pod(world, 1, &syn_to_2), SHOT);
	event = world_event(world, TD_EVENT_DROP);
	assert_int_equal(event->reason,
			 TD_DROP_NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION);
	assert_int_equal(event->rule[1], TD_RULE_NO_SUBJECT);
}

/* Audit forwards what policies deny: not what no policy was loaded for. */
static void subject_without_tables_is_denied_in_audit_too(void **state)
{
	struct world *world = suite_world(NULL);

	world_audit(world, 2, true);
	world_no_subject(world, POD_IDENTITY(2));
	assert_int_equal(world_from_pod(world, 1, &syn_to_2), SHOT);
	assert_int_equal(world_event(world, TD_EVENT_DROP)->rule[1], TD_RULE_NO_SUBJECT);
}

/* One end in audit mode does not open the other. */
static void audit_is_of_one_end(void **state)
{
	struct world *world = suite_world(NULL);
	const struct td_event *event;

	world_audit(world, 1, true);
	world_subject(world, POD_IDENTITY(1), 1, 9, TD_SUBJECT_ENFORCED);
	world_subject(world, POD_IDENTITY(2), 9, 1, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_from_pod(world, 1, &syn_to_2), SHOT);
	event = world_event(world, TD_EVENT_DROP);
	assert_int_equal(event->flags, TD_EVENT_VERDICT_EGRESS | TD_EVENT_DENIED_INGRESS);
	assert_int_equal(event->match, TD_MATCH_AUDIT);
}

static void nothing_is_refused_aloud_in_audit(void **state)
{
	struct world *world = suite_world(NULL);

	world_config(world, TD_CONFIG_REJECT, 0);
	world_audit(world, 2, true);
	world_subject(world, POD_IDENTITY(2), 9, 1, TD_SUBJECT_ENFORCED);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(world_from_pod(world, 1, &syn_to_2), REDIRECT);
		assert_string_equal(packet_address(world->frame, 1), syn_to_2.dst);
		assert_int_equal(packet_l4(world->frame)[13], TCP_SYN);
	}
	assert_int_equal(world_drops(world, TD_DROP_POLICY_DENIED, TD_INGRESS), 0);
}

static void both_ends_must_allow(void **state)
{
	static const struct {
		uint32_t egress, ingress;
		int want;
		uint32_t flags;
	} rows[] = {
		{ 1, 1, REDIRECT, TD_EVENT_VERDICT_EGRESS | TD_EVENT_VERDICT_INGRESS },
		{ 9, 1, SHOT, TD_EVENT_DENIED_EGRESS },
		{ 1, 9, SHOT, TD_EVENT_VERDICT_EGRESS | TD_EVENT_DENIED_INGRESS },
		{ 9, 9, SHOT, TD_EVENT_DENIED_EGRESS },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *world = suite_world(NULL);

		world_subject(world, POD_IDENTITY(1), 9, rows[i].egress, TD_SUBJECT_ENFORCED);
		world_subject(world, POD_IDENTITY(2), rows[i].ingress, 9, TD_SUBJECT_ENFORCED);
		assert_int_equal(world_from_pod(world, 1, &syn_to_2), rows[i].want);
		assert_int_equal(world->events[0].flags, rows[i].flags);
	}
}

/* NetworkPolicy's ipBlock matches every address, CiliumNetworkPolicy's toCIDR the world only. */
static void cidr_rows_apply_to_pods_only_if_the_subject_says_so(void **state)
{
	static const struct {
		uint32_t peer, flags;
		int want;
	} rows[] = {
		{ WORLD_CIDR, 0, SHOT },
		{ WORLD_CIDR, TD_SUBJECT_CIDR_ALL, REDIRECT },
		{ WORLD_CIDR | TD_PEER_WORLD_ONLY, TD_SUBJECT_CIDR_ALL | TD_SUBJECT_WORLD_CIDR,
		  SHOT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *world = suite_world(NULL);
		struct td_cidr_key key = { .prefixlen = 96 + 8, .addr = world_address("10.0.0.0") };
		uint32_t identity = WORLD_CIDR;

		bpf_map_update_elem(world_map(world, "td_cidr"), &key, &identity, BPF_ANY);
		world_row(world, TABLE, 0, rows[i].peer, 20, 0);
		world_subject(world, POD_IDENTITY(1), 1, TABLE,
			      TD_SUBJECT_ENFORCED | rows[i].flags);
		assert_int_equal(world_from_pod(world, 1, &syn_to_2), rows[i].want);
	}
}

static void classes_tell_protocols_ports_and_icmp_types_apart(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t class_port;
		uint8_t packet_protocol, icmp_type;
		uint16_t port;
		int want;
	} rows[] = {
		{ IPPROTO_TCP, 80, IPPROTO_TCP, 0, 80, REDIRECT },
		{ IPPROTO_TCP, 80, IPPROTO_UDP, 0, 80, SHOT },
		{ IPPROTO_TCP, 80, IPPROTO_SCTP, 0, 80, SHOT },
		{ IPPROTO_UDP, 0, IPPROTO_UDP, 0, 4711, REDIRECT },
		{ IPPROTO_SCTP, 0, IPPROTO_SCTP, 0, 80, REDIRECT },
		{ IPPROTO_ICMP, 8, IPPROTO_ICMP, 8, 0, REDIRECT },
		{ IPPROTO_ICMP, 8, IPPROTO_ICMP, 13, 0, SHOT },
		{ IPPROTO_ICMP, 13, IPPROTO_ICMP, 13, 0, REDIRECT },
		{ IPPROTO_ICMP, 8, IPPROTO_TCP, 0, 8, SHOT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *world = suite_world(NULL);
		const struct packet packet = {
			.src = "10.0.0.1",
			.dst = "10.0.0.2",
			.protocol = rows[i].packet_protocol,
			.sport = 40000,
			.dport = rows[i].port,
			.icmp_type = rows[i].icmp_type,
			.id = 1,
			.payload_len = 40,
		};

		world_class(world, TABLE, rows[i].protocol, rows[i].class_port, CLASS);
		world_row(world, TABLE, CLASS, TD_PEER_ANY, 20, 0);
		world_subject(world, POD_IDENTITY(1), 1, TABLE, TD_SUBJECT_ENFORCED);
		if (world_from_pod(world, 1, &packet) != rows[i].want)
			fail_msg("row %zu: expected %d", i, rows[i].want);
	}
}

/* The refusal must reach the one who asked, with right checksums, and from whom it asked. */
static void denied_is_refused_aloud_if_asked(void **state)
{
	static const struct {
		struct packet packet;
		uint8_t protocol, type, code;
	} rows[] = {
		{ { .src = "10.0.0.1",
		    .dst = "10.0.0.2",
		    .sport = 40000,
		    .dport = 80,
		    .flags = TCP_SYN,
		    .payload_len = 5 },
		  IPPROTO_TCP,
		  0,
		  0 },
		{ { .src = "fd00::1",
		    .dst = "fd00::2",
		    .sport = 40000,
		    .dport = 80,
		    .flags = TCP_SYN },
		  IPPROTO_TCP,
		  0,
		  0 },
		{ { .src = "10.0.0.1",
		    .dst = "10.0.0.2",
		    .sport = 40000,
		    .dport = 80,
		    .protocol = IPPROTO_UDP,
		    .payload_len = 11 },
		  IPPROTO_ICMP,
		  3,
		  13 },
		{ { .src = "fd00::1",
		    .dst = "fd00::2",
		    .sport = 40000,
		    .dport = 80,
		    .protocol = IPPROTO_UDP,
		    .payload_len = 300 },
		  IPPROTO_ICMPV6,
		  1,
		  1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *world = suite_world(NULL);
		const struct packet *packet = &rows[i].packet;
		const uint8_t *l4;

		world_config(world, TD_CONFIG_REJECT, 0);
		world_subject(world, POD_IDENTITY(1), 1, 9, TD_SUBJECT_ENFORCED);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(world_from_pod(world, 1, packet), REDIRECT);
			assert_true(packet_checksums_hold(world->frame, world->frame_len));
			assert_string_equal(packet_address(world->frame, 0), packet->dst);
			assert_string_equal(packet_address(world->frame, 1), packet->src);
			assert_int_equal(packet_protocol(world->frame), rows[i].protocol);
			l4 = packet_l4(world->frame);
			if (rows[i].protocol == IPPROTO_TCP) {
				assert_int_equal(packet_port(world->frame, 0), packet->dport);
				assert_int_equal(l4[13], TCP_RST | TCP_ACK);
				assert_int_equal(l4[11], 1 + 1 + packet->payload_len);
			} else {
				assert_int_equal(l4[0], rows[i].type);
				assert_int_equal(l4[1], rows[i].code);
			}
		}
		assert_int_equal(world_drops(world, TD_DROP_POLICY_DENIED, TD_EGRESS), 2);
	}
}

static void refusals_and_errors_are_not_refused(void **state)
{
	static const struct packet rst = {
		.src = "10.0.0.1", .dst = "10.0.0.2", .sport = 40000, .dport = 80, .flags = TCP_RST
	};
	static const struct packet error = { .src = "10.0.0.1",
					     .dst = "10.0.0.2",
					     .protocol = IPPROTO_ICMP,
					     .icmp_type = 3,
					     .inner = &syn_to_2 };
	struct world *world = suite_world(NULL);

	world_config(world, TD_CONFIG_REJECT, 0);
	world_subject(world, POD_IDENTITY(1), 1, 9, TD_SUBJECT_ENFORCED);
	assert_int_equal(world_from_pod(world, 1, &rst), SHOT);
	assert_int_equal(world_from_pod(world, 1, &error), SHOT);
}

/* Whoever forges sources must not make the node send without end. */
static void refusals_are_limited(void **state)
{
	static const struct packet datagram = { .src = "10.0.0.1",
						.dst = "10.0.0.2",
						.sport = 40000,
						.dport = 80,
						.protocol = IPPROTO_UDP };
	struct world *world = suite_world(NULL);
	unsigned int sent = 0, silent = 0;

	world_config(world, TD_CONFIG_REJECT, 0);
	world_subject(world, POD_IDENTITY(1), 1, 9, TD_SUBJECT_ENFORCED);
	/* A machine that manages fewer than the budget a second never exhausts it. */
	for (int i = 0; i < 20000 && !silent; i++) {
		if (world_from_pod(world, 1, &datagram) == REDIRECT)
			sent++;
		else
			silent++;
	}
	assert_true(sent >= 1000);
	if (!silent)
		skip();
	assert_true(sent < 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(egress_verdicts_over_ipv4),
		cmocka_unit_test(egress_verdicts_in_audit_over_ipv4),
		cmocka_unit_test(egress_verdicts_over_ipv6),
		cmocka_unit_test(egress_verdicts_in_audit_over_ipv6),
		cmocka_unit_test(ingress_verdicts_over_ipv4),
		cmocka_unit_test(ingress_verdicts_in_audit_over_ipv4),
		cmocka_unit_test(ingress_verdicts_over_ipv6),
		cmocka_unit_test(ingress_verdicts_in_audit_over_ipv6),
		cmocka_unit_test(subject_without_tables_is_denied),
		cmocka_unit_test(subject_without_tables_is_denied_in_audit_too),
		cmocka_unit_test(audit_is_of_one_end),
		cmocka_unit_test(nothing_is_refused_aloud_in_audit),
		cmocka_unit_test(both_ends_must_allow),
		cmocka_unit_test(cidr_rows_apply_to_pods_only_if_the_subject_says_so),
		cmocka_unit_test(classes_tell_protocols_ports_and_icmp_types_apart),
		cmocka_unit_test(denied_is_refused_aloud_if_asked),
		cmocka_unit_test(refusals_and_errors_are_not_refused),
		cmocka_unit_test(refusals_are_limited),
	};

	return suite_run("policy", tests, sizeof(tests) / sizeof(tests[0]));
}
