/* SPDX-License-Identifier: Apache-2.0 */
/* Peers of Cilium policies that are kept in other objects: CIDR groups, Services, a cloud's groups;
 * and CiliumCIDRGroup itself. */
#include "parse_cilium.h"

#include <errno.h>
#include <string.h>

/* One more in the rule, of a kind. */
static int add_group(struct cilium_reading *reading, enum group_kind kind, struct group_ref **ret)
{
	struct group_ref *ref = array_add(&reading->rule->groups, &reading->rule->group_count);

	if (!ref)
		return -ENOMEM;
	ref->kind = kind;
	*ret = ref;
	return 0;
}

static int note_node(struct walk *walk, const struct yaml_node *node, void *into)
{
	*(const struct yaml_node **)into = node;
	return 0;
}

/* struct selector **, over labels as the objects carry them. */
static int read_labels_selector(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct selector **slot = into;

	*slot = selector_new();
	return *slot ? read_selector(walk, node, &selector_of_pods, *slot) : -ENOMEM;
}

/* ---- toCIDRSet, fromCIDRSet */

struct cidr_set {
	const struct yaml_node *cidr, *group, *selector, *except;
};

static const struct field cidr_set_fields[] = {
	{ "cidr", SHAPE_STRING, note_node, offsetof(struct cidr_set, cidr) },
	{ "cidrGroupRef", SHAPE_STRING, note_node, offsetof(struct cidr_set, group) },
	{ "cidrGroupSelector", SHAPE_MAP, note_node, offsetof(struct cidr_set, selector) },
	{ "except", SHAPE_LIST, note_node, offsetof(struct cidr_set, except) },
};

static int read_except(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_except(walk, node, false, into);
}

static int read_excepts(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_except, into);
}

static int read_set_cidr(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_prefix(walk, node, false, into);
}

static int read_cidr(struct walk *walk, const struct cidr_set *set, struct cilium_reading *reading)
{
	struct cidr_rule *cidr = array_add(&reading->rule->cidrs, &reading->rule->cidr_count);
	int r = cidr ? walk_at(walk, "cidr", set->cidr, read_set_cidr, &cidr->prefix) : -ENOMEM;

	if (r < 0 || !set->except)
		return r;
	return walk_at(walk, "except", set->except, read_excepts, cidr);
}

/* What a group holds is not known here, so the exception may be any CIDR. */
static int read_group_except(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct group_ref *ref = into;

	return walk_prefix_add(walk, node, false, &ref->except, &ref->except_count);
}

static int read_group_excepts(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_group_except, into);
}

static int read_cidr_group(struct walk *walk, const struct cidr_set *set,
			   struct cilium_reading *reading)
{
	struct group_ref *ref;
	int r = add_group(reading, GROUP_CIDR, &ref);

	if (r < 0)
		return r;
	r = set->group ? walk_at(walk, "cidrGroupRef", set->group, read_dns_subdomain, &ref->name)
		       : walk_at(walk, "cidrGroupSelector", set->selector, read_labels_selector,
				 &ref->selector);
	if (r < 0 || !set->except)
		return r;
	return walk_at(walk, "except", set->except, read_group_excepts, ref);
}

static int read_cidr_set(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct cidr_set set = { 0 };
	int r = walk_table(walk, node, cidr_set_fields, &set), given;

	if (r < 0)
		return r;
	given = !!set.cidr + !!set.group + !!set.selector;
	if (!given)
		return walk_missing(walk, node, "cidr",
				    "one of cidr, cidrGroupRef, cidrGroupSelector");
	if (given > 1)
		return walk_fail(walk, node,
				 "only one of cidr, cidrGroupRef, cidrGroupSelector in an entry");
	return set.cidr ? read_cidr(walk, &set, into) : read_cidr_group(walk, &set, into);
}

int read_cilium_cidr_sets(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = begin_cilium_peers(walk, node, into);

	return r < 0 ? r : walk_items(walk, node, read_cidr_set, into);
}

/* ---- toServices */

static const struct field service_name_fields[] = {
	{ "serviceName", SHAPE_STRING, read_dns_label, offsetof(struct group_ref, name) },
	{ "namespace", SHAPE_STRING, read_dns_label, offsetof(struct group_ref, namespace) },
};

static const struct field service_selector_fields[] = {
	{ "selector", SHAPE_MAP, read_labels_selector, offsetof(struct group_ref, selector) },
	{ "namespace", SHAPE_STRING, read_dns_label, offsetof(struct group_ref, namespace) },
};

static int read_service_by_name(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct group_ref *ref = into;
	int r = walk_table(walk, node, service_name_fields, ref);

	if (r < 0)
		return r;
	return ref->name ? 0 : walk_missing(walk, node, "serviceName", "a Service's name");
}

static int read_service_by_labels(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct group_ref *ref = into;
	int r = walk_table(walk, node, service_selector_fields, ref);

	if (r < 0)
		return r;
	return ref->selector
		       ? 0
		       : walk_missing(walk, node, "selector", "a selector ({} for every Service)");
}

struct service_choice {
	const struct yaml_node *name, *selector;
};

static const struct field service_fields[] = {
	{ "k8sService", SHAPE_MAP, note_node, offsetof(struct service_choice, name) },
	{ "k8sServiceSelector", SHAPE_MAP, note_node, offsetof(struct service_choice, selector) },
};

static int read_service(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct service_choice choice = { 0 };
	struct group_ref *ref;
	int r = walk_table(walk, node, service_fields, &choice);

	if (r < 0)
		return r;
	if (!choice.name && !choice.selector)
		return walk_missing(walk, node, "k8sService",
				    "one of k8sService, k8sServiceSelector");
	if (choice.name && choice.selector)
		return walk_fail(walk, node,
				 "only one of k8sService, k8sServiceSelector in an entry");
	r = add_group(into, GROUP_SERVICE, &ref);
	if (r < 0)
		return r;
	return choice.name ? walk_at(walk, "k8sService", choice.name, read_service_by_name, ref)
			   : walk_at(walk, "k8sServiceSelector", choice.selector,
				     read_service_by_labels, ref);
}

int read_cilium_services(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = begin_cilium_peers(walk, node, into);

	return r < 0 ? r : walk_items(walk, node, read_service, into);
}

/* ---- toGroups, fromGroups */

static int read_word(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = walk_shape(walk, node, SHAPE_STRING);

	if (r < 0)
		return r;
	return node->text[0] ? read_string(walk, node, into) : walk_fail(walk, node, "a word");
}

static int read_id(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct group_ref *ref = into;
	char **slot = array_add(&ref->ids, &ref->id_count);

	return slot ? read_word(walk, node, slot) : -ENOMEM;
}

static int read_ids(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_id, into);
}

static int read_name(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct group_ref *ref = into;
	char **slot = array_add(&ref->names, &ref->name_count);

	return slot ? read_word(walk, node, slot) : -ENOMEM;
}

static int read_names(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_name, into);
}

/* A cloud's tags are not bound to the syntax of Kubernetes' labels. */
static int read_tag(struct walk *walk, const struct yaml_node *key, const struct yaml_node *value,
		    void *into)
{
	struct group_ref *ref = into;
	const char *text;
	int r = walk_shape(walk, value, SHAPE_STRING);

	if (r < 0)
		return r;
	text = value->text;
	return selector_add(ref->selector, "aws", key->text, SELECTOR_IN, &text, 1);
}

static int read_tags(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct group_ref *ref = into;

	if (node->count > LABELS_MAX)
		return walk_fail(walk, node, "at most %d labels", LABELS_MAX);
	ref->selector = selector_new();
	return ref->selector ? walk_pairs(walk, node, read_tag, ref) : -ENOMEM;
}

static const struct field aws_fields[] = {
	{ "labels", SHAPE_MAP, read_tags, 0 },
	{ "securityGroupsIds", SHAPE_LIST, read_ids, 0 },
	{ "securityGroupsNames", SHAPE_LIST, read_names, 0 },
	{ "region", SHAPE_STRING, read_word, offsetof(struct group_ref, region) },
};

static int read_aws(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_table(walk, node, aws_fields, into);
}

struct cloud {
	const struct yaml_node *aws;
};

static const struct field cloud_fields[] = {
	{ "aws", SHAPE_MAP, note_node, offsetof(struct cloud, aws) },
};

static int read_group(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct cloud cloud = { 0 };
	struct group_ref *ref;
	int r = walk_table(walk, node, cloud_fields, &cloud);

	if (r < 0)
		return r;
	if (!cloud.aws)
		return walk_missing(walk, node, "aws", "a mapping");
	r = add_group(into, GROUP_INVENTORY, &ref);
	return r < 0 ? r : walk_at(walk, "aws", cloud.aws, read_aws, ref);
}

int read_cilium_groups(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = begin_cilium_peers(walk, node, into);

	return r < 0 ? r : walk_items(walk, node, read_group, into);
}

/* ---- CiliumCIDRGroup (cilium.io/v2, v2alpha1) */

struct group_reading {
	struct cidr_group *group;
	const struct yaml_node *cidrs;
};

static int read_group_cidr(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct cidr_group *group = into;

	return walk_prefix_add(walk, node, false, &group->prefixes, &group->prefix_count);
}

static int read_group_cidrs(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_group_cidr, into);
}

static const struct field group_spec_fields[] = {
	{ "externalCIDRs", SHAPE_LIST, note_node, offsetof(struct group_reading, cidrs) },
};

static int read_group_spec(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct group_reading *reading = into;
	int r = walk_table(walk, node, group_spec_fields, reading);

	if (r < 0)
		return r;
	if (!reading->cidrs)
		return walk_missing(walk, node, "externalCIDRs", "a list of CIDRs");
	return walk_at(walk, "externalCIDRs", reading->cidrs, read_group_cidrs, reading->group);
}

static const struct field group_fields[] = {
	OBJECT_FIELDS,
	{ "spec", SHAPE_MAP, read_group_spec, 0 },
	{ "status", SHAPE_MAP, NULL, 0 },
};

int parse_cidr_group(struct walk *walk, const struct yaml_node *root, struct object *object)
{
	struct group_reading reading = { .group = &object->cidr_group };
	const struct yaml_node *spec = node_get(root, "spec");

	if (!spec || node_is_null(spec))
		return walk_missing(walk, root, "spec", "a mapping with externalCIDRs");
	return walk_table(walk, root, group_fields, &reading);
}
