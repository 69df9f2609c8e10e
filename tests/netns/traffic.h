/* SPDX-License-Identifier: Apache-2.0 */
/* traffic: connections that must not notice what happens to the agent. One process plays every
 * client and server of a test, each socket in the network namespace its row names.
 *
 * In: a file with one row per line: KIND NAME NETNS ADDRESS PORT N
 * Out: on stdout a line "counts ..." twice a second and a line "fault ..." for each fault
 * Owns: all its sockets    Thread: one
 *
 * serve    a TCP echo server           serve-udp  a UDP echo server (N is not used by either)
 * keep     N connections that stay and send a line each second
 * open     N new connections per second: connect, a line there and back, close
 * ask      N datagrams per second, each from a new socket
 * stream   N datagrams per second from one socket
 * deny     N attempts per second that must hear nothing at all
 * A fault of a TCP row: reset, refused, timeout, late (a SYN was sent again), ended (by the other
 * side); of a UDP row: lost; of a deny row: wrong. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum traffic_kind {
	TRAFFIC_SERVE,
	TRAFFIC_SERVE_UDP,
	TRAFFIC_KEEP,
	TRAFFIC_OPEN,
	TRAFFIC_ASK,
	TRAFFIC_STREAM,
	TRAFFIC_DENY,
	TRAFFIC_KINDS,
};

enum traffic_count {
	COUNT_ECHOED,   /* lines of kept connections that came back */
	COUNT_OPENED,   /* connections opened, used and closed as they should */
	COUNT_ANSWERED, /* datagrams that came back */
	COUNT_DENIED,   /* attempts that heard nothing */
	COUNT_KEPT,     /* kept connections that are open now */
	COUNT_RETRANS,  /* segments sent again, by kept and by finished connections: no fault */
	COUNT_STALLS,   /* this process did not run for more than 0.2 s */
	COUNT_RESET,    /* faults from here on */
	COUNT_REFUSED,
	COUNT_TIMEOUT,
	COUNT_LATE,
	COUNT_ENDED,
	COUNT_LOST,
	COUNT_WRONG,
	COUNT_ERROR,
	COUNT_KINDS,
};

struct traffic_row {
	enum traffic_kind kind;
	char name[32];
	int netns_fd;
	struct sockaddr_in6 address; /* v4-mapped for IPv4 */
	uint32_t number;
	int64_t next_ms; /* when the next connection is due */
};

struct connection {
	struct traffic_row *row; /* NULL: an accepted one */
	int fd;
	bool connected, asked, answered;
	int64_t deadline_ms; /* 0: none */
	int64_t next_ms;     /* kept: when to send again */
	uint32_t retrans;
	struct connection *next;
	uint64_t sent; /* stream: sequence number of the next datagram */
	int64_t sent_ms[256];
};

/* Sockets, non-blocking, made in the row's namespace; -errno. */
int traffic_socket(const struct traffic_row *row, int type);
/* SYNs and segments this socket sent again. */
uint32_t traffic_retransmits(int fd);
/* The answer of a server's socket to what has arrived; false: the connection is over. */
bool traffic_serve_stream(int fd);
void traffic_serve_datagrams(int fd);
int traffic_rows_read(const char *path, struct traffic_row **ret, size_t *ret_count);
