/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"

/* Small documents are the rule: the first block holds one, the next ones double up to a limit. */
#define BLOCK_FIRST 4096u
#define BLOCK_MAX   (256u << 10)

struct block {
	struct block *next;
	alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct block *blocks;
	size_t used, size; /* of the newest block */
};

struct arena *arena_new(void)
{
	return calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
	struct block *block, *next;

	if (!arena)
		return;
	for (block = arena->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	void *ptr;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (MAX(size, (size_t)1) + align - 1) / align * align;
	if (size > arena->size - arena->used) {
		size_t grown = MIN(MAX(arena->size * 2, (size_t)BLOCK_FIRST), (size_t)BLOCK_MAX);
		size_t room = MAX(grown, size);
		struct block *block = malloc(sizeof(*block) + room);

		if (!block)
			return NULL;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->used = 0;
		arena->size = room;
	}
	ptr = arena->blocks->bytes + arena->used;
	arena->used += size;
	return ptr;
}
