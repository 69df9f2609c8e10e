/* SPDX-License-Identifier: Apache-2.0 */
/* NetworkPolicy (networking.k8s.io/v1) as struct policy. */
#include "parse.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

struct reading {
	struct object *object;
	struct policy_spec *spec;
	struct policy_rule *rule; /* the one being read */
	enum td_direction direction;
	bool has_types, types[2]; /* by td_direction */
	bool has_rules[2];
};

static int add_namespace(struct selector *selector, const char *namespace)
{
	return selector_add(selector, "k8s", LABEL_NAMESPACE,
			    namespace ? SELECTOR_IN : SELECTOR_EXISTS, &namespace,
			    namespace ? 1 : 0);
}

static int read_subject(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct reading *reading = into;
	int r;

	reading->spec->subject = selector_new();
	if (!reading->spec->subject)
		return -ENOMEM;
	r = read_selector(walk, node, &selector_of_pods, reading->spec->subject);
	if (r < 0)
		return r;
	return add_namespace(reading->spec->subject, reading->object->namespace);
}

struct ip_block {
	const struct yaml_node *cidr, *except;
};

static int note_node(struct walk *walk, const struct yaml_node *node, void *into)
{
	*(const struct yaml_node **)into = node;
	return 0;
}

static const struct field ip_block_fields[] = {
	{ "cidr", SHAPE_STRING, note_node, offsetof(struct ip_block, cidr) },
	{ "except", SHAPE_LIST, note_node, offsetof(struct ip_block, except) },
};

static int read_except(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_except(walk, node, true, into);
}

static int read_excepts(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_except, into);
}

static int read_block_cidr(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_prefix(walk, node, false, into);
}

static int read_ip_block(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct policy_rule *rule = into;
	struct ip_block block = { 0 };
	struct cidr_rule *cidr;
	int r = walk_table(walk, node, ip_block_fields, &block);

	if (r < 0)
		return r;
	if (!block.cidr)
		return walk_missing(walk, node, "cidr", "a CIDR");
	cidr = array_add(&rule->cidrs, &rule->cidr_count);
	if (!cidr)
		return -ENOMEM;
	r = walk_at(walk, "cidr", block.cidr, read_block_cidr, &cidr->prefix);
	if (r < 0 || !block.except)
		return r;
	return walk_at(walk, "except", block.except, read_excepts, cidr);
}

struct peer {
	const struct yaml_node *pods, *namespaces, *ip_block;
};

static const struct field peer_fields[] = {
	{ "podSelector", SHAPE_MAP, note_node, offsetof(struct peer, pods) },
	{ "namespaceSelector", SHAPE_MAP, note_node, offsetof(struct peer, namespaces) },
	{ "ipBlock", SHAPE_MAP, note_node, offsetof(struct peer, ip_block) },
};

/* Both selectors of a peer hold at once, so they become one over the pod's and its namespace's
 * labels. Only pods have a namespace label: requiring it keeps nodes and the world out. */
static int read_pod_peer(struct walk *walk, const struct peer *peer, const struct reading *reading)
{
	struct policy_rule *rule = reading->rule;
	struct selector **slot = array_add(&rule->selectors, &rule->selector_count);
	int r = 0;

	if (!slot)
		return -ENOMEM;
	*slot = selector_new();
	if (!*slot)
		return -ENOMEM;
	if (peer->pods)
		r = read_selector(walk, peer->pods, &selector_of_pods, *slot);
	if (r >= 0 && peer->namespaces)
		r = read_selector(walk, peer->namespaces, &selector_of_namespaces, *slot);
	if (r < 0)
		return r;
	return add_namespace(*slot, peer->namespaces ? NULL : reading->object->namespace);
}

static int read_peer(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct reading *reading = into;
	struct peer peer = { 0 };
	int r = walk_table(walk, node, peer_fields, &peer);

	if (r < 0)
		return r;
	if (!peer.pods && !peer.namespaces && !peer.ip_block)
		return walk_fail(walk, node,
				 "a peer with podSelector, namespaceSelector or ipBlock");
	if (peer.ip_block && (peer.pods || peer.namespaces))
		return walk_fail(walk, peer.ip_block, "no selector beside ipBlock in one peer");
	if (peer.ip_block)
		return walk_at(walk, "ipBlock", peer.ip_block, read_ip_block, reading->rule);
	return read_pod_peer(walk, &peer, reading);
}

static int read_peers(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct reading *reading = into;

	reading->rule->any_peer = !node->count;
	return walk_items(walk, node, read_peer, reading);
}

struct port {
	uint8_t protocol;
	uint16_t end_port;
	const struct yaml_node *port, *end_node;
};

static int read_end_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct port *port = into;

	port->end_node = node;
	return read_port(walk, node, &port->end_port);
}

static const struct field port_fields[] = {
	{ "protocol", SHAPE_STRING, read_l4_protocol, offsetof(struct port, protocol) },
	{ "port", SHAPE_INT_OR_STRING, note_node, offsetof(struct port, port) },
	{ "endPort", SHAPE_INT, read_end_port, 0 },
};

static int set_range(struct walk *walk, const struct port *port, struct port_rule *rule)
{
	int r = read_port(walk, port->port, &rule->first);

	if (r < 0)
		return r;
	rule->last = port->end_node ? port->end_port : rule->first;
	if (rule->last < rule->first)
		return walk_fail(walk, port->end_node, "an endPort not below port %u", rule->first);
	return 0;
}

static int set_name(struct walk *walk, const struct port *port, struct port_rule *rule)
{
	if (!is_port_name(port->port->text))
		return walk_fail(walk, port->port,
				 "a number from 1 to 65535 without quotes, or a port's name");
	if (port->end_node)
		return walk_fail(walk, port->end_node, "no endPort beside a port's name");
	return read_string(walk, port->port, &rule->name);
}

static int read_rule_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct reading *reading = into;
	struct port port = { .protocol = IPPROTO_TCP };
	struct port_rule *rule;
	int r = walk_table(walk, node, port_fields, &port);

	if (r < 0)
		return r;
	rule = array_add(&reading->rule->ports, &reading->rule->port_count);
	if (!rule)
		return -ENOMEM;
	rule->protocol = port.protocol;
	rule->last = UINT16_MAX;
	if (!port.port && port.end_node)
		return walk_missing(walk, node, "port", "a number beside endPort");
	if (!port.port)
		return 0;
	if (node_scalar_kind(port.port) == SCALAR_INT)
		return set_range(walk, &port, rule);
	rule->last = 0;
	return set_name(walk, &port, rule);
}

static int read_ports(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct reading *reading = into;

	reading->rule->any_port = !node->count;
	return walk_items(walk, node, read_rule_port, reading);
}

static const struct field ingress_fields[] = {
	{ "from", SHAPE_LIST, read_peers, 0 },
	{ "ports", SHAPE_LIST, read_ports, 0 },
};

static const struct field egress_fields[] = {
	{ "to", SHAPE_LIST, read_peers, 0 },
	{ "ports", SHAPE_LIST, read_ports, 0 },
};

static int read_rule(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct reading *reading = into;

	reading->rule = array_add(&reading->spec->rules, &reading->spec->rule_count);
	if (!reading->rule)
		return -ENOMEM;
	reading->rule->direction = reading->direction;
	reading->rule->index = (unsigned int)walk->path->index;
	reading->rule->line = node->line;
	reading->rule->any_peer = true;
	reading->rule->any_port = true;
	reading->rule->cidrs_match_all = true;
	if (reading->direction == TD_INGRESS)
		return walk_table(walk, node, ingress_fields, reading);
	return walk_table(walk, node, egress_fields, reading);
}

static int read_ingress(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct reading *reading = into;

	reading->direction = TD_INGRESS;
	reading->has_rules[TD_INGRESS] = node->count;
	return walk_items(walk, node, read_rule, reading);
}

static int read_egress(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct reading *reading = into;

	reading->direction = TD_EGRESS;
	reading->has_rules[TD_EGRESS] = node->count;
	return walk_items(walk, node, read_rule, reading);
}

static int read_policy_type(struct walk *walk, const struct yaml_node *node, void *into)
{
	static const char *const words[] = {
		[TD_INGRESS] = "Ingress", [TD_EGRESS] = "Egress", NULL
	};
	struct reading *reading = into;
	unsigned int which;
	int r = walk_enum(walk, node, words, &which);

	if (r < 0)
		return r;
	reading->has_types = true;
	reading->types[which] = true;
	return 0;
}

static int read_policy_types(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_policy_type, into);
}

static const struct field spec_fields[] = {
	{ "podSelector", SHAPE_MAP, read_subject, 0 },
	{ "ingress", SHAPE_LIST, read_ingress, 0 },
	{ "egress", SHAPE_LIST, read_egress, 0 },
	{ "policyTypes", SHAPE_LIST, read_policy_types, 0 },
};

/* A section that an explicit policyTypes does not name is ignored, as the Kubernetes API says. */
static void drop_unnamed_sections(struct policy_spec *spec)
{
	size_t kept = 0;

	for (size_t i = 0; i < spec->rule_count; i++) {
		unsigned int *ignored = &spec->ignored_line[spec->rules[i].direction];

		if (spec->isolates[spec->rules[i].direction]) {
			spec->rules[kept++] = spec->rules[i];
			continue;
		}
		if (!*ignored)
			*ignored = spec->rules[i].line;
		policy_rule_clear(&spec->rules[i]);
	}
	spec->rule_count = kept;
}

static int read_spec(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct reading *reading = into;
	struct policy *policy = &reading->object->policy;
	int r;

	reading->spec = array_add(&policy->specs, &policy->spec_count);
	if (!reading->spec)
		return -ENOMEM;
	r = walk_table(walk, node, spec_fields, reading);
	if (r < 0)
		return r;
	if (!reading->spec->subject)
		return walk_missing(walk, node, "podSelector", "a selector ({} for every pod)");
	reading->spec->isolates[TD_INGRESS] = !reading->has_types || reading->types[TD_INGRESS];
	reading->spec->isolates[TD_EGRESS] =
		reading->has_types ? reading->types[TD_EGRESS] : reading->has_rules[TD_EGRESS];
	drop_unnamed_sections(reading->spec);
	return 0;
}

static const struct field fields[] = {
	OBJECT_FIELDS,
	{ "spec", SHAPE_MAP, read_spec, 0 },
	{ "status", SHAPE_MAP, NULL, 0 },
};

int parse_network_policy(struct walk *walk, const struct yaml_node *root, struct object *object)
{
	struct reading reading = { .object = object };
	int r = walk_table(walk, root, fields, &reading);

	if (r < 0)
		return r;
	if (!reading.spec)
		return walk_missing(walk, root, "spec", "a mapping");
	return 0;
}
