/* SPDX-License-Identifier: Apache-2.0 */
/* tables_client: the observer's connection to tendrild (proto/tables.proto).
 *
 * In: observer.sock    Out: updates into flow_names; the descriptors that came with Hello
 * Owns: the socket    Thread: the loop's
 *
 * Connects again, after TABLES_RETRY_MIN_MS growing to TABLES_RETRY_MAX_MS, for as long as it lives;
 * the names known stay meanwhile. A server that sends what is no Update is left and tried again. */
#pragma once

#include <uv.h>

#include "base/cleanup.h"
#include "flow/names.h"

#define TABLES_RETRY_MIN_MS 100
#define TABLES_RETRY_MAX_MS 5000
#define TABLES_FRAME_MAX    (1u << 20)

struct tables_fds {
	int events, stats, drops; /* -1: not passed */
};

struct tables_client_options {
	const char *path; /* outlives the client */
	struct flow_names *names;
	/* Hello arrived; the callee takes the descriptors. */
	void (*hello)(struct tables_fds fds, void *data);
	/* The connection's state changed: 0 connected, or why it is not (-errno). */
	void (*state)(int state, void *data);
	void *data;
};

struct tables_client;
int tables_client_new(uv_loop_t *loop, const struct tables_client_options *options,
		      struct tables_client **ret);
/* The memory goes when the loop has run its close callbacks. */
void tables_client_free(struct tables_client *client);
DEFINE_FREEP(tables_client);
