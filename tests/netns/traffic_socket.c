/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/util.h"

static const char *const kind_names[TRAFFIC_KINDS] = {
	[TRAFFIC_SERVE] = "serve", [TRAFFIC_SERVE_UDP] = "serve-udp",
	[TRAFFIC_KEEP] = "keep",   [TRAFFIC_OPEN] = "open",
	[TRAFFIC_ASK] = "ask",     [TRAFFIC_STREAM] = "stream",
	[TRAFFIC_DENY] = "deny",
};

int traffic_socket(const struct traffic_row *row, int type)
{
	_cleanup_close_ int fd = -1;
	int yes = 1, no = 0;

	if (setns(row->netns_fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) < 0)
		return -errno;
	if (row->kind == TRAFFIC_SERVE &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
		return -errno;
	return take_fd(fd);
}

uint32_t traffic_retransmits(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ? 0
									 : info.tcpi_total_retrans;
}

bool traffic_serve_stream(int fd)
{
	char text[4096];
	ssize_t got;

	while ((got = recv(fd, text, sizeof(text), 0)) > 0) {
		if (send(fd, text, (size_t)got, MSG_NOSIGNAL) != got)
			return false;
	}
	return got < 0 && errno == EAGAIN;
}

void traffic_serve_datagrams(int fd)
{
	struct sockaddr_in6 from;
	socklen_t length = sizeof(from);
	char text[256];
	ssize_t got;

	while ((got = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from, &length)) > 0) {
		sendto(fd, text, (size_t)got, 0, (const struct sockaddr *)&from, length);
		length = sizeof(from);
	}
}

static int parse_address(const char *text, uint16_t port, struct sockaddr_in6 *ret)
{
	char mapped[64];

	*ret = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	snprintf(mapped, sizeof(mapped), "%s%.45s", strchr(text, ':') ? "" : "::ffff:", text);
	return inet_pton(AF_INET6, mapped, &ret->sin6_addr) == 1 ? 0 : -EINVAL;
}

static int parse_row(const char *line, struct traffic_row *ret)
{
	char kind[16], netns[128], address[64];
	struct traffic_row row = { .kind = TRAFFIC_KINDS };
	unsigned int port;
	int r;

	if (sscanf(line, "%15s %31s %127s %63s %u %u", kind, row.name, netns, address, &port,
		   &row.number) != 6)
		return -EINVAL;
	for (int i = 0; i < TRAFFIC_KINDS; i++) {
		if (strcmp(kind, kind_names[i]) == 0)
			row.kind = (enum traffic_kind)i;
	}
	if (row.kind == TRAFFIC_KINDS || port > 65535)
		return -EINVAL;
	r = parse_address(address, (uint16_t)port, &row.address);
	if (r < 0)
		return r;
	row.netns_fd = open(netns, O_RDONLY | O_CLOEXEC);
	if (row.netns_fd < 0)
		return -errno;
	*ret = row;
	return 0;
}

int traffic_rows_read(const char *path, struct traffic_row **ret, size_t *ret_count)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ struct traffic_row *rows = calloc(64, sizeof(*rows));
	char line[256];
	size_t count = 0;
	int r;

	if (!file || !rows)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		r = count < 64 ? parse_row(line, &rows[count]) : -E2BIG;
		if (r < 0) {
			fprintf(stderr, "traffic: %s: not a row: %s", path, line);
			return r;
		}
		count++;
	}
	*ret = take_ptr(rows);
	*ret_count = count;
	return 0;
}
