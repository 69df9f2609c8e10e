/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_session: one HTTP/2 connection of a gRPC server, without its socket.
 *
 * In: bytes from the client, the time    Out: bytes for the client, calls to the methods
 * Owns: the HTTP/2 state and every call on it    Thread: the loop that owns the connection
 *
 * Methods take one request and answer with any number of messages: unary and server-streaming
 * calls. Answers are pulled: when a call has room, its ready() runs and sends until grpc_call_send()
 * says -EAGAIN. What a client does not read therefore stays where it is; at most
 * GRPC_QUEUE_MAX bytes and one message are kept for it.
 *
 * Clients that only make work (floods of pings, settings, resets or empty frames, oversized headers,
 * requests that never end) lose their connection; see struct grpc_limits.
 * Sources: RFC 9113 (10.5 lists the attacks), gRPC over HTTP2. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "wire/grpc.h"

#define GRPC_QUEUE_MAX  32768u
#define GRPC_NEVER      UINT64_MAX
#define GRPC_PATH_MAX   96
#define GRPC_OUTPUT_MIN 64 /* smallest buffer grpc_session_output() can use */

struct grpc_call;
struct grpc_session;

struct grpc_method {
	const char *path; /* "/package.Service/Method"; NULL ends the table */
	/* One whole request, borrowed for the time of the call. Sets up with grpc_call_on() what
	 * cannot be answered at once; must some time reach grpc_call_finish(). */
	void (*start)(struct grpc_call *call, const void *request, size_t size, void *context);
};

struct grpc_service {
	const struct grpc_method *methods;
	void *context;
};

struct grpc_header {
	const char *name, *value; /* lower case name */
};

struct grpc_limits {
	uint32_t streams;        /* at once on one connection */
	uint32_t calls;          /* at once on all connections */
	uint32_t header_bytes;   /* names and values of one request */
	uint32_t message_bytes;  /* of one request */
	uint32_t request_memory; /* bytes of unfinished requests, all connections */
	uint32_t budget;         /* cost of control frames a client may burst, see grpc_session.c */
	uint32_t budget_per_s;
	uint32_t hello_ms;   /* until the client's first SETTINGS */
	uint32_t request_ms; /* from a request's first byte to its last */
	uint32_t idle_ms;    /* without any call */
	uint32_t linger_ms;  /* for the client to read the rest of a finished call */
};

extern const struct grpc_limits grpc_limits_default;

/* What all connections of a server share. The owner fills the first part; it outlives sessions. */
struct grpc_host {
	const struct grpc_service *services;
	size_t service_count;
	const struct grpc_header *headers; /* sent with every answer */
	size_t header_count;
	struct grpc_limits limits;

	uint32_t calls;          /* open now */
	uint64_t request_memory; /* bytes of unfinished requests now */
	uint64_t queue_memory;   /* bytes allocated for answers now */
	uint64_t evicted;        /* connections closed for abuse so far */
};

/* wake(data): a call has something to send: grpc_session_output() should run soon (not at once:
 * it may be called from inside a method). now: milliseconds of a monotonic clock. */
int grpc_session_new(struct grpc_host *host, void (*wake)(void *data), void *data, uint64_t now,
		     struct grpc_session **ret);
void grpc_session_free(struct grpc_session *session);
DEFINE_FREEP(grpc_session);

/* Bytes from the client. 0, or -EPROTO when the connection is beyond repair: send what
 * grpc_session_output() still has, then close. */
int grpc_session_receive(struct grpc_session *session, const void *data, size_t size, uint64_t now);

/* Bytes for the client, up to size (at least GRPC_OUTPUT_MIN). Runs ready() of calls that have
 * room, each at most once. Returns the number of bytes, 0 for none now, or -errno. */
int grpc_session_output(struct grpc_session *session, void *buf, size_t size, uint64_t now);

/* Calls are waiting for another turn in grpc_session_output(). */
bool grpc_session_has_work(const struct grpc_session *session);
/* Asked when grpc_session_output() has no more: nothing will follow either, close. */
bool grpc_session_is_done(const struct grpc_session *session);

/* Ends what has lasted too long. Returns when to look again, or GRPC_NEVER. */
uint64_t grpc_session_expire(struct grpc_session *session, uint64_t now);
/* Says goodbye; open calls end with UNAVAILABLE. */
void grpc_session_shutdown(struct grpc_session *session);

/* ready: there is room (runs from grpc_session_output() only). closed: the call is over, by whatever
 * cause; runs exactly once, after which the call is gone. Either may be NULL. */
void grpc_call_on(struct grpc_call *call, void (*ready)(struct grpc_call *call, void *data),
		  void (*closed)(void *data), void *data);

/* Room for one message of size bytes; fill all of it before anything else happens.
 * -EAGAIN: queue full, ready() will run; -EMSGSIZE; -ENOMEM; -EPIPE: finished already. */
int grpc_call_reserve(struct grpc_call *call, size_t size, uint8_t **ret);
int grpc_call_send(struct grpc_call *call, const void *message, size_t size);

/* Whether a message would be taken now; if not, ready() will run when it would. */
bool grpc_call_has_room(struct grpc_call *call);

/* Asks for ready(): there is something to send. */
void grpc_call_wake(struct grpc_call *call);

/* Ends the call after what was sent. message: NULL or text for a human. Only the first one counts. */
void grpc_call_finish(struct grpc_call *call, enum grpc_status status, const char *message);
