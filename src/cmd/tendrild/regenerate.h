/* SPDX-License-Identifier: Apache-2.0 */
/* regenerate: from what the store says to what the kernel does: identities of workloads, policy
 * tables, maps, and the names the observer needs.
 *
 * In: changes of the store    Out: calls of identity, policy, service, datapath, publish
 * Owns: what is dirty, and the retry    Thread: main loop only
 *
 * Changes of one loop iteration are done together. If a step fails, it and the ones behind it stay
 * dirty and are tried again with a growing pause; the problem is reported. Until then the kernel
 * keeps enforcing what it enforced, and a workload whose identity has no tables passes nothing. Tables
 * too big for their map are not such a failure: lockdown.h. A policy that was applied and cannot be
 * read (sources_missing()) is one: everything from the policy step on waits for it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct agent;
struct regenerate;
struct workload;

enum dirty {
	DIRTY_IDENTITIES = 1u << 0, /* labels of some workload may have changed */
	DIRTY_POLICY = 1u << 1,     /* the engine has something to compile */
	DIRTY_ENDPOINTS = 1u << 2,  /* devices, addresses or identities of workloads */
	DIRTY_SERVICES = 1u << 3,
	DIRTY_HOST = 1u << 4,     /* addresses of the node */
	DIRTY_SUBJECTS = 1u << 5, /* what the kernel has of policy is not known: write all of it */
	DIRTY_MODES = 1u << 6,    /* what is audited, and whom policies are enforced on */
	DIRTY_ALL = (1u << 7) - 1,
};

/* Listens to the agent's store. */
int regenerate_new(struct agent *agent, struct regenerate **ret);
void regenerate_free(struct regenerate *regenerate);
DEFINE_FREEP(regenerate);

/* Something changed: done at the end of this loop iteration. dirty: enum dirty bits. */
void regenerate_mark(struct regenerate *regenerate, unsigned int dirty);
/* Does it now. An error means that policy or endpoints are not in force as they should be; services
 * and the rest are only reported. */
int regenerate_now(struct regenerate *regenerate);
/* A workload is about to be freed: drops its identity. */
void regenerate_workload_gone(struct regenerate *regenerate, struct workload *workload);

struct regenerate_stats {
	uint64_t runs, failures; /* runs that had something to do */
	uint64_t last_us;        /* how long the last one took, until it was in force */
	int64_t last_at;         /* seconds of CLOCK_REALTIME; 0: never */
	unsigned int dirty;      /* what waits; enum dirty bits */
};

struct regenerate_stats regenerate_stats(const struct regenerate *regenerate);
