/* SPDX-License-Identifier: Apache-2.0 */
/* record_view: what a record says of its two sides, with what is known when it is read.
 *
 * In: struct flow_record, names    Out: names, borrowed    Owns: nothing    Thread: one */
#pragma once

#include "flow/record.h"

/* The endpoint as it was when the flow was seen; if it was not known then (its first packets may
 * overtake its name), the one that has its id now. NULL: no local pod. */
const struct flow_endpoint *flow_record_endpoint(const struct flow_record *record,
						 const struct flow_names *names, int side);
/* Labels of a side's identity; of a reserved one even if no table says so. */
size_t flow_record_labels(const struct flow_record *record, const struct flow_names *names,
			  int side, const char *const **ret);
/* td_drop of what was denied, whether dropped or, by audit, forwarded; 0 if it was not. */
uint8_t flow_record_denial(const struct flow_record *record);
/* Hubble's DropReason, 0 if the number has no name there. */
int flow_drop_reason(uint8_t reason);
