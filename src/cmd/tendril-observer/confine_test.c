/* SPDX-License-Identifier: Apache-2.0 */
/* What a taken-over observer could still do. Each attempt is a child process of its own. */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "base/util.h"

static long bpf(int command)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	return syscall(SYS_bpf, command, &attr, sizeof(attr));
}

static long look_up(void)
{
	return bpf(BPF_MAP_LOOKUP_ELEM);
}

static long update(void)
{
	return bpf(BPF_MAP_UPDATE_ELEM);
}

static long load(void)
{
	return bpf(BPF_PROG_LOAD);
}

static long read_file(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static long write_file(void)
{
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static long create_file(void)
{
	return open("/tmp/td-confine-test", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
}

static long remove_file(void)
{
	return unlink("/tmp/td-confine-test");
}

static long unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long inet_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static long code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static long execute(void)
{
	char *argv[] = { (char *)"/bin/true", NULL };

	return execv(argv[0], argv);
}

static long new_process(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long trace(void)
{
	return syscall(SYS_ptrace, 0, 0, 0, 0);
}

enum outcome { WORKS, FAILS_LATER, REFUSED, KILLED };

static const struct attempt {
	const char *name;
	long (*call)(void);
	enum outcome want;
} attempts[] = {
	{ "reading a file", read_file, WORKS },
	{ "a unix socket", unix_socket, WORKS },
	{ "memory", memory, WORKS },
	{ "looking up in a map", look_up, FAILS_LATER }, /* of no map */
	{ "writing into a map", update, REFUSED },
	{ "loading a program", load, REFUSED },
	{ "writing a file", write_file, REFUSED },
	{ "creating a file", create_file, REFUSED },
	{ "removing a file", remove_file, REFUSED },
	{ "an internet socket", inet_socket, REFUSED },
	{ "memory for code", code, REFUSED },
	{ "a new process", new_process, REFUSED },
	{ "another program", execute, KILLED },
	{ "tracing a process", trace, KILLED },
};

static int outcome_of(long (*call)(void))
{
	struct diag diag = { 0 };
	bool changed;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (confine_identity("", &changed, &diag) < 0 || confine_syscalls(&diag) < 0)
			_exit(99);
		errno = 0;
		if (call() >= 0)
			_exit(WORKS);
		_exit(errno == EPERM ? REFUSED : FAILS_LATER);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? (int)KILLED : 98;
	return WEXITSTATUS(status);
}

static void only_what_is_needed_works(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		print_message("%s\n", attempts[i].name);
		assert_int_equal(outcome_of(attempts[i].call), attempts[i].want);
	}
}

static void unexpected(uv_poll_t *poll, int status, int events)
{
	abort();
}

static void count(uv_timer_t *timer)
{
	int *left = timer->data;

	if (--*left == 0)
		uv_close((uv_handle_t *)timer, NULL);
}

/* A pipe to watch, so that the loop has something for epoll_ctl. */
static int confined_loop(void)
{
	struct diag diag = { 0 };
	uv_loop_t loop;
	uv_timer_t timer;
	uv_poll_t poll;
	int fds[2], left = 3;
	bool changed;

	if (pipe(fds) < 0 || confine_io_uring(&diag) < 0 || uv_loop_init(&loop) < 0)
		return 97;
	if (syscall(SYS_io_uring_setup, 1, NULL) != -1 || errno != ENOSYS)
		return 98;
	if (confine_identity("", &changed, &diag) < 0 || confine_syscalls(&diag) < 0)
		return 99;
	uv_timer_init(&loop, &timer);
	timer.data = &left;
	uv_timer_start(&timer, count, 1, 1);
	uv_poll_init(&loop, &poll, fds[0]);
	uv_poll_start(&poll, UV_READABLE, unexpected);
	uv_unref((uv_handle_t *)&poll);
	uv_run(&loop, UV_RUN_DEFAULT);
	return left;
}

static void a_loop_runs_confined(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(confined_loop());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_needed_works),
		cmocka_unit_test(a_loop_runs_confined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
