/* SPDX-License-Identifier: Apache-2.0 */
/* policy_changes: which (source, destination, port) two scenes decide differently; and who reaches
 * whom in one.
 *
 * In: groups of one or two scenes    Out: changes; sets of ports
 * Owns: its lists    Thread: one
 *
 * Both directions count: a connection passes if egress of the source and ingress of the destination
 * allow it. Exact for every port and both families, from the tables alone. */
#pragma once

#include "policy/policy_cohorts.h"

/* Ports between two groups that changed sides alike. */
struct policy_change {
	size_t from, to; /* places in the groups */
	bool allowed;    /* now */
	unsigned int families;
	struct policy_ports ports;
	/* By td_direction: whether it decides (denies now, or denied before), and by which rule now. */
	bool decides[2];
	uint32_t rule[2];
};

struct policy_changes {
	struct policy_change *items; /* by from, to, then denied before allowed */
	size_t count, room;
	size_t pair_count; /* that were compared */
};

/* Of groups made from two scenes. -ENOMEM. */
int policy_changes_find(const struct policy_cohorts *groups, struct policy_changes **ret);
void policy_changes_free(struct policy_changes *changes);
DEFINE_FREEP(policy_changes);

/* What a group may reach of another in a scene; if the families differ, one set for each, else all
 * in sets[0]. Families that they have not in common stay 0. */
struct policy_cell {
	struct policy_ports ports[2];
	unsigned int families[2]; /* that ports[] is about; 0: nothing */
};

/* -ENOMEM. */
int policy_cell_make(const struct policy_cohort *from, const struct policy_cohort *to, size_t scene,
		     struct policy_cell *ret);
void policy_cell_fini(struct policy_cell *cell);
