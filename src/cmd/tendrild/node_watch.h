/* SPDX-License-Identifier: Apache-2.0 */
/* node_watch: notices that the node's addresses changed, or that a device of ours vanished.
 *
 * In: rtnetlink multicasts    Out: regenerate_mark(), endpoints_notice_vanished()
 * Owns: a netlink socket    Thread: main loop only
 *
 * It looks at nothing in the messages: what is there is read anew. So lost messages cost nothing. */
#pragma once

#include "base/cleanup.h"

struct agent;
struct node_watch;

int node_watch_new(struct agent *agent, struct node_watch **ret);
/* The loop must run once more for its handles. */
void node_watch_free(struct node_watch *watch);
DEFINE_FREEP(node_watch);
