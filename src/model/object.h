/* SPDX-License-Identifier: Apache-2.0 */
/* object: what people write: Kubernetes and Cilium objects, typed, validated, with their origin.
 *
 * In: YAML or JSON text    Out: struct object, or a diag naming file, line, found and expected
 * Owns: everything it points to    Thread: any, immutable once parsed
 *
 * Fields of a published schema that do not concern us are accepted by table; fields in no schema
 * are refused; in policies everything we cannot enforce is refused ("not enforced by this build").
 * Limits: 16 MB of text, depth 64, aliases budgeted (a document may expand to at most 1,000,000
 * nodes), duplicate keys refused. Booleans as Kubernetes reads them (true, false only). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/diag.h"
#include "model/labels.h"
#include "model/policy.h"
#include "model/selector.h"

enum object_kind {
	OBJECT_NAMESPACE,
	OBJECT_NODE,
	OBJECT_POD,
	OBJECT_SERVICE,
	OBJECT_ENDPOINT_SLICE,
	OBJECT_NETWORK_POLICY,
	OBJECT_CILIUM_NETWORK_POLICY,
	OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY,
	OBJECT_CILIUM_CIDR_GROUP,
	OBJECT_INVENTORY_GROUP, /* of an inventory's file (model/inventory.h), never of a manifest */
	OBJECT_POLICY_MODE,
	OBJECT_ENDPOINT, /* a running workload; made by the agent, never parsed from a manifest */
	OBJECT_KIND_COUNT,
};

struct named_port {
	char *name;
	uint8_t protocol; /* IPPROTO_* */
	uint16_t port;    /* host order, 1..65535 */
};

struct container_port {
	uint8_t protocol; /* IPPROTO_* */
	uint16_t port;    /* host order, 1..65535 */
};

struct pod {
	char *service_account; /* "default" if not given */
	bool host_network;
	struct named_port *ports;
	size_t port_count;
	/* Every port its containers declare, named or not. A pod may serve others too: declaring
	 * is a courtesy, so only advice comes of these. */
	struct container_port *declared;
	size_t declared_count;
};

struct node {
	struct td_addr *addresses; /* InternalIP and ExternalIP */
	size_t address_count;
	struct prefix *pod_cidrs;
	size_t pod_cidr_count;
};

struct service_port {
	char *name; /* NULL: the only port */
	uint8_t protocol;
	uint16_t port;
	uint16_t target_port; /* 0: see target_name */
	char *target_name;    /* named port of the pods; NULL: a number */
};

struct service {
	/* Over the labels (source k8s) of pods in the Service's own namespace, which it does not
	 * mention. NULL: backends come from EndpointSlices only. */
	struct selector *selector;
	struct td_addr *cluster_ips; /* none: headless, or to be given */
	size_t cluster_ip_count;
	struct service_port *ports;
	size_t port_count;
};

struct slice_endpoint {
	struct td_addr *addresses;
	size_t address_count;
	bool ready;
	char *target_pod; /* name in the slice's namespace; NULL: not a pod */
};

struct endpoint_slice {
	char *service; /* label kubernetes.io/service-name; NULL: no service */
	struct slice_endpoint *endpoints;
	size_t endpoint_count;
	struct service_port *ports; /* name, protocol, port */
	size_t port_count;
};

struct cidr_group {
	struct prefix *prefixes;
	size_t prefix_count;
};

/* A cloud's group; its tags are the object's labels, of source aws. */
struct inventory_group {
	char *region;           /* NULL: not told */
	char **security_groups; /* ids, which begin with sg-, and names, which do not */
	size_t security_group_count;
	struct prefix *prefixes;
	size_t prefix_count;
	int64_t generated_at; /* seconds of CLOCK_REALTIME */
};

/* A kind of our own: how policies are enforced on one target, whoever wrote the target and wherever.
 * Goes before the target's annotation and before the configuration. */
struct policy_mode {
	enum object_kind kind; /* Node, Namespace, Pod or a policy's */
	char *namespace;       /* "" for kinds in none */
	char *name;
	enum policy_audit audit;
	bool has_enforcement; /* a Node's only */
	enum policy_enforcement enforcement;
};

enum endpoint_state {
	ENDPOINT_CREATING, /* address reserved, device not finished: removed at the next start */
	ENDPOINT_READY,
	ENDPOINT_DELETING, /* tombstone: device may still exist, address not free yet */
};

/* A workload on this node: one interface in one network namespace. */
struct endpoint {
	uint32_t id; /* 1..65535, unique on the node while it lives */
	enum endpoint_state state;
	char *container_id; /* CNI_CONTAINERID, or chosen by `tendril run` */
	char *ifname;       /* in the pod */
	char *netns;        /* path; may have vanished */
	uint64_t netns_cookie;
	char *host_ifname;
	uint32_t host_ifindex;
	struct td_addr ipv4, ipv6; /* zero: none */
	/* Given by `tendril run`; NULL: labels come from the Pod object. */
	struct labels *run_labels;
	bool has_object; /* a Pod object was found, or run_labels are there */
};

struct object {
	enum object_kind kind;
	char *namespace; /* "" for cluster-wide kinds */
	char *name;
	struct labels *labels; /* source k8s; never NULL */
	/* Annotation policy.tendril.io/audit-mode of a Namespace, a Pod or a policy. */
	enum policy_audit audit;
	char *file; /* where it was written; NULL: from the API */
	unsigned int line;
	char *text; /* the document as written (what `tendril get` prints); NULL for endpoints */
	union {
		struct pod pod;
		struct node node;
		struct service service;
		struct endpoint_slice endpoint_slice;
		struct policy policy;
		struct cidr_group cidr_group;
		struct inventory_group inventory_group;
		struct policy_mode policy_mode;
		struct endpoint endpoint;
	};
	unsigned int refs; /* object_ref() and object_unref() only */
};

/* One reference more; returns object. */
struct object *object_ref(struct object *object);
/* One less; frees at none. NULL is fine. */
void object_unref(struct object *object);
static inline void object_unrefp(struct object **object)
{
	object_unref(*object);
}

struct object *object_new(enum object_kind kind, const char *namespace, const char *name);

/* "Pod", "CiliumNetworkPolicy"; NULL if out of range. */
const char *object_kind_name(enum object_kind kind);
/* Case-insensitive; also plurals and kubectl's short names (po, svc, netpol, cnp, ccnp, ns). -ENOENT. */
int object_kind_parse(const char *text, enum object_kind *ret);
bool object_kind_is_namespaced(enum object_kind kind);
/* NetworkPolicy and Cilium's two: object.policy is theirs. */
bool object_kind_is_policy(enum object_kind kind);

struct object_list {
	struct object **items;
	size_t count;
	char **skipped; /* "Deployment default/web", with skip_other_kinds */
	size_t skipped_count;
};

void object_list_free(struct object_list *list);
DEFINE_FREEP(object_list);

struct object_parse_options {
	const char *file;      /* for messages, and the objects' file; NULL: "<input>" */
	bool from_api;         /* file is for messages only: the objects' stays NULL */
	bool skip_other_kinds; /* list them instead of refusing */
};

/* Parses all documents of a text (YAML stream, JSON, kind List). All or nothing: one bad document
 * refuses them all. -EINVAL with diag set, -ENOMEM. Objects that name no namespace get "default". */
int object_parse(const char *text, size_t len, const struct object_parse_options *options,
		 struct object_list **ret, struct diag *diag);
