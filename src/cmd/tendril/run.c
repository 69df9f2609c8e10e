/* SPDX-License-Identifier: Apache-2.0 */
/* A workload without a container runtime: a child in its own network namespace and cgroup. The
 * child waits until the agent has connected it; so it is isolated before its first packet. A second
 * child, the keeper, does nothing but clean up if we are killed. */
#include "admin.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/log.h"

struct workload {
	char namespace[64];
	const char *name;
	const char *dns; /* address of a server, written to the child's resolv.conf */
	json_t *labels;
	char **command;
	char id[192];
	char cgroup[512];
	pid_t pid;
	int ready[2]; /* child -> us: its namespaces stand */
	int go[2];    /* us -> child: connected */
	pid_t keeper;
	int alive; /* us -> keeper: its end is our death, a byte an end in order */
};

/* What else a name must be, the agent says; but it becomes part of a path before. */
static int set_name(struct workload *workload, const char *value)
{
	const char *slash = strchr(value, '/'), *name = slash ? slash + 1 : value;
	int len = snprintf(workload->namespace, sizeof(workload->namespace), "%.*s",
			   slash ? (int)(slash - value) : 7, slash ? value : "default");

	if (strchr(name, '/') || len >= (int)sizeof(workload->namespace)) {
		fprintf(stderr, "tendril run: name '%s', expected [NAMESPACE/]NAME\n", value);
		return EXIT_USAGE;
	}
	workload->name = name;
	return 0;
}

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct workload *workload = data;
	const char *equals = strchr(value, '=');

	if (option->name[0] == 'd') {
		struct td_addr addr;

		if (address_parse(value, &addr) < 0) {
			fprintf(stderr, "tendril run: --dns '%s', expected an address\n", value);
			return EXIT_USAGE;
		}
		workload->dns = value;
		return 0;
	}
	if (option->name[0] == 'l') {
		_cleanup_free_ char *key = strndup(value, equals ? (size_t)(equals - value) : 0);

		if (!equals || equals == value || !key) {
			fprintf(stderr, "tendril run: label '%s', expected KEY=VALUE\n", value);
			return EXIT_USAGE;
		}
		if (json_object_set_new(workload->labels, key, json_string(equals + 1)) < 0) {
			fprintf(stderr, "tendril run: a label is not in UTF-8\n");
			return EXIT_USAGE;
		}
		return 0;
	}
	return set_name(workload, value);
}

static int bring_up_loopback(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

/* A private /etc/resolv.conf for the child: its own mount namespace, a file of its own on top. */
static int use_dns(const char *address)
{
	char path[] = "/tmp/tendril-resolv-XXXXXX";
	_cleanup_close_ int fd = -1;
	int r = 0;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	fd = mkstemp(path);
	if (fd < 0)
		return -errno;
	if (dprintf(fd, "nameserver %s\n", address) < 0 || fchmod(fd, 0644) < 0 ||
	    mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0)
		r = -errno;
	unlink(path);
	return r;
}

static void child_fail(const char *what, int error)
{
	fprintf(stderr, "tendril run: %s: %s\n", what, log_strerror(error));
	_exit(126);
}

static void child(struct workload *workload)
{
	pid_t parent = getppid();
	char byte;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126); /* it died before it could be waited for */
	close(workload->ready[0]);
	close(workload->go[1]); /* or the read below would never see the parent give up */
	if (unshare(CLONE_NEWNET | (workload->dns ? CLONE_NEWNS : 0)) < 0)
		child_fail("no network namespace of its own (root is needed)", errno);
	r = bring_up_loopback();
	if (r == 0 && workload->dns)
		r = use_dns(workload->dns);
	if (r < 0)
		child_fail("its namespaces could not be set up", r);
	if (write(workload->ready[1], "", 1) != 1 || read(workload->go[0], &byte, 1) != 1)
		_exit(126); /* the parent has said why */
	execvp(workload->command[0], workload->command);
	r = errno;
	fprintf(stderr, "tendril run: %s: %s\n", workload->command[0], log_strerror(r));
	_exit(r == ENOENT ? 127 : 126);
}

static int start_child(struct workload *workload)
{
	char byte;

	if (pipe2(workload->ready, O_CLOEXEC) < 0 || pipe2(workload->go, O_CLOEXEC) < 0)
		return -errno;
	workload->pid = fork();
	if (workload->pid < 0)
		return -errno;
	if (workload->pid == 0)
		child(workload);
	close(workload->ready[1]);
	close(workload->go[0]);
	if (read(workload->ready[0], &byte, 1) != 1)
		return -ECHILD;
	return 0;
}

static int write_cgroup(const struct workload *workload, const char *name, int value)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "%s/%s", workload->cgroup, name) < 0)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || dprintf(fd, "%d\n", value) < 0 ? -errno : 0;
}

static int make_cgroup(const struct cli *cli, struct workload *workload)
{
	_cleanup_json_ json_t *config = NULL;
	const char *root;
	int r = admin_get(cli, "/v1/config", &config);

	if (r)
		return r;
	root = json_string_value(json_object_get(config, "cgroup_root"));
	if (!root || !*root)
		return 0;
	snprintf(workload->cgroup, sizeof(workload->cgroup), "%s/%s", root, workload->id);
	if (mkdir(workload->cgroup, 0755) < 0 && errno != EEXIST) {
		fprintf(stderr, "tendril run: cgroup %s: %s\n", workload->cgroup,
			log_strerror(errno));
		workload->cgroup[0] = '\0';
		return EXIT_NO;
	}
	return 0;
}

static int join_cgroup(struct workload *workload)
{
	int r = *workload->cgroup ? write_cgroup(workload, "cgroup.procs", workload->pid) : 0;

	if (r == 0)
		return 0;
	fprintf(stderr, "tendril run: cgroup %s: %s\n", workload->cgroup, log_strerror(r));
	return EXIT_NO;
}

/* What the command left running goes with it: it would keep the network namespace. */
static void remove_cgroup(const struct workload *workload)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000000L };

	if (!*workload->cgroup)
		return;
	for (int i = 0; i < 100; i++) {
		if (rmdir(workload->cgroup) == 0 || errno != EBUSY)
			return;
		write_cgroup(workload, "cgroup.kill", 1);
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "tendril run: cgroup %s does not become empty\n", workload->cgroup);
}

static int attach(const struct cli *cli, struct workload *workload)
{
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_json_ json_t *body = NULL;
	char netns[64];

	snprintf(netns, sizeof(netns), "/proc/%d/ns/net", workload->pid);
	body = json_pack("{s:s, s:s, s:s, s:O, s:s}", "container_id", workload->id, "namespace",
			 workload->namespace, "name", workload->name, "labels", workload->labels,
			 "netns", netns);
	return admin_post(cli, "/v1/run", body, &answer);
}

static void detach(const struct cli *cli, struct workload *workload)
{
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_json_ json_t *body = json_pack("{s:s, s:s, s:s}", "container_id", workload->id,
						"ifname", "eth0", "netns", "");

	admin_post(cli, "/v1/cni/del", body, &answer);
}

/* Of no terminal and no process group of ours, so that what ends us leaves it alone. */
static void keep(const struct cli *cli, struct workload *workload, int alive)
{
	int null = open("/dev/null", O_RDWR);
	char byte;
	ssize_t n;

	setsid();
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	do
		n = read(alive, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 0) {
		remove_cgroup(workload);
		detach(cli, workload);
	}
	_exit(0);
}

static int start_keeper(const struct cli *cli, struct workload *workload)
{
	int alive[2];

	if (pipe2(alive, O_CLOEXEC) < 0)
		return -errno;
	workload->keeper = fork();
	if (workload->keeper < 0)
		return -errno;
	if (workload->keeper == 0) {
		close(alive[1]);
		keep(cli, workload, alive[0]);
	}
	close(alive[0]);
	workload->alive = alive[1];
	return 0;
}

static void dismiss_keeper(const struct workload *workload)
{
	if (write(workload->alive, "", 1) == 1)
		waitpid(workload->keeper, NULL, 0);
}

static pid_t forward_to;

/* A terminal's keys signal its whole foreground process group, and the command is of ours unless it made
 * one of its own. A hangup comes to the session's leader alone (tty_io.c, tty_jobctrl.c in the kernel). */
static bool has_it_already(int signal, const siginfo_t *info)
{
	return info->si_code == SI_KERNEL && getpgid(forward_to) == getpgrp() &&
	       (signal != SIGHUP || getsid(0) != getpid());
}

static void forward(int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	if (!has_it_already(signal, info))
		kill(forward_to, signal);
	errno = saved;
}

/* Before the command runs: a signal that ended us would end it too, untold. */
static void forward_signals(const struct workload *workload)
{
	static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
	struct sigaction action = { .sa_sigaction = forward, .sa_flags = SA_SIGINFO };

	forward_to = workload->pid;
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++)
		sigaction(forwarded[i], &action, NULL);
}

static int wait_child(const struct workload *workload)
{
	int status;

	while (waitpid(workload->pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_NO;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_child(const struct cli *cli, struct workload *workload)
{
	int status, r = start_child(workload);
	bool attached = false;

	if (r < 0) {
		if (r != -ECHILD)
			fprintf(stderr, "tendril run: %s\n", log_strerror(r));
		return EXIT_NO;
	}
	r = join_cgroup(workload);
	if (r == 0)
		r = attach(cli, workload);
	attached = r == 0;
	forward_signals(workload);
	if (attached && write(workload->go[1], "", 1) != 1)
		r = EXIT_NO;
	close(workload->go[1]);
	status = wait_child(workload);
	remove_cgroup(workload);
	if (attached)
		detach(cli, workload);
	return r ? r : status;
}

static int run_workload(const struct cli *cli, struct workload *workload)
{
	int r = make_cgroup(cli, workload);

	if (r)
		return r;
	r = start_keeper(cli, workload);
	if (r < 0) {
		fprintf(stderr, "tendril run: %s\n", log_strerror(r));
		remove_cgroup(workload);
		return EXIT_NO;
	}
	r = run_child(cli, workload);
	if (r == EXIT_NO)
		remove_cgroup(workload);
	dismiss_keeper(workload);
	return r;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	_cleanup_json_ json_t *labels = json_object();
	struct workload workload = { .labels = labels };
	int first, r = verb_parse(verb, argc, argv, true, set, &workload, &first);

	if (r)
		return r;
	if (!workload.name || !*workload.name)
		return verb_usage_error(verb, "no name given (--name NAMESPACE/NAME)");
	if (first >= argc)
		return verb_usage_error(verb, "no command given");
	workload.command = argv + first;
	if ((size_t)snprintf(workload.id, sizeof(workload.id), "run-%s-%s-%d", workload.namespace,
			     workload.name, getpid()) >= sizeof(workload.id))
		return verb_usage_error(verb, "the name '%s' is too long", workload.name);
	return run_workload(cli, &workload);
}

static const struct verb_option options[] = {
	{ 0, "name", "[NAMESPACE/]NAME", "who the workload is", NULL },
	{ 0, "label", "KEY=VALUE", "a label; may be repeated", NULL },
	{ 0, "dns", "ADDRESS", "DNS server in the workload's own /etc/resolv.conf", NULL },
	{},
};

const struct verb verb_run = {
	.name = "run",
	.summary = "run a command as a workload of its own",
	.synopsis = "--name [NAMESPACE/]NAME [--label KEY=VALUE ...] -- COMMAND [ARGUMENT ...]",
	.help = "Example: tendril run --name default/xwing --label org=alliance -- curl "
		"http://deathstar/\n\n"
		"Runs a command in a network namespace and a cgroup of its own, connected and policed\n"
		"like a container, without a container runtime. Exits as the command does; the\n"
		"interface and address are given back then.",
	.options = options,
	.run = run,
};
