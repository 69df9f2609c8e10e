/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"

static char directory[64];
static char bpffs[80];

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "sandbox: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void remove_directory(void)
{
	/* In a child process of the test the directory is not ours to remove. */
	static pid_t owner;

	if (owner == 0) {
		owner = getpid();
		return;
	}
	if (owner != getpid())
		return;
	umount2(directory, MNT_DETACH);
	rmdir(directory);
}

void sandbox_enter(const char *test)
{
	if (geteuid() != 0) {
		fprintf(stderr, "%s: needs root\n", test);
		exit(SANDBOX_SKIP);
	}
	must(unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	snprintf(directory, sizeof(directory), "/tmp/tendril-%s-XXXXXX", test);
	must(mkdtemp(directory) ? 0 : -1, "mkdtemp");
	must(mount("tmpfs", directory, "tmpfs", 0, "mode=0700"), "mount tmpfs");
	snprintf(bpffs, sizeof(bpffs), "%s/bpf", directory);
	must(mkdir(bpffs, 0700), "mkdir");
	must(mount("bpf", bpffs, "bpf", 0, "mode=0700"), "mount bpffs");
	remove_directory();
	atexit(remove_directory);
	must(-sandbox_sh(NULL, "ip link set lo up"), "loopback");
}

const char *sandbox_dir(void)
{
	return directory;
}

const char *sandbox_bpffs(void)
{
	return bpffs;
}

char *sandbox_netns(const char *name)
{
	_cleanup_close_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int file = -1;
	char *path;

	must(home, "open netns");
	must(asprintf(&path, "%s/netns-%s", directory, name), "asprintf");
	file = open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0600);
	must(file, path);
	must(unshare(CLONE_NEWNET), "unshare netns");
	must(mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL), "bind netns");
	must(setns(home, CLONE_NEWNET), "setns home");
	return path;
}

void sandbox_netns_remove(const char *path)
{
	must(umount2(path, MNT_DETACH), path);
	must(unlink(path), path);
}

int sandbox_run_in(const char *netns, int (*fn)(void *data), void *data)
{
	int status = 0;
	pid_t pid = fork();

	must(pid, "fork");
	if (pid == 0) {
		_cleanup_close_ int fd = netns ? open(netns, O_RDONLY | O_CLOEXEC) : -1;

		if (netns && setns(fd, CLONE_NEWNET) < 0)
			_exit(254);
		_exit(fn(data));
	}
	must(waitpid(pid, &status, 0), "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int run_shell(void *data)
{
	execl("/bin/sh", "sh", "-c", (const char *)data, (char *)NULL);
	return 253;
}

int sandbox_sh(const char *netns, const char *fmt, ...)
{
	_cleanup_free_ char *command = NULL;
	va_list args;

	va_start(args, fmt);
	must(vasprintf(&command, fmt, args), "vasprintf");
	va_end(args);
	return sandbox_run_in(netns, run_shell, command);
}
