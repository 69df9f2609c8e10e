/* SPDX-License-Identifier: Apache-2.0 */
/* The server on a loop in a thread of its own, the client in the test's. */
#include "grpc_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "base/util.h"
#include "grpc_client.h"

#define WAIT_MS 5000

struct fixture {
	char dir[32], path[64], url[80];
	uv_loop_t loop;
	uv_async_t stop;
	pthread_t thread;
	struct grpc_server *server;
	uint16_t port;
	pthread_mutex_t lock; /* of what follows */
	struct grpc_server_stats stats;
	uint64_t sent, closed;
};

/* A stream of numbered messages: request is {count, size}; 0: without end. */
struct stream {
	struct fixture *fixture;
	uint32_t next, count, size;
};

static void stream_ready(struct grpc_call *call, void *data)
{
	struct stream *stream = data;
	struct fixture *f = stream->fixture;
	uint8_t *room;

	while (!stream->count || stream->next < stream->count) {
		if (grpc_call_reserve(call, stream->size, &room) < 0)
			return;
		memset(room, 'x', stream->size);
		memcpy(room, &stream->next, sizeof(stream->next));
		stream->next++;
		pthread_mutex_lock(&f->lock);
		f->sent++;
		pthread_mutex_unlock(&f->lock);
	}
	grpc_call_finish(call, GRPC_OK, NULL);
}

static void stream_closed(void *data)
{
	struct stream *stream = data;

	pthread_mutex_lock(&stream->fixture->lock);
	stream->fixture->closed++;
	pthread_mutex_unlock(&stream->fixture->lock);
	free(stream);
}

static void start_stream(struct grpc_call *call, const void *request, size_t size, void *context)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	stream->fixture = context;
	memcpy(&stream->count, request, 4);
	memcpy(&stream->size, (const char *)request + 4, 4);
	grpc_call_on(call, stream_ready, stream_closed, stream);
	grpc_call_wake(call);
}

static void start_echo(struct grpc_call *call, const void *request, size_t size, void *context)
{
	grpc_call_send(call, request, size);
	grpc_call_finish(call, GRPC_OK, NULL);
}

static void start_fail(struct grpc_call *call, const void *request, size_t size, void *context)
{
	grpc_call_finish(call, GRPC_INVALID_ARGUMENT, "100% wrong\n");
}

static void start_silent(struct grpc_call *call, const void *request, size_t size, void *context)
{
}

static const struct grpc_method methods[] = {
	{ "/test.Test/Echo", start_echo },
	{ "/test.Test/Fail", start_fail },
	{ "/test.Test/Silent", start_silent },
	{ "/test.Test/Stream", start_stream },
	{ NULL, NULL },
};

static void on_stop(uv_async_t *async)
{
	struct fixture *f = async->data;

	grpc_server_free(f->server);
	f->server = NULL;
	uv_close((uv_handle_t *)async, NULL);
}

static void on_walk(uv_timer_t *timer)
{
	struct fixture *f = timer->data;

	if (!f->server) /* the loop goes on until the last connection is closed */
		return;
	pthread_mutex_lock(&f->lock);
	grpc_server_stats(f->server, &f->stats);
	pthread_mutex_unlock(&f->lock);
}

static void *run_loop(void *data)
{
	struct fixture *f = data;
	uv_timer_t timer;

	uv_timer_init(&f->loop, &timer);
	timer.data = f;
	uv_timer_start(&timer, on_walk, 10, 10);
	uv_unref((uv_handle_t *)&timer);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	return NULL;
}

static void server_start(struct fixture *f, const struct grpc_limits *limits, uint32_t connections,
			 uint32_t stall_ms)
{
	static const struct grpc_header headers[] = { { "hubble-server-version", "1.2.3" } };
	struct grpc_service service = { methods, f };
	static struct grpc_service services[1];
	struct grpc_server_options options = {
		.services = services,
		.service_count = 1,
		.headers = headers,
		.header_count = 1,
		.limits = limits ? *limits : grpc_limits_default,
		.connections = connections,
		.stall_ms = stall_ms,
	};

	struct diag diag = { 0 };

	services[0] = service;
	signal(SIGPIPE, SIG_IGN);
	memset(f, 0, sizeof(*f));
	strcpy(f->dir, "/tmp/td-grpc-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	snprintf(f->url, sizeof(f->url), "unix://%s", f->path);
	pthread_mutex_init(&f->lock, NULL);
	uv_loop_init(&f->loop);
	uv_async_init(&f->loop, &f->stop, on_stop);
	f->stop.data = f;
	assert_int_equal(grpc_server_new(&f->loop, &options, &f->server), 0);
	assert_int_equal(grpc_server_listen_unix(f->server, f->path, 0600, (gid_t)-1, &diag), 0);
	assert_int_equal(grpc_server_listen_tcp(f->server, "127.0.0.1:0", &f->port), 0);
	pthread_create(&f->thread, NULL, run_loop, f);
}

static void server_stop(struct fixture *f)
{
	uv_async_send(&f->stop);
	pthread_join(f->thread, NULL);
	assert_int_equal(uv_loop_close(&f->loop), 0); /* no handle was forgotten */
	unlink(f->path);
	rmdir(f->dir);
}

static void server_stats(struct fixture *f, struct grpc_server_stats *ret)
{
	pthread_mutex_lock(&f->lock);
	*ret = f->stats;
	pthread_mutex_unlock(&f->lock);
}

/* Waits until the server has no more than this many calls and connections. */
static void server_settle(struct fixture *f, uint32_t calls, uint32_t connections)
{
	struct grpc_server_stats stats;

	poll(NULL, 0, 50); /* the figures are taken every 10 ms */
	for (unsigned int i = 0; i < WAIT_MS / 10; i++) {
		poll(NULL, 0, 20);
		server_stats(f, &stats);
		if (stats.calls <= calls && stats.connections <= connections)
			return;
	}
	print_error("%u calls and %u connections are left\n", stats.calls, stats.connections);
	abort(); /* the server's thread uses the test's stack */
}

/* Waits until it has as many calls. */
static void server_busy(struct fixture *f, uint32_t calls)
{
	struct grpc_server_stats stats = { 0 };

	for (unsigned int i = 0; stats.calls < calls && i < WAIT_MS / 10; i++) {
		poll(NULL, 0, 10);
		server_stats(f, &stats);
	}
	assert_int_equal(stats.calls, calls);
}

static struct grpc_client *client_new(struct fixture *f)
{
	struct grpc_client *client;

	assert_int_equal(grpc_client_new(f->url, WAIT_MS, &client), 0);
	return client;
}

static void unary_call_is_answered_over_unix_and_tcp(void **state)
{
	struct fixture f;
	char tcp[32];
	const char *urls[2] = { f.url, tcp };

	server_start(&f, NULL, 0, 0);
	snprintf(tcp, sizeof(tcp), "127.0.0.1:%u", f.port);
	for (unsigned int i = 0; i < 2; i++) {
		_cleanup_(grpc_client_freep) struct grpc_client *client = NULL;
		const uint8_t *reply;
		size_t size;

		assert_int_equal(grpc_client_new(urls[i], WAIT_MS, &client), 0);
		for (unsigned int n = 0; n < 300; n++) { /* more than the streams at once */
			assert_int_equal(grpc_client_call(client, "/test.Test/Echo", "hello", 5,
							  WAIT_MS, &reply, &size),
					 0);
			assert_int_equal(size, 5);
			assert_memory_equal(reply, "hello", 5);
		}
		assert_string_equal(grpc_client_server_version(client), "1.2.3");
	}
	server_settle(&f, 0, 0);
	server_stop(&f);
}

static void empty_and_large_messages_pass(void **state)
{
	_cleanup_free_ uint8_t *large = malloc(GRPC_MESSAGE_MAX);
	struct fixture f;
	const uint8_t *reply;
	size_t size;

	for (uint32_t i = 0; i < GRPC_MESSAGE_MAX; i++)
		large[i] = (uint8_t)(i * 2654435761u >> 24);
	server_start(&f, NULL, 0, 0);
	struct grpc_client *client = client_new(&f);

	assert_int_equal(
		grpc_client_call(client, "/test.Test/Echo", NULL, 0, WAIT_MS, &reply, &size), 0);
	assert_int_equal(size, 0);
	assert_int_equal(grpc_client_call(client, "/test.Test/Echo", large, GRPC_MESSAGE_MAX,
					  4 * WAIT_MS, &reply, &size),
			 0);
	assert_int_equal(size, GRPC_MESSAGE_MAX);
	assert_int_equal(memcmp(reply, large, size), 0);
	assert_int_equal(grpc_client_call(client, "/test.Test/Echo", large, GRPC_MESSAGE_MAX + 1,
					  WAIT_MS, &reply, &size),
			 -EMSGSIZE);
	grpc_client_free(client);
	server_stop(&f);
}

static void errors_carry_status_and_text(void **state)
{
	struct fixture f;
	const char *text;
	const uint8_t *reply;
	size_t size;
	int r;

	server_start(&f, NULL, 0, 0);
	struct grpc_client *client = client_new(&f);

	assert_int_equal(grpc_client_call(client, "/test.Test/Fail", "", 0, WAIT_MS, &reply, &size),
			 -EREMOTEIO);
	assert_int_equal(grpc_client_status(client, &text), GRPC_INVALID_ARGUMENT);
	assert_string_equal(text, "100% wrong?");
	assert_int_equal(grpc_client_call(client, "/test.Test/None", "", 0, WAIT_MS, &reply, &size),
			 -EREMOTEIO);
	assert_int_equal(grpc_client_status(client, &text), GRPC_UNIMPLEMENTED);
	r = grpc_client_call(client, "/test.Test/Silent", "", 0, 50, &reply, &size);
	if (r == -EREMOTEIO) /* both sides watch the time; the server was first */
		assert_int_equal(grpc_client_status(client, NULL), GRPC_DEADLINE_EXCEEDED);
	else
		assert_int_equal(r, -ETIMEDOUT);
	server_settle(&f, 0, 1);
	grpc_client_free(client);
	server_stop(&f);
}

static void stream_arrives_whole_and_in_order(void **state)
{
	const uint32_t request[2] = { 20000, 100 };
	struct fixture f;
	const uint8_t *message;
	uint32_t count = 0;
	size_t size;
	int r;

	server_start(&f, NULL, 0, 0);
	struct grpc_client *client = client_new(&f);

	assert_int_equal(
		grpc_client_start(client, "/test.Test/Stream", request, sizeof(request), 0), 0);
	while ((r = grpc_client_receive(client, WAIT_MS, &message, &size)) == 1) {
		assert_int_equal(size, 100);
		assert_memory_equal(message, &count, sizeof(count));
		count++;
	}
	assert_int_equal(r, 0);
	assert_int_equal(count, 20000);
	assert_int_equal(grpc_client_status(client, NULL), GRPC_OK);
	grpc_client_free(client);
	server_settle(&f, 0, 0);
	assert_int_equal(f.closed, 1);
	server_stop(&f);
}

static void cancelled_stream_ends_on_the_server(void **state)
{
	const uint32_t request[2] = { 0, 1000 };
	struct fixture f;
	const uint8_t *message;
	size_t size;

	server_start(&f, NULL, 0, 0);
	struct grpc_client *client = client_new(&f);

	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(
			grpc_client_start(client, "/test.Test/Stream", request, sizeof(request), 0),
			0);
		for (unsigned int n = 0; n < 10; n++)
			assert_int_equal(grpc_client_receive(client, WAIT_MS, &message, &size), 1);
		grpc_client_cancel(client);
		assert_int_equal(grpc_client_call(client, "/test.Test/Echo", "on", 2, WAIT_MS,
						  &message, &size),
				 0);
		server_settle(&f, 0, 1);
	}
	assert_int_equal(f.closed, 3);
	grpc_client_free(client);
	server_stop(&f);
}

static uint64_t messages_sent(struct fixture *f)
{
	uint64_t sent;

	pthread_mutex_lock(&f->lock);
	sent = f->sent;
	pthread_mutex_unlock(&f->lock);
	return sent;
}

static void client_that_never_reads_costs_a_bounded_queue(void **state)
{
	const uint32_t request[2] = { 0, 1000 };
	struct grpc_server_stats stats;
	struct fixture f;
	const uint8_t *message;
	uint64_t before;
	size_t size;

	server_start(&f, NULL, 0, 0);
	struct grpc_client *client = client_new(&f);

	assert_int_equal(
		grpc_client_start(client, "/test.Test/Stream", request, sizeof(request), 0), 0);
	assert_int_equal(grpc_client_receive(client, WAIT_MS, &message, &size), 1);
	do { /* until it waits for the client */
		before = messages_sent(&f);
		poll(NULL, 0, 500);
	} while (messages_sent(&f) != before && before < 10000);
	server_stats(&f, &stats);
	assert_true(before < 600); /* two windows of 256 KB and the queue */
	assert_true(stats.queue_memory <= 2 * (GRPC_QUEUE_MAX + 1005));
	for (unsigned int i = 1; i < 2000; i++) /* and goes on when the client does */
		assert_int_equal(grpc_client_receive(client, WAIT_MS, &message, &size), 1);
	grpc_client_free(client);
	server_stop(&f);
}

static int raw_connect(struct fixture *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* True if the peer hangs up within the time. */
static bool raw_is_closed(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char buf[4096];

	while (poll(&pfd, 1, ms) > 0)
		if (recv(fd, buf, sizeof(buf), 0) <= 0)
			return true;
	return false;
}

static void garbage_and_half_closed_clients_are_closed(void **state)
{
	struct fixture f;

	server_start(&f, NULL, 0, 0);
	for (unsigned int i = 0; i < 20; i++) {
		_cleanup_close_ int fd = raw_connect(&f);

		if (i % 2)
			assert_int_equal(send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, 0), 27);
		else
			shutdown(fd, SHUT_WR);
		assert_true(raw_is_closed(fd, WAIT_MS));
	}
	server_settle(&f, 0, 0);
	server_stop(&f);
}

static void clients_that_say_nothing_are_closed_in_time(void **state)
{
	struct grpc_limits limits = grpc_limits_default;
	struct fixture f;

	limits.hello_ms = 100;
	limits.idle_ms = 300;
	server_start(&f, &limits, 0, 0);
	_cleanup_close_ int silent = raw_connect(&f), idle = raw_connect(&f);

	/* preface and empty SETTINGS */
	send(idle, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33, 0);
	assert_true(raw_is_closed(silent, WAIT_MS));
	assert_true(raw_is_closed(idle, WAIT_MS));
	server_stop(&f);
}

static void client_that_takes_no_byte_is_closed_in_time(void **state)
{
	const uint32_t request[2] = { 0, 1000 };
	struct fixture f;
	const uint8_t *message;
	size_t size;
	int r;

	server_start(&f, NULL, 0, 200);
	struct grpc_client *client = client_new(&f);

	/* the windows are larger than what the socket holds */
	assert_int_equal(
		grpc_client_start(client, "/test.Test/Stream", request, sizeof(request), 0), 0);
	server_busy(&f, 1);
	server_settle(&f, 0, 0);
	do {
		r = grpc_client_receive(client, WAIT_MS, &message, &size);
	} while (r == 1);
	assert_true(r == -ECONNRESET || r == -EPIPE);
	assert_int_equal(grpc_client_status(client, NULL), GRPC_UNAVAILABLE);
	grpc_client_free(client);
	server_stop(&f);
}

static void connections_above_the_limit_are_refused(void **state)
{
	struct grpc_server_stats stats;
	struct fixture f;
	int fds[5];

	server_start(&f, NULL, 3, 0);
	for (unsigned int i = 0; i < 5; i++)
		fds[i] = raw_connect(&f);
	assert_false(raw_is_closed(fds[0], 100));
	assert_true(raw_is_closed(fds[4], WAIT_MS));
	for (unsigned int i = 0; i < WAIT_MS / 10; i++) {
		poll(NULL, 0, 10);
		server_stats(&f, &stats);
		if (stats.refused == 2)
			break;
	}
	assert_int_equal(stats.connections, 3);
	assert_int_equal(stats.refused, 2);
	for (unsigned int i = 0; i < 5; i++)
		close(fds[i]);
	server_settle(&f, 0, 0);
	server_stop(&f);
}

static void socket_has_its_mode_and_a_stale_one_is_replaced(void **state)
{
	struct grpc_server_options options = { .limits = grpc_limits_default };
	struct grpc_server *server;
	struct diag diag = { 0 };
	struct fixture f;
	struct stat st;
	uv_loop_t loop;

	server_start(&f, NULL, 0, 0);
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	uv_loop_init(&loop);
	assert_int_equal(grpc_server_new(&loop, &options, &server), 0);
	assert_int_equal(grpc_server_listen_unix(server, f.path, 0600, (gid_t)-1, &diag),
			 -EADDRINUSE);
	uv_async_send(&f.stop);
	pthread_join(f.thread, NULL);
	assert_int_equal(grpc_server_listen_unix(server, f.path, 0640, (gid_t)-1, &diag), 0);
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	grpc_server_free(server);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	uv_loop_close(&f.loop);
	unlink(f.path);
	rmdir(f.dir);
}

static const struct address_case {
	const char *server;
	int want;
} addresses[] = {
	{ "", -EINVAL },
	{ "unix:", -EINVAL },
	{ "nothing", -EINVAL },
	{ ":80", -EINVAL },
	{ "localhost:", -EINVAL },
	{ "tls://localhost:4245", -EPROTONOSUPPORT },
	{ "unix:///nonexistent/grpc.sock", -ENOENT },
	{ "127.0.0.1:1", -ECONNREFUSED },
	{ "[::1]:1", -ECONNREFUSED },
};

static void client_says_what_is_wrong_with_an_address(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct grpc_client *client = NULL;

		print_message("%s\n", addresses[i].server);
		assert_int_equal(grpc_client_new(addresses[i].server, WAIT_MS, &client),
				 addresses[i].want);
		assert_null(client);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unary_call_is_answered_over_unix_and_tcp),
		cmocka_unit_test(empty_and_large_messages_pass),
		cmocka_unit_test(errors_carry_status_and_text),
		cmocka_unit_test(stream_arrives_whole_and_in_order),
		cmocka_unit_test(cancelled_stream_ends_on_the_server),
		cmocka_unit_test(client_that_never_reads_costs_a_bounded_queue),
		cmocka_unit_test(garbage_and_half_closed_clients_are_closed),
		cmocka_unit_test(clients_that_say_nothing_are_closed_in_time),
		cmocka_unit_test(client_that_takes_no_byte_is_closed_in_time),
		cmocka_unit_test(connections_above_the_limit_are_refused),
		cmocka_unit_test(socket_has_its_mode_and_a_stale_one_is_replaced),
		cmocka_unit_test(client_says_what_is_wrong_with_an_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
