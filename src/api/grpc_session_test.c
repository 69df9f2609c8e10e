/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions fed by hand: what a hostile client may send, frame by frame. */
#include "grpc_session.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "base/util.h"

enum frame {
	DATA = 0,
	HEADERS = 1,
	PRIORITY = 2,
	RST_STREAM = 3,
	SETTINGS = 4,
	PING = 6,
	WINDOW_UPDATE = 8,
	CONTINUATION = 9
};

#define END_STREAM  1
#define END_HEADERS 4

struct fixture {
	struct grpc_host host;
	struct grpc_service service;
	struct grpc_session *session;
	nghttp2_hd_deflater *deflater;
	uint64_t now;
	unsigned int started, closed;
};

static void on_closed(void *data)
{
	((struct fixture *)data)->closed++;
}

/* Never answers: the call stays until the client or the time ends it. */
static void start(struct grpc_call *call, const void *request, size_t size, void *context)
{
	((struct fixture *)context)->started++;
	grpc_call_on(call, NULL, on_closed, context);
}

static const struct grpc_method methods[] = { { "/t.T/Wait", start }, { NULL, NULL } };

static int receive(struct fixture *f, const void *data, size_t size)
{
	char out[4096];
	int r = grpc_session_receive(f->session, data, size, f->now);

	while (grpc_session_output(f->session, out, sizeof(out), f->now) > 0)
		;
	return r;
}

static int frame(struct fixture *f, enum frame type, uint8_t flags, uint32_t stream,
		 const void *payload, size_t size)
{
	uint8_t bytes[9 + 65536] = { (uint8_t)(size >> 16),
				     (uint8_t)(size >> 8),
				     (uint8_t)size,
				     type,
				     flags,
				     (uint8_t)(stream >> 24),
				     (uint8_t)(stream >> 16),
				     (uint8_t)(stream >> 8),
				     (uint8_t)stream };

	assert_true(size <= 65536);
	if (size)
		memcpy(bytes + 9, payload, size);
	return receive(f, bytes, 9 + size);
}

static int setup_session(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->service = (struct grpc_service){ methods, f };
	f->host.services = &f->service;
	f->host.service_count = 1;
	f->host.limits = grpc_limits_default;
	f->now = 1000;
	assert_int_equal(grpc_session_new(&f->host, NULL, NULL, f->now, &f->session), 0);
	assert_int_equal(nghttp2_hd_deflate_new(&f->deflater, 4096), 0);
	assert_int_equal(receive(f, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24), 0);
	return frame(f, SETTINGS, 0, 0, NULL, 0);
}

static void teardown_session(struct fixture *f)
{
	grpc_session_free(f->session);
	nghttp2_hd_deflate_del(f->deflater);
	assert_int_equal(f->host.calls, 0);
	assert_int_equal(f->host.queue_memory, 0);
	assert_int_equal(f->host.request_memory, 0);
	assert_int_equal(f->closed, f->started);
}

static nghttp2_nv nv(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0 };
}

static int request_headers(struct fixture *f, uint32_t stream, uint8_t flags, const char *path,
			   const char *name, const char *value)
{
	nghttp2_nv list[] = { nv(":method", "POST"),
			      nv(":scheme", "http"),
			      nv(":path", path),
			      nv(":authority", "x"),
			      nv("content-type", "application/grpc"),
			      nv("te", "trailers"),
			      nv(name, value) };
	static uint8_t block[65536];
	ssize_t size =
		nghttp2_hd_deflate_hd(f->deflater, block, sizeof(block), list, ARRAY_SIZE(list));

	assert_true(size > 0);
	return frame(f, HEADERS, flags, stream, block, (size_t)size);
}

static int request(struct fixture *f, uint32_t stream)
{
	int r = request_headers(f, stream, END_HEADERS, "/t.T/Wait", "x", "y");

	return r < 0 ? r : frame(f, DATA, END_STREAM, stream, "\0\0\0\0\0", 5);
}

static void a_request_starts_when_it_is_whole(void **state)
{
	struct fixture f;

	assert_int_equal(setup_session(&f), 0);
	assert_int_equal(request_headers(&f, 1, END_HEADERS, "/t.T/Wait", "x", "y"), 0);
	assert_int_equal(frame(&f, DATA, 0, 1, "\0\0\0", 3), 0);
	assert_int_equal(frame(&f, DATA, 0, 1, "\0\2ab", 4), 0);
	assert_int_equal(f.started, 0);
	assert_int_equal(frame(&f, DATA, END_STREAM, 1, NULL, 0), 0);
	assert_int_equal(f.started, 1);
	teardown_session(&f);
}

static const struct bad_request {
	const char *name, *bytes;
	size_t size;
} bad_requests[] = {
	{ "ends inside a message", "\0\0\0\0\5ab", 7 },
	{ "no message at all", "", 0 },
	{ "two messages", "\0\0\0\0\1a\0\0\0\0\1b", 12 },
	{ "compressed", "\1\0\0\0\1a", 6 },
	{ "unknown flag", "\7\0\0\0\1a", 6 },
	{ "too long", "\0\377\377\377\377", 5 },
};

static void bad_requests_end_their_call_and_nothing_else(void **state)
{
	struct fixture f;
	uint32_t stream = 1;

	assert_int_equal(setup_session(&f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad_requests); i++, stream += 2) {
		print_message("%s\n", bad_requests[i].name);
		assert_int_equal(request_headers(&f, stream, END_HEADERS, "/t.T/Wait", "x", "y"),
				 0);
		assert_int_equal(frame(&f, DATA, END_STREAM, stream, bad_requests[i].bytes,
				       bad_requests[i].size),
				 0);
		assert_int_equal(f.started, 0);
		assert_int_equal(f.host.calls, 0);
	}
	assert_int_equal(request(&f, stream), 0);
	assert_int_equal(f.started, 1);
	teardown_session(&f);
}

static void oversized_headers_end_their_call_and_nothing_else(void **state)
{
	static char value[40000];
	struct fixture f;

	memset(value, 'v', sizeof(value) - 1);
	assert_int_equal(setup_session(&f), 0);
	f.host.limits.header_bytes = 1000;
	value[2000] = '\0';
	assert_int_equal(request_headers(&f, 1, END_HEADERS, "/t.T/Wait", "x", value), 0);
	assert_int_equal(frame(&f, DATA, END_STREAM, 1, "\0\0\0\0\0", 5), 0);
	assert_int_equal(f.started, 0);
	assert_int_equal(f.host.calls, 0);
	assert_int_equal(request(&f, 3), 0);
	assert_int_equal(f.started, 1);
	teardown_session(&f);
}

static void endless_continuation_is_evicted(void **state)
{
	static const char junk[1000];
	struct fixture f;
	int r;

	assert_int_equal(setup_session(&f), 0);
	r = request_headers(&f, 1, 0, "/t.T/Wait", "x", "y");
	for (unsigned int i = 0; i < 1000 && r == 0; i++)
		r = frame(&f, CONTINUATION, 0, 1, junk, sizeof(junk));
	assert_int_equal(r, -EPROTO);
	assert_true(grpc_session_is_done(f.session));
	teardown_session(&f);
}

static void rapid_reset_is_evicted(void **state)
{
	struct fixture f;
	uint32_t stream = 1;
	int r = setup_session(&f);

	/* CVE-2023-44487: open, cancel, open, cancel */
	for (; r == 0 && stream < 4000; stream += 2) {
		r = request(&f, stream);
		if (r == 0)
			r = frame(&f, RST_STREAM, 0, stream, "\0\0\0\10", 4);
		assert_true(f.host.calls <= 1);
	}
	assert_int_equal(r, -EPROTO);
	assert_true(stream < 1000);
	assert_int_equal(f.host.evicted, 1);
	teardown_session(&f);
}

static void a_client_that_cancels_now_and_then_stays(void **state)
{
	struct fixture f;
	int r = setup_session(&f);

	for (uint32_t stream = 1; r == 0 && stream < 2000; stream += 2) {
		r = request(&f, stream);
		if (r == 0)
			r = frame(&f, RST_STREAM, 0, stream, "\0\0\0\10", 4);
		f.now += 100;
	}
	assert_int_equal(r, 0);
	assert_int_equal(f.started, 1000);
	teardown_session(&f);
}

static const struct flood {
	const char *name;
	enum frame type;
	uint32_t stream;
	const char *payload;
	size_t size;
} floods[] = {
	{ "pings", PING, 0, "12345678", 8 },
	{ "settings", SETTINGS, 0, "", 0 },
	{ "priorities", PRIORITY, 1, "\0\0\0\0\1", 5 },
	{ "window updates", WINDOW_UPDATE, 0, "\0\0\0\1", 4 },
	{ "empty data", DATA, 1, "", 0 },
};

static void floods_are_evicted(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		const struct flood *flood = &floods[i];
		struct fixture f;
		unsigned int count = 0;
		int r = setup_session(&f);

		print_message("%s\n", flood->name);
		assert_int_equal(request_headers(&f, 1, END_HEADERS, "/t.T/Wait", "x", "y"), 0);
		while (r == 0 && count < 100000) {
			r = frame(&f, flood->type, 0, flood->stream, flood->payload, flood->size);
			count++;
		}
		assert_int_equal(r, -EPROTO);
		assert_true(count < 50000);
		teardown_session(&f);
	}
}

static void streams_above_the_limit_are_refused(void **state)
{
	struct fixture f;
	int r = setup_session(&f);

	frame(&f, SETTINGS, 1, 0, NULL, 0); /* ACK of ours: the limit is known */
	for (uint32_t i = 0; r == 0 && i < 300; i++)
		r = request(&f, 2 * i + 1);
	assert_true(f.host.calls <= f.host.limits.streams);
	assert_int_equal(f.started, f.host.limits.streams);
	teardown_session(&f);
}

static void calls_above_the_servers_limit_are_told_so(void **state)
{
	struct fixture f;

	assert_int_equal(setup_session(&f), 0);
	f.host.limits.calls = 3;
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(request(&f, 2 * i + 1), 0);
	assert_int_equal(f.started, 3);
	assert_int_equal(f.host.calls, 3);
	teardown_session(&f);
}

static void unfinished_requests_share_a_budget(void **state)
{
	static char part[16000] = "\0\0\100\0\0"; /* of 4 MB */
	struct fixture f;

	assert_int_equal(setup_session(&f), 0);
	f.host.limits.request_memory = 40000;
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(request_headers(&f, 2 * i + 1, END_HEADERS, "/t.T/Wait", "x", "y"),
				 0);
		assert_int_equal(frame(&f, DATA, 0, 2 * i + 1, part, sizeof(part)), 0);
		assert_true(f.host.request_memory <= 40000);
	}
	assert_int_equal(f.host.calls, 2);
	teardown_session(&f);
}

static void requests_that_never_end_are_ended(void **state)
{
	struct fixture f;
	uint64_t next;

	assert_int_equal(setup_session(&f), 0);
	assert_int_equal(request_headers(&f, 1, END_HEADERS, "/t.T/Wait", "x", "y"), 0);
	next = grpc_session_expire(f.session, f.now);
	assert_int_equal(next, f.now + f.host.limits.request_ms);
	f.now = next;
	grpc_session_expire(f.session, f.now);
	frame(&f, PING, 0, 0, "12345678", 8); /* lets the answer out */
	assert_int_equal(f.host.calls, 0);
	assert_int_equal(f.host.evicted, 0);
	teardown_session(&f);
}

static void headers_that_never_end_cost_the_connection(void **state)
{
	struct fixture f;

	assert_int_equal(setup_session(&f), 0);
	assert_int_equal(request_headers(&f, 1, 0, "/t.T/Wait", "x", "y"), 0);
	f.now += f.host.limits.request_ms;
	grpc_session_expire(f.session, f.now);
	assert_int_equal(f.host.evicted, 1);
	assert_true(grpc_session_is_done(f.session));
	teardown_session(&f);
}

static void deadline_of_the_client_is_kept(void **state)
{
	struct fixture f;

	assert_int_equal(setup_session(&f), 0);
	assert_int_equal(request_headers(&f, 1, END_HEADERS, "/t.T/Wait", "grpc-timeout", "50m"),
			 0);
	assert_int_equal(frame(&f, DATA, END_STREAM, 1, "\0\0\0\0\0", 5), 0);
	assert_int_equal(f.started, 1);
	assert_int_equal(grpc_session_expire(f.session, f.now), f.now + 50);
	f.now += 50;
	grpc_session_expire(f.session, f.now);
	frame(&f, PING, 0, 0, "12345678", 8);
	assert_int_equal(f.closed, 1);
	teardown_session(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_starts_when_it_is_whole),
		cmocka_unit_test(bad_requests_end_their_call_and_nothing_else),
		cmocka_unit_test(oversized_headers_end_their_call_and_nothing_else),
		cmocka_unit_test(endless_continuation_is_evicted),
		cmocka_unit_test(rapid_reset_is_evicted),
		cmocka_unit_test(a_client_that_cancels_now_and_then_stays),
		cmocka_unit_test(floods_are_evicted),
		cmocka_unit_test(streams_above_the_limit_are_refused),
		cmocka_unit_test(calls_above_the_servers_limit_are_told_so),
		cmocka_unit_test(unfinished_requests_share_a_budget),
		cmocka_unit_test(requests_that_never_end_are_ended),
		cmocka_unit_test(headers_that_never_end_cost_the_connection),
		cmocka_unit_test(deadline_of_the_client_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
