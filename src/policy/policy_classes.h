/* SPDX-License-Identifier: Apache-2.0 */
/* policy_classes: ports of a table's terms, parted into disjoint classes.
 *
 * In: terms    Out: classes, and for each the terms that speak of it
 * Owns: its arrays    Thread: any
 *
 * A sweep over the ends of all ranges: between two ends no term tells ports apart. Stretches with
 * the same set of terms are one class. */
#pragma once

#include "policy/policy_expand.h"

struct policy_classes {
	struct policy_class *items; /* stretches, sorted by protocol, first */
	size_t count, room;
	uint64_t *members; /* of class k: words [(k - 1) * words .. k * words), a bit per term */
	size_t words;
	size_t class_count, member_room; /* classes are numbered from 1 */
};

/* 0 or -ENOMEM. */
int policy_classes_make(const struct policy_terms *terms, struct policy_classes *ret);
void policy_classes_fini(struct policy_classes *classes);
