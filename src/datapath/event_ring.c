/* SPDX-License-Identifier: Apache-2.0 */
#include "event_ring.h"

#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define FULL -E2BIG /* what on_sample() says when it has had enough */

struct event_ring {
	int fd;
	struct ring_buffer *ring;
	void (*event)(const void *bytes, size_t size, void *data);
	void *data;
	unsigned int count, max;
};

static int on_sample(void *context, void *bytes, size_t size)
{
	struct event_ring *ring = context;

	ring->event(bytes, size, ring->data);
	/* libbpf frees this sample's space all the same, then stops. */
	return ++ring->count >= ring->max ? FULL : 0;
}

int event_ring_new(int fd, void (*event)(const void *bytes, size_t size, void *data), void *data,
		   struct event_ring **ret)
{
	struct event_ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	ring->event = event;
	ring->data = data;
	ring->ring = ring_buffer__new(fd, on_sample, ring, NULL);
	if (!ring->ring) {
		int r = -errno;

		free(ring);
		return r;
	}
	ring->fd = fd;
	*ret = ring;
	return 0;
}

void event_ring_free(struct event_ring *ring)
{
	if (!ring)
		return;
	ring_buffer__free(ring->ring);
	close(ring->fd);
	free(ring);
}

int event_ring_fd(const struct event_ring *ring)
{
	return ring_buffer__epoll_fd(ring->ring);
}

int event_ring_consume(struct event_ring *ring, unsigned int max)
{
	int r;

	ring->count = 0;
	ring->max = max;
	r = ring_buffer__consume(ring->ring);
	return r < 0 && r != FULL ? r : (int)ring->count;
}

int event_counter_read(int fd, uint32_t index, uint64_t *ret)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *values = NULL;
	uint64_t sum = 0;
	int r;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_elem(fd, &index, values);
	if (r < 0)
		return r;
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	*ret = sum;
	return 0;
}
