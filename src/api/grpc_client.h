/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_client: one connection to a gRPC server, one call at a time, blocking.
 *
 * In: requests    Out: messages and the final status
 * Owns: the socket, the message handed out last    Thread: any, one at a time
 *
 * Reads no more than it was asked for: a caller that stops calling grpc_client_receive() stops the
 * server by flow control. Plaintext only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "wire/grpc.h"

struct grpc_client;

/* server: "unix:///run/x.sock", "unix:x.sock", "host:port", "[::1]:port". timeout_ms covers
 * connecting. -EINVAL: malformed; -EPROTONOSUPPORT: "tls://"; -EADDRNOTAVAIL: unknown host; or
 * connect's error. */
int grpc_client_new(const char *server, int timeout_ms, struct grpc_client **ret);
void grpc_client_free(struct grpc_client *client);
DEFINE_FREEP(grpc_client);

/* Begins a call with its one request; ends the one before. timeout_ms 0: none. */
int grpc_client_start(struct grpc_client *client, const char *path, const void *request,
		      size_t size, uint64_t timeout_ms);

/* 1: a message, borrowed until the next function of this client; 0: the call has ended, see
 * grpc_client_status(); -ETIMEDOUT after wait_ms (-1: waits forever), -EINTR: try again; other
 * -errno: the connection is lost, and the status says so too. */
int grpc_client_receive(struct grpc_client *client, int wait_ms, const uint8_t **ret_message,
			size_t *ret_size);

/* How the last call ended. ret_message: NULL, or the server's text (never NULL; owned here). */
enum grpc_status grpc_client_status(const struct grpc_client *client, const char **ret_message);

/* A unary call: 0 and its message (borrowed as above); -EREMOTEIO if the status is not OK;
 * -ETIMEDOUT; other -errno. */
int grpc_client_call(struct grpc_client *client, const char *path, const void *request, size_t size,
		     uint64_t timeout_ms, const uint8_t **ret_message, size_t *ret_size);

/* Response header hubble-server-version of the last call; "" if there was none. */
const char *grpc_client_server_version(const struct grpc_client *client);

/* Tells the server to stop the call. */
void grpc_client_cancel(struct grpc_client *client);
