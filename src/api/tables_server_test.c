/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "api/tables_server.h"

static char socket_path[64];
static uv_loop_t loop;
static struct tables_server *server;

static int say_hello(Tendril__Tables__Hello *hello, int fds[3], void *data)
{
	hello->version = "1";
	hello->node_name = "node";
	for (int i = 0; i < 3; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 3;
}

static int start(void **state)
{
	const struct tables_options options = { .socket_path = socket_path,
						.user = (uid_t)-1,
						.hello = say_hello };
	struct diag diag = {};

	(void)state;
	snprintf(socket_path, sizeof(socket_path), "/tmp/tables-test-%d.sock", getpid());
	uv_loop_init(&loop);
	return tables_server_new(&loop, &options, &server, &diag);
}

static int stop(void **state)
{
	(void)state;
	tables_server_free(server);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void turn_loop(void)
{
	for (int i = 0; i < 20; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static int dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	turn_loop();
	return fd;
}

static void put_identity(uint32_t number, const char *label)
{
	Tendril__Tables__Update update = TENDRIL__TABLES__UPDATE__INIT;
	Tendril__Tables__Identity identity = TENDRIL__TABLES__IDENTITY__INIT;
	char *labels[] = { (char *)label };

	identity.number = number;
	identity.labels = labels;
	identity.n_labels = 1;
	update.update_case = TENDRIL__TABLES__UPDATE__UPDATE_IDENTITY;
	update.identity = &identity;
	assert_int_equal(tables_server_put(server, &update), 0);
}

/* Reads one message; the descriptors that come with it are counted and closed. */
static Tendril__Tables__Update *receive(int fd, int *fd_count)
{
	uint32_t prefix;
	char control[256];
	static uint8_t buf[TABLES_MESSAGE_MAX];
	struct iovec iov = { &prefix, sizeof(prefix) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	Tendril__Tables__Update *update;

	if (recvmsg(fd, &message, 0) != sizeof(prefix))
		return NULL;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		int count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)), fds[8];

		memcpy(fds, CMSG_DATA(c), (size_t)count * sizeof(int));
		for (int i = 0; i < count; i++)
			close(fds[i]);
		*fd_count += count;
	}
	if (recv(fd, buf, ntohl(prefix), 0) != (ssize_t)ntohl(prefix))
		return NULL;
	update = tendril__tables__update__unpack(NULL, ntohl(prefix), buf);
	assert_non_null(update);
	return update;
}

static void expect_identity(int fd, uint32_t number, const char *label)
{
	int fds = 0;
	Tendril__Tables__Update *update = receive(fd, &fds);

	assert_non_null(update);
	assert_int_equal(update->update_case, TENDRIL__TABLES__UPDATE__UPDATE_IDENTITY);
	assert_int_equal(update->identity->number, number);
	assert_int_equal(update->deleted, label == NULL);
	if (label)
		assert_string_equal(update->identity->labels[0], label);
	tendril__tables__update__free_unpacked(update, NULL);
}

static void expect_hello_and_synced(int fd, uint32_t number, const char *label)
{
	int fds = 0;
	Tendril__Tables__Update *update = receive(fd, &fds);

	assert_non_null(update);
	assert_int_equal(update->update_case, TENDRIL__TABLES__UPDATE__UPDATE_HELLO);
	assert_string_equal(update->hello->node_name, "node");
	assert_int_equal(fds, 3);
	tendril__tables__update__free_unpacked(update, NULL);
	if (label)
		expect_identity(fd, number, label);
	update = receive(fd, &fds);
	assert_non_null(update);
	assert_true(update->synced);
	tendril__tables__update__free_unpacked(update, NULL);
}

static void everything_first_then_only_what_changed(void **state)
{
	int fds = 0, first, second;

	(void)state;
	first = dial();
	expect_hello_and_synced(first, 0, NULL);
	tables_server_begin(server, TABLES_IDENTITY);
	put_identity(257, "k8s:app=b");
	put_identity(256, "k8s:app=a");
	tables_server_end(server);
	expect_identity(first, 256, "k8s:app=a");
	expect_identity(first, 257, "k8s:app=b");

	tables_server_begin(server, TABLES_IDENTITY);
	put_identity(257, "k8s:app=changed");
	tables_server_end(server);
	expect_identity(first, 256, NULL);
	expect_identity(first, 257, "k8s:app=changed");
	assert_null(receive(first, &fds));

	second = dial();
	expect_hello_and_synced(second, 257, "k8s:app=changed");
	assert_int_equal(tables_server_observers(server), 2);
	close(first);
	close(second);
	turn_loop();
	assert_int_equal(tables_server_observers(server), 0);
}

static void an_equal_table_sends_nothing(void **state)
{
	int fds = 0, fd = dial();

	(void)state;
	while (true) {
		Tendril__Tables__Update *update = receive(fd, &fds);

		if (!update)
			break;
		tendril__tables__update__free_unpacked(update, NULL);
	}
	tables_server_begin(server, TABLES_IDENTITY);
	put_identity(257, "k8s:app=changed");
	tables_server_end(server);
	assert_null(receive(fd, &fds));
	close(fd);
	turn_loop();
}

static void an_observer_that_does_not_read_is_cut(void **state)
{
	char label[60000];
	int fd = dial();

	(void)state;
	memset(label, 'x', sizeof(label));
	label[sizeof(label) - 1] = '\0';
	for (int i = 0; i < 400 && tables_server_observers(server); i++) {
		label[0] = (char)('a' + i % 26);
		tables_server_begin(server, TABLES_IDENTITY);
		put_identity(256, label);
		tables_server_end(server);
	}
	assert_int_equal(tables_server_observers(server), 0);
	turn_loop();
	close(fd);
}

static void an_observer_that_speaks_is_cut(void **state)
{
	int fd = dial();

	(void)state;
	assert_int_equal(tables_server_observers(server), 1);
	assert_int_equal(send(fd, "GET", 3, MSG_NOSIGNAL), 3);
	turn_loop();
	assert_int_equal(tables_server_observers(server), 0);
	close(fd);
}

static void a_message_above_the_limit_is_refused(void **state)
{
	Tendril__Tables__Update update = TENDRIL__TABLES__UPDATE__INIT;
	Tendril__Tables__Identity identity = TENDRIL__TABLES__IDENTITY__INIT;
	char *label = malloc(TABLES_MESSAGE_MAX + 1);
	uint8_t *frame = NULL;
	size_t len = 0;

	(void)state;
	memset(label, 'x', TABLES_MESSAGE_MAX);
	label[TABLES_MESSAGE_MAX] = '\0';
	identity.labels = &label;
	identity.n_labels = 1;
	update.update_case = TENDRIL__TABLES__UPDATE__UPDATE_IDENTITY;
	update.identity = &identity;
	assert_int_equal(tables_frame(&update, &frame, &len), -EMSGSIZE);
	assert_null(frame);
	label[5] = '\0';
	assert_int_equal(tables_frame(&update, &frame, &len), 0);
	assert_int_equal(frame[0] << 24 | frame[1] << 16 | frame[2] << 8 | frame[3], len - 4);
	free(frame);
	free(label);
}

static void another_users_connection_is_closed(void **state)
{
	int fd, fds = 0;

	(void)state;
	if (getuid() != 0)
		skip();
	assert_int_equal(chmod(socket_path, 0666), 0);
	assert_int_equal(seteuid(65534), 0);
	fd = dial();
	assert_int_equal(seteuid(0), 0);
	assert_null(receive(fd, &fds));
	assert_int_equal(fds, 0);
	assert_int_equal(tables_server_observers(server), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_first_then_only_what_changed),
		cmocka_unit_test(an_equal_table_sends_nothing),
		cmocka_unit_test(an_observer_that_does_not_read_is_cut),
		cmocka_unit_test(an_observer_that_speaks_is_cut),
		cmocka_unit_test(a_message_above_the_limit_is_refused),
		cmocka_unit_test(another_users_connection_is_closed),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
