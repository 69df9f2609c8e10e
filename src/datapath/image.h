/* SPDX-License-Identifier: Apache-2.0 */
/* image: the contents of a kernel map as sorted records, and the difference of two.
 *
 * In: keys and values of fixed size    Out: what to put and what to drop
 * Owns: its records    Thread: any. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct image {
	uint32_t key_size, value_size; /* bytes */
	size_t count, capacity;        /* records */
	char *records;                 /* key, then value, without gaps */
};

#define IMAGE(key_type, value_type)                                                                \
	((struct image){ .key_size = sizeof(key_type), .value_size = sizeof(value_type) })

/* Frees the records; the image stays usable, empty. */
void image_clear(struct image *image);

const void *image_key(const struct image *image, size_t index);
const void *image_value(const struct image *image, size_t index);

/* Appends a copy. -ENOMEM. The image is unsorted until image_sort(). */
int image_add(struct image *image, const void *key, const void *value);
/* Sorts by key (as bytes); of equal keys one stays. */
void image_sort(struct image *image);
/* Index of a key in a sorted image; -ENOENT. */
long image_find(const struct image *image, const void *key);

/* Both sorted. ret_put: records of want that have lacks or holds otherwise; ret_drop: records of
 * have whose keys want lacks. Appended to; -ENOMEM leaves them partly filled. */
int image_diff(const struct image *have, const struct image *want, struct image *ret_put,
	       struct image *ret_drop);
