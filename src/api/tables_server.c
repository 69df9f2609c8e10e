/* SPDX-License-Identifier: Apache-2.0 */
#include "tables_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/unix_listener.h"
#include "base/util.h"

#define OBSERVERS_MAX 8
#define FDS_MAX       3

/* One entry as it goes over the wire. Its deletion message holds the key fields and nothing else,
 * so it serves as the key too. */
struct entry {
	uint8_t *key, *frame;
	size_t key_len, frame_len;
};

struct table {
	struct entry *items; /* sorted by key */
	size_t count, room;
};

struct observer {
	struct tables_server *server;
	struct observer *next;
	uv_poll_t poll;
	int fd;
	int fds[FDS_MAX]; /* go with the first byte */
	unsigned int fd_count;
	uint8_t *queue;
	size_t queued, sent, room, limit;
	bool closing;
};

struct tables_server {
	struct tables_options options; /* socket_path: only while it is made */
	uv_loop_t *loop;
	struct unix_listener *listener;
	struct table tables[TABLES_KIND_COUNT];
	struct table next; /* between begin and end */
	enum tables_kind kind;
	bool incomplete; /* a put failed: end deletes nothing */
	struct observer *observers;
	unsigned int observer_count;
};

int tables_frame(const Tendril__Tables__Update *update, uint8_t **ret, size_t *ret_len)
{
	size_t len = tendril__tables__update__get_packed_size(update);
	uint32_t prefix = htonl((uint32_t)len);
	uint8_t *frame;

	if (len > TABLES_MESSAGE_MAX)
		return -EMSGSIZE;
	frame = malloc(sizeof(prefix) + len);
	if (!frame)
		return -ENOMEM;
	memcpy(frame, &prefix, sizeof(prefix));
	tendril__tables__update__pack(update, frame + sizeof(prefix));
	*ret = frame;
	*ret_len = sizeof(prefix) + len;
	return 0;
}

/* The deletion of what update names. */
static int frame_key(const Tendril__Tables__Update *update, uint8_t **ret, size_t *ret_len)
{
	Tendril__Tables__Update gone = TENDRIL__TABLES__UPDATE__INIT;
	Tendril__Tables__Identity identity = TENDRIL__TABLES__IDENTITY__INIT;
	Tendril__Tables__Endpoint endpoint = TENDRIL__TABLES__ENDPOINT__INIT;
	Tendril__Tables__Service service = TENDRIL__TABLES__SERVICE__INIT;
	Tendril__Tables__Rule rule = TENDRIL__TABLES__RULE__INIT;
	Tendril__Tables__Interface interface = TENDRIL__TABLES__INTERFACE__INIT;

	gone.update_case = update->update_case;
	gone.deleted = true;
	switch (update->update_case) {
	case TENDRIL__TABLES__UPDATE__UPDATE_IDENTITY:
		identity.number = update->identity->number;
		gone.identity = &identity;
		break;
	case TENDRIL__TABLES__UPDATE__UPDATE_ENDPOINT:
		endpoint.id = update->endpoint->id;
		gone.endpoint = &endpoint;
		break;
	case TENDRIL__TABLES__UPDATE__UPDATE_SERVICE:
		service.namespace_ = update->service->namespace_;
		service.name = update->service->name;
		gone.service = &service;
		break;
	case TENDRIL__TABLES__UPDATE__UPDATE_RULE:
		rule.number = update->rule->number;
		gone.rule = &rule;
		break;
	case TENDRIL__TABLES__UPDATE__UPDATE_INTERFACE:
		interface.ifindex = update->interface->ifindex;
		gone.interface = &interface;
		break;
	default:
		return -EINVAL;
	}
	return tables_frame(&gone, ret, ret_len);
}

static void entry_clear(struct entry *entry)
{
	free(entry->key);
	free(entry->frame);
	*entry = (struct entry){};
}

static void table_clear(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		entry_clear(&table->items[i]);
	free(table->items);
	*table = (struct table){};
}

static int compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int r = memcmp(a, b, MIN(a_len, b_len));

	return r ? r : (a_len > b_len) - (a_len < b_len);
}

static int compare_keys(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return compare_bytes(x->key, x->key_len, y->key, y->key_len);
}

static bool same_frame(const struct entry *a, const struct entry *b)
{
	return compare_bytes(a->frame, a->frame_len, b->frame, b->frame_len) == 0;
}

static void free_observer(uv_handle_t *handle)
{
	struct observer *observer = handle->data;

	close(observer->fd);
	free(observer->queue);
	free(observer);
}

static void drop_fds(struct observer *observer)
{
	for (unsigned int i = 0; i < observer->fd_count; i++)
		close(observer->fds[i]);
	observer->fd_count = 0;
}

static void observer_close(struct observer *observer)
{
	struct observer **at = &observer->server->observers;

	if (observer->closing)
		return;
	observer->closing = true;
	while (*at && *at != observer)
		at = &(*at)->next;
	if (*at)
		*at = observer->next;
	observer->server->observer_count--;
	drop_fds(observer);
	uv_close((uv_handle_t *)&observer->poll, free_observer);
}

static int queue_bytes(struct observer *observer, const uint8_t *data, size_t len)
{
	if (observer->closing)
		return -EPIPE;
	if (observer->queued - observer->sent + len > observer->limit) {
		observer_close(observer); /* too slow: it starts over */
		return -ENOBUFS;
	}
	if (observer->sent) {
		memmove(observer->queue, observer->queue + observer->sent,
			observer->queued - observer->sent);
		observer->queued -= observer->sent;
		observer->sent = 0;
	}
	if (observer->queued + len > observer->room) {
		size_t room = MAX(observer->room * 2, observer->queued + len);
		uint8_t *grown = realloc(observer->queue, room);

		if (!grown) {
			observer_close(observer);
			return -ENOMEM;
		}
		observer->queue = grown;
		observer->room = room;
	}
	memcpy(observer->queue + observer->queued, data, len);
	observer->queued += len;
	return 0;
}

static ssize_t send_some(struct observer *observer)
{
	struct iovec iov = { observer->queue + observer->sent, observer->queued - observer->sent };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int[FDS_MAX]))];
	} control = {};
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (observer->fd_count) {
		size_t len = observer->fd_count * sizeof(int);
		struct cmsghdr *cmsg;

		message.msg_control = control.space;
		message.msg_controllen = CMSG_SPACE(len);
		cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(cmsg), observer->fds, len);
	}
	n = sendmsg(observer->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		drop_fds(observer);
	return n;
}

static void on_observer(uv_poll_t *poll, int status, int events);

static void observer_flush(struct observer *observer)
{
	while (observer->sent < observer->queued) {
		ssize_t n = send_some(observer);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			observer_close(observer);
			return;
		}
		observer->sent += (size_t)n;
	}

	bool waiting = observer->sent < observer->queued;

	if (!waiting) {
		free(observer->queue);
		observer->queue = NULL;
		observer->queued = observer->sent = observer->room = 0;
	}
	uv_poll_start(&observer->poll, UV_READABLE | UV_DISCONNECT | (waiting ? UV_WRITABLE : 0),
		      on_observer);
}

static void on_observer(uv_poll_t *poll, int status, int events)
{
	struct observer *observer = poll->data;
	char byte;

	/* It has nothing to say: whatever is readable is its end, or not an observer. */
	if (status < 0 || (events & UV_DISCONNECT) ||
	    ((events & UV_READABLE) && (recv(observer->fd, &byte, 1, MSG_DONTWAIT) >= 0 ||
					(errno != EAGAIN && errno != EINTR)))) {
		observer_close(observer);
		return;
	}
	if (events & UV_WRITABLE)
		observer_flush(observer);
}

static int queue_update(struct observer *observer, const Tendril__Tables__Update *update)
{
	_cleanup_free_ uint8_t *frame = NULL;
	size_t len = 0;
	int r = tables_frame(update, &frame, &len);

	return r < 0 ? r : queue_bytes(observer, frame, len);
}

static int queue_hello(struct observer *observer)
{
	struct tables_options *options = &observer->server->options;
	Tendril__Tables__Hello hello = TENDRIL__TABLES__HELLO__INIT;
	Tendril__Tables__Update update = TENDRIL__TABLES__UPDATE__INIT;
	int count = options->hello(&hello, observer->fds, options->data);

	if (count < 0)
		return count;
	observer->fd_count = (unsigned int)count;
	update.update_case = TENDRIL__TABLES__UPDATE__UPDATE_HELLO;
	update.hello = &hello;
	return queue_update(observer, &update);
}

static int queue_everything(struct observer *observer)
{
	Tendril__Tables__Update synced = TENDRIL__TABLES__UPDATE__INIT;
	int r = queue_hello(observer);

	for (int kind = 0; kind < TABLES_KIND_COUNT && r == 0; kind++) {
		const struct table *table = &observer->server->tables[kind];

		for (size_t i = 0; i < table->count && r == 0; i++)
			r = queue_bytes(observer, table->items[i].frame, table->items[i].frame_len);
	}
	synced.update_case = TENDRIL__TABLES__UPDATE__UPDATE_SYNCED;
	synced.synced = true;
	return r < 0 ? r : queue_update(observer, &synced);
}

static void welcome(struct tables_server *server, int fd)
{
	struct observer *observer = calloc(1, sizeof(*observer));

	if (!observer || uv_poll_init(server->loop, &observer->poll, fd) < 0) {
		free(observer);
		close(fd);
		return;
	}
	observer->poll.data = observer;
	observer->server = server;
	observer->fd = fd;
	observer->next = server->observers;
	server->observers = observer;
	server->observer_count++;
	observer->limit = SIZE_MAX; /* the full set may be as large as it is */
	if (queue_everything(observer) < 0) {
		observer_close(observer);
		return;
	}
	observer->limit = observer->queued + TABLES_QUEUE_MAX;
	observer_flush(observer);
}

static void on_connected(int fd, const struct ucred *peer, void *data)
{
	struct tables_server *server = data;
	bool known = peer->uid == 0 ||
		     (server->options.user != (uid_t)-1 && peer->uid == server->options.user);

	if (known && server->observer_count < OBSERVERS_MAX)
		welcome(server, fd);
	else
		close(fd);
}

static void on_strained(int error, void *data)
{
	struct tables_server *server = data;

	if (server->options.strained)
		server->options.strained(error, server->options.data);
}

static void broadcast(struct tables_server *server, const uint8_t *frame, size_t len)
{
	for (struct observer *observer = server->observers, *next; observer; observer = next) {
		next = observer->next;
		queue_bytes(observer, frame, len);
	}
}

void tables_server_begin(struct tables_server *server, enum tables_kind kind)
{
	table_clear(&server->next);
	server->kind = kind;
	server->incomplete = false;
}

static int next_add(struct table *table, struct entry *entry)
{
	if (table->count == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		struct entry *grown = realloc(table->items, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		table->items = grown;
		table->room = room;
	}
	table->items[table->count++] = *entry;
	return 0;
}

int tables_server_put(struct tables_server *server, const Tendril__Tables__Update *update)
{
	struct entry entry = {};
	int r = frame_key(update, &entry.key, &entry.key_len);

	if (r == 0)
		r = tables_frame(update, &entry.frame, &entry.frame_len);
	if (r == 0)
		r = next_add(&server->next, &entry);
	if (r < 0) {
		entry_clear(&entry);
		server->incomplete = true;
	}
	return r;
}

/* Both tables are sorted: one walk finds what is new, changed and gone. */
static int send_difference(struct tables_server *server, const struct table *old,
			   const struct table *next)
{
	size_t i = 0, j = 0;
	int sent = 0;

	while (i < old->count || j < next->count) {
		int order = i == old->count    ? 1
			    : j == next->count ? -1
					       : compare_keys(&old->items[i], &next->items[j]);

		if (order < 0) {
			broadcast(server, old->items[i].key, old->items[i].key_len);
			sent++;
		} else if (order > 0 || !same_frame(&old->items[i], &next->items[j])) {
			broadcast(server, next->items[j].frame, next->items[j].frame_len);
			sent++;
		}
		i += order <= 0;
		j += order >= 0;
	}
	return sent;
}

/* What could not be put keeps its old entry. */
static void keep_missing(const struct table *old, struct table *next)
{
	size_t known = next->count;

	for (size_t i = 0; i < old->count; i++) {
		const struct entry *entry = &old->items[i];
		struct entry copy = { .key_len = entry->key_len, .frame_len = entry->frame_len };

		if (bsearch(entry, next->items, known, sizeof(*entry), compare_keys))
			continue;
		copy.key = malloc(copy.key_len);
		copy.frame = malloc(copy.frame_len);
		if (copy.key && copy.frame) {
			memcpy(copy.key, entry->key, copy.key_len);
			memcpy(copy.frame, entry->frame, copy.frame_len);
		}
		if (!copy.key || !copy.frame || next_add(next, &copy) < 0)
			entry_clear(&copy);
	}
	qsort(next->items, next->count, sizeof(*next->items), compare_keys);
}

void tables_server_end(struct tables_server *server)
{
	struct table *old = &server->tables[server->kind];

	if (server->next.count)
		qsort(server->next.items, server->next.count, sizeof(*server->next.items),
		      compare_keys);
	if (server->incomplete && server->next.count)
		keep_missing(old, &server->next);
	if (send_difference(server, old, &server->next))
		for (struct observer *observer = server->observers, *following; observer;
		     observer = following) {
			following = observer->next;
			observer_flush(observer);
		}
	table_clear(old);
	*old = server->next;
	server->next = (struct table){};
}

unsigned int tables_server_observers(const struct tables_server *server)
{
	return server->observer_count;
}

static int start_listening(struct tables_server *server, struct diag *diag)
{
	const struct unix_listener_options options = {
		.path = server->options.socket_path,
		.uid = server->options.user,
		.gid = (gid_t)-1,
		.mode = 0600,
		.connected = on_connected,
		.strained = on_strained,
		.data = server,
	};

	return unix_listener_new(server->loop, &options, &server->listener, diag);
}

int tables_server_new(uv_loop_t *loop, const struct tables_options *options,
		      struct tables_server **ret, struct diag *diag)
{
	_cleanup_(tables_server_freep) struct tables_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->options = *options;
	r = start_listening(server, diag);
	if (r < 0)
		return r;
	server->options.socket_path = NULL;
	*ret = take_ptr(server);
	return 0;
}

void tables_server_free(struct tables_server *server)
{
	if (!server)
		return;
	while (server->observers)
		observer_close(server->observers);
	unix_listener_free(server->listener);
	for (int kind = 0; kind < TABLES_KIND_COUNT; kind++)
		table_clear(&server->tables[kind]);
	table_clear(&server->next);
	free(server);
}
