/* SPDX-License-Identifier: Apache-2.0 */
/* parse_cilium: what the parts of the Cilium policies' parser share. Private to src/model.
 *
 * parse_cilium_policy.c reads objects, specs and peers; parse_cilium_groups.c peers that are kept in
 * other objects, and CIDRs; parse_cilium_ports.c reads toPorts and icmps. Thread: any */
#pragma once

#include "parse.h"

struct cilium_reading {
	struct object *object;
	struct policy_spec *spec;
	struct policy_rule *rule; /* the one being read */
	enum td_direction direction;
	bool deny;
	bool matches_init;     /* the subject names reserved:init: peers need no namespace */
	bool has_entries[2];   /* by td_direction: rules or deny rules are written */
	bool default_deny[2];  /* by td_direction: not switched off */
	const char *peer_kind; /* field of the rule that names peers; NULL: none so far */
	bool has_ports, has_icmps;
};

/* One kind of peer per rule; the path's key is its name. */
int begin_cilium_peers(struct walk *walk, const struct yaml_node *node,
		       struct cilium_reading *reading);

/* `into` is the reading. */
int read_cilium_cidr_sets(struct walk *walk, const struct yaml_node *node, void *into);
int read_cilium_services(struct walk *walk, const struct yaml_node *node, void *into);
int read_cilium_groups(struct walk *walk, const struct yaml_node *node, void *into);
int read_cilium_to_ports(struct walk *walk, const struct yaml_node *node, void *into);
int read_cilium_deny_to_ports(struct walk *walk, const struct yaml_node *node, void *into);
int read_cilium_icmps(struct walk *walk, const struct yaml_node *node, void *into);
