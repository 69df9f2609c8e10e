/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "api/unix_socket.h"
#include "base/util.h"

#define CONNECTIONS_DEFAULT 64
#define STALL_DEFAULT_MS    600000
#define BUFFER_SIZE         65536
#define BUFFERS_A_TURN      4 /* of output, per connection and turn of the loop */
#define LISTENERS_MAX       4
#define BACKLOG             64

union handle {
	uv_handle_t handle;
	uv_stream_t stream;
	uv_pipe_t pipe;
	uv_tcp_t tcp;
};

struct connection {
	union handle io; /* data: this */
	struct grpc_server *server;
	struct connection *next, **link;
	struct grpc_session *session; /* NULL: closing */
	uv_write_t write;
	uint8_t *rest; /* what the socket did not take; NULL: nothing is being written */
	size_t rest_left;
	uint64_t rest_at; /* ms: last progress */
	bool pumping, pending;
};

struct listener {
	union handle io; /* data: the server */
	bool is_tcp;
};

struct grpc_server {
	uv_loop_t *loop;
	struct grpc_host host;
	uint32_t connections_max, stall_ms;
	struct grpc_server_stats stats;
	struct connection *connections;
	struct listener listeners[LISTENERS_MAX];
	unsigned int listener_count;
	uv_idle_t idle;   /* runs while a connection is pending */
	uv_timer_t timer; /* at timer_due */
	uint64_t timer_due;
	unsigned int handles; /* the last one closed frees the server */
	bool stopping;
	uint8_t in[BUFFER_SIZE], out[BUFFER_SIZE];
};

static void pump(struct connection *conn);

static void unref_server(struct grpc_server *server)
{
	if (--server->handles == 0)
		free(server);
}

static void on_connection_closed(uv_handle_t *handle)
{
	struct connection *conn = handle->data;
	struct grpc_server *server = conn->server;

	free(conn->rest);
	free(conn);
	unref_server(server);
}

static void connection_close(struct connection *conn)
{
	struct grpc_session *session = take_ptr(conn->session);

	if (!session)
		return;
	*conn->link = conn->next;
	if (conn->next)
		conn->next->link = conn->link;
	conn->server->stats.connections--;
	grpc_session_free(session);
	uv_close(&conn->io.handle, on_connection_closed);
}

static void arm(struct grpc_server *server, uint64_t due);

static void on_timer(uv_timer_t *timer)
{
	struct grpc_server *server = timer->data;
	struct connection *next;
	uint64_t now = uv_now(server->loop);

	server->timer_due = GRPC_NEVER;
	for (struct connection *conn = server->connections; conn; conn = next) {
		size_t left = uv_stream_get_write_queue_size(&conn->io.stream);

		next = conn->next;
		if (conn->rest && left == conn->rest_left &&
		    now - conn->rest_at >= server->stall_ms) {
			connection_close(conn);
			continue;
		}
		if (left != conn->rest_left)
			conn->rest_at = now;
		conn->rest_left = left;
		if (conn->rest)
			arm(server, conn->rest_at + server->stall_ms);
		arm(server, grpc_session_expire(conn->session, now));
		pump(conn);
	}
}

/* The timer fires once, at the earliest time anyone asked for. */
static void arm(struct grpc_server *server, uint64_t due)
{
	uint64_t now = uv_now(server->loop);

	if (due >= server->timer_due || server->stopping)
		return;
	server->timer_due = due;
	uv_timer_start(&server->timer, on_timer, due > now ? due - now : 1, 0);
}

static void on_idle(uv_idle_t *idle)
{
	struct grpc_server *server = idle->data;
	struct connection *next;
	bool more = false;

	for (struct connection *conn = server->connections; conn; conn = next) {
		next = conn->next;
		if (conn->pending)
			pump(conn);
	}
	for (struct connection *conn = server->connections; conn; conn = conn->next)
		more |= conn->pending;
	if (!more)
		uv_idle_stop(idle);
}

static void on_wake(void *data)
{
	struct connection *conn = data;

	if (conn->pumping || conn->rest)
		return; /* will look anyway */
	conn->pending = true;
	uv_idle_start(&conn->server->idle, on_idle);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct connection *conn = handle->data;

	/* One for all: libuv reads and calls on_read() before it asks again. */
	*buf = uv_buf_init((char *)conn->server->in, sizeof(conn->server->in));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	struct connection *conn = stream->data;
	uint64_t now = uv_now(conn->server->loop);
	int r;

	if (size == 0)
		return;
	if (size <
	    0) { /* a client that shuts down its half has left (RFC 9113, 5.1 has no such state) */
		connection_close(conn);
		return;
	}
	conn->pumping = true;
	r = grpc_session_receive(conn->session, buf->base, (size_t)size, now);
	conn->pumping = false;
	if (r < 0)
		uv_read_stop(stream);
	arm(conn->server, grpc_session_expire(conn->session, now));
	pump(conn);
}

static void on_written(uv_write_t *write, int status)
{
	struct connection *conn = write->data;

	free(take_ptr(conn->rest));
	if (!conn->session)
		return;
	if (status < 0) {
		connection_close(conn);
		return;
	}
	if (uv_read_start(&conn->io.stream, on_alloc, on_read) < 0) {
		connection_close(conn);
		return;
	}
	pump(conn);
}

/* Hands bytes to the socket; what it does not take now is written later, and until then nothing is
 * read: a client that does not listen is not served. 1: all taken, 0: not yet, or -errno. */
static int write_out(struct connection *conn, const uint8_t *data, size_t size)
{
	uv_buf_t buf = uv_buf_init((char *)data, (unsigned int)size);
	int taken = uv_try_write(&conn->io.stream, &buf, 1);

	if (taken < 0 && taken != UV_EAGAIN)
		return taken;
	if (taken < 0)
		taken = 0;
	if ((size_t)taken == size)
		return 1;
	conn->rest = malloc(size - (size_t)taken);
	if (!conn->rest)
		return -ENOMEM;
	memcpy(conn->rest, data + taken, size - (size_t)taken);
	buf = uv_buf_init((char *)conn->rest, (unsigned int)(size - (size_t)taken));
	conn->write.data = conn;
	conn->rest_at = uv_now(conn->server->loop);
	uv_read_stop(&conn->io.stream);
	taken = uv_write(&conn->write, &conn->io.stream, &buf, 1, on_written);
	conn->rest_left = uv_stream_get_write_queue_size(&conn->io.stream);
	arm(conn->server, conn->rest_at + conn->server->stall_ms);
	return taken;
}

/* Sends what the session has, for a bounded time. 1: all is sent, 0: later, or -errno. */
static int pump_session(struct connection *conn)
{
	struct grpc_server *server = conn->server;
	int n, r;

	for (unsigned int i = 0; i < BUFFERS_A_TURN; i++) {
		n = grpc_session_output(conn->session, server->out, sizeof(server->out),
					uv_now(server->loop));
		if (n <= 0)
			return n < 0 ? n : 1;
		r = write_out(conn, server->out, (size_t)n);
		if (r <= 0)
			return r;
	}
	conn->pending = true;
	return 0;
}

static void pump(struct connection *conn)
{
	int r;

	conn->pending = false;
	if (conn->rest || !conn->session)
		return;
	conn->pumping = true;
	r = pump_session(conn);
	conn->pumping = false;
	if (r < 0 || (r == 1 && grpc_session_is_done(conn->session))) {
		connection_close(conn);
		return;
	}
	conn->pending |= grpc_session_has_work(conn->session) && !conn->rest;
	if (conn->pending)
		uv_idle_start(&conn->server->idle, on_idle);
}

static int connection_init(struct connection *conn, bool is_tcp)
{
	struct grpc_server *server = conn->server;
	int r = is_tcp ? uv_tcp_init(server->loop, &conn->io.tcp)
		       : uv_pipe_init(server->loop, &conn->io.pipe, 0);

	if (r < 0) {
		free(conn);
		return r;
	}
	conn->io.handle.data = conn;
	server->handles++;
	return 0;
}

static void connection_start(struct connection *conn)
{
	struct grpc_server *server = conn->server;
	uint64_t now = uv_now(server->loop);

	if (grpc_session_new(&server->host, on_wake, conn, now, &conn->session) < 0 ||
	    uv_read_start(&conn->io.stream, on_alloc, on_read) < 0) {
		grpc_session_free(take_ptr(conn->session));
		uv_close(&conn->io.handle, on_connection_closed);
		return;
	}
	conn->next = server->connections;
	conn->link = &server->connections;
	if (conn->next)
		conn->next->link = &conn->next;
	server->connections = conn;
	server->stats.connections++;
	server->stats.accepted++;
	arm(server, grpc_session_expire(conn->session, now));
	pump(conn);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct listener *listener = container_of(stream, struct listener, io.stream);
	struct grpc_server *server = stream->data;
	struct connection *conn;

	if (status < 0)
		return;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return;
	conn->server = server;
	if (connection_init(conn, listener->is_tcp) < 0)
		return;
	if (uv_accept(stream, &conn->io.stream) < 0 || server->stopping ||
	    server->stats.connections >= server->connections_max) {
		server->stats.refused++;
		uv_close(&conn->io.handle, on_connection_closed);
		return;
	}
	if (listener->is_tcp)
		uv_tcp_nodelay(&conn->io.tcp, 1);
	connection_start(conn);
}

static void on_handle_closed(uv_handle_t *handle)
{
	unref_server(handle->data);
}

int grpc_server_new(uv_loop_t *loop, const struct grpc_server_options *options,
		    struct grpc_server **ret)
{
	struct grpc_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->host.services = options->services;
	server->host.service_count = options->service_count;
	server->host.headers = options->headers;
	server->host.header_count = options->header_count;
	server->host.limits = options->limits;
	server->connections_max = options->connections ?: CONNECTIONS_DEFAULT;
	server->stall_ms = options->stall_ms ?: STALL_DEFAULT_MS;
	server->timer_due = GRPC_NEVER;
	uv_idle_init(loop, &server->idle);
	uv_timer_init(loop, &server->timer);
	server->idle.data = server->timer.data = server;
	server->handles = 2;
	*ret = server;
	return 0;
}

void grpc_server_free(struct grpc_server *server)
{
	struct connection *next;

	if (!server)
		return;
	server->stopping = true;
	for (struct connection *conn = server->connections; conn; conn = next) {
		next = conn->next;
		connection_close(conn);
	}
	for (unsigned int i = 0; i < server->listener_count; i++)
		uv_close(&server->listeners[i].io.handle, on_handle_closed);
	uv_close((uv_handle_t *)&server->idle, on_handle_closed);
	uv_close((uv_handle_t *)&server->timer, on_handle_closed);
}

void grpc_server_shutdown(struct grpc_server *server)
{
	struct connection *next;

	server->stopping = true;
	for (struct connection *conn = server->connections; conn; conn = next) {
		next = conn->next;
		grpc_session_shutdown(conn->session);
		pump(conn);
	}
}

void grpc_server_stats(const struct grpc_server *server, struct grpc_server_stats *ret)
{
	*ret = server->stats;
	ret->evicted = server->host.evicted;
	ret->calls = server->host.calls;
	ret->queue_memory = server->host.queue_memory;
	ret->request_memory = server->host.request_memory;
}

/* The next free listener, its handle initialised. It is closed with the server, also if what follows
 * fails. */
static int listener_new(struct grpc_server *server, bool is_tcp, struct listener **ret)
{
	struct listener *listener;
	int r;

	if (server->listener_count == LISTENERS_MAX)
		return -ENOSPC;
	listener = &server->listeners[server->listener_count];
	listener->is_tcp = is_tcp;
	r = is_tcp ? uv_tcp_init(server->loop, &listener->io.tcp)
		   : uv_pipe_init(server->loop, &listener->io.pipe, 0);
	if (r < 0)
		return r;
	listener->io.handle.data = server;
	server->listener_count++;
	server->handles++;
	*ret = listener;
	return 0;
}

/* Whether a process accepts connections there. */
static bool is_served(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		return false;
	strcpy(addr.sun_path, path);
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN;
}

int grpc_server_listen_unix(struct grpc_server *server, const char *path, mode_t mode, gid_t group,
			    struct diag *diag)
{
	_cleanup_close_ int fd = -1;
	struct listener *listener;
	int r;

	if (is_served(path)) {
		diag_set(diag, path, 0, "another process serves this socket");
		return -EADDRINUSE;
	}
	fd = unix_socket_listen(path, (uid_t)-1, group, mode, diag);
	if (fd < 0)
		return fd;
	r = listener_new(server, false, &listener);
	if (r < 0)
		return r;
	r = uv_pipe_open(&listener->io.pipe, fd);
	if (r < 0)
		return r;
	take_fd(fd);
	return uv_listen(&listener->io.stream, BACKLOG, on_connection);
}

/* Splits "host:port" and "[host]:port". */
static int parse_tcp(const char *address, struct sockaddr_storage *ret)
{
	const char *colon = strrchr(address, ':');
	char host[64], *end;
	size_t len;
	long port;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return -EINVAL;
	port = strtol(colon + 1, &end, 10);
	len = (size_t)(colon - address);
	if (*end || port > 65535 || len >= sizeof(host))
		return -EINVAL;
	if (len >= 2 && address[0] == '[' && colon[-1] == ']') {
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, address + 1);
		return uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)ret);
	}
	snprintf(host, sizeof(host), "%.*s", (int)len, address);
	return uv_ip4_addr(host, (int)port, (struct sockaddr_in *)ret);
}

int grpc_server_listen_tcp(struct grpc_server *server, const char *address, uint16_t *ret_port)
{
	struct sockaddr_storage addr = { 0 };
	int r, size = sizeof(addr);
	struct listener *listener;

	r = parse_tcp(address, &addr);
	if (r < 0)
		return r;
	r = listener_new(server, true, &listener);
	if (r < 0)
		return r;
	r = uv_tcp_bind(&listener->io.tcp, (struct sockaddr *)&addr, 0);
	if (r == 0)
		r = uv_listen(&listener->io.stream, BACKLOG, on_connection);
	if (r < 0)
		return r;
	r = uv_tcp_getsockname(&listener->io.tcp, (struct sockaddr *)&addr, &size);
	if (r == 0 && ret_port) /* both families keep the port in the same place */
		*ret_port = ntohs(((struct sockaddr_in *)&addr)->sin_port);
	return r;
}
