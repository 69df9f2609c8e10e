/* SPDX-License-Identifier: Apache-2.0 */
/* notify: tells the service manager that we are ready, alive, or going.
 *
 * In: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment    Out: datagrams
 * Owns: the socket    Thread: any, one at a time
 *
 * Protocol: sd_notify(3). Without NOTIFY_SOCKET everything succeeds and does nothing. The socket is
 * opened once, so that it still works after privileges were dropped. */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"

struct notify;

/* -errno if NOTIFY_SOCKET is set and cannot be used. */
int notify_new(struct notify **ret);
void notify_free(struct notify *notify);
DEFINE_FREEP(notify);

/* Lines as in sd_notify(3): "READY=1\nSTATUS=..." . */
int notify_send(struct notify *notify, const char *state);
/* Milliseconds after which the manager expects WATCHDOG=1; send it twice as often. 0: it does not
 * watch this process. */
uint64_t notify_watchdog_ms(void);
