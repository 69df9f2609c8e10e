/* SPDX-License-Identifier: Apache-2.0 */
/* reaper: deletes devices in a thread, because the kernel takes 14 to 56 ms for each.
 *
 * In: device names    Out: names of those that are gone    Owns: a thread, a socket, an eventfd
 * Thread: called from the main loop only; its own thread speaks netlink */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct reaper;

/* The thread works in the caller's network namespace. */
int reaper_new(struct reaper **ret);
/* Waits for the deletions under way. */
void reaper_free(struct reaper *reaper);

/* Becomes readable when a deletion is done. */
int reaper_fd(const struct reaper *reaper);
/* Queues a deletion. -ENOMEM. */
int reaper_delete(struct reaper *reaper, const char *ifname, uint32_t ifindex);
/* Calls fn for each device that is gone since the last call; error: 0 or what the kernel said (the
 * device is then still there). */
void reaper_collect(struct reaper *reaper,
		    void (*fn)(const char *ifname, uint32_t ifindex, int error, void *data),
		    void *data);
