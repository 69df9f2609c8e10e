/* SPDX-License-Identifier: Apache-2.0 */
#include "unix_listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix_socket.h"

#define PAUSE_MS 100

struct unix_listener {
	struct unix_listener_options options; /* path: our copy */
	uv_poll_t poll;
	uv_timer_t pause;
	int fd;
	unsigned int handles; /* to be closed before this may be freed */
	bool strained;
};

static void tell(struct unix_listener *listener, int error)
{
	if (listener->strained == (error < 0))
		return;
	listener->strained = error < 0;
	if (listener->options.strained)
		listener->options.strained(error, listener->options.data);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
	struct unix_listener *listener = timer->data;

	uv_poll_start(&listener->poll, UV_READABLE, on_readable);
	on_readable(&listener->poll, 0,
		    UV_READABLE); /* whether it is over shows without clients too */
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct unix_listener *listener = poll->data;
	struct ucred peer;
	int fd;

	while ((fd = unix_socket_accept(listener->fd, &peer)) >= 0)
		listener->options.connected(fd, &peer, listener->options.data);
	if (fd == -EAGAIN || fd == -ECONNABORTED) {
		tell(listener, 0);
		return;
	}
	uv_poll_stop(&listener->poll);
	uv_timer_start(&listener->pause, on_pause_over, PAUSE_MS, 0);
	tell(listener, fd);
}

static int start(struct unix_listener *listener, uv_loop_t *loop)
{
	int r = uv_timer_init(loop, &listener->pause);

	listener->pause.data = listener;
	listener->handles++;
	if (r == 0)
		r = uv_poll_init(loop, &listener->poll, listener->fd);
	if (r < 0)
		return r;
	listener->poll.data = listener;
	listener->handles++;
	return uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

int unix_listener_new(uv_loop_t *loop, const struct unix_listener_options *options,
		      struct unix_listener **ret, struct diag *diag)
{
	_cleanup_(unix_listener_freep) struct unix_listener *listener =
		calloc(1, sizeof(*listener));
	int r;

	if (!listener)
		return -ENOMEM;
	listener->options = *options;
	listener->options.path = NULL;
	listener->fd =
		unix_socket_listen(options->path, options->uid, options->gid, options->mode, diag);
	if (listener->fd < 0)
		return listener->fd;
	listener->options.path = strdup(options->path);
	r = listener->options.path ? start(listener, loop) : -ENOMEM;
	if (r < 0) {
		diag_set(diag, options->path, 0, "cannot serve: %s", strerror(-r));
		return r;
	}
	*ret = take_ptr(listener);
	return 0;
}

static void release(struct unix_listener *listener)
{
	free((char *)listener->options.path);
	free(listener);
}

static void on_closed(uv_handle_t *handle)
{
	struct unix_listener *listener = handle->data;

	if (--listener->handles == 0)
		release(listener);
}

void unix_listener_free(struct unix_listener *listener)
{
	unsigned int handles = listener ? listener->handles : 0;

	if (!listener)
		return;
	if (handles > 1)
		uv_close((uv_handle_t *)&listener->poll, on_closed);
	if (handles > 0)
		uv_close((uv_handle_t *)&listener->pause, on_closed);
	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->options.path)
		unlink(listener->options.path);
	if (!handles)
		release(listener);
}
