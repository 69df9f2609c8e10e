/* SPDX-License-Identifier: Apache-2.0 */
/* A client may send any bytes after the preface: the session serves or ends, every call that was
 * started is closed, and nothing is left. The first byte is the size of the pieces. */
#include <assert.h>
#include <string.h>

#include "api/grpc_session.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int started, closed;

static void on_ready(struct grpc_call *call, void *data)
{
	while (grpc_call_send(call, "0123456789", 10) == 0)
		;
}

static void on_closed(void *data)
{
	closed++;
}

static void start_stream(struct grpc_call *call, const void *request, size_t size, void *context)
{
	started++;
	grpc_call_on(call, on_ready, on_closed, NULL);
	grpc_call_wake(call);
}

static void start_echo(struct grpc_call *call, const void *request, size_t size, void *context)
{
	started++;
	grpc_call_on(call, NULL, on_closed, NULL);
	grpc_call_send(call, request, size);
	grpc_call_finish(call, GRPC_OK, "well");
}

static const struct grpc_method methods[] = { { "/t.T/Echo", start_echo },
					      { "/t.T/Stream", start_stream },
					      { NULL, NULL } };

static void drain(struct grpc_session *session, uint64_t now)
{
	uint8_t out[8192];

	for (unsigned int i = 0; i < 64; i++)
		if (grpc_session_output(session, out, sizeof(out), now) <= 0)
			return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct grpc_service service = { methods, NULL };
	struct grpc_host host = { .services = &service,
				  .service_count = 1,
				  .limits = grpc_limits_default };
	struct grpc_session *session;
	uint64_t now = 1000;
	size_t piece;
	int r;

	if (!size)
		return 0;
	started = closed = 0;
	piece = 1u + data[0];
	assert(grpc_session_new(&host, NULL, NULL, now, &session) == 0);
	r = grpc_session_receive(session, preface, sizeof(preface) - 1, now);
	for (size_t at = 1; at < size && r == 0; at += piece) {
		r = grpc_session_receive(session, data + at, MIN(piece, size - at), now);
		drain(session, now);
		assert(host.queue_memory <= host.limits.calls * (GRPC_QUEUE_MAX * 2ull + 65536));
		assert(host.request_memory <= host.limits.request_memory);
		now = MIN(grpc_session_expire(session, now), now + 10);
	}
	grpc_session_free(session);
	assert(started == closed && !host.calls && !host.queue_memory && !host.request_memory);
	return 0;
}
