/* SPDX-License-Identifier: Apache-2.0 */
#include "node_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <uv.h>

#include "agent.h"
#include "base/log.h"

#define MAINTAIN_MS 1000
#define VANISHED_MS 50 /* a pod that comes or goes changes many things at once */

struct node_watch {
	struct agent *agent;
	uv_poll_t *changes, *reaped; /* reaped: NULL until something is deleted */
	uv_timer_t *maintain, *vanished;
};

static void on_vanished(uv_timer_t *timer)
{
	struct node_watch *watch = timer->data;

	endpoints_notice_vanished(watch->agent->endpoints);
}

static void on_change(uv_poll_t *poll, int status, int events)
{
	struct node_watch *watch = poll->data;
	struct agent *agent = watch->agent;
	int r = datapath_watch_process(agent->datapath);

	if (!uv_is_active((uv_handle_t *)watch->vanished))
		uv_timer_start(watch->vanished, on_vanished, VANISHED_MS, 0);
	if (r == 1)
		r = datapath_commit(agent->datapath);
	if (r < 0) {
		log_warn("agent", "changes of the node's addresses are tried again", LOG_ERR(r));
		regenerate_mark(agent->regenerate, DIRTY_HOST);
	}
}

static void tell_endpoints(const char *host_ifname, int error, void *data)
{
	struct node_watch *watch = data;

	endpoints_device_gone(watch->agent->endpoints, host_ifname, error);
}

static void on_reaped(uv_poll_t *poll, int status, int events)
{
	struct node_watch *watch = poll->data;

	datapath_device_reap(watch->agent->datapath, tell_endpoints, watch);
}

static int watch_fd(struct node_watch *watch, int fd, uv_poll_cb cb, uv_poll_t **ret)
{
	uv_poll_t *poll = malloc(sizeof(*poll));
	int r;

	if (!poll)
		return -ENOMEM;
	r = uv_poll_init(watch->agent->loop, poll, fd);
	if (r < 0) {
		free(poll);
		return r;
	}
	poll->data = watch;
	uv_poll_start(poll, UV_READABLE, cb);
	*ret = poll;
	return 0;
}

void node_watch_reap(struct node_watch *watch)
{
	int fd = datapath_device_reap_fd(watch->agent->datapath);

	if (!watch->reaped && fd >= 0 && watch_fd(watch, fd, on_reaped, &watch->reaped) < 0)
		log_error("agent", "not told when devices are gone; their addresses stay in use");
}

static void on_maintain(uv_timer_t *timer)
{
	struct node_watch *watch = timer->data;

	if (!datapath_maintain(watch->agent->datapath))
		uv_timer_stop(timer);
}

void node_watch_maintain(struct node_watch *watch)
{
	node_watch_reap(watch); /* chores of the data path end there too */
	uv_timer_start(watch->maintain, on_maintain, MAINTAIN_MS, MAINTAIN_MS);
}

static int new_timer(struct node_watch *watch, uv_timer_t **ret)
{
	uv_timer_t *timer = malloc(sizeof(*timer));

	if (!timer)
		return -ENOMEM;
	uv_timer_init(watch->agent->loop, timer);
	timer->data = watch;
	*ret = timer;
	return 0;
}

int node_watch_new(struct agent *agent, struct node_watch **ret)
{
	_cleanup_(node_watch_freep) struct node_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->agent = agent;
	r = new_timer(watch, &watch->maintain);
	if (r == 0)
		r = new_timer(watch, &watch->vanished);
	if (r < 0)
		return r;
	r = watch_fd(watch, datapath_watch_fd(agent->datapath), on_change, &watch->changes);
	if (r < 0)
		return r;
	*ret = take_ptr(watch);
	return 0;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void close_handle(void *handle)
{
	if (handle)
		uv_close(handle, free_handle);
}

void node_watch_free(struct node_watch *watch)
{
	if (!watch)
		return;
	close_handle(watch->changes);
	close_handle(watch->reaped);
	close_handle(watch->maintain);
	close_handle(watch->vanished);
	free(watch);
}
