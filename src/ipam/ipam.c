/* SPDX-License-Identifier: Apache-2.0 */
#include "ipam.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* One family's prefix. Addresses are offsets from its network address; those in use are kept as a
 * sorted array, because a node has a few hundred pods in a space of up to 2^32. */
struct pool {
	struct prefix prefix;
	uint64_t first, last; /* offsets that may be given out; last 0: no prefix of this family */
	uint64_t cursor;      /* where the next search starts */
	uint32_t *used;
	size_t used_count, used_room;
};

struct ipam {
	struct pool ipv4, ipv6;
};

static int pool_setup(struct pool *pool, const struct prefix *prefix, bool ipv4)
{
	unsigned int host_bits = (ipv4 ? 32u : 128u) - (prefix ? prefix->length : 0u);

	if (!prefix || !prefix->length)
		return 0;
	if (address_is_ipv4(&prefix->addr) != ipv4)
		return -EINVAL;
	if (prefix->length < (ipv4 ? 8 : 64) || prefix->length > (ipv4 ? 30 : 126))
		return -EINVAL;
	if (host_bits > 32)
		host_bits = 32;
	pool->prefix = *prefix;
	pool->first = 2;
	pool->last = (1ULL << host_bits) - (ipv4 ? 2 : 1);
	pool->cursor = pool->first;
	return 0;
}

int ipam_new(const struct prefix *ipv4, const struct prefix *ipv6, struct ipam **ret)
{
	_cleanup_(ipam_freep) struct ipam *ipam = calloc(1, sizeof(*ipam));
	int r;

	if (!ipam)
		return -ENOMEM;
	r = pool_setup(&ipam->ipv4, ipv4, true);
	if (r < 0)
		return r;
	r = pool_setup(&ipam->ipv6, ipv6, false);
	if (r < 0)
		return r;
	*ret = take_ptr(ipam);
	return 0;
}

void ipam_free(struct ipam *ipam)
{
	if (!ipam)
		return;
	free(ipam->ipv4.used);
	free(ipam->ipv6.used);
	free(ipam);
}

static struct pool *ipam_pool(struct ipam *ipam, int family)
{
	struct pool *pool = family == 4 ? &ipam->ipv4 : family == 6 ? &ipam->ipv6 : NULL;

	return pool && pool->last ? pool : NULL;
}

/* First index whose offset is not below the given one. */
static size_t pool_position(const struct pool *pool, uint64_t offset)
{
	size_t low = 0, high = pool->used_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (pool->used[middle] < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int pool_insert(struct pool *pool, size_t at, uint64_t offset)
{
	if (pool->used_count == pool->used_room) {
		size_t room = pool->used_room ? pool->used_room * 2 : 16;
		uint32_t *used = realloc(pool->used, room * sizeof(*used));

		if (!used)
			return -ENOMEM;
		pool->used = used;
		pool->used_room = room;
	}
	memmove(&pool->used[at + 1], &pool->used[at],
		(pool->used_count - at) * sizeof(*pool->used));
	pool->used[at] = (uint32_t)offset;
	pool->used_count++;
	return 0;
}

static uint64_t low_half(const struct td_addr *addr)
{
	return be64toh(addr->halves[1]);
}

static struct td_addr pool_address(const struct pool *pool, uint64_t offset)
{
	struct td_addr addr = pool->prefix.addr;

	addr.halves[1] = htobe64(low_half(&addr) + offset);
	return addr;
}

/* -ERANGE if the address is not one that the pool gives out. */
static int pool_offset(const struct pool *pool, const struct td_addr *addr, uint64_t *ret)
{
	uint64_t offset;

	if (!pool->last || !prefix_contains(&pool->prefix, addr))
		return -ERANGE;
	offset = low_half(addr) - low_half(&pool->prefix.addr);
	if (offset < pool->first || offset > pool->last)
		return -ERANGE;
	*ret = offset;
	return 0;
}

static uint64_t pool_capacity(const struct pool *pool)
{
	return pool->last ? pool->last - pool->first + 1 : 0;
}

/* The first free offset from `from` on; beyond `last` if there is none. */
static uint64_t pool_search(const struct pool *pool, uint64_t from, size_t *ret_position)
{
	size_t at = pool_position(pool, from);

	while (at < pool->used_count && pool->used[at] == from) {
		from++;
		at++;
	}
	*ret_position = at;
	return from;
}

int ipam_take(struct ipam *ipam, int family, struct td_addr *ret)
{
	struct pool *pool = ipam_pool(ipam, family);
	uint64_t offset;
	size_t at;
	int r;

	if (!pool)
		return -EAFNOSUPPORT;
	if (pool->used_count == pool_capacity(pool))
		return -ENOSPC;
	offset = pool_search(pool, pool->cursor, &at);
	if (offset > pool->last)
		offset = pool_search(pool, pool->first, &at);
	r = pool_insert(pool, at, offset);
	if (r < 0)
		return r;
	pool->cursor = offset + 1;
	*ret = pool_address(pool, offset);
	return 0;
}

int ipam_reserve(struct ipam *ipam, const struct td_addr *addr)
{
	struct pool *pool = address_is_ipv4(addr) ? &ipam->ipv4 : &ipam->ipv6;
	uint64_t offset;
	size_t at;
	int r;

	r = pool_offset(pool, addr, &offset);
	if (r < 0)
		return r;
	at = pool_position(pool, offset);
	if (at < pool->used_count && pool->used[at] == offset)
		return -EEXIST;
	r = pool_insert(pool, at, offset);
	if (r < 0)
		return r;
	/* Adopted after a restart: the addresses below were given out before it, some of them
	 * freed only just. */
	if (offset >= pool->cursor)
		pool->cursor = offset + 1;
	return 0;
}

void ipam_release(struct ipam *ipam, const struct td_addr *addr)
{
	struct pool *pool = address_is_ipv4(addr) ? &ipam->ipv4 : &ipam->ipv6;
	uint64_t offset;
	size_t at;

	if (pool_offset(pool, addr, &offset) < 0)
		return;
	at = pool_position(pool, offset);
	if (at == pool->used_count || pool->used[at] != offset)
		return;
	pool->used_count--;
	memmove(&pool->used[at], &pool->used[at + 1],
		(pool->used_count - at) * sizeof(*pool->used));
}

uint64_t ipam_used(const struct ipam *ipam, int family)
{
	const struct pool *pool = ipam_pool((struct ipam *)ipam, family);

	return pool ? pool->used_count : 0;
}

uint64_t ipam_capacity(const struct ipam *ipam, int family)
{
	const struct pool *pool = ipam_pool((struct ipam *)ipam, family);

	return pool ? pool_capacity(pool) : 0;
}
