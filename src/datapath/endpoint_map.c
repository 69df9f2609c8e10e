/* SPDX-License-Identifier: Apache-2.0 */
/* td_endpoint, td_addr_map, td_netns: who lives where.
 *
 * An endpoint is known by its addresses before its device may send, and may no longer send before
 * its addresses are forgotten. One whose address does not fit is locked down, not half known. */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/log.h"

static int add_place(struct image *places, const struct td_addr *addr, struct td_place place)
{
	return address_is_zero(addr) ? 0 : image_add(places, addr, &place);
}

static int add_host_places(const struct datapath *datapath, struct image *places)
{
	struct td_place place = { .identity = TD_ID_HOST, .flags = TD_PLACE_HOST };
	int r = 0;

	for (size_t i = 0; r == 0 && i < datapath->host_address_count; i++)
		r = add_place(places, &datapath->host_addresses[i], place);
	return r;
}

/* Pods first: should an address be both, image_sort() may keep either, and the caller's address
 * plan is broken in any case. */
static int build_places(const struct datapath *datapath, struct image *places)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < datapath->endpoint_count; i++) {
		const struct datapath_endpoint *endpoint = &datapath->endpoints[i];
		struct td_place place = { .identity = endpoint->value.identity,
					  .ifindex = endpoint->ifindex,
					  .endpoint_id = endpoint->value.id,
					  .flags = endpoint->audit ? TD_PLACE_AUDIT : 0 };

		r = add_place(places, &endpoint->value.ipv4, place);
		if (r == 0)
			r = add_place(places, &endpoint->value.ipv6, place);
	}
	if (r == 0)
		r = add_host_places(datapath, places);
	image_sort(places);
	return r;
}

struct endpoint_images {
	struct image endpoints, places, netns;
};

static void endpoint_images_clear(struct endpoint_images *images)
{
	image_clear(&images->endpoints);
	image_clear(&images->places);
	image_clear(&images->netns);
}

static int build(const struct datapath *datapath, struct endpoint_images *images)
{
	int r = build_places(datapath, &images->places);

	for (size_t i = 0; r == 0 && i < datapath->endpoint_count; i++) {
		const struct datapath_endpoint *endpoint = &datapath->endpoints[i];

		r = image_add(&images->endpoints, &endpoint->ifindex, &endpoint->value);
		if (r == 0 && endpoint->value.netns_cookie)
			r = image_add(&images->netns, &endpoint->value.netns_cookie,
				      &endpoint->value.id);
	}
	image_sort(&images->endpoints);
	image_sort(&images->netns);
	return r;
}

static void lock_down(struct endpoint_images *images, uint32_t ifindex)
{
	long index = image_find(&images->endpoints, &ifindex);
	struct td_endpoint value;
	char *record;

	if (index < 0)
		return;
	record = (char *)image_value(&images->endpoints, (size_t)index);
	memcpy(&value, record, sizeof(value));
	value.flags |= TD_EP_LOCKDOWN;
	memcpy(record, &value, sizeof(value));
}

static void place_refused(const void *key, const void *value, int error, void *data)
{
	const struct td_place *place = value;
	char text[ADDRESS_TEXT_MAX];

	address_format(key, text);
	if (place->flags & TD_PLACE_HOST)
		log_error("datapath", "an address of the node does not fit into td_addr_map",
			  LOG_STR("address", text), LOG_ERR(error));
	else
		log_error("datapath",
			  "an address does not fit into td_addr_map; its endpoint is locked down",
			  LOG_STR("address", text), LOG_UINT("endpoint", place->endpoint_id),
			  LOG_ERR(error));
	if (data)
		lock_down(data, place->ifindex);
}

static void endpoint_refused(const void *key, const void *value, int error, void *data)
{
	struct td_endpoint endpoint;

	memcpy(&endpoint, value, sizeof(endpoint));
	log_error("datapath", "an endpoint does not fit into td_endpoint; nothing passes",
		  LOG_UINT("endpoint", endpoint.id), LOG_ERR(error));
}

static int first_error(int a, int b)
{
	return a < 0 ? a : b;
}

static int write_images(struct datapath *datapath, struct endpoint_images *images)
{
	int r;

	r = map_mirror_drop(&datapath->endpoint_mirror, &images->endpoints);
	r = first_error(r, map_mirror_sync(&datapath->address_mirror, &images->places,
					   place_refused, images));
	r = first_error(r, map_mirror_sync(&datapath->netns_mirror, &images->netns, NULL, NULL));
	return first_error(r, map_mirror_sync(&datapath->endpoint_mirror, &images->endpoints,
					      endpoint_refused, NULL));
}

int datapath_sync_endpoints(struct datapath *datapath, const struct datapath_endpoint *endpoints,
			    size_t count)
{
	_cleanup_(endpoint_images_clear) struct endpoint_images images = {
		.endpoints = IMAGE(uint32_t, struct td_endpoint),
		.places = IMAGE(struct td_addr, struct td_place),
		.netns = IMAGE(uint64_t, uint32_t),
	};
	struct datapath_endpoint *copy = calloc(count ? count : 1, sizeof(*copy));
	int r;

	if (!copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, endpoints, count * sizeof(*copy));
	free(datapath->endpoints);
	datapath->endpoints = copy;
	datapath->endpoint_count = count;
	r = datapath_widen_to_pods(datapath);
	if (r == 0)
		r = build(datapath, &images);
	return r < 0 ? r : write_images(datapath, &images);
}

int datapath_write_places(struct datapath *datapath)
{
	_cleanup_(image_clear) struct image places = IMAGE(struct td_addr, struct td_place);
	int r;

	/* The node's own go first, so that pods' cannot crowd them out. */
	r = add_host_places(datapath, &places);
	image_sort(&places);
	if (r == 0)
		r = map_mirror_put(&datapath->address_mirror, &places, place_refused, NULL);
	if (r < 0)
		return r;
	/* Endpoints of an earlier run are in the map until the first sync tells what they are. */
	if (!datapath->endpoints)
		return 0;
	image_clear(&places);
	r = build_places(datapath, &places);
	return r < 0 ? r : map_mirror_sync(&datapath->address_mirror, &places, place_refused, NULL);
}
