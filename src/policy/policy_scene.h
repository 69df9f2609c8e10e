/* SPDX-License-Identifier: Apache-2.0 */
/* policy_scene: a cluster on paper: namespaces, pods and policies; who may talk to whom, and why.
 *
 * In: objects, pods' addresses    Out: decisions, one direction at a time
 * Owns: a store, identities and a policy engine of its own    Thread: one. Pure: no kernel, no root.
 *
 * Goes the way of the agent: objects are parsed and kept, labels derived, identities allocated,
 * policies compiled; a decision is policy_verdict()'s. So what it says of a pair is what the node
 * would do, for clusters that exist and for ones that do not yet. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "model/inventory.h"
#include "model/object.h"
#include "policy/policy_explain.h"
#include "policy/policy_modes.h"

struct policy_scene;

struct policy_scene_options {
	const char *cluster;    /* NULL: "default" */
	bool blocks_spare_pods; /* as policy_engine_spare_pods() */
};

/* What the agent would bring into the kernel after a compilation: the subjects that changed. whole:
 * some are gone too, or the listener is new, or failed before: every subject counts. 0 or -errno,
 * which whoever asked the scene gets. */
typedef int (*policy_scene_compiled_fn)(const struct policy_engine *engine,
					const struct policy_subject *changed, size_t count,
					bool whole, void *data);

int policy_scene_new(const struct policy_scene_options *options, struct policy_scene **ret);
void policy_scene_free(struct policy_scene *scene);
DEFINE_FREEP(policy_scene);
/* Another scene with the same objects (references), addresses and options: what a change would make
 * of this one can be tried there. -ENOMEM. */
int policy_scene_clone(const struct policy_scene *scene, struct policy_scene **ret);

/* Calls fn from now on after every compilation, before anything is judged by it. One listener. */
void policy_scene_listen(struct policy_scene *scene, policy_scene_compiled_fn fn, void *data);

/* Puts or replaces objects, all or none; takes references. Kinds that policies do not ask for mean
 * nothing. -EINVAL with diag set, -ENOMEM. */
int policy_scene_put(struct policy_scene *scene, struct object *const *objects, size_t count,
		     struct diag *diag);
/* Parses a text and puts what is in it. */
int policy_scene_put_text(struct policy_scene *scene, const char *text, size_t length,
			  const struct object_parse_options *options, struct diag *diag);
/* The groups of an inventory's text instead of those put under options->name before. */
int policy_scene_put_inventory(struct policy_scene *scene, const char *text, size_t length,
			       const struct inventory_options *options, struct diag *diag);
/* Deleting what is not there is no error. A Namespace takes all that is in it with it. */
int policy_scene_delete(struct policy_scene *scene, enum object_kind kind, const char *namespace,
			const char *name);
/* The pod with other labels of its own. -ENOENT: no such pod. */
int policy_scene_label_pod(struct policy_scene *scene, const char *namespace, const char *name,
			   const struct labels *labels);
/* One address per family. -ENOENT: no such pod. */
int policy_scene_set_address(struct policy_scene *scene, const char *namespace, const char *name,
			     const struct td_addr *addr);

/* An address of the node itself: it means host. -ENOMEM. */
int policy_scene_add_node_address(struct policy_scene *scene, const struct td_addr *addr);
/* Borrowed until the next one is added. */
const struct td_addr *policy_scene_node_addresses(const struct policy_scene *scene, size_t *count);

/* NULL if it is not there. Borrowed until the next change. */
const struct object *policy_scene_object(const struct policy_scene *scene, enum object_kind kind,
					 const char *namespace, const char *name);
/* Sorted by namespace and name; stops at non-zero and returns it. */
int policy_scene_for_each_object(const struct policy_scene *scene, enum object_kind kind,
				 int (*fn)(const struct object *object, void *data), void *data);

/* The node that policies are enforced on, its mode as configured. Without it the configuration is the
 * default one, and PolicyModes of every Node count. -ENOMEM. */
int policy_scene_set_node(struct policy_scene *scene, const struct policy_modes_node *node);

#define POLICY_PARTY_TEXT_MAX 256

/* One end of a conversation. */
struct policy_party {
	char text[POLICY_PARTY_TEXT_MAX]; /* "default/web", "203.0.113.9", "host", "app=web" */
	uint32_t identity;
	bool is_pod;                 /* policies may select it */
	bool audited;                /* it is in audit mode */
	enum object_kind audited_by; /* OBJECT_POD, OBJECT_NAMESPACE or OBJECT_NODE says so */
	bool outside;                /* no endpoint and no node */
	struct td_addr ip[2];        /* IPv4, IPv6; zero: none known */
	const struct object *pod;    /* that it is; NULL: it is none that is there */
};

/* "NS/POD", a bare POD of namespace default, an address (a pod's own means the pod), an entity's
 * word (host, world, remote-node, kube-apiserver, health, ingress, init, unmanaged), or the labels
 * "a=b,c=d" of a pod that might be, in namespace default unless io.kubernetes.pod.namespace is
 * among them. -EINVAL with diag set, -ENOMEM. Good until the pod changes or goes. */
int policy_scene_party(struct policy_scene *scene, const char *text, struct policy_party *ret,
		       struct diag *diag);
/* Calls fn for each pod, sorted by namespace and name; stops at non-zero and returns it. */
int policy_scene_for_each_pod(struct policy_scene *scene,
			      int (*fn)(const struct policy_party *pod, void *data), void *data);

/* What is asked of two parties. */
struct policy_probe {
	uint8_t protocol; /* IPPROTO_* */
	uint16_t port;    /* destination port, host order; ICMP and ICMPv6: the type */
	bool ipv6;        /* the family the packet has: which of the peer's addresses counts */
};

/* "TCP/80", "80/TCP", "443" (TCP), "UDP/53", "SCTP/80", "ICMP/8", "ICMPv6/128" (which is IPv6);
 * upper or lower case. -EINVAL leaves *ret alone. */
int policy_probe_parse(const char *text, struct policy_probe *ret);
/* "80/TCP", "ICMPv6/128". */
#define POLICY_PROBE_TEXT_MAX 16
const char *policy_probe_format(const struct policy_probe *probe,
				char buf[static POLICY_PROBE_TEXT_MAX]);

/* Whether policies of `subject` allow the peer, in one direction. A subject that is no pod allows
 * everything (TD_RULE_UNSELECTED). 0 or -ENOMEM. */
int policy_scene_judge(struct policy_scene *scene, enum td_direction direction,
		       const struct policy_party *subject, const struct policy_party *peer,
		       const struct policy_probe *probe, struct policy_decision *ret);

/* The query that a judgement asks, and the engine it asks, brought up to date: for
 * policy_explain(). 0 or -ENOMEM. */
int policy_scene_query(struct policy_scene *scene, const struct policy_party *peer,
		       const struct policy_probe *probe, struct policy_query *ret);
const struct policy_engine *policy_scene_engine(const struct policy_scene *scene);
