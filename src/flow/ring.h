/* SPDX-License-Identifier: Apache-2.0 */
/* ring: the latest flows in fixed memory; one writer, any number of readers.
 *
 * In: records    Out: records by sequence number
 * Owns: its records and their references    Thread: one (readers only keep a number)
 *
 * Sequence numbers start at 1 and never repeat. A reader keeps the number it wants next; if the
 * writer has gone past it, the read says how many records it lost and where to go on. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "flow/record.h"

#define FLOW_RING_DEFAULT 65536
/* ns that records may be out of order: events of different CPUs overlap, and the wall clock is
 * slewed between measurements. */
#define FLOW_RING_DISORDER 1000000000ULL

struct flow_ring;
/* capacity: records kept, 1 to 2^24. Memory is capacity * sizeof(struct flow_record), touched only
 * as it fills. */
int flow_ring_new(size_t capacity, struct flow_ring **ret);
void flow_ring_free(struct flow_ring *ring);
DEFINE_FREEP(flow_ring);

/* Takes over the record's references; *record is zeroed. Returns its sequence number. */
uint64_t flow_ring_push(struct flow_ring *ring, struct flow_record *record);

size_t flow_ring_capacity(const struct flow_ring *ring);
size_t flow_ring_count(const struct flow_ring *ring);
/* The sequence number of the next record to be pushed; of the oldest kept (equal if empty). */
uint64_t flow_ring_head(const struct flow_ring *ring);
uint64_t flow_ring_oldest(const struct flow_ring *ring);

/* NULL if it is gone or not there yet. Borrowed until the next push. */
const struct flow_record *flow_ring_at(const struct flow_ring *ring, uint64_t sequence);

/* The record at *cursor, which moves on by one; NULL if the reader has seen everything. If records
 * were overwritten before they were read, *lost is increased by their number, *cursor moves to the
 * oldest kept, and reading goes on there. */
const struct flow_record *flow_ring_next(const struct flow_ring *ring, uint64_t *cursor,
					 uint64_t *lost);

/* Where to start for records at or after time (ns since 1970); head if there are none. Records a
 * little older may stand among those that follow: the reader skips them. */
uint64_t flow_ring_since(const struct flow_ring *ring, uint64_t time);

/* Where to start so that `number` matching records remain up to `end` (exclusive); the oldest if
 * there are fewer. match may be NULL (all match). */
uint64_t flow_ring_rewind(const struct flow_ring *ring, uint64_t end, uint64_t number,
			  bool (*match)(const struct flow_record *record, void *data), void *data);
