/* SPDX-License-Identifier: Apache-2.0 */
/* policy_explain: why a subject's policies decide as they do: every rule that had a say, what
 * isolates the subject, and the rule that came nearest.
 *
 * In: a compiled engine, a question    Out: rules with how far they fit
 * Owns: nothing    Thread: main loop only
 *
 * The slow, thorough counterpart of policy_verdict(): it expands each rule alone, by the compiler's
 * own policy_expand(), so it cannot disagree with the tables about what a rule means. */
#pragma once

#include "policy/policy_engine.h"

/* How far a rule fits a question. */
enum policy_fit {
	POLICY_FIT_NONE,
	POLICY_FIT_PORT, /* the port, but other peers */
	POLICY_FIT_PEER, /* the peer, but other ports */
	POLICY_FIT_BOTH,
};

typedef int (*policy_fit_fn)(const struct policy_rule_name *rule, enum policy_fit fit, void *data);
/* Calls fn for each rule, in the direction, of every policy that selects the subject, in the order of
 * kind, namespace, name and place; stops at non-zero and returns it. -ENOENT: no such subject;
 * -ENOMEM. As of the last compile. */
int policy_explain(const struct policy_engine *engine, uint32_t subject,
		   enum td_direction direction, const struct policy_query *query, policy_fit_fn fn,
		   void *data);

typedef int (*policy_object_fn)(const struct object *policy, void *data);
/* Calls fn for each policy that isolates the subject in the direction. */
int policy_isolating(const struct policy_engine *engine, uint32_t subject,
		     enum td_direction direction, policy_object_fn fn, void *data);
