/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "policy/policy_scene.h"

struct policy_world {
	struct policy_scene *scene;
};

struct policy_world *policy_world_new(void)
{
	struct policy_world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(policy_scene_new(&(struct policy_scene_options){ 0 }, &world->scene), 0);
	return world;
}

void policy_world_free(struct policy_world *world)
{
	if (!world)
		return;
	policy_scene_free(world->scene);
	free(world);
}

static void set_labels(struct object *object, const char *text)
{
	char *copy = strdup(text), *rest = copy, *item;

	while (strcmp(text, "-") != 0 && (item = strsep(&rest, ",")))
		assert_int_equal(label_parse(item, object->labels), 0);
	free(copy);
}

/* Takes the object. */
static void put(struct policy_world *world, struct object *object)
{
	struct diag diag = { 0 };

	if (policy_scene_put(world->scene, &object, 1, &diag))
		fail_msg("%s: %s", object->name, diag.text);
	object_unref(object);
}

void policy_world_namespace(struct policy_world *world, const char *name, const char *labels)
{
	struct object *object = object_new(OBJECT_NAMESPACE, "", name);

	set_labels(object, labels);
	put(world, object);
}

void policy_world_namespace_delete(struct policy_world *world, const char *name)
{
	assert_int_equal(policy_scene_delete(world->scene, OBJECT_NAMESPACE, "", name), 0);
}

void policy_world_pod(struct policy_world *world, const struct policy_world_pod *pod)
{
	struct object *object = object_new(OBJECT_POD, pod->namespace, pod->name);
	struct td_addr addr;

	set_labels(object, pod->labels);
	free(object->pod.service_account);
	object->pod.service_account = strdup(pod->account ? pod->account : "default");
	object->pod.ports = calloc(pod->port_count + 1, sizeof(*object->pod.ports));
	for (size_t i = 0; i < pod->port_count; i++) {
		object->pod.ports[i] = pod->ports[i];
		object->pod.ports[i].name = strdup(pod->ports[i].name);
	}
	object->pod.port_count = pod->port_count;
	put(world, object);
	if (!pod->address || strcmp(pod->address, "-") == 0)
		return;
	assert_int_equal(address_parse(pod->address, &addr), 0);
	assert_int_equal(policy_scene_set_address(world->scene, pod->namespace, pod->name, &addr),
			 0);
}

static void split(const char *pod, char namespace[static 64], const char **ret_name)
{
	const char *slash = strchr(pod, '/');

	assert_non_null(slash);
	snprintf(namespace, 64, "%.*s", (int)(slash - pod), pod);
	*ret_name = slash + 1;
}

void policy_world_relabel(struct policy_world *world, const char *pod, const char *labels)
{
	_cleanup_(object_unrefp) struct object *like = object_new(OBJECT_POD, "", "");
	char namespace[64];
	const char *name;

	split(pod, namespace, &name);
	set_labels(like, labels);
	assert_int_equal(policy_scene_label_pod(world->scene, namespace, name, like->labels), 0);
}

void policy_world_pod_delete(struct policy_world *world, const char *pod)
{
	char namespace[64];
	const char *name;

	split(pod, namespace, &name);
	assert_int_equal(policy_scene_delete(world->scene, OBJECT_POD, namespace, name), 0);
}

void policy_world_put(struct policy_world *world, const char *text)
{
	struct diag diag = { 0 };
	char message[DIAG_TEXT_MAX];

	if (policy_scene_put_text(world->scene, text, strlen(text),
				  &(struct object_parse_options){ 0 }, &diag)) {
		diag_format(&diag, message, sizeof(message));
		fail_msg("refused: %s: %s", message, text);
	}
}

void policy_world_refuse(struct policy_world *world, const char *text)
{
	struct diag diag = { 0 };

	if (policy_scene_put_text(world->scene, text, strlen(text),
				  &(struct object_parse_options){ 0 }, &diag) != -EINVAL)
		fail_msg("not refused: %s", text);
	assert_true(diag_is_set(&diag));
}

void policy_world_delete(struct policy_world *world, const char *kind, const char *namespace,
			 const char *name)
{
	enum object_kind number;

	assert_int_equal(object_kind_parse(kind, &number), 0);
	assert_int_equal(policy_scene_delete(world->scene, number, namespace, name), 0);
}

void policy_world_inventory(struct policy_world *world, const char *text)
{
	const struct inventory_options options = { .file = "inventory.yaml",
						   .name = "inventory.yaml",
						   .now = INT64_MAX / 2 };
	struct diag diag = { 0 };
	char message[DIAG_TEXT_MAX];

	if (policy_scene_put_inventory(world->scene, text, strlen(text), &options, &diag)) {
		diag_format(&diag, message, sizeof(message));
		fail_msg("refused: %s: %s", message, text);
	}
}

static struct policy_party party(struct policy_world *world, const char *text)
{
	struct policy_party found;
	struct diag diag = { 0 };

	if (policy_scene_party(world->scene, text, &found, &diag))
		fail_msg("%s", diag.text);
	return found;
}

char policy_world_verdict(struct policy_world *world, enum td_direction direction,
			  const char *probe, const char *subject, const char *peer)
{
	struct policy_party whose = party(world, subject), other = party(world, peer);
	struct policy_decision decision;
	struct policy_probe asked;

	assert_int_equal(policy_probe_parse(probe, &asked), 0);
	asked.ipv6 = asked.ipv6 || address_is_zero(&other.ip[0]);
	assert_int_equal(
		policy_scene_judge(world->scene, direction, &whose, &other, &asked, &decision), 0);
	if (decision.audited)
		return 'A';
	return decision.allowed ? '.' : 'X';
}
