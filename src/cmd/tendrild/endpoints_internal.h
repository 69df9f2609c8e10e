/* SPDX-License-Identifier: Apache-2.0 */
/* endpoints_internal: what the files of endpoints.h share. */
#pragma once

#include <uv.h>

#include "endpoints.h"

struct endpoints {
	struct agent *agent;
	char *dir, *tombstones;
	char prefix[16]; /* of host-side devices */
	struct workload *first;
	uint32_t last_id;
	int query_fd;            /* for ioctls on devices */
	uv_timer_t *retry_timer; /* of deletions that the kernel refused */
};

/* Writes the record. */
int endpoints_record(struct endpoints *endpoints, const struct workload *workload);
/* Puts the workload's object, as it is now, into the store. */
int endpoints_publish(struct endpoints *endpoints, struct workload *workload);
/* Takes the device away; address, id and record follow when the kernel has unlinked it. The
 * workload may be freed on return. wait: blocks until then. */
int endpoints_remove(struct endpoints *endpoints, struct workload *workload, bool wait);
/* A DEL that found no agent may leave its tombstone after the agent has read them: it must not bury
 * an attachment of the same name made since. */
void endpoints_drop_tombstone(const struct endpoints *endpoints, const struct workload *workload);
/* Gives up everything of a workload without device, and frees it. */
void endpoints_forget(struct endpoints *endpoints, struct workload *workload);
