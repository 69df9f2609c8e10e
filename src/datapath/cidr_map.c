/* SPDX-License-Identifier: Apache-2.0 */
/* td_cidr and td_no_masq: prefixes, longest match first. */
#include "cidr_map.h"

#include "base/address.h"
#include "base/log.h"
#include "internal.h"

static struct td_cidr_key key_of(const struct prefix *prefix)
{
	return (struct td_cidr_key){ .prefixlen = prefix_mapped_length(prefix),
				     .addr = prefix->addr };
}

static void cidr_refused(const void *key, const void *value, int error, void *data)
{
	const struct td_cidr_key *cidr = key;
	char text[ADDRESS_TEXT_MAX];

	log_error("datapath", "a prefix does not fit into the map; rules on it do not apply",
		  LOG_STR("address", address_format(&cidr->addr, text)),
		  LOG_UINT("length", cidr->prefixlen), LOG_STR("map", data), LOG_ERR(error));
}

int cidr_map_sync(struct map_mirror *mirror, const struct policy_cidr *cidrs, size_t count)
{
	_cleanup_(image_clear) struct image want = IMAGE(struct td_cidr_key, uint32_t);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct td_cidr_key key = key_of(&cidrs[i].prefix);

		r = image_add(&want, &key, &cidrs[i].identity);
	}
	if (r < 0)
		return r;
	image_sort(&want);
	return map_mirror_sync(mirror, &want, cidr_refused, "td_cidr");
}

int datapath_sync_cidrs(struct datapath *datapath, const struct policy_cidr *cidrs, size_t count)
{
	return cidr_map_sync(&datapath->cidr_mirror, cidrs, count);
}

int datapath_sync_no_masquerade(struct datapath *datapath)
{
	_cleanup_(image_clear) struct image want = IMAGE(struct td_cidr_key, uint32_t);
	uint32_t one = 1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < datapath->options.no_masquerade_count; i++) {
		struct td_cidr_key key = key_of(&datapath->options.no_masquerade[i]);

		r = image_add(&want, &key, &one);
	}
	if (r < 0)
		return r;
	image_sort(&want);
	return map_mirror_sync(&datapath->no_masq_mirror, &want, cidr_refused, "td_no_masq");
}
