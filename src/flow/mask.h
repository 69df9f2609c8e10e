/* SPDX-License-Identifier: Apache-2.0 */
/* mask: which fields of flow.Flow are wanted.
 *
 * In: paths of a google.protobuf.FieldMask    Out: flows without the rest
 * Owns: its tree    Thread: any, immutable once built */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "flow.pb-c.h"

struct flow_mask;
/* paths with the names of the .proto file ("source.pod_name", "IP"); none: everything is wanted.
 * -EINVAL with diag: no such field, or one inside a list. -ENOMEM. */
int flow_mask_new(char *const *paths, size_t count, struct diag *diag, struct flow_mask **ret);
void flow_mask_free(struct flow_mask *mask);
DEFINE_FREEP(flow_mask);

/* Whether any of this field of Flow (its number) is wanted. mask NULL: yes. */
bool flow_mask_wants(const struct flow_mask *mask, uint32_t number);
/* Clears what is not wanted. The flow's parts must come from malloc(). mask NULL: nothing. */
void flow_mask_apply(const struct flow_mask *mask, Flow__Flow *flow);
