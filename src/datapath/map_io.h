/* SPDX-License-Identifier: Apache-2.0 */
/* map_io: many elements of a kernel map at a time.
 *
 * In: a map fd, an image    Out: elements    Owns: nothing    Thread: any
 *
 * Batches (BPF_MAP_*_BATCH) where there are enough elements to pay for them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "image.h"

/* A map the agent writes, and what it knows the map to hold. Only the agent writes these maps, so
 * after a complete write the image is the truth; after a failed one the kernel is asked again. */
struct map_mirror {
	int fd; /* borrowed; -1: no such map */
	bool known;
	struct image have;
};

#define MAP_MIRROR(key_type, value_type)                                                           \
	((struct map_mirror){ .fd = -1, .have = IMAGE(key_type, value_type) })

/* A refused element: the rest is written all the same. */
typedef void (*map_refused)(const void *key, const void *value, int error, void *data);

/* Calls fn for each element; the map may change meanwhile, an element may then be missed or come
 * twice. fn returning non-zero stops and is returned. Sizes are the map's own. -errno. */
int map_io_for_each(int fd, int (*fn)(const void *key, const void *value, void *data), void *data);
/* All elements, sorted. image's sizes must be the map's (-EMEDIUMTYPE). */
int map_io_read(int fd, struct image *image);
/* Writes every record; the first error is returned when all have been tried. refused may be NULL. */
int map_io_update(int fd, const struct image *image, map_refused refused, void *data);
/* Deletes every key; a missing one is no error. */
int map_io_delete(int fd, const struct image *image);

/* Makes `have` known: reads the map unless it is. */
int map_mirror_learn(struct map_mirror *mirror);
/* First half of making a map equal: what is new or changed is written. want is sorted. */
int map_mirror_put(struct map_mirror *mirror, const struct image *want, map_refused refused,
		   void *data);
/* Second half: what is not wanted is deleted. */
int map_mirror_drop(struct map_mirror *mirror, const struct image *want);
/* Both. */
int map_mirror_sync(struct map_mirror *mirror, const struct image *want, map_refused refused,
		    void *data);
