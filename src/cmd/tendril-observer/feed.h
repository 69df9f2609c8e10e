/* SPDX-License-Identifier: Apache-2.0 */
/* feed: events of the kernel's ring become records of ours.
 *
 * In: td_events, td_stats    Out: observer_service_push(), _lost(), _wake()
 * Owns: the maps' descriptors and the ring's mapping    Thread: the loop's
 *
 * A bounded number of events per turn of the loop, so clients are served under any load. When
 * tendrild goes away the maps stay, and so does their reading. */
#pragma once

#include <uv.h>

#include "api/observer_service.h"
#include "base/cleanup.h"

#define FEED_EVENTS_A_TURN 4096

struct feed;
int feed_new(uv_loop_t *loop, struct flow_names *names, struct observer_service *service,
	     struct feed **ret);
/* The memory goes when the loop has run its close callbacks. */
void feed_free(struct feed *feed);
DEFINE_FREEP(feed);

/* Reads these maps from now on; what the former ring still holds is taken first. Takes both
 * descriptors, also on failure; stats -1: losses are not known. */
int feed_maps(struct feed *feed, int events, int stats);
/* One event's bytes, as the ring gives them. */
void feed_event(struct feed *feed, const void *bytes, size_t size);
/* Once a second: losses, clocks. */
void feed_tick(struct feed *feed);

struct feed_stats {
	uint64_t events, malformed, lost; /* since the start */
};
void feed_get_stats(const struct feed *feed, struct feed_stats *ret);
