/* SPDX-License-Identifier: Apache-2.0 */
/* policy_cases: collections of policies with the verdicts that are expected of them.
 *
 * In: files of clusters and cases (docs/policy.md, "Collections of cases")
 * Out: every cell that differs, on stdout
 * Owns: the clusters    Thread: one
 *
 * Two formats. Steps: {id, layout, steps: [{actions, order, expected: {PROBE: {egress, ingress,
 * combined: [ROW per source, a column per destination]}}}]}. Peers: {id, policies, peers, expected:
 * {egress, ingress: {PROBE: {SUBJECT: ROW over peers}}}}. '.' is allowed, 'X' denied. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "policy/policy_scene.h"

/* Who decides a cell. 0, or an error that ends the run; diag may say more. */
typedef int (*policy_judge_fn)(struct policy_scene *scene, enum td_direction direction,
			       const struct policy_party *subject, const struct policy_party *peer,
			       const struct policy_probe *probe, bool *ret_allowed,
			       struct diag *diag, void *data);

struct policy_cases {
	bool blocks_spare_pods; /* judge the tables of --ipblock=never */
	/* Called with the empty scene of each case; may be NULL. */
	void (*begin)(struct policy_scene *scene, void *data);
	policy_judge_fn judge;
	void *data;
	size_t cells, mismatches;

	struct policy_cluster *clusters;
	size_t cluster_count;
};

void policy_cases_clear(struct policy_cases *cases);

/* A cluster that cases may name. cluster-LAYOUT.json is for cases of that layout. Returns 0, or an
 * exit code after saying what is wrong. */
int policy_cases_add_cluster(struct policy_cases *cases, const char *path);
/* Judges every cell of a file, a case per line. Returns 0 (whatever the verdicts), or an exit code. */
int policy_cases_run(struct policy_cases *cases, const char *path);
