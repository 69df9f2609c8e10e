/* SPDX-License-Identifier: Apache-2.0 */
/* policy_tables: terms to tables; equal tables exist once.
 *
 * In: struct policy_terms    Out: struct policy_table, as abi/policy.h tells it
 * Owns: the tables    Thread: main loop only */
#pragma once

#include "policy/policy_expand.h"

struct policy_table_entry;

struct policy_tables {
	struct policy_table_entry **buckets;
	size_t bucket_count, count;
	uint32_t last_number;
};

void policy_tables_init(struct policy_tables *tables);
void policy_tables_fini(struct policy_tables *tables);

/* A reference on the table of these terms, in which a term before another one wins ties. -ENOMEM
 * changes nothing. */
int policy_tables_get(struct policy_tables *tables, const struct policy_terms *terms,
		      uint32_t flags, const struct policy_table **ret);
void policy_tables_ref(const struct policy_table *table);
/* Drops a reference; NULL is fine. */
void policy_tables_put(struct policy_tables *tables, const struct policy_table *table);
