/* SPDX-License-Identifier: Apache-2.0 */
/* policy_cidrs: the prefixes rules speak of, each with an identity.
 *
 * In: prefixes of rules and their exceptions    Out: the list in force
 * Owns: the prefixes    Thread: main loop only
 *
 * Changes gather until policy_cidrs_list() makes the next list of them. */
#pragma once

#include "policy/array.h"
#include "policy/policy_engine.h"

struct policy_cidr_ref {
	struct policy_cidr cidr;
	unsigned int refs; /* 0: gone at the next settling, unless it comes back with its number */
};

struct policy_cidrs {
	struct policy_cidr_ref *items; /* sorted by prefix */
	size_t count, room;
	struct prefix *touched; /* come or gone since the last settling */
	size_t touched_count, touched_room;
	uint32_t next; /* identity of the next new prefix */
};

void policy_cidrs_init(struct policy_cidrs *cidrs);
void policy_cidrs_fini(struct policy_cidrs *cidrs);
/* Order of addresses, then of lengths: what lies inside a prefix follows it. */
int policy_prefix_compare(const struct prefix *a, const struct prefix *b);

/* A reference on a prefix. -ENOMEM changes nothing. */
int policy_cidrs_get(struct policy_cidrs *cidrs, const struct prefix *prefix);
void policy_cidrs_put(struct policy_cidrs *cidrs, const struct prefix *prefix);

struct policy_cidr_list {
	struct policy_cidr *items; /* sorted by prefix */
	size_t count;
};
/* The prefixes with references, and 0.0.0.0/0 if an IPv6 prefix could hide IPv4. Caller frees
 * items. -ENOMEM. */
int policy_cidrs_list(const struct policy_cidrs *cidrs, struct policy_cidr_list *ret);
/* Forgets what was touched, and prefixes without references. */
void policy_cidrs_settle(struct policy_cidrs *cidrs);
/* First index whose prefix is not below the given one: itself and all inside it follow. */
size_t policy_cidr_list_position(const struct policy_cidr_list *list, const struct prefix *prefix);
