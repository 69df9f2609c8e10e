/* SPDX-License-Identifier: Apache-2.0 */
#include "service_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct gather {
	const struct store *store;
	struct service_view *view;
};

static int add_endpoint(const struct object *object, void *data)
{
	const struct gather *gather = data;
	struct service_view *view = gather->view;
	struct service_endpoint item = { .object = object, .labels = object->endpoint.run_labels };

	if (object->endpoint.state != ENDPOINT_READY)
		return 0;
	if (!item.labels) {
		item.pod = store_get(gather->store, OBJECT_POD, object->namespace, object->name);
		if (!item.pod)
			return 0;
		item.labels = item.pod->labels;
	}
	if (view->endpoint_count == view->endpoint_room) {
		size_t room = view->endpoint_room ? view->endpoint_room * 2 : 16;
		struct service_endpoint *items = realloc(view->endpoints, room * sizeof(*items));

		if (!items)
			return -ENOMEM;
		view->endpoints = items;
		view->endpoint_room = room;
	}
	view->endpoints[view->endpoint_count++] = item;
	return 0;
}

static int add_slice(const struct object *object, void *data)
{
	struct service_view *view = ((const struct gather *)data)->view;

	if (!object->endpoint_slice.service)
		return 0;
	if (view->slice_count == view->slice_room) {
		size_t room = view->slice_room ? view->slice_room * 2 : 16;
		const struct object **items = realloc(view->slices, room * sizeof(*items));

		if (!items)
			return -ENOMEM;
		view->slices = items;
		view->slice_room = room;
	}
	view->slices[view->slice_count++] = object;
	return 0;
}

static int slice_order(const struct object *slice, const char *namespace, const char *service)
{
	int order = strcmp(slice->namespace, namespace);

	return order ? order : strcmp(slice->endpoint_slice.service, service);
}

static int compare_slices(const void *a, const void *b)
{
	const struct object *x = *(const struct object *const *)a;
	const struct object *y = *(const struct object *const *)b;
	int order = slice_order(x, y->namespace, y->endpoint_slice.service);

	return order ? order : strcmp(x->name, y->name);
}

int service_view_make(const struct store *store, struct service_view *ret)
{
	struct service_view view = { 0 };
	struct gather gather = { store, &view };
	int r = store_for_each(store, OBJECT_ENDPOINT, add_endpoint, &gather);

	if (!r)
		r = store_for_each(store, OBJECT_ENDPOINT_SLICE, add_slice, &gather);
	if (r < 0) {
		service_view_fini(&view);
		return r;
	}
	if (view.slice_count)
		qsort(view.slices, view.slice_count, sizeof(*view.slices), compare_slices);
	*ret = view;
	return 0;
}

void service_view_fini(struct service_view *view)
{
	free(view->endpoints);
	free(view->slices);
	*view = (struct service_view){ 0 };
}

size_t service_view_endpoints(const struct service_view *view, const char *namespace)
{
	size_t low = 0, high = view->endpoint_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(view->endpoints[middle].object->namespace, namespace) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t service_view_slices(const struct service_view *view, const char *namespace,
			   const char *service)
{
	size_t low = 0, high = view->slice_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (slice_order(view->slices[middle], namespace, service) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
