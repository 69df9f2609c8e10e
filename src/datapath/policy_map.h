/* SPDX-License-Identifier: Apache-2.0 */
/* policy_map: td_subject, td_policy and td_pol_class equal to the compiler's tables.
 *
 * In: struct policy_subject    Out: three maps (abi/policy.h)    Owns: the kernel's table numbers
 * Thread: main loop only
 *
 * A table is immutable: a changed one is a new table under a number the kernel has not seen, a
 * subject switches to it by one write, and the old one is deleted when no packet can be reading it
 * any more. So there is no instant at which a subject has half a table. Tables of an earlier run
 * whose contents are wanted again are kept under their number.
 *
 * A subject whose table does not fit even after unused tables are gone is removed: all its traffic
 * is denied, unless it was its own old table that took the room. All others are in force. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"
#include "policy/policy_engine.h"

/* A table in the kernel. */
struct policy_installed {
	uint32_t source;   /* policy_table.number it was made from; 0: of an earlier run */
	uint32_t number;   /* in the kernel */
	uint32_t subjects; /* subjects and directions that use it */
	int64_t unused;    /* ms since when nobody does; 0: in use */
	struct image rows, classes;
};

struct policy_installed_subject {
	uint32_t identity;
	struct td_subject value; /* as in the kernel: its numbers of tables */
	bool wanted;             /* while a sync of all subjects runs */
};

struct policy_map {
	int subject_fd, policy_fd, class_fd; /* borrowed */
	bool known;                          /* what an earlier run left has been read */
	uint32_t next_number;
	struct policy_installed *tables;
	size_t table_count, table_capacity;
	struct policy_installed_subject *subjects; /* sorted by identity */
	size_t subject_count, subject_capacity;
	uint32_t *refused; /* identities of the last sync that did not fit, in its order */
	size_t refused_count;
};

void policy_map_init(struct policy_map *map, int subject_fd, int policy_fd, int class_fd);
void policy_map_close(struct policy_map *map);
/* -E2BIG: everything is in force but for the subjects in `refused`, which are denied everything. */
int policy_map_sync(struct policy_map *map, const struct policy_subject *subjects, size_t count,
		    bool all);
/* Deletes tables that have been unused for a second (a packet at work when its subject switched is
 * long done); true: some are left for later. */
bool policy_map_reclaim(struct policy_map *map);
