/* SPDX-License-Identifier: Apache-2.0 */
#include "map_io.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/util.h"

#define BATCH       512 /* elements */
#define BATCH_MAX   (1u << 20)
#define BATCH_WORTH 8 /* below, single calls are as quick */

static int map_sizes(int fd, uint32_t *ret_key, uint32_t *ret_value)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return -errno;
	*ret_key = info.key_size;
	*ret_value = info.value_size;
	return 0;
}

struct batch {
	uint32_t key_size, value_size;
	uint32_t room; /* elements */
	char *keys, *values;
};

static void batch_clear(struct batch *batch)
{
	free(batch->keys);
	free(batch->values);
	batch->keys = NULL;
	batch->values = NULL;
}

static int batch_reserve(struct batch *batch, uint32_t room)
{
	batch_clear(batch);
	batch->keys = calloc(room, batch->key_size);
	batch->values = calloc(room, batch->value_size);
	batch->room = room;
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

static int batch_visit(const struct batch *batch, uint32_t count,
		       int (*fn)(const void *key, const void *value, void *data), void *data)
{
	int r = 0;

	for (uint32_t i = 0; i < count && r == 0; i++)
		r = fn(batch->keys + (size_t)i * batch->key_size,
		       batch->values + (size_t)i * batch->value_size, data);
	return r;
}

int map_io_for_each(int fd, int (*fn)(const void *key, const void *value, void *data), void *data)
{
	_cleanup_(batch_clear) struct batch batch = { 0 };
	/* The position is a key for tries, a bucket number for hashes. */
	char position[64] __attribute__((aligned(8))) = { 0 };
	bool first = true, last = false;
	int r;

	r = map_sizes(fd, &batch.key_size, &batch.value_size);
	if (r == 0)
		r = batch_reserve(&batch, BATCH);
	if (r == 0 && batch.key_size > sizeof(position))
		r = -EMEDIUMTYPE;
	while (r == 0 && !last) {
		uint32_t count = batch.room;

		if (bpf_map_lookup_batch(fd, first ? NULL : position, position, batch.keys,
					 batch.values, &count, NULL) < 0) {
			if (errno == ENOSPC && batch.room < BATCH_MAX) {
				/* One bucket holds more than the batch has room for. */
				r = batch_reserve(&batch, 2 * batch.room);
				continue;
			}
			if (errno != ENOENT)
				return -errno;
			last = true;
		}
		first = false;
		r = batch_visit(&batch, count, fn, data);
	}
	return r;
}

static int image_add_element(const void *key, const void *value, void *data)
{
	return image_add(data, key, value);
}

int map_io_read(int fd, struct image *image)
{
	uint32_t key_size = 0, value_size = 0;
	int r;

	r = map_sizes(fd, &key_size, &value_size);
	if (r < 0)
		return r;
	if (key_size != image->key_size || value_size != image->value_size)
		return -EMEDIUMTYPE;
	image->count = 0;
	r = map_io_for_each(fd, image_add_element, image);
	image_sort(image);
	return r;
}

/* Copies records into the batch's two arrays. */
static uint32_t batch_fill(struct batch *batch, const struct image *image, size_t from)
{
	uint32_t count = (uint32_t)MIN((size_t)batch->room, image->count - from);

	for (uint32_t i = 0; i < count; i++) {
		memcpy(batch->keys + (size_t)i * batch->key_size, image_key(image, from + i),
		       batch->key_size);
		memcpy(batch->values + (size_t)i * batch->value_size, image_value(image, from + i),
		       batch->value_size);
	}
	return count;
}

/* As many as the kernel takes at once; returns how many, fewer than count if one was refused. */
static uint32_t update_some(int fd, const struct batch *batch, uint32_t count, int *error)
{
	uint32_t done = count;

	if (bpf_map_update_batch(fd, batch->keys, batch->values, &done, NULL) == 0)
		return count;
	*error = -errno;
	/* The kernel leaves the count alone if it refuses the call itself. */
	return *error == -EFAULT || done == count ? 0 : done;
}

static int update_one(int fd, const struct image *image, size_t index, map_refused refused,
		      void *data)
{
	int r = 0;

	if (bpf_map_update_elem(fd, image_key(image, index), image_value(image, index), BPF_ANY) <
	    0) {
		r = -errno;
		if (refused)
			refused(image_key(image, index), image_value(image, index), r, data);
	}
	return r;
}

int map_io_update(int fd, const struct image *image, map_refused refused, void *data)
{
	_cleanup_(batch_clear) struct batch batch = { .key_size = image->key_size,
						      .value_size = image->value_size };
	int first = 0, r;
	size_t i = 0;

	if (image->count >= BATCH_WORTH) {
		r = batch_reserve(&batch, (uint32_t)MIN(image->count, (size_t)BATCH));
		if (r < 0)
			return r;
	}
	while (i < image->count) {
		int error = 0;

		if (batch.room) {
			uint32_t count = batch_fill(&batch, image, i);

			i += update_some(fd, &batch, count, &error);
			if (error == 0)
				continue;
		}
		/* One by one: the refused element, or the rest of a short list. */
		r = update_one(fd, image, i++, refused, data);
		if (first == 0)
			first = r;
	}
	return first;
}

int map_io_delete(int fd, const struct image *image)
{
	int first = 0;

	for (size_t i = 0; i < image->count; i++) {
		if (bpf_map_delete_elem(fd, image_key(image, i)) < 0 && errno != ENOENT &&
		    first == 0)
			first = -errno;
	}
	return first;
}

int map_mirror_learn(struct map_mirror *mirror)
{
	int r;

	if (mirror->known)
		return 0;
	r = map_io_read(mirror->fd, &mirror->have);
	mirror->known = r == 0;
	return r;
}

static int mirror_apply(struct map_mirror *mirror, const struct image *want, bool put, bool drop,
			map_refused refused, void *data)
{
	_cleanup_(image_clear) struct image to_put = { .key_size = want->key_size,
						       .value_size = want->value_size };
	_cleanup_(image_clear) struct image to_drop = to_put;
	int r, s = 0;

	r = map_mirror_learn(mirror);
	if (r == 0)
		r = image_diff(&mirror->have, want, &to_put, &to_drop);
	if (r < 0)
		return r;
	if (put)
		r = map_io_update(mirror->fd, &to_put, refused, data);
	if (drop)
		s = map_io_delete(mirror->fd, &to_drop);
	/* Half a change is not worth remembering: the kernel is asked before the other half. */
	if ((put && to_put.count > 0) || (drop && to_drop.count > 0))
		mirror->known = false;
	return r < 0 ? r : s;
}

int map_mirror_put(struct map_mirror *mirror, const struct image *want, map_refused refused,
		   void *data)
{
	return mirror_apply(mirror, want, true, false, refused, data);
}

int map_mirror_drop(struct map_mirror *mirror, const struct image *want)
{
	return mirror_apply(mirror, want, false, true, NULL, NULL);
}

static int mirror_remember(struct map_mirror *mirror, const struct image *want)
{
	struct image copy = { .key_size = want->key_size, .value_size = want->value_size };

	for (size_t i = 0; i < want->count; i++) {
		if (image_add(&copy, image_key(want, i), image_value(want, i)) < 0) {
			image_clear(&copy);
			return -ENOMEM;
		}
	}
	image_clear(&mirror->have);
	mirror->have = copy;
	mirror->known = true;
	return 0;
}

int map_mirror_sync(struct map_mirror *mirror, const struct image *want, map_refused refused,
		    void *data)
{
	int r = mirror_apply(mirror, want, true, true, refused, data);

	/* Without memory for the copy the kernel is asked next time. */
	if (r == 0 && !mirror->known)
		mirror_remember(mirror, want);
	return r;
}
