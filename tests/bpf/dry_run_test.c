/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the programs: a verdict is one of policy, about what was asked, or an error. */
#include "datapath/dry_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/util.h"

#define POD   300
#define OTHER 301
#define RULE  20
#define CIDR  (TD_ID_LOCAL_MIN + 1)

static const struct policy_row open_rows[] = { { 0, TD_PEER_ANY, { TD_RULE_UNSELECTED, 0 } } };
static const struct policy_table open_table = { .number = 1,
						.rows = (struct policy_row *)open_rows,
						.row_count = 1 };

static int set_up(void **state)
{
	struct diag diag = { 0 };
	struct dry_run *run = NULL;

	if (dry_run_open(&run, &diag) < 0)
		fail_msg("%s", diag.text);
	*state = run;
	return 0;
}

static int tear_down(void **state)
{
	dry_run_free(*state);
	return 0;
}

/* The pod with one row in the table of a direction, and open in the other. */
static void put(struct dry_run *run, enum td_direction direction, uint32_t number, uint32_t flags,
		const struct policy_row *row)
{
	const struct policy_table table = { .number = number,
					    .flags = flags,
					    .rows = (struct policy_row *)row,
					    .row_count = row != NULL };
	struct policy_subject subject = { .identity = POD, .table = { &open_table, &open_table } };

	subject.table[direction] = &table;
	assert_int_equal(dry_run_sync_policy(run, &subject, 1, true), 0);
}

static struct dry_run_question ask(enum td_direction direction)
{
	return (struct dry_run_question){ .direction = direction,
					  .subject = POD,
					  .peer = OTHER,
					  .protocol = IPPROTO_TCP,
					  .port = 80 };
}

static struct policy_decision judge(struct dry_run *run, const struct dry_run_question *question)
{
	struct policy_decision decision;
	struct diag diag = { 0 };

	if (dry_run_judge(run, question, &decision, &diag) < 0)
		fail_msg("%s", diag.text);
	return decision;
}

static void each_direction_is_judged_by_its_own_table(void **state)
{
	static const struct policy_row row = { 0, OTHER, { RULE, 0 } };
	static const struct policy_row deny = { 0, OTHER, { 0, RULE } };

	for (int d = TD_INGRESS; d <= TD_EGRESS; d++) {
		const struct dry_run_question here = ask((enum td_direction)d);
		const struct dry_run_question there = ask((enum td_direction) !d);
		struct policy_decision decision;

		put(*state, here.direction, 10 + (uint32_t)d, TD_SUBJECT_ENFORCED, &row);
		decision = judge(*state, &here);
		assert_true(decision.allowed);
		assert_int_equal(decision.rule, RULE);
		assert_int_equal(decision.match, TD_MATCH_L3_ONLY);
		put(*state, here.direction, 20 + (uint32_t)d, TD_SUBJECT_ENFORCED, &deny);
		decision = judge(*state, &here);
		assert_false(decision.allowed);
		assert_int_equal(decision.rule, RULE);
		decision = judge(*state, &there);
		assert_true(decision.allowed);
		assert_int_equal(decision.rule, TD_RULE_UNSELECTED);
	}
}

static void every_protocol_and_kind_of_peer_gets_a_verdict(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP,
					     IPPROTO_ICMPV6 };
	static const uint32_t peers[] = { OTHER,        TD_ID_HOST,    TD_ID_REMOTE_NODE,
					  TD_ID_HEALTH, TD_ID_INGRESS, TD_ID_WORLD };
	static const char *const addresses[] = { NULL, "192.0.2.7", "2001:db8::7" };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(protocols) * ARRAY_SIZE(peers) * 3; i++) {
		struct dry_run_question question = ask((enum td_direction)(i % 2));
		const char *address = addresses[i / 2 % 3];

		question.protocol = protocols[i / 6 % ARRAY_SIZE(protocols)];
		question.peer = peers[i / 6 / ARRAY_SIZE(protocols)];
		question.outside = question.peer == TD_ID_WORLD;
		question.ipv6 = question.protocol == IPPROTO_ICMPV6;
		if (address)
			assert_int_equal(address_parse(address, &question.addr), 0);
		put(*state, question.direction, 1000 + (uint32_t)i, TD_SUBJECT_ENFORCED, NULL);
		if (judge(*state, &question).allowed)
			assert_int_equal(judge(*state, &question).rule, TD_RULE_LOCAL_HOST);
		put(*state, question.direction, 1, 0, open_rows);
		assert_true(judge(*state, &question).allowed);
	}
}

static void subject_without_tables_is_denied_for_that(void **state)
{
	const struct dry_run_question question = ask(TD_EGRESS);
	struct policy_decision decision;

	assert_int_equal(dry_run_sync_policy(*state, NULL, 0, true), 0);
	decision = judge(*state, &question);
	assert_false(decision.allowed);
	assert_int_equal(decision.rule, TD_RULE_NO_SUBJECT);
}

static void unknown_address_is_in_no_cidr(void **state)
{
	static const struct policy_row row = { 0, CIDR, { RULE, 0 } };
	const struct policy_cidr all[] = { { { { .words = { 0, 0, TD_V4_MAPPED, 0 } }, 0 },
					     CIDR } };

	assert_int_equal(dry_run_sync_cidrs(*state, all, 1), 0);
	for (int d = TD_INGRESS; d <= TD_EGRESS; d++) {
		struct dry_run_question question = ask((enum td_direction)d);

		put(*state, question.direction, 30 + (uint32_t)d,
		    TD_SUBJECT_ENFORCED | TD_SUBJECT_CIDR_ALL, &row);
		assert_false(judge(*state, &question).allowed);
		assert_int_equal(address_parse("192.0.2.7", &question.addr), 0);
		assert_true(judge(*state, &question).allowed);
	}
}

static void same_question_is_a_new_connection_each_time(void **state)
{
	const struct dry_run_question question = ask(TD_INGRESS);
	struct dry_run_question unnumbered = ask(TD_INGRESS);

	unnumbered.protocol = IPPROTO_ICMP;
	unnumbered.port = 13; /* timestamp: told apart by its type only */
	put(*state, TD_INGRESS, 40, TD_SUBJECT_ENFORCED, NULL);
	for (int i = 0; i < 5000; i++)
		assert_false(judge(*state, &question).allowed);
	for (int i = 0; i < 3; i++)
		assert_false(judge(*state, &unnumbered).allowed);
	put(*state, TD_INGRESS, 1, 0, open_rows);
	assert_true(judge(*state, &question).allowed);
	assert_true(judge(*state, &unnumbered).allowed);
}

static void tables_of_another_engine_take_over(void **state)
{
	static const struct policy_row row = { 0, OTHER, { RULE, 0 } };
	const struct dry_run_question question = ask(TD_EGRESS);

	put(*state, TD_EGRESS, 50, TD_SUBJECT_ENFORCED, &row);
	assert_true(judge(*state, &question).allowed);
	dry_run_restart(*state);
	put(*state, TD_EGRESS, 50, TD_SUBJECT_ENFORCED, NULL);
	assert_false(judge(*state, &question).allowed);
}

static void what_is_no_verdict_of_policy_is_an_error(void **state)
{
	static const struct {
		const char *name, *address;
		uint8_t protocol;
		uint16_t port;
	} rows[] = {
		{ "neighbour discovery is dropped before", NULL, IPPROTO_ICMPV6, 135 },
		{ "multicast goes nowhere", "224.0.0.5", IPPROTO_UDP, 53 },
		{ "the pod's own address", "240.84.68.1", IPPROTO_TCP, 80 },
		{ "the address of nobody", "240.84.68.2", IPPROTO_TCP, 80 },
	};

	put(*state, TD_EGRESS, 1, 0, open_rows);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dry_run_question question = ask(TD_EGRESS);
		struct policy_decision decision = { .rule = 4711 };
		struct diag diag = { 0 };

		question.protocol = rows[i].protocol;
		question.port = rows[i].port;
		question.ipv6 = rows[i].protocol == IPPROTO_ICMPV6;
		question.outside = true;
		question.peer = TD_ID_WORLD;
		if (rows[i].address)
			assert_int_equal(address_parse(rows[i].address, &question.addr), 0);
		if (dry_run_judge(*state, &question, &decision, &diag) >= 0)
			fail_msg("%s: a verdict", rows[i].name);
		assert_true(diag_is_set(&diag));
		assert_int_equal(decision.rule, 4711);
	}
}

static void own_network_namespace_is_left_and_found_again(void **state)
{
	char before[64] = "", inside[64] = "", after[64] = "";

	assert_true(readlink("/proc/self/ns/net", before, sizeof(before) - 1) > 0);
	set_up(state);
	assert_true(readlink("/proc/self/ns/net", inside, sizeof(inside) - 1) > 0);
	tear_down(state);
	assert_true(readlink("/proc/self/ns/net", after, sizeof(after) - 1) > 0);
	assert_string_not_equal(before, inside);
	assert_string_equal(before, after);
}

#define WITH_RUN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RUN(each_direction_is_judged_by_its_own_table),
		WITH_RUN(every_protocol_and_kind_of_peer_gets_a_verdict),
		WITH_RUN(subject_without_tables_is_denied_for_that),
		WITH_RUN(unknown_address_is_in_no_cidr),
		WITH_RUN(same_question_is_a_new_connection_each_time),
		WITH_RUN(tables_of_another_engine_take_over),
		WITH_RUN(what_is_no_verdict_of_policy_is_an_error),
		cmocka_unit_test(own_network_namespace_is_left_and_found_again),
	};

	if (geteuid() != 0) {
		printf("skipped: needs root to load BPF programs\n");
		return 77;
	}
	return cmocka_run_group_tests_name("dry_run", tests, NULL, NULL);
}
