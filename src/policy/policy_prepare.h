/* SPDX-License-Identifier: Apache-2.0 */
/* policy_prepare: one policy object with its selectors interned, its prefixes counted, its rules
 * numbered.
 *
 * In: struct object    Out: struct policy_prepared
 * Owns: references on object, selectors, sets and prefixes    Thread: main loop only */
#pragma once

#include "policy/policy_cidrs.h"
#include "policy/policy_groups.h"
#include "policy/policy_peers.h"

/* Where what policies have in common exists once. */
struct policy_commons {
	struct policy_peers *peers;
	struct policy_cidrs *cidrs;
	struct policy_groups *groups;
};

struct policy_prepared_rule {
	const struct policy_rule *rule;
	uint32_t number;
	struct policy_selector **selectors; /* each with the rule's `requires` in it */
	size_t selector_count;
	struct policy_set **sets; /* of the rule's groups, in their order */
	size_t set_count;
};

struct policy_prepared_spec {
	struct policy_selector *subject;
	bool isolates[2];
	bool relevant[2];  /* isolates, or has rules of the direction */
	bool own_names;    /* an ingress rule has a named port */
	bool any_identity; /* what its rules say changes with every pod that comes or goes */
	bool audit;        /* of a policy in audit mode: what it denies is told, not enforced */
	struct policy_prepared_rule *rules;
	size_t rule_count;
};

struct policy_prepared {
	struct object *object;
	struct policy_prepared_spec *specs;
	size_t spec_count;
	uint32_t first_rule;
	struct policy_rule_name *names; /* one per rule, in the order of specs and rules */
	size_t rule_count;
};

/* Numbers the rules from first_number on. -ENOMEM changes nothing. */
int policy_prepare(struct object *object, uint32_t first_number,
		   const struct policy_commons *commons, struct policy_prepared **ret);
void policy_prepared_free(struct policy_prepared *prepared, const struct policy_commons *commons);
/* By kind, namespace, name. */
int policy_prepared_compare(const struct policy_prepared *prepared, enum object_kind kind,
			    const char *namespace, const char *name);

/* The prefix that stands for an entity (world-ipv4, world-ipv6); false if none does. */
bool policy_entity_prefix(enum entity entity, struct prefix *ret);
