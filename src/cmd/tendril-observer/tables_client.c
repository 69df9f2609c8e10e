/* SPDX-License-Identifier: Apache-2.0 */
#include "tables_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/util.h"
#include "tables.pb-c.h"

#define FDS_MAX      3
#define READ_SIZE    65536
#define FRAMES_MAX   (TABLES_FRAME_MAX + 4)
#define READS_A_TURN 16

struct tables_client {
	struct tables_client_options options;
	uv_loop_t *loop;
	uv_timer_t retry;
	uv_poll_t *poll; /* NULL: not connected */
	int fd;
	unsigned int wait_ms;
	int fds[FDS_MAX];
	unsigned int fd_count;
	bool greeted;
	uint8_t *buf; /* one frame and what came after it */
	size_t have, capacity;
	bool closing;
};

static void connect_now(struct tables_client *client);

static void on_retry(uv_timer_t *timer)
{
	connect_now(timer->data);
}

static void drop_fds(struct tables_client *client)
{
	for (unsigned int i = 0; i < client->fd_count; i++)
		close(client->fds[i]);
	client->fd_count = 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

static void disconnect(struct tables_client *client)
{
	if (client->poll) {
		uv_poll_stop(client->poll);
		uv_close((uv_handle_t *)take_ptr(client->poll), on_poll_closed);
	}
	closep(&client->fd);
	client->fd = -1;
	drop_fds(client);
	client->have = 0;
	client->greeted = false;
}

static void fail(struct tables_client *client, int error)
{
	disconnect(client);
	if (client->options.state)
		client->options.state(error, client->options.data);
	uv_timer_start(&client->retry, on_retry, client->wait_ms, 0);
	client->wait_ms = MIN(client->wait_ms * 2, (unsigned int)TABLES_RETRY_MAX_MS);
}

static int take_hello(struct tables_client *client)
{
	struct tables_fds fds = { -1, -1, -1 };
	int *const places[FDS_MAX] = { &fds.events, &fds.stats, &fds.drops };

	if (client->greeted)
		return -EBADMSG;
	client->greeted = true;
	for (unsigned int i = 0; i < client->fd_count; i++)
		*places[i] = client->fds[i];
	client->fd_count = 0;
	client->wait_ms = TABLES_RETRY_MIN_MS;
	client->options.hello(fds, client->options.data);
	return 0;
}

static int take_update(struct tables_client *client, const uint8_t *data, size_t size)
{
	Tendril__Tables__Update *update = tendril__tables__update__unpack(NULL, size, data);
	int r = 0;

	if (!update)
		return -EBADMSG;
	if (update->update_case == TENDRIL__TABLES__UPDATE__UPDATE_HELLO)
		r = take_hello(client);
	else if (!client->greeted)
		r = -EBADMSG;
	if (r == 0)
		r = flow_names_update(client->options.names, update);
	tendril__tables__update__free_unpacked(update, NULL);
	return r == -EINVAL ? 0 : r; /* of a newer tendrild: what we do not know is passed over */
}

/* Takes all whole frames out of the buffer. */
static int take_frames(struct tables_client *client)
{
	size_t at = 0;
	uint32_t size;
	int r = 0;

	while (r == 0 && client->have - at >= sizeof(size)) {
		memcpy(&size, client->buf + at, sizeof(size));
		size = ntohl(size);
		if (size > TABLES_FRAME_MAX)
			return -EMSGSIZE;
		if (client->have - at - sizeof(size) < size)
			break;
		r = take_update(client, client->buf + at + sizeof(size), size);
		at += sizeof(size) + size;
	}
	memmove(client->buf, client->buf + at, client->have - at);
	client->have -= at;
	return r;
}

static int grow(struct tables_client *client)
{
	size_t capacity = client->have + READ_SIZE;
	uint8_t *buf;

	if (capacity <= client->capacity)
		return 0;
	capacity = MIN(MAX(capacity, client->capacity * 2), (size_t)FRAMES_MAX + READ_SIZE);
	buf = realloc(client->buf, capacity);
	if (!buf)
		return -ENOMEM;
	client->buf = buf;
	client->capacity = capacity;
	return 0;
}

static int keep_fds(struct tables_client *client, struct msghdr *message)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg;
	     cmsg = CMSG_NXTHDR(message, cmsg)) {
		size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (client->fd_count < FDS_MAX && !client->greeted)
				client->fds[client->fd_count++] = fd;
			else
				close(fd);
		}
	}
	return message->msg_flags & MSG_CTRUNC ? -EBADMSG : 0;
}

/* 1: something was read; 0: nothing is there; -errno. */
static int read_some(struct tables_client *client)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct msghdr message = { .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct iovec iov;
	ssize_t n;
	int r = grow(client);

	if (r < 0)
		return r;
	iov = (struct iovec){ client->buf + client->have, client->capacity - client->have };
	message.msg_iov = &iov;
	n = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	client->have += (size_t)n;
	r = keep_fds(client, &message);
	if (r == 0)
		r = take_frames(client);
	return r < 0 ? r : 1;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct tables_client *client = poll->data;
	int r = status < 0 ? status : 1;

	for (unsigned int i = 0; i < READS_A_TURN && r > 0; i++)
		r = read_some(client);
	if (r < 0)
		fail(client, r);
}

static int watch(struct tables_client *client)
{
	uv_poll_t *poll = calloc(1, sizeof(*poll));
	int r;

	if (!poll)
		return -ENOMEM;
	r = uv_poll_init(client->loop, poll, client->fd);
	if (r < 0) {
		free(poll);
		return r;
	}
	poll->data = client;
	client->poll = poll;
	return uv_poll_start(poll, UV_READABLE, on_readable);
}

static int try_connect(struct tables_client *client)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(client->options.path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, client->options.path);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd < 0)
		return -errno;
	if (connect(client->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno; /* a unix socket connects at once or not at all */
	return watch(client);
}

static void connect_now(struct tables_client *client)
{
	int r = try_connect(client);

	if (r < 0) {
		fail(client, r);
		return;
	}
	flow_names_begin(client->options.names);
	if (client->options.state)
		client->options.state(0, client->options.data);
}

int tables_client_new(uv_loop_t *loop, const struct tables_client_options *options,
		      struct tables_client **ret)
{
	struct tables_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	client->options = *options;
	client->loop = loop;
	client->fd = -1;
	client->wait_ms = TABLES_RETRY_MIN_MS;
	r = uv_timer_init(loop, &client->retry);
	if (r < 0) {
		free(client);
		return r;
	}
	client->retry.data = client;
	connect_now(client);
	*ret = client;
	return 0;
}

static void on_retry_closed(uv_handle_t *handle)
{
	struct tables_client *client = handle->data;

	free(client->buf);
	free(client);
}

void tables_client_free(struct tables_client *client)
{
	if (!client)
		return;
	disconnect(client);
	uv_close((uv_handle_t *)&client->retry, on_retry_closed);
}
