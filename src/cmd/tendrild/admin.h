/* SPDX-License-Identifier: Apache-2.0 */
/* admin: the agent's half of the admin socket: what each path does (docs/internals/admin-api.md).
 *
 * In: api/admin_server.h's requests    Out: calls of the agent's rooms    Thread: main loop only
 *
 * Handlers' data is the struct agent. */
#pragma once

#include <stddef.h>

#include "api/admin_server.h"

extern const struct admin_route admin_routes[];
extern const size_t admin_route_count;

#define ADMIN_HANDLER(name)                                                                        \
	void name(const struct admin_request *request, struct admin_response *response, void *data)

ADMIN_HANDLER(admin_status);
ADMIN_HANDLER(admin_config);
ADMIN_HANDLER(admin_endpoints);
ADMIN_HANDLER(admin_identities);
ADMIN_HANDLER(admin_policies);
ADMIN_HANDLER(admin_services);
ADMIN_HANDLER(admin_connections);
ADMIN_HANDLER(admin_maps);
ADMIN_HANDLER(admin_objects_get);
ADMIN_HANDLER(admin_objects_post);
ADMIN_HANDLER(admin_objects_delete);
ADMIN_HANDLER(admin_cni_add);
ADMIN_HANDLER(admin_cni_del);
ADMIN_HANDLER(admin_cni_check);
ADMIN_HANDLER(admin_cni_gc);
ADMIN_HANDLER(admin_cni_status);
ADMIN_HANDLER(admin_run);
