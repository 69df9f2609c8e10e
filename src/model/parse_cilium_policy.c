/* SPDX-License-Identifier: Apache-2.0 */
/* CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (cilium.io/v2) as struct policy. */
#include "parse_cilium.h"

#include <errno.h>
#include <string.h>

static bool is_clusterwide(const struct cilium_reading *reading)
{
	return reading->object->kind == OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY;
}

static bool has_source(const struct selector *selector, const char *source)
{
	for (size_t i = 0; i < selector->count; i++)
		if (selector->items[i].source && !strcmp(selector->items[i].source, source))
			return true;
	return false;
}

static bool has_namespace_key(const struct selector *selector)
{
	for (size_t i = 0; i < selector->count; i++)
		if (!strcmp(selector->items[i].key, LABEL_NAMESPACE))
			return true;
	return false;
}

static int add_own_namespace(const struct cilium_reading *reading, struct selector *selector)
{
	const char *namespace = reading->object->namespace;

	return selector_add(selector, "k8s", LABEL_NAMESPACE, SELECTOR_IN, &namespace, 1);
}

/* Without a namespace written a peer is in the policy's own, or for a clusterwide policy in any:
 * either way it is no node and not the world. */
static int scope_peer(const struct cilium_reading *reading, struct selector *selector)
{
	if (has_source(selector, "reserved") || has_namespace_key(selector))
		return 0;
	if (!is_clusterwide(reading))
		return add_own_namespace(reading, selector);
	if (reading->matches_init)
		return 0;
	return selector_add(selector, "k8s", LABEL_NAMESPACE, SELECTOR_EXISTS, NULL, 0);
}

/* One kind of peer per rule: two would have to mean AND or OR, and each surprises somebody. */
int begin_cilium_peers(struct walk *walk, const struct yaml_node *node,
		       struct cilium_reading *reading)
{
	const char *kind = walk->path->key;

	if (reading->peer_kind)
		return walk_fail(walk, node, "one kind of peer per rule: %s or %s",
				 reading->peer_kind, kind);
	reading->peer_kind = kind;
	return 0;
}

static int add_peer_selector(struct walk *walk, const struct yaml_node *node,
			     const struct cilium_reading *reading, struct selector ***list,
			     size_t *count)
{
	struct selector **slot = array_add(list, count);
	int r;

	if (!slot)
		return -ENOMEM;
	*slot = selector_new();
	if (!*slot)
		return -ENOMEM;
	r = read_selector(walk, node, &selector_of_cilium, *slot);
	return r < 0 ? r : scope_peer(reading, *slot);
}

static int read_endpoint(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct cilium_reading *reading = into;

	return add_peer_selector(walk, node, reading, &reading->rule->selectors,
				 &reading->rule->selector_count);
}

static int read_endpoints(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = begin_cilium_peers(walk, node, into);

	return r < 0 ? r : walk_items(walk, node, read_endpoint, into);
}

static int read_require(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct cilium_reading *reading = into;

	return add_peer_selector(walk, node, reading, &reading->rule->requires,
				 &reading->rule->require_count);
}

static int read_requires(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_require, into);
}

static int read_cidr(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct cilium_reading *reading = into;
	struct cidr_rule *cidr = array_add(&reading->rule->cidrs, &reading->rule->cidr_count);

	if (!cidr)
		return -ENOMEM;
	return walk_prefix(walk, node, true, &cidr->prefix);
}

static int read_cidrs(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = begin_cilium_peers(walk, node, into);

	return r < 0 ? r : walk_items(walk, node, read_cidr, into);
}

static int read_entity(struct walk *walk, const struct yaml_node *node, void *into)
{
	static const char *const words[] = {
		[ENTITY_ALL] = "all",
		[ENTITY_WORLD] = "world",
		[ENTITY_WORLD_IPV4] = "world-ipv4",
		[ENTITY_WORLD_IPV6] = "world-ipv6",
		[ENTITY_CLUSTER] = "cluster",
		[ENTITY_HOST] = "host",
		[ENTITY_REMOTE_NODE] = "remote-node",
		[ENTITY_KUBE_APISERVER] = "kube-apiserver",
		[ENTITY_INIT] = "init",
		[ENTITY_UNMANAGED] = "unmanaged",
		[ENTITY_HEALTH] = "health",
		[ENTITY_INGRESS] = "ingress",
		[ENTITY_NONE] = "none",
		NULL,
	};
	struct cilium_reading *reading = into;
	enum entity *entity;
	unsigned int which;
	int r = walk_enum(walk, node, words, &which);

	if (r < 0)
		return r;
	entity = array_add(&reading->rule->entities, &reading->rule->entity_count);
	if (!entity)
		return -ENOMEM;
	*entity = (enum entity)which;
	return 0;
}

static int read_entities(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = begin_cilium_peers(walk, node, into);

	return r < 0 ? r : walk_items(walk, node, read_entity, into);
}

/* Rows of the four lists. `from` and `to` say who; the rest is alike. */
#define PEER_FIELDS(way)                                                                           \
	{ way "Endpoints", SHAPE_LIST, read_endpoints, 0 },                                        \
		{ way "Requires", SHAPE_LIST, read_requires, 0 },                                  \
		{ way "CIDR", SHAPE_LIST, read_cidrs, 0 },                                         \
		{ way "CIDRSet", SHAPE_LIST, read_cilium_cidr_sets, 0 },                           \
		{ way "Entities", SHAPE_LIST, read_entities, 0 },                                  \
		{ way "Groups", SHAPE_LIST, read_cilium_groups, 0 },                               \
		{ way "Nodes", SHAPE_REFUSED, NULL, 0 },                                           \
		{ "icmps", SHAPE_LIST, read_cilium_icmps, 0 }
#define ALLOW_FIELDS                                                                               \
	{ "toPorts", SHAPE_LIST, read_cilium_to_ports, 0 },                                        \
		{ "authentication", SHAPE_REFUSED, NULL, 0 }

static const struct field ingress_fields[] = { PEER_FIELDS("from"), ALLOW_FIELDS };
static const struct field egress_fields[] = {
	PEER_FIELDS("to"),
	ALLOW_FIELDS,
	{ "toServices", SHAPE_LIST, read_cilium_services, 0 },
	{ "toFQDNs", SHAPE_REFUSED, NULL, 0 },
};
static const struct field ingress_deny_fields[] = {
	PEER_FIELDS("from"),
	{ "toPorts", SHAPE_LIST, read_cilium_deny_to_ports, 0 },
};
static const struct field egress_deny_fields[] = {
	PEER_FIELDS("to"),
	{ "toPorts", SHAPE_LIST, read_cilium_deny_to_ports, 0 },
	{ "toServices", SHAPE_LIST, read_cilium_services, 0 },
};

#define TABLE(table) { table, ARRAY_SIZE(table) }

static const struct {
	const struct field *fields;
	size_t count;
} rule_tables[2][2] = {
	/* by td_direction, then by deny */
	[TD_INGRESS] = { TABLE(ingress_fields), TABLE(ingress_deny_fields) },
	[TD_EGRESS] = { TABLE(egress_fields), TABLE(egress_deny_fields) },
};

/* What the rule's parts mean together. */
static int finish_rule(struct walk *walk, const struct yaml_node *node,
		       struct cilium_reading *reading)
{
	struct policy_rule *rule = reading->rule;
	bool has_l4 = reading->has_ports || reading->has_icmps;

	if (reading->has_ports && reading->has_icmps)
		return walk_fail(walk, node, "toPorts or icmps in a rule, not both");
	if (rule->require_count && reading->peer_kind && !strcmp(reading->peer_kind, "toServices"))
		return walk_not_enforced(walk, node, "toServices without toRequires");
	if (rule->require_count && !reading->peer_kind && has_l4)
		return walk_fail(walk, node,
				 "peers beside fromRequires or toRequires and ports "
				 "(without, it is not enforced by this build)");
	/* {} isolates its subject and grants or denies nothing. */
	if (!reading->peer_kind && !has_l4 && !rule->require_count) {
		policy_rule_clear(rule);
		reading->spec->rule_count--;
		return 0;
	}
	rule->any_peer = !reading->peer_kind && !rule->require_count;
	rule->any_port = !has_l4;
	return 0;
}

static int read_rule(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct cilium_reading *reading = into;
	struct policy_rule *rule = array_add(&reading->spec->rules, &reading->spec->rule_count);
	int r;

	if (!rule)
		return -ENOMEM;
	reading->rule = rule;
	rule->direction = reading->direction;
	rule->deny = reading->deny;
	rule->index = (unsigned int)walk->path->index;
	rule->line = node->line;
	reading->peer_kind = NULL;
	reading->has_ports = false;
	reading->has_icmps = false;
	reading->has_entries[reading->direction] = true;
	r = walk_fields(walk, node, rule_tables[reading->direction][reading->deny].fields,
			rule_tables[reading->direction][reading->deny].count, reading);
	return r < 0 ? r : finish_rule(walk, node, reading);
}

static int read_rules(struct walk *walk, const struct yaml_node *node,
		      struct cilium_reading *reading, enum td_direction direction, bool deny)
{
	reading->direction = direction;
	reading->deny = deny;
	if (!node->count && !reading->spec->idle_line[direction])
		reading->spec->idle_line[direction] = node->line;
	return walk_items(walk, node, read_rule, reading);
}

static int read_ingress(struct walk *walk, const struct yaml_node *node, void *into)
{
	return read_rules(walk, node, into, TD_INGRESS, false);
}

static int read_egress(struct walk *walk, const struct yaml_node *node, void *into)
{
	return read_rules(walk, node, into, TD_EGRESS, false);
}

static int read_ingress_deny(struct walk *walk, const struct yaml_node *node, void *into)
{
	return read_rules(walk, node, into, TD_INGRESS, true);
}

static int read_egress_deny(struct walk *walk, const struct yaml_node *node, void *into)
{
	return read_rules(walk, node, into, TD_EGRESS, true);
}

static const struct field default_deny_fields[] = {
	{ "ingress", SHAPE_BOOL, read_bool,
	  offsetof(struct cilium_reading, default_deny[TD_INGRESS]) },
	{ "egress", SHAPE_BOOL, read_bool,
	  offsetof(struct cilium_reading, default_deny[TD_EGRESS]) },
};

static int read_default_deny(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_table(walk, node, default_deny_fields, into);
}

static const struct field label_fields[] = {
	{ "key", SHAPE_STRING, NULL, 0 },
	{ "value", SHAPE_STRING, NULL, 0 },
	{ "source", SHAPE_STRING, NULL, 0 },
};

static int check_label(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_table(walk, node, label_fields, into);
}

static int check_labels(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, check_label, into);
}

static const struct field spec_fields[] = {
	{ "endpointSelector", SHAPE_MAP, NULL, 0 }, /* read_subject() comes before the rules */
	{ "nodeSelector", SHAPE_REFUSED, NULL, 0 },
	{ "ingress", SHAPE_LIST, read_ingress, 0 },
	{ "ingressDeny", SHAPE_LIST, read_ingress_deny, 0 },
	{ "egress", SHAPE_LIST, read_egress, 0 },
	{ "egressDeny", SHAPE_LIST, read_egress_deny, 0 },
	{ "enableDefaultDeny", SHAPE_MAP, read_default_deny, 0 },
	{ "description", SHAPE_STRING, NULL, 0 },
	{ "labels", SHAPE_LIST, check_labels, 0 },
	{ "log", SHAPE_REFUSED, NULL, 0 },
};

/* Endpoints without an object are reserved:init; the other reserved identities are no endpoints of
 * ours, and a policy on them would be one on the host. */
static int check_clusterwide_subject(struct walk *walk, const struct yaml_node *node,
				     struct cilium_reading *reading)
{
	const struct selector *subject = reading->spec->subject;

	for (size_t i = 0; i < subject->count; i++) {
		const struct requirement *item = &subject->items[i];

		if (!item->source || strcmp(item->source, "reserved"))
			continue;
		if (strcmp(item->key, "init"))
			return walk_not_enforced(walk, node, "no reserved label but reserved:init");
		reading->matches_init = true;
	}
	return 0;
}

static int read_subject_selector(struct walk *walk, const struct yaml_node *node,
				 struct cilium_reading *reading)
{
	struct selector *subject = selector_new();
	int r;

	reading->spec->subject = subject;
	if (!subject)
		return -ENOMEM;
	if (is_clusterwide(reading)) {
		r = read_selector(walk, node, &selector_of_cilium, subject);
		return r < 0 ? r : check_clusterwide_subject(walk, node, reading);
	}
	r = read_selector(walk, node, &selector_of_cilium_subject, subject);
	if (r < 0)
		return r;
	if (has_source(subject, "reserved"))
		return walk_fail(walk, node,
				 "a selector of pods: nothing with a reserved label "
				 "is in a namespace");
	return add_own_namespace(reading, subject);
}

static int read_subject(struct walk *walk, const struct yaml_node *node,
			struct cilium_reading *reading)
{
	const struct yaml_node *selector = node_get(node, "endpointSelector");
	const struct yaml_node *nodes = node_get(node, "nodeSelector");
	struct path path = { .up = walk->path, .key = "endpointSelector" };
	int r;

	if (nodes && !node_is_null(nodes)) {
		path.key = "nodeSelector";
		walk->path = &path;
		r = walk_not_enforced(walk, nodes, "endpointSelector alone");
	} else if (!selector || node_is_null(selector)) {
		return walk_missing(walk, node, "endpointSelector",
				    "a selector ({} for every pod)");
	} else {
		walk->path = &path;
		r = read_subject_selector(walk, selector, reading);
	}
	walk->path = path.up;
	return r;
}

static int read_spec(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct cilium_reading *reading = into;
	struct policy *policy = &reading->object->policy;
	int r = walk_shape(walk, node, SHAPE_MAP);

	if (r < 0)
		return r;
	*reading = (struct cilium_reading){ .object = reading->object,
					    .default_deny = { true, true } };
	reading->spec = array_add(&policy->specs, &policy->spec_count);
	if (!reading->spec)
		return -ENOMEM;
	r = read_subject(walk, node, reading);
	if (r < 0)
		return r;
	r = walk_table(walk, node, spec_fields, reading);
	if (r < 0)
		return r;
	for (int d = TD_INGRESS; d <= TD_EGRESS; d++) {
		reading->spec->isolates[d] = reading->has_entries[d] && reading->default_deny[d];
		if (reading->has_entries[d])
			reading->spec->idle_line[d] = 0;
	}
	return 0;
}

static int read_specs(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_spec, into);
}

static const struct field fields[] = {
	OBJECT_FIELDS,
	{ "spec", SHAPE_MAP, read_spec, 0 },
	{ "specs", SHAPE_LIST, read_specs, 0 },
	{ "status", SHAPE_MAP, NULL, 0 },
};

int parse_cilium_policy(struct walk *walk, const struct yaml_node *root, struct object *object)
{
	struct cilium_reading reading = { .object = object };
	int r = walk_table(walk, root, fields, &reading);

	if (r < 0)
		return r;
	if (!object->policy.spec_count)
		return walk_missing(walk, root, "spec", "spec or specs");
	return 0;
}
