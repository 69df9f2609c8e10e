/* SPDX-License-Identifier: Apache-2.0 */
/* PolicyMode (tendril.io/v1alpha1): {spec: {targetRef: {kind, namespace, name}, audit, enforcement}}.
 * targetRef is written as in the Gateway API. */
#include "parse.h"

#include <errno.h>
#include <string.h>

int read_audit(struct walk *walk, const struct yaml_node *node, void *into)
{
	static const char *const words[] = { "disabled", "enabled", NULL };
	enum policy_audit *audit = into;
	unsigned int which;
	int r = walk_shape(walk, node, SHAPE_STRING);

	if (r >= 0)
		r = walk_enum(walk, node, words, &which);
	if (r < 0)
		return r;
	*audit = which ? POLICY_AUDIT_ENABLED : POLICY_AUDIT_DISABLED;
	return 0;
}

static int note_node(struct walk *walk, const struct yaml_node *node, void *into)
{
	*(const struct yaml_node **)into = node;
	return 0;
}

struct target_ref {
	const struct yaml_node *kind, *namespace;
};

static const struct field target_fields[] = {
	{ "kind", SHAPE_STRING, note_node, offsetof(struct target_ref, kind) },
	{ "namespace", SHAPE_STRING, note_node, offsetof(struct target_ref, namespace) },
	{ "name", SHAPE_STRING, NULL, 0 },
};

static int set_kind(struct walk *walk, const struct yaml_node *node, struct policy_mode *mode)
{
	static const enum object_kind kinds[] = { OBJECT_NODE,
						  OBJECT_NAMESPACE,
						  OBJECT_POD,
						  OBJECT_NETWORK_POLICY,
						  OBJECT_CILIUM_NETWORK_POLICY,
						  OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(object_kind_name(kinds[i]), node->text) != 0)
			continue;
		mode->kind = kinds[i];
		return 0;
	}
	return walk_fail(walk, node,
			 "one of Node, Namespace, Pod, NetworkPolicy, CiliumNetworkPolicy, "
			 "CiliumClusterwideNetworkPolicy");
}

static int set_namespace(struct walk *walk, const struct yaml_node *node, struct policy_mode *mode)
{
	bool namespaced = object_kind_is_namespaced(mode->kind);

	if (node && !namespaced)
		return walk_fail(walk, node, "no namespace: a %s is in none",
				 object_kind_name(mode->kind));
	if (node)
		return walk_at(walk, "namespace", node, read_dns_label, &mode->namespace);
	mode->namespace = strdup(namespaced ? "default" : "");
	return mode->namespace ? 0 : -ENOMEM;
}

static int read_target(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct policy_mode *mode = into;
	const struct yaml_node *name = node_get(node, "name");
	struct target_ref ref = { 0 };
	int r = walk_table(walk, node, target_fields, &ref);

	if (r < 0)
		return r;
	if (!ref.kind)
		return walk_missing(walk, node, "kind", "the target's kind");
	if (!name || node_is_null(name) || !*name->text)
		return walk_missing(walk, node, "name", "the target's name");
	r = set_kind(walk, ref.kind, mode);
	if (r >= 0)
		r = set_namespace(walk, ref.namespace, mode);
	return r < 0 ? r : walk_at(walk, "name", name, read_string, &mode->name);
}

static int read_enforcement(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct policy_mode *mode = into;
	unsigned int which;
	int r = walk_enum(walk, node, policy_enforcement_names, &which);

	if (r < 0)
		return r;
	mode->enforcement = (enum policy_enforcement)which;
	mode->has_enforcement = true;
	return 0;
}

static const struct field spec_fields[] = {
	{ "targetRef", SHAPE_MAP, read_target, 0 },
	{ "audit", SHAPE_STRING, read_audit, offsetof(struct policy_mode, audit) },
	{ "enforcement", SHAPE_STRING, read_enforcement, 0 },
};

static int read_spec(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct policy_mode *mode = into;
	int r = walk_table(walk, node, spec_fields, mode);

	if (r < 0)
		return r;
	if (!mode->name)
		return walk_missing(walk, node, "targetRef", "whom it is for");
	if (mode->audit == POLICY_AUDIT_UNSET && !mode->has_enforcement)
		return walk_missing(walk, node, "audit", "audit: enabled or disabled");
	if (mode->has_enforcement && mode->kind != OBJECT_NODE)
		return walk_fail(walk, node_get(node, "enforcement"),
				 "it for a Node: for a %s it is not enforced by this build",
				 object_kind_name(mode->kind));
	return 0;
}

static const struct field fields[] = {
	OBJECT_FIELDS,
	{ "spec", SHAPE_MAP, read_spec, 0 },
	{ "status", SHAPE_MAP, NULL, 0 },
};

int parse_policy_mode(struct walk *walk, const struct yaml_node *root, struct object *object)
{
	int r = walk_table(walk, root, fields, &object->policy_mode);

	if (r < 0)
		return r;
	if (!object->policy_mode.name)
		return walk_missing(walk, root, "spec", "a mapping");
	return 0;
}
