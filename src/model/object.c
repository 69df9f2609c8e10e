/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

static void pod_clear(struct object *object)
{
	struct pod *pod = &object->pod;

	free(pod->service_account);
	for (size_t i = 0; i < pod->port_count; i++)
		free(pod->ports[i].name);
	free(pod->ports);
	free(pod->declared);
}

static void node_clear(struct object *object)
{
	free(object->node.addresses);
	free(object->node.pod_cidrs);
}

static void service_ports_free(struct service_port *ports, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(ports[i].name);
		free(ports[i].target_name);
	}
	free(ports);
}

static void service_clear(struct object *object)
{
	struct service *service = &object->service;

	selector_free(service->selector);
	free(service->cluster_ips);
	service_ports_free(service->ports, service->port_count);
}

static void endpoint_slice_clear(struct object *object)
{
	struct endpoint_slice *slice = &object->endpoint_slice;

	free(slice->service);
	for (size_t i = 0; i < slice->endpoint_count; i++) {
		free(slice->endpoints[i].addresses);
		free(slice->endpoints[i].target_pod);
	}
	free(slice->endpoints);
	service_ports_free(slice->ports, slice->port_count);
}

static void object_policy_clear(struct object *object)
{
	policy_clear(&object->policy);
}

static void cidr_group_clear(struct object *object)
{
	free(object->cidr_group.prefixes);
}

static void inventory_group_clear(struct object *object)
{
	struct inventory_group *group = &object->inventory_group;

	free(group->region);
	for (size_t i = 0; i < group->security_group_count; i++)
		free(group->security_groups[i]);
	free(group->security_groups);
	free(group->prefixes);
}

static void policy_mode_clear(struct object *object)
{
	free(object->policy_mode.namespace);
	free(object->policy_mode.name);
}

static void endpoint_clear(struct object *object)
{
	struct endpoint *endpoint = &object->endpoint;

	free(endpoint->container_id);
	free(endpoint->ifname);
	free(endpoint->netns);
	free(endpoint->host_ifname);
	labels_free(endpoint->run_labels);
}

static const struct kind {
	const char *name, *plural, *shorts[2];
	bool namespaced;
	void (*clear)(struct object *object);
} kinds[OBJECT_KIND_COUNT] = {
	[OBJECT_NAMESPACE] = { "Namespace", "namespaces", { "ns" }, false, NULL },
	[OBJECT_NODE] = { "Node", "nodes", { "no" }, false, node_clear },
	[OBJECT_POD] = { "Pod", "pods", { "po" }, true, pod_clear },
	[OBJECT_SERVICE] = { "Service", "services", { "svc" }, true, service_clear },
	[OBJECT_ENDPOINT_SLICE] = { "EndpointSlice",
				    "endpointslices",
				    { NULL },
				    true,
				    endpoint_slice_clear },
	[OBJECT_NETWORK_POLICY] = { "NetworkPolicy",
				    "networkpolicies",
				    { "netpol" },
				    true,
				    object_policy_clear },
	[OBJECT_CILIUM_NETWORK_POLICY] = { "CiliumNetworkPolicy",
					   "ciliumnetworkpolicies",
					   { "cnp", "ciliumnp" },
					   true,
					   object_policy_clear },
	[OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY] = { "CiliumClusterwideNetworkPolicy",
						       "ciliumclusterwidenetworkpolicies",
						       { "ccnp" },
						       false,
						       object_policy_clear },
	[OBJECT_CILIUM_CIDR_GROUP] = { "CiliumCIDRGroup",
				       "ciliumcidrgroups",
				       { "ccg" },
				       false,
				       cidr_group_clear },
	[OBJECT_INVENTORY_GROUP] = { "InventoryGroup",
				     "inventorygroups",
				     { NULL },
				     false,
				     inventory_group_clear },
	[OBJECT_POLICY_MODE] = { "PolicyMode", "policymodes", { NULL }, false, policy_mode_clear },
	[OBJECT_ENDPOINT] = { "Endpoint", "endpoints", { "ep" }, true, endpoint_clear },
};

const char *object_kind_name(enum object_kind kind)
{
	return (unsigned int)kind < OBJECT_KIND_COUNT ? kinds[kind].name : NULL;
}

static bool kind_is_called(const struct kind *kind, const char *text)
{
	if (!strcasecmp(kind->name, text) || !strcasecmp(kind->plural, text))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(kind->shorts); i++)
		if (kind->shorts[i] && !strcasecmp(kind->shorts[i], text))
			return true;
	return false;
}

int object_kind_parse(const char *text, enum object_kind *ret)
{
	for (unsigned int i = 0; i < OBJECT_KIND_COUNT; i++) {
		if (!kind_is_called(&kinds[i], text))
			continue;
		*ret = (enum object_kind)i;
		return 0;
	}
	return -ENOENT;
}

bool object_kind_is_namespaced(enum object_kind kind)
{
	return kinds[kind].namespaced;
}

bool object_kind_is_policy(enum object_kind kind)
{
	return kind == OBJECT_NETWORK_POLICY || kind == OBJECT_CILIUM_NETWORK_POLICY ||
	       kind == OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY;
}

struct object *object_new(enum object_kind kind, const char *namespace, const char *name)
{
	_cleanup_(object_unrefp) struct object *object = calloc(1, sizeof(*object));

	if (!object)
		return NULL;
	object->refs = 1;
	object->kind = kind;
	object->namespace = strdup(namespace ? namespace : "");
	object->name = strdup(name);
	object->labels = labels_new();
	if (!object->namespace || !object->name || !object->labels)
		return NULL;
	return take_ptr(object);
}

struct object *object_ref(struct object *object)
{
	object->refs++;
	return object;
}

void object_unref(struct object *object)
{
	if (!object || --object->refs)
		return;
	if (kinds[object->kind].clear)
		kinds[object->kind].clear(object);
	free(object->namespace);
	free(object->name);
	labels_free(object->labels);
	free(object->file);
	free(object->text);
	free(object);
}

void object_list_free(struct object_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->count; i++)
		object_unref(list->items[i]);
	free(list->items);
	for (size_t i = 0; i < list->skipped_count; i++)
		free(list->skipped[i]);
	free(list->skipped);
	free(list);
}
