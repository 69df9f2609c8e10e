/* SPDX-License-Identifier: Apache-2.0 */
#include "probe_agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/util.h"

#define SERVERS     4
#define PEERS       32
#define PAYLOAD     "tendril"
#define PAYLOAD_LEN (sizeof(PAYLOAD) - 1)

struct servers {
	struct pollfd fds[1 + SERVERS + PEERS]; /* [0] stdin, then listeners, then TCP peers */
	unsigned int peers;
};

static struct sockaddr_in6 socket_address(const struct td_addr *addr, uint16_t port)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memcpy(&to.sin6_addr, addr, sizeof(*addr)); /* IPv4 is v4-mapped in both */
	return to;
}

static int listen_on(int type, uint16_t port)
{
	_cleanup_close_ int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int off = 0;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, 16) < 0)
		return -errno;
	return take_fd(fd);
}

static int wait_for(int fd, short events, unsigned int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	int r = poll(&poll_fd, 1, (int)timeout_ms);

	return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

/* Sends the payload and waits until it comes back. */
static int exchange(int fd, unsigned int timeout_ms)
{
	char buf[64];
	ssize_t n;
	int r;

	if (send(fd, PAYLOAD, PAYLOAD_LEN, MSG_NOSIGNAL) < 0)
		return -errno;
	r = wait_for(fd, POLLIN, timeout_ms);
	if (r < 0)
		return r;
	n = recv(fd, buf, sizeof(buf), 0);
	if (n < 0)
		return -errno;
	return n == PAYLOAD_LEN && memcmp(buf, PAYLOAD, PAYLOAD_LEN) == 0 ? 0 : -ECONNRESET;
}

static int probe_ip(int type, const struct td_addr *addr, uint16_t port, unsigned int timeout_ms)
{
	_cleanup_close_ int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 to = socket_address(addr, port);
	int r, error = 0;
	socklen_t len = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return -errno;
	r = wait_for(fd, POLLOUT, timeout_ms);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error)
		return -error;
	return exchange(fd, timeout_ms);
}

static int probe_tcp(const struct td_addr *addr, uint16_t port, unsigned int timeout_ms)
{
	return probe_ip(SOCK_STREAM, addr, port, timeout_ms);
}

static int probe_udp(const struct td_addr *addr, uint16_t port, unsigned int timeout_ms)
{
	return probe_ip(SOCK_DGRAM, addr, port, timeout_ms);
}

/* RFC 1071. */
static uint16_t checksum(const void *data, size_t len)
{
	const uint16_t *word = data;
	uint32_t sum = 0;

	for (; len > 1; len -= 2)
		sum += *word++;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static int open_icmp(const struct td_addr *addr)
{
	bool ipv4 = address_is_ipv4(addr);
	_cleanup_close_ int fd = socket(ipv4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC,
					ipv4 ? IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	struct sockaddr_in6 to6 = socket_address(addr, 0);

	if (fd < 0)
		return -errno;
	to4.sin_addr.s_addr = address_to_ipv4(addr);
	if (connect(fd, ipv4 ? (struct sockaddr *)&to4 : (struct sockaddr *)&to6,
		    ipv4 ? sizeof(to4) : sizeof(to6)) < 0)
		return -errno;
	return take_fd(fd);
}

static int probe_icmp(const struct td_addr *addr, uint16_t port, unsigned int timeout_ms)
{
	_cleanup_close_ int fd = open_icmp(addr);
	struct icmphdr echo = { .un.echo.id = (uint16_t)getpid() };
	bool ipv4 = address_is_ipv4(addr);
	char buf[256];
	ssize_t n;

	(void)port;
	if (fd < 0)
		return fd;
	echo.type = ipv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	echo.checksum = checksum(&echo, sizeof(echo)); /* for IPv6 the kernel computes it */
	if (send(fd, &echo, sizeof(echo), 0) < 0)
		return -errno;
	for (unsigned int try = 0; try < 16; try++) {
		int r = wait_for(fd, POLLIN, timeout_ms);

		if (r < 0)
			return r;
		n = recv(fd, buf, sizeof(buf), 0);
		if (n < 0)
			return -errno;

		size_t offset = ipv4 ? (size_t)(buf[0] & 0xf) * 4 : 0;

		if ((size_t)n >= offset + sizeof(echo) &&
		    (unsigned char)buf[offset] == (ipv4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY))
			return 0;
	}
	return -ETIMEDOUT;
}

static const struct {
	const char *name;
	int (*probe)(const struct td_addr *addr, uint16_t port, unsigned int timeout_ms);
} probes[] = { { "tcp", probe_tcp }, { "udp", probe_udp }, { "icmp", probe_icmp } };

static void answer(int r)
{
	switch (-r) {
	case 0:
		puts("ok");
		break;
	case ETIMEDOUT:
		puts("timeout");
		break;
	case ECONNREFUSED:
	case ECONNRESET:
		puts("refused");
		break;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EPERM:
	case EACCES:
		puts("unreachable");
		break;
	default:
		printf("error %s\n", strerror(-r));
	}
	fflush(stdout);
}

/* One request; false at the end of stdin. */
static bool serve_request(unsigned int timeout_ms)
{
	char line[128], protocol[8], text[64];
	unsigned int port;
	struct td_addr addr;

	if (!fgets(line, sizeof(line), stdin))
		return false;
	if (sscanf(line, "%7s %63s %u", protocol, text, &port) != 3 || address_parse(text, &addr)) {
		answer(-EINVAL);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		if (strcmp(probes[i].name, protocol))
			continue;
		answer(probes[i].probe(&addr, (uint16_t)port, timeout_ms));
		return true;
	}
	answer(-EINVAL);
	return true;
}

static void accept_peer(struct servers *servers, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	for (unsigned int i = 1 + SERVERS; i < ARRAY_SIZE(servers->fds); i++) {
		if (servers->fds[i].fd >= 0)
			continue;
		servers->fds[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
		return;
	}
	close(fd);
}

static void echo_datagram(int fd)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	char buf[256];
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n >= 0)
		(void)!sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static void echo_stream(struct pollfd *peer)
{
	char buf[256];
	ssize_t n = recv(peer->fd, buf, sizeof(buf), 0);

	if (n > 0 && send(peer->fd, buf, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	close(peer->fd);
	peer->fd = -1;
}

static int start_servers(struct servers *servers)
{
	static const struct {
		int type;
		uint16_t port;
	} wanted[SERVERS] = { { SOCK_STREAM, PROBE_PORT_OPEN },
			      { SOCK_STREAM, PROBE_PORT_CLOSED },
			      { SOCK_DGRAM, PROBE_PORT_OPEN },
			      { SOCK_DGRAM, PROBE_PORT_CLOSED } };

	for (unsigned int i = 0; i < ARRAY_SIZE(servers->fds); i++)
		servers->fds[i] = (struct pollfd){ .fd = -1 };
	servers->fds[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	for (unsigned int i = 0; i < SERVERS; i++) {
		int fd = listen_on(wanted[i].type, wanted[i].port);

		if (fd < 0)
			return fd;
		servers->fds[1 + i] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	return 0;
}

int probe_agent_run(unsigned int timeout_ms)
{
	struct servers servers = {};

	setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see what is left to read */
	if (start_servers(&servers) < 0)
		return 1;
	puts("ready");
	fflush(stdout);
	while (poll(servers.fds, ARRAY_SIZE(servers.fds), -1) >= 0 || errno == EINTR) {
		for (unsigned int i = 1; i <= SERVERS; i++) {
			if (!servers.fds[i].revents)
				continue;
			if (i <= 2)
				accept_peer(&servers, servers.fds[i].fd);
			else
				echo_datagram(servers.fds[i].fd);
		}
		for (unsigned int i = 1 + SERVERS; i < ARRAY_SIZE(servers.fds); i++)
			if (servers.fds[i].fd >= 0 && servers.fds[i].revents)
				echo_stream(&servers.fds[i]);
		if (servers.fds[0].revents && !serve_request(timeout_ms))
			return 0;
	}
	return 1;
}
