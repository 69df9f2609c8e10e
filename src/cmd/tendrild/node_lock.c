/* SPDX-License-Identifier: Apache-2.0 */
#include "node_lock.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

#define NAME "tendrild"

static socklen_t lock_address(struct sockaddr_un *addr)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(addr->sun_path + 1, NAME, sizeof(NAME) - 1);
	return offsetof(struct sockaddr_un, sun_path) + sizeof(NAME);
}

/* Who listens under the name; false: nobody any more. */
static bool find_holder(const struct sockaddr_un *addr, socklen_t addr_len, struct ucred *ret)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*ret);

	return fd >= 0 && connect(fd, (const struct sockaddr *)addr, addr_len) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &len) == 0;
}

int node_lock(struct diag *diag)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;
	socklen_t len = lock_address(&addr);
	struct ucred holder = { .uid = 0 };

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&addr, len) == 0)
		return listen(fd, SOMAXCONN) < 0 ? -errno : take_fd(fd);
	if (errno != EADDRINUSE)
		return -errno;
	if (find_holder(&addr, len, &holder) && holder.uid != 0)
		return -EPERM;
	diag_set(
		diag, NULL, 0,
		"another tendrild (process %d) runs in this network namespace, and its pods' devices "
		"are its own: an agent needs a namespace to itself",
		(int)holder.pid);
	return -EBUSY;
}
