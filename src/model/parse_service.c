/* SPDX-License-Identifier: Apache-2.0 */
/* Service (v1) and EndpointSlice (discovery.k8s.io/v1). */
#include "parse.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define PORTS_MAX 1000 /* looking for duplicates is quadratic */

struct service_reading {
	struct service *service;
	const struct yaml_node *cluster_ip, *cluster_ips;
};

static int note_node(struct walk *walk, const struct yaml_node *node, void *into)
{
	*(const struct yaml_node **)into = node;
	return 0;
}

static int read_target_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct service_port *port = into;

	if (node_scalar_kind(node) == SCALAR_INT)
		return read_port(walk, node, &port->target_port);
	if (!is_port_name(node->text))
		return walk_fail(walk, node,
				 "a number from 1 to 65535 without quotes, or a port's name");
	return read_string(walk, node, &port->target_name);
}

static const struct field service_port_fields[] = {
	{ "name", SHAPE_STRING, read_dns_label, offsetof(struct service_port, name) },
	{ "protocol", SHAPE_STRING, read_l4_protocol, offsetof(struct service_port, protocol) },
	{ "port", SHAPE_INT, read_port, offsetof(struct service_port, port) },
	{ "targetPort", SHAPE_INT_OR_STRING, read_target_port, 0 },
	{ "nodePort", SHAPE_INT, NULL, 0 },
	{ "appProtocol", SHAPE_STRING, NULL, 0 },
};

static int check_sctp(struct walk *walk, const struct yaml_node *node,
		      const struct service_port *port)
{
	if (port->protocol != IPPROTO_SCTP || port->target_port == port->port)
		return 0;
	return walk_fail(walk, node,
			 "targetPort to be the number %u: SCTP services translate addresses, not "
			 "ports (a port change needs a checksum over the whole packet)",
			 port->port);
}

static int read_service_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct service *service = ((struct service_reading *)into)->service;
	struct service_port *port = array_add(&service->ports, &service->port_count);
	int r;

	if (!port)
		return -ENOMEM;
	port->protocol = IPPROTO_TCP;
	r = walk_table(walk, node, service_port_fields, port);
	if (r < 0)
		return r;
	if (!port->port)
		return walk_missing(walk, node, "port", "a port from 1 to 65535");
	if (!port->target_port && !port->target_name)
		port->target_port = port->port;
	return check_sctp(walk, node, port);
}

static bool same_name(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static int check_ports(struct walk *walk, const struct yaml_node *node,
		       const struct service_port *ports, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (count > 1 && !ports[i].name)
			return walk_missing(walk, node->items[i], "name",
					    "a name for each of several ports");
		for (size_t j = 0; j < i; j++) {
			if (same_name(ports[i].name, ports[j].name))
				return walk_fail(walk, node->items[i], "each port's name once (%s)",
						 ports[i].name);
			if (ports[i].port == ports[j].port &&
			    ports[i].protocol == ports[j].protocol)
				return walk_fail(walk, node->items[i],
						 "each port and protocol once (%u)", ports[i].port);
		}
	}
	return 0;
}

static int read_service_ports(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct service_reading *reading = into;
	int r;

	if (node->count > PORTS_MAX)
		return walk_fail(walk, node, "at most %d ports", PORTS_MAX);
	r = walk_items(walk, node, read_service_port, into);
	if (r < 0)
		return r;
	return check_ports(walk, node, reading->service->ports, reading->service->port_count);
}

static int read_service_selector(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct service *service = ((struct service_reading *)into)->service;

	if (!node->count) /* as good as none, says the API */
		return 0;
	service->selector = selector_new();
	if (!service->selector)
		return -ENOMEM;
	return read_selector_map(walk, node, service->selector);
}

/* A field whose every value but one asks for what this build does not do. */
static int only(struct walk *walk, const struct yaml_node *node, const char *value)
{
	int r = walk_shape(walk, node, SHAPE_STRING);

	if (r < 0 || !strcmp(node->text, value))
		return r;
	return walk_not_enforced(walk, node, value);
}

static int check_type(struct walk *walk, const struct yaml_node *node, void *into)
{
	return only(walk, node, "ClusterIP");
}

static int check_affinity(struct walk *walk, const struct yaml_node *node, void *into)
{
	return only(walk, node, "None");
}

static int check_traffic_policy(struct walk *walk, const struct yaml_node *node, void *into)
{
	return only(walk, node, "Cluster");
}

static int check_external_ips(struct walk *walk, const struct yaml_node *node, void *into)
{
	return node->count ? walk_not_enforced(walk, node, "no external addresses") : 0;
}

static int check_not_ready(struct walk *walk, const struct yaml_node *node, void *into)
{
	return node->text[0] == 't' ? walk_not_enforced(walk, node, "false") : 0;
}

static const struct field service_spec_fields[] = {
	{ "selector", SHAPE_MAP, read_service_selector, 0 },
	{ "ports", SHAPE_LIST, read_service_ports, 0 },
	{ "clusterIP", SHAPE_STRING, note_node, offsetof(struct service_reading, cluster_ip) },
	{ "clusterIPs", SHAPE_LIST, note_node, offsetof(struct service_reading, cluster_ips) },
	{ "type", SHAPE_STRING, check_type, 0 },
	{ "sessionAffinity", SHAPE_STRING, check_affinity, 0 },
	{ "internalTrafficPolicy", SHAPE_STRING, check_traffic_policy, 0 },
	{ "externalIPs", SHAPE_LIST, check_external_ips, 0 },
	{ "publishNotReadyAddresses", SHAPE_BOOL, check_not_ready, 0 },
	{ "externalName", SHAPE_STRING, NULL, 0 },
	{ "allocateLoadBalancerNodePorts", SHAPE_BOOL, NULL, 0 },
	{ "externalTrafficPolicy", SHAPE_STRING, NULL, 0 },
	{ "healthCheckNodePort", SHAPE_INT, NULL, 0 },
	{ "ipFamilies", SHAPE_LIST, NULL, 0 },
	{ "ipFamilyPolicy", SHAPE_STRING, NULL, 0 },
	{ "loadBalancerClass", SHAPE_STRING, NULL, 0 },
	{ "loadBalancerIP", SHAPE_STRING, NULL, 0 },
	{ "loadBalancerSourceRanges", SHAPE_LIST, NULL, 0 },
	{ "sessionAffinityConfig", SHAPE_MAP, NULL, 0 },
	{ "trafficDistribution", SHAPE_STRING, NULL, 0 },
};

static bool is_headless(const struct yaml_node *ip)
{
	return ip && ip->type == NODE_SCALAR && !strcmp(ip->text, "None");
}

/* Of another host, that is: a process's own loopback must not lead elsewhere. */
static bool is_unicast(const struct td_addr *addr)
{
	if (address_is_ipv4(addr))
		return addr->bytes[12] != 0 && addr->bytes[12] != 127 && addr->bytes[12] < 224;
	if (addr->bytes[0] == 0xff || (addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80))
		return false;
	for (size_t i = 0; i < 15; i++)
		if (addr->bytes[i])
			return true;
	return addr->bytes[15] > 1; /* neither :: nor ::1 */
}

static int read_cluster_ip(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct service *service = into;
	struct td_addr addr, *slot;
	int r = read_address(walk, node, &addr);

	if (r < 0)
		return r;
	if (service->cluster_ip_count == 2 ||
	    (service->cluster_ip_count &&
	     address_is_ipv4(&service->cluster_ips[0]) == address_is_ipv4(&addr)))
		return walk_fail(walk, node, "at most one address of each family");
	if (!is_unicast(&addr))
		return walk_fail(walk, node,
				 "a unicast address, neither of loopback nor of a link");
	slot = array_add(&service->cluster_ips, &service->cluster_ip_count);
	if (!slot)
		return -ENOMEM;
	*slot = addr;
	return 0;
}

static int read_cluster_ips(struct walk *walk, const struct service_reading *reading)
{
	const struct yaml_node *one = reading->cluster_ip, *all = reading->cluster_ips;
	const struct yaml_node *first = all && all->count ? all->items[0] : NULL;

	if (first && one && one->text[0] &&
	    (first->type != NODE_SCALAR || strcmp(first->text, one->text)))
		return walk_fail(walk, first, "clusterIPs to begin with clusterIP (%s)", one->text);
	if (is_headless(one) || is_headless(first))
		return 0;
	if (first)
		return walk_items(walk, all, read_cluster_ip, reading->service);
	if (one && one->text[0])
		return read_cluster_ip(walk, one, reading->service);
	return 0;
}

static int read_service_spec(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct service_reading *reading = into;
	int r = walk_table(walk, node, service_spec_fields, reading);

	if (r < 0)
		return r;
	r = read_cluster_ips(walk, reading);
	if (r < 0)
		return r;
	if (!reading->service->port_count && !is_headless(reading->cluster_ip))
		return walk_missing(walk, node, "ports", "at least one port");
	return 0;
}

static const struct field service_fields[] = {
	OBJECT_FIELDS,
	{ "spec", SHAPE_MAP, read_service_spec, 0 },
	{ "status", SHAPE_MAP, NULL, 0 },
};

int parse_service(struct walk *walk, const struct yaml_node *root, struct object *object)
{
	struct service_reading reading = { .service = &object->service };
	const struct yaml_node *spec = node_get(root, "spec");

	if (!spec || node_is_null(spec))
		return walk_missing(walk, root, "spec", "a mapping");
	return walk_table(walk, root, service_fields, &reading);
}

struct slice_reading {
	struct endpoint_slice *slice;
	struct slice_endpoint *endpoint; /* the one being read */
	bool ipv4;
};

static int read_slice_address(struct walk *walk, const struct yaml_node *node, void *into)
{
	const struct slice_reading *reading = into;
	struct slice_endpoint *endpoint = reading->endpoint;
	struct td_addr *address = array_add(&endpoint->addresses, &endpoint->address_count);
	int r;

	if (!address)
		return -ENOMEM;
	r = read_address(walk, node, address);
	if (r < 0)
		return r;
	if (address_is_ipv4(address) != reading->ipv4)
		return walk_fail(walk, node, "an address of the slice's addressType (%s)",
				 reading->ipv4 ? "IPv4" : "IPv6");
	return 0;
}

static int read_slice_addresses(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_slice_address, into);
}

static const struct field condition_fields[] = {
	{ "ready", SHAPE_BOOL, read_bool, offsetof(struct slice_endpoint, ready) },
	{ "serving", SHAPE_BOOL, NULL, 0 },
	{ "terminating", SHAPE_BOOL, NULL, 0 },
};

static int read_conditions(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_table(walk, node, condition_fields, ((struct slice_reading *)into)->endpoint);
}

struct target {
	const struct yaml_node *kind, *name;
};

static const struct field target_fields[] = {
	{ "kind", SHAPE_STRING, note_node, offsetof(struct target, kind) },
	{ "name", SHAPE_STRING, note_node, offsetof(struct target, name) },
	{ "namespace", SHAPE_STRING, NULL, 0 },
	{ "apiVersion", SHAPE_STRING, NULL, 0 },
	{ "fieldPath", SHAPE_STRING, NULL, 0 },
	{ "resourceVersion", SHAPE_STRING, NULL, 0 },
	{ "uid", SHAPE_STRING, NULL, 0 },
};

static int read_target(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct slice_endpoint *endpoint = ((struct slice_reading *)into)->endpoint;
	struct target target = { 0 };
	int r = walk_table(walk, node, target_fields, &target);

	if (r < 0 || !target.kind || !target.name || strcmp(target.kind->text, "Pod"))
		return r;
	return read_dns_subdomain(walk, target.name, &endpoint->target_pod);
}

static const struct field slice_endpoint_fields[] = {
	{ "addresses", SHAPE_LIST, read_slice_addresses, 0 },
	{ "conditions", SHAPE_MAP, read_conditions, 0 },
	{ "targetRef", SHAPE_MAP, read_target, 0 },
	{ "deprecatedTopology", SHAPE_MAP, NULL, 0 },
	{ "hints", SHAPE_MAP, NULL, 0 },
	{ "hostname", SHAPE_STRING, NULL, 0 },
	{ "nodeName", SHAPE_STRING, NULL, 0 },
	{ "zone", SHAPE_STRING, NULL, 0 },
};

static int read_slice_endpoint(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct slice_reading *reading = into;
	int r;

	reading->endpoint = array_add(&reading->slice->endpoints, &reading->slice->endpoint_count);
	if (!reading->endpoint)
		return -ENOMEM;
	reading->endpoint->ready = true;
	r = walk_table(walk, node, slice_endpoint_fields, reading);
	if (r < 0)
		return r;
	if (!reading->endpoint->address_count)
		return walk_missing(walk, node, "addresses", "at least one address");
	return 0;
}

static int read_slice_endpoints(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_slice_endpoint, into);
}

/* "" is how the API writes a port without a name. */
static int read_slice_port_name(struct walk *walk, const struct yaml_node *node, void *into)
{
	return node->text[0] ? read_dns_label(walk, node, into) : 0;
}

static const struct field slice_port_fields[] = {
	{ "name", SHAPE_STRING, read_slice_port_name, offsetof(struct service_port, name) },
	{ "protocol", SHAPE_STRING, read_l4_protocol, offsetof(struct service_port, protocol) },
	{ "port", SHAPE_INT, read_port, offsetof(struct service_port, port) },
	{ "appProtocol", SHAPE_STRING, NULL, 0 },
};

static int read_slice_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct endpoint_slice *slice = ((struct slice_reading *)into)->slice;
	struct service_port *port = array_add(&slice->ports, &slice->port_count);
	int r;

	if (!port)
		return -ENOMEM;
	port->protocol = IPPROTO_TCP;
	r = walk_table(walk, node, slice_port_fields, port);
	if (r < 0)
		return r;
	if (!port->port)
		return walk_missing(walk, node, "port", "a port from 1 to 65535");
	return 0;
}

static int read_slice_ports(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_slice_port, into);
}

static const struct field slice_fields[] = {
	OBJECT_FIELDS,
	{ "addressType", SHAPE_STRING, NULL, 0 }, /* read_address_type() comes before */
	{ "endpoints", SHAPE_LIST, read_slice_endpoints, 0 },
	{ "ports", SHAPE_LIST, read_slice_ports, 0 },
};

static int read_address_type(struct walk *walk, const struct yaml_node *root, bool *ret_ipv4)
{
	static const char *const words[] = { "IPv4", "IPv6", NULL };
	const struct yaml_node *type = node_get(root, "addressType");
	struct path path = { .up = walk->path, .key = "addressType" };
	unsigned int which;
	int r;

	if (!type || node_is_null(type))
		return walk_missing(walk, root, "addressType", "IPv4 or IPv6");
	walk->path = &path;
	r = walk_shape(walk, type, SHAPE_STRING);
	if (r >= 0 && !strcmp(type->text, "FQDN"))
		r = walk_not_enforced(walk, type, "IPv4 or IPv6");
	if (r >= 0)
		r = walk_enum(walk, type, words, &which);
	walk->path = path.up;
	if (r < 0)
		return r;
	*ret_ipv4 = which == 0;
	return 0;
}

int parse_endpoint_slice(struct walk *walk, const struct yaml_node *root, struct object *object)
{
	struct slice_reading reading = { .slice = &object->endpoint_slice };
	const char *service = labels_get(object->labels, "k8s", "kubernetes.io/service-name");
	int r = read_address_type(walk, root, &reading.ipv4);

	if (r < 0)
		return r;
	if (service && service[0]) {
		object->endpoint_slice.service = strdup(service);
		if (!object->endpoint_slice.service)
			return -ENOMEM;
	}
	return walk_table(walk, root, slice_fields, &reading);
}
