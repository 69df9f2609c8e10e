/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc_session.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "grpc_call.h"

const struct grpc_limits grpc_limits_default = {
	.streams = 100,
	.calls = 256,
	.header_bytes = 16384,
	.message_bytes = GRPC_MESSAGE_MAX,
	.request_memory = 16u << 20,
	.budget = 4000,
	.budget_per_s = 400,
	.hello_ms = 10000,
	.request_ms = 20000,
	.idle_ms = 300000,
	.linger_ms = 600000,
};

/* What a frame from the client costs beyond the work it stands for. gRPC clients ping once per
 * round trip while data flows and update windows as they read, so frames of ours earn budget. */
static const struct {
	uint8_t type;
	int64_t cost;
} frame_costs[] = {
	{ NGHTTP2_PING, 2 },          { NGHTTP2_SETTINGS, 20 },     { NGHTTP2_RST_STREAM, 20 },
	{ NGHTTP2_PRIORITY, 2 },      { NGHTTP2_WINDOW_UPDATE, 1 }, { NGHTTP2_GOAWAY, 20 },
	{ NGHTTP2_CONTINUATION, 20 },
};

#define COST_OTHER   2 /* such as DATA frames that carry nothing */
#define EARN_A_FRAME 6

static void evict(struct grpc_session *session)
{
	if (session->failed)
		return;
	session->failed = true;
	session->host->evicted++;
	nghttp2_session_terminate_session(session->http2, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void refill(struct grpc_session *session)
{
	const struct grpc_limits *limits = &session->host->limits;
	uint64_t ms = session->now - session->budget_at;
	uint64_t earned = MIN(ms, (uint64_t)60000) * limits->budget_per_s / 1000;

	if (!earned)
		return;
	session->budget = MIN(session->budget + (int64_t)earned, (int64_t)limits->budget);
	session->budget_at = session->now;
}

static int64_t frame_cost(const nghttp2_frame_hd *hd)
{
	for (size_t i = 0; i < ARRAY_SIZE(frame_costs); i++)
		if (frame_costs[i].type == hd->type)
			return frame_costs[i].cost;
	if (hd->type == NGHTTP2_HEADERS || (hd->type == NGHTTP2_DATA && hd->length))
		return 0;
	return COST_OTHER;
}

static int on_begin_frame(nghttp2_session *http2, const nghttp2_frame_hd *hd, void *data)
{
	struct grpc_session *session = data;

	session->budget -= frame_cost(hd);
	if (session->budget < 0) {
		evict(session);
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return 0;
}

static struct grpc_call *find_call(nghttp2_session *http2, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(http2, stream);
}

static int on_begin_headers(nghttp2_session *http2, const nghttp2_frame *frame, void *data)
{
	struct grpc_call *call;

	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	call = grpc_call_new(data, frame->hd.stream_id);
	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	nghttp2_session_set_stream_user_data(http2, frame->hd.stream_id, call);
	return 0;
}

static bool is_name(const uint8_t *name, size_t size, const char *want)
{
	return size == strlen(want) && memcmp(name, want, size) == 0;
}

static void take_header(struct grpc_call *call, const uint8_t *name, size_t name_size,
			const char *value, size_t size)
{
	if (is_name(name, name_size, ":method"))
		call->is_post = size == 4 && memcmp(value, "POST", 4) == 0;
	else if (is_name(name, name_size, "content-type"))
		call->is_grpc = grpc_content_type_is_valid(value, size);
	else if (is_name(name, name_size, ":path") && size < sizeof(call->path) &&
		 grpc_path_is_valid(value, size))
		memcpy(call->path, value, size); /* the rest stays zero, and stays unknown */
	else if (is_name(name, name_size, "grpc-timeout") &&
		 grpc_timeout_parse(value, size, &call->timeout_ms) < 0)
		call->http_error = 400;
}

static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
		     void *data)
{
	struct grpc_call *call = find_call(http2, frame->hd.stream_id);

	if (!call)
		return 0;
	call->header_bytes += (uint32_t)(name_size + value_size);
	if (call->header_bytes > call->session->host->limits.header_bytes) {
		call->http_error = 431;
		return 0;
	}
	if (call->state == GRPC_CALL_HEADERS)
		take_header(call, name, name_size, (const char *)value, value_size);
	return 0;
}

static void check_headers(struct grpc_call *call)
{
	const struct grpc_host *host = call->session->host;

	call->state = GRPC_CALL_REQUEST;
	if (!call->http_error && !call->is_post)
		call->http_error = 405;
	if (!call->http_error && !call->is_grpc)
		call->http_error = 415;
	if (call->http_error)
		grpc_call_refuse(call, call->http_error);
	else if (host->calls > host->limits.calls)
		grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "too many calls at once");
}

static const struct grpc_method *find_method(const struct grpc_host *host, const char *path,
					     void **ret_context)
{
	for (size_t i = 0; i < host->service_count; i++) {
		const struct grpc_method *method = host->services[i].methods;

		for (; method->path; method++) {
			if (strcmp(method->path, path))
				continue;
			*ret_context = host->services[i].context;
			return method;
		}
	}
	return NULL;
}

static void start_call(struct grpc_call *call)
{
	struct grpc_host *host = call->session->host;
	_cleanup_free_ uint8_t *request = NULL;
	const struct grpc_method *method;
	uint32_t size, capacity = call->request.capacity;
	void *context;

	if (call->state != GRPC_CALL_REQUEST)
		return;
	method = find_method(host, call->path, &context);
	if (!method) {
		grpc_call_finish(call, GRPC_UNIMPLEMENTED, "unknown service or method");
		return;
	}
	if (!call->request_whole) {
		grpc_call_finish(call, GRPC_INTERNAL, "request ended before its message");
		return;
	}
	request = grpc_reader_take(&call->request, &size);
	host->request_memory -= capacity;
	if (!request) {
		grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	call->state = GRPC_CALL_RUNNING;
	call->deadline = GRPC_NEVER;
	if (call->timeout_ms < GRPC_NEVER - call->session->now)
		call->deadline = call->session->now + call->timeout_ms;
	method->start(call, request, size, context);
}

static int on_frame_recv(nghttp2_session *http2, const nghttp2_frame *frame, void *data)
{
	struct grpc_session *session = data;
	struct grpc_call *call;

	if (frame->hd.type == NGHTTP2_SETTINGS)
		session->greeted = true;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	call = find_call(http2, frame->hd.stream_id);
	if (!call)
		return 0;
	call->remote_done = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	if (call->state == GRPC_CALL_HEADERS)
		check_headers(call);
	if (call->remote_done)
		start_call(call);
	return 0;
}

static int on_data_chunk(nghttp2_session *http2, uint8_t flags, int32_t stream,
			 const uint8_t *bytes, size_t size, void *data)
{
	struct grpc_call *call = find_call(http2, stream);

	if (call)
		grpc_call_request(call, bytes, size);
	return 0;
}

static int on_frame_send(nghttp2_session *http2, const nghttp2_frame *frame, void *data)
{
	struct grpc_session *session = data;
	struct grpc_call *call;

	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	session->budget =
		MIN(session->budget + EARN_A_FRAME, (int64_t)session->host->limits.budget);
	call = find_call(http2, frame->hd.stream_id);
	/* Answered before the request ended: the client need not go on (RFC 9113, 8.1). */
	if (call && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && !call->remote_done)
		nghttp2_submit_rst_stream(http2, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
					  NGHTTP2_NO_ERROR);
	return 0;
}

static int on_stream_close(nghttp2_session *http2, int32_t stream, uint32_t error, void *data)
{
	struct grpc_call *call = find_call(http2, stream);

	if (call) {
		nghttp2_session_set_stream_user_data(http2, stream, NULL);
		grpc_call_free(call);
	}
	return 0;
}

static int make_http2(struct grpc_session *session)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, session->host->limits.streams },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, session->host->limits.header_bytes },
	};
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	int r;

	if (nghttp2_session_callbacks_new(&callbacks))
		return -ENOMEM;
	if (nghttp2_option_new(&option)) {
		nghttp2_session_callbacks_del(callbacks);
		return -ENOMEM;
	}
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	r = nghttp2_session_server_new2(&session->http2, callbacks, session, option);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	if (r)
		return -ENOMEM;
	r = nghttp2_submit_settings(session->http2, NGHTTP2_FLAG_NONE, settings,
				    ARRAY_SIZE(settings));
	return r ? -ENOMEM : 0;
}

int grpc_session_new(struct grpc_host *host, void (*wake)(void *data), void *data, uint64_t now,
		     struct grpc_session **ret)
{
	_cleanup_(grpc_session_freep) struct grpc_session *session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return -ENOMEM;
	session->host = host;
	session->wake = wake;
	session->wake_data = data;
	session->now = session->since = session->budget_at = now;
	session->budget = host->limits.budget;
	r = make_http2(session);
	if (r < 0)
		return r;
	*ret = take_ptr(session);
	return 0;
}

void grpc_session_free(struct grpc_session *session)
{
	if (!session)
		return;
	session->wake = NULL;
	while (session->calls)
		grpc_call_free(session->calls);
	nghttp2_session_del(session->http2);
	free(session);
}

int grpc_session_receive(struct grpc_session *session, const void *data, size_t size, uint64_t now)
{
	ssize_t n;

	if (session->failed)
		return -EPROTO;
	session->now = now;
	refill(session);
	n = nghttp2_session_mem_recv(session->http2, data, size);
	if (n < 0)
		session->failed = true;
	return session->failed ? -EPROTO : 0;
}

/* Copies what nghttp2 has, up to size. */
static int drain(struct grpc_session *session, uint8_t *buf, size_t size)
{
	size_t have = 0;

	while (have < size) {
		size_t take;

		if (!session->chunk_left) {
			ssize_t n = nghttp2_session_mem_send(session->http2, &session->chunk);

			if (n < 0)
				return n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
			if (!n)
				break;
			session->chunk_left = (size_t)n;
		}
		take = MIN(size - have, session->chunk_left);
		memcpy(buf + have, session->chunk, take);
		session->chunk += take;
		session->chunk_left -= take;
		have += take;
	}
	return (int)have;
}

static void run_ready(struct grpc_session *session)
{
	struct grpc_call *next;

	for (struct grpc_call *call = session->calls; call; call = next) {
		next = call->next;
		if (!grpc_call_is_due(call))
			continue;
		call->want_ready = false;
		call->ready(call, call->data);
	}
}

int grpc_session_output(struct grpc_session *session, void *buf, size_t size, uint64_t now)
{
	int first, second;

	session->now = now;
	first = drain(session, buf, size);
	if (first < 0 || (size_t)first == size || session->failed)
		return first;
	run_ready(session);
	second = drain(session, (uint8_t *)buf + first, size - (size_t)first);
	return second < 0 ? second : first + second;
}

bool grpc_session_has_work(const struct grpc_session *session)
{
	for (const struct grpc_call *call = session->calls; call; call = call->next)
		if (grpc_call_is_due(call))
			return true;
	return false;
}

bool grpc_session_is_done(const struct grpc_session *session)
{
	return session->failed || (!nghttp2_session_want_read(session->http2) &&
				   !nghttp2_session_want_write(session->http2));
}

static void expire_call(struct grpc_session *session, struct grpc_call *call)
{
	switch (call->state) {
	case GRPC_CALL_HEADERS: /* nothing else can be read before they end */
		evict(session);
		call->deadline = GRPC_NEVER;
		break;
	case GRPC_CALL_REQUEST:
		grpc_call_finish(call, GRPC_DEADLINE_EXCEEDED, "request took too long to arrive");
		break;
	case GRPC_CALL_RUNNING:
		grpc_call_finish(call, GRPC_DEADLINE_EXCEEDED, "deadline exceeded");
		break;
	case GRPC_CALL_FINISHED:
		call->deadline = GRPC_NEVER;
		nghttp2_submit_rst_stream(session->http2, NGHTTP2_FLAG_NONE, call->stream,
					  NGHTTP2_CANCEL);
		break;
	}
}

uint64_t grpc_session_expire(struct grpc_session *session, uint64_t now)
{
	const struct grpc_limits *limits = &session->host->limits;
	uint64_t next = GRPC_NEVER, quiet;

	session->now = now;
	for (struct grpc_call *call = session->calls; call; call = call->next) {
		if (call->deadline <= now)
			expire_call(session, call);
		next = MIN(next, call->deadline);
	}
	if (session->calls || session->failed)
		return next;
	quiet = session->since + (session->greeted ? limits->idle_ms : limits->hello_ms);
	if (quiet > now)
		return quiet;
	nghttp2_session_terminate_session(session->http2, NGHTTP2_NO_ERROR);
	session->failed = true;
	return GRPC_NEVER;
}

void grpc_session_shutdown(struct grpc_session *session)
{
	for (struct grpc_call *call = session->calls; call; call = call->next)
		grpc_call_finish(call, GRPC_UNAVAILABLE, "server is stopping");
	/* Not terminate_session(): that would leave the calls' trailers behind. */
	nghttp2_submit_goaway(session->http2, NGHTTP2_FLAG_NONE,
			      nghttp2_session_get_last_proc_stream_id(session->http2),
			      NGHTTP2_NO_ERROR, NULL, 0);
}
