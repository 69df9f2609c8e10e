/* SPDX-License-Identifier: Apache-2.0 */
/* publish: what the observer must know of the agent's tables (proto/tables.proto).
 *
 * In: the agent's rooms    Out: api/tables_server.h    Thread: main loop only */
#pragma once

#include "tables.pb-c.h"

struct agent;

/* These tables have changed, bits of enum tables_kind: only for those of policies and services, which
 * most changes leave alone and which are long. */
void publish_mark(struct agent *agent, unsigned int kinds);
/* All other tables anew, at the end of this loop iteration; only differences are sent. */
void publish_soon(struct agent *agent);
void publish_now(struct agent *agent);
/* For tables_options.hello; data: the agent. */
int publish_hello(Tendril__Tables__Hello *hello, int fds[3], void *data);
