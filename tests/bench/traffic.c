/* SPDX-License-Identifier: Apache-2.0 */
/* bench-traffic: both ends of a TCP connection that is measured.
 *
 *	bench-traffic serve PORT                 one connection after the other, until killed
 *	bench-traffic ping ADDRESS PORT COUNT    round trips of 64 bytes on one connection
 *	bench-traffic connect ADDRESS PORT COUNT connections with one round trip each
 *	bench-traffic stream ADDRESS PORT MS     as much as goes through in so many ms
 *
 * Out: one line of JSON; cpu_ns is the time both processes spent, per round trip, connection or MB */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE 64
#define CHUNK   (128 << 10)

enum mode { PING = 'p', STREAM = 's' };

/* Without pacing, whose timers would be measured too. */
#define CONGESTION "cubic"

/* What the server says when the client has closed its side. */
struct report {
	uint64_t cpu_ns, bytes;
};

static void die(const char *what)
{
	fprintf(stderr, "bench-traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The same on both ends and wherever it runs; a kernel without it uses its own. */
static void prepare(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, CONGESTION, strlen(CONGESTION));
}

static void send_all(int fd, const void *data, size_t len)
{
	for (const char *at = data; len > 0;) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

		if (sent < 0)
			die("send");
		at += sent;
		len -= (size_t)sent;
	}
}

/* false at the end of the stream. */
static int receive_all(int fd, void *data, size_t len)
{
	for (char *at = data; len > 0;) {
		ssize_t got = recv(fd, at, len, 0);

		if (got < 0)
			die("recv");
		if (got == 0)
			return 0;
		at += got;
		len -= (size_t)got;
	}
	return 1;
}

static void serve_one(int fd)
{
	static char chunk[CHUNK];
	struct report report = {};
	uint64_t begin = now(CLOCK_PROCESS_CPUTIME_ID);
	char mode = 0;
	ssize_t got;

	if (!receive_all(fd, &mode, 1))
		return;
	if (mode == PING) {
		while (receive_all(fd, chunk, MESSAGE)) {
			send_all(fd, chunk, MESSAGE);
			report.bytes += MESSAGE;
		}
	} else {
		while ((got = recv(fd, chunk, sizeof(chunk), 0)) > 0)
			report.bytes += (uint64_t)got;
	}
	report.cpu_ns = now(CLOCK_PROCESS_CPUTIME_ID) - begin;
	send_all(fd, &report, sizeof(report));
}

static _Noreturn void serve(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 64) < 0)
		die("listen");
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			die("accept");
		prepare(fd);
		serve_one(fd);
		close(fd);
	}
}

static int dial(const char *text, uint16_t port, enum mode mode)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char first = (char)mode;

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		errno = EINVAL;
		die(text);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	prepare(fd);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("connect");
	send_all(fd, &first, 1);
	return fd;
}

static struct report finish(int fd)
{
	struct report report;

	shutdown(fd, SHUT_WR);
	if (!receive_all(fd, &report, sizeof(report)))
		die("the server's report");
	close(fd);
	return report;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void round_trip(int fd)
{
	static char message[MESSAGE];

	send_all(fd, message, MESSAGE);
	if (!receive_all(fd, message, MESSAGE))
		die("the server went away");
}

static int ping(const char *address, uint16_t port, uint32_t count)
{
	uint64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	uint32_t *ns = calloc(count, sizeof(*ns));
	int fd = dial(address, port, PING);
	struct report report;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t begin = now(CLOCK_MONOTONIC);

		round_trip(fd);
		ns[i] = (uint32_t)(now(CLOCK_MONOTONIC) - begin);
	}
	report = finish(fd);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu + report.cpu_ns;
	qsort(ns, count, sizeof(*ns), by_value);
	printf("{\"p50_us\": %.3f, \"p99_us\": %.3f, \"cpu_ns\": %.1f}\n", ns[count / 2] / 1e3,
	       ns[(uint64_t)count * 99 / 100] / 1e3, (double)cpu / count);
	free(ns);
	return 0;
}

static int connect_often(const char *address, uint16_t port, uint32_t count)
{
	uint64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID), begin = now(CLOCK_MONOTONIC);

	for (uint32_t i = 0; i < count; i++) {
		int fd = dial(address, port, PING);

		round_trip(fd);
		cpu -= finish(fd).cpu_ns;
	}
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("{\"us\": %.3f, \"cpu_ns\": %.1f}\n",
	       (double)(now(CLOCK_MONOTONIC) - begin) / 1e3 / count, (double)cpu / count);
	return 0;
}

static int stream(const char *address, uint16_t port, uint32_t ms)
{
	static char chunk[CHUNK];
	uint64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID), begin, end;
	int fd = dial(address, port, STREAM);
	struct report report;
	double seconds;

	begin = now(CLOCK_MONOTONIC);
	end = begin + (uint64_t)ms * 1000000u;
	while (now(CLOCK_MONOTONIC) < end)
		send_all(fd, chunk, sizeof(chunk));
	report = finish(fd);
	seconds = (double)(now(CLOCK_MONOTONIC) - begin) / 1e9;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu + report.cpu_ns;
	printf("{\"gbit_s\": %.4f, \"cpu_ns\": %.1f}\n", (double)report.bytes * 8 / 1e9 / seconds,
	       (double)cpu / ((double)report.bytes / 1e6));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve((uint16_t)atoi(argv[2]));
	if (argc != 5) {
		fprintf(stderr,
			"usage: bench-traffic serve PORT | ping|connect|stream ADDRESS PORT N\n");
		return 2;
	}
	if (strcmp(argv[1], "ping") == 0)
		return ping(argv[2], (uint16_t)atoi(argv[3]), (uint32_t)atoi(argv[4]));
	if (strcmp(argv[1], "connect") == 0)
		return connect_often(argv[2], (uint16_t)atoi(argv[3]), (uint32_t)atoi(argv[4]));
	return stream(argv[2], (uint16_t)atoi(argv[3]), (uint32_t)atoi(argv[4]));
}
