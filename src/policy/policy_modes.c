/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_modes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "policy/array.h"

struct policy_modes {
	const struct store *store;
	struct object **items; /* PolicyModes by target; a reference on each */
	size_t count, room;
	bool audit;
	enum policy_enforcement enforcement;
};

/* Of several for one target the strictest. */
static const enum policy_enforcement strictness[] = { POLICY_ENFORCE_NEVER, POLICY_ENFORCE_DEFAULT,
						      POLICY_ENFORCE_ALWAYS };

static int compare_target(const struct policy_mode *mode, enum object_kind kind,
			  const char *namespace, const char *name)
{
	int order = (mode->kind > kind) - (mode->kind < kind);

	if (!order)
		order = strcmp(mode->namespace, namespace);
	return order ? order : strcmp(mode->name, name);
}

static int by_target(const void *a, const void *b)
{
	const struct object *x = *(struct object *const *)a, *y = *(struct object *const *)b;

	return compare_target(&x->policy_mode, y->policy_mode.kind, y->policy_mode.namespace,
			      y->policy_mode.name);
}

static int note_mode(const struct object *object, void *data)
{
	struct policy_modes *modes = data;
	struct object **items =
		array_room(modes->items, modes->count, &modes->room, sizeof(*items));

	if (!items)
		return -ENOMEM;
	modes->items = items;
	items[modes->count++] = object_ref((struct object *)object);
	return 0;
}

/* What the PolicyModes of one target say. */
static enum policy_audit audit_of(const struct policy_modes *modes, enum object_kind kind,
				  const char *namespace, const char *name)
{
	enum policy_audit said = POLICY_AUDIT_UNSET;
	size_t low = 0, high = modes->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_target(&modes->items[middle]->policy_mode, kind, namespace, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < modes->count; low++) {
		const struct policy_mode *mode = &modes->items[low]->policy_mode;

		if (compare_target(mode, kind, namespace, name) != 0)
			break;
		if (mode->audit != POLICY_AUDIT_UNSET && said != POLICY_AUDIT_DISABLED)
			said = mode->audit;
	}
	return said;
}

static size_t strictness_of(enum policy_enforcement enforcement)
{
	size_t i = 0;

	while (strictness[i] != enforcement)
		i++;
	return i;
}

/* Modes of Nodes that are this one. */
static void read_node(struct policy_modes *modes, const struct policy_modes_node *node)
{
	enum policy_audit audit = POLICY_AUDIT_UNSET;
	size_t strictest = 0;
	bool told = false;

	for (size_t i = 0; i < modes->count; i++) {
		const struct policy_mode *mode = &modes->items[i]->policy_mode;

		if (mode->kind != OBJECT_NODE || (node->name && strcmp(mode->name, node->name)))
			continue;
		if (mode->audit != POLICY_AUDIT_UNSET && audit != POLICY_AUDIT_DISABLED)
			audit = mode->audit;
		if (mode->has_enforcement)
			strictest = MAX(strictest, strictness_of(mode->enforcement));
		told = told || mode->has_enforcement;
	}
	modes->audit = audit == POLICY_AUDIT_UNSET ? node->audit : audit == POLICY_AUDIT_ENABLED;
	modes->enforcement = told ? strictness[strictest] : node->enforcement;
}

int policy_modes_new(const struct store *store, const struct policy_modes_node *node,
		     struct policy_modes **ret)
{
	_cleanup_(policy_modes_freep) struct policy_modes *modes = calloc(1, sizeof(*modes));
	int r;

	if (!modes)
		return -ENOMEM;
	modes->store = store;
	r = store_for_each(store, OBJECT_POLICY_MODE, note_mode, modes);
	if (r < 0)
		return r;
	if (modes->count)
		qsort(modes->items, modes->count, sizeof(*modes->items), by_target);
	read_node(modes, node);
	*ret = take_ptr(modes);
	return 0;
}

void policy_modes_free(struct policy_modes *modes)
{
	if (!modes)
		return;
	for (size_t i = 0; i < modes->count; i++)
		object_unref(modes->items[i]);
	free(modes->items);
	free(modes);
}

enum policy_enforcement policy_modes_enforcement(const struct policy_modes *modes)
{
	return modes->enforcement;
}

bool policy_modes_node_audited(const struct policy_modes *modes)
{
	return modes->audit;
}

static enum policy_audit said_of(const struct policy_modes *modes, enum object_kind kind,
				 const char *namespace, const char *name)
{
	enum policy_audit said = audit_of(modes, kind, namespace, name);
	const struct object *object;

	if (said != POLICY_AUDIT_UNSET)
		return said;
	object = store_get(modes->store, kind, namespace, name);
	return object ? object->audit : POLICY_AUDIT_UNSET;
}

bool policy_modes_workload_audited(const struct policy_modes *modes, const char *namespace,
				   const char *name, enum object_kind *ret_by)
{
	enum object_kind by = OBJECT_POD;
	enum policy_audit said = POLICY_AUDIT_UNSET;

	if (*namespace)
		said = said_of(modes, OBJECT_POD, namespace, name);
	if (*namespace && said == POLICY_AUDIT_UNSET) {
		by = OBJECT_NAMESPACE;
		said = said_of(modes, OBJECT_NAMESPACE, "", namespace);
	}
	if (said == POLICY_AUDIT_UNSET)
		by = OBJECT_NODE;
	if (ret_by)
		*ret_by = by;
	return said == POLICY_AUDIT_UNSET ? modes->audit : said == POLICY_AUDIT_ENABLED;
}

bool policy_modes_policy_audited(const struct policy_modes *modes, const struct object *policy)
{
	enum policy_audit said = audit_of(modes, policy->kind, policy->namespace, policy->name);

	if (said == POLICY_AUDIT_UNSET)
		said = policy->audit;
	return said == POLICY_AUDIT_ENABLED;
}
