/* SPDX-License-Identifier: Apache-2.0 */
#include "object_dump.h"

#include <inttypes.h>
#include <netinet/in.h>

#include "model/group.h"

static const char *protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case 0:
		return "ANY";
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	default:
		return "?";
	}
}

static void dump_address(FILE *out, const char *what, const struct td_addr *addr)
{
	char buf[ADDRESS_TEXT_MAX];

	fprintf(out, "  %s %s\n", what, address_format(addr, buf));
}

static void dump_pod(FILE *out, const struct pod *pod)
{
	fprintf(out, "  account %s%s\n", pod->service_account,
		pod->host_network ? ", in the host's network" : "");
	for (size_t i = 0; i < pod->port_count; i++)
		fprintf(out, "  port %s %u/%s\n", pod->ports[i].name, pod->ports[i].port,
			protocol_name(pod->ports[i].protocol));
}

static void dump_node(FILE *out, const struct node *node)
{
	char buf[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < node->address_count; i++)
		dump_address(out, "address", &node->addresses[i]);
	for (size_t i = 0; i < node->pod_cidr_count; i++)
		fprintf(out, "  pods %s\n", prefix_format(&node->pod_cidrs[i], buf));
}

static void dump_selector(FILE *out, const struct selector *selector)
{
	static const char *const ops[] = { [SELECTOR_IN] = "in",
					   [SELECTOR_NOT_IN] = "not in",
					   [SELECTOR_EXISTS] = "exists",
					   [SELECTOR_NOT_EXISTS] = "absent" };

	fputc('{', out);
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];

		fprintf(out, "%s%s:%s %s", i ? "; " : "", item->source ? item->source : "any",
			item->key, ops[item->op]);
		for (size_t j = 0; j < item->value_count; j++)
			fprintf(out, "%s\"%s\"", j ? ", " : " ", item->values[j]);
	}
	fputs("}\n", out);
}

static void dump_service_ports(FILE *out, const struct service_port *ports, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "  port %s %u/%s", ports[i].name ? ports[i].name : "-", ports[i].port,
			protocol_name(ports[i].protocol));
		if (ports[i].target_name)
			fprintf(out, " -> %s", ports[i].target_name);
		else if (ports[i].target_port)
			fprintf(out, " -> %u", ports[i].target_port);
		fputc('\n', out);
	}
}

static void dump_service(FILE *out, const struct service *service)
{
	for (size_t i = 0; i < service->cluster_ip_count; i++)
		dump_address(out, "address", &service->cluster_ips[i]);
	dump_service_ports(out, service->ports, service->port_count);
	if (service->selector) {
		fputs("  pods ", out);
		dump_selector(out, service->selector);
	}
}

static void dump_slice(FILE *out, const struct endpoint_slice *slice)
{
	fprintf(out, "  of service %s\n", slice->service ? slice->service : "(none)");
	dump_service_ports(out, slice->ports, slice->port_count);
	for (size_t i = 0; i < slice->endpoint_count; i++) {
		const struct slice_endpoint *endpoint = &slice->endpoints[i];

		fprintf(out, "  endpoint %s%s%s\n", endpoint->ready ? "ready" : "not ready",
			endpoint->target_pod ? " pod " : "",
			endpoint->target_pod ? endpoint->target_pod : "");
		for (size_t j = 0; j < endpoint->address_count; j++)
			dump_address(out, "  address", &endpoint->addresses[j]);
	}
}

static void dump_peers(FILE *out, const struct policy_rule *rule)
{
	static const char *const entities[] = { "all",         "world",          "world-ipv4",
						"world-ipv6",  "cluster",        "host",
						"remote-node", "kube-apiserver", "init",
						"unmanaged",   "health",         "ingress",
						"none" };
	char buf[PREFIX_TEXT_MAX];

	if (rule->any_peer)
		fputs("      any peer\n", out);
	for (size_t i = 0; i < rule->selector_count; i++) {
		fputs("      peer ", out);
		dump_selector(out, rule->selectors[i]);
	}
	for (size_t i = 0; i < rule->require_count; i++) {
		fputs("      required ", out);
		dump_selector(out, rule->requires[i]);
	}
	for (size_t i = 0; i < rule->entity_count; i++)
		fprintf(out, "      entity %s\n", entities[rule->entities[i]]);
	for (size_t i = 0; i < rule->cidr_count; i++) {
		const struct cidr_rule *cidr = &rule->cidrs[i];

		fprintf(out, "      cidr %s", prefix_format(&cidr->prefix, buf));
		for (size_t j = 0; j < cidr->except_count; j++)
			fprintf(out, "%s%s", j ? ", " : " except ",
				prefix_format(&cidr->except[j], buf));
		fputs(rule->cidrs_match_all ? " of every address\n" : "\n", out);
	}
}

static void dump_groups(FILE *out, const struct policy_rule *rule)
{
	char buf[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < rule->group_count; i++) {
		const struct group_ref *ref = &rule->groups[i];
		char *text = group_ref_format(ref);

		fprintf(out, "      %s", text ? text : "(no memory)");
		free(text);
		for (size_t j = 0; j < ref->except_count; j++)
			fprintf(out, "%s%s", j ? ", " : " except ",
				prefix_format(&ref->except[j], buf));
		fputc('\n', out);
	}
}

static void dump_ports(FILE *out, const struct policy_rule *rule)
{
	if (rule->any_port)
		fputs("      any port\n", out);
	for (size_t i = 0; i < rule->port_count; i++) {
		const struct port_rule *port = &rule->ports[i];

		if (port->name)
			fprintf(out, "      port %s/%s\n", port->name,
				protocol_name(port->protocol));
		else
			fprintf(out, "      port %u-%u/%s\n", port->first, port->last,
				protocol_name(port->protocol));
	}
}

static void dump_audit(FILE *out, enum policy_audit audit)
{
	if (audit != POLICY_AUDIT_UNSET)
		fprintf(out, "  audit %s\n",
			audit == POLICY_AUDIT_ENABLED ? "enabled" : "disabled");
}

static void dump_policy(FILE *out, const struct policy *policy)
{
	for (size_t i = 0; i < policy->spec_count; i++) {
		const struct policy_spec *spec = &policy->specs[i];

		fputs("  subject ", out);
		dump_selector(out, spec->subject);
		fprintf(out, "    isolates ingress %s, egress %s\n",
			spec->isolates[TD_INGRESS] ? "yes" : "no",
			spec->isolates[TD_EGRESS] ? "yes" : "no");
		for (size_t j = 0; j < spec->rule_count; j++) {
			const struct policy_rule *rule = &spec->rules[j];

			fprintf(out, "    %s %s %u (line %u)\n", rule->deny ? "deny" : "allow",
				rule->direction == TD_INGRESS ? "ingress" : "egress", rule->index,
				rule->line);
			dump_peers(out, rule);
			dump_groups(out, rule);
			dump_ports(out, rule);
		}
	}
}

static void dump_policy_mode(FILE *out, const struct policy_mode *mode)
{
	fprintf(out, "  target %s %s%s%s\n", object_kind_name(mode->kind), mode->namespace,
		*mode->namespace ? "/" : "", mode->name);
	dump_audit(out, mode->audit);
	if (mode->has_enforcement)
		fprintf(out, "  enforcement %s\n", policy_enforcement_names[mode->enforcement]);
}

void object_dump(FILE *out, const struct object *object)
{
	char *labels = labels_format(object->labels), prefix[PREFIX_TEXT_MAX];

	fprintf(out, "%s %s%s%s (line %u)\n", object_kind_name(object->kind), object->namespace,
		object->namespace[0] ? "/" : "", object->name, object->line);
	if (object->labels->count)
		fprintf(out, "  labels %s\n", labels ? labels : "(no memory)");
	free(labels);
	dump_audit(out, object->audit);
	switch (object->kind) {
	case OBJECT_NODE:
		dump_node(out, &object->node);
		break;
	case OBJECT_POD:
		dump_pod(out, &object->pod);
		break;
	case OBJECT_SERVICE:
		dump_service(out, &object->service);
		break;
	case OBJECT_ENDPOINT_SLICE:
		dump_slice(out, &object->endpoint_slice);
		break;
	case OBJECT_NETWORK_POLICY:
	case OBJECT_CILIUM_NETWORK_POLICY:
	case OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY:
		dump_policy(out, &object->policy);
		break;
	case OBJECT_CILIUM_CIDR_GROUP:
		for (size_t i = 0; i < object->cidr_group.prefix_count; i++)
			fprintf(out, "  cidr %s\n",
				prefix_format(&object->cidr_group.prefixes[i], prefix));
		break;
	case OBJECT_POLICY_MODE:
		dump_policy_mode(out, &object->policy_mode);
		break;
	default:
		break;
	}
}
