/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_call: one call of a session; shared by grpc_session.c and grpc_call.c only.
 *
 * In: messages and a status from the method    Out: frames, through nghttp2's data source
 * Owns: request reader and answer queue    Thread: the session's */
#pragma once

#include <nghttp2/nghttp2.h>

#include "grpc_session.h"

enum grpc_call_state {
	GRPC_CALL_HEADERS, /* request's headers are arriving */
	GRPC_CALL_REQUEST, /* request's message is arriving */
	GRPC_CALL_RUNNING, /* the method has it */
	GRPC_CALL_FINISHED /* status is known; trailers may still wait behind messages */
};

struct grpc_call {
	struct grpc_session *session;
	struct grpc_call *next, **link; /* session's list */
	int32_t stream;
	enum grpc_call_state state;
	bool remote_done;  /* the client has ended its side */
	bool answered;     /* headers were submitted */
	bool deferred;     /* nghttp2 waits for data */
	bool want_ready;   /* ready() is due */
	bool blocked;      /* a message was refused; ready() is due when there is room */
	uint64_t deadline; /* ms */

	char path[GRPC_PATH_MAX];
	unsigned int http_error; /* 0, or the status of a plain HTTP answer */
	bool is_post, is_grpc;
	uint32_t header_bytes;
	uint64_t timeout_ms; /* GRPC_NEVER: none */
	struct grpc_reader request;
	bool request_whole;

	uint8_t *queue; /* bytes [head, tail) wait to be sent */
	uint32_t head, tail, capacity;

	enum grpc_status status;
	char message[GRPC_TEXT_MAX];

	void (*ready)(struct grpc_call *call, void *data);
	void (*closed)(void *data);
	void *data;
};

struct grpc_session {
	struct grpc_host *host;
	nghttp2_session *http2;
	struct grpc_call *calls;
	void (*wake)(void *data);
	void *wake_data;
	const uint8_t *chunk; /* of nghttp2, not yet taken; valid until its next call */
	size_t chunk_left;
	uint64_t now, since; /* ms; since: last time a call was open, or the start */
	int64_t budget;
	uint64_t budget_at;
	bool greeted; /* client's SETTINGS arrived */
	bool failed;  /* beyond repair */
};

struct grpc_call *grpc_call_new(struct grpc_session *session, int32_t stream);
/* Takes it off the session's list and runs closed(). */
void grpc_call_free(struct grpc_call *call);
/* Answers with a bare HTTP status and no gRPC. */
void grpc_call_refuse(struct grpc_call *call, unsigned int http_status);
/* Bytes of the request; ends the call itself if they are no message. */
void grpc_call_request(struct grpc_call *call, const uint8_t *data, size_t size);
bool grpc_call_is_due(const struct grpc_call *call);
