/* SPDX-License-Identifier: Apache-2.0 */
/* TD_CONFIG_NAT_WIDE and TD_CONFIG_PODS_WIDE: whether programs may take for granted what
 * td_load_config says of mappings' ports and pods' addresses.
 *
 * Both are set before a build's programs can come into force, whatever the last build's believed:
 * that one may have had another range, and goes on making mappings until the switch. They are
 * cleared when no packet is in its hands any more and the maps have been looked through. */
#include "internal.h"

#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/log.h"
#include "grace_period.h"

struct td_cover datapath_cover(const struct prefix *prefix)
{
	struct td_cover cover = { .addr = prefix->addr };
	unsigned int bits = prefix_mapped_length(prefix);

	/* No address at all cannot be said; the unspecified one is nobody's. */
	if (prefix->length == 0)
		return (struct td_cover){ .mask.halves = { UINT64_MAX, UINT64_MAX } };
	for (unsigned int i = 0; i < bits; i++)
		cover.mask.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return cover;
}

static int write_flags(struct datapath *datapath, uint32_t flags)
{
	uint32_t before = datapath->config.flags;
	int r = 0;

	datapath->config.flags = flags;
	if (flags != before)
		r = datapath_write_config(datapath);
	if (r < 0)
		datapath->config.flags = before;
	return r;
}

int datapath_widen(struct datapath *datapath, uint32_t flags)
{
	return write_flags(datapath, datapath->config.flags | flags);
}

static int narrow(struct datapath *datapath, uint32_t flag)
{
	return write_flags(datapath, datapath->config.flags & ~flag);
}

static bool is_outside(const struct datapath *datapath, const struct td_addr *addr)
{
	const struct datapath_options *options = &datapath->options;
	const struct prefix *pods =
		address_is_ipv4(addr) ? &options->pods_ipv4 : &options->pods_ipv6;

	return !address_is_zero(addr) && (pods->length == 0 || !prefix_contains(pods, addr));
}

static bool has_pods_outside(const struct datapath *datapath)
{
	for (size_t i = 0; i < datapath->endpoint_count; i++) {
		const struct td_endpoint *endpoint = &datapath->endpoints[i].value;

		if (is_outside(datapath, &endpoint->ipv4) || is_outside(datapath, &endpoint->ipv6))
			return true;
	}
	return false;
}

int datapath_widen_to_pods(struct datapath *datapath)
{
	return has_pods_outside(datapath) ? datapath_widen(datapath, TD_CONFIG_PODS_WIDE) : 0;
}

/* Until a first sync the map holds the last run's pods, unknown to us. */
static void narrow_pods(struct datapath *datapath)
{
	if ((datapath->config.flags & TD_CONFIG_PODS_WIDE) && datapath->endpoints &&
	    !has_pods_outside(datapath))
		narrow(datapath, TD_CONFIG_PODS_WIDE);
}

/* map_io_for_each() callback: stops at a mapping outside the range, and remembers it. */
static int find_wide(const void *key, const void *value, void *data)
{
	struct datapath *datapath = data;
	const struct td_load_config *load = &datapath->options.load;
	struct td_nat_key nat;
	uint16_t port;

	memcpy(&nat, key, sizeof(nat));
	port = ntohs(nat.local_port);
	if ((nat.protocol != IPPROTO_TCP && nat.protocol != IPPROTO_UDP) ||
	    (port >= load->nat_port_min && port <= load->nat_port_max))
		return 0;
	datapath->wide_nat = nat;
	return 1;
}

/* Whether to look again later. None can have been missed: those outside are only removed now, never
 * entered, and a bucket is read as a whole. */
static bool narrow_nat(struct datapath *datapath)
{
	int fd = map_set_fd(&datapath->maps, "td_nat");
	struct td_nat nat;

	if (!(datapath->config.flags & TD_CONFIG_NAT_WIDE))
		return false;
	if (datapath->wide_nat.protocol && bpf_map_lookup_elem(fd, &datapath->wide_nat, &nat) == 0)
		return true; /* the one found last time is still there */
	datapath->wide_nat.protocol = 0;
	if (map_io_for_each(fd, find_wide, datapath) != 0)
		return true;
	if (narrow(datapath, TD_CONFIG_NAT_WIDE) < 0)
		return true;
	log_debug("datapath", "every mapping of masquerade is within the range of ports");
	return false;
}

bool datapath_narrow(struct datapath *datapath)
{
	if (datapath->half_in_use || datapath->pending.migrate ||
	    !(datapath->config.flags & (TD_CONFIG_NAT_WIDE | TD_CONFIG_PODS_WIDE)))
		return false;
	if (!datapath->alone)
		grace_period_wait();
	datapath->alone = true;
	narrow_pods(datapath);
	return narrow_nat(datapath);
}
