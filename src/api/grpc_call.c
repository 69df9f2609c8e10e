/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc_call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define HEADERS_MAX 8

struct grpc_call *grpc_call_new(struct grpc_session *session, int32_t stream)
{
	struct grpc_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->session = session;
	call->stream = stream;
	call->timeout_ms = GRPC_NEVER;
	call->deadline = session->now + session->host->limits.request_ms;
	call->request.max = session->host->limits.message_bytes;
	call->next = session->calls;
	call->link = &session->calls;
	if (call->next)
		call->next->link = &call->next;
	session->calls = call;
	session->host->calls++;
	return call;
}

static void drop_request(struct grpc_call *call)
{
	call->session->host->request_memory -= call->request.capacity;
	grpc_reader_clear(&call->request);
}

static void drop_queue(struct grpc_call *call)
{
	call->session->host->queue_memory -= call->capacity;
	free(take_ptr(call->queue));
	call->capacity = call->head = call->tail = 0;
}

void grpc_call_free(struct grpc_call *call)
{
	struct grpc_session *session = call->session;

	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	if (!session->calls)
		session->since = session->now;
	session->host->calls--;
	drop_request(call);
	drop_queue(call);
	if (call->closed)
		call->closed(call->data);
	free(call);
}

void grpc_call_on(struct grpc_call *call, void (*ready)(struct grpc_call *call, void *data),
		  void (*closed)(void *data), void *data)
{
	call->ready = ready;
	call->closed = closed;
	call->data = data;
}

static void request_push(struct grpc_call *call, const uint8_t *data, size_t size)
{
	struct grpc_host *host = call->session->host;
	uint32_t before = call->request.capacity;
	size_t used;
	int r = grpc_reader_push(&call->request, data, size, &used);

	host->request_memory += call->request.capacity - before;
	call->request_whole = r == 1;
	if (r == -EMSGSIZE)
		grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "request message is too long");
	else if (r == -EOPNOTSUPP)
		grpc_call_finish(call, GRPC_UNIMPLEMENTED, "compressed messages are not accepted");
	else if (r < 0)
		grpc_call_finish(call, GRPC_INTERNAL, "request is no gRPC message");
	else if (used < size)
		grpc_call_finish(call, GRPC_INTERNAL, "more than one request message");
	else if (host->request_memory > host->limits.request_memory)
		grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "too many unfinished requests");
}

void grpc_call_request(struct grpc_call *call, const uint8_t *data, size_t size)
{
	if (call->state != GRPC_CALL_REQUEST || !size)
		return;
	if (call->request_whole)
		grpc_call_finish(call, GRPC_INTERNAL, "more than one request message");
	else
		request_push(call, data, size);
	if (call->state == GRPC_CALL_FINISHED)
		drop_request(call);
}

static uint32_t queued(const struct grpc_call *call)
{
	return call->tail - call->head;
}

bool grpc_call_is_due(const struct grpc_call *call)
{
	return call->want_ready && call->state == GRPC_CALL_RUNNING && call->ready &&
	       queued(call) < GRPC_QUEUE_MAX;
}

/* nghttp2 asks for the next bytes of a stream. */
static ssize_t read_queue(nghttp2_session *http2, int32_t stream, uint8_t *buf, size_t size,
			  uint32_t *flags, nghttp2_data_source *source, void *data)
{
	struct grpc_call *call = source->ptr;
	size_t take = MIN(size, (size_t)queued(call));
	char status[4], coded[GRPC_CODED_MAX];
	nghttp2_nv trailers[2];
	size_t len;

	if (take)
		memcpy(buf, call->queue + call->head, take);
	call->head += (uint32_t)take;
	if (call->head == call->tail)
		drop_queue(call);
	if (call->blocked && queued(call) < GRPC_QUEUE_MAX / 2) {
		call->blocked = false;
		call->want_ready = true;
	}
	if (queued(call))
		return (ssize_t)take;
	if (call->state != GRPC_CALL_FINISHED) {
		call->deferred = !take;
		return take ? (ssize_t)take : NGHTTP2_ERR_DEFERRED;
	}
	len = (size_t)snprintf(status, sizeof(status), "%u", (unsigned int)call->status);
	trailers[0] = (nghttp2_nv){ (uint8_t *)"grpc-status", (uint8_t *)status, 11, len, 0 };
	len = grpc_percent_encode(call->message, coded, sizeof(coded));
	trailers[1] = (nghttp2_nv){ (uint8_t *)"grpc-message", (uint8_t *)coded, 12, len, 0 };
	if (nghttp2_submit_trailer(http2, stream, trailers, len ? 2 : 1) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	return (ssize_t)take;
}

static void wake_session(struct grpc_call *call)
{
	if (call->session->wake)
		call->session->wake(call->session->wake_data);
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0 };
}

static size_t fill_headers(const struct grpc_call *call, nghttp2_nv *nv)
{
	const struct grpc_host *host = call->session->host;
	size_t count = 0;

	nv[count++] = header(":status", "200");
	nv[count++] = header("content-type", "application/grpc");
	for (size_t i = 0; i < host->header_count && count < HEADERS_MAX; i++)
		nv[count++] = header(host->headers[i].name, host->headers[i].value);
	return count;
}

/* Headers, then whatever the queue holds. */
static int answer(struct grpc_call *call)
{
	nghttp2_data_provider source = { .source.ptr = call, .read_callback = read_queue };
	nghttp2_nv nv[HEADERS_MAX];

	if (call->answered) {
		if (call->deferred &&
		    nghttp2_session_resume_data(call->session->http2, call->stream) == 0)
			call->deferred = false;
		return 0;
	}
	if (nghttp2_submit_response(call->session->http2, call->stream, nv, fill_headers(call, nv),
				    &source) < 0)
		return -ENOMEM;
	call->answered = true;
	return 0;
}

static int queue_grow(struct grpc_call *call, uint32_t more)
{
	uint32_t have = queued(call), capacity = MAX(call->capacity, 512u);
	uint8_t *queue;

	if (more <= call->capacity - call->tail)
		return 0;
	while (capacity < have + more)
		capacity *= 2;
	queue = malloc(capacity);
	if (!queue)
		return -ENOMEM;
	if (have)
		memcpy(queue, call->queue + call->head, have);
	drop_queue(call);
	call->session->host->queue_memory += capacity;
	call->queue = queue;
	call->capacity = capacity;
	call->tail = have;
	return 0;
}

bool grpc_call_has_room(struct grpc_call *call)
{
	if (queued(call) < GRPC_QUEUE_MAX)
		return true;
	call->blocked = true;
	return false;
}

int grpc_call_reserve(struct grpc_call *call, size_t size, uint8_t **ret)
{
	int r;

	if (call->state == GRPC_CALL_FINISHED)
		return -EPIPE;
	if (size > GRPC_MESSAGE_MAX)
		return -EMSGSIZE;
	if (!grpc_call_has_room(call))
		return -EAGAIN;
	r = queue_grow(call, (uint32_t)size + GRPC_PREFIX_SIZE);
	if (r < 0)
		return r;
	r = answer(call);
	if (r < 0)
		return r;
	grpc_prefix_write((uint32_t)size, call->queue + call->tail);
	*ret = call->queue + call->tail + GRPC_PREFIX_SIZE;
	call->tail += (uint32_t)size + GRPC_PREFIX_SIZE;
	wake_session(call);
	return 0;
}

int grpc_call_send(struct grpc_call *call, const void *message, size_t size)
{
	uint8_t *room;
	int r = grpc_call_reserve(call, size, &room);

	if (r < 0)
		return r;
	if (size)
		memcpy(room, message, size);
	return 0;
}

void grpc_call_wake(struct grpc_call *call)
{
	if (call->state != GRPC_CALL_RUNNING)
		return;
	call->want_ready = true;
	if (grpc_call_is_due(call))
		wake_session(call);
}

/* Status without a message before it: one HEADERS frame says all. */
static void answer_trailers_only(struct grpc_call *call)
{
	char status[4], coded[GRPC_CODED_MAX];
	nghttp2_nv nv[HEADERS_MAX + 2];
	size_t count = fill_headers(call, nv);

	snprintf(status, sizeof(status), "%u", (unsigned int)call->status);
	nv[count++] = header("grpc-status", status);
	if (grpc_percent_encode(call->message, coded, sizeof(coded)))
		nv[count++] = header("grpc-message", coded);
	call->answered = true;
	if (nghttp2_submit_response(call->session->http2, call->stream, nv, count, NULL) < 0)
		call->session->failed = true;
}

void grpc_call_finish(struct grpc_call *call, enum grpc_status status, const char *message)
{
	if (call->state == GRPC_CALL_FINISHED)
		return;
	call->state = GRPC_CALL_FINISHED;
	call->status = status;
	call->deadline = call->session->now + call->session->host->limits.linger_ms;
	snprintf(call->message, sizeof(call->message), "%s", message ? message : "");
	if (call->answered)
		answer(call);
	else
		answer_trailers_only(call);
	wake_session(call);
}

void grpc_call_refuse(struct grpc_call *call, unsigned int http_status)
{
	char status[12];
	nghttp2_nv nv;

	snprintf(status, sizeof(status), "%u", http_status);
	nv = header(":status", status);
	call->state = GRPC_CALL_FINISHED;
	call->deadline = call->session->now + call->session->host->limits.linger_ms;
	call->answered = true;
	if (nghttp2_submit_response(call->session->http2, call->stream, &nv, 1, NULL) < 0)
		call->session->failed = true;
}
