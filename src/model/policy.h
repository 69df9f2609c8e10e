/* SPDX-License-Identifier: Apache-2.0 */
/* policy: NetworkPolicy, CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy in one form.
 *
 * The parsers (src/model) have already applied what only depends on the object itself: default
 * protocols, policyTypes, the policy's own namespace in selectors that name none, namespace labels
 * as "io.cilium.k8s.namespace.labels.KEY", validity of every field. What is left is exactly what
 * the compiler must know. Semantics: the numbered statements in docs/policy.md.
 *
 * Owned by struct object. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/policy.h"
#include "base/address.h"
#include "model/selector.h"

enum entity {
	ENTITY_ALL,
	ENTITY_WORLD,
	ENTITY_WORLD_IPV4,
	ENTITY_WORLD_IPV6,
	ENTITY_CLUSTER,
	ENTITY_HOST,
	ENTITY_REMOTE_NODE,
	ENTITY_KUBE_APISERVER,
	ENTITY_INIT,
	ENTITY_UNMANAGED,
	ENTITY_HEALTH,
	ENTITY_INGRESS,
	ENTITY_NONE,
};

/* Whether what policies deny is dropped, or forwarded and reported; as an annotation or a PolicyMode
 * says it. */
enum policy_audit {
	POLICY_AUDIT_UNSET,
	POLICY_AUDIT_DISABLED,
	POLICY_AUDIT_ENABLED,
};

/* A node's mode: whom policies are enforced on. */
enum policy_enforcement {
	POLICY_ENFORCE_DEFAULT, /* whom they select */
	POLICY_ENFORCE_ALWAYS,  /* everybody: what nothing allows is denied */
	POLICY_ENFORCE_NEVER,   /* nobody */
};

/* "default", "always", "never"; NULL at the end. */
extern const char *const policy_enforcement_names[];

/* One CIDR with its exceptions. */
struct cidr_rule {
	struct prefix prefix;
	struct prefix *except; /* each inside prefix */
	size_t except_count;
};

/* Sets of peers that are kept in other objects. */
enum group_kind {
	GROUP_CIDR,    /* CIDRs of CiliumCIDRGroups */
	GROUP_SERVICE, /* pods that Services select; of Services without selector: addresses of their
			  * EndpointSlices */
	GROUP_INVENTORY, /* addresses of a cloud's groups, as the inventory tells them */
};

/* Which of them a rule means; model/group.h says which objects that are. */
struct group_ref {
	enum group_kind kind;
	char *namespace;           /* of Services; NULL: every one */
	char *name;                /* NULL: whatever is called how */
	struct selector *selector; /* over the objects' labels; NULL: any */
	/* GROUP_INVENTORY: at least one of each is a security group of it; none written: any. */
	char **ids, **names;
	size_t id_count, name_count;
	char *region;          /* GROUP_INVENTORY; NULL: any, also one that is not told */
	struct prefix *except; /* taken out of GROUP_CIDR; anywhere */
	size_t except_count;
};

/* A set of destination ports (ingress: of the subject; egress: of the peer). */
struct port_rule {
	uint8_t protocol; /* IPPROTO_TCP, _UDP, _SCTP, _ICMP, _ICMPV6; 0: TCP, UDP and SCTP */
	uint16_t first;   /* host order; ICMP: the type; 0 with last 65535: every port */
	uint16_t last;
	char *name; /* named port: first and last are 0; else NULL */
};

/* One entry of an ingress, egress, ingressDeny or egressDeny list. Peers are the union of the
 * lists below; ports likewise. */
struct policy_rule {
	enum td_direction direction;
	bool deny;
	unsigned int index; /* in its list, from 0 */
	unsigned int line;  /* in the file it came from; 0: unknown */

	bool any_peer; /* no peers written: every peer. Else the lists; all empty: nobody */
	struct selector **selectors; /* over identities' labels */
	size_t selector_count;
	struct selector **
		requires; /* CNP fromRequires/toRequires: each limits `selectors` */
	size_t require_count;
	enum entity *entities;
	size_t entity_count;
	struct cidr_rule *cidrs;
	size_t cidr_count;
	struct group_ref
		*groups; /* prefixes in them are of the outside, whatever cidrs_match_all */
	size_t group_count;
	bool cidrs_match_all; /* NetworkPolicy ipBlock: endpoints' and nodes' addresses too */

	bool any_port; /* nothing written: every protocol and port, ICMP too */
	struct port_rule *ports;
	size_t port_count;
};

/* One spec: a subject and its rules. */
struct policy_spec {
	struct selector *subject; /* over identities' labels; namespace already in it */
	bool isolates[2];         /* by td_direction: default deny where this spec selects */
	struct policy_rule *rules;
	size_t rule_count;

	/* What the reader would not expect, by td_direction: a line, 0 if it is not so. */
	unsigned int ignored_line[2]; /* NetworkPolicy: rules that policyTypes leaves out */
	unsigned int idle_line[2];    /* Cilium: lists are written, all of them empty */
};

struct policy {
	struct policy_spec *specs;
	size_t spec_count;
};

/* Frees what the struct owns and leaves it empty; the struct itself stays its owner's. */
void policy_rule_clear(struct policy_rule *rule);
void policy_spec_clear(struct policy_spec *spec);
void policy_clear(struct policy *policy);

void policy_free(struct policy *policy);
DEFINE_FREEP(policy);
