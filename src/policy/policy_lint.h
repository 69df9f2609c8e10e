/* SPDX-License-Identifier: Apache-2.0 */
/* policy_lint: policies that are valid and yet not what somebody meant.
 *
 * In: a scene    Out: findings, each with a place, a weight and what to do
 * Owns: the findings' texts; policies stay the scene's    Thread: one
 *
 * Whom a rule selects and what it covers is asked of the compiler's own state and policy_expand(), so
 * a finding is about what would be enforced, not about how it is written. What depends on pods or
 * namespaces is asked only if the scene has any. */
#pragma once

#include "policy/policy_scene.h"

enum policy_severity {
	POLICY_NOTE,    /* worth knowing */
	POLICY_WARNING, /* hardly meant */
	POLICY_ERROR,   /* what is written is not enforced */
};

/* "note", "warning", "error". */
const char *policy_severity_name(enum policy_severity severity);

struct policy_finding {
	enum policy_severity severity;
	const char *code; /* "selects-nothing" */
	const struct object *policy;
	unsigned int line; /* in its file; 0: unknown */
	char *text;        /* what is found, and what to do; one line */
};

struct policy_findings {
	struct policy_finding *items; /* by file, line */
	size_t count, room;
	size_t policy_count, rule_count; /* that were looked at */
	bool knows_pods, knows_namespaces;
};

/* -ENOMEM. */
int policy_lint(struct policy_scene *scene, struct policy_findings **ret);
void policy_findings_free(struct policy_findings *findings);
DEFINE_FREEP(policy_findings);
