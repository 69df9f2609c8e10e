/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/test_names.h"

#include <errno.h>

#include "flow/ring.h"

static void push(struct flow_ring *ring, uint64_t time, uint8_t verdict)
{
	struct flow_record record = { .time = time, .verdict = verdict };

	flow_ring_push(ring, &record);
}

static bool is_dropped(const struct flow_record *record, void *data)
{
	return record->verdict == FLOW_VERDICT_DROPPED;
}

static void the_default_ring_fits_into_16_mib(void **state)
{
	assert_true((size_t)FLOW_RING_DEFAULT * sizeof(struct flow_record) <= 16 << 20);
}

static void a_reader_gets_every_record_once_and_in_order(void **state)
{
	uint64_t cursor = 1, lost = 0;
	struct flow_ring *ring;

	assert_int_equal(flow_ring_new(4, &ring), 0);
	assert_null(flow_ring_next(ring, &cursor, &lost));
	for (uint64_t i = 1; i <= 4; i++)
		push(ring, i * 10, 0);
	for (uint64_t i = 1; i <= 4; i++) {
		const struct flow_record *record = flow_ring_next(ring, &cursor, &lost);

		assert_non_null(record);
		assert_int_equal(record->sequence, i);
		assert_int_equal(record->time, i * 10);
	}
	assert_null(flow_ring_next(ring, &cursor, &lost));
	assert_int_equal(lost, 0);
	flow_ring_free(ring);
}

static void an_overrun_reader_learns_how_many_it_lost(void **state)
{
	uint64_t cursor = 1, lost = 0;
	struct flow_ring *ring;

	assert_int_equal(flow_ring_new(4, &ring), 0);
	for (uint64_t i = 1; i <= 11; i++)
		push(ring, i, 0);
	assert_int_equal(flow_ring_count(ring), 4);
	assert_int_equal(flow_ring_next(ring, &cursor, &lost)->sequence, 8);
	assert_int_equal(lost, 7);
	assert_null(flow_ring_at(ring, 7));
	assert_null(flow_ring_at(ring, 12));
	assert_int_equal(flow_ring_at(ring, 11)->time, 11);
	flow_ring_free(ring);
}

static void since_finds_the_first_record_of_a_time(void **state)
{
	const uint64_t second = 1000000000;
	struct flow_ring *ring;

	assert_int_equal(flow_ring_new(8, &ring), 0);
	assert_int_equal(flow_ring_since(ring, 0), 1);
	for (uint64_t i = 1; i <= 6; i++)
		push(ring, (i == 4 ? 3 : i) * 10 * second - (i == 4), 0); /* 4 is a little late */
	assert_int_equal(flow_ring_since(ring, 0), 1);
	assert_int_equal(flow_ring_since(ring, 30 * second), 3);
	assert_int_equal(flow_ring_since(ring, 31 * second), 5);
	assert_int_equal(flow_ring_since(ring, 61 * second), 7);
	flow_ring_free(ring);
}

static void rewind_counts_matching_records_only(void **state)
{
	struct flow_ring *ring;

	assert_int_equal(flow_ring_new(8, &ring), 0);
	for (int i = 1; i <= 8; i++)
		push(ring, (uint64_t)i, i % 3 ? FLOW_VERDICT_FORWARDED : FLOW_VERDICT_DROPPED);
	assert_int_equal(flow_ring_rewind(ring, flow_ring_head(ring), 3, NULL, NULL), 6);
	assert_int_equal(flow_ring_rewind(ring, flow_ring_head(ring), 0, NULL, NULL), 9);
	assert_int_equal(flow_ring_rewind(ring, flow_ring_head(ring), 1, is_dropped, NULL), 6);
	assert_int_equal(flow_ring_rewind(ring, flow_ring_head(ring), 2, is_dropped, NULL), 3);
	assert_int_equal(flow_ring_rewind(ring, flow_ring_head(ring), 9, is_dropped, NULL), 1);
	flow_ring_free(ring);
}

static void names_live_as_long_as_their_records(void **state)
{
	struct flow_names *names = world_names();
	struct td_event event = syn_event();
	struct flow_record records[FLOW_RECORDS_PER_EVENT];
	struct flow_ring *ring;

	assert_int_equal(flow_ring_new(2, &ring), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(flow_decode(names, &event, sizeof(event), 0, records), 1);
		flow_ring_push(ring, &records[0]);
	}
	assert_int_equal(update_names(names, "{\"endpoint\":{\"id\":7},\"deleted\":true}"), 0);
	flow_names_free(names);
	assert_string_equal(flow_ring_at(ring, 5)->endpoint[0]->pod, "xwing");
	flow_ring_free(ring);
}

static void impossible_sizes_are_refused(void **state)
{
	struct flow_ring *ring;

	assert_int_equal(flow_ring_new(0, &ring), -EINVAL);
	assert_int_equal(flow_ring_new((size_t)1 << 40, &ring), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default_ring_fits_into_16_mib),
		cmocka_unit_test(a_reader_gets_every_record_once_and_in_order),
		cmocka_unit_test(an_overrun_reader_learns_how_many_it_lost),
		cmocka_unit_test(since_finds_the_first_record_of_a_time),
		cmocka_unit_test(rewind_counts_matching_records_only),
		cmocka_unit_test(names_live_as_long_as_their_records),
		cmocka_unit_test(impossible_sizes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
