/* SPDX-License-Identifier: Apache-2.0 */
/* policy_state: the engine's insides, shared by the files that change and that compile it.
 *
 * Owns: everything below    Thread: main loop only */
#pragma once

#include "policy/policy_groups.h"
#include "policy/policy_tables.h"

struct policy_engine {
	struct policy_peers peers;
	struct policy_cidrs cidrs;
	struct policy_groups groups;
	struct policy_tables tables;
	struct policy_prepared **policies; /* by kind, namespace, name */
	size_t policy_count, policy_room;
	struct policy_prepared **numbered; /* the same, by the numbers of their rules */
	size_t numbered_room;
	uint32_t next_rule;
	bool spare_pods;
	enum policy_enforcement enforcement;
	struct policy_cidr_list list; /* in force */
	struct policy_subject *changed;
};
