/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

/* A manager's socket in the abstract namespace; name gets its text for NOTIFY_SOCKET. */
static int manager(char *name, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(name, size, "@tendril-notify-test-%d", getpid());
	memcpy(addr.sun_path + 1, name + 1, strlen(name) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	return fd;
}

static void states_reach_the_manager(void **state)
{
	_cleanup_(notify_freep) struct notify *notify = NULL;
	char name[64], buf[64] = "";
	_cleanup_close_ int fd = manager(name, sizeof(name));

	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_new(&notify), 0);
	assert_int_equal(notify_send(notify, "READY=1"), 0);
	assert_int_equal(recv(fd, buf, sizeof(buf) - 1, 0), 7);
	assert_string_equal(buf, "READY=1");
}

static void without_a_manager_nothing_happens(void **state)
{
	_cleanup_(notify_freep) struct notify *notify = NULL;

	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_new(&notify), 0);
	assert_int_equal(notify_send(notify, "READY=1"), 0);
}

static void a_manager_that_is_not_there_is_an_error(void **state)
{
	struct notify *notify = NULL;

	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(notify_new(&notify), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	assert_int_equal(notify_new(&notify), -ENOENT);
	unsetenv("NOTIFY_SOCKET");
	assert_null(notify);
}

static void watchdog_is_for_the_named_process_only(void **state)
{
	char pid[16];

	unsetenv("WATCHDOG_USEC");
	assert_int_equal(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "3000000", 1);
	assert_int_equal(notify_watchdog_ms(), 3000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_ms(), 3000);
	setenv("WATCHDOG_USEC", "3s", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_reach_the_manager),
		cmocka_unit_test(without_a_manager_nothing_happens),
		cmocka_unit_test(a_manager_that_is_not_there_is_an_error),
		cmocka_unit_test(watchdog_is_for_the_named_process_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
