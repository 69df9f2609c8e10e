/* SPDX-License-Identifier: Apache-2.0 */
/* chores: what the kernel takes long for, done in a thread one after the other.
 *
 * In: chores    Out: chores that are done    Owns: a thread, a socket, an eventfd
 * Thread: called from the main loop only; the chore's work runs in the thread
 *
 * Deleting a veth takes 14 to 56 ms, attaching by tcx two RCU grace periods. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <net/if.h>

struct chore {
	struct chore *next;
	char ifname[IFNAMSIZ];
	uint32_t ifindex;
	/* netlink_fd is the thread's own. Touches nothing the main loop changes. */
	int (*work)(const struct chore *chore, int netlink_fd);
	const void *context;
	int result; /* of work */
};

struct chores;

/* The thread works in the caller's network namespace. */
int chores_new(struct chores **ret);
/* Waits for what is queued. */
void chores_free(struct chores *chores);

/* Becomes readable when a chore is done. */
int chores_fd(const struct chores *chores);
/* Queues a copy. -ENOMEM. */
int chores_add(struct chores *chores, const struct chore *chore);
/* Calls fn (may be NULL) for each chore done since the last call. */
void chores_collect(struct chores *chores, void (*fn)(const struct chore *chore, void *data),
		    void *data);
