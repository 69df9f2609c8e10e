/* SPDX-License-Identifier: Apache-2.0 */
/* identity: label sets (with named ports) to numbers, stable while used and over restarts.
 *
 * In: labels of pods    Out: numbers from 256 to 65535; reserved ones with their labels
 * Owns: its table    Thread: main loop only
 *
 * Two workloads share an identity if their labels and their named ports are equal: named ports
 * resolve per destination pod, and this makes that exact. Named ports are not shown as labels. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/labels.h"
#include "model/object.h"

struct identity {
	uint32_t number;
	const struct labels *labels;
	const struct named_port *ports; /* sorted by name, protocol */
	size_t port_count;
	unsigned int refs;
};

struct identities;
int identities_new(struct identities **ret);
void identities_free(struct identities *identities);
DEFINE_FREEP(identities);

/* Takes a reference on the identity of these labels and ports (in any order), allocating one at
 * need: the lowest number not used recently, that is, not kept for its last labels. Copies its
 * arguments. -ENOSPC: all numbers in use; -ENOMEM. */
int identities_get(struct identities *identities, const struct labels *labels,
		   const struct named_port *ports, size_t port_count, uint32_t *ret);
/* Drops a reference; an identity without references keeps its number for reuse by equal labels
 * until another needs it or 1,024 others have lost theirs since. Reserved and unknown numbers: does
 * nothing. */
void identities_put(struct identities *identities, uint32_t number);
/* Reserved ones too (labels "reserved:host" ...), and ones that keep their number without a
 * reference. NULL if unknown. Borrowed until the next change. */
const struct identity *identities_find(const struct identities *identities, uint32_t number);
/* The reserved ones and those with references, by number; stops at non-zero and returns it. */
int identities_for_each(const struct identities *identities,
			int (*fn)(const struct identity *identity, void *data), void *data);

/* Labels of a workload: pod's labels, namespace and its labels (kubernetes.io/metadata.name always
 * among them), service account, cluster. pod: an OBJECT_POD, or an OBJECT_ENDPOINT with run_labels
 * or none. namespace NULL: no Namespace object; cluster NULL: "default". Labels of the pod that
 * claim a key which is derived are left out. -ENOMEM. */
int identity_labels(const struct object *pod, const struct object *namespace,
		    const char *namespace_name, const char *cluster, struct labels **ret);

/* JSON text of all numbers in use, to be kept over restarts; caller frees. NULL if memory is
 * short. Form: {"identities":[{"number":256,"labels":["k8s:app=web"],"ports":[{"name":"http",
 * "protocol":6,"port":80}]}]}. */
char *identities_save(const struct identities *identities);
/* Reserves the numbers of a saved text for the same labels. A broken text is refused (-EINVAL) and
 * changes nothing. -EBUSY: numbers were taken before; -ENOMEM. */
int identities_load(struct identities *identities, const char *text);
