/* SPDX-License-Identifier: Apache-2.0 */
/* admin_server: HTTP/1.1 with JSON on a unix socket, driven by a libuv loop.
 *
 * In: requests of root and of one group    Out: calls of a table of routes, and their replies
 * Owns: the socket and its connections    Thread: the loop's only
 *
 * Who may talk is decided twice: by the socket's mode (0660, root and the group) and by the peer's
 * credentials as the kernel tells them (SO_PEERCRED), so that a descriptor that was passed on by
 * mistake is worth nothing. One request per connection; all of it must be done within
 * a deadline, so that a slow or half-closed client holds a connection no longer than that.
 *
 * Errors: {"error":{"code","message","file","line"}}, the last two only if known. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/diag.h"

#define ADMIN_BODY_MAX        (16u << 20)
#define ADMIN_DEADLINE_MS     30000
#define ADMIN_CONNECTIONS_MAX 256

struct admin_request {
	const char *method, *path;
	const char *body; /* NUL-terminated; "" if none */
	size_t body_len;
	uid_t uid; /* the peer's */
	gid_t gid;
	pid_t pid;
	void *query; /* see admin_request_query() */
};

/* A query parameter, decoded; NULL if it is not there. Borrowed. */
const char *admin_request_query(const struct admin_request *request, const char *name);
/* The body as a JSON object. On error an error reply is set and -EINVAL returned. */
struct admin_response;
int admin_request_json(const struct admin_request *request, struct admin_response *response,
		       json_t **ret);

struct admin_response {
	unsigned int status; /* HTTP; 200 unless set */
	json_t *body;        /* freed after sending */
};

/* Sets an error reply. code: one word, stable ("not_found"). Always returns -EINVAL. */
int admin_response_error(struct admin_response *response, unsigned int status, const char *code,
			 const char *fmt, ...) _printf_(4, 5);
/* 422 with what the diag says. */
int admin_response_diag(struct admin_response *response, const char *code, const struct diag *diag);

struct admin_route {
	const char *method, *path;
	/* Fills response. A handler that leaves body NULL replies {}. */
	void (*handle)(const struct admin_request *request, struct admin_response *response,
		       void *data);
};

struct admin_options {
	const char *
		socket_path; /* a socket file that is there is replaced: hold its directory's lock */
	gid_t group;         /* (gid_t)-1: none, root only */
	unsigned int deadline_ms; /* 0: ADMIN_DEADLINE_MS */
	const struct admin_route *routes;
	size_t route_count;
	void (*strained)(int error, void *data); /* as in unix_listener.h; may be NULL */
	void *data;                              /* for the handlers */
};

struct admin_server;

/* -errno; diag names the path. Routes and data must outlive the server. */
int admin_server_new(uv_loop_t *loop, const struct admin_options *options,
		     struct admin_server **ret, struct diag *diag);
/* Cuts what is under way, removes the socket file. The loop must run once more for its handles. */
void admin_server_free(struct admin_server *server);
DEFINE_FREEP(admin_server);
