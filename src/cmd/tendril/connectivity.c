/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a running node from end to end: workloads of its own, policies of its own, real packets,
 * and the flows they should have left. */
#include "admin.h"
#include "probe_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"

#define TIMEOUT_DEFAULT_MS 1000

enum who { SERVER, FRIEND, STRANGER, WHO_COUNT };

static const char *const names[WHO_COUNT] = { "server", "friend", "stranger" };

struct peer {
	pid_t pid;
	FILE *to, *from;
	char ipv4[ADDRESS_TEXT_MAX], ipv6[ADDRESS_TEXT_MAX]; /* "" if none */
};

struct test {
	const struct cli *cli;
	char namespace[48];
	char timeout[16];
	struct peer peers[WHO_COUNT];
	unsigned int passed, failed, skipped;
};

static const char policy_text[] =
	"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"
	"metadata: {name: connectivity-test, namespace: %s}\n"
	"spec:\n"
	"  endpointSelector: {matchLabels: {app: server}}\n"
	"  ingress:\n"
	"  - fromEndpoints: [{matchLabels: {app: friend}}]\n"
	"    toPorts: [{ports: [{port: \"%d\", protocol: TCP}, {port: \"%d\", protocol: UDP}]}]\n";

/* One probe, made over each family there is. */
static const struct check {
	const char *name;
	enum who from;
	const char *protocol;
	unsigned int port;
	bool with_policy, want;
} checks[] = {
	{ "without a policy: TCP", STRANGER, "tcp", PROBE_PORT_OPEN, false, true },
	{ "without a policy: UDP", STRANGER, "udp", PROBE_PORT_OPEN, false, true },
	{ "without a policy: ICMP", STRANGER, "icmp", 0, false, true },
	{ "allowed by labels and port: TCP", FRIEND, "tcp", PROBE_PORT_OPEN, true, true },
	{ "allowed by labels and port: UDP", FRIEND, "udp", PROBE_PORT_OPEN, true, true },
	{ "denied: another port", FRIEND, "tcp", PROBE_PORT_CLOSED, true, false },
	{ "denied: another protocol (ICMP)", FRIEND, "icmp", 0, true, false },
	{ "denied: another workload, TCP", STRANGER, "tcp", PROBE_PORT_OPEN, true, false },
	{ "denied: another workload, UDP", STRANGER, "udp", PROBE_PORT_OPEN, true, false },
};

static void report(struct test *test, bool passed, const char *name, const char *detail)
{
	const char *green = test->cli->color ? "\033[32m" : "";
	const char *red = test->cli->color ? "\033[31m" : "";
	const char *plain = test->cli->color ? "\033[0m" : "";

	if (passed) {
		test->passed++;
		printf("%sok%s      %s\n", green, plain, name);
	} else {
		test->failed++;
		printf("%sFAILED%s  %s: %s\n", red, plain, name, detail);
	}
	fflush(stdout);
}

static void exec_agent(struct test *test, enum who who, int in, int out)
{
	char name[80], label[32];

	snprintf(name, sizeof(name), "%s/%s", test->namespace, names[who]);
	snprintf(label, sizeof(label), "app=%s", names[who]);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execl("/proc/self/exe", "tendril", "--run-dir", test->cli->run_dir, "run", "--name", name,
	      "--label", label, "--", "/proc/self/exe", "connectivity", "agent", "--timeout",
	      test->timeout, (char *)NULL);
	_exit(127);
}

static int start_peer(struct test *test, enum who who)
{
	struct peer *peer = &test->peers[who];
	int to[2], from[2];
	char line[16];

	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		return -errno;
	peer->pid = fork();
	if (peer->pid < 0)
		return -errno;
	if (peer->pid == 0)
		exec_agent(test, who, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	peer->to = fdopen(to[1], "we");
	peer->from = fdopen(from[0], "re");
	if (!peer->to || !peer->from)
		return -ENOMEM;
	if (!fgets(line, sizeof(line), peer->from) || strcmp(line, "ready\n"))
		return -ECHILD; /* `tendril run` has said why on stderr */
	return 0;
}

static void stop_peer(struct peer *peer)
{
	if (peer->to)
		fclose(peer->to); /* the workload ends with its stdin */
	if (peer->from)
		fclose(peer->from);
	if (peer->pid > 0)
		waitpid(peer->pid, NULL, 0);
}

static void copy_text(char *into, size_t size, const json_t *value)
{
	const char *text = json_string_value(value);

	snprintf(into, size, "%s", text ? text : "");
}

static int find_addresses(struct test *test)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *row;
	size_t i;
	int r = admin_get(test->cli, "/v1/endpoints", &answer);

	if (r)
		return r;
	json_array_foreach (json_object_get(answer, "endpoints"), i, row) {
		const char *namespace = json_string_value(json_object_get(row, "namespace"));
		const char *name = json_string_value(json_object_get(row, "name"));

		if (!namespace || !name || strcmp(namespace, test->namespace))
			continue;
		for (enum who who = 0; who < WHO_COUNT; who++) {
			if (strcmp(name, names[who]))
				continue;
			copy_text(test->peers[who].ipv4, ADDRESS_TEXT_MAX,
				  json_object_get(row, "ipv4"));
			copy_text(test->peers[who].ipv6, ADDRESS_TEXT_MAX,
				  json_object_get(row, "ipv6"));
		}
	}
	return 0;
}

static int ask(struct peer *peer, const char *protocol, const char *address, unsigned int port,
	       char *answer, size_t size)
{
	fprintf(peer->to, "%s %s %u\n", protocol, address, port);
	if (fflush(peer->to) || !fgets(answer, (int)size, peer->from))
		return -EPIPE;
	answer[strcspn(answer, "\n")] = '\0';
	return 0;
}

static void run_check(struct test *test, const struct check *check, const char *address,
		      const char *family)
{
	char name[128], answer[64] = "the workload is gone", detail[160];
	bool worked;

	snprintf(name, sizeof(name), "%s over %s", check->name, family);
	worked = ask(&test->peers[check->from], check->protocol, address, check->port, answer,
		     sizeof(answer)) == 0 &&
		 strcmp(answer, "ok") == 0;
	snprintf(detail, sizeof(detail), "got '%s', expected it to %s (%s -> %s port %u)", answer,
		 check->want ? "work" : "be denied", names[check->from], address, check->port);
	report(test, worked == check->want && strncmp(answer, "error", 5), name, detail);
}

static void run_checks(struct test *test, bool with_policy)
{
	const struct peer *server = &test->peers[SERVER];

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		if (checks[i].with_policy != with_policy)
			continue;
		if (*server->ipv4)
			run_check(test, &checks[i], server->ipv4, "IPv4");
		if (*server->ipv6)
			run_check(test, &checks[i], server->ipv6, "IPv6");
	}
}

static int put_policy(struct test *test)
{
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, policy_text, test->namespace, PROBE_PORT_OPEN, PROBE_PORT_OPEN) < 0)
		return EXIT_NO;
	return admin_request(test->cli, "POST", "/v1/objects?name=connectivity-test", text,
			     strlen(text), &answer);
}

static void remove_policy(struct test *test)
{
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path,
		     "/v1/objects?kind=CiliumNetworkPolicy&namespace=%s&name=connectivity-test",
		     test->namespace) < 0)
		return;
	admin_request(test->cli, "DELETE", path, NULL, 0, &answer);
}

/* Lines of `tendril observe` with this verdict between the peers. */
static long count_flows(struct test *test, const char *verdict, enum who from)
{
	_cleanup_free_ char *command = NULL;
	char line[1024];
	long count = 0;
	FILE *lines;

	if (asprintf(
		    &command,
		    "/proc/%d/exe --run-dir '%s' observe --last 1000 --verdict %s --from-pod %s/%s "
		    "--to-pod %s/%s -o compact 2>/dev/null",
		    getpid(), test->cli->run_dir, verdict, test->namespace, names[from],
		    test->namespace, names[SERVER]) < 0)
		return -1;
	lines = popen(command, "re");
	if (!lines)
		return -1;
	while (fgets(line, sizeof(line), lines))
		count++;
	return pclose(lines) == 0 ? count : -1;
}

/* Flows arrive a moment after their packets. */
static void check_flows(struct test *test, const char *verdict, enum who from, const char *name)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000000L };
	long count = 0;

	for (int try = 0; try < 30 && count == 0; try++) {
		count = count_flows(test, verdict, from);
		if (count == 0)
			nanosleep(&pause, NULL);
	}
	if (count < 0) {
		test->skipped++;
		printf("skipped %s: no observer answers at %s\n", name, test->cli->grpc_socket);
		return;
	}
	report(test, count > 0, name, "no such flow was reported");
}

static int run_all(struct test *test)
{
	int r;

	for (enum who who = 0; who < WHO_COUNT; who++) {
		r = start_peer(test, who);
		if (r < 0) {
			fprintf(stderr, "tendril connectivity: workload %s did not start: %s\n",
				names[who], log_strerror(r));
			return EXIT_NO;
		}
	}
	r = find_addresses(test);
	if (r)
		return r;
	run_checks(test, false);
	r = put_policy(test);
	if (r)
		return r;
	run_checks(test, true);
	check_flows(test, "FORWARDED", FRIEND, "flows: the allowed ones are reported");
	check_flows(test, "DROPPED", STRANGER, "flows: the denied ones are reported");
	remove_policy(test);
	return 0;
}

static int run_test(const struct cli *cli, unsigned int timeout_ms)
{
	struct test test = { .cli = cli };
	int r;

	signal(SIGPIPE, SIG_IGN);
	snprintf(test.namespace, sizeof(test.namespace), "tendril-test-%d", getpid());
	snprintf(test.timeout, sizeof(test.timeout), "%u", timeout_ms);
	r = find_addresses(&test); /* there are none yet, but is there an agent? */
	if (r)
		return r;
	r = run_all(&test);
	for (enum who who = 0; who < WHO_COUNT; who++)
		stop_peer(&test.peers[who]);
	printf("%u passed, %u failed, %u skipped\n", test.passed, test.failed, test.skipped);
	return r ? r : test.failed || !test.passed ? EXIT_NO : 0;
}

static int set(const struct verb_option *option, const char *value, void *data)
{
	unsigned int *timeout_ms = data;
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	(void)option;
	if (*end || number < 10 || number > 60000) {
		fprintf(stderr, "tendril connectivity: timeout '%s', expected 10 to 60000 ms\n",
			value);
		return EXIT_USAGE;
	}
	*timeout_ms = (unsigned int)number;
	return 0;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	unsigned int timeout_ms = TIMEOUT_DEFAULT_MS;
	int first, r = verb_parse(verb, argc, argv, false, set, &timeout_ms, &first);

	if (r)
		return r;
	if (argc - first == 1 && strcmp(argv[first], "agent") == 0)
		return probe_agent_run(timeout_ms);
	if (argc - first != 1 || strcmp(argv[first], "test"))
		return verb_usage_error(verb, "expected 'tendril connectivity test'");
	return run_test(cli, timeout_ms);
}

static const struct verb_option options[] = {
	{ 0, "timeout", "MS", "how long a probe waits, 10 to 60000 (default 1000)", NULL },
	{},
};

const struct verb verb_connectivity = {
	.name = "connectivity",
	.summary = "test this node with real traffic",
	.synopsis = "test [--timeout MS]",
	.help = "Example: tendril connectivity test\n\n"
		"Starts three workloads in a namespace of their own, sends TCP, UDP and ICMP between\n"
		"them over IPv4 and IPv6, without a policy and with one, and compares what happened\n"
		"and which flows were reported with what should be. Removes everything again. Other\n"
		"workloads of the node are not touched.",
	.arguments = "test",
	.options = options,
	.run = run,
};
