/* SPDX-License-Identifier: Apache-2.0 */
/* parse: what the parsers of the kinds share. Private to src/model.
 *
 * object_parse.c reads kind and metadata and hands the rest to the kind's reader, which finds an
 * object with name, namespace and labels and fills in its own part of the union. Thread: any */
#pragma once

#include "model/object.h"
#include "model/walk.h"

/* Rows that every kind's table begins with; object_parse.c has read them by then. */
#define OBJECT_FIELDS                                                                              \
	{ "apiVersion", SHAPE_STRING, NULL, 0 }, { "kind", SHAPE_STRING, NULL, 0 },                \
		{ "metadata", SHAPE_MAP, NULL, 0 }

/* Quadratic work (sorted insertion, looking for duplicates) stays bounded by this. */
#define LABELS_MAX 1000

int parse_namespace(struct walk *walk, const struct yaml_node *root, struct object *object);
int parse_node(struct walk *walk, const struct yaml_node *root, struct object *object);
int parse_pod(struct walk *walk, const struct yaml_node *root, struct object *object);
int parse_service(struct walk *walk, const struct yaml_node *root, struct object *object);
int parse_endpoint_slice(struct walk *walk, const struct yaml_node *root, struct object *object);
int parse_network_policy(struct walk *walk, const struct yaml_node *root, struct object *object);
int parse_cilium_policy(struct walk *walk, const struct yaml_node *root, struct object *object);
int parse_cidr_group(struct walk *walk, const struct yaml_node *root, struct object *object);
int parse_policy_mode(struct walk *walk, const struct yaml_node *root, struct object *object);

/* "enabled" or "disabled" into an enum policy_audit *. */
int read_audit(struct walk *walk, const struct yaml_node *node, void *into);

/* The two ways of writing selectors. */
struct selector_dialect {
	bool sources;           /* keys may begin with "k8s:", "any:", "reserved:" */
	bool drop_namespace;    /* matchLabels on LABEL_NAMESPACE count as not written */
	const char *key_prefix; /* put before each key; "" for none */
};

extern const struct selector_dialect selector_of_pods, selector_of_namespaces, selector_of_cilium,
	selector_of_cilium_subject;

/* Adds a LabelSelector's requirements. */
int read_selector(struct walk *walk, const struct yaml_node *node,
		  const struct selector_dialect *dialect, struct selector *into);
/* Adds a plain map of labels (a Service's selector). */
int read_selector_map(struct walk *walk, const struct yaml_node *node, struct selector *into);

/* struct td_addr * */
int read_address(struct walk *walk, const struct yaml_node *node, void *into);
/* struct prefix *; bare: an address without length is taken as the whole address. */
int walk_prefix(struct walk *walk, const struct yaml_node *node, bool bare, struct prefix *ret);
/* One more in *list, which grows by array_add(). */
int walk_prefix_add(struct walk *walk, const struct yaml_node *node, bool bare,
		    struct prefix **list, size_t *count);
/* One more struct prefix in except; refuses what is not inside `outer` (strictly: or equals it). */
int walk_except(struct walk *walk, const struct yaml_node *node, bool strictly,
		struct cidr_rule *rule);
