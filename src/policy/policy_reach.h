/* SPDX-License-Identifier: Apache-2.0 */
/* policy_reach: what a table decides about a peer, for every protocol and port at once.
 *
 * In: tables, queries    Out: spans of ports, each with one decision
 * Owns: its spans    Thread: any
 *
 * Ports that no rule of the table tells apart have one verdict, so each class is asked about once,
 * and all ports between classes once: exact, without trying ports. */
#pragma once

#include "policy/policy_ports.h"

struct policy_span {
	struct policy_port_range range;
	struct policy_decision decision;
};

struct policy_reach {
	struct policy_span *items; /* cover the space of policy_ports.h, in its order */
	size_t count, room;
};

void policy_reach_fini(struct policy_reach *reach);
/* Replaces what is in *ret, which keeps its memory. table NULL: the subject is no pod, everything is
 * allowed. The query's protocol and port mean nothing. 0 or -ENOMEM. */
int policy_reach_make(const struct policy_table *table, const struct policy_query *query,
		      unsigned int families, struct policy_reach *ret);

#define POLICY_REACH_JOIN_MAX 4

/* decisions: one per reach, in their order. */
typedef int (*policy_reach_fn)(const struct policy_port_range *range,
			       const struct policy_decision *const *decisions, void *data);
/* Calls fn for each range within which none of the reaches (at most POLICY_REACH_JOIN_MAX, made for
 * the same families) changes its decision; stops at non-zero and returns it. */
int policy_reach_join(const struct policy_reach *reaches, size_t count, policy_reach_fn fn,
		      void *data);
