/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_lookup.h"

#include "base/util.h"
#include "policy/policy_cidrs.h"

static int key_compare(const struct object *object, enum object_kind kind, const char *namespace,
		       const char *name)
{
	int order = (int)object->kind - (int)kind;

	if (!order)
		order = strcmp(object->namespace, namespace);
	return order ? order : strcmp(object->name, name);
}

size_t policy_lookup_position(struct object *const *objects, size_t count, enum object_kind kind,
			      const char *namespace, const char *name)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (key_compare(objects[middle], kind, namespace, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void policy_members_fini(struct policy_members *members, struct policy_peers *peers)
{
	for (size_t i = 0; i < members->selector_count; i++)
		policy_peers_unselect(peers, members->selectors[i]);
	free(members->selectors);
	free(members->prefixes);
	*members = (struct policy_members){ 0 };
}

static int found_prefix(struct policy_members *found, const struct prefix *prefix)
{
	struct prefix *prefixes = array_room(found->prefixes, found->prefix_count,
					     &found->prefix_room, sizeof(*prefixes));

	if (!prefixes)
		return -ENOMEM;
	found->prefixes = prefixes;
	prefixes[found->prefix_count++] = *prefix;
	return 0;
}

static int found_prefixes(struct policy_members *found, const struct prefix *prefixes, size_t count)
{
	int r = 0;

	for (size_t i = 0; !r && i < count; i++)
		r = found_prefix(found, &prefixes[i]);
	return r;
}

/* A Service's selector means pods of its own namespace. */
static int found_pods(struct policy_members *found, const struct object *service,
		      struct policy_peers *peers)
{
	_cleanup_(selector_freep) struct selector *scope = selector_new();
	const char *namespace = service->namespace;
	struct policy_selector **selectors;
	int r = scope ? selector_add(scope, "k8s", LABEL_NAMESPACE, SELECTOR_IN, &namespace, 1)
		      : -ENOMEM;

	if (r < 0)
		return r;
	selectors = array_room(found->selectors, found->selector_count, &found->selector_room,
			       sizeof(struct policy_selector *));
	if (!selectors)
		return -ENOMEM;
	found->selectors = selectors;
	r = policy_peers_select(peers, service->service.selector, &scope, 1,
				&selectors[found->selector_count]);
	found->selector_count += !r;
	return r;
}

static int found_slice(struct policy_members *found, const struct endpoint_slice *slice)
{
	int r = 0;

	for (size_t e = 0; e < slice->endpoint_count; e++) {
		const struct slice_endpoint *endpoint = &slice->endpoints[e];

		for (size_t a = 0; !r && a < endpoint->address_count; a++) {
			struct prefix whole = { .addr = endpoint->addresses[a] };

			whole.length = address_is_ipv4(&whole.addr) ? 32 : 128;
			r = found_prefix(found, &whole);
		}
	}
	return r;
}

struct lookup {
	struct object *const *objects;
	size_t count;
	struct policy_peers *peers;
};

static int found_slices(struct policy_members *found, const struct lookup *lookup,
			const struct object *service)
{
	size_t at = policy_lookup_position(lookup->objects, lookup->count, OBJECT_ENDPOINT_SLICE,
					   service->namespace, "");
	int r = 0;

	for (; !r && at < lookup->count; at++) {
		const struct object *slice = lookup->objects[at];

		if (slice->kind != OBJECT_ENDPOINT_SLICE ||
		    strcmp(slice->namespace, service->namespace) != 0)
			break;
		if (slice->endpoint_slice.service &&
		    strcmp(slice->endpoint_slice.service, service->name) == 0)
			r = found_slice(found, &slice->endpoint_slice);
	}
	return r;
}

static int found_object(struct policy_members *found, const struct lookup *lookup,
			const struct object *object)
{
	found->object_count++;
	switch (object->kind) {
	case OBJECT_CILIUM_CIDR_GROUP:
		return found_prefixes(found, object->cidr_group.prefixes,
				      object->cidr_group.prefix_count);
	case OBJECT_INVENTORY_GROUP:
		return found_prefixes(found, object->inventory_group.prefixes,
				      object->inventory_group.prefix_count);
	default:
		return object->service.selector ? found_pods(found, object, lookup->peers)
						: found_slices(found, lookup, object);
	}
}

static int prefix_order(const void *a, const void *b)
{
	return policy_prefix_compare(a, b);
}

static void sort_prefixes(struct policy_members *found)
{
	size_t kept = 0;

	if (!found->prefix_count)
		return;
	qsort(found->prefixes, found->prefix_count, sizeof(*found->prefixes), prefix_order);
	for (size_t i = 1; i < found->prefix_count; i++)
		if (policy_prefix_compare(&found->prefixes[kept], &found->prefixes[i]) != 0)
			found->prefixes[++kept] = found->prefixes[i];
	found->prefix_count = kept + 1;
}

int policy_lookup(struct object *const *objects, size_t count, const struct group_ref *ref,
		  struct policy_peers *peers, struct policy_members *ret)
{
	const struct lookup lookup = { objects, count, peers };
	enum object_kind kind = group_object_kind(ref->kind);
	bool one = ref->name && (ref->namespace || !object_kind_is_namespaced(kind));
	size_t at = policy_lookup_position(objects, count, kind,
					   one && ref->namespace ? ref->namespace : "",
					   one ? ref->name : "");
	struct policy_members found = { 0 };
	int r = 0;

	for (; !r && at < count && objects[at]->kind == kind; at++) {
		if (group_ref_matches(ref, objects[at]))
			r = found_object(&found, &lookup, objects[at]);
		if (one)
			break;
	}
	if (r < 0) {
		policy_members_fini(&found, peers);
		return r;
	}
	sort_prefixes(&found);
	*ret = found;
	return 0;
}
