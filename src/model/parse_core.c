/* SPDX-License-Identifier: Apache-2.0 */
/* Namespace, Node and Pod (v1). */
#include "parse.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static const struct field namespace_fields[] = {
	OBJECT_FIELDS,
	{ "spec", SHAPE_MAP, NULL, 0 },
	{ "status", SHAPE_MAP, NULL, 0 },
};

/* The API server sets this label on every namespace. */
#define LABEL_NAME "kubernetes.io/metadata.name"

int parse_namespace(struct walk *walk, const struct yaml_node *root, struct object *object)
{
	const char *label = labels_get(object->labels, "k8s", LABEL_NAME);

	if (label && strcmp(label, object->name))
		return walk_fail(walk, root, "the label " LABEL_NAME " to be %s", object->name);
	if (!label && labels_set(object->labels, "k8s", LABEL_NAME, object->name) < 0)
		return -ENOMEM;
	return walk_table(walk, root, namespace_fields, object);
}

struct node_cidrs {
	const struct yaml_node *one, *all;
};

static int note_node(struct walk *walk, const struct yaml_node *node, void *into)
{
	*(const struct yaml_node **)into = node;
	return 0;
}

static const struct field node_spec_fields[] = {
	{ "podCIDR", SHAPE_STRING, note_node, offsetof(struct node_cidrs, one) },
	{ "podCIDRs", SHAPE_LIST, note_node, offsetof(struct node_cidrs, all) },
	{ "providerID", SHAPE_STRING, NULL, 0 },
	{ "unschedulable", SHAPE_BOOL, NULL, 0 },
	{ "taints", SHAPE_LIST, NULL, 0 },
	{ "configSource", SHAPE_MAP, NULL, 0 },
	{ "externalID", SHAPE_STRING, NULL, 0 },
};

static int read_pod_cidr(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct node *to = into;
	struct prefix *prefix = array_add(&to->pod_cidrs, &to->pod_cidr_count);

	if (!prefix)
		return -ENOMEM;
	return walk_prefix(walk, node, false, prefix);
}

static int read_pod_cidrs(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_pod_cidr, into);
}

/* podCIDR is podCIDRs' first. */
static int read_node_spec(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct node_cidrs cidrs = { 0 };
	int r = walk_table(walk, node, node_spec_fields, &cidrs);

	if (r < 0)
		return r;
	if (cidrs.all && cidrs.all->count)
		return walk_at(walk, "podCIDRs", cidrs.all, read_pod_cidrs, into);
	return cidrs.one ? walk_at(walk, "podCIDR", cidrs.one, read_pod_cidr, into) : 0;
}

struct node_address {
	const struct yaml_node *type, *address;
};

static const struct field node_address_fields[] = {
	{ "type", SHAPE_STRING, note_node, offsetof(struct node_address, type) },
	{ "address", SHAPE_STRING, note_node, offsetof(struct node_address, address) },
};

static int read_node_address(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct node *to = into;
	struct node_address entry = { 0 };
	struct td_addr *address;
	int r = walk_table(walk, node, node_address_fields, &entry);

	if (r < 0)
		return r;
	if (!entry.type || !entry.address)
		return walk_missing(walk, node, entry.type ? "address" : "type", "both");
	if (strcmp(entry.type->text, "InternalIP") && strcmp(entry.type->text, "ExternalIP"))
		return 0;
	address = array_add(&to->addresses, &to->address_count);
	if (!address)
		return -ENOMEM;
	return walk_at(walk, "address", entry.address, read_address, address);
}

static int read_node_addresses(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_node_address, into);
}

static const struct field node_status_fields[] = {
	{ "addresses", SHAPE_LIST, read_node_addresses, 0 },
	{ "allocatable", SHAPE_MAP, NULL, 0 },
	{ "capacity", SHAPE_MAP, NULL, 0 },
	{ "conditions", SHAPE_LIST, NULL, 0 },
	{ "config", SHAPE_MAP, NULL, 0 },
	{ "daemonEndpoints", SHAPE_MAP, NULL, 0 },
	{ "declaredFeatures", SHAPE_LIST, NULL, 0 },
	{ "features", SHAPE_MAP, NULL, 0 },
	{ "images", SHAPE_LIST, NULL, 0 },
	{ "nodeInfo", SHAPE_MAP, NULL, 0 },
	{ "phase", SHAPE_STRING, NULL, 0 },
	{ "runtimeHandlers", SHAPE_LIST, NULL, 0 },
	{ "volumesAttached", SHAPE_LIST, NULL, 0 },
	{ "volumesInUse", SHAPE_LIST, NULL, 0 },
};

static int read_node_status(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_table(walk, node, node_status_fields, into);
}

static const struct field node_fields[] = {
	OBJECT_FIELDS,
	{ "spec", SHAPE_MAP, read_node_spec, 0 },
	{ "status", SHAPE_MAP, read_node_status, 0 },
};

int parse_node(struct walk *walk, const struct yaml_node *root, struct object *object)
{
	return walk_table(walk, root, node_fields, &object->node);
}

struct port_entry {
	const struct yaml_node *name;
	uint8_t protocol;
	uint16_t port, host_port;
};

static const struct field container_port_fields[] = {
	{ "name", SHAPE_STRING, note_node, offsetof(struct port_entry, name) },
	{ "containerPort", SHAPE_INT, read_port, offsetof(struct port_entry, port) },
	{ "protocol", SHAPE_STRING, read_l4_protocol, offsetof(struct port_entry, protocol) },
	{ "hostPort", SHAPE_INT, NULL, 0 },
	{ "hostIP", SHAPE_STRING, NULL, 0 },
};

static int read_container_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct pod *pod = into;
	struct port_entry entry = { .protocol = IPPROTO_TCP };
	struct container_port *declared;
	struct named_port *port;
	int r = walk_table(walk, node, container_port_fields, &entry);

	if (r < 0)
		return r;
	if (!entry.port)
		return walk_missing(walk, node, "containerPort", "a port from 1 to 65535");
	declared = array_add(&pod->declared, &pod->declared_count);
	if (!declared)
		return -ENOMEM;
	*declared = (struct container_port){ entry.protocol, entry.port };
	if (!entry.name)
		return 0;
	if (!is_port_name(entry.name->text))
		return walk_fail(walk, entry.name,
				 "a port's name: at most 15 lower case letters, digits and "
				 "single hyphens");
	port = array_add(&pod->ports, &pod->port_count);
	if (!port)
		return -ENOMEM;
	port->protocol = entry.protocol;
	port->port = entry.port;
	return read_string(walk, entry.name, &port->name);
}

static int read_container_ports(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_container_port, into);
}

static const struct field container_fields[] = {
	{ "name", SHAPE_STRING, NULL, 0 },
	{ "image", SHAPE_STRING, NULL, 0 },
	{ "ports", SHAPE_LIST, read_container_ports, 0 },
	{ "args", SHAPE_LIST, NULL, 0 },
	{ "command", SHAPE_LIST, NULL, 0 },
	{ "env", SHAPE_LIST, NULL, 0 },
	{ "envFrom", SHAPE_LIST, NULL, 0 },
	{ "imagePullPolicy", SHAPE_STRING, NULL, 0 },
	{ "lifecycle", SHAPE_MAP, NULL, 0 },
	{ "livenessProbe", SHAPE_MAP, NULL, 0 },
	{ "readinessProbe", SHAPE_MAP, NULL, 0 },
	{ "resizePolicy", SHAPE_LIST, NULL, 0 },
	{ "resources", SHAPE_MAP, NULL, 0 },
	{ "restartPolicy", SHAPE_STRING, NULL, 0 },
	{ "restartPolicyRules", SHAPE_LIST, NULL, 0 },
	{ "securityContext", SHAPE_MAP, NULL, 0 },
	{ "startupProbe", SHAPE_MAP, NULL, 0 },
	{ "stdin", SHAPE_BOOL, NULL, 0 },
	{ "stdinOnce", SHAPE_BOOL, NULL, 0 },
	{ "terminationMessagePath", SHAPE_STRING, NULL, 0 },
	{ "terminationMessagePolicy", SHAPE_STRING, NULL, 0 },
	{ "tty", SHAPE_BOOL, NULL, 0 },
	{ "volumeDevices", SHAPE_LIST, NULL, 0 },
	{ "volumeMounts", SHAPE_LIST, NULL, 0 },
	{ "workingDir", SHAPE_STRING, NULL, 0 },
};

static int read_container(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_table(walk, node, container_fields, into);
}

static int read_containers(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_container, into);
}

static const struct field pod_spec_fields[] = {
	{ "containers", SHAPE_LIST, read_containers, 0 },
	{ "serviceAccountName", SHAPE_STRING, read_dns_subdomain,
	  offsetof(struct pod, service_account) },
	{ "hostNetwork", SHAPE_BOOL, read_bool, offsetof(struct pod, host_network) },
	{ "activeDeadlineSeconds", SHAPE_INT, NULL, 0 },
	{ "affinity", SHAPE_MAP, NULL, 0 },
	{ "automountServiceAccountToken", SHAPE_BOOL, NULL, 0 },
	{ "dnsConfig", SHAPE_MAP, NULL, 0 },
	{ "dnsPolicy", SHAPE_STRING, NULL, 0 },
	{ "enableServiceLinks", SHAPE_BOOL, NULL, 0 },
	{ "ephemeralContainers", SHAPE_LIST, NULL, 0 },
	{ "hostAliases", SHAPE_LIST, NULL, 0 },
	{ "hostIPC", SHAPE_BOOL, NULL, 0 },
	{ "hostPID", SHAPE_BOOL, NULL, 0 },
	{ "hostUsers", SHAPE_BOOL, NULL, 0 },
	{ "hostname", SHAPE_STRING, NULL, 0 },
	{ "hostnameOverride", SHAPE_STRING, NULL, 0 },
	{ "imagePullSecrets", SHAPE_LIST, NULL, 0 },
	{ "initContainers", SHAPE_LIST, NULL, 0 },
	{ "nodeName", SHAPE_STRING, NULL, 0 },
	{ "nodeSelector", SHAPE_MAP, NULL, 0 },
	{ "os", SHAPE_MAP, NULL, 0 },
	{ "overhead", SHAPE_MAP, NULL, 0 },
	{ "preemptionPolicy", SHAPE_STRING, NULL, 0 },
	{ "priority", SHAPE_INT, NULL, 0 },
	{ "priorityClassName", SHAPE_STRING, NULL, 0 },
	{ "readinessGates", SHAPE_LIST, NULL, 0 },
	{ "resourceClaims", SHAPE_LIST, NULL, 0 },
	{ "resources", SHAPE_MAP, NULL, 0 },
	{ "restartPolicy", SHAPE_STRING, NULL, 0 },
	{ "runtimeClassName", SHAPE_STRING, NULL, 0 },
	{ "schedulerName", SHAPE_STRING, NULL, 0 },
	{ "schedulingGates", SHAPE_LIST, NULL, 0 },
	{ "securityContext", SHAPE_MAP, NULL, 0 },
	{ "serviceAccount", SHAPE_STRING, NULL, 0 }, /* deprecated alias, kept equal by the API */
	{ "setHostnameAsFQDN", SHAPE_BOOL, NULL, 0 },
	{ "shareProcessNamespace", SHAPE_BOOL, NULL, 0 },
	{ "subdomain", SHAPE_STRING, NULL, 0 },
	{ "terminationGracePeriodSeconds", SHAPE_INT, NULL, 0 },
	{ "tolerations", SHAPE_LIST, NULL, 0 },
	{ "topologySpreadConstraints", SHAPE_LIST, NULL, 0 },
	{ "volumes", SHAPE_LIST, NULL, 0 },
	{ "workloadRef", SHAPE_MAP, NULL, 0 },
};

static int read_pod_spec(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_table(walk, node, pod_spec_fields, into);
}

static const struct field pod_fields[] = {
	OBJECT_FIELDS,
	{ "spec", SHAPE_MAP, read_pod_spec, 0 },
	{ "status", SHAPE_MAP, NULL, 0 },
};

/* Labels that stand for a pod's namespace and account: a pod that could write them itself would
 * choose what policies take it for. */
static int check_pod_labels(struct walk *walk, const struct yaml_node *root,
			    const struct object *object)
{
	for (size_t i = 0; i < object->labels->count; i++) {
		const char *key = object->labels->items[i].key;

		if (!strcmp(key, LABEL_NAMESPACE) || !strncmp(key, "io.cilium.k8s.", 14))
			return walk_fail(walk, root, "no label %s, which the agent derives itself",
					 key);
	}
	return 0;
}

int parse_pod(struct walk *walk, const struct yaml_node *root, struct object *object)
{
	int r = check_pod_labels(walk, root, object);

	if (r < 0)
		return r;
	r = walk_table(walk, root, pod_fields, &object->pod);
	if (r < 0 || object->pod.service_account)
		return r;
	object->pod.service_account = strdup("default");
	return object->pod.service_account ? 0 : -ENOMEM;
}
