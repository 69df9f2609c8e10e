/* SPDX-License-Identifier: Apache-2.0 */
/* policy_lookup: whom a reference of a rule means, by the objects there are.
 *
 * In: a reference, objects    Out: struct policy_members
 * Owns: nothing    Thread: main loop only */
#pragma once

#include "model/group.h"
#include "policy/policy_peers.h"

struct policy_members {
	struct prefix *prefixes; /* sorted, each once */
	size_t prefix_count, prefix_room;
	struct policy_selector **selectors; /* of Services with a selector; with references */
	size_t selector_count, selector_room;
	size_t object_count; /* how many objects the reference means */
};

void policy_members_fini(struct policy_members *members, struct policy_peers *peers);

/* objects: sorted by kind, namespace, name. 0 or -ENOMEM. */
int policy_lookup(struct object *const *objects, size_t count, const struct group_ref *ref,
		  struct policy_peers *peers, struct policy_members *ret);

/* First index whose object is not below the key. */
size_t policy_lookup_position(struct object *const *objects, size_t count, enum object_kind kind,
			      const char *namespace, const char *name);
