/* SPDX-License-Identifier: Apache-2.0 */
/* node_watch: what happens around the data path without being asked for: the node's addresses and
 * devices change, deleted devices go away at last, and what had to wait a moment is tidied up.
 *
 * In: datapath_watch_fd(), datapath_device_reap_fd()    Out: regenerate, endpoints
 * Owns: its handles of the loop    Thread: main loop only */
#pragma once

#include "base/cleanup.h"

struct agent;
struct node_watch;

int node_watch_new(struct agent *agent, struct node_watch **ret);
/* The loop must run once more for its handles. */
void node_watch_free(struct node_watch *watch);
DEFINE_FREEP(node_watch);

/* A device was deleted without waiting: endpoints_device_gone() will be called. */
void node_watch_reap(struct node_watch *watch);
/* Tables were synced: datapath_maintain() is called until it has nothing left to do. */
void node_watch_maintain(struct node_watch *watch);
