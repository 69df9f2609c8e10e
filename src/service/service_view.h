/* SPDX-License-Identifier: Apache-2.0 */
/* service_view: what can serve, found by namespace or by Service.
 *
 * In: the store    Out: ready endpoints with their labels, EndpointSlices, both sorted
 * Owns: its arrays; the objects are the store's    Thread: any, valid until the next commit */
#pragma once

#include "store/store.h"

struct service_endpoint {
	const struct object *object; /* an OBJECT_ENDPOINT that is ready */
	const struct object *pod;    /* its Pod object; NULL: made by `tendril run` */
	const struct labels *labels;
};

struct service_view {
	struct service_endpoint *endpoints; /* by namespace */
	size_t endpoint_count, endpoint_room;
	const struct object **slices; /* of a Service; by namespace, Service, name */
	size_t slice_count, slice_room;
};

/* 0 or -ENOMEM. */
int service_view_make(const struct store *store, struct service_view *ret);
void service_view_fini(struct service_view *view);
/* First index of a namespace, or of a Service's slices, if there is one. */
size_t service_view_endpoints(const struct service_view *view, const char *namespace);
size_t service_view_slices(const struct service_view *view, const char *namespace,
			   const char *service);
