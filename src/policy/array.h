/* SPDX-License-Identifier: Apache-2.0 */
/* array: growing arrays and bit sets, as the compiler of policies needs them.
 *
 * Owns: nothing; callers free items and words    Thread: any */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more element: the array, perhaps moved; NULL if memory is short (then it is as it
 * was). room counts elements. */
static inline void *array_room(void *items, size_t count, size_t *room, size_t size)
{
	size_t wanted = *room ? *room * 2 : 8;
	void *moved;

	if (count < *room)
		return items;
	moved = realloc(items, wanted * size);
	if (moved)
		*room = wanted;
	return moved;
}

struct bits {
	uint64_t *words;
	size_t word_count;
};

#define BITS_WORDS(count) (((count) + 63) / 64)

/* Room for `count` bits; new ones are clear. 0 or -ENOMEM. */
static inline int bits_reserve(struct bits *bits, size_t count)
{
	size_t wanted = BITS_WORDS(count);
	uint64_t *words;

	if (wanted <= bits->word_count)
		return 0;
	words = realloc(bits->words, wanted * sizeof(*words));
	if (!words)
		return -ENOMEM;
	memset(words + bits->word_count, 0, (wanted - bits->word_count) * sizeof(*words));
	bits->words = words;
	bits->word_count = wanted;
	return 0;
}

/* The bit must have room. */
static inline void bits_set(struct bits *bits, size_t bit)
{
	bits->words[bit / 64] |= 1ULL << (bit % 64);
}

static inline void bits_clear(struct bits *bits, size_t bit)
{
	if (bit / 64 < bits->word_count)
		bits->words[bit / 64] &= ~(1ULL << (bit % 64));
}

static inline bool bits_test(const struct bits *bits, size_t bit)
{
	return bit / 64 < bits->word_count && bits->words[bit / 64] >> (bit % 64) & 1;
}

static inline bool bits_meet(const struct bits *a, const struct bits *b)
{
	for (size_t i = 0; i < a->word_count && i < b->word_count; i++)
		if (a->words[i] & b->words[i])
			return true;
	return false;
}

/* The first set bit from `from` on; SIZE_MAX if none. */
static inline size_t bits_next(const struct bits *bits, size_t from)
{
	size_t word = from / 64;
	uint64_t rest;

	if (word >= bits->word_count)
		return SIZE_MAX;
	rest = bits->words[word] & ~0ULL << (from % 64);
	while (!rest) {
		if (++word == bits->word_count)
			return SIZE_MAX;
		rest = bits->words[word];
	}
	return word * 64 + (size_t)__builtin_ctzll(rest);
}

#define bits_for_each(bit, bits)                                                                   \
	for (size_t bit = bits_next(bits, 0); bit != SIZE_MAX; bit = bits_next(bits, bit + 1))

static inline uint32_t hash_mix(uint32_t hash, const void *bytes, size_t len)
{
	const uint8_t *byte = bytes;

	while (len--)
		hash = (hash ^ *byte++) * 16777619u; /* FNV-1a */
	return hash;
}

#define HASH_START 2166136261u
