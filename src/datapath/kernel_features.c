/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_features.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include "attach.h"
#include "base/cleanup.h"
#include "base/util.h"
#include "clsact.h"
#include "netlink.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1

/* r0 = 1; exit */
static const struct bpf_insn return_one[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static bool fail(char *detail, int error)
{
	snprintf(detail, FEATURE_DETAIL_MAX, "%s", strerror(error));
	return false;
}

static int load(enum bpf_prog_type type, struct bpf_prog_load_opts *opts)
{
	int fd = bpf_prog_load(type, NULL, "GPL", return_one, ARRAY_SIZE(return_one), opts);

	return fd < 0 ? -errno : fd;
}

static bool probe_kernel(char *detail)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	if (uname(&name) < 0)
		return fail(detail, errno);
	snprintf(detail, FEATURE_DETAIL_MAX, "%.80s", name.release);
	sscanf(name.release, "%u.%u", &major, &minor);
	return major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR);
}

static bool probe_bpf(char *detail)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
	_cleanup_close_ int fd = load(BPF_PROG_TYPE_SCHED_CLS, &opts);

	return fd >= 0 || fail(detail, -fd);
}

static bool probe_jit(char *detail)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
	_cleanup_close_ int fd = load(BPF_PROG_TYPE_SCHED_CLS, &opts);
	struct bpf_prog_info info = { 0 };
	uint32_t length = sizeof(info);

	if (fd < 0)
		return fail(detail, -fd);
	return bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.jited_prog_len > 0;
}

static bool probe_tcx(char *detail)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
	_cleanup_close_ int fd = load(BPF_PROG_TYPE_SCHED_CLS, &opts);

	return fd < 0 ? fail(detail, -fd) : attach_has_tcx(fd);
}

static bool has_helper(enum bpf_prog_type type, enum bpf_func_id helper, char *detail)
{
	int r = libbpf_probe_bpf_helper(type, helper, NULL);

	return r < 0 ? fail(detail, -r) : r > 0;
}

static bool probe_redirect_peer(char *detail)
{
	return has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect_peer, detail);
}

static bool probe_timer(char *detail)
{
	return has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_timer_init, detail);
}

static bool probe_loop(char *detail)
{
	return has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_loop, detail);
}

static bool probe_ringbuf(char *detail)
{
	int r = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL);

	return r < 0 ? fail(detail, -r) : r > 0;
}

static bool probe_sock_addr(char *detail)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	_cleanup_close_ int fd = load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, &opts);

	return fd >= 0 || fail(detail, -fd);
}

/* Fields: ID parent major:minor root mountpoint options ... - type source options (proc(5)). */
static bool probe_cgroup2(char *detail)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], point[FEATURE_DETAIL_MAX];

	while (file && fgets(line, sizeof(line), file)) {
		if (!strstr(line, " - cgroup2 "))
			continue;
		if (sscanf(line, "%*s %*s %*s %*s %95s", point) == 1) {
			snprintf(detail, FEATURE_DETAIL_MAX, "%s", point);
			return true;
		}
	}
	snprintf(detail, FEATURE_DETAIL_MAX, "not mounted");
	return false;
}

static bool exists(const char *path, char *detail)
{
	return access(path, F_OK) == 0 || fail(detail, errno);
}

static bool probe_btf(char *detail)
{
	return exists("/sys/kernel/btf/vmlinux", detail);
}

static bool probe_kprobe(char *detail)
{
	return exists("/sys/bus/event_source/devices/kprobe/type", detail);
}

static bool probe_uprobe(char *detail)
{
	return exists("/sys/bus/event_source/devices/uprobe/type", detail);
}

static bool probe_traced(const char *function, enum bpf_prog_type type, enum bpf_attach_type attach,
			 char *detail)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
	_cleanup_close_ int fd = -1;
	int id = libbpf_find_vmlinux_btf_id(function, attach);

	if (id < 0)
		return fail(detail, -id);
	opts.attach_btf_id = (uint32_t)id;
	fd = bpf_prog_load(type, NULL, "GPL",
			   (const struct bpf_insn[]){
				   { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
				   { .code = BPF_JMP | BPF_EXIT },
			   },
			   2, &opts);
	return fd >= 0 || fail(detail, errno);
}

static bool probe_tp_btf(char *detail)
{
	return probe_traced("sched_process_exec", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, detail);
}

static bool probe_fentry(char *detail)
{
	return probe_traced("security_file_open", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, detail);
}

static bool probe_lsm(char *detail)
{
	_cleanup_fclose_ FILE *file = fopen("/sys/kernel/security/lsm", "re");
	char line[256] = "";

	if (file && fgets(line, sizeof(line), file) && !strstr(line, "bpf")) {
		snprintf(detail, FEATURE_DETAIL_MAX, "bpf is not among the active ones");
		return false;
	}
	return probe_traced("file_open", BPF_PROG_TYPE_LSM, BPF_LSM_MAC, detail);
}

static bool probe_netns_cookie(char *detail)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie;
	socklen_t length = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) < 0)
		return fail(detail, errno);
	return true;
}

static int try_clsact(int netlink_fd)
{
	bool made;

	return clsact_create(netlink_fd, if_nametoindex("lo"), &made);
}

static int try_link(int netlink_fd, const char *kind)
{
	struct netlink_batch batch;
	struct nlmsghdr *nlh;
	struct nlattr *info;

	netlink_begin(&batch, netlink_fd);
	nlh = netlink_add(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "add a device");
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "probe0");
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	if (strcmp(kind, "vxlan") == 0) {
		struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);

		mnl_attr_put_u8(nlh, IFLA_VXLAN_COLLECT_METADATA, 1);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, info);
	return netlink_commit(&batch, NULL);
}

static int try_vxlan(int netlink_fd)
{
	return try_link(netlink_fd, "vxlan");
}

static int try_wireguard(int netlink_fd)
{
	return try_link(netlink_fd, "wireguard");
}

/* A child's own network namespace, which is gone with it: the caller's is never changed. The exit
 * status is an errno. */
static bool probe_in_netns(int (*attempt)(int netlink_fd), char *detail)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int fd, r = unshare(CLONE_NEWNET) < 0 ? -errno : netlink_open(0, &fd);

		_exit(r < 0 ? -r : -attempt(fd));
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(detail, errno);
	if (pid < 0)
		return fail(detail, errno);
	if (!WIFEXITED(status))
		return fail(detail, ECHILD);
	return WEXITSTATUS(status) == 0 || fail(detail, WEXITSTATUS(status));
}

static bool probe_clsact(char *detail)
{
	return probe_in_netns(try_clsact, detail);
}

static bool probe_vxlan(char *detail)
{
	return probe_in_netns(try_vxlan, detail);
}

static bool probe_wireguard(char *detail)
{
	return probe_in_netns(try_wireguard, detail);
}

static const struct row {
	const char *name;
	bool required;
	bool (*probe)(char *detail);
	const char *cost;
} rows[] = {
	{ "kernel 6.1", true, probe_kernel, "the programs are not tested on older kernels" },
	{ "BPF programs", true, probe_bpf, "nothing works; run as root, with CAP_BPF" },
	{ "BPF ring buffer", true, probe_ringbuf, "no flows are seen" },
	{ "BPF timer", true, probe_timer, "connections do not expire" },
	{ "bpf_loop", true, probe_loop, "connections do not expire" },
	{ "BPF JIT", false, probe_jit, "each packet costs several times as much" },
	{ "tcx", false, probe_tcx,
	  "tc clsact filters instead: others' tc commands can remove them" },
	{ "tc clsact", false, probe_clsact, "without tcx too, no program can be attached" },
	{ "netns cookie", true, probe_netns_cookie,
	  "processes' services and pods are not told apart" },
	{ "bpf_redirect_peer", false, probe_redirect_peer,
	  "packets between pods take the way through the backlog queue" },
	{ "cgroup v2", false, probe_cgroup2, "services are not translated" },
	{ "cgroup socket hooks", false, probe_sock_addr, "services are not translated" },
	{ "BTF", false, probe_btf, "processes are not observed" },
	{ "BTF tracepoints", false, probe_tp_btf, "processes are not observed" },
	{ "kprobes", false, probe_kprobe, "tracing policies with kprobes are refused" },
	{ "uprobes", false, probe_uprobe, "tracing policies with uprobes are refused" },
	{ "fentry", false, probe_fentry, "tracing policies on kernel functions use kprobes" },
	{ "BPF LSM", false, probe_lsm, "actions are stopped after the fact, not prevented" },
	{ "VXLAN", false, probe_vxlan, "no overlay between nodes; this build makes none" },
	{ "WireGuard", false, probe_wireguard,
	  "no encryption between nodes; this build makes none" },
};

static int silent(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

int kernel_features_probe(struct kernel_feature **ret, size_t *ret_count)
{
	struct kernel_feature *features = calloc(ARRAY_SIZE(rows), sizeof(*features));
	libbpf_print_fn_t before;

	if (!features)
		return -ENOMEM;
	before = libbpf_set_print(silent);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		features[i].name = rows[i].name;
		features[i].cost = rows[i].cost;
		features[i].required = rows[i].required;
		features[i].present = rows[i].probe(features[i].detail);
	}
	libbpf_set_print(before);
	*ret = features;
	*ret_count = ARRAY_SIZE(rows);
	return 0;
}
