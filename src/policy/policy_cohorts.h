/* SPDX-License-Identifier: Apache-2.0 */
/* policy_cohorts: the parties of a cluster that policies tell apart: pods alike in everything that
 * rules can ask for are one, and so are the outside addresses between two prefixes.
 *
 * In: one scene, or two: before and after a change    Out: struct policy_cohort
 * Owns: its groups; objects and tables stay the scenes', which must outlive it unchanged
 * Thread: one
 *
 * A group is: pods of one identity (in both scenes), parted further where a NetworkPolicy's block
 * holds the addresses of some; the node; a reserved identity that a rule speaks of; the outside
 * addresses of a prefix that are in no longer one; the rest of the outside (world). */
#pragma once

#include "policy/policy_ports.h"
#include "policy/policy_scene.h"

enum policy_cohort_kind {
	POLICY_COHORT_PODS,
	POLICY_COHORT_HOST,
	POLICY_COHORT_ENTITY,
	POLICY_COHORT_WORLD,
	POLICY_COHORT_CIDR,
};

#define POLICY_SCENES 2 /* before, after */

struct policy_cohort {
	enum policy_cohort_kind kind;
	char *text; /* "default/web-* (3 pods)", "host", "10.0.0.0/8 but 10.1.0.0/16" */
	const struct object **pods; /* of the first scene, by name; of kind pods only */
	size_t pod_count;
	struct prefix prefix;  /* of kind CIDR only */
	unsigned int families; /* POLICY_IPV4, POLICY_IPV6: it may have */
	bool outside;          /* no endpoint and no node */
	uint32_t identity[POLICY_SCENES];
	uint32_t cidr[POLICY_SCENES][2];                    /* by scene, by family (IPv4, IPv6) */
	const struct policy_table *table[POLICY_SCENES][2]; /* by td_direction; NULL: no pod */
};

struct policy_cohorts {
	struct policy_cohort *items; /* pods by name, then the others */
	size_t count, room;
	size_t scene_count;
	/* Pods that are in one of two scenes only; in no group. */
	const struct object **gone, **come;
	size_t gone_count, gone_room, come_count, come_room;
};

/* after NULL: one scene. -ENOMEM. */
int policy_cohorts_make(struct policy_scene *before, struct policy_scene *after,
			struct policy_cohorts **ret);
void policy_cohorts_free(struct policy_cohorts *groups);
DEFINE_FREEP(policy_cohorts);

/* Whether policies have a say between two groups: one of them is pods, and it is not one pod alone
 * with itself. */
bool policy_cohorts_meet(const struct policy_cohort *from, const struct policy_cohort *to);
/* Families in which they can talk, and whether policies cannot tell these apart (0: they cannot
 * talk). */
unsigned int policy_cohorts_families(const struct policy_cohort *from,
				     const struct policy_cohort *to, bool *ret_alike);
/* The first address of prefixes[at] that is in no longer prefix of the list (sorted by
 * policy_prefix_compare(), each once); false if there is none. */
bool policy_prefix_region(const struct prefix *prefixes, size_t count, size_t at,
			  struct td_addr *ret);
/* What one end is to the other's tables. */
struct policy_query policy_cohort_query(const struct policy_cohort *peer, size_t scene, bool ipv6);
