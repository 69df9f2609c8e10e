/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

#define FIRST_CAPACITY 16

static size_t record_size(const struct image *image)
{
	return image->key_size + image->value_size;
}

void image_clear(struct image *image)
{
	free(image->records);
	image->records = NULL;
	image->count = 0;
	image->capacity = 0;
}

const void *image_key(const struct image *image, size_t index)
{
	return image->records + index * record_size(image);
}

const void *image_value(const struct image *image, size_t index)
{
	return image->records + index * record_size(image) + image->key_size;
}

int image_add(struct image *image, const void *key, const void *value)
{
	char *record;

	if (image->count == image->capacity) {
		size_t capacity = image->capacity ? 2 * image->capacity : FIRST_CAPACITY;
		char *records = reallocarray(image->records, capacity, record_size(image));

		if (!records)
			return -ENOMEM;
		image->records = records;
		image->capacity = capacity;
	}
	record = image->records + image->count * record_size(image);
	memcpy(record, key, image->key_size);
	memcpy(record + image->key_size, value, image->value_size);
	image->count++;
	return 0;
}

static int compare_keys(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(const uint32_t *)size);
}

void image_sort(struct image *image)
{
	size_t size = record_size(image);
	size_t kept = 0;

	if (image->count < 2)
		return;
	/* Equal keys with different values are a caller's error that only has to be harmless: which
	 * of them stays is up to qsort_r. */
	qsort_r(image->records, image->count, size, compare_keys, &image->key_size);
	for (size_t i = 1; i < image->count; i++) {
		if (memcmp(image_key(image, kept), image_key(image, i), image->key_size) == 0)
			continue;
		kept++;
		if (kept != i)
			memcpy(image->records + kept * size, image->records + i * size, size);
	}
	image->count = kept + 1;
}

long image_find(const struct image *image, const void *key)
{
	size_t low = 0, high = image->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(image_key(image, middle), key, image->key_size);

		if (order == 0)
			return (long)middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -ENOENT;
}

int image_diff(const struct image *have, const struct image *want, struct image *ret_put,
	       struct image *ret_drop)
{
	size_t h = 0, w = 0;
	int r = 0;

	while (r == 0 && (h < have->count || w < want->count)) {
		int order;

		if (h == have->count)
			order = 1;
		else if (w == want->count)
			order = -1;
		else
			order = memcmp(image_key(have, h), image_key(want, w), have->key_size);
		if (order < 0) {
			r = image_add(ret_drop, image_key(have, h), image_value(have, h));
		} else if (order > 0 || memcmp(image_value(have, h), image_value(want, w),
					       have->value_size) != 0) {
			r = image_add(ret_put, image_key(want, w), image_value(want, w));
		}
		h += order <= 0;
		w += order >= 0;
	}
	return r;
}
