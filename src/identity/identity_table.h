/* SPDX-License-Identifier: Apache-2.0 */
/* identity_table: what the room's own files share about struct identities.
 *
 * In: saved identities    Out: a table that holds them    Owns: nothing    Thread: main loop only */
#pragma once

#include <stdbool.h>

#include "identity/identity.h"

/* How many identities without references keep their number. More would let churning labels grow
 * the table to 65,280 entries that nobody uses. */
#define IDENTITIES_KEPT_UNREFERENCED 1024

/* Reserves a number for labels and ports, without a reference. -EINVAL: the number is not a pod's
 * or taken, or the labels and ports have a number; -ENOMEM. */
int identities_restore(struct identities *identities, uint32_t number, const struct labels *labels,
		       const struct named_port *ports, size_t port_count);
/* No number of a pod is taken. */
bool identities_is_empty(const struct identities *identities);
/* Exchanges the contents of two tables. */
void identities_swap(struct identities *a, struct identities *b);
