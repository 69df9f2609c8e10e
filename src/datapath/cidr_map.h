/* SPDX-License-Identifier: Apache-2.0 */
/* cidr_map: td_cidr equal to the compiler's prefixes.
 *
 * In: struct policy_cidr    Out: the map behind a mirror    Owns: nothing    Thread: main loop only */
#pragma once

#include "map_io.h"
#include "policy/policy_engine.h"

/* Writes the difference. What does not fit is logged, and the first error returned. */
int cidr_map_sync(struct map_mirror *mirror, const struct policy_cidr *cidrs, size_t count);
