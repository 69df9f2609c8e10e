/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"

#include "base/util.h"

const struct admin_route admin_routes[] = {
	{ "GET", "/v1/status", admin_status },
	{ "GET", "/v1/config", admin_config },
	{ "GET", "/v1/endpoints", admin_endpoints },
	{ "GET", "/v1/identities", admin_identities },
	{ "GET", "/v1/policies", admin_policies },
	{ "GET", "/v1/services", admin_services },
	{ "GET", "/v1/connections", admin_connections },
	{ "GET", "/v1/maps", admin_maps },
	{ "GET", "/v1/objects", admin_objects_get },
	{ "POST", "/v1/objects", admin_objects_post },
	{ "DELETE", "/v1/objects", admin_objects_delete },
	{ "POST", "/v1/cni/add", admin_cni_add },
	{ "POST", "/v1/cni/del", admin_cni_del },
	{ "POST", "/v1/cni/check", admin_cni_check },
	{ "POST", "/v1/cni/gc", admin_cni_gc },
	{ "POST", "/v1/cni/status", admin_cni_status },
	{ "POST", "/v1/run", admin_run },
};

const size_t admin_route_count = ARRAY_SIZE(admin_routes);
