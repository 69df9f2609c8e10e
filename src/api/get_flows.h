/* SPDX-License-Identifier: Apache-2.0 */
/* get_flows: the GetFlows calls of observer_service.
 *
 * In: requests, and a ring that fills    Out: GetFlowsResponse messages, as fast as each client
 * reads
 * Owns: the open calls' cursors and filters; the latest losses    Thread: the loop's */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "api/grpc_session.h"
#include "flow/names.h"
#include "flow/ring.h"

#define GET_FLOWS_LOSSES 64 /* remembered; older ones are in the metrics only */

struct get_flows;

/* Zero-initialise; set ring and names. */
struct observer_flows {
	struct flow_ring *ring;
	struct flow_names *names;
	struct get_flows *calls; /* those that are open */
	struct {
		uint64_t before; /* sequence of the first flow after it */
		uint64_t count, time;
	} losses[GET_FLOWS_LOSSES];
	uint64_t loss_count; /* ever; the last GET_FLOWS_LOSSES are kept */
};

/* A request's bytes. Ends the call itself if they are wrong. */
void get_flows_start(struct observer_flows *flows, struct grpc_call *call, const void *request,
		     size_t size);
/* Events lost before they reached the ring; time: ns since 1970. */
void get_flows_lost(struct observer_flows *flows, uint64_t count, uint64_t time);
/* Calls that follow look at the ring again. */
void get_flows_wake(struct observer_flows *flows);
