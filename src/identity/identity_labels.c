/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <errno.h>
#include <string.h>

#define LABEL_METADATA_NAME "kubernetes.io/metadata.name"

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* Keys that only the agent may set: a pod that carried them could pose as another namespace's. */
static bool label_is_derived(const char *key)
{
	return starts_with(key, LABEL_NAMESPACE_META) || strcmp(key, LABEL_NAMESPACE) == 0 ||
	       strcmp(key, LABEL_SERVICE_ACCOUNT) == 0 || strcmp(key, LABEL_CLUSTER) == 0;
}

static int copy_own_labels(const struct labels *from, struct labels *into)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct label *label = &from->items[i];
		int r;

		if (strcmp(label->source, "k8s") != 0 || label_is_derived(label->key))
			continue;
		r = labels_set(into, "k8s", label->key, label->value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_namespace_label(const char *key, const char *value, struct labels *into)
{
	size_t size = sizeof(LABEL_NAMESPACE_META) + strlen(key);
	_cleanup_free_ char *full = malloc(size);

	if (!full)
		return -ENOMEM;
	snprintf(full, size, "%s%s", LABEL_NAMESPACE_META, key);
	return labels_set(into, "k8s", full, value);
}

static int set_namespace_labels(const struct object *namespace, const char *name,
				struct labels *into)
{
	for (size_t i = 0; namespace && i < namespace->labels->count; i++) {
		const struct label *label = &namespace->labels->items[i];
		int r = set_namespace_label(label->key, label->value, into);

		if (r < 0)
			return r;
	}
	/* The API server sets this one on every namespace; it stands for the name and nothing
	 * else, whatever a manifest says, and is there without a Namespace object too. */
	return set_namespace_label(LABEL_METADATA_NAME, name, into);
}

int identity_labels(const struct object *pod, const struct object *namespace,
		    const char *namespace_name, const char *cluster, struct labels **ret)
{
	_cleanup_(labels_freep) struct labels *labels = labels_new();
	bool run = pod->kind == OBJECT_ENDPOINT;
	const struct labels *own = run ? pod->endpoint.run_labels : pod->labels;
	const char *account = run ? NULL : pod->pod.service_account;
	int r = labels ? 0 : -ENOMEM;

	if (!r && own)
		r = copy_own_labels(own, labels);
	if (!r)
		r = set_namespace_labels(namespace, namespace_name, labels);
	if (!r)
		r = labels_set(labels, "k8s", LABEL_NAMESPACE, namespace_name);
	if (!r)
		r = labels_set(labels, "k8s", LABEL_SERVICE_ACCOUNT, account ? account : "default");
	if (!r)
		r = labels_set(labels, "k8s", LABEL_CLUSTER, cluster ? cluster : "default");
	if (r < 0)
		return r;
	*ret = take_ptr(labels);
	return 0;
}
