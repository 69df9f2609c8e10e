/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin.h"
#include "base/util.h"
#include "input.h"

static int say(const struct diag *diag, int r)
{
	char message[DIAG_FILE_MAX + DIAG_TEXT_MAX + 16];

	diag_format(diag, message, sizeof(message));
	fprintf(stderr, "%s\n", diag_is_set(diag) ? message : strerror(-r));
	return EXIT_NO;
}

int policy_input_file(struct policy_scene *scene, const char *path)
{
	const struct object_parse_options options = { .file = path, .skip_other_kinds = true };
	_cleanup_free_ char *text = NULL;
	struct diag diag = { 0 };
	size_t length;
	int r = input_read(path, &text, &length);

	if (r)
		return r;
	r = policy_scene_put_text(scene, text, length, &options, &diag);
	return r < 0 ? say(&diag, r) : 0;
}

int policy_input_inventory(struct policy_scene *scene, const char *path)
{
	const struct inventory_options options = { .file = path, .name = path, .now = time(NULL) };
	_cleanup_free_ char *text = NULL;
	struct diag diag = { 0 };
	size_t length;
	int r = input_read(path, &text, &length);

	if (r)
		return r;
	r = policy_scene_put_inventory(scene, text, length, &options, &diag);
	return r < 0 ? say(&diag, r) : 0;
}

/* ---- from the agent */

static const char *text_of(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void shift_lines(struct policy_spec *spec, unsigned int shift)
{
	for (size_t d = 0; d < 2; d++) {
		if (spec->ignored_line[d])
			spec->ignored_line[d] += shift;
		if (spec->idle_line[d])
			spec->idle_line[d] += shift;
	}
}

/* The text knows its own lines only; those of the file are told beside it. */
static int set_place(struct object *object, const json_t *told)
{
	const json_t *lines = json_object_get(told, "rule_lines");
	const char *file = text_of(told, "file");
	unsigned int line = (unsigned int)json_integer_value(json_object_get(told, "line"));
	unsigned int shift = line > object->line ? line - object->line : 0;
	size_t at = 0;

	free(object->file);
	object->file = file ? strdup(file) : NULL;
	if (file && !object->file)
		return -ENOMEM;
	object->line = line;
	if (!object_kind_is_policy(object->kind))
		return 0;
	for (size_t s = 0; s < object->policy.spec_count; s++) {
		shift_lines(&object->policy.specs[s], shift);
		for (size_t i = 0; i < object->policy.specs[s].rule_count; i++)
			object->policy.specs[s].rules[i].line =
				(unsigned int)json_integer_value(json_array_get(lines, at++));
	}
	return 0;
}

/* Its text is one group of an inventory; the agent has judged its age. */
static int put_inventory_group(struct policy_scene *scene, const json_t *told)
{
	const struct inventory_options options = { .file = text_of(told, "file"),
						   .name = text_of(told, "name"),
						   .now = time(NULL) };
	_cleanup_free_ char *text = NULL;
	struct diag diag = { 0 };
	int r;

	if (asprintf(&text, "{\"groups\": [%s]}", text_of(told, "text")) < 0) {
		text = NULL;
		return EXIT_NO;
	}
	r = policy_scene_put_inventory(scene, text, strlen(text), &options, &diag);
	return r < 0 ? say(&diag, r) : 0;
}

static int put_object(struct policy_scene *scene, const json_t *told)
{
	const struct object_parse_options options = { .from_api = true };
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	const char *text = text_of(told, "text");
	enum object_kind kind;
	struct diag diag = { 0 };
	int r;

	if (!text)
		return 0;
	if (object_kind_parse(text_of(told, "kind"), &kind) == 0 && kind == OBJECT_INVENTORY_GROUP)
		return put_inventory_group(scene, told);
	r = object_parse(text, strlen(text), &options, &list, &diag);
	for (size_t i = 0; !r && i < list->count; i++)
		r = set_place(list->items[i], told);
	if (!r)
		r = policy_scene_put(scene, list->items, list->count, &diag);
	return r < 0 ? say(&diag, r) : 0;
}

static int put_objects(const struct cli *cli, struct policy_scene *scene)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *told;
	size_t i;
	int r = admin_get(cli, "/v1/objects", &answer);

	json_array_foreach (json_object_get(answer, "objects"), i, told)
		if (!r)
			r = put_object(scene, told);
	return r;
}

static const json_t *labels_of_identity(const json_t *identities, json_int_t number)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(identities, "identities"), i, item)
		if (json_integer_value(json_object_get(item, "number")) == number)
			return json_object_get(item, "labels");
	return NULL;
}

/* A workload of `tendril run` has no Pod: its identity has its labels. */
static int put_run_workload(struct policy_scene *scene, const json_t *endpoint,
			    const json_t *identities)
{
	_cleanup_(object_unrefp) struct object *pod =
		object_new(OBJECT_POD, text_of(endpoint, "namespace"), text_of(endpoint, "name"));
	json_int_t number = json_integer_value(json_object_get(endpoint, "identity"));
	const char *audit = text_of(endpoint, "audit");
	const json_t *label;
	struct diag diag = { 0 };
	size_t i;
	int r = pod ? 0 : -ENOMEM;

	json_array_foreach (labels_of_identity(identities, number), i, label)
		if (!r)
			r = label_parse(json_string_value(label), pod->labels);
	if (!r && audit && strcmp(audit, "endpoint") == 0)
		pod->audit = POLICY_AUDIT_ENABLED;
	if (!r)
		r = policy_scene_put(scene, &pod, 1, &diag);
	return r < 0 ? say(&diag, r) : 0;
}

static void set_address(struct policy_scene *scene, const json_t *endpoint, const char *key)
{
	const char *text = text_of(endpoint, key);
	struct td_addr addr;

	if (text && address_parse(text, &addr) == 0)
		policy_scene_set_address(scene, text_of(endpoint, "namespace"),
					 text_of(endpoint, "name"), &addr);
}

static int put_endpoints(const struct cli *cli, struct policy_scene *scene)
{
	_cleanup_json_ json_t *answer = NULL, *identities = NULL;
	const json_t *endpoint;
	size_t i;
	int r = admin_get(cli, "/v1/identities", &identities);

	if (!r)
		r = admin_get(cli, "/v1/endpoints", &answer);
	json_array_foreach (json_object_get(answer, "endpoints"), i, endpoint) {
		const char *name = text_of(endpoint, "name");

		if (r || !name || !*name)
			continue;
		if (json_is_true(json_object_get(endpoint, "run")))
			r = put_run_workload(scene, endpoint, identities);
		set_address(scene, endpoint, "ipv4");
		set_address(scene, endpoint, "ipv6");
	}
	return r;
}

/* The agent tells what is in force, PolicyModes and all. */
static int set_modes(struct policy_scene *scene, const json_t *status)
{
	const json_t *policy = json_object_get(status, "policy");
	const char *mode = text_of(policy, "enforcement");
	struct policy_modes_node node = { .name = text_of(status, "node"),
					  .audit = json_is_true(json_object_get(policy, "audit")) };

	for (int i = 0; mode && policy_enforcement_names[i]; i++)
		if (strcmp(policy_enforcement_names[i], mode) == 0)
			node.enforcement = (enum policy_enforcement)i;
	return policy_scene_set_node(scene, &node) < 0 ? EXIT_NO : 0;
}

static int put_node(const struct cli *cli, struct policy_scene *scene)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *item;
	struct td_addr addr;
	size_t i;
	int r = admin_get(cli, "/v1/status", &answer);

	if (!r)
		r = set_modes(scene, answer);
	json_array_foreach (json_object_get(answer, "addresses"), i, item)
		if (!r && address_parse(json_string_value(item), &addr) == 0 &&
		    policy_scene_add_node_address(scene, &addr) < 0)
			r = EXIT_NO;
	return r;
}

int policy_input_agent(const struct cli *cli, struct policy_scene *scene)
{
	int r = put_objects(cli, scene);

	if (!r)
		r = put_endpoints(cli, scene);
	return r ? r : put_node(cli, scene);
}
