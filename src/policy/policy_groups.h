/* SPDX-License-Identifier: Apache-2.0 */
/* policy_groups: what rules refer to: CIDR groups, Services with their slices, a cloud's groups; and
 * for each reference the peers it stands for.
 *
 * In: objects, references of rules    Out: struct policy_set
 * Owns: references on objects, selectors and prefixes; the sets    Thread: main loop only
 *
 * Equal references share a set. A changed object makes the sets stale that it concerns, before or
 * after the change; policy_groups_resolve() looks those up again and marks the ones that say
 * something else than before, so that only rules with such a set are compiled again.
 *
 * An address has the identity of its longest prefix, and the kernel takes prefixes one by one. If a
 * group gives up some prefixes for others (a /24 for its two halves), an address could for a moment
 * have a prefix that the rules in force do not know. So such a change takes three steps, each in force
 * before the next: the new prefixes are there, and rules say what they said; rules say what they
 * shall; the old prefixes go. */
#pragma once

#include "policy/policy_cidrs.h"
#include "policy/policy_lookup.h"

struct policy_set {
	struct object *writer; /* a policy that has the reference; keeps it */
	const struct group_ref *ref;
	unsigned int refs;
	struct policy_members now;   /* what rules say; each prefix with a reference */
	struct policy_members other; /* moving: what it is to be, or was; these too */
	bool moving;
	bool fresh;   /* was never looked up */
	bool stale;   /* to be looked up */
	bool touched; /* it, or what lies inside its prefixes, changed since the settling */
};

enum policy_groups_stage {
	POLICY_GROUPS_STEADY,
	POLICY_GROUPS_WIDENED, /* moving sets are as they were, prefixes of both are there */
	POLICY_GROUPS_MOVED,   /* they are as they shall be, prefixes of both are there */
};

struct policy_groups {
	struct object **objects; /* sorted by kind, namespace, name */
	size_t object_count, object_room;
	struct policy_set **sets; /* sorted by reference */
	size_t set_count, set_room;
	enum policy_groups_stage stage;
	bool compiled; /* the tables of this stage were made */
};

/* After all sets were given back. */
void policy_groups_fini(struct policy_groups *groups);

/* Puts or replaces an object; takes a reference. 1: a set became stale; 0; -ENOMEM changes
 * nothing. */
int policy_groups_put_object(struct policy_groups *groups, struct object *object);
/* 1: a set became stale. */
int policy_groups_delete_object(struct policy_groups *groups, enum object_kind kind,
				const char *namespace, const char *name);

/* A reference on the set of a reference in a policy. 0 or -ENOMEM. */
int policy_groups_get(struct policy_groups *groups, struct object *writer,
		      const struct group_ref *ref, struct policy_set **ret);
void policy_groups_put(struct policy_groups *groups, struct policy_set *set,
		       struct policy_peers *peers, struct policy_cidrs *cidrs);

/* Looks up stale sets, or takes the next step. 1: there is one more; 0; -ENOMEM changes nothing. */
int policy_groups_resolve(struct policy_groups *groups, struct policy_peers *peers,
			  struct policy_cidrs *cidrs);
/* The tables of this step did not come into force: it is taken again, not the next one. */
void policy_groups_repeat(struct policy_groups *groups);
/* Marks the sets in whose prefixes a touched one of cidrs lies. */
void policy_groups_touch(struct policy_groups *groups, const struct policy_cidrs *cidrs);
/* The tables of this step are made: forgets what was touched. */
void policy_groups_settle(struct policy_groups *groups);
