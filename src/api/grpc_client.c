/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc_client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/util.h"

#define WINDOW      (256 * 1024)
#define READ_SIZE   16384
#define VERSION_MAX 64
#define AGENT       "tendril/" TENDRIL_VERSION

struct grpc_client {
	int fd;
	nghttp2_session *http2;
	char authority[128];

	int32_t stream; /* of the call; 0: none */
	bool open;      /* the stream still lives */
	uint8_t *request;
	size_t request_size, request_sent;

	struct grpc_reader reader;
	bool message_out; /* the reader's message was handed out */
	uint8_t *in;      /* DATA that arrived and was not looked at; at most a window */
	size_t in_head, in_tail, in_capacity;

	unsigned int http_status;
	bool have_status;
	enum grpc_status status;
	char message[GRPC_TEXT_MAX];
	char version[VERSION_MAX];
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Milliseconds until then, for poll(); -1: forever. */
static int time_left(uint64_t until)
{
	uint64_t now = now_ms();

	if (until == UINT64_MAX)
		return -1;
	return until > now ? (int)MIN(until - now, (uint64_t)INT32_MAX) : 0;
}

static void set_status(struct grpc_client *client, enum grpc_status status, const char *message)
{
	if (client->have_status)
		return;
	client->have_status = true;
	client->status = status;
	if (message)
		snprintf(client->message, sizeof(client->message), "%s", message);
}

static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_size, const uint8_t *value, size_t size, uint8_t flags, void *data)
{
	struct grpc_client *client = data;
	const char *text = (const char *)value;

	if (frame->hd.stream_id != client->stream)
		return 0;
	if (name_size == 7 && memcmp(name, ":status", 7) == 0) {
		client->http_status =
			(unsigned int)strtoul(text, NULL, 10); /* nghttp2 checked it */
	} else if (name_size == 11 && memcmp(name, "grpc-status", 11) == 0) {
		client->have_status = true;
		client->status = grpc_status_parse(text, size);
	} else if (name_size == 12 && memcmp(name, "grpc-message", 12) == 0) {
		grpc_percent_decode(text, size, client->message, sizeof(client->message));
	} else if (name_size == 21 && memcmp(name, "hubble-server-version", 21) == 0) {
		grpc_percent_decode(text, size, client->version, sizeof(client->version));
	}
	return 0;
}

static int on_data_chunk(nghttp2_session *http2, uint8_t flags, int32_t stream,
			 const uint8_t *bytes, size_t size, void *data)
{
	struct grpc_client *client = data;

	if (stream != client->stream) { /* of a call that was given up */
		nghttp2_session_consume_connection(http2, size);
		return 0;
	}
	if (client->in_head) {
		memmove(client->in, client->in + client->in_head,
			client->in_tail - client->in_head);
		client->in_tail -= client->in_head;
		client->in_head = 0;
	}
	if (client->in_tail + size > client->in_capacity)
		return NGHTTP2_ERR_CALLBACK_FAILURE; /* nghttp2 keeps the server within the window */
	memcpy(client->in + client->in_tail, bytes, size);
	client->in_tail += size;
	return 0;
}

static enum grpc_status status_from_reset(uint32_t error)
{
	switch (error) {
	case NGHTTP2_REFUSED_STREAM:
		return GRPC_UNAVAILABLE;
	case NGHTTP2_CANCEL:
		return GRPC_CANCELLED;
	case NGHTTP2_ENHANCE_YOUR_CALM:
		return GRPC_RESOURCE_EXHAUSTED;
	default:
		return GRPC_INTERNAL;
	}
}

static int on_stream_close(nghttp2_session *http2, int32_t stream, uint32_t error, void *data)
{
	struct grpc_client *client = data;
	char text[64];

	if (stream != client->stream)
		return 0;
	client->open = false;
	if (error) {
		snprintf(text, sizeof(text), "stream closed by the server: %s",
			 nghttp2_http2_strerror(error));
		set_status(client, status_from_reset(error), text);
	} else if (client->http_status != 200) {
		snprintf(text, sizeof(text), "server answered with HTTP status %u",
			 client->http_status);
		set_status(client, grpc_status_from_http(client->http_status), text);
	}
	set_status(client, GRPC_UNKNOWN, "server closed the stream without a status");
	return 0;
}

static ssize_t read_request(nghttp2_session *http2, int32_t stream, uint8_t *buf, size_t size,
			    uint32_t *flags, nghttp2_data_source *source, void *data)
{
	struct grpc_client *client = source->ptr;
	size_t take = MIN(size, client->request_size - client->request_sent);

	memcpy(buf, client->request + client->request_sent, take);
	client->request_sent += take;
	if (client->request_sent == client->request_size)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)take;
}

static int make_http2(struct grpc_client *client)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
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
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	r = nghttp2_session_client_new2(&client->http2, callbacks, client, option);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	if (r)
		return -ENOMEM;
	if (nghttp2_submit_settings(client->http2, NGHTTP2_FLAG_NONE, settings,
				    ARRAY_SIZE(settings)) ||
	    nghttp2_session_set_local_window_size(client->http2, NGHTTP2_FLAG_NONE, 0, WINDOW))
		return -ENOMEM;
	return 0;
}

static int connect_to(const struct sockaddr *addr, socklen_t size, uint64_t until, int *ret)
{
	_cleanup_close_ int fd =
		socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int error = 0, r;
	socklen_t len = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, addr, size) < 0 && errno != EINPROGRESS)
		return -errno;
	r = poll(&pfd, 1, time_left(until));
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	if (error)
		return -error;
	*ret = take_fd(fd);
	return 0;
}

static int connect_unix(const char *path, uint64_t until, int *ret)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (!*path || strlen(path) >= sizeof(addr.sun_path))
		return -EINVAL;
	strcpy(addr.sun_path, path);
	return connect_to((const struct sockaddr *)&addr, sizeof(addr), until, ret);
}

/* Tries every address of the host in turn; the last error stands. */
static int connect_host(const char *host, const char *port, uint64_t until, int *ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	int r = -EADDRNOTAVAIL, one = 1;

	if (getaddrinfo(host, port, &hints, &found))
		return -EADDRNOTAVAIL;
	for (struct addrinfo *at = found; at && r < 0; at = at->ai_next)
		r = connect_to(at->ai_addr, at->ai_addrlen, until, ret);
	freeaddrinfo(found);
	if (r == 0)
		setsockopt(*ret, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return r;
}

static int connect_server(struct grpc_client *client, const char *server, uint64_t until)
{
	const char *colon = strrchr(server, ':');
	char host[sizeof(client->authority)];
	size_t len;

	if (strncmp(server, "tls://", 6) == 0)
		return -EPROTONOSUPPORT;
	if (strncmp(server, "unix:", 5) == 0) {
		server += strncmp(server, "unix://", 7) == 0 ? 7 : 5;
		strcpy(client->authority, "localhost");
		return connect_unix(server, until, &client->fd);
	}
	if (!colon || colon == server || !colon[1] || strlen(server) >= sizeof(host))
		return -EINVAL;
	strcpy(client->authority, server);
	len = (size_t)(colon - server);
	if (server[0] == '[' && colon[-1] == ']')
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, server + 1);
	else
		snprintf(host, sizeof(host), "%.*s", (int)len, server);
	return connect_host(host, colon + 1, until, &client->fd);
}

int grpc_client_new(const char *server, int timeout_ms, struct grpc_client **ret)
{
	_cleanup_(grpc_client_freep) struct grpc_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	client->fd = -1;
	client->reader.max = GRPC_MESSAGE_MAX;
	client->in_capacity = WINDOW;
	client->in = malloc(WINDOW);
	if (!client->in)
		return -ENOMEM;
	r = connect_server(client, server, now_ms() + (uint64_t)MAX(timeout_ms, 0));
	if (r < 0)
		return r;
	r = make_http2(client);
	if (r < 0)
		return r;
	*ret = take_ptr(client);
	return 0;
}

void grpc_client_free(struct grpc_client *client)
{
	if (!client)
		return;
	nghttp2_session_del(client->http2);
	closep(&client->fd);
	grpc_reader_clear(&client->reader);
	free(client->request);
	free(client->in);
	free(client);
}

/* Writes what nghttp2 has; bytes the socket does not take are waited for. */
static int flush(struct grpc_client *client, uint64_t until)
{
	const uint8_t *data;
	ssize_t left, n;

	while ((left = nghttp2_session_mem_send(client->http2, &data)) > 0) {
		while (left > 0) {
			struct pollfd pfd = { .fd = client->fd, .events = POLLOUT };

			n = send(client->fd, data, (size_t)left, MSG_NOSIGNAL);
			if (n >= 0) {
				data += n;
				left -= n;
			} else if (errno != EAGAIN && errno != EINTR) {
				return -errno;
			} else if (errno == EAGAIN && poll(&pfd, 1, time_left(until)) == 0) {
				return -ECONNABORTED; /* half a frame is out: of no use any more */
			}
		}
	}
	return left < 0 ? -EPROTO : 0;
}

/* Waits for bytes and lets nghttp2 see them. */
static int fill(struct grpc_client *client, uint64_t until)
{
	struct pollfd pfd = { .fd = client->fd, .events = POLLIN };
	uint8_t buf[READ_SIZE];
	ssize_t n;
	int r = poll(&pfd, 1, time_left(until));

	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	n = recv(client->fd, buf, sizeof(buf), 0);
	if (n < 0)
		return errno == EAGAIN ? -EINTR : -errno;
	if (n == 0)
		return -ECONNRESET;
	return nghttp2_session_mem_recv(client->http2, buf, (size_t)n) < 0 ? -EPROTO : 0;
}

static void reset_call(struct grpc_client *client)
{
	grpc_client_cancel(client);
	if (client->in_tail > client->in_head)
		nghttp2_session_consume_connection(client->http2,
						   client->in_tail - client->in_head);
	client->in_head = client->in_tail = 0;
	grpc_reader_next(&client->reader);
	client->message_out = client->have_status = false;
	client->http_status = 0;
	client->status = GRPC_OK;
	client->message[0] = client->version[0] = '\0';
	client->stream = 0;
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0 };
}

static int submit(struct grpc_client *client, const char *path, uint64_t timeout_ms)
{
	nghttp2_data_provider source = { .source.ptr = client, .read_callback = read_request };
	char timeout[GRPC_TIMEOUT_MAX];
	nghttp2_nv nv[8] = {
		header(":method", "POST"),
		header(":scheme", "http"),
		header(":path", path),
		header(":authority", client->authority),
		header("content-type", "application/grpc"),
		header("te", "trailers"),
		header("user-agent", AGENT),
	};
	size_t count = 7;

	if (timeout_ms) {
		grpc_timeout_format(timeout_ms, timeout);
		nv[count++] = header("grpc-timeout", timeout);
	}
	client->stream = nghttp2_submit_request(client->http2, NULL, nv, count, &source, NULL);
	return client->stream < 0 ? -EPROTO : 0;
}

int grpc_client_start(struct grpc_client *client, const char *path, const void *request,
		      size_t size, uint64_t timeout_ms)
{
	int r;

	if (size > GRPC_MESSAGE_MAX)
		return -EMSGSIZE;
	reset_call(client);
	free(client->request);
	client->request_sent = 0;
	client->request_size = size + GRPC_PREFIX_SIZE;
	client->request = malloc(client->request_size);
	if (!client->request)
		return -ENOMEM;
	grpc_prefix_write((uint32_t)size, client->request);
	if (size)
		memcpy(client->request + GRPC_PREFIX_SIZE, request, size);
	r = submit(client, path, timeout_ms);
	client->open = r == 0;
	return r < 0 ? r : flush(client, timeout_ms ? now_ms() + timeout_ms : UINT64_MAX);
}

/* Gives the reader what has arrived. 1: a message is whole; 0: more needed; -errno: no gRPC. */
static int take_message(struct grpc_client *client)
{
	size_t used;
	int r;

	if (client->message_out)
		grpc_reader_next(&client->reader);
	client->message_out = false;
	if (client->in_head == client->in_tail)
		return 0;
	r = grpc_reader_push(&client->reader, client->in + client->in_head,
			     client->in_tail - client->in_head, &used);
	client->in_head += used;
	if (client->open)
		nghttp2_session_consume(client->http2, client->stream, used);
	else
		nghttp2_session_consume_connection(client->http2, used);
	return r;
}

static int lose(struct grpc_client *client, int r)
{
	if (r == -ETIMEDOUT || r == -EINTR)
		return r;
	client->open = false;
	set_status(client, GRPC_UNAVAILABLE, "connection to the server is lost");
	return r;
}

int grpc_client_receive(struct grpc_client *client, int wait_ms, const uint8_t **ret_message,
			size_t *ret_size)
{
	uint64_t until = wait_ms < 0 ? UINT64_MAX : now_ms() + (uint64_t)wait_ms;
	int r;

	for (;;) {
		r = take_message(client);
		if (r < 0) {
			client->have_status = false;
			set_status(client, GRPC_INTERNAL, "server sent no gRPC message");
			grpc_client_cancel(client);
			return lose(client, r);
		}
		if (r == 1) {
			client->message_out = true;
			*ret_message = client->reader.data;
			*ret_size = client->reader.have;
			return 1;
		}
		if (!client->open)
			return 0;
		r = flush(client, until);
		if (r == 0)
			r = fill(client, until);
		if (r < 0)
			return lose(client, r);
	}
}

enum grpc_status grpc_client_status(const struct grpc_client *client, const char **ret_message)
{
	if (ret_message)
		*ret_message = client->message;
	return client->status;
}

int grpc_client_call(struct grpc_client *client, const char *path, const void *request, size_t size,
		     uint64_t timeout_ms, const uint8_t **ret_message, size_t *ret_size)
{
	uint64_t until = timeout_ms ? now_ms() + timeout_ms : UINT64_MAX;
	_cleanup_free_ uint8_t *kept = NULL;
	uint32_t kept_size = 0;
	int r = grpc_client_start(client, path, request, size, timeout_ms);

	if (r < 0)
		return lose(client, r);
	do {
		r = grpc_client_receive(client, time_left(until), ret_message, ret_size);
		if (r == 1 && kept)
			return -EBADMSG; /* a second message is no unary reply */
		if (r == 1) {
			client->message_out = false;
			kept = grpc_reader_take(&client->reader, &kept_size);
			if (!kept)
				return -ENOMEM;
		}
	} while (r == 1 || r == -EINTR);
	if (r < 0)
		return r;
	if (client->status != GRPC_OK || !kept)
		return -EREMOTEIO;
	grpc_reader_clear(&client->reader);
	client->reader.data = take_ptr(kept); /* the reader owns it until the next call */
	client->reader.have = client->reader.capacity = kept_size;
	client->message_out = true;
	*ret_message = client->reader.data;
	*ret_size = kept_size;
	return 0;
}

const char *grpc_client_server_version(const struct grpc_client *client)
{
	return client->version;
}

void grpc_client_cancel(struct grpc_client *client)
{
	if (!client->open)
		return;
	client->open = false;
	nghttp2_submit_rst_stream(client->http2, NGHTTP2_FLAG_NONE, client->stream, NGHTTP2_CANCEL);
	flush(client, now_ms() + 1000);
}
