/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_server: gRPC sessions (grpc_session.h) on unix and TCP sockets of a loop.
 *
 * In: connections    Out: calls to the services' methods
 * Owns: listeners, connections, their sessions    Thread: the loop's
 *
 * Bounded in everything: connections, calls, bytes kept per call, work per turn of the loop.
 * No TLS: a unix socket's mode is the access control; TCP is for loopback. */
#pragma once

#include <sys/types.h>
#include <uv.h>

#include "base/diag.h"
#include "grpc_session.h"

struct grpc_server;

struct grpc_server_options {
	const struct grpc_service *services; /* these and the headers outlive the server */
	size_t service_count;
	const struct grpc_header *headers;
	size_t header_count;
	struct grpc_limits limits; /* grpc_limits_default */
	uint32_t connections;      /* at once; 0: 64. One more is closed at once */
	uint32_t stall_ms; /* a client that takes no byte for so long is closed; 0: 600000 */
};

struct grpc_server_stats {
	uint64_t accepted, refused, evicted; /* since the start */
	uint32_t connections, calls;         /* now */
	uint64_t queue_memory, request_memory;
};

int grpc_server_new(uv_loop_t *loop, const struct grpc_server_options *options,
		    struct grpc_server **ret);
/* Closes everything at once, running closed() of open calls; the memory goes when the loop has run
 * its close callbacks. */
void grpc_server_free(struct grpc_server *server);
DEFINE_FREEP(grpc_server);

/* A socket that no process serves any more is replaced; one that answers is -EADDRINUSE. The file
 * gets this mode and, unless (gid_t)-1, this group. */
int grpc_server_listen_unix(struct grpc_server *server, const char *path, mode_t mode, gid_t group,
			    struct diag *diag);
/* "127.0.0.1:4245", "[::1]:4245"; numeric. ret_port: NULL, or the port (for port 0). */
int grpc_server_listen_tcp(struct grpc_server *server, const char *address, uint16_t *ret_port);

/* Ends all calls with UNAVAILABLE and takes no more; grpc_server_free() soon after. */
void grpc_server_shutdown(struct grpc_server *server);

void grpc_server_stats(const struct grpc_server *server, struct grpc_server_stats *ret);
