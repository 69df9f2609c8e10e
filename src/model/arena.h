/* SPDX-License-Identifier: Apache-2.0 */
/* arena: memory that is freed all at once.
 *
 * Owns: what it gave out    Thread: any, one at a time */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

struct arena;
/* NULL if memory is short. */
struct arena *arena_new(void);
void arena_free(struct arena *arena);
DEFINE_FREEP(arena);

/* Not zeroed, aligned for any type, good until arena_free(). NULL if memory is short. */
void *arena_alloc(struct arena *arena, size_t size);
