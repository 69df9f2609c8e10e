/* SPDX-License-Identifier: Apache-2.0 */
/* labels: sets of labels with their source, as identities carry them.
 *
 * Sources: "k8s" (pods, namespaces, service accounts, cluster), "reserved", "cidr".
 * A set is sorted by key, then source; one value per (source, key). Printed "k8s:app=web",
 * "reserved:host" (no value: no '=').
 *
 * Owns: its strings    Thread: any, immutable once built */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct label {
	char *source;
	char *key;
	char *value; /* "" if none */
};

struct labels {
	struct label *items;
	size_t count;
};

/* Labels that the agent derives (surfaces the policies match on). */
#define LABEL_NAMESPACE       "io.kubernetes.pod.namespace"
#define LABEL_NAMESPACE_META  "io.cilium.k8s.namespace.labels." /* prefix */
#define LABEL_SERVICE_ACCOUNT "io.cilium.k8s.policy.serviceaccount"
#define LABEL_CLUSTER         "io.cilium.k8s.policy.cluster"

struct labels *labels_new(void);
void labels_free(struct labels *labels);
DEFINE_FREEP(labels);

/* Copies its arguments. Replaces the value if (source, key) is there. 0 or -ENOMEM. */
int labels_set(struct labels *labels, const char *source, const char *key, const char *value);
int labels_copy(const struct labels *labels, struct labels **ret);
int labels_compare(const struct labels *a, const struct labels *b);

/* NULL if absent. source NULL: any source. */
const char *labels_get(const struct labels *labels, const char *source, const char *key);

/* "k8s:a=b" of one label; needs strlen of the parts + 3. Returns the length as snprintf. */
int label_format(const struct label *label, char *buf, size_t size);
/* All of them, comma-separated; caller frees. NULL if memory is short. */
char *labels_format(const struct labels *labels);
/* "a=b" or "k8s:a=b" or "reserved:host"; source "k8s" if none is written. -EINVAL if malformed. */
int label_parse(const char *text, struct labels *into);
