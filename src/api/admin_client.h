/* SPDX-License-Identifier: Apache-2.0 */
/* admin_client: one request to tendrild over its unix socket (HTTP/1.1, JSON).
 *
 * Small on purpose: the CNI plugin starts for every container, and linking a general HTTP library
 * costs it more time than the request itself (docs/adr/0015-admin-client.md).
 *
 * In: method, path, body    Out: status and body    Owns: nothing between calls    Thread: any */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

#define ADMIN_REPLY_MAX (64u << 20) /* a longer reply is refused (-EMSGSIZE) */

struct admin_reply {
	int status; /* HTTP status */
	char *body; /* NUL-terminated; never NULL */
	size_t len;
};

void admin_reply_free(struct admin_reply *reply);
DEFINE_FREEP(admin_reply);

/* Sends and waits. path starts with '/' and is sent as it is: escape with admin_escape(). body may
 * be NULL. timeout_ms covers the whole call; 0: none.
 * -ENOENT, -ECONNREFUSED: no agent; -EACCES: not permitted; -ETIMEDOUT; -EPROTO: not an HTTP
 * answer; -EMSGSIZE. */
int admin_call(const char *socket_path, const char *method, const char *path, const char *body,
	       size_t body_len, unsigned int timeout_ms, struct admin_reply **ret);

/* Percent-encodes what may not stand in a query value; caller frees. NULL if memory is short. */
char *admin_escape(const char *text);
