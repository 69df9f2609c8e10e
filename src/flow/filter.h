/* SPDX-License-Identifier: Apache-2.0 */
/* filter: lists of flow.FlowFilter compiled to a matcher over records.
 *
 * In: GetFlowsRequest.whitelist and .blacklist    Out: yes or no per record
 * Owns: its programs    Thread: one
 *
 * A record passes if the whitelist is empty or any of its filters matches, and no filter of the
 * blacklist matches. Within one filter all fields that are set must match; within a field any value.
 * What each field means is hubble's: pods and services "ns/prefix", "ns/", "prefix" (namespace
 * default) and "/prefix" (any namespace); addresses and CIDRs; labels in Kubernetes selector syntax,
 * keys with or without a source ("k8s:app"); names and nodes with '*'.
 * Fields about L7 and trace ids match nothing, as no flow has any of these yet. A CEL expression or
 * a wrong value is refused. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"
#include "flow.pb-c.h"
#include "flow/record.h"

/* Records with FLOW_CLOSE pass too, if the lists let them. */
#define FLOW_FILTER_CLOSES (1u << 0)

struct flow_filter;
/* -EINVAL with diag naming the list, the index and the field ("whitelist[0].source_ip: ..."). */
int flow_filter_new(Flow__FlowFilter *const *whitelist, size_t whitelist_count,
		    Flow__FlowFilter *const *blacklist, size_t blacklist_count, unsigned int flags,
		    struct diag *diag, struct flow_filter **ret);
void flow_filter_free(struct flow_filter *filter);
DEFINE_FREEP(flow_filter);

/* names: for the node's name and labels, and for endpoints that were not known yet when the record
 * was decoded. */
bool flow_filter_match(const struct flow_filter *filter, const struct flow_names *names,
		       const struct flow_record *record);
