/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/ring.h"

#include <errno.h>
#include <string.h>

#define CAPACITY_MAX ((size_t)1 << 24)

struct flow_ring {
	size_t capacity;
	uint64_t head; /* the next sequence number */
	struct flow_record records[];
};

int flow_ring_new(size_t capacity, struct flow_ring **ret)
{
	struct flow_ring *ring;

	if (!capacity || capacity > CAPACITY_MAX)
		return -EINVAL;
	ring = calloc(1, sizeof(*ring) + capacity * sizeof(*ring->records));
	if (!ring)
		return -ENOMEM;
	ring->capacity = capacity;
	ring->head = 1;
	*ret = ring;
	return 0;
}

static struct flow_record *record_at(const struct flow_ring *ring, uint64_t sequence)
{
	return (struct flow_record *)&ring->records[(sequence - 1) % ring->capacity];
}

void flow_ring_free(struct flow_ring *ring)
{
	if (!ring)
		return;
	for (uint64_t i = flow_ring_oldest(ring); i < ring->head; i++)
		flow_record_clear(record_at(ring, i));
	free(ring);
}

uint64_t flow_ring_push(struct flow_ring *ring, struct flow_record *record)
{
	struct flow_record *slot = record_at(ring, ring->head);

	if (ring->head > ring->capacity)
		flow_record_clear(slot);
	*slot = *record;
	slot->sequence = ring->head;
	memset(record, 0, sizeof(*record));
	return ring->head++;
}

size_t flow_ring_capacity(const struct flow_ring *ring)
{
	return ring->capacity;
}

size_t flow_ring_count(const struct flow_ring *ring)
{
	return (size_t)(ring->head - flow_ring_oldest(ring));
}

uint64_t flow_ring_head(const struct flow_ring *ring)
{
	return ring->head;
}

uint64_t flow_ring_oldest(const struct flow_ring *ring)
{
	return ring->head > ring->capacity ? ring->head - ring->capacity : 1;
}

const struct flow_record *flow_ring_at(const struct flow_ring *ring, uint64_t sequence)
{
	if (sequence < flow_ring_oldest(ring) || sequence >= ring->head)
		return NULL;
	return record_at(ring, sequence);
}

const struct flow_record *flow_ring_next(const struct flow_ring *ring, uint64_t *cursor,
					 uint64_t *lost)
{
	uint64_t oldest = flow_ring_oldest(ring);

	if (*cursor < oldest) {
		*lost += oldest - *cursor;
		*cursor = oldest;
	}
	if (*cursor >= ring->head)
		return NULL;
	return record_at(ring, (*cursor)++);
}

uint64_t flow_ring_since(const struct flow_ring *ring, uint64_t time)
{
	uint64_t at = ring->head;

	/* Backwards, past records that overlap, so none is missed; a record older than this by more
	 * than events can be out of order ends the search. */
	for (uint64_t i = ring->head; i > flow_ring_oldest(ring); i--) {
		uint64_t stamp = record_at(ring, i - 1)->time;

		if (stamp >= time)
			at = i - 1;
		else if (time - stamp > FLOW_RING_DISORDER)
			break;
	}
	return at;
}

uint64_t flow_ring_rewind(const struct flow_ring *ring, uint64_t end, uint64_t number,
			  bool (*match)(const struct flow_record *record, void *data), void *data)
{
	uint64_t oldest = flow_ring_oldest(ring);
	uint64_t i = end < ring->head ? end : ring->head;

	if (i < oldest)
		return oldest;
	while (number && i > oldest) {
		i--;
		if (!match || match(record_at(ring, i), data))
			number--;
	}
	return i;
}
