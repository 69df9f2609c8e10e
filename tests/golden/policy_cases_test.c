/* SPDX-License-Identifier: Apache-2.0 */
/* Larger case collections, when they are at hand: every cell of every case.
 *
 *	policy_cases_test DIRECTORY
 *
 * DIRECTORY (or TENDRIL_TEST_CASES) holds knp/ (steps of actions on a cluster, then tables with
 * sources as rows) and cnp/ (sets of policies, then a row of peers per subject). Exits 77 (skipped)
 * if it is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "tests/golden/policy_world.h"

#define PORTS_MAX 16
#define SKIPPED   77

static const char *directory;

static json_t *load(const char *name, FILE *file)
{
	json_error_t error;
	json_t *json = file ? json_loadf(file, JSON_DISABLE_EOF_CHECK, &error) : NULL;

	if (!json)
		fail_msg("%s: %s", name, file ? error.text : "cannot be read");
	return json;
}

static FILE *open_case_file(const char *name)
{
	_cleanup_free_ char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
	return fopen(path, "re");
}

static json_t *load_file(const char *name)
{
	_cleanup_fclose_ FILE *file = open_case_file(name);

	return load(name, file);
}

static const char *text_of(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

/* "a=b,c=d"; keys that the agent derives left out. Caller frees. */
static char *labels_text(json_t *labels)
{
	char *text = strdup("-");
	const char *key;
	json_t *value;

	json_object_foreach (labels, key, value) {
		bool first = strcmp(text, "-") == 0;
		char *longer;

		if (strncmp(key, "io.", 3) == 0)
			continue;
		assert_true(asprintf(&longer, "%s%s%s=%s", first ? "" : text, first ? "" : ",", key,
				     json_string_value(value)) > 0);
		free(text);
		text = longer;
	}
	return text;
}

static uint8_t protocol_of(const char *name)
{
	return strcmp(name, "TCP") == 0   ? IPPROTO_TCP
	       : strcmp(name, "UDP") == 0 ? IPPROTO_UDP
					  : IPPROTO_SCTP;
}

static void add_pod(struct policy_world *world, json_t *json)
{
	_cleanup_free_ char *labels = labels_text(json_object_get(json, "labels"));
	json_t *ports = json_object_get(json, "ports"), *item;
	struct named_port named[PORTS_MAX];
	struct policy_world_pod pod = { .namespace = text_of(json, "namespace"),
					.name = text_of(json, "name"),
					.labels = labels,
					.address = text_of(json, "ip"),
					.ports = named };
	size_t i;

	json_array_foreach (ports, i, item) {
		assert_true(i < PORTS_MAX);
		named[pod.port_count++] = (struct named_port){
			(char *)text_of(item, "name"), protocol_of(text_of(item, "protocol")),
			(uint16_t)json_integer_value(json_object_get(item, "port"))
		};
	}
	policy_world_pod(world, &pod);
}

static void add_namespace(struct policy_world *world, const char *name, json_t *json)
{
	_cleanup_free_ char *labels = labels_text(json);

	policy_world_namespace(world, name, labels);
}

static struct policy_world *knp_world(const char *layout)
{
	struct policy_world *world = policy_world_new();
	_cleanup_free_ char *name = NULL;
	const char *namespace;
	json_t *cluster, *item;
	size_t i;

	assert_true(asprintf(&name, "knp/cluster-%s.json", layout) > 0);
	cluster = load_file(name);
	json_object_foreach (json_object_get(cluster, "namespaces"), namespace, item)
		add_namespace(world, namespace, item);
	json_array_foreach (json_object_get(cluster, "pods"), i, item)
		add_pod(world, item);
	json_decref(cluster);
	return world;
}

static void put_json(struct policy_world *world, json_t *object)
{
	_cleanup_free_ char *text = json_dumps(object, JSON_COMPACT);

	policy_world_put(world, text);
}

static void knp_action(struct policy_world *world, json_t *action)
{
	const char *op = text_of(action, "op"), *namespace = text_of(action, "namespace");
	_cleanup_free_ char *labels = labels_text(json_object_get(action, "labels"));
	const char *name = text_of(action, "name");
	char full[64];

	snprintf(full, sizeof(full), "%s/%s", namespace ? namespace : "", name ? name : "");
	if (strcmp(op, "createPolicy") == 0 || strcmp(op, "updatePolicy") == 0)
		put_json(world, json_object_get(action, "policy"));
	else if (strcmp(op, "deletePolicy") == 0)
		policy_world_delete(world, "NetworkPolicy", namespace, name);
	else if (strcmp(op, "createNamespace") == 0 || strcmp(op, "setNamespaceLabels") == 0)
		policy_world_namespace(world, namespace, labels);
	else if (strcmp(op, "deleteNamespace") == 0)
		policy_world_namespace_delete(world, namespace);
	else if (strcmp(op, "createPod") == 0)
		add_pod(world, action);
	else if (strcmp(op, "deletePod") == 0)
		policy_world_pod_delete(world, full);
	else if (strcmp(op, "setPodLabels") == 0)
		policy_world_relabel(world, full, labels);
	else
		fail_msg("unknown action %s", op);
}

static unsigned int cells;

static char want_cell(json_t *tables, const char *table, size_t row, size_t column)
{
	json_t *rows = json_object_get(tables, table);

	return json_string_value(json_array_get(rows, row))[column];
}

static void check_pair(struct policy_world *world, json_t *order, const char *probe, json_t *tables,
		       size_t from, size_t to, bool blocks, const char *id)
{
	const char *source = json_string_value(json_array_get(order, from));
	const char *target = json_string_value(json_array_get(order, to));
	char egress = policy_world_verdict(world, TD_EGRESS, probe, source, target, blocks);
	char ingress = policy_world_verdict(world, TD_INGRESS, probe, target, source, blocks);
	char both = egress == '.' && ingress == '.' ? '.' : 'X';

	cells += 3;
	if (egress != want_cell(tables, "egress", from, to) ||
	    ingress != want_cell(tables, "ingress", from, to) ||
	    both != want_cell(tables, "combined", from, to))
		fail_msg("%s: %s -> %s %s: egress %c ingress %c, expected %c %c", id, source,
			 target, probe, egress, ingress, want_cell(tables, "egress", from, to),
			 want_cell(tables, "ingress", from, to));
}

static void check_tables(struct policy_world *world, json_t *order, json_t *expected, bool blocks,
			 const char *id)
{
	size_t count = json_array_size(order);
	const char *probe;
	json_t *tables;

	json_object_foreach (expected, probe, tables) {
		for (size_t from = 0; from < count; from++)
			for (size_t to = 0; to < count; to++)
				check_pair(world, order, probe, tables, from, to, blocks, id);
	}
}

static void knp_case(json_t *json)
{
	_cleanup_(policy_world_freep) struct policy_world *world =
		knp_world(text_of(json, "layout"));
	const char *id = text_of(json, "id");
	json_t *step, *action, *other;
	size_t s, a;

	json_array_foreach (json_object_get(json, "steps"), s, step) {
		json_t *order = json_object_get(step, "order");

		json_array_foreach (json_object_get(step, "actions"), a, action)
			knp_action(world, action);
		check_tables(world, order, json_object_get(step, "expected"), true, id);
		other = json_object_get(step, "expected_if_ipblock_never_matches_pods");
		if (other)
			check_tables(world, order, other, false, id);
	}
}

static void add_cnp_pod(struct policy_world *world, json_t *json)
{
	json_t *labels = json_object_get(json, "labels"), *value;
	_cleanup_free_ char *text = labels_text(labels);
	_cleanup_free_ char *full = strdup(text_of(json, "name"));
	struct named_port named[PORTS_MAX];
	struct policy_world_pod pod = { .labels = text, .ports = named };
	char *names[PORTS_MAX];
	const char *key;

	pod.namespace = strtok(full, "/");
	pod.name = strtok(NULL, "/");
	pod.account = text_of(labels, LABEL_SERVICE_ACCOUNT);
	json_object_foreach (json_object_get(json, "named_ports"), key, value) {
		char *slash, *name = names[pod.port_count] = strdup(key);

		slash = strchr(name, '/');
		*slash = '\0';
		named[pod.port_count++] =
			(struct named_port){ name, protocol_of(slash + 1),
					     (uint16_t)json_integer_value(value) };
	}
	policy_world_pod(world, &pod);
	while (pod.port_count)
		free(names[--pod.port_count]);
}

static struct policy_world *cnp_world(json_t *cluster)
{
	static const char *const namespaces[][2] = { { "x", "ns=x" },
						     { "y", "ns=y" },
						     { "z", "ns=z" } };
	struct policy_world *world = policy_world_new();
	json_t *pod;
	size_t i;

	for (size_t n = 0; n < ARRAY_SIZE(namespaces); n++)
		policy_world_namespace(world, namespaces[n][0], namespaces[n][1]);
	json_array_foreach (json_object_get(cluster, "pods"), i, pod)
		add_cnp_pod(world, pod);
	return world;
}

static void check_row(struct policy_world *world, json_t *peers, enum td_direction direction,
		      const char *probe, const char *subject, const char *want, const char *id)
{
	char got[64] = "";

	assert_int_equal(json_array_size(peers), strlen(want));
	for (size_t i = 0; i < strlen(want); i++)
		got[i] = policy_world_verdict(world, direction, probe, subject,
					      json_string_value(json_array_get(peers, i)), true);
	cells += (unsigned int)strlen(want);
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s of %s, %s: got %s, expected %s", id,
			 direction == TD_INGRESS ? "ingress" : "egress", subject, probe, got, want);
}

static void cnp_case(json_t *json, json_t *cluster)
{
	static const char *const directions[] = { "ingress", "egress" };
	_cleanup_(policy_world_freep) struct policy_world *world = cnp_world(cluster);
	json_t *peers = json_object_get(json, "peers"), *policy, *rows, *row;
	const char *probe, *subject;
	size_t i;

	json_array_foreach (json_object_get(json, "policies"), i, policy)
		put_json(world, policy);
	for (int d = 0; d < 2; d++)
		json_object_foreach (
			json_object_get(json_object_get(json, "expected"), directions[d]), probe,
			rows)
			json_object_foreach (rows, subject, row)
				check_row(world, peers, (enum td_direction)d, probe, subject,
					  json_string_value(row), text_of(json, "id"));
}

static json_t *next_case(FILE *file)
{
	int c = fgetc(file);

	while (c == '\n')
		c = fgetc(file);
	if (c == EOF)
		return NULL;
	ungetc(c, file);
	return load("case", file);
}

static void knp_file(void **state)
{
	_cleanup_fclose_ FILE *file = open_case_file(*state);
	json_t *json;

	assert_non_null(file);
	for (cells = 0; (json = next_case(file)); json_decref(json))
		knp_case(json);
	print_message("%s: %u cells\n", (const char *)*state, cells);
	assert_int_not_equal(cells, 0);
}

static void cnp_file(void **state)
{
	_cleanup_fclose_ FILE *file = open_case_file(*state);
	json_t *cluster = load_file("cnp/cluster.json"), *json;

	assert_non_null(file);
	for (cells = 0; (json = next_case(file)); json_decref(json))
		cnp_case(json, cluster);
	json_decref(cluster);
	print_message("%s: %u cells\n", (const char *)*state, cells);
	assert_int_not_equal(cells, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(knp_file, (char *)"knp/cases.jsonl"),
		cmocka_unit_test_prestate(knp_file, (char *)"knp/cases-v4-split.jsonl"),
		cmocka_unit_test_prestate(knp_file, (char *)"knp/cases-v6-split.jsonl"),
		cmocka_unit_test_prestate(cnp_file, (char *)"cnp/cases.jsonl"),
	};
	FILE *there;

	directory = getenv("TENDRIL_TEST_CASES");
	if (!directory)
		directory = argc > 1 ? argv[1] : ".";
	there = open_case_file("cnp/cluster.json");
	if (!there) {
		printf("no larger collection of cases in %s (TENDRIL_TEST_CASES)\n", directory);
		return SKIPPED;
	}
	fclose(there);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
