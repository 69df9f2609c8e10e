/* SPDX-License-Identifier: Apache-2.0 */
/* node_lock: one agent per network namespace. Whatever directories a second one was given, it would
 * take the devices of the first one's pods for leftovers and remove them.
 *
 * In: the network namespace we are in    Out: a descriptor that holds it    Owns: nothing    Thread: any
 *
 * The lock is a listening unix socket with an abstract name: those are a network namespace's own, and
 * go with the process (unix(7)). */
#pragma once

#include "base/diag.h"

/* The lock, to be closed by the caller; -EBUSY with diag set: another agent has it. A name that is
 * taken by somebody who is not root is no lock: it must not keep the agent from starting. Then
 * -EPERM, without a lock. Other -errno of sockets. */
int node_lock(struct diag *diag);
