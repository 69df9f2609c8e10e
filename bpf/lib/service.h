/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services at the socket: a cluster IP is exchanged for a backend when a process connects or sends,
 * so no packet ever carries it. */
#pragma once

#include "lib/base.h"
#include "abi/service.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_service_key);
	__type(value, struct td_service);
} td_service TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct td_backend_key);
	__type(value, struct td_backend);
} td_backend TD_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct td_sock_rev_key);
	__type(value, struct td_sock_rev);
} td_sock_rev TD_MAP;

/* Network namespaces whose sockets are translated: those of pods. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u32);
} td_netns TD_MAP;

enum td_service_result {
	TD_SERVICE_NONE = 0, /* no service: leave the address alone */
	TD_SERVICE_FOUND,
	TD_SERVICE_REFUSED, /* a service without backends */
};

/* Exchanges *addr and *port of a service for those of a random backend. */
static __always_inline enum td_service_result td_service_translate(struct td_addr *addr,
								   __be16 *port, __u8 protocol)
{
	struct td_service_key key = { .addr = *addr, .port = *port, .protocol = protocol };
	struct td_backend_key slot = {};
	struct td_service *service = bpf_map_lookup_elem(&td_service, &key);
	struct td_backend *backend;

	if (!service)
		return TD_SERVICE_NONE;
	if (!service->backends)
		return TD_SERVICE_REFUSED;
	slot.service = service->id;
	slot.slot = bpf_get_prandom_u32() % service->backends;
	backend = bpf_map_lookup_elem(&td_backend, &slot);
	if (!backend) /* while the service is being changed its first slot is there */
		slot.slot = 0;
	if (!backend)
		backend = bpf_map_lookup_elem(&td_backend, &slot);
	if (!backend)
		return TD_SERVICE_REFUSED;
	*addr = backend->addr;
	*port = backend->port;
	return TD_SERVICE_FOUND;
}

static __always_inline void td_service_remember(__u64 cookie, const struct td_addr *service,
						__be16 service_port, const struct td_addr *backend,
						__be16 backend_port)
{
	struct td_sock_rev_key key = { .cookie = cookie, .addr = *backend, .port = backend_port };
	struct td_sock_rev val = { .addr = *service, .port = service_port };
	struct td_sock_rev *have = bpf_map_lookup_elem(&td_sock_rev, &key);

	/* Every datagram of an unconnected socket comes by here. */
	if (have && td_addr_equal(&have->addr, service) && have->port == service_port)
		return;
	td_map_update(&td_sock_rev, &key, &val, BPF_ANY);
}

/* The service a socket believes to talk to; false: it talks to addr itself. */
static __always_inline bool td_service_recall(__u64 cookie, struct td_addr *addr, __be16 *port)
{
	struct td_sock_rev_key key = { .cookie = cookie, .addr = *addr, .port = *port };
	struct td_sock_rev *val = bpf_map_lookup_elem(&td_sock_rev, &key);

	if (!val)
		return false;
	*addr = val->addr;
	*port = val->port;
	return true;
}
