/* SPDX-License-Identifier: Apache-2.0 */
/* Golden policies: each file of a directory tells a cluster, policies and every verdict.
 *
 *	policy_golden_test DIRECTORY
 *
 * A line is a command; '#' starts a comment:
 *	world FILE                                  the lines of another file here
 *	namespace NAME LABELS                       labels as a=b,c=d or -
 *	namespace-delete NAME
 *	pod NS/NAME ADDRESS ACCOUNT LABELS [NAME/PROTOCOL=PORT ...]     address or -
 *	relabel NS/NAME LABELS
 *	pod-delete NS/NAME
 *	peers PEER ...                              what the places of a row stand for
 *	put YAML                                    one object on one line
 *	refuse YAML                                 an object that must be refused
 *	inventory YAML                              the inventory, instead of the one before
 *	delete KIND NAMESPACE NAME                  namespace - for none
 *	expect ingress|egress PROBE,... POD,... ROW           . allowed, X denied, A audited */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "tests/golden/policy_world.h"

#define PEERS_MAX 32

static const char *directory;

struct script {
	struct policy_world *world;
	const char *file;
	unsigned int line;
	char *peers[PEERS_MAX];
	size_t peer_count;
	unsigned int cells;
};

static char *word(char **rest)
{
	char *found = NULL;

	while (*rest && (!found || !*found))
		found = strsep(rest, " \n");
	return found && *found ? found : NULL;
}

static char *need(struct script *script, char **rest)
{
	char *found = word(rest);

	if (!found)
		fail_msg("%s:%u: a word is missing", script->file, script->line);
	return found;
}

static void run_file(struct script *script, const char *name);

static void do_world(struct script *script, char *rest)
{
	run_file(script, need(script, &rest));
}

static void do_namespace(struct script *script, char *rest)
{
	char *name = need(script, &rest);

	policy_world_namespace(script->world, name, need(script, &rest));
}

static void do_namespace_delete(struct script *script, char *rest)
{
	policy_world_namespace_delete(script->world, need(script, &rest));
}

static void parse_port(struct script *script, char *text, struct named_port *ret)
{
	char *slash = strchr(text, '/'), *equals = strchr(text, '=');

	if (!slash || !equals || equals < slash)
		fail_msg("%s:%u: port \"%s\"", script->file, script->line, text);
	*slash = *equals = '\0';
	*ret = (struct named_port){ .name = text, .port = (uint16_t)atoi(equals + 1) };
	ret->protocol = strcmp(slash + 1, "TCP") == 0   ? IPPROTO_TCP
			: strcmp(slash + 1, "UDP") == 0 ? IPPROTO_UDP
							: IPPROTO_SCTP;
}

static void do_pod(struct script *script, char *rest)
{
	struct named_port ports[16];
	char *full = need(script, &rest), *slash = strchr(full, '/'), *text;
	struct policy_world_pod pod = { .namespace = full, .ports = ports };

	assert_non_null(slash);
	*slash = '\0';
	pod.name = slash + 1;
	pod.address = need(script, &rest);
	pod.account = need(script, &rest);
	pod.labels = need(script, &rest);
	while ((text = word(&rest)) && pod.port_count < ARRAY_SIZE(ports))
		parse_port(script, text, &ports[pod.port_count++]);
	policy_world_pod(script->world, &pod);
}

static void do_relabel(struct script *script, char *rest)
{
	char *pod = need(script, &rest);

	policy_world_relabel(script->world, pod, need(script, &rest));
}

static void do_pod_delete(struct script *script, char *rest)
{
	policy_world_pod_delete(script->world, need(script, &rest));
}

static void forget_peers(struct script *script)
{
	while (script->peer_count)
		free(script->peers[--script->peer_count]);
}

static void do_peers(struct script *script, char *rest)
{
	char *peer;

	forget_peers(script);
	while ((peer = word(&rest)) && script->peer_count < PEERS_MAX)
		script->peers[script->peer_count++] = strdup(peer);
}

static void do_put(struct script *script, char *rest)
{
	policy_world_put(script->world, rest);
}

static void do_inventory(struct script *script, char *rest)
{
	policy_world_inventory(script->world, rest);
}

static void do_refuse(struct script *script, char *rest)
{
	policy_world_refuse(script->world, rest);
	script->cells++;
}

static void do_delete(struct script *script, char *rest)
{
	char *kind = need(script, &rest), *namespace = need(script, &rest);

	policy_world_delete(script->world, kind, strcmp(namespace, "-") == 0 ? "" : namespace,
			    need(script, &rest));
}

static void expect_row(struct script *script, enum td_direction direction, const char *probe,
		       const char *subject, const char *want)
{
	char got[PEERS_MAX + 1] = "";

	assert_int_equal(strlen(want), script->peer_count);
	for (size_t i = 0; i < script->peer_count; i++)
		got[i] = policy_world_verdict(script->world, direction, probe, subject,
					      script->peers[i]);
	script->cells += (unsigned int)script->peer_count;
	if (strcmp(got, want) != 0)
		fail_msg("%s:%u: %s of %s, %s: got %s, expected %s", script->file, script->line,
			 direction == TD_INGRESS ? "ingress" : "egress", subject, probe, got, want);
}

static void do_expect(struct script *script, char *rest)
{
	const char *direction = need(script, &rest);
	char *probes = need(script, &rest), *subjects = need(script, &rest), *probe, *subject;
	char *row = need(script, &rest);

	assert_true(strcmp(direction, "ingress") == 0 || strcmp(direction, "egress") == 0);
	while ((probe = strsep(&probes, ","))) {
		char *copy = strdup(subjects), *left = copy;

		while ((subject = strsep(&left, ",")))
			expect_row(script, *direction == 'i' ? TD_INGRESS : TD_EGRESS, probe,
				   subject, row);
		free(copy);
	}
}

static const struct {
	const char *name;
	void (*run)(struct script *script, char *rest);
} commands[] = {
	{ "world", do_world },
	{ "namespace", do_namespace },
	{ "namespace-delete", do_namespace_delete },
	{ "pod", do_pod },
	{ "relabel", do_relabel },
	{ "pod-delete", do_pod_delete },
	{ "peers", do_peers },
	{ "put", do_put },
	{ "inventory", do_inventory },
	{ "refuse", do_refuse },
	{ "delete", do_delete },
	{ "expect", do_expect },
};

static void run_line(struct script *script, char *line)
{
	char *rest = line, *name = word(&rest);

	if (!name || *name == '#')
		return;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0) {
			commands[i].run(script, rest);
			return;
		}
	}
	fail_msg("%s:%u: no command \"%s\"", script->file, script->line, name);
}

static void run_file(struct script *script, const char *name)
{
	const char *outer_file = script->file;
	unsigned int outer_line = script->line;
	_cleanup_free_ char *path = NULL, *line = NULL;
	_cleanup_fclose_ FILE *file = NULL;
	size_t size = 0;

	assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
	file = fopen(path, "re");
	if (!file)
		fail_msg("%s: cannot be read", path);
	script->file = name;
	script->line = 0;
	while (getline(&line, &size, file) >= 0) {
		script->line++;
		run_line(script, line);
	}
	script->file = outer_file;
	script->line = outer_line;
}

static void run_case(void **state)
{
	struct script script = { .world = policy_world_new() };

	run_file(&script, *state);
	if (!script.cells)
		fail_msg("%s expects nothing", (const char *)*state);
	forget_peers(&script);
	policy_world_free(script.world);
}

static int is_case(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && strcmp(entry->d_name + len - 5, ".case") == 0;
}

int main(int argc, char **argv)
{
	struct CMUnitTest *tests;
	struct dirent **names;
	int count, failed;

	directory = argc > 1 ? argv[1] : "tests/golden/policy";
	count = scandir(directory, &names, is_case, alphasort);
	if (count <= 0) {
		fprintf(stderr, "%s: no cases\n", directory);
		return 1;
	}
	tests = calloc((size_t)count, sizeof(*tests));
	if (!tests)
		return 1;
	for (int i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){ .name = names[i]->d_name,
						.test_func = run_case,
						.initial_state = names[i]->d_name };
	failed = _cmocka_run_group_tests("policies", tests, (size_t)count, NULL, NULL);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	free(tests);
	return failed;
}
