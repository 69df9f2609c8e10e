/* SPDX-License-Identifier: Apache-2.0 */
#include "service_map.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "abi/service.h"
#include "base/log.h"

void service_map_init(struct service_map *map, int services_fd, int backends_fd)
{
	map->services = MAP_MIRROR(struct td_service_key, struct td_service);
	map->services.fd = services_fd;
	map->backends = MAP_MIRROR(struct td_backend_key, struct td_backend);
	map->backends.fd = backends_fd;
}

void service_map_close(struct service_map *map)
{
	image_clear(&map->services.have);
	image_clear(&map->backends.have);
}

static struct td_service_key key_of(const struct service_frontend *frontend)
{
	return (struct td_service_key){
		.addr = frontend->addr,
		.port = htons(frontend->port),
		.protocol = frontend->protocol,
	};
}

/* The highest number in use; numbers of living services stay, so that a backend's slot never
 * belongs to two of them. */
static uint32_t highest_number(const struct image *have)
{
	uint32_t highest = 0;

	for (size_t i = 0; i < have->count; i++) {
		const struct td_service *service = image_value(have, i);

		if (service->id > highest)
			highest = service->id;
	}
	return highest;
}

static int add_backends(struct image *backends, uint32_t service,
			const struct service_frontend *frontend)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < frontend->backend_count; i++) {
		struct td_backend_key key = { .service = service, .slot = (uint32_t)i };
		struct td_backend value = { .addr = frontend->backends[i].addr,
					    .port = htons(frontend->backends[i].port) };

		r = image_add(backends, &key, &value);
	}
	return r;
}

static int build_images(const struct service_map *map, const struct service_table *table,
			struct image *services, struct image *backends)
{
	const struct image *have = &map->services.have;
	uint32_t next = highest_number(have) + 1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < table->count; i++) {
		struct td_service_key key = key_of(&table->items[i]);
		struct td_service value = { .backends = (uint32_t)table->items[i].backend_count };
		long index = image_find(have, &key);

		value.id =
			index < 0
				? next++
				: ((const struct td_service *)image_value(have, (size_t)index))->id;
		r = image_add(services, &key, &value);
		if (r == 0)
			r = add_backends(backends, value.id, &table->items[i]);
	}
	image_sort(services);
	image_sort(backends);
	return r;
}

static void report_backend(const void *key, const void *value, int error, void *data)
{
	const struct td_backend_key *backend = key;
	struct image *services = data;

	log_error("datapath",
		  "a backend does not fit into the map; its service refuses connections",
		  LOG_UINT("service", backend->service), LOG_UINT("slot", backend->slot),
		  LOG_ERR(error));
	/* Slots of this service are not all there: none is used until they are. */
	for (size_t i = 0; i < services->count; i++) {
		struct td_service *service = (struct td_service *)image_value(services, i);

		if (service->id == backend->service)
			service->backends = 0;
	}
}

static void report_service(const void *key, const void *value, int error, void *data)
{
	const struct td_service_key *service = key;
	char text[ADDRESS_TEXT_MAX];

	log_error("datapath", "a service does not fit into the map; it is not reachable",
		  LOG_STR("address", address_format(&service->addr, text)),
		  LOG_UINT("port", ntohs(service->port)), LOG_ERR(error));
}

int service_map_sync(struct service_map *map, const struct service_table *table)
{
	_cleanup_(image_clear) struct image services =
		IMAGE(struct td_service_key, struct td_service);
	_cleanup_(image_clear) struct image backends =
		IMAGE(struct td_backend_key, struct td_backend);
	int r, s, t;

	r = map_mirror_learn(&map->services);
	if (r == 0)
		r = build_images(map, table, &services, &backends);
	if (r < 0)
		return r;
	r = map_mirror_put(&map->backends, &backends, report_backend, &services);
	s = map_mirror_sync(&map->services, &services, report_service, NULL);
	t = map_mirror_drop(&map->backends, &backends);
	return r < 0 ? r : s < 0 ? s : t;
}
