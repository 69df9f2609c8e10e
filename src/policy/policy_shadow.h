/* SPDX-License-Identifier: Apache-2.0 */
/* policy_shadow: rules that change nothing because others say all they say.
 *
 * In: a compiled engine    Out: for a rule, the one that makes it superfluous
 * Owns: what each rule covers    Thread: one; good until the engine's next change
 *
 * What a rule covers comes of policy_expand(), as in the tables: for each of its subjects a set of
 * (who, ports). "Who" is cut so fine that every rule holds all of a piece or nothing of it: each
 * identity, the outside addresses of each prefix that are in no longer one, and pods' and nodes'
 * addresses there likewise. */
#pragma once

#include "policy/policy_prepare.h"

struct policy_site {
	const struct policy_prepared *policy;
	const struct policy_prepared_spec *spec;
	const struct policy_prepared_rule *rule;
};

struct policy_shadow {
	struct policy_site by; /* one of them, if several together */
	bool denies;           /* denies always beat the rule; else it adds nothing */
	bool several;
	bool same;    /* it says the same, no more */
	bool certain; /* whatever pods there will be; else with those that there are */
};

struct policy_shadows;
int policy_shadows_new(const struct policy_engine *engine, struct policy_shadows **ret);
void policy_shadows_free(struct policy_shadows *shadows);
DEFINE_FREEP(policy_shadows);

/* Rules are numbered from 0 by kind, namespace, name and place. */
size_t policy_shadows_count(const struct policy_shadows *shadows);
const struct policy_site *policy_shadows_site(const struct policy_shadows *shadows, size_t at);
/* 1 if the rule is superfluous, 0 if it is not (one that covers nothing is not), -ENOMEM. Of two
 * that say the same, the later one is. */
int policy_shadows_find(struct policy_shadows *shadows, size_t at, struct policy_shadow *ret);

/* Whether everything that `narrow` matches, `wide` matches too, whatever labels there are. May miss
 * some that do. */
bool policy_selector_implies(const struct selector *narrow, const struct selector *wide);
