/* SPDX-License-Identifier: Apache-2.0 */
#include "admin_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "api/unix_listener.h"
#include "api/unix_socket.h"
#include "base/util.h"

#define HEADERS_MAX 32768 /* memory of one connection: request line, headers, query */
#define SWEEP_MS    250

/* One accepted connection. libmicrohttpd owns and closes the descriptor. */
struct client {
	struct client *next, **at;
	struct ucred peer;
	int fd;
	uint64_t deadline; /* uv_now() */
};

struct admin_server {
	struct MHD_Daemon *daemon;
	struct admin_options options; /* socket_path: only while it is made */
	struct unix_listener *listener;
	uv_loop_t *loop;
	uv_poll_t *daemon_poll;
	uv_timer_t *timer;
	struct client *clients;
	unsigned int client_count;
};

/* A request under way. */
struct exchange {
	char *body;
	size_t len, room;
	bool too_long;
};

const char *admin_request_query(const struct admin_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->query, MHD_GET_ARGUMENT_KIND, name);
}

int admin_response_error(struct admin_response *response, unsigned int status, const char *code,
			 const char *fmt, ...)
{
	char message[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	json_decref(response->body);
	response->status = status;
	response->body = json_pack("{s:{s:s, s:o}}", "error", "code", code, "message",
				   json_stringn_nocheck(message, strlen(message)));
	return -EINVAL;
}

int admin_response_diag(struct admin_response *response, const char *code, const struct diag *diag)
{
	json_t *error;

	admin_response_error(response, 422, code, "%s", diag->text);
	error = json_object_get(response->body, "error");
	if (diag->file[0])
		json_object_set_new(error, "file", json_string(diag->file));
	if (diag->line)
		json_object_set_new(error, "line", json_integer(diag->line));
	return -EINVAL;
}

int admin_request_json(const struct admin_request *request, struct admin_response *response,
		       json_t **ret)
{
	json_error_t error;
	json_t *body = json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, &error);

	if (!body)
		return admin_response_error(response, 400, "bad_json", "body:%d: no JSON: %s",
					    error.line, error.text);
	if (!json_is_object(body)) {
		json_decref(body);
		return admin_response_error(response, 400, "bad_json",
					    "body: found no object, expected one");
	}
	*ret = body;
	return 0;
}

static void dispatch(struct admin_server *server, const struct admin_request *request,
		     struct admin_response *response)
{
	bool known = false;

	for (size_t i = 0; i < server->options.route_count; i++) {
		const struct admin_route *route = &server->options.routes[i];

		if (strcmp(route->path, request->path) != 0)
			continue;
		known = true;
		if (strcmp(route->method, request->method) != 0)
			continue;
		route->handle(request, response, server->options.data);
		return;
	}
	if (known)
		admin_response_error(response, 405, "bad_method", "%s does not take %s",
				     request->path, request->method);
	else
		admin_response_error(response, 404, "no_such_path", "no such path: %s",
				     request->path);
}

static enum MHD_Result send_response(struct MHD_Connection *connection,
				     struct admin_response *response)
{
	char *text = response->body ? json_dumps(response->body, JSON_COMPACT) : strdup("{}");
	struct MHD_Response *reply;
	enum MHD_Result result;

	json_decref(response->body);
	if (!text)
		return MHD_NO;
	reply = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!reply) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(reply, "Content-Type", "application/json");
	MHD_add_response_header(reply, "Connection", "close");
	result = MHD_queue_response(connection, response->status, reply);
	MHD_destroy_response(reply);
	return result;
}

static enum MHD_Result collect_body(struct exchange *exchange, const char *data, size_t len)
{
	if (exchange->len + len > ADMIN_BODY_MAX) {
		/* Read on and forget: a client that is still writing would not see the answer. */
		exchange->too_long = true;
		exchange->len = 0;
		return MHD_YES;
	}
	if (exchange->too_long)
		return MHD_YES;
	if (exchange->len + len + 1 > exchange->room) {
		size_t room = MAX(exchange->room * 2, exchange->len + len + 1);
		char *grown = realloc(exchange->body, room);

		if (!grown)
			return MHD_NO;
		exchange->body = grown;
		exchange->room = room;
	}
	memcpy(exchange->body + exchange->len, data, len);
	exchange->len += len;
	exchange->body[exchange->len] = '\0';
	return MHD_YES;
}

static struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info->socket_context;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **state)
{
	struct admin_response response = { .status = 200 };
	struct exchange *exchange = *state;
	struct client *client = client_of(connection);

	if (!exchange) {
		*state = calloc(1, sizeof(struct exchange));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*upload_len > 0) {
		size_t len = *upload_len;

		*upload_len = 0;
		return collect_body(exchange, upload, len);
	}

	struct admin_request request = {
		.method = method,
		.path = url,
		.body = exchange->body ? exchange->body : "",
		.body_len = exchange->len,
		.uid = client ? client->peer.uid : (uid_t)-1,
		.gid = client ? client->peer.gid : (gid_t)-1,
		.pid = client ? client->peer.pid : 0,
		.query = connection,
	};

	if (exchange->too_long)
		admin_response_error(&response, 413, "too_long", "the body is longer than %u bytes",
				     ADMIN_BODY_MAX);
	else
		dispatch(data, &request, &response);
	return send_response(connection, &response);
}

static void on_request_done(void *data, struct MHD_Connection *connection, void **state,
			    enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *state;

	if (!exchange)
		return;
	free(exchange->body);
	free(exchange);
	*state = NULL;
}

static void client_unlink(struct client *client)
{
	if (client->next)
		client->next->at = client->at;
	*client->at = client->next;
}

static struct client *client_by_fd(struct admin_server *server, int fd)
{
	for (struct client *client = server->clients; client; client = client->next)
		if (client->fd == fd)
			return client;
	return NULL;
}

static void on_connection(void *data, struct MHD_Connection *connection, void **state,
			  enum MHD_ConnectionNotificationCode code)
{
	struct admin_server *server = data;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		*state = client_by_fd(server, info->connect_fd);
	} else if (*state) {
		client_unlink(*state);
		free(*state);
		*state = NULL;
		server->client_count--;
	}
}

static void arm_timer(struct admin_server *server);

/* Deadlines are looked at each time anything happens, and at least every SWEEP_MS. */
static void run_daemon(struct admin_server *server)
{
	uint64_t now = uv_now(server->loop);

	for (struct client *client = server->clients; client; client = client->next)
		if (client->deadline <= now)
			shutdown(client->fd, SHUT_RDWR);
	MHD_run(server->daemon);
	arm_timer(server);
}

static void on_timer(uv_timer_t *timer)
{
	run_daemon(timer->data);
}

static void arm_timer(struct admin_server *server)
{
	MHD_UNSIGNED_LONG_LONG wait = SWEEP_MS;

	if (!server->clients) {
		uv_timer_stop(server->timer);
		return;
	}
	if (MHD_get_timeout(server->daemon, &wait) != MHD_YES || wait > SWEEP_MS)
		wait = SWEEP_MS;
	uv_timer_start(server->timer, on_timer, wait, 0);
}

static void on_daemon_readable(uv_poll_t *poll, int status, int events)
{
	run_daemon(poll->data);
}

/* Best effort: the socket's mode has kept out everybody but holders of a passed descriptor. */
static void turn_away(int fd, const char *status, const char *code, const char *message)
{
	char text[512];
	int body_len = snprintf(NULL, 0, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code,
				message);
	int len = snprintf(
		text, sizeof(text),
		"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
		"Connection: close\r\n\r\n{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}",
		status, body_len, code, message);

	send(fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void admit(struct admin_server *server, int fd, const struct ucred *peer)
{
	/* What accept() gives for a client that did not bind its end. */
	static const struct sockaddr_un unnamed = { .sun_family = AF_UNIX };
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return;
	}
	client->peer = *peer;
	client->fd = fd;
	client->deadline = uv_now(server->loop) + server->options.deadline_ms;
	client->next = server->clients;
	client->at = &server->clients;
	if (client->next)
		client->next->at = &client->next;
	server->clients = client;
	server->client_count++;
	if (MHD_add_connection(server->daemon, fd, (const struct sockaddr *)&unnamed,
			       sizeof(sa_family_t)) == MHD_YES)
		return;
	/* It has closed the descriptor; whether it told on_connection() shows in the list. */
	client = client_by_fd(server, fd);
	if (client) {
		client_unlink(client);
		free(client);
		server->client_count--;
	}
}

static void on_connected(int fd, const struct ucred *peer, void *data)
{
	struct admin_server *server = data;

	if (!unix_socket_peer_in_group(fd, peer, server->options.group))
		turn_away(fd, "403 Forbidden", "not_permitted",
			  "only root and members of the admin group may use this socket");
	else if (server->client_count >= ADMIN_CONNECTIONS_MAX)
		turn_away(fd, "503 Service Unavailable", "busy",
			  "too many requests at once; try again");
	else
		admit(server, fd, peer);
	run_daemon(server);
}

static void on_strained(int error, void *data)
{
	struct admin_server *server = data;

	if (server->options.strained)
		server->options.strained(error, server->options.data);
}

static int start_daemon(struct admin_server *server)
{
	server->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, server,
		MHD_OPTION_CONNECTION_LIMIT, ADMIN_CONNECTIONS_MAX + 16,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX,
		MHD_OPTION_NOTIFY_COMPLETED, on_request_done, NULL, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, server, MHD_OPTION_END);
	return server->daemon ? 0 : -EIO;
}

static int watch(uv_loop_t *loop, int fd, uv_poll_cb cb, void *data, uv_poll_t **ret)
{
	uv_poll_t *poll = malloc(sizeof(*poll));
	int r;

	if (!poll)
		return -ENOMEM;
	r = uv_poll_init(loop, poll, fd);
	if (r < 0) {
		free(poll);
		return r;
	}
	poll->data = data;
	*ret = poll;
	return uv_poll_start(poll, UV_READABLE, cb);
}

static int start_watching(struct admin_server *server)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	if (!info || info->epoll_fd < 0)
		return -EIO;
	server->timer = malloc(sizeof(*server->timer));
	if (!server->timer)
		return -ENOMEM;
	uv_timer_init(server->loop, server->timer);
	server->timer->data = server;
	return watch(server->loop, info->epoll_fd, on_daemon_readable, server,
		     &server->daemon_poll);
}

static int start_listening(struct admin_server *server, struct diag *diag)
{
	const struct unix_listener_options options = {
		.path = server->options.socket_path,
		.uid = (uid_t)-1,
		.gid = server->options.group,
		.mode = 0660,
		.connected = on_connected,
		.strained = on_strained,
		.data = server,
	};

	return unix_listener_new(server->loop, &options, &server->listener, diag);
}

int admin_server_new(uv_loop_t *loop, const struct admin_options *options,
		     struct admin_server **ret, struct diag *diag)
{
	_cleanup_(admin_server_freep) struct admin_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->options = *options;
	if (!options->deadline_ms)
		server->options.deadline_ms = ADMIN_DEADLINE_MS;
	r = start_daemon(server);
	if (r == 0)
		r = start_watching(server);
	if (r < 0) {
		diag_set(diag, options->socket_path, 0, "cannot serve: %s", strerror(-r));
		return r;
	}
	r = start_listening(server, diag);
	if (r < 0)
		return r;
	server->options.socket_path = NULL;
	*ret = take_ptr(server);
	return 0;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void close_handle(void *handle)
{
	if (handle)
		uv_close(handle, free_handle);
}

void admin_server_free(struct admin_server *server)
{
	if (!server)
		return;
	unix_listener_free(server->listener);
	close_handle(server->daemon_poll);
	close_handle(server->timer);
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	free(server);
}
