/* SPDX-License-Identifier: Apache-2.0 */
/* policy_world: policy/policy_scene.h with words for tests: any error fails the running cmocka test.
 *
 * In: pods, namespaces, policy objects as text    Out: one verdict at a time, '.' or 'X'
 * Owns: everything    Thread: one */
#pragma once

#include "policy/policy_engine.h"

struct policy_world;
struct policy_world *policy_world_new(void);
void policy_world_free(struct policy_world *world);
DEFINE_FREEP(policy_world);

/* Puts or relabels a namespace. "a=b,c=d" or "-" for none. Deleting takes its pods along. */
void policy_world_namespace(struct policy_world *world, const char *name, const char *labels);
void policy_world_namespace_delete(struct policy_world *world, const char *name);

struct policy_world_pod {
	const char *namespace, *name;
	const char *labels;  /* "a=b,c=d" or "-"; of the pod alone */
	const char *account; /* service account; NULL: "default" */
	const char *address; /* NULL or "-": none known */
	const struct named_port *ports;
	size_t port_count;
};
/* Puts or replaces a pod. */
void policy_world_pod(struct policy_world *world, const struct policy_world_pod *pod);
void policy_world_relabel(struct policy_world *world, const char *pod, const char *labels);
void policy_world_pod_delete(struct policy_world *world, const char *pod);

/* Parses one document and puts the policies in it. */
void policy_world_put(struct policy_world *world, const char *text);
/* Fails if the text is not refused. */
void policy_world_refuse(struct policy_world *world, const char *text);
void policy_world_delete(struct policy_world *world, const char *kind, const char *namespace,
			 const char *name);

/* Replaces the inventory. */
void policy_world_inventory(struct policy_world *world, const char *text);

/* Verdict for a subject "NS/NAME", a peer ("NS/NAME", an entity's word or an address) and a probe
 * ("TCP/80", "ICMP/8"). */
char policy_world_verdict(struct policy_world *world, enum td_direction direction,
			  const char *probe, const char *subject, const char *peer);
