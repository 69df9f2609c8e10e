/* SPDX-License-Identifier: Apache-2.0 */
/* observer_service: observer.Observer and grpc.health.v1.Health over a ring of flows.
 *
 * In: flow records, counts of lost events    Out: answers to GetFlows, ServerStatus,
 * GetNamespaces and Check; GetNodes is a relay's and stays unimplemented
 * Owns: what it counts and each call's cursor; the ring and the names are the caller's
 * Thread: the loop's
 *
 * GetFlows, as Hubble means it: whitelists are ORed and blacklists taken away; `since` decides where
 * to start, else `first` (the oldest), else so far back that `number` matching flows remain, else,
 * with `follow` and without a number, the newest; `number` ends a call that does not follow; `until`
 * ends every call. A reader that is overtaken by the ring is told how many flows it missed; what the
 * kernel could not deliver is told to every reader, at its place among the flows. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "api/grpc_session.h"
#include "base/cleanup.h"
#include "flow/names.h"
#include "flow/record.h"
#include "flow/ring.h"

struct observer_service;

struct observer_options {
	struct flow_ring *ring;
	struct flow_names *names;
	const char *version; /* for ServerStatus */
};

int observer_service_new(const struct observer_options *options, struct observer_service **ret);
/* No call may be open any more: free the server and run its loop first. */
void observer_service_free(struct observer_service *service);
DEFINE_FREEP(observer_service);

/* For grpc_server_new(); valid as long as the service. */
const struct grpc_service *observer_service_services(struct observer_service *service,
						     size_t *ret_count);

/* Puts a record into the ring (taking its references) and its namespaces into the list. */
void observer_service_push(struct observer_service *service, struct flow_record *record);
/* Events that the kernel could not deliver, noticed now. */
void observer_service_lost(struct observer_service *service, uint64_t count);
/* Lets those who follow see what was pushed: once after a batch. */
void observer_service_wake(struct observer_service *service);
/* Once a second: rates. */
void observer_service_tick(struct observer_service *service);
