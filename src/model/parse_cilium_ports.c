/* SPDX-License-Identifier: Apache-2.0 */
/* toPorts and icmps of Cilium policies. */
#include "parse_cilium.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define PORTS_MAX 40 /* in one list, as the published schema says */

struct port {
	uint8_t protocol;
	uint16_t end_port;
	const struct yaml_node *port, *end_node;
};

static int read_protocol(struct walk *walk, const struct yaml_node *node, void *into)
{
	static const char *const words[] = { "TCP", "UDP", "SCTP", "ANY", NULL };
	static const uint8_t numbers[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, 0 };
	unsigned int which;
	int r;

	if (!strcmp(node->text, "ICMP") || !strcmp(node->text, "ICMPv6"))
		return walk_not_enforced(walk, node, "the rule's icmps instead");
	r = walk_enum(walk, node, words, &which);
	if (r < 0)
		return r;
	*(uint8_t *)into = numbers[which];
	return 0;
}

static int note_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	((struct port *)into)->port = node;
	return 0;
}

static int read_end_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct port *port = into;

	port->end_node = node;
	return read_port(walk, node, &port->end_port);
}

static const struct field port_fields[] = {
	{ "port", SHAPE_STRING, note_port, 0 },
	{ "endPort", SHAPE_INT, read_end_port, 0 },
	{ "protocol", SHAPE_STRING, read_protocol, offsetof(struct port, protocol) },
};

static int set_number(struct walk *walk, const struct port *port, struct port_rule *rule)
{
	const char *text = port->port->text;
	unsigned long number = strtoul(text, NULL, 10);

	if (strlen(text) > 5 || number > UINT16_MAX || (text[0] == '0' && text[1]))
		return walk_fail(walk, port->port, "a port from \"0\" (all) to \"65535\"");
	rule->first = (uint16_t)number;
	if (!number && port->end_node)
		return walk_fail(walk, port->end_node, "no endPort beside port \"0\" (all)");
	rule->last = number ? rule->first : UINT16_MAX;
	if (port->end_node)
		rule->last = port->end_port;
	if (rule->last < rule->first)
		return walk_fail(walk, port->end_node, "an endPort not below port %u", rule->first);
	return 0;
}

/* Names compare in lower case; endPort means nothing beside one. */
static int set_name(struct walk *walk, const struct port *port, struct port_rule *rule)
{
	rule->name = strdup(port->port->text);
	if (!rule->name)
		return -ENOMEM;
	for (char *p = rule->name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!is_port_name(rule->name))
		return walk_fail(walk, port->port,
				 "a port from \"0\" (all) to \"65535\", or a port's name");
	return 0;
}

static int read_one_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct cilium_reading *reading = into;
	struct port port = { 0 };
	struct port_rule *rule;
	int r = walk_table(walk, node, port_fields, &port);

	if (r < 0)
		return r;
	if (!port.port)
		return walk_missing(walk, node, "port", "a port's number in quotes, or its name");
	rule = array_add(&reading->rule->ports, &reading->rule->port_count);
	if (!rule)
		return -ENOMEM;
	rule->protocol = port.protocol;
	if (port.port->text[0] && !port.port->text[strspn(port.port->text, "0123456789")])
		return set_number(walk, &port, rule);
	return set_name(walk, &port, rule);
}

static int read_ports(struct walk *walk, const struct yaml_node *node, void *into)
{
	if (node->count > PORTS_MAX)
		return walk_fail(walk, node, "at most %d ports, not %zu", PORTS_MAX, node->count);
	return walk_items(walk, node, read_one_port, into);
}

static const struct field to_ports_fields[] = {
	{ "ports", SHAPE_LIST, read_ports, 0 },       { "rules", SHAPE_REFUSED, NULL, 0 },
	{ "serverNames", SHAPE_REFUSED, NULL, 0 },    { "listener", SHAPE_REFUSED, NULL, 0 },
	{ "originatingTLS", SHAPE_REFUSED, NULL, 0 }, { "terminatingTLS", SHAPE_REFUSED, NULL, 0 },
};

static const struct field deny_to_ports_fields[] = {
	{ "ports", SHAPE_LIST, read_ports, 0 },
};

static int check_ports_written(struct walk *walk, const struct yaml_node *node)
{
	const struct yaml_node *ports = node_get(node, "ports");

	if (!ports || ports->type != NODE_LIST || !ports->count)
		return walk_missing(walk, node, "ports", "at least one port (\"0\" for all)");
	return 0;
}

static int read_to_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = walk_table(walk, node, to_ports_fields, into);

	return r < 0 ? r : check_ports_written(walk, node);
}

static int read_deny_to_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = walk_table(walk, node, deny_to_ports_fields, into);

	return r < 0 ? r : check_ports_written(walk, node);
}

int read_cilium_to_ports(struct walk *walk, const struct yaml_node *node, void *into)
{
	((struct cilium_reading *)into)->has_ports = node->count;
	return walk_items(walk, node, read_to_port, into);
}

int read_cilium_deny_to_ports(struct walk *walk, const struct yaml_node *node, void *into)
{
	((struct cilium_reading *)into)->has_ports = node->count;
	return walk_items(walk, node, read_deny_to_port, into);
}

/* Names of ICMP types (IANA), as the published schema spells them. */
static const struct icmp_type {
	const char *name;
	uint8_t protocol, number;
} icmp_types[] = {
	{ "EchoReply", IPPROTO_ICMP, 0 },
	{ "DestinationUnreachable", IPPROTO_ICMP, 3 },
	{ "Redirect", IPPROTO_ICMP, 5 },
	{ "Echo", IPPROTO_ICMP, 8 },
	{ "EchoRequest", IPPROTO_ICMP, 8 },
	{ "RouterAdvertisement", IPPROTO_ICMP, 9 },
	{ "RouterSelection", IPPROTO_ICMP, 10 },
	{ "TimeExceeded", IPPROTO_ICMP, 11 },
	{ "ParameterProblem", IPPROTO_ICMP, 12 },
	{ "Timestamp", IPPROTO_ICMP, 13 },
	{ "TimestampReply", IPPROTO_ICMP, 14 },
	{ "Photuris", IPPROTO_ICMP, 40 },
	{ "ExtendedEchoRequest", IPPROTO_ICMP, 42 },
	{ "ExtendedEchoReply", IPPROTO_ICMP, 43 },
	{ "DestinationUnreachable", IPPROTO_ICMPV6, 1 },
	{ "PacketTooBig", IPPROTO_ICMPV6, 2 },
	{ "TimeExceeded", IPPROTO_ICMPV6, 3 },
	{ "ParameterProblem", IPPROTO_ICMPV6, 4 },
	{ "EchoRequest", IPPROTO_ICMPV6, 128 },
	{ "EchoReply", IPPROTO_ICMPV6, 129 },
	{ "MulticastListenerQuery", IPPROTO_ICMPV6, 130 },
	{ "MulticastListenerReport", IPPROTO_ICMPV6, 131 },
	{ "MulticastListenerDone", IPPROTO_ICMPV6, 132 },
	{ "RouterSolicitation", IPPROTO_ICMPV6, 133 },
	{ "RouterAdvertisement", IPPROTO_ICMPV6, 134 },
	{ "NeighborSolicitation", IPPROTO_ICMPV6, 135 },
	{ "NeighborAdvertisement", IPPROTO_ICMPV6, 136 },
	{ "RedirectMessage", IPPROTO_ICMPV6, 137 },
	{ "RouterRenumbering", IPPROTO_ICMPV6, 138 },
	{ "ICMPNodeInformationQuery", IPPROTO_ICMPV6, 139 },
	{ "ICMPNodeInformationResponse", IPPROTO_ICMPV6, 140 },
	{ "InverseNeighborDiscoverySolicitation", IPPROTO_ICMPV6, 141 },
	{ "InverseNeighborDiscoveryAdvertisement", IPPROTO_ICMPV6, 142 },
	{ "HomeAgentAddressDiscoveryRequest", IPPROTO_ICMPV6, 144 },
	{ "HomeAgentAddressDiscoveryReply", IPPROTO_ICMPV6, 145 },
	{ "MobilePrefixSolicitation", IPPROTO_ICMPV6, 146 },
	{ "MobilePrefixAdvertisement", IPPROTO_ICMPV6, 147 },
	{ "DuplicateAddressRequestCodeSuffix", IPPROTO_ICMPV6, 157 },
	{ "DuplicateAddressConfirmationCodeSuffix", IPPROTO_ICMPV6, 158 },
	{ "ExtendedEchoRequest", IPPROTO_ICMPV6, 160 },
	{ "ExtendedEchoReply", IPPROTO_ICMPV6, 161 },
};

struct icmp {
	uint8_t protocol;
	const struct yaml_node *type;
};

static int read_family(struct walk *walk, const struct yaml_node *node, void *into)
{
	static const char *const words[] = { "IPv4", "IPv6", NULL };
	unsigned int which;
	int r = walk_enum(walk, node, words, &which);

	if (r < 0)
		return r;
	*(uint8_t *)into = which ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	return 0;
}

static int note_type(struct walk *walk, const struct yaml_node *node, void *into)
{
	((struct icmp *)into)->type = node;
	return 0;
}

static const struct field icmp_fields[] = {
	{ "family", SHAPE_STRING, read_family, offsetof(struct icmp, protocol) },
	{ "type", SHAPE_INT_OR_STRING, note_type, 0 },
};

/* A number, with or without quotes, or a name. */
static int icmp_type(struct walk *walk, const struct icmp *icmp, uint16_t *ret)
{
	const char *text = icmp->type->text;
	bool digits = text[0] && !text[strspn(text, "0123456789")] && strlen(text) <= 3;

	if (digits && strtoul(text, NULL, 10) <= UINT8_MAX) {
		*ret = (uint16_t)strtoul(text, NULL, 10);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(icmp_types); i++) {
		if (icmp_types[i].protocol != icmp->protocol || strcmp(icmp_types[i].name, text))
			continue;
		*ret = icmp_types[i].number;
		return 0;
	}
	return walk_fail(walk, icmp->type, "an %s type from 0 to 255, or its name",
			 icmp->protocol == IPPROTO_ICMP ? "ICMP" : "ICMPv6");
}

static int read_icmp_field(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct cilium_reading *reading = into;
	struct icmp icmp = { .protocol = IPPROTO_ICMP };
	struct port_rule *rule;
	uint16_t type = 0;
	int r = walk_table(walk, node, icmp_fields, &icmp);

	if (r < 0)
		return r;
	if (!icmp.type)
		return walk_missing(walk, node, "type", "an ICMP type");
	r = icmp_type(walk, &icmp, &type);
	if (r < 0)
		return r;
	rule = array_add(&reading->rule->ports, &reading->rule->port_count);
	if (!rule)
		return -ENOMEM;
	rule->protocol = icmp.protocol;
	rule->first = type;
	rule->last = type;
	return 0;
}

static int read_icmp_fields(struct walk *walk, const struct yaml_node *node, void *into)
{
	if (!node->count || node->count > PORTS_MAX)
		return walk_fail(walk, node, "1 to %d fields, not %zu", PORTS_MAX, node->count);
	return walk_items(walk, node, read_icmp_field, into);
}

static const struct field icmps_fields[] = {
	{ "fields", SHAPE_LIST, read_icmp_fields, 0 },
};

static int read_icmp(struct walk *walk, const struct yaml_node *node, void *into)
{
	const struct yaml_node *fields;
	int r = walk_table(walk, node, icmps_fields, into);

	if (r < 0)
		return r;
	fields = node_get(node, "fields");
	if (!fields || node_is_null(fields))
		return walk_missing(walk, node, "fields", "at least one ICMP type");
	return 0;
}

int read_cilium_icmps(struct walk *walk, const struct yaml_node *node, void *into)
{
	((struct cilium_reading *)into)->has_icmps = node->count;
	return walk_items(walk, node, read_icmp, into);
}
