/* SPDX-License-Identifier: Apache-2.0 */
/* Services at the socket, with real sockets on the loopback device of a network namespace of the
 * test's own, in a cgroup of its own. */
#include "suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "abi/service.h"
#include "bpf/socket.skel.h"

#define SERVICE_PORT 80

static char cgroup[256];
static struct socket_bpf *skel;

struct peer {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* Families are written as they are used: an IPv6 socket may speak to a v4-mapped address. */
static struct peer make_peer(const char *text, uint16_t port)
{
	struct peer ret = {};

	if (strchr(text, ':')) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret.addr;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
		ret.len = sizeof(*in6);
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)&ret.addr;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
		ret.len = sizeof(*in);
	}
	return ret;
}

static int open_socket(const char *address, int type)
{
	int fd = socket(strchr(address, ':') ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
	const struct timeval patience = { .tv_sec = 2 };

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* A server on a free port of the address; ret_port in host order. */
static int serve(const char *address, int type, uint16_t *ret_port)
{
	struct peer peer = make_peer(address, 0);
	int fd = open_socket(address, type);

	assert_int_equal(bind(fd, (struct sockaddr *)&peer.addr, peer.len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&peer.addr, &peer.len), 0);
	*ret_port = ntohs(((struct sockaddr_in *)&peer.addr)->sin_port); /* same place in both */
	return fd;
}

static void assert_same_peer(const struct peer *a, const struct peer *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(&a->addr, &b->addr, a->len);
}

static void add_service(const char *address, uint8_t protocol, uint32_t id,
			const char *backend_address, uint16_t backend_port)
{
	struct td_service_key key = { .addr = world_address(address),
				      .port = htons(SERVICE_PORT),
				      .protocol = protocol };
	struct td_service service = { .id = id, .backends = backend_address ? 1 : 0 };
	struct td_backend_key slot = { .service = id };
	struct td_backend backend = { .port = htons(backend_port) };

	if (backend_address) {
		backend.addr = world_address(backend_address);
		assert_int_equal(bpf_map__update_elem(skel->maps.td_backend, &slot, sizeof(slot),
						      &backend, sizeof(backend), 0),
				 0);
	}
	assert_int_equal(bpf_map__update_elem(skel->maps.td_service, &key, sizeof(key), &service,
					      sizeof(service), 0),
			 0);
}

static const struct {
	const char *service, *asked, *backend;
} rows[] = {
	{ "10.96.0.1", "10.96.0.1", "127.0.0.1" },
	{ "fd00:96::1", "fd00:96::1", "::1" },
	{ "10.96.0.1", "::ffff:10.96.0.1", "127.0.0.1" },
};

static void connect_reaches_a_backend_and_remembers_the_service(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer service = make_peer(rows[i].asked, SERVICE_PORT), seen = {};
		uint16_t port;
		int server = serve(rows[i].backend, SOCK_STREAM, &port), client;

		add_service(rows[i].service, IPPROTO_TCP, 1, rows[i].backend, port);
		client = open_socket(rows[i].asked, SOCK_STREAM);
		if (connect(client, (struct sockaddr *)&service.addr, service.len) != 0)
			fail_msg("connect to %s: %s", rows[i].asked, strerror(errno));
		seen.len = sizeof(seen.addr);
		assert_int_equal(getpeername(client, (struct sockaddr *)&seen.addr, &seen.len), 0);
		assert_same_peer(&seen, &service);
		close(client);
		close(server);
	}
}

static void datagrams_reach_a_backend_and_answers_bear_the_service(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer service = make_peer(rows[i].asked, SERVICE_PORT), from = {};
		char text[8] = "";
		uint16_t port;
		int server = serve(rows[i].backend, SOCK_DGRAM, &port), client;

		add_service(rows[i].service, IPPROTO_UDP, 2, rows[i].backend, port);
		client = open_socket(rows[i].asked, SOCK_DGRAM);
		assert_int_equal(
			sendto(client, "ping", 4, 0, (struct sockaddr *)&service.addr, service.len),
			4);
		from.len = sizeof(from.addr);
		assert_int_equal(recvfrom(server, text, sizeof(text), 0,
					  (struct sockaddr *)&from.addr, &from.len),
				 4);
		assert_int_equal(
			sendto(server, "pong", 4, 0, (struct sockaddr *)&from.addr, from.len), 4);
		memset(&from, 0, sizeof(from));
		from.len = sizeof(from.addr);
		assert_int_equal(recvfrom(client, text, sizeof(text), 0,
					  (struct sockaddr *)&from.addr, &from.len),
				 4);
		assert_same_peer(&from, &service);
		close(client);
		close(server);
	}
}

static void service_without_backends_refuses(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer service = make_peer(rows[i].asked, SERVICE_PORT);
		int client = open_socket(rows[i].asked, SOCK_STREAM);

		add_service(rows[i].service, IPPROTO_TCP, 3, NULL, 0);
		assert_int_equal(connect(client, (struct sockaddr *)&service.addr, service.len),
				 -1);
		assert_int_equal(errno, ECONNREFUSED);
		close(client);
		add_service(rows[i].service, IPPROTO_UDP, 3, NULL, 0);
		client = open_socket(rows[i].asked, SOCK_DGRAM);
		assert_int_equal(
			sendto(client, "ping", 4, 0, (struct sockaddr *)&service.addr, service.len),
			-1);
		assert_int_equal(errno, ECONNREFUSED);
		close(client);
	}
}

static void other_addresses_are_left_alone(void **state)
{
	uint16_t port;
	int server = serve("127.0.0.1", SOCK_STREAM, &port);
	int client = open_socket("127.0.0.1", SOCK_STREAM);
	struct peer peer = make_peer("127.0.0.1", port), seen = { .len = sizeof(seen.addr) };

	assert_int_equal(connect(client, (struct sockaddr *)&peer.addr, peer.len), 0);
	assert_int_equal(getpeername(client, (struct sockaddr *)&seen.addr, &seen.len), 0);
	assert_same_peer(&seen, &peer);
	close(client);
	close(server);
}

static uint64_t netns_cookie(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, 71 /* SO_NETNS_COOKIE */, &cookie, &len), 0);
	close(fd);
	return cookie;
}

static void sockets_outside_pods_are_left_alone(void **state)
{
	uint64_t cookie = netns_cookie();
	uint32_t id = 1;
	struct peer service = make_peer("10.96.0.9", SERVICE_PORT);
	int client = open_socket("10.96.0.9", SOCK_DGRAM);

	add_service("10.96.0.9", IPPROTO_UDP, 4, NULL, 0);
	bpf_map__delete_elem(skel->maps.td_netns, &cookie, sizeof(cookie), 0);
	/* Not refused, but unreachable: the namespace has no such route. */
	assert_int_equal(connect(client, (struct sockaddr *)&service.addr, service.len), -1);
	assert_int_equal(errno, ENETUNREACH);
	bpf_map__update_elem(skel->maps.td_netns, &cookie, sizeof(cookie), &id, sizeof(id), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&service.addr, service.len), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(client);
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	close(fd);
	return n < 0 ? -1 : 0;
}

static const char *cgroup_root(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

	for (size_t i = 0; i < 2; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/cgroup.procs", roots[i]);
		if (access(path, W_OK) == 0)
			return roots[i];
	}
	return NULL;
}

static int prepare(void)
{
	struct bpf_program *program;
	char procs[300];
	uint64_t cookie;
	uint32_t id = 1;
	int fd;

	if (unshare(CLONE_NEWNET) != 0 || system("ip link set lo up") != 0)
		return -1;
	snprintf(cgroup, sizeof(cgroup), "%s/tendril-socket-test-%d", cgroup_root(), getpid());
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", cgroup);
	if (mkdir(cgroup, 0755) != 0 || write_text(procs, "0") != 0)
		return -1;
	skel = socket_bpf__open_and_load();
	if (!skel)
		return -1;
	fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bpf_object__for_each_program(program, skel->obj)
	{
		enum bpf_attach_type type = bpf_program__expected_attach_type(program);

		if (bpf_prog_attach(bpf_program__fd(program), fd, type, 0) != 0)
			return -1;
	}
	close(fd);
	cookie = netns_cookie();
	return bpf_map__update_elem(skel->maps.td_netns, &cookie, sizeof(cookie), &id, sizeof(id),
				    0);
}

static int teardown(void **state)
{
	char procs[300];

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", cgroup_root());
	write_text(procs, "0");
	rmdir(cgroup); /* what was attached goes with it */
	socket_bpf__destroy(skel);
	return 0;
}

static int setup(void **state)
{
	int r = prepare();

	if (r != 0)
		teardown(state);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_reaches_a_backend_and_remembers_the_service),
		cmocka_unit_test(datagrams_reach_a_backend_and_answers_bear_the_service),
		cmocka_unit_test(service_without_backends_refuses),
		cmocka_unit_test(other_addresses_are_left_alone),
		cmocka_unit_test(sockets_outside_pods_are_left_alone),
	};

	if (world_missing() || !cgroup_root()) {
		printf("skipped: %s\n", world_missing() ? world_missing() : "no cgroup v2");
		return 77;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
