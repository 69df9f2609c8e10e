/* SPDX-License-Identifier: Apache-2.0 */
/* event_ring: the consumer's end of td_events and the counters beside it.
 *
 * In: map descriptors that tendrild passed    Out: events as the kernel wrote them; sums
 * Owns: the ring's descriptor and its mapping    Thread: one
 *
 * Needs no privilege: lookups and object information are all it asks of bpf(2). A library of its
 * own, since the observer links nothing else of this room. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct event_ring;

/* Takes fd on success, a RINGBUF map opened read-write. event() may not keep what it is given. */
int event_ring_new(int fd, void (*event)(const void *bytes, size_t size, void *data), void *data,
		   struct event_ring **ret);
void event_ring_free(struct event_ring *ring);
DEFINE_FREEP(event_ring);

/* Readable while there are events; level-triggered. */
int event_ring_fd(const struct event_ring *ring);
/* Hands out at most max events and frees their space. Returns how many, or -errno. */
int event_ring_consume(struct event_ring *ring, unsigned int max);

/* Sum over all CPUs of one counter in a PERCPU_ARRAY of __u64. -ENOENT: no such index. */
int event_counter_read(int fd, uint32_t index, uint64_t *ret);
