/* SPDX-License-Identifier: Apache-2.0 */
/* policy_modes: whether policies are enforced, and on whom: of the node, of namespaces, of workloads,
 * of single policies.
 *
 * In: the store's PolicyModes, annotations, the node's configuration    Out: answers
 * Owns: a sorted copy of the PolicyModes    Thread: main loop only
 *
 * Of one target a PolicyMode goes before the annotation, and that before the configuration. Several
 * PolicyModes of one target: the one that enforces more. A workload is in the mode of the most
 * specific of workload, namespace and node that says something. */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "model/object.h"
#include "store/store.h"

struct policy_modes;

/* As configured. */
struct policy_modes_node {
	const char *name; /* NULL: PolicyModes of every Node count */
	bool audit;
	enum policy_enforcement enforcement;
};

/* As the store is now; make it again when a PolicyMode changes. The store must outlive it. */
int policy_modes_new(const struct store *store, const struct policy_modes_node *node,
		     struct policy_modes **ret);
void policy_modes_free(struct policy_modes *modes);
DEFINE_FREEP(policy_modes);

enum policy_enforcement policy_modes_enforcement(const struct policy_modes *modes);
bool policy_modes_node_audited(const struct policy_modes *modes);
/* Whether a workload is in audit mode; ret_by (may be NULL): who says so, or says that it is not:
 * OBJECT_POD, OBJECT_NAMESPACE or OBJECT_NODE. namespace "": not known, so the node's mode. */
bool policy_modes_workload_audited(const struct policy_modes *modes, const char *namespace,
				   const char *name, enum object_kind *ret_by);
bool policy_modes_policy_audited(const struct policy_modes *modes, const struct object *policy);
