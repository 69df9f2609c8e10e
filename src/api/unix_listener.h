/* SPDX-License-Identifier: Apache-2.0 */
/* unix_listener: a unix socket in a libuv loop, whose clients are handed over one by one.
 *
 * In: connections    Out: descriptors and who is behind them    Owns: the socket and its file
 * Thread: the loop's only
 *
 * When no connection can be accepted for want of descriptors or memory, clients wait in the socket's
 * queue and it is tried again after a pause: the socket stays readable all the while, and a loop that
 * looked each time would do nothing else. */
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/diag.h"

struct unix_listener_options {
	const char *path;
	uid_t uid; /* as unix_socket_listen() */
	gid_t gid;
	mode_t mode;
	void (*connected)(int fd, const struct ucred *peer, void *data); /* takes fd */
	/* Told once when a pause begins: -errno; and once when all that waited is in: 0. May be NULL. */
	void (*strained)(int error, void *data);
	void *data;
};

struct unix_listener;
/* -errno; diag names the path. */
int unix_listener_new(uv_loop_t *loop, const struct unix_listener_options *options,
		      struct unix_listener **ret, struct diag *diag);
/* Removes the socket's file. The loop must run once more for its handles. */
void unix_listener_free(struct unix_listener *listener);
DEFINE_FREEP(unix_listener);
