/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include <errno.h>
#include <stdbool.h>

#include "abi/event.h"
#include "datapath/event_ring.h"

#define CLOCK_SECONDS 5  /* between measurements of the wall clock */
#define LAST_TURNS    64 /* for what a ring that is replaced still holds */
#define LOOK_MS       40 /* records wake nobody until there are many (bpf/lib/report.h) */

struct feed {
	uv_loop_t *loop;
	struct flow_names *names;
	struct observer_service *service;
	struct event_ring *ring;
	uv_poll_t *poll;  /* NULL: no ring */
	uv_timer_t *look; /* likewise */
	int stats_fd;
	bool lost_known; /* lost_base was read */
	uint64_t lost_base;
	int64_t clock_offset;
	unsigned int ticks;
	struct feed_stats stats;
};

int feed_new(uv_loop_t *loop, struct flow_names *names, struct observer_service *service,
	     struct feed **ret)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return -ENOMEM;
	feed->loop = loop;
	feed->names = names;
	feed->service = service;
	feed->stats_fd = -1;
	feed->clock_offset = flow_clock_offset();
	*ret = feed;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	free(handle);
}

static void drop_maps(struct feed *feed)
{
	if (feed->poll) {
		uv_poll_stop(feed->poll);
		uv_close((uv_handle_t *)take_ptr(feed->poll), on_handle_closed);
	}
	if (feed->look)
		uv_close((uv_handle_t *)take_ptr(feed->look), on_handle_closed);
	event_ring_free(take_ptr(feed->ring));
	closep(&feed->stats_fd);
	feed->stats_fd = -1;
	feed->lost_known = false;
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	drop_maps(feed);
	free(feed);
}

void feed_event(struct feed *feed, const void *bytes, size_t size)
{
	struct flow_record records[FLOW_RECORDS_PER_EVENT];
	int count;

	feed->stats.events++;
	if (flow_event_kind(bytes, size) == TD_EVENT_DNS) {
		if (flow_event_dns(feed->names, bytes, size) < 0)
			feed->stats.malformed++;
		return;
	}
	count = flow_decode(feed->names, bytes, size, feed->clock_offset, records);
	if (count < 0)
		feed->stats.malformed++;
	for (int i = 0; i < count; i++)
		observer_service_push(feed->service, &records[i]);
}

static void on_event(const void *bytes, size_t size, void *data)
{
	feed_event(data, bytes, size);
}

static int consume(struct feed *feed)
{
	int count = event_ring_consume(feed->ring, FEED_EVENTS_A_TURN);

	if (count > 0)
		observer_service_wake(feed->service);
	return count;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct feed *feed = poll->data;

	if (status == 0)
		consume(feed); /* what is left keeps the descriptor readable */
}

static void on_look(uv_timer_t *look)
{
	bool more = consume(look->data) >= FEED_EVENTS_A_TURN;

	uv_timer_start(look, on_look, more ? 0 : LOOK_MS, 0);
}

static int start_looking(struct feed *feed)
{
	uv_timer_t *look = calloc(1, sizeof(*look));

	if (!look)
		return -ENOMEM;
	uv_timer_init(feed->loop, look);
	look->data = feed;
	feed->look = look;
	return uv_timer_start(look, on_look, LOOK_MS, 0);
}

static int watch(struct feed *feed)
{
	uv_poll_t *poll;
	int r = start_looking(feed);

	if (r < 0)
		return r;
	poll = calloc(1, sizeof(*poll));
	if (!poll)
		return -ENOMEM;
	r = uv_poll_init(feed->loop, poll, event_ring_fd(feed->ring));
	if (r < 0) {
		free(poll);
		return r;
	}
	poll->data = feed;
	feed->poll = poll;
	return uv_poll_start(poll, UV_READABLE, on_readable);
}

static void read_losses(struct feed *feed)
{
	uint64_t lost;

	if (feed->stats_fd < 0 || event_counter_read(feed->stats_fd, TD_STAT_LOST, &lost) < 0)
		return;
	if (feed->lost_known && lost > feed->lost_base) {
		feed->stats.lost += lost - feed->lost_base;
		observer_service_lost(feed->service, lost - feed->lost_base);
	}
	feed->lost_base = lost;
	feed->lost_known = true;
}

int feed_maps(struct feed *feed, int events, int stats)
{
	int r;

	for (int turns = 0; feed->ring && turns < LAST_TURNS; turns++)
		if (consume(feed) < FEED_EVENTS_A_TURN)
			break;
	if (feed->ring)
		read_losses(feed);
	drop_maps(feed);
	feed->stats_fd = stats;
	read_losses(feed); /* what was lost before us was somebody else's to tell */
	if (events < 0)
		return -EBADF;
	r = event_ring_new(events, on_event, feed, &feed->ring);
	if (r < 0) {
		close(events);
		return r;
	}
	return watch(feed);
}

void feed_tick(struct feed *feed)
{
	read_losses(feed);
	if (++feed->ticks % CLOCK_SECONDS == 0)
		feed->clock_offset = flow_clock_offset();
}

void feed_get_stats(const struct feed *feed, struct feed_stats *ret)
{
	*ret = feed->stats;
}
