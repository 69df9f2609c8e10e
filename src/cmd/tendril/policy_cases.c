/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_cases.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "base/util.h"
#include "input.h"
#include "policy/array.h"

#define NEVER_TABLES "expected_if_ipblock_never_matches_pods"

struct policy_cluster {
	char *path;
	json_t *json;
};

/* A case while it is judged. */
struct trial {
	struct policy_cases *cases;
	const char *path;
	unsigned int line;
	const char *id;
	size_t step; /* from 1; 0: the format has none */
	struct policy_scene *scene;
	const char *refused; /* why a policy was refused: every cell is a mismatch */
	char refusal[DIAG_TEXT_MAX];
};

static int bad_file(const char *path, unsigned int line, const char *fmt, ...) _printf_(3, 4);

static int bad_file(const char *path, unsigned int line, const char *fmt, ...)
{
	va_list args;

	if (line)
		fprintf(stderr, "%s:%u: ", path, line);
	else
		fprintf(stderr, "%s: ", path);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_NO;
}

static const char *text_of(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

/* ---- clusters */

int policy_cases_add_cluster(struct policy_cases *cases, const char *path)
{
	_cleanup_json_ json_t *json = NULL;
	_cleanup_free_ char *text = NULL;
	struct policy_cluster *clusters;
	json_error_t error;
	size_t length;
	int r = input_read(path, &text, &length);

	if (r)
		return r;
	json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		return bad_file(path, (unsigned int)error.line, "found bad JSON (%s)", error.text);
	if (!json_is_array(json_object_get(json, "pods")))
		return bad_file(path, 0, "found no list \"pods\", expected a cluster");
	clusters = reallocarray(cases->clusters, cases->cluster_count + 1, sizeof(*clusters));
	if (!clusters)
		return EXIT_NO;
	cases->clusters = clusters;
	clusters[cases->cluster_count].path = strdup(path);
	clusters[cases->cluster_count++].json = take_ptr(json);
	return 0;
}

void policy_cases_clear(struct policy_cases *cases)
{
	while (cases->cluster_count) {
		struct policy_cluster *cluster = &cases->clusters[--cases->cluster_count];

		json_decref(cluster->json);
		free(cluster->path);
	}
	free(cases->clusters);
	cases->clusters = NULL;
}

/* The cluster of a case's layout: by its file's name, or the only one. */
static const struct policy_cluster *cluster_of(const struct policy_cases *cases, const char *layout)
{
	for (size_t i = 0; layout && i < cases->cluster_count; i++) {
		const char *slash = strrchr(cases->clusters[i].path, '/');
		const char *name = slash ? slash + 1 : cases->clusters[i].path;
		size_t length = strlen(layout);

		if (strncmp(name, "cluster-", 8) == 0 && strncmp(name + 8, layout, length) == 0 &&
		    strcmp(name + 8 + length, ".json") == 0)
			return &cases->clusters[i];
	}
	return cases->cluster_count == 1 ? &cases->clusters[0] : NULL;
}

static int put_json(struct trial *trial, const json_t *object, struct diag *diag)
{
	_cleanup_free_ char *text = json_dumps(object, JSON_COMPACT | JSON_ENCODE_ANY);
	const struct object_parse_options options = { 0 };

	if (!text)
		return -ENOMEM;
	return policy_scene_put_text(trial->scene, text, strlen(text), &options, diag);
}

/* An object of the cluster itself: it must be good. Takes the JSON. Returns 0 or an exit code. */
static int put_own(struct trial *trial, json_t *object)
{
	struct diag diag = { 0 };
	int r = object ? put_json(trial, object, &diag) : -ENOMEM;

	json_decref(object);
	if (!r)
		return 0;
	return bad_file(trial->path, trial->line, "%s: %s", trial->id,
			diag_is_set(&diag) ? diag.text : "memory is short");
}

static int put_namespace(struct trial *trial, const char *name, json_t *labels)
{
	return put_own(trial, json_pack("{s:s, s:s, s:{s:s, s:O?}}", "apiVersion", "v1", "kind",
					"Namespace", "metadata", "name", name, "labels", labels));
}

/* {"http/TCP": 80} or [{name, protocol, port}] as a container's ports. */
static json_t *ports_of(const json_t *pod)
{
	json_t *ports = json_array(), *value;
	const char *key;
	size_t i;

	json_array_foreach (json_object_get(pod, "ports"), i, value)
		json_array_append_new(ports,
				      json_pack("{s:O?, s:O?, s:O?}", "name",
						json_object_get(value, "name"), "protocol",
						json_object_get(value, "protocol"), "containerPort",
						json_object_get(value, "port")));
	json_object_foreach (json_object_get(pod, "named_ports"), key, value) {
		const char *slash = strchr(key, '/');

		json_array_append_new(ports, json_pack("{s:s%, s:s, s:O}", "name", key,
						       slash ? (size_t)(slash - key) : strlen(key),
						       "protocol", slash ? slash + 1 : "TCP",
						       "containerPort", value));
	}
	return ports;
}

/* Labels that the agent derives are not the pod's own: those of its namespace go there. */
static void part_labels(const json_t *labels, json_t *own, json_t *namespace)
{
	size_t prefix = strlen(LABEL_NAMESPACE_META);
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)labels, key, value) {
		if (strncmp(key, LABEL_NAMESPACE_META, prefix) == 0)
			json_object_set(namespace, key + prefix, value);
		else if (strcmp(key, LABEL_NAMESPACE) && strcmp(key, LABEL_SERVICE_ACCOUNT) &&
			 strcmp(key, LABEL_CLUSTER))
			json_object_set(own, key, value);
	}
}

static int place_pod(struct trial *trial, const json_t *pod, const char *namespace,
		     const char *name)
{
	const char *ip = text_of(pod, "ip");
	struct td_addr addr;

	if (!ip)
		return 0;
	if (address_parse(ip, &addr) < 0)
		return bad_file(trial->path, trial->line, "%s: found the address '%s'", trial->id,
				ip);
	policy_scene_set_address(trial->scene, namespace, name, &addr);
	return 0;
}

static int put_pod(struct trial *trial, const json_t *pod)
{
	_cleanup_json_ json_t *own = json_object(), *of_namespace = json_object();
	const json_t *labels = json_object_get(pod, "labels");
	const char *name = text_of(pod, "name"), *account = text_of(labels, LABEL_SERVICE_ACCOUNT);
	const char *slash = name ? strchr(name, '/') : NULL;
	char namespace[POLICY_PARTY_TEXT_MAX];
	int r = 0;

	if (!name || (!slash && !text_of(pod, "namespace")))
		return bad_file(trial->path, trial->line,
				"%s: found a pod without name or namespace", trial->id);
	if (slash)
		snprintf(namespace, sizeof(namespace), "%.*s", (int)(slash - name), name);
	else
		snprintf(namespace, sizeof(namespace), "%s", text_of(pod, "namespace"));
	name = slash ? slash + 1 : name;
	part_labels(labels, own, of_namespace);
	if (json_object_size(of_namespace))
		r = put_namespace(trial, namespace, of_namespace);
	if (!r)
		r = put_own(trial,
			    json_pack("{s:s, s:s, s:{s:s, s:s, s:O}, s:{s:s, s:[{s:s, s:o}]}}",
				      "apiVersion", "v1", "kind", "Pod", "metadata", "name", name,
				      "namespace", namespace, "labels", own, "spec",
				      "serviceAccountName", account ? account : "default",
				      "containers", "name", "c", "ports", ports_of(pod)));
	return r ? r : place_pod(trial, pod, namespace, name);
}

static int build_cluster(struct trial *trial, const char *layout)
{
	const struct policy_cluster *cluster = cluster_of(trial->cases, layout);
	struct policy_scene_options options = { .blocks_spare_pods =
							trial->cases->blocks_spare_pods };
	json_t *item;
	const char *name;
	size_t i;
	int r = 0;

	if (!cluster)
		return bad_file(trial->path, trial->line,
				"%s: found the layout %s, expected one with --cluster "
				"cluster-%s.json",
				trial->id, layout ? layout : "(none)", layout ? layout : "NAME");
	options.cluster = text_of(cluster->json, "cluster_name");
	if (policy_scene_new(&options, &trial->scene) < 0)
		return bad_file(trial->path, trial->line, "%s: memory is short", trial->id);
	if (trial->cases->begin)
		trial->cases->begin(trial->scene, trial->cases->data);
	json_object_foreach (json_object_get(cluster->json, "namespaces"), name, item)
		if (!r)
			r = put_namespace(trial, name, item);
	json_array_foreach (json_object_get(cluster->json, "pods"), i, item)
		if (!r)
			r = put_pod(trial, item);
	return r;
}

/* ---- cells */

static void print_mismatch(const struct trial *trial, const char *direction, const char *from,
			   const char *to, const char *probe, char want, char got)
{
	printf("%s ", trial->id);
	if (trial->step)
		printf("step %zu ", trial->step);
	printf("%s %s -> %s %s: expected %c, got ", direction, from, to, probe, want);
	if (trial->refused)
		printf("refused: %s\n", trial->refused);
	else
		printf("%c\n", got);
}

static void count_cell(const struct trial *trial, const char *direction, const char *from,
		       const char *to, const char *probe, char want, char got)
{
	trial->cases->cells++;
	if (want == got && !trial->refused)
		return;
	trial->cases->mismatches++;
	print_mismatch(trial, direction, from, to, probe, want, got);
}

static int find_party(const struct trial *trial, const char *text, struct policy_party *ret)
{
	struct diag diag = { 0 };
	int r = text ? policy_scene_party(trial->scene, text, ret, &diag) : -EINVAL;

	if (!r)
		return 0;
	if (diag_is_set(&diag))
		return bad_file(trial->path, trial->line, "%s: %s", trial->id, diag.text);
	return bad_file(trial->path, trial->line, "%s: %s: %s", trial->id,
			text ? text : "a peer's name is missing", strerror(-r));
}

static int find_probe(const struct trial *trial, const char *text, const struct policy_party *peer,
		      struct policy_probe *ret)
{
	if (policy_probe_parse(text, ret) < 0)
		return bad_file(trial->path, trial->line,
				"%s: found the probe '%s', expected one like TCP/80", trial->id,
				text);
	/* The address is what counts, whichever there is; of ICMP what is asked is the number. */
	if (address_is_zero(&peer->ip[0]) != address_is_zero(&peer->ip[1]))
		ret->ipv6 = address_is_zero(&peer->ip[0]);
	return 0;
}

/* One direction of one pair; *ret is '.' or 'X'. */
static int judge(const struct trial *trial, enum td_direction direction, const char *subject,
		 const char *peer, const char *probe, char *ret)
{
	struct policy_party whose, other;
	struct policy_probe asked;
	struct diag diag = { 0 };
	bool allowed = false;
	int r = find_party(trial, subject, &whose);

	if (!r)
		r = find_party(trial, peer, &other);
	if (!r)
		r = find_probe(trial, probe, &other, &asked);
	if (r || trial->refused) {
		*ret = '?';
		return r;
	}
	r = trial->cases->judge(trial->scene, direction, &whose, &other, &asked, &allowed, &diag,
				trial->cases->data);
	if (r < 0)
		return bad_file(trial->path, trial->line, "%s: %s of %s, peer %s, %s: %s",
				trial->id, direction == TD_EGRESS ? "egress" : "ingress", subject,
				peer, probe, diag_is_set(&diag) ? diag.text : strerror(-r));
	*ret = allowed ? '.' : 'X';
	return 0;
}

static int judge_pair(const struct trial *trial, json_t *tables, const json_t *order, size_t from,
		      size_t to, const char *probe)
{
	static const char *const names[] = { "egress", "ingress", "combined" };
	const char *source = json_string_value(json_array_get(order, from));
	const char *target = json_string_value(json_array_get(order, to));
	char got[3];
	int r = judge(trial, TD_EGRESS, source, target, probe, &got[0]);

	if (!r)
		r = judge(trial, TD_INGRESS, target, source, probe, &got[1]);
	if (r)
		return r;
	got[2] = got[0] == '.' && got[1] == '.' ? '.' : 'X';
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const json_t *table = json_object_get(tables, names[i]);
		const char *row = json_string_value(json_array_get(table, from));

		if (!table)
			continue;
		if (!row || strlen(row) != json_array_size(order))
			return bad_file(trial->path, trial->line,
					"%s: found a table %s of %s whose rows are not those of "
					"its order",
					trial->id, names[i], probe);
		count_cell(trial, names[i], source, target, probe, row[to], got[i]);
	}
	return 0;
}

static int judge_tables(const struct trial *trial, json_t *step)
{
	json_t *order = json_object_get(step, "order"), *expected = NULL, *tables;
	size_t count = json_array_size(order);
	const char *probe;
	int r = 0;

	/* Written only where the two readings differ. */
	if (trial->cases->blocks_spare_pods)
		expected = json_object_get(step, NEVER_TABLES);
	if (!expected)
		expected = json_object_get(step, "expected");
	if (!json_is_object(expected) || !count)
		return bad_file(trial->path, trial->line,
				"%s: found a step without order or expected tables", trial->id);
	json_object_foreach (expected, probe, tables)
		for (size_t from = 0; !r && from < count; from++)
			for (size_t to = 0; !r && to < count; to++)
				r = judge_pair(trial, tables, order, from, to, probe);
	return r;
}

static int judge_row(const struct trial *trial, enum td_direction direction, const char *probe,
		     const char *subject, const char *row, const json_t *peers)
{
	size_t count = json_array_size(peers);
	int r = 0;

	if (!row || strlen(row) != count)
		return bad_file(trial->path, trial->line,
				"%s: found the row of %s for %s, expected %zu places", trial->id,
				subject, probe, count);
	for (size_t i = 0; !r && i < count; i++) {
		const char *peer = json_string_value(json_array_get(peers, i));
		bool in = direction == TD_INGRESS;
		char got;

		r = judge(trial, direction, subject, peer, probe, &got);
		if (!r)
			count_cell(trial, in ? "ingress" : "egress", in ? peer : subject,
				   in ? subject : peer, probe, row[i], got);
	}
	return r;
}

static int judge_rows(const struct trial *trial, json_t *json)
{
	static const char *const names[] = { [TD_INGRESS] = "ingress", [TD_EGRESS] = "egress" };
	json_t *peers = json_object_get(json, "peers"), *rows, *row;
	const char *probe, *subject;
	int r = 0;

	for (int d = TD_INGRESS; d <= TD_EGRESS; d++)
		json_object_foreach (json_object_get(json_object_get(json, "expected"), names[d]),
				     probe, rows)
			json_object_foreach (rows, subject, row)
				if (!r)
					r = judge_row(trial, (enum td_direction)d, probe, subject,
						      json_string_value(row), peers);
	return r;
}

/* ---- actions */

/* What this build refuses makes every cell of the case a mismatch. */
static int act_policy(struct trial *trial, const json_t *policy)
{
	struct diag diag = { 0 };
	int r = put_json(trial, policy, &diag);

	if (r == -EINVAL) {
		snprintf(trial->refusal, sizeof(trial->refusal), "%s", diag.text);
		trial->refused = trial->refusal;
		return 0;
	}
	return r < 0 ? bad_file(trial->path, trial->line, "%s: memory is short", trial->id) : 0;
}

static int act_label_pod(struct trial *trial, const char *namespace, const char *name,
			 const json_t *wanted)
{
	_cleanup_(labels_freep) struct labels *labels = labels_new();
	json_t *value;
	const char *key;
	int r = labels ? 0 : -ENOMEM;

	json_object_foreach ((json_t *)wanted, key, value)
		if (!r)
			r = labels_set(labels, "k8s", key, json_string_value(value));
	if (!r)
		r = policy_scene_label_pod(trial->scene, namespace, name, labels);
	return r < 0 ? bad_file(trial->path, trial->line, "%s: pod %s/%s cannot be labelled: %s",
				trial->id, namespace, name, strerror(-r))
		     : 0;
}

static int act_delete(struct trial *trial, enum object_kind kind, const char *namespace,
		      const char *name)
{
	if (policy_scene_delete(trial->scene, kind, namespace, name) == 0)
		return 0;
	return bad_file(trial->path, trial->line, "%s: memory is short", trial->id);
}

static int act(struct trial *trial, const json_t *action)
{
	const char *op = text_of(action, "op"), *name = text_of(action, "name");
	const char *namespace = text_of(action, "namespace");
	json_t *labels = json_object_get(action, "labels");

	if (!op)
		return bad_file(trial->path, trial->line, "%s: found an action without op",
				trial->id);
	if (strcmp(op, "createPolicy") == 0 || strcmp(op, "updatePolicy") == 0)
		return act_policy(trial, json_object_get(action, "policy"));
	if (strcmp(op, "createPod") == 0)
		return put_pod(trial, action);
	if (!namespace)
		return bad_file(trial->path, trial->line, "%s: found %s without namespace",
				trial->id, op);
	if (strcmp(op, "createNamespace") == 0 || strcmp(op, "setNamespaceLabels") == 0)
		return put_namespace(trial, namespace, labels);
	if (strcmp(op, "deleteNamespace") == 0)
		return act_delete(trial, OBJECT_NAMESPACE, "", namespace);
	if (name && strcmp(op, "deletePolicy") == 0)
		return act_delete(trial, OBJECT_NETWORK_POLICY, namespace, name);
	if (name && strcmp(op, "deletePod") == 0)
		return act_delete(trial, OBJECT_POD, namespace, name);
	if (name && strcmp(op, "setPodLabels") == 0)
		return act_label_pod(trial, namespace, name, labels);
	return bad_file(trial->path, trial->line,
			"%s: found the action %s, expected createPolicy, updatePolicy, "
			"deletePolicy, createNamespace, setNamespaceLabels, deleteNamespace, "
			"createPod, deletePod or setPodLabels, with what they need",
			trial->id, op);
}

/* ---- cases */

static int run_steps(struct trial *trial, const json_t *steps)
{
	json_t *step, *action;
	size_t s, a;
	int r = 0;

	json_array_foreach (steps, s, step) {
		trial->step = s + 1;
		json_array_foreach (json_object_get(step, "actions"), a, action)
			if (!r)
				r = act(trial, action);
		if (!r)
			r = judge_tables(trial, step);
	}
	return r;
}

static int run_policies(struct trial *trial, json_t *json)
{
	json_t *policy;
	size_t i;
	int r = 0;

	json_array_foreach (json_object_get(json, "policies"), i, policy)
		if (!r && !trial->refused)
			r = act_policy(trial, policy);
	return r ? r : judge_rows(trial, json);
}

static int run_case(struct trial *trial, json_t *json)
{
	const json_t *steps = json_object_get(json, "steps");
	int r;

	trial->id = text_of(json, "id");
	if (!trial->id)
		trial->id = "(no id)";
	if (!steps && !json_object_get(json, "peers"))
		return bad_file(trial->path, trial->line,
				"%s: found neither steps nor peers, expected a case", trial->id);
	r = build_cluster(trial, text_of(json, "layout"));
	if (!r)
		r = steps ? run_steps(trial, steps) : run_policies(trial, json);
	policy_scene_free(take_ptr(trial->scene));
	return r;
}

int policy_cases_run(struct policy_cases *cases, const char *path)
{
	_cleanup_free_ char *text = NULL;
	unsigned int line = 0;
	size_t length;
	int r = input_read(path, &text, &length);

	for (char *rest = text, *each; !r && (each = strsep(&rest, "\n"));) {
		struct trial trial = { .cases = cases, .path = path, .line = ++line };
		_cleanup_json_ json_t *json = NULL;
		json_error_t error;

		if (!each[strspn(each, " \t\r")])
			continue;
		json = json_loads(each, JSON_REJECT_DUPLICATES, &error);
		if (!json)
			return bad_file(path, line, "found bad JSON (%s), expected a case per line",
					error.text);
		r = run_case(&trial, json);
	}
	return r;
}
