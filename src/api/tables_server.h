/* SPDX-License-Identifier: Apache-2.0 */
/* tables_server: tells observers the names of what the kernel only knows by number
 * (proto/tables.proto): identities, endpoints, services, rules, interfaces.
 *
 * In: full tables, as often as they may have changed    Out: to each observer everything once,
 * then differences
 * Owns: the socket, its connections, the packed form of every entry    Thread: the loop's only
 *
 * A connection of another user than root or the observer's is closed at once. An observer that
 * does not read is disconnected when TABLES_QUEUE_MAX bytes wait for it: it connects again and gets
 * everything anew, so nothing is ever missing in the middle. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "tables.pb-c.h"

#define TABLES_MESSAGE_MAX (1u << 20)  /* proto/tables.proto */
#define TABLES_QUEUE_MAX   (16u << 20) /* beyond what one full set needs */

enum tables_kind {
	TABLES_IDENTITY,
	TABLES_ENDPOINT,
	TABLES_SERVICE,
	TABLES_RULE,
	TABLES_INTERFACE,
	TABLES_KIND_COUNT,
};

struct tables_options {
	const char *socket_path; /* a socket file that is there is replaced */
	uid_t user;              /* (uid_t)-1: root only */
	/* Fills in Hello and up to three descriptors, in the order of proto/tables.proto, which the
	 * server closes. Returns their number or -errno. What it puts into hello must live until the
	 * next call. */
	int (*hello)(Tendril__Tables__Hello *hello, int fds[3], void *data);
	void (*strained)(int error, void *data); /* as in unix_listener.h; may be NULL */
	void *data;
};

struct tables_server;
int tables_server_new(uv_loop_t *loop, const struct tables_options *options,
		      struct tables_server **ret, struct diag *diag);
void tables_server_free(struct tables_server *server);
DEFINE_FREEP(tables_server);

/* One table anew: begin, put each entry, end. end sends what differs from the last time and
 * deletes what was not put. put: -ENOMEM or -EMSGSIZE leave that entry as it was. */
void tables_server_begin(struct tables_server *server, enum tables_kind kind);
int tables_server_put(struct tables_server *server, const Tendril__Tables__Update *update);
void tables_server_end(struct tables_server *server);

unsigned int tables_server_observers(const struct tables_server *server);

/* The message with its length in front; caller frees. -EMSGSIZE: above TABLES_MESSAGE_MAX. */
int tables_frame(const Tendril__Tables__Update *update, uint8_t **ret, size_t *ret_len);
