/* SPDX-License-Identifier: Apache-2.0 */
/* The real tendril-observer, without privileges, and the real command line: events written into a
 * ring by a BPF program, a tables server in tendrild's place. Arguments: the two programs. */
#include "sandbox.h"

#include "flow/test_names.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "api/tables_server.h"
#include "base/cleanup.h"

#define RING_SIZE (256 * 1024)
#define WAIT_MS   15000
#define TEXT_MAX  16384
#define STAMP     21 /* "Jan  2 03:04:05.678: " */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED
#endif

static struct {
	const char *observer, *tendril;
	char dir[96], socket[128];
	uid_t user;
	int ring, stats, program;
	pid_t pid;
	/* the tables server and its thread */
	uv_loop_t loop;
	uv_async_t stop;
	uv_timer_t look;
	pthread_t thread;
	struct tables_server *tables;
	unsigned int observers; /* as of the last look; read by the other thread */
} test;

static int hello(Tendril__Tables__Hello *message, int fds[3], void *data)
{
	message->version = (char *)"0.1.0";
	message->node_name = (char *)"n1";
	message->cluster = (char *)"c1";
	fds[0] = fcntl(test.ring, F_DUPFD_CLOEXEC, 3);
	fds[1] = fcntl(test.stats, F_DUPFD_CLOEXEC, 3);
	return 2;
}

static const struct {
	enum tables_kind kind;
	Tendril__Tables__Update__UpdateCase of;
} kinds[] = {
	{ TABLES_IDENTITY, TENDRIL__TABLES__UPDATE__UPDATE_IDENTITY },
	{ TABLES_ENDPOINT, TENDRIL__TABLES__UPDATE__UPDATE_ENDPOINT },
	{ TABLES_SERVICE, TENDRIL__TABLES__UPDATE__UPDATE_SERVICE },
	{ TABLES_RULE, TENDRIL__TABLES__UPDATE__UPDATE_RULE },
	{ TABLES_INTERFACE, TENDRIL__TABLES__UPDATE__UPDATE_INTERFACE },
};

/* Those of the world's updates that are of this kind. */
static void put_all(Tendril__Tables__Update__UpdateCase of)
{
	for (size_t i = 0; i < ARRAY_SIZE(world); i++) {
		ProtobufCMessage *message;
		struct diag diag = { 0 };

		assert_int_equal(proto_json_parse(&tendril__tables__update__descriptor, world[i],
						  strlen(world[i]), 0, &diag, &message),
				 0);
		if (((Tendril__Tables__Update *)message)->update_case == of)
			assert_int_equal(
				tables_server_put(test.tables, (Tendril__Tables__Update *)message),
				0);
		protobuf_c_message_free_unpacked(message, NULL);
	}
}

static void on_look(uv_timer_t *timer)
{
	__atomic_store_n(&test.observers, tables_server_observers(test.tables), __ATOMIC_RELEASE);
}

static void on_stop(uv_async_t *async)
{
	tables_server_free(test.tables);
	uv_close((uv_handle_t *)&test.look, NULL);
	uv_close((uv_handle_t *)async, NULL);
}

static void *run_loop(void *data)
{
	uv_run(&test.loop, UV_RUN_DEFAULT);
	return NULL;
}

static void agent_start(void)
{
	struct tables_options options = { .socket_path = test.socket,
					  .user = test.user,
					  .hello = hello };
	struct diag diag = { 0 };

	uv_loop_init(&test.loop);
	uv_async_init(&test.loop, &test.stop, on_stop);
	uv_timer_init(&test.loop, &test.look);
	uv_timer_start(&test.look, on_look, 10, 10);
	if (tables_server_new(&test.loop, &options, &test.tables, &diag) < 0)
		fail_msg("%s", diag.text);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		tables_server_begin(test.tables, kinds[i].kind);
		put_all(kinds[i].of);
		tables_server_end(test.tables);
	}
	test.observers = 0;
	pthread_create(&test.thread, NULL, run_loop, NULL);
}

static void agent_stop(void)
{
	uv_async_send(&test.stop);
	pthread_join(test.thread, NULL);
	uv_loop_close(&test.loop);
}

static void wait_for_observer(void)
{
	for (unsigned int i = 0; i < WAIT_MS / 20; i++) {
		if (__atomic_load_n(&test.observers, __ATOMIC_ACQUIRE))
			return;
		poll(NULL, 0, 20);
	}
	fail_msg("the observer did not connect");
}

/* A socket filter that writes the packet, a struct td_event, into the ring. */
static int load_writer(void)
{
	const int size = sizeof(struct td_event);
	struct bpf_insn code[] = {
		{ BPF_LD | BPF_DW | BPF_IMM, BPF_REG_9, BPF_PSEUDO_MAP_FD, 0, test.ring },
		{ 0, 0, 0, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_10, 0, 0 },
		{ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, -size },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, size },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_load_bytes },
		{ BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 6, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_9, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0 },
		{ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -size },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, size },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, 0 },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_output },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "td_test_writer", "GPL", code,
			     ARRAY_SIZE(code), NULL);
}

/* 0, or the error of bpf_ringbuf_output. */
static int write_event(struct td_event event)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	char packet[14 + sizeof(event)] = { 0 };
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	event.time = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	memcpy(packet + 14, &event, sizeof(event));
	run.data_in = packet;
	run.data_size_in = sizeof(packet);
	assert_int_equal(bpf_prog_test_run_opts(test.program, &run), 0);
	return (int)run.retval;
}

static void write_drop(uint16_t port)
{
	struct td_event event = syn_event();

	event.kind = TD_EVENT_DROP;
	event.reason = 133;
	event.flags = TD_EVENT_DENIED_INGRESS;
	event.port[0] = htons(port);
	assert_int_equal(write_event(event), 0);
}

/* What the command line prints; its exit code must be 0. */
static void observe(const char *arguments, char text[static TEXT_MAX])
{
	char command[512];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "%s --run-dir %s observe %s", test.tendril, test.dir,
		 arguments);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(text, 1, TEXT_MAX - 1, pipe);
	text[n] = '\0';
	assert_int_equal(pclose(pipe), 0);
}

/* Asks until a line with this text is there. */
static void expect(const char *arguments, const char *want)
{
	static char text[TEXT_MAX];

	for (unsigned int i = 0; i < WAIT_MS / 100; i++) {
		observe(arguments, text);
		if (strstr(text, want))
			return;
		poll(NULL, 0, 100);
	}
	fail_msg("observe %s: no '%s' in:\n%s", arguments, want, text);
}

static pid_t observer_start(void)
{
	char run_dir[128];
	pid_t pid = fork();

	if (pid)
		return pid;
	snprintf(run_dir, sizeof(run_dir), "--run_dir=%s", test.dir);
	execl(test.observer, test.observer, run_dir, "--observer_user=nobody",
#ifdef SANITIZED
	      "--observer.sandbox=false", /* the sanitizer needs more system calls */
#endif
	      "--config=/dev/null", NULL);
	_exit(127);
}

static int observer_status(void)
{
	int status;

	waitpid(test.pid, &status, 0);
	return status;
}

static int setup(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, none);
	struct passwd *nobody = getpwnam("nobody");

	assert_non_null(nobody);
	test.user = nobody->pw_uid;
	snprintf(test.dir, sizeof(test.dir), "%s/run", sandbox_dir());
	snprintf(test.socket, sizeof(test.socket), "%s/observer.sock", test.dir);
	chmod(sandbox_dir(), 0755);
	mkdir(test.dir, 0755);
	test.ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "td_test_ring", 0, 0, RING_SIZE, &none);
	test.stats = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "td_test_stats", 4, 8, TD_STAT_MAX,
				    &none);
	assert_true(test.ring >= 0 && test.stats >= 0);
	test.program = load_writer();
	assert_true(test.program >= 0);
	agent_start();
	test.pid = observer_start();
	wait_for_observer();
	return 0;
}

static int teardown(void **state)
{
	kill(test.pid, SIGKILL);
	observer_status();
	agent_stop();
	return 0;
}

static void events_of_the_ring_are_printed(void **state)
{
	static char text[TEXT_MAX];

	assert_int_equal(write_event(syn_event()), 0);
	write_drop(49611);
	expect("--port 49611", "default/xwing:49611 (ID:16092) <> default/deathstar-1:80 "
			       "(ID:16081) Policy denied DROPPED (TCP Flags: SYN)\n");
	observe("--first 1 --port 49610", text);
	assert_true(strlen(text) > STAMP);
	assert_string_equal(text + STAMP,
			    "default/xwing:49610 (ID:16092) -> default/deathstar-1:80 "
			    "(ID:16081) to-endpoint FORWARDED (TCP Flags: SYN)\n");
	observe("--verdict DROPPED -o json", text);
	assert_non_null(strstr(text, "\"drop_reason_desc\":\"POLICY_DENIED\""));
	assert_null(strstr(text, "\"FORWARDED\""));
}

static void losses_are_counted_once_and_shown(void **state)
{
	uint64_t values[1024] = { 0 };
	static char text[TEXT_MAX];
	__u32 key = TD_STAT_LOST;

	poll(NULL, 0, 1500); /* the base has been read */
	values[0] = 17;
	assert_int_equal(bpf_map_update_elem(test.stats, &key, values, BPF_ANY), 0);
	expect("--all", "EVENTS LOST: PERF_EVENT_RING_BUFFER CPU(0) 17\n");
	poll(NULL, 0, 2500);
	observe("--all", text);
	assert_ptr_equal(strstr(strstr(text, "EVENTS LOST") + 1, "EVENTS LOST"), NULL);
}

static void flows_go_on_without_the_agent(void **state)
{
	agent_stop();
	write_drop(50001);
	expect("--port 50001", "default/xwing:50001 (ID:16092) <> default/deathstar-1:80");
	agent_start();
	wait_for_observer();
	write_drop(50002);
	expect("--port 50002", "default/xwing:50002 (ID:16092) <> default/deathstar-1:80");
}

static void bursts_are_all_read(void **state)
{
	enum { EVENTS = 20000 };
	static char text[TEXT_MAX];
	struct td_event event = syn_event();
	unsigned int written = 0;

	event.port[0] = htons(50010);
	while (written < EVENTS) {
		if (write_event(event) == 0)
			written++;
		else
			poll(NULL, 0, 1); /* the ring is full: let the observer catch up */
	}
	event.port[0] = htons(50011);
	assert_int_equal(write_event(event), 0);
	expect("--port 50011", "xwing:50011");
	snprintf(text, sizeof(text),
		 "test \"$(%s --run-dir %s observe --all --port 50010 | grep -c :50010)\" = %d",
		 test.tendril, test.dir, EVENTS);
	assert_int_equal(system(text), 0);
}

static void observer_has_no_privileges(void **state)
{
	char path[64], text[4096] = "", want[64];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/status", test.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	snprintf(want, sizeof(want), "\nUid:\t%u\t%u\t%u\t%u\n", test.user, test.user, test.user,
		 test.user);
	assert_non_null(strstr(text, want));
	assert_non_null(strstr(text, "\nCapEff:\t0000000000000000\n"));
	assert_non_null(strstr(text, "\nCapPrm:\t0000000000000000\n"));
	assert_non_null(strstr(text, "\nCapBnd:\t0000000000000000\n"));
	assert_non_null(strstr(text, "\nNoNewPrivs:\t1\n"));
#ifndef SANITIZED
	assert_non_null(strstr(text, "\nSeccomp:\t2\n"));
#endif
}

static void observer_stops_when_told(void **state)
{
	int status;

	kill(test.pid, SIGTERM);
	status = observer_status();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	test.pid = observer_start(); /* for teardown, and: the socket left behind is replaced */
	write_drop(50020);
	expect("--port 50020 2>/dev/null || true", "default/xwing:50020 ");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_of_the_ring_are_printed),
		cmocka_unit_test(losses_are_counted_once_and_shown),
		cmocka_unit_test(flows_go_on_without_the_agent),
		cmocka_unit_test(bursts_are_all_read),
		cmocka_unit_test(observer_has_no_privileges),
		cmocka_unit_test(observer_stops_when_told),
	};

	if (argc != 3)
		return 2;
	test.observer = argv[1];
	test.tendril = argv[2];
	sandbox_enter("observer_ring");
	return cmocka_run_group_tests(tests, setup, teardown);
}
