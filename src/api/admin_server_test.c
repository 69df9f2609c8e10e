/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "api/admin_client.h"
#include "api/admin_server.h"
#include "base/util.h"

#define DEADLINE_SHORT_MS 2000  /* for the test of slow clients */
#define DEADLINE_LONG_MS  60000 /* for the others, on a machine however busy */

static char socket_path[64];
static uv_loop_t loop;
static struct admin_server *server;

static void echo(const struct admin_request *request, struct admin_response *response, void *data)
{
	const char *name = admin_request_query(request, "name");

	response->body =
		json_pack("{s:s, s:i, s:s?, s:b}", "body", request->body, "len",
			  (int)request->body_len, "name", name, "me", request->uid == getuid());
}

static void needs_json(const struct admin_request *request, struct admin_response *response,
		       void *data)
{
	json_t *body = NULL;

	if (admin_request_json(request, response, &body) < 0)
		return;
	response->body = json_pack("{s:o}", "got", body);
}

static void refuses(const struct admin_request *request, struct admin_response *response,
		    void *data)
{
	struct diag diag = {};

	diag_set(&diag, "a.yaml", 7, "found x, expected y");
	admin_response_diag(response, "refused", &diag);
}

static const struct admin_route routes[] = {
	{ "POST", "/echo", echo },
	{ "GET", "/echo", echo },
	{ "POST", "/json", needs_json },
	{ "POST", "/refuse", refuses },
};

static int told, told_error; /* how often strained was called, and with what at last */

static void note_strained(int error, void *data)
{
	told++;
	told_error = error;
}

static int start_with(unsigned int deadline_ms)
{
	const struct admin_options options = {
		.socket_path = socket_path,
		.group = (gid_t)-1,
		.deadline_ms = deadline_ms,
		.routes = routes,
		.route_count = ARRAY_SIZE(routes),
		.strained = note_strained,
	};
	struct diag diag = {};

	told = 0;
	snprintf(socket_path, sizeof(socket_path), "/tmp/admin-test-%d.sock", getpid());
	uv_loop_init(&loop);
	return admin_server_new(&loop, &options, &server, &diag);
}

static int start(void **state)
{
	(void)state;
	return start_with(DEADLINE_LONG_MS);
}

static int start_impatient(void **state)
{
	(void)state;
	return start_with(DEADLINE_SHORT_MS);
}

static int stop(void **state)
{
	(void)state;
	admin_server_free(server);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) || access(socket_path, F_OK) == 0;
}

static void on_child(uv_signal_t *signal, int number)
{
	uv_stop(signal->loop);
}

/* Runs the client in a child while this process serves. The client's exit status is the result. */
static int serve_while(int (*client)(void))
{
	uv_signal_t signal;
	int status;
	pid_t pid;

	uv_signal_init(&loop, &signal);
	uv_signal_start(&signal, on_child, SIGCHLD);
	pid = fork();
	if (pid == 0)
		_exit(client());
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&signal, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int call(const char *method, const char *path, const char *body, size_t len, int want,
		const char *want_body)
{
	_cleanup_(admin_reply_freep) struct admin_reply *reply = NULL;
	int r = admin_call(socket_path, method, path, body, len, DEADLINE_LONG_MS, &reply);

	if (r < 0 || reply->status != want || !strstr(reply->body, want_body)) {
		fprintf(stderr, "%s %s: %d %d %s\n", method, path, r, reply ? reply->status : 0,
			reply ? reply->body : "");
		return 1;
	}
	return 0;
}

static int well_behaved(void)
{
	return call("POST", "/echo?name=a%20b", "hello", 5, 200, "\"body\":\"hello\"") ||
	       call("GET", "/echo?name=a%20b", NULL, 0, 200, "\"name\":\"a b\"") ||
	       call("GET", "/echo", NULL, 0, 200, "\"me\":true") ||
	       call("POST", "/json", "{\"a\":1}", 7, 200, "{\"got\":{\"a\":1}}");
}

static int ill_behaved(void)
{
	return call("GET", "/nothing", NULL, 0, 404, "no_such_path") ||
	       call("DELETE", "/echo", NULL, 0, 405, "bad_method") ||
	       call("POST", "/json", "{", 1, 400, "bad_json") ||
	       call("POST", "/json", "[]", 2, 400, "bad_json") ||
	       call("POST", "/json", "{\"a\":1,\"a\":2}", 13, 400, "bad_json") ||
	       call("POST", "/json", "\xff\xfe", 2, 400, "bad_json") ||
	       call("POST", "/refuse", "", 0, 422, "\"line\":7") ||
	       call("POST", "/refuse", "", 0, 422, "\"file\":\"a.yaml\"");
}

static int at_the_limit(void)
{
	size_t len = ADMIN_BODY_MAX;
	char *body = malloc(len + 1);

	memset(body, 'x', len + 1);
	return call("POST", "/echo", body, len, 200, "16777216") ||
	       call("POST", "/echo", body, len + 1, 413, "too_long");
}

static int dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, socket_path);
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -1 : fd;
}

static int garbage(void)
{
	static const char noise[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\r\n\r\n \r\n\x00\x00";
	char buf[4096];

	for (int i = 0; i < 20; i++) {
		int fd = dial();

		if (fd < 0 || send(fd, noise, sizeof(noise), MSG_NOSIGNAL) < 0)
			return 1;
		shutdown(fd, SHUT_WR);
		while (recv(fd, buf, sizeof(buf), 0) > 0)
			;
		close(fd);
	}
	return well_behaved();
}

/* A client that writes a byte now and then is cut at the deadline, and holds up nobody. */
static int slow(void)
{
	static const char request[] =
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n";
	int slow_fd = dial(), half_fd = dial(), mute_fd = dial();
	struct timespec pause = { .tv_nsec = 100000000 };
	int rounds;

	if (slow_fd < 0 || half_fd < 0 || mute_fd < 0 || well_behaved())
		return 1;
	send(half_fd, request, sizeof(request) - 1, 0);
	shutdown(half_fd, SHUT_WR);
	send(slow_fd, request, sizeof(request) - 1, 0);
	for (rounds = 0; rounds < 100; rounds++) {
		char byte;

		if (send(slow_fd, "x", 1, MSG_NOSIGNAL) < 0 ||
		    recv(slow_fd, &byte, 1, MSG_DONTWAIT) == 0)
			break;
		nanosleep(&pause, NULL);
	}
	if (rounds < 8 || rounds >= 100)
		return 2;
	/* The others are gone as well: nothing keeps a connection for longer. */
	for (int fd = half_fd; fd <= mute_fd; fd++) {
		char buf[256];
		struct timeval limit = { .tv_sec = 10 };

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		while (recv(fd, buf, sizeof(buf), 0) > 0)
			;
		if (errno == EAGAIN)
			return 3;
	}
	return well_behaved();
}

/* The mode would keep this client out; the kernel's word must do it too. */
static int of_another_user(void)
{
	if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
		return 1;
	return call("GET", "/echo", NULL, 0, 403, "not_permitted");
}

static int many_at_once(void)
{
	int fds[ADMIN_CONNECTIONS_MAX + 40];
	char buf[512] = "";
	int refused = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		struct timeval limit = { .tv_sec = 10 };

		setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (recv(fds[i], buf, sizeof(buf) - 1, 0) > 0 && strstr(buf, "busy"))
			refused++;
		close(fds[i]);
	}
	if (refused < 30)
		return 1;
	return well_behaved();
}

static void requests_reach_their_handler(void **state)
{
	assert_int_equal(serve_while(well_behaved), 0);
}

static void errors_are_json_with_code_and_place(void **state)
{
	assert_int_equal(serve_while(ill_behaved), 0);
}

static void a_body_above_the_limit_is_refused(void **state)
{
	assert_int_equal(serve_while(at_the_limit), 0);
}

static void garbage_does_not_disturb_others(void **state)
{
	assert_int_equal(serve_while(garbage), 0);
}

static void slow_and_half_closed_clients_are_cut(void **state)
{
	assert_int_equal(serve_while(slow), 0);
}

static void a_peer_without_permission_is_turned_away(void **state)
{
	if (getuid() != 0)
		skip();
	assert_int_equal(chmod(socket_path, 0666), 0);
	assert_int_equal(serve_while(of_another_user), 0);
}

static void too_many_connections_are_refused_and_forgotten(void **state)
{
	assert_int_equal(serve_while(many_at_once), 0);
}

static int asks(void)
{
	return call("GET", "/echo", NULL, 0, 200, "");
}

static unsigned int turns;

static void count_turn(uv_prepare_t *prepare)
{
	turns++;
}

static struct rlimit descriptors;

static void give_back(uv_timer_t *timer)
{
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
}

static void take_away(uv_timer_t *timer)
{
	const struct rlimit none = { 0, descriptors.rlim_max };

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	turns = 0;
	uv_timer_start(timer, give_back, 500, 0);
}

/* For half a second there is none. */
static void a_client_waits_for_a_descriptor_and_the_loop_sleeps(void **state)
{
	uv_prepare_t prepare;
	uv_timer_t timer;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
	uv_prepare_init(&loop, &prepare);
	uv_prepare_start(&prepare, count_turn);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, take_away, 0, 0);
	assert_int_equal(serve_while(asks), 0);
	assert_in_range(turns, 1, 100);
	assert_int_equal(told, 2);
	assert_int_equal(told_error, 0);
	uv_close((uv_handle_t *)&prepare, NULL);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

static void a_file_in_the_way_is_not_removed(void **state)
{
	const struct admin_options options = { .socket_path = "/tmp", .group = (gid_t)-1 };
	struct admin_server *other = NULL;
	struct diag diag = {};

	(void)state;
	assert_int_equal(admin_server_new(&loop, &options, &other, &diag), -EEXIST);
	assert_string_equal(diag.file, "/tmp");
	assert_null(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_reach_their_handler, start, stop),
		cmocka_unit_test_setup_teardown(errors_are_json_with_code_and_place, start, stop),
		cmocka_unit_test_setup_teardown(a_body_above_the_limit_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(garbage_does_not_disturb_others, start_impatient,
						stop),
		cmocka_unit_test_setup_teardown(slow_and_half_closed_clients_are_cut,
						start_impatient, stop),
		cmocka_unit_test_setup_teardown(a_peer_without_permission_is_turned_away,
						start_impatient, stop),
		cmocka_unit_test_setup_teardown(too_many_connections_are_refused_and_forgotten,
						start_impatient, stop),
		cmocka_unit_test_setup_teardown(a_client_waits_for_a_descriptor_and_the_loop_sleeps,
						start, stop),
		cmocka_unit_test_setup_teardown(a_file_in_the_way_is_not_removed, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
