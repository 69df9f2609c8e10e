/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/util.h"

#define LINE         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"
#define ANSWER_MS    5000 /* TCP: longer than several segments sent again */
#define DATAGRAM_MS  2000
#define DENY_MS      1300 /* the SYN is sent again after 1000 */
#define COUNTS_MS    500
#define STALL_MS     200
#define ENDING_MS    1000
#define FAULTS_SHOWN 200

static const char *const count_names[COUNT_KINDS] = {
	"echoed",  "opened",  "answered", "denied", "kept", "retrans", "stalls", "reset",
	"refused", "timeout", "late",     "ended",  "lost", "wrong",   "error",
};

static uint64_t counts[COUNT_KINDS];
static struct connection *connections;
static int epoll_fd;
static volatile sig_atomic_t stop;

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void fault(enum traffic_count kind, const struct connection *conn, const char *what)
{
	static unsigned int shown;
	struct sockaddr_in6 own = { 0 };
	socklen_t length = sizeof(own);

	counts[kind]++;
	if (shown++ >= FAULTS_SHOWN)
		return;
	getsockname(conn->fd, (struct sockaddr *)&own, &length);
	printf("fault %lld.%03lld %s %s port %u: %s\n", (long long)now_ms() / 1000,
	       (long long)now_ms() % 1000, count_names[kind],
	       conn->row ? conn->row->name : "server", ntohs(own.sin6_port), what);
}

static void error_fault(const struct connection *conn, int error)
{
	static const struct {
		int error;
		enum traffic_count kind;
	} kinds[] = {
		{ ECONNRESET, COUNT_RESET },
		{ EPIPE, COUNT_RESET },
		{ ECONNREFUSED, COUNT_REFUSED },
		{ ETIMEDOUT, COUNT_TIMEOUT },
	};
	enum traffic_count kind = COUNT_ERROR;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].error == error)
			kind = kinds[i].kind;
	}
	fault(kind, conn, strerror(error));
}

static void watch(struct connection *conn, uint32_t events, int operation)
{
	struct epoll_event event = { .events = events, .data.ptr = conn };

	if (epoll_ctl(epoll_fd, operation, conn->fd, &event) < 0)
		perror("traffic: epoll_ctl");
}

static struct connection *add(struct traffic_row *row, int fd, uint32_t events)
{
	struct connection *conn = calloc(1, sizeof(*conn));

	if (!conn) {
		close(fd);
		return NULL;
	}
	conn->row = row;
	conn->fd = fd;
	conn->next = connections;
	connections = conn;
	watch(conn, events, EPOLL_CTL_ADD);
	return conn;
}

/* It is freed by sweep(): the events at hand may still name it. */
static void end(struct connection *conn)
{
	if (conn->fd < 0)
		return;
	if (conn->row && conn->row->kind == TRAFFIC_KEEP && conn->connected)
		counts[COUNT_KEPT]--;
	close(conn->fd);
	conn->fd = -1;
}

static void add_retransmits(struct connection *conn)
{
	uint32_t sum = traffic_retransmits(conn->fd);

	counts[COUNT_RETRANS] += sum - conn->retrans;
	conn->retrans = sum;
}

static void start_one(struct traffic_row *row)
{
	bool datagram = row->kind == TRAFFIC_ASK || row->kind == TRAFFIC_STREAM;
	int fd = traffic_socket(row, datagram ? SOCK_DGRAM : SOCK_STREAM);
	struct connection *conn;
	int64_t now = now_ms();

	if (fd < 0) {
		counts[COUNT_ERROR]++;
		return;
	}
	conn = add(row, fd, datagram ? EPOLLIN : EPOLLOUT);
	if (!conn)
		return;
	if (connect(fd, (const struct sockaddr *)&row->address, sizeof(row->address)) < 0 &&
	    errno != EINPROGRESS) {
		error_fault(conn, errno);
		end(conn);
		return;
	}
	conn->deadline_ms = now + (row->kind == TRAFFIC_DENY ? DENY_MS : ANSWER_MS);
	if (row->kind == TRAFFIC_STREAM)
		conn->deadline_ms = 0;
	if (row->kind != TRAFFIC_ASK)
		return;
	conn->deadline_ms = now + DATAGRAM_MS;
	if (send(fd, LINE, sizeof(LINE) - 1, MSG_NOSIGNAL) < 0)
		error_fault(conn, errno);
}

static int listen_row(struct traffic_row *row)
{
	bool datagram = row->kind == TRAFFIC_SERVE_UDP;
	int fd = traffic_socket(row, datagram ? SOCK_DGRAM : SOCK_STREAM);

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&row->address, sizeof(row->address)) < 0 ||
	    (!datagram && listen(fd, 4096) < 0)) {
		close(fd);
		return -errno;
	}
	return add(row, fd, EPOLLIN) ? 0 : -ENOMEM;
}

static void accept_all(const struct connection *listener)
{
	int fd;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		add(NULL, fd, EPOLLIN);
}

static void ask(struct connection *conn, int64_t now)
{
	if (send(conn->fd, LINE, sizeof(LINE) - 1, MSG_NOSIGNAL) < 0) {
		error_fault(conn, errno);
		end(conn);
		return;
	}
	conn->asked = true;
	conn->deadline_ms = now + ANSWER_MS;
}

static void connected(struct connection *conn)
{
	int error = 0;
	socklen_t length = sizeof(error);

	getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error) {
		error_fault(conn, error);
		end(conn);
		return;
	}
	if (conn->row->kind == TRAFFIC_DENY) {
		fault(COUNT_WRONG, conn, "a denied connection came about");
		end(conn);
		return;
	}
	conn->connected = true;
	if (traffic_retransmits(conn->fd) > 0)
		fault(COUNT_LATE, conn, "the first SYN or its answer was lost");
	if (conn->row->kind == TRAFFIC_KEEP)
		counts[COUNT_KEPT]++;
	watch(conn, EPOLLIN, EPOLL_CTL_MOD);
	ask(conn, now_ms());
}

/* A line has come back, or the other side has closed after we did. */
static void stream_answered(struct connection *conn)
{
	char text[256];
	ssize_t got = recv(conn->fd, text, sizeof(text), 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got < 0)
		error_fault(conn, errno);
	else if (got == 0 && !conn->answered)
		fault(COUNT_ENDED, conn, "closed by the other side");
	else if (got == 0)
		counts[COUNT_OPENED]++;
	if (got <= 0) {
		add_retransmits(conn);
		end(conn);
		return;
	}
	if (got < (ssize_t)sizeof(LINE) - 1)
		return; /* never so short a piece on one host; its deadline would tell */
	if (conn->row->kind == TRAFFIC_KEEP) {
		counts[COUNT_ECHOED]++;
		conn->asked = false;
		conn->deadline_ms = 0;
		return;
	}
	conn->answered = true;
	shutdown(conn->fd, SHUT_WR);
}

static void datagram_answered(struct connection *conn)
{
	char text[256];
	uint64_t number;
	ssize_t got;

	while ((got = recv(conn->fd, text, sizeof(text), 0)) > 0) {
		counts[COUNT_ANSWERED]++;
		if (conn->row->kind == TRAFFIC_ASK) {
			end(conn);
			return;
		}
		memcpy(&number, text, sizeof(number));
		conn->sent_ms[number % ARRAY_SIZE(conn->sent_ms)] = 0;
	}
	if (got < 0 && errno != EAGAIN)
		error_fault(conn, errno);
}

static void ready(struct connection *conn)
{
	if (conn->fd < 0)
		return;
	if (!conn->row) {
		if (!traffic_serve_stream(conn->fd))
			end(conn);
		return;
	}
	switch (conn->row->kind) {
	case TRAFFIC_SERVE:
		accept_all(conn);
		break;
	case TRAFFIC_SERVE_UDP:
		traffic_serve_datagrams(conn->fd);
		break;
	case TRAFFIC_ASK:
	case TRAFFIC_STREAM:
		datagram_answered(conn);
		break;
	default:
		if (conn->connected)
			stream_answered(conn);
		else
			connected(conn);
	}
}

static void send_stream(struct connection *conn, int64_t now)
{
	const size_t slots = ARRAY_SIZE(conn->sent_ms);

	if (now < conn->next_ms)
		return;
	conn->next_ms = now + 1000 / conn->row->number;
	conn->sent_ms[conn->sent % slots] = now;
	if (send(conn->fd, &conn->sent, sizeof(conn->sent), MSG_NOSIGNAL) < 0)
		error_fault(conn, errno);
	conn->sent++;
	for (size_t i = 0; i < slots; i++) {
		if (!conn->sent_ms[i] || conn->sent_ms[i] + DATAGRAM_MS > now)
			continue;
		conn->sent_ms[i] = 0;
		fault(COUNT_LOST, conn, "a datagram of a stream did not come back");
	}
}

static void expired(struct connection *conn)
{
	switch (conn->row->kind) {
	case TRAFFIC_DENY:
		counts[COUNT_DENIED]++;
		break;
	case TRAFFIC_ASK:
		fault(COUNT_LOST, conn, "no answer to the first datagram");
		break;
	default:
		fault(COUNT_TIMEOUT, conn, conn->connected ? "no answer" : "not connected");
	}
	end(conn);
}

static void attend(struct connection *conn, int64_t now)
{
	if (conn->fd < 0 || !conn->row)
		return;
	if (conn->deadline_ms && now >= conn->deadline_ms) {
		expired(conn);
		return;
	}
	if (conn->row->kind == TRAFFIC_STREAM)
		send_stream(conn, now);
	if (conn->row->kind != TRAFFIC_KEEP || !conn->connected || conn->asked)
		return;
	if (!conn->next_ms) /* spread over the second */
		conn->next_ms = now + conn->fd * 7919 % 1000;
	if (now >= conn->next_ms) {
		conn->next_ms += 1000;
		ask(conn, now);
	}
}

static void sweep(void)
{
	struct connection **at = &connections, *conn;

	while ((conn = *at)) {
		if (conn->fd >= 0) {
			at = &conn->next;
			continue;
		}
		*at = conn->next;
		free(conn);
	}
}

/* Starts what is due of a row: at once for those that stay, spread over the second for the rest. */
static void attend_row(struct traffic_row *row, int64_t now)
{
	bool once = row->kind == TRAFFIC_KEEP || row->kind == TRAFFIC_STREAM;

	if (row->kind == TRAFFIC_SERVE || row->kind == TRAFFIC_SERVE_UDP || !row->number)
		return;
	if (once) {
		for (uint32_t i = row->kind == TRAFFIC_KEEP ? row->number : 1;
		     !row->next_ms && i > 0; i--)
			start_one(row);
		row->next_ms = now;
		return;
	}
	if (!row->next_ms || now - row->next_ms > 1000) /* no burst after a stall */
		row->next_ms = now;
	for (; now >= row->next_ms; row->next_ms += 1000 / row->number)
		start_one(row);
}

static void attend_all(struct traffic_row *rows, size_t count, int64_t now)
{
	for (struct connection *conn = connections; conn; conn = conn->next)
		attend(conn, now);
	for (size_t i = 0; i < count; i++)
		attend_row(&rows[i], now);
	sweep();
}

static void tell(void)
{
	for (struct connection *conn = connections; conn; conn = conn->next) {
		if (conn->fd >= 0 && conn->row && conn->row->kind == TRAFFIC_KEEP)
			add_retransmits(conn);
	}
	printf("counts");
	for (int i = 0; i < COUNT_KINDS; i++)
		printf(" %s=%llu", count_names[i], (unsigned long long)counts[i]);
	printf("\n");
	fflush(stdout);
}

static void on_signal(int number)
{
	stop = 1;
}

/* This process did not run, the servers in it neither: what is waited for comes later. */
static void forgive(int64_t ms)
{
	counts[COUNT_STALLS]++;
	for (struct connection *conn = connections; conn; conn = conn->next) {
		if (conn->deadline_ms)
			conn->deadline_ms += ms;
		for (size_t i = 0; i < ARRAY_SIZE(conn->sent_ms); i++) {
			if (conn->sent_ms[i])
				conn->sent_ms[i] += ms;
		}
	}
}

/* Clients first, so that no server's TIME_WAIT meets a later connection with the same ports. */
static void end_clients(void)
{
	for (struct connection *conn = connections; conn; conn = conn->next) {
		if (conn->row && conn->row->kind >= TRAFFIC_KEEP)
			end(conn);
	}
}

static void run(struct traffic_row *rows, size_t count)
{
	int64_t left_ms = 0, told = 0, attended = 0, last = now_ms();

	while (!left_ms || now_ms() < left_ms) {
		struct epoll_event events[256];
		int n = epoll_wait(epoll_fd, events, ARRAY_SIZE(events), 5);
		int64_t now = now_ms();

		for (int i = 0; i < n; i++)
			ready(events[i].data.ptr);
		if (now - last > STALL_MS)
			forgive(now - last);
		last = now;
		if (stop && !left_ms) {
			left_ms = now + ENDING_MS;
			tell();
			end_clients();
		}
		if (now != attended && !stop)
			attend_all(rows, count, now);
		attended = now;
		if (!stop && now - told >= COUNTS_MS) {
			tell();
			told = now;
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct traffic_row *rows;
	size_t count;
	int r = argc == 2 ? traffic_rows_read(argv[1], &rows, &count) : -EINVAL;

	if (r < 0) {
		fprintf(stderr, "usage: traffic FILE: %s\n", strerror(-r));
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGTERM, on_signal);
	setvbuf(stdout, NULL, _IOLBF, 0);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < count; i++) {
		if (rows[i].kind != TRAFFIC_SERVE && rows[i].kind != TRAFFIC_SERVE_UDP)
			continue;
		r = listen_row(&rows[i]);
		if (r < 0) {
			fprintf(stderr, "traffic: %s: cannot listen: %s\n", rows[i].name,
				strerror(-r));
			return 1;
		}
	}
	run(rows, count);
	free(rows);
	return 0;
}
