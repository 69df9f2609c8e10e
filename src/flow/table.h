/* SPDX-License-Identifier: Apache-2.0 */
/* table: a hash table of entries that carry their own keys, with epochs.
 *
 * In: entries (pointers) and the hash of their keys    Out: the entry of a key
 * Owns: its slots, not the entries    Thread: one
 *
 * Open addressing with linear probing; deletion shifts back the entries behind (Knuth, TAOCP 6.4,
 * algorithm R), so there are no tombstones. Every put marks its slot with the current epoch;
 * flow_table_sweep() removes what an epoch did not repeat. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow_table_slot {
	void *entry; /* NULL: free */
	uint32_t hash;
	uint32_t epoch;
};

struct flow_table {
	/* Whether an entry has this key. */
	bool (*equal)(const void *entry, const void *key);
	struct flow_table_slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t count;
	uint32_t epoch;
};

void flow_table_clear(struct flow_table *table);
void *flow_table_find(const struct flow_table *table, uint32_t hash, const void *key);
/* Puts an entry in place of the one with this key, which is handed back in *old (NULL if there is
 * none). -ENOMEM changes nothing. */
int flow_table_put(struct flow_table *table, uint32_t hash, const void *key, void *entry,
		   void **old);
/* Takes out the entry of this key; NULL if there is none. */
void *flow_table_remove(struct flow_table *table, uint32_t hash, const void *key);
/* Takes out one entry that was not put in the current epoch; NULL when there are no more. *cursor
 * starts at 0. */
void *flow_table_sweep(struct flow_table *table, size_t *cursor);
/* Entries in no order; NULL at the end. *cursor starts at 0; the table must not change meanwhile. */
void *flow_table_next(const struct flow_table *table, size_t *cursor);

/* Keyed by a number drawn at start, as keys may come from the wire. */
uint32_t flow_hash(const void *data, size_t size);
/* Finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
static inline uint64_t flow_mix64(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}
