/* SPDX-License-Identifier: Apache-2.0 */
/* confine: gives up what the observer does not need, for good.
 *
 * In: a user's name    Out: a process without capabilities that can open files for reading only,
 * start nothing, and ask bpf(2) for look-ups and object information alone
 * Owns: nothing    Thread: main, before any other exists
 *
 * What is needed of the outside (sockets bound, the manager's socket) is opened before. */
#pragma once

#include <stdbool.h>

#include "base/diag.h"

/* Before the loop is made: makes this kernel look as if it had no io_uring. libuv from 1.45 on makes a
 * ring for epoll_ctl, which confine_syscalls would break and could not look into. */
int confine_io_uring(struct diag *diag);

/* If root: becomes the user and its groups; if there is no such user, stays root without
 * capabilities, since tendrild talks to root and to that user only (*ret_changed says which). Drops
 * all capabilities, also from the bounding set, and any way to new ones. */
int confine_identity(const char *user, bool *ret_changed, struct diag *diag);

/* From here on every system call that is not needed fails with EPERM, and those that only an
 * intruder makes kill the process. */
int confine_syscalls(struct diag *diag);
