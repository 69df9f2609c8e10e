/* SPDX-License-Identifier: Apache-2.0 */
/* endpoints: the life of this node's workloads, from CNI ADD to the day their address is free.
 *
 * In: requests of the admin socket, records of an earlier run    Out: objects in the store, records
 * in run_dir/endpoints, devices    Owns: the workloads    Thread: main loop only
 *
 * ADD: record (CREATING), addresses, identity and policy in the kernel, device, its endpoint in the
 * kernel, record (READY). So a pod is isolated before its first packet, and whatever dies on the
 * way leaves a record from which the next start removes the rest. DEL: record (DELETING), device
 * down and detached; the kernel unlinks it when it likes, and only then are address, id and record
 * given up. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "workload.h"

struct agent;
struct endpoints;

int endpoints_new(struct agent *agent, struct endpoints **ret);
/* Stops the timers. The loop must run once more for its handles. */
void endpoints_free(struct endpoints *endpoints);
DEFINE_FREEP(endpoints);

/* Before the data path is open: reads the records, reserves addresses, puts objects into the store.
 * A broken record is reported as a problem and dropped; its device goes with the leftovers. */
int endpoints_load(struct endpoints *endpoints);
/* After it is open: removes what an earlier run left half made, what tombstones name, and devices
 * without a record. Workloads whose device is gone are forgotten. */
int endpoints_adopt(struct endpoints *endpoints);

/* All workloads, linked by next; also those being deleted. */
struct workload *endpoints_first(const struct endpoints *endpoints);

struct endpoint_request {
	const char *container_id, *ifname, *netns;
	const char *pod_namespace, *pod_name; /* NULL: not told */
	const char *network;                  /* NULL: not told */
	bool run;
	const struct labels *run_labels; /* with run */
};

/* What refuses an ADD, besides -errno. */
enum endpoint_refusal {
	REFUSED_INTERNAL,  /* kernel or memory */
	REFUSED_REQUEST,   /* malformed */
	REFUSED_AMBIGUOUS, /* two Pods match, or the interface is taken */
	REFUSED_NO_NETNS,  /* the network namespace is gone */
	REFUSED_EXHAUSTED, /* no address or id left */
	REFUSED_POLICY,    /* its policy could not be put in force: try again */
	REFUSED_UNKNOWN,   /* no such endpoint */
};

/* Returns the same workload for an attachment that is there already. */
int endpoints_add(struct endpoints *endpoints, const struct endpoint_request *request,
		  const struct workload **ret, enum endpoint_refusal *ret_refusal,
		  struct diag *diag);
/* No error if there is none. */
int endpoints_delete(struct endpoints *endpoints, const char *container_id, const char *ifname);
int endpoints_check(struct endpoints *endpoints, const struct endpoint_request *request,
		    enum endpoint_refusal *ret_refusal, struct diag *diag);
/* Deletes every attachment of the network that keep() does not want. Those of `tendril run` are
 * nobody else's to collect. network NULL: those that did not tell theirs. Returns how many. */
unsigned int endpoints_collect(struct endpoints *endpoints, const char *network,
			       bool (*keep)(const struct workload *workload, void *data),
			       void *data);

/* A workload being looked for by its attachment; NULL if there is none, or it is being deleted. */
struct workload *endpoints_find(const struct endpoints *endpoints, const char *container_id,
				const char *ifname);

/* Binds workloads to Pods that came, went or became ambiguous, and tells the store. */
void endpoints_bind(struct endpoints *endpoints);
/* Forgets workloads whose device has vanished with its network namespace. */
void endpoints_notice_vanished(struct endpoints *endpoints);
/* The kernel has unlinked a deleted workload's device (error 0), or would not: its address and id are
 * free, or it is tried again. */
void endpoints_device_gone(struct endpoints *endpoints, const char *host_ifname, int error);
