/* SPDX-License-Identifier: Apache-2.0 */
/* unix_socket: listening on a path, and who is at the other end.
 *
 * Owns: nothing; descriptors are the caller's    Thread: any */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/diag.h"

/* Binds and listens, non-blocking and close-on-exec, replacing a socket that is there (and nothing
 * else: -EEXIST). The path is never reachable with a wider mode than asked. uid, gid: -1 leaves
 * the owner alone. Returns the descriptor or -errno with diag set. */
int unix_socket_listen(const char *path, uid_t uid, gid_t gid, mode_t mode, struct diag *diag);

/* Next connection, non-blocking and close-on-exec: descriptor, or -errno (-EAGAIN: none). */
int unix_socket_accept(int listener, struct ucred *ret_peer);

/* Whether the peer is root or has the group, also as a supplementary one. */
bool unix_socket_peer_in_group(int fd, const struct ucred *peer, gid_t group);
