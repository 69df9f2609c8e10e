/* SPDX-License-Identifier: Apache-2.0 */
/* workload: one interface of one container on this node, as the agent keeps it: what the record on
 * disk says, and which object of the store it is.
 *
 * Owns: its strings and a reference on its object    Thread: main loop only
 *
 * Name: a container is the Pod named by K8S_POD_NAMESPACE (default "default") and K8S_POD_NAME.
 * Without these, the Pod of the store whose "NAMESPACE-NAME" equals the container id; two matches
 * are an error; none: namespace "" until such a Pod arrives. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "model/object.h"
#include "store/store.h"

#define CONTAINER_ID_MAX 255

struct workload {
	struct workload *next;
	uint32_t id; /* 1..65535 */
	enum endpoint_state state;
	bool run;      /* by `tendril run`: no container runtime knows it */
	char *network; /* name of the CNI network; NULL: not told */
	char *container_id, *ifname, *netns, *host_ifname;
	uint64_t netns_cookie;
	uint32_t host_ifindex; /* 0: no device yet */
	struct td_addr ipv4, ipv6;
	char *namespace, *name;    /* of the Pod; namespace "" and name = container_id: not known */
	struct labels *run_labels; /* NULL unless run */

	struct object *object; /* in the store; NULL: not there */
	bool has_object;       /* a Pod was found, or run_labels are there */
	uint32_t identity;     /* with a reference if it is a pod's; 0: none yet */
};

void workload_free(struct workload *workload);
DEFINE_FREEP(workload);

/* Container ids and interface names as the CNI specification allows them: they become parts of file
 * names and devices. */
bool workload_container_id_ok(const char *id);
bool workload_ifname_ok(const char *name);

/* The record: JSON text, caller frees; NULL if memory is short. */
char *workload_save(const struct workload *workload);
/* -EINVAL with diag (which names file): not such a text. */
int workload_load(const char *text, size_t len, const char *file, struct workload **ret,
		  struct diag *diag);

/* Finds the Pod that a container id stands for. *ret NULL: none. -EEXIST: several, diag names two. */
int workload_find_pod(const struct store *store, const char *container_id,
		      const struct object **ret, struct diag *diag);

/* The workload as an object of the store (kind OBJECT_ENDPOINT); name as given. */
int workload_object(const struct workload *workload, const char *name, struct object **ret);

/* What the API shows. */
json_t *workload_json(const struct workload *workload);
