/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define SIZE_MIN 16

static uint64_t hash_seed(void)
{
	static uint64_t seed;
	struct timespec now;

	if (!seed && getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		seed = flow_mix64((uint64_t)now.tv_nsec ^ (uintptr_t)&now) | 1;
	}
	return seed;
}

uint32_t flow_hash(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint64_t hash = hash_seed() ^ size * 0x9e3779b97f4a7c15;

	while (size) {
		size_t step = size < 8 ? size : 8;
		uint64_t word = 0;

		memcpy(&word, p, step);
		hash = flow_mix64(hash ^ word);
		p += step;
		size -= step;
	}
	return (uint32_t)hash;
}

/* The slot of the key, or the free one where it would go. The table is never full. */
static struct flow_table_slot *find_slot(const struct flow_table *table, uint32_t hash,
					 const void *key)
{
	size_t mask = table->size - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct flow_table_slot *slot = &table->slots[i];

		if (!slot->entry || (slot->hash == hash && table->equal(slot->entry, key)))
			return slot;
	}
}

void *flow_table_find(const struct flow_table *table, uint32_t hash, const void *key)
{
	return table->size ? find_slot(table, hash, key)->entry : NULL;
}

static int grow(struct flow_table *table)
{
	size_t size = table->size ? table->size * 2 : SIZE_MIN;
	struct flow_table_slot *slots;

	slots = calloc(size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < table->size; i++) {
		size_t at = table->slots[i].hash & (size - 1);

		if (!table->slots[i].entry)
			continue;
		while (slots[at].entry)
			at = (at + 1) & (size - 1);
		slots[at] = table->slots[i];
	}
	free(table->slots);
	table->slots = slots;
	table->size = size;
	return 0;
}

int flow_table_put(struct flow_table *table, uint32_t hash, const void *key, void *entry,
		   void **old)
{
	struct flow_table_slot *slot;
	int r;

	if (4 * (table->count + 1) > 3 * table->size) {
		r = grow(table);
		if (r < 0)
			return r;
	}
	slot = find_slot(table, hash, key);
	table->count += !slot->entry;
	*old = slot->entry;
	*slot = (struct flow_table_slot){ entry, hash, table->epoch };
	return 0;
}

static void remove_slot(struct flow_table *table, size_t hole)
{
	size_t mask = table->size - 1;

	table->count--;
	for (size_t i = (hole + 1) & mask; table->slots[i].entry; i = (i + 1) & mask) {
		size_t home = table->slots[i].hash & mask;

		/* An entry may move into the hole unless its home lies behind it. */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		table->slots[hole] = table->slots[i];
		hole = i;
	}
	table->slots[hole] = (struct flow_table_slot){ 0 };
}

void *flow_table_remove(struct flow_table *table, uint32_t hash, const void *key)
{
	struct flow_table_slot *slot;
	void *entry;

	if (!table->size)
		return NULL;
	slot = find_slot(table, hash, key);
	entry = slot->entry;
	if (entry)
		remove_slot(table, (size_t)(slot - table->slots));
	return entry;
}

void *flow_table_sweep(struct flow_table *table, size_t *cursor)
{
	/* The cursor stays where it is after a removal: another entry may have moved there. One
	 * that wrapped round from the front has been looked at already, or is found in a next
	 * sweep; so go on until a whole round finds nothing. */
	for (; *cursor < 2 * table->size; (*cursor)++) {
		size_t at = *cursor & (table->size - 1);
		void *entry = table->slots[at].entry;

		if (!entry || table->slots[at].epoch == table->epoch)
			continue;
		remove_slot(table, at);
		return entry;
	}
	return NULL;
}

void *flow_table_next(const struct flow_table *table, size_t *cursor)
{
	while (*cursor < table->size) {
		void *entry = table->slots[(*cursor)++].entry;

		if (entry)
			return entry;
	}
	return NULL;
}

void flow_table_clear(struct flow_table *table)
{
	free(table->slots);
	table->slots = NULL;
	table->size = 0;
	table->count = 0;
}
