/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <pwd.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

static int change_user(const struct passwd *user, struct diag *diag)
{
	if (initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0) {
		int r = -errno;

		diag_set(diag, NULL, 0, "cannot become user %s: %s", user->pw_name, strerror(-r));
		return r;
	}
	return 0;
}

/* The bounding set goes first: it takes a capability to give it up. */
static int drop_capabilities(capng_select_t set)
{
	capng_clear(set);
	return capng_apply(set) ? -EPERM : 0;
}

int confine_identity(const char *user, bool *ret_changed, struct diag *diag)
{
	struct passwd *entry = geteuid() == 0 && *user ? getpwnam(user) : NULL;
	int r = geteuid() == 0 ? drop_capabilities(CAPNG_SELECT_BOUNDS) : 0;

	if (r == 0 && entry)
		r = change_user(entry, diag);
	if (r == 0)
		r = drop_capabilities(CAPNG_SELECT_CAPS);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r < 0) {
		diag_set(diag, NULL, 0, "cannot drop privileges: %s", strerror(-r));
		return r;
	}
	*ret_changed = entry != NULL;
	return 0;
}

static const int allowed[] = {
	/* the loop and its sockets */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(close),
	SCMP_SYS(accept4),
	SCMP_SYS(accept),
	SCMP_SYS(connect),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(fcntl),
	SCMP_SYS(ioctl),
	SCMP_SYS(eventfd2),
	/* memory */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	/* time, signals, the end */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(sched_yield),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	/* files, for reading: libbpf asks /sys which CPUs there are */
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(lseek),
};

static const int deadly[] = {
	SCMP_SYS(execve),     SCMP_SYS(execveat),    SCMP_SYS(fork),
	SCMP_SYS(vfork),      SCMP_SYS(ptrace),      SCMP_SYS(process_vm_writev),
	SCMP_SYS(mount),      SCMP_SYS(umount2),     SCMP_SYS(setns),
	SCMP_SYS(unshare),    SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(kexec_load), SCMP_SYS(pivot_root),  SCMP_SYS(chroot),
	SCMP_SYS(setuid),     SCMP_SYS(setresuid),
};

/* Allowed only if one argument, masked, has a value. */
static const struct {
	int call;
	unsigned int arg;
	uint64_t mask, value;
} conditional[] = {
	{ SCMP_SYS(bpf), 0, UINT32_MAX, BPF_MAP_LOOKUP_ELEM },
	{ SCMP_SYS(bpf), 0, UINT32_MAX, BPF_OBJ_GET_INFO_BY_FD },
	{ SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY },
	{ SCMP_SYS(open), 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY },
	{ SCMP_SYS(socket), 0, UINT32_MAX, AF_UNIX },
	{ SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
};

static int add_rules(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(deadly) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(conditional) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, conditional[i].call, 1,
				     SCMP_CMP(conditional[i].arg, SCMP_CMP_MASKED_EQ,
					      conditional[i].mask, conditional[i].value));
	return r;
}

static int add_io_uring(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);
}

static int load_filter(uint32_t otherwise, int (*add)(scmp_filter_ctx), struct diag *diag)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);
	int r;

	if (!filter)
		return -ENOMEM;
	r = add(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r < 0)
		diag_set(diag, NULL, 0, "cannot load the system call filter: %s", strerror(-r));
	return r;
}

int confine_io_uring(struct diag *diag)
{
	return load_filter(SCMP_ACT_ALLOW, add_io_uring, diag);
}

int confine_syscalls(struct diag *diag)
{
	return load_filter(SCMP_ACT_ERRNO(EPERM), add_rules, diag);
}
