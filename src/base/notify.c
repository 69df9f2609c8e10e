/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int fd; /* -1: nobody wants to know */
};

static int connect_manager(const char *path, int *ret)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(addr.sun_path))
		return -EINVAL;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -errno;
	*ret = take_fd(fd);
	return 0;
}

int notify_new(struct notify **ret)
{
	_cleanup_(notify_freep) struct notify *notify = calloc(1, sizeof(*notify));
	const char *path = getenv("NOTIFY_SOCKET");
	int r;

	if (!notify)
		return -ENOMEM;
	notify->fd = -1;
	if (path && *path) {
		r = connect_manager(path, &notify->fd);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(notify);
	return 0;
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	closep(&notify->fd);
	free(notify);
}

int notify_send(struct notify *notify, const char *state)
{
	if (notify->fd < 0)
		return 0;
	if (send(notify->fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}

uint64_t notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	uint64_t value;

	if (!usec || *usec < '0' || *usec > '9')
		return 0;
	if (pid && strtol(pid, NULL, 10) != getpid())
		return 0;
	value = strtoull(usec, &end, 10);
	return *end ? 0 : value / 1000;
}
