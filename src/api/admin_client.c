/* SPDX-License-Identifier: Apache-2.0 */
#include "admin_client.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

/* A buffer that grows, always NUL-terminated. */
struct buffer {
	char *data;
	size_t len, room;
};

static void buffer_done(struct buffer *buffer)
{
	free(buffer->data);
}

void admin_reply_free(struct admin_reply *reply)
{
	if (!reply)
		return;
	free(reply->body);
	free(reply);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Waits for events until the deadline (0: for ever). */
static int wait_for(int fd, short events, long long deadline)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	for (;;) {
		long long left = deadline ? deadline - now_ms() : -1;
		int r;

		if (deadline && left <= 0)
			return -ETIMEDOUT;
		r = poll(&poll_fd, 1, (int)MIN(left, 60000LL));
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

static int connect_to(const char *path, int *ret)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	/* Others may make files in the run directory: a socket of theirs is not the agent's. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	if (peer.uid != 0 && peer.uid != geteuid())
		return -EPERM;
	*ret = take_fd(fd);
	return 0;
}

static int send_all(int fd, const char *data, size_t len, long long deadline)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			int r = wait_for(fd, POLLOUT, deadline);

			if (r < 0)
				return r;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int buffer_reserve(struct buffer *buffer, size_t more)
{
	if (buffer->len + more + 1 <= buffer->room)
		return 0;

	size_t room = MAX(buffer->room * 2, buffer->len + more + 1);
	char *data = realloc(buffer->data, room);

	if (!data)
		return -ENOMEM;
	buffer->data = data;
	buffer->room = room;
	return 0;
}

/* Where the body starts; 0 if the header has not ended yet. */
static size_t header_end(const struct buffer *buffer)
{
	const char *end = buffer->len ? strstr(buffer->data, "\r\n\r\n") : NULL;

	return end ? (size_t)(end - buffer->data) + 4 : 0;
}

/* The value of Content-Length; -1 if there is none. */
static long long content_length(const char *header, size_t len)
{
	static const char name[] = "content-length:";

	for (const char *line = header; line && line < header + len;) {
		if (strncasecmp(line, name, sizeof(name) - 1) == 0)
			return atoll(line + sizeof(name) - 1);
		line = strstr(line, "\r\n");
		line = line ? line + 2 : NULL;
	}
	return -1;
}

/* Bytes of headers and body together; -1 while that is unknown. */
static long long whole_length(const struct buffer *buffer)
{
	size_t start = header_end(buffer);
	long long length = start ? content_length(buffer->data, start) : -1;

	return length < 0 ? -1 : (long long)start + length;
}

/* Reads until the body is whole or the server closes. */
static int receive_all(int fd, struct buffer *buffer, long long deadline)
{
	long long whole = -1;

	for (;;) {
		int r = buffer_reserve(buffer, 65536);

		if (r < 0)
			return r;
		r = wait_for(fd, POLLIN, deadline);
		if (r < 0)
			return r;

		ssize_t n = recv(fd, buffer->data + buffer->len, 65536, MSG_DONTWAIT);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		buffer->len += (size_t)n;
		buffer->data[buffer->len] = '\0';
		if (whole < 0) /* once: the buffer may be long */
			whole = whole_length(buffer);
		if (n == 0 || (whole >= 0 && (long long)buffer->len >= whole))
			return 0;
		if (buffer->len > ADMIN_REPLY_MAX)
			return -EMSGSIZE;
	}
}

static int parse_reply(const struct buffer *buffer, struct admin_reply **ret)
{
	_cleanup_(admin_reply_freep) struct admin_reply *reply = NULL;
	size_t start = header_end(buffer);
	int status;

	if (!start || sscanf(buffer->data, "HTTP/1.%*1[01] %3d", &status) != 1)
		return -EPROTO;
	reply = calloc(1, sizeof(*reply));
	if (!reply)
		return -ENOMEM;
	reply->status = status;
	reply->len = buffer->len - start;
	if (content_length(buffer->data, start) > (long long)reply->len)
		return -EPROTO;
	reply->body = malloc(reply->len + 1);
	if (!reply->body)
		return -ENOMEM;
	memcpy(reply->body, buffer->data + start, reply->len + 1);
	*ret = take_ptr(reply);
	return 0;
}

int admin_call(const char *socket_path, const char *method, const char *path, const char *body,
	       size_t body_len, unsigned int timeout_ms, struct admin_reply **ret)
{
	_cleanup_(buffer_done) struct buffer buffer = {};
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *head = NULL;
	long long deadline = timeout_ms ? now_ms() + timeout_ms : 0;
	int r, len;

	r = connect_to(socket_path, &fd);
	if (r < 0)
		return r;
	len = asprintf(&head,
		       "%s %s HTTP/1.1\r\nHost: tendril\r\nConnection: close\r\n"
		       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		       method, path, body_len);
	if (len < 0)
		return -ENOMEM;
	r = send_all(fd, head, (size_t)len, deadline);
	if (r == 0 && body_len)
		r = send_all(fd, body, body_len, deadline);
	if (r < 0 && r != -EPIPE) /* the server may have answered and closed before the end */
		return r;
	r = receive_all(fd, &buffer, deadline);
	if (r < 0)
		return r;
	return parse_reply(&buffer, ret);
}

char *admin_escape(const char *text)
{
	char *escaped = malloc(strlen(text) * 3 + 1);
	char *out = escaped;

	if (!escaped)
		return NULL;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~/", c))
			*out++ = (char)c;
		else
			out += sprintf(out, "%%%02X", c);
	}
	*out = '\0';
	return escaped;
}
