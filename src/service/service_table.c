/* SPDX-License-Identifier: Apache-2.0 */
#include "service_table.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "service/service_view.h"

void service_table_free(struct service_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++) {
		free(table->items[i].namespace);
		free(table->items[i].name);
		free(table->items[i].backends);
	}
	free(table->items);
	free(table);
}

struct build {
	struct service_view view;
	struct service_table *table;
	size_t room;
};

static int backend_order(const void *a, const void *b)
{
	const struct service_backend *x = a, *y = b;
	int order = address_compare(&x->addr, &y->addr);

	return order ? order : (int)x->port - (int)y->port;
}

/* Room is doubled at powers of two, so a frontend needs no field for it. */
static int backend_add(struct service_frontend *frontend, const struct td_addr *addr, uint16_t port)
{
	size_t count = frontend->backend_count;

	if (!port || address_is_zero(addr) ||
	    address_is_ipv4(addr) != address_is_ipv4(&frontend->addr))
		return 0;
	if ((count & (count - 1)) == 0) {
		struct service_backend *items =
			realloc(frontend->backends, MAX(count * 2, 1u) * sizeof(*items));

		if (!items)
			return -ENOMEM;
		frontend->backends = items;
	}
	frontend->backends[count] = (struct service_backend){ *addr, port };
	frontend->backend_count++;
	return 0;
}

/* The port of a pod that a Service's port leads to; 0 if the pod has none of that name. */
static uint16_t target_port(const struct service_port *port, const struct object *pod)
{
	if (!port->target_name)
		return port->target_port;
	for (size_t i = 0; pod && i < pod->pod.port_count; i++)
		if (pod->pod.ports[i].protocol == port->protocol &&
		    strcmp(pod->pod.ports[i].name, port->target_name) == 0)
			return pod->pod.ports[i].port;
	return 0;
}

static int add_endpoints(const struct service_view *view, const struct object *service,
			 const struct service_port *port, struct service_frontend *frontend)
{
	size_t at = service_view_endpoints(view, service->namespace);
	int r = 0;

	for (; !r && at < view->endpoint_count; at++) {
		const struct service_endpoint *item = &view->endpoints[at];
		const struct endpoint *endpoint = &item->object->endpoint;
		const struct td_addr *addr =
			address_is_ipv4(&frontend->addr) ? &endpoint->ipv4 : &endpoint->ipv6;

		if (strcmp(item->object->namespace, service->namespace) != 0)
			break;
		if (selector_matches(service->service.selector, item->labels))
			r = backend_add(frontend, addr, target_port(port, item->pod));
	}
	return r;
}

static bool same_name(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static int add_slice_port(const struct endpoint_slice *slice, uint16_t port,
			  struct service_frontend *frontend)
{
	int r = 0;

	for (size_t i = 0; !r && i < slice->endpoint_count; i++) {
		const struct slice_endpoint *endpoint = &slice->endpoints[i];

		for (size_t a = 0; !r && endpoint->ready && a < endpoint->address_count; a++)
			r = backend_add(frontend, &endpoint->addresses[a], port);
	}
	return r;
}

/* A slice's port is the Service's of the same name, already resolved to a number. */
static int add_slices(const struct service_view *view, const struct object *service,
		      const struct service_port *port, struct service_frontend *frontend)
{
	size_t at = service_view_slices(view, service->namespace, service->name);
	int r = 0;

	for (; !r && at < view->slice_count; at++) {
		const struct object *object = view->slices[at];
		const struct endpoint_slice *slice = &object->endpoint_slice;

		if (strcmp(object->namespace, service->namespace) != 0 ||
		    strcmp(slice->service, service->name) != 0)
			break;
		for (size_t i = 0; !r && i < slice->port_count; i++)
			if (slice->ports[i].protocol == port->protocol &&
			    same_name(slice->ports[i].name, port->name))
				r = add_slice_port(slice, slice->ports[i].port, frontend);
	}
	return r;
}

static void backends_settle(struct service_frontend *frontend)
{
	size_t kept = 0;

	if (!frontend->backend_count)
		return;
	qsort(frontend->backends, frontend->backend_count, sizeof(*frontend->backends),
	      backend_order);
	for (size_t i = 1; i < frontend->backend_count; i++)
		if (backend_order(&frontend->backends[kept], &frontend->backends[i]) != 0)
			frontend->backends[++kept] = frontend->backends[i];
	frontend->backend_count = kept + 1;
}

static int add_frontend(struct build *build, const struct object *service,
			const struct td_addr *addr, const struct service_port *port)
{
	struct service_table *table = build->table;
	struct service_frontend *frontend;
	int r = 0;

	if (table->count == build->room) {
		size_t room = build->room ? build->room * 2 : 16;
		struct service_frontend *items = realloc(table->items, room * sizeof(*items));

		if (!items)
			return -ENOMEM;
		table->items = items;
		build->room = room;
	}
	frontend = &table->items[table->count++];
	*frontend = (struct service_frontend){ .addr = *addr,
					       .port = port->port,
					       .protocol = port->protocol,
					       .namespace = strdup(service->namespace),
					       .name = strdup(service->name) };
	if (!frontend->namespace || !frontend->name)
		return -ENOMEM;
	if (service->service.selector)
		r = add_endpoints(&build->view, service, port, frontend);
	if (!r)
		r = add_slices(&build->view, service, port, frontend);
	backends_settle(frontend);
	return r;
}

static int add_service(const struct object *object, void *data)
{
	const struct service *service = &object->service;
	struct build *build = data;
	int r = 0;

	for (size_t i = 0; !r && i < service->cluster_ip_count; i++)
		for (size_t p = 0; !r && p < service->port_count; p++)
			r = add_frontend(build, object, &service->cluster_ips[i],
					 &service->ports[p]);
	return r;
}

static int place_order(const struct service_frontend *x, const struct service_frontend *y)
{
	int order = address_compare(&x->addr, &y->addr);

	if (!order)
		order = (int)x->port - (int)y->port;
	return order ? order : (int)x->protocol - (int)y->protocol;
}

/* Of equal places the Service that is first by namespace and name comes first. */
static int frontend_order(const void *a, const void *b)
{
	const struct service_frontend *x = a, *y = b;
	int order = place_order(x, y);

	if (!order)
		order = strcmp(x->namespace, y->namespace);
	return order ? order : strcmp(x->name, y->name);
}

static bool same_service(const struct service_frontend *a, const struct service_frontend *b)
{
	return strcmp(a->namespace, b->namespace) == 0 && strcmp(a->name, b->name) == 0;
}

/* Leaves one frontend per place; calls lost for each Service that had to give way. */
static void settle(struct service_table *table,
		   void (*lost)(const struct service_frontend *frontend, void *data), void *data)
{
	size_t kept = 0;

	if (!table->count)
		return;
	qsort(table->items, table->count, sizeof(*table->items), frontend_order);
	for (size_t i = 1; i < table->count; i++) {
		struct service_frontend *item = &table->items[i];

		if (place_order(&table->items[kept], item) != 0) {
			table->items[++kept] = *item;
			continue;
		}
		if (!same_service(&table->items[kept], item))
			lost(item, data);
		free(item->namespace);
		free(item->name);
		free(item->backends);
	}
	table->count = kept + 1;
}

struct report {
	const struct store *store;
	void (*conflict)(const struct object *service, void *data);
	void *data;
};

static void report_lost(const struct service_frontend *frontend, void *data)
{
	const struct report *report = data;
	const struct object *service =
		store_get(report->store, OBJECT_SERVICE, frontend->namespace, frontend->name);

	if (report->conflict && service)
		report->conflict(service, report->data);
}

int service_table_build(const struct store *store, struct service_table **ret,
			void (*conflict)(const struct object *service, void *data), void *data)
{
	_cleanup_(service_table_freep) struct service_table *table = calloc(1, sizeof(*table));
	struct report report = { store, conflict, data };
	struct build build = { .table = table };
	int r;

	if (!table)
		return -ENOMEM;
	r = service_view_make(store, &build.view);
	if (r < 0)
		return r;
	r = store_for_each(store, OBJECT_SERVICE, add_service, &build);
	service_view_fini(&build.view);
	if (r < 0)
		return r;
	settle(table, report_lost, &report);
	*ret = take_ptr(table);
	return 0;
}
