/* SPDX-License-Identifier: Apache-2.0 */
/* observe_value: one value of a filter flag, checked and put into a field of a FlowFilter.
 *
 * In: text    Out: one more element of a repeated field (malloc'ed, as protobuf-c frees it)
 * Owns: nothing    Thread: any
 *
 * All: 0, -EINVAL with diag saying what was expected, -ENOMEM. */
#pragma once

#include <stddef.h>

#include "base/diag.h"
#include "flow.pb-c.h"

/* Offsets of a repeated field of Flow__FlowFilter. */
struct observe_place {
	size_t count, items;
};

typedef int (*observe_add)(Flow__FlowFilter *filter, const struct observe_place *place,
			   const char *value, struct diag *diag);

int observe_add_text(Flow__FlowFilter *filter, const struct observe_place *place, const char *value,
		     struct diag *diag);
/* An address or a CIDR. */
int observe_add_address(Flow__FlowFilter *filter, const struct observe_place *place,
			const char *value, struct diag *diag);
/* 0 to 65535. */
int observe_add_port(Flow__FlowFilter *filter, const struct observe_place *place, const char *value,
		     struct diag *diag);
/* A number or the name of a reserved identity. */
int observe_add_identity(Flow__FlowFilter *filter, const struct observe_place *place,
			 const char *value, struct diag *diag);
/* "name" or "Kind/name". */
int observe_add_workload(Flow__FlowFilter *filter, const struct observe_place *place,
			 const char *value, struct diag *diag);
int observe_add_verdict(Flow__FlowFilter *filter, const struct observe_place *place,
			const char *value, struct diag *diag);
/* "drop", "trace", "trace:to-endpoint", "policy-verdict", "4:2" ... */
int observe_add_type(Flow__FlowFilter *filter, const struct observe_place *place, const char *value,
		     struct diag *diag);
int observe_add_protocol(Flow__FlowFilter *filter, const struct observe_place *place,
			 const char *value, struct diag *diag);
/* "SYN,ACK": all of them. */
int observe_add_tcp_flags(Flow__FlowFilter *filter, const struct observe_place *place,
			  const char *value, struct diag *diag);
int observe_add_ip_version(Flow__FlowFilter *filter, const struct observe_place *place,
			   const char *value, struct diag *diag);
int observe_add_drop_reason(Flow__FlowFilter *filter, const struct observe_place *place,
			    const char *value, struct diag *diag);
int observe_add_direction(Flow__FlowFilter *filter, const struct observe_place *place,
			  const char *value, struct diag *diag);
int observe_add_interface(Flow__FlowFilter *filter, const struct observe_place *place,
			  const char *value, struct diag *diag);
