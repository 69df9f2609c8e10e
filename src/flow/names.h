/* SPDX-License-Identifier: Apache-2.0 */
/* names: what numbers and addresses in events are called.
 *
 * In: Update messages of proto/tables.proto; DNS answers seen on the wire
 * Out: name objects: immutable, counted by reference, one allocation each
 * Owns: the tables    Thread: one
 *
 * A flow record holds references to the names as they were when it was decoded, so a deleted pod's
 * flows keep their names for as long as they are in the ring.
 *
 * DNS names are kept per querying pod, as Cilium does: a name that one pod resolved says nothing
 * about what another pod meant. At most dns_max pairs of pod and address are kept (the least
 * recently used goes first), each for its TTL but at least FLOW_DNS_MIN_TTL, since connections
 * outlive the answers they were made from. For display only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"
#include "base/cleanup.h"
#include "tables.pb-c.h"

#define FLOW_DNS_MAX_DEFAULT  16384
#define FLOW_DNS_MIN_TTL      3600 /* seconds */
#define FLOW_DNS_NAMES_PER_IP 8    /* the latest ones */

/* Common head of all name objects. Strings of an object live inside its allocation. */
struct flow_name {
	uint32_t refs;
};

struct flow_endpoint {
	struct flow_name head;
	uint32_t id;
	uint32_t identity;
	uint32_t ifindex; /* 0: unknown */
	uint64_t netns_cookie;
	const char *namespace, *pod; /* "" if none; all strings are never NULL */
	const char *workload, *workload_kind;
	const char *container_id;
};

struct flow_identity {
	struct flow_name head;
	uint32_t number;
	size_t label_count;
	const char *labels[]; /* "k8s:app=web", sorted as sent */
};

struct flow_service {
	struct flow_name head;
	const char *namespace, *name;
};

struct flow_rule {
	struct flow_name head;
	uint32_t number;
	const char *kind, *namespace, *name;
	const char *file; /* "" if it came by the API */
	uint32_t line;
	bool deny, egress;
	uint32_t index;
};

struct flow_interface {
	struct flow_name head;
	uint32_t ifindex;
	const char *name;
};

/* What one pod calls one address. */
struct flow_dns_names {
	struct flow_name head;
	size_t count;
	const char *names[]; /* without final dot, latest first */
};

/* Take and drop a reference; NULL is legal. flow_name_get() returns its argument. */
#define flow_name_get(object)                                                                      \
	({                                                                                         \
		__typeof__(object) object_ = (object);                                             \
		if (object_)                                                                       \
			((struct flow_name *)object_)->refs++;                                     \
		object_;                                                                           \
	})
void flow_name_put(const void *object);

struct flow_names;
/* dns_max: pairs of pod and address, at least 1. */
int flow_names_new(size_t dns_max, struct flow_names **ret);
void flow_names_free(struct flow_names *names);
DEFINE_FREEP(flow_names);

/* Call when a connection to tendrild begins. Names stay until `synced` arrives; what was not
 * repeated by then is removed. */
void flow_names_begin(struct flow_names *names);
/* Applies one message; Hello too. -EINVAL: malformed (an address that is not 16 bytes, nothing
 * set), ignored; -ENOMEM: ignored. */
int flow_names_update(struct flow_names *names, const Tendril__Tables__Update *update);

/* What Hello said; "" before. node is "cluster/name" if there is a cluster name, else "name". */
const char *flow_names_node(const struct flow_names *names);
const char *flow_names_cluster(const struct flow_names *names);
const char *flow_names_version(const struct flow_names *names);
size_t flow_names_node_labels(const struct flow_names *names, const char *const **ret);
bool flow_names_synced(const struct flow_names *names);

/* Look-ups borrow: NULL if unknown, valid until the next update unless a reference is taken. */
const struct flow_endpoint *flow_names_endpoint(const struct flow_names *names, uint32_t id);
const struct flow_endpoint *flow_names_endpoint_at(const struct flow_names *names,
						   const struct td_addr *addr);
const struct flow_identity *flow_names_identity(const struct flow_names *names, uint32_t number);
/* port in host order. */
const struct flow_service *flow_names_service(const struct flow_names *names,
					      const struct td_addr *addr, uint16_t port,
					      uint8_t protocol);
const struct flow_rule *flow_names_rule(const struct flow_names *names, uint32_t number);
const struct flow_interface *flow_names_interface(const struct flow_names *names, uint32_t ifindex);

/* Calls fn for every endpoint known; stops at the first that is not 0 and returns it. */
int flow_names_for_each_endpoint(const struct flow_names *names,
				 int (*fn)(const struct flow_endpoint *endpoint, void *data),
				 void *data);

/* Learns addresses from a DNS answer that went to a pod. payload: the UDP payload; endpoint_id: the
 * pod that receives it; now: ns, any clock, the same as in flow_names_dns(). Returns how many
 * addresses were learned (0 for a query, another rcode or an answer without addresses), or -EINVAL
 * for no DNS message, -ENOMEM. */
int flow_names_learn_dns(struct flow_names *names, uint32_t endpoint_id, const uint8_t *payload,
			 size_t size, uint64_t now);
const struct flow_dns_names *flow_names_dns(struct flow_names *names, uint32_t endpoint_id,
					    const struct td_addr *addr, uint64_t now);
size_t flow_names_dns_count(const struct flow_names *names);
