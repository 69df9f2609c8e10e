/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_words.h"

#include <netinet/in.h>
#include <string.h>

#include "base/util.h"

const char *policy_list_name(enum td_direction direction, bool deny)
{
	if (direction == TD_INGRESS)
		return deny ? "ingressDeny" : "ingress";
	return deny ? "egressDeny" : "egress";
}

static void print_name(FILE *out, enum object_kind kind, const char *namespace, const char *name)
{
	fprintf(out, "%s %s%s%s", object_kind_name(kind), namespace, *namespace ? "/" : "", name);
}

void policy_print_object(FILE *out, const struct object *object)
{
	print_name(out, object->kind, object->namespace, object->name);
}

void policy_print_place(FILE *out, const char *file, unsigned int line)
{
	if (file && line)
		fprintf(out, "(%s:%u)", file, line);
	else if (file)
		fprintf(out, "(%s)", file);
	else if (line)
		fprintf(out, "(applied, line %u)", line);
	else
		fputs("(applied)", out);
}

void policy_print_rule(FILE *out, const struct policy_rule_name *rule)
{
	print_name(out, rule->kind, rule->namespace, rule->name);
	fprintf(out, ", %s[%u] ", policy_list_name(rule->direction, rule->deny), rule->index);
	policy_print_place(out, rule->file, rule->line);
}

static void print_values(FILE *out, const struct requirement *item)
{
	fputc('(', out);
	for (size_t i = 0; i < item->value_count; i++)
		fprintf(out, "%s%s", i ? ", " : "", item->values[i]);
	fputc(')', out);
}

/* A label of the pod's namespace is told as that. */
static const char *key_of(const struct requirement *item, const char **ret_owner)
{
	size_t length = strlen(LABEL_NAMESPACE_META);

	*ret_owner = "";
	if (strcmp(item->key, LABEL_NAMESPACE) == 0)
		return "namespace";
	if (strncmp(item->key, LABEL_NAMESPACE_META, length))
		return item->key;
	*ret_owner = "namespace's ";
	return item->key + length;
}

void policy_print_requirement(FILE *out, const struct requirement *item)
{
	const char *owner, *key = key_of(item, &owner);

	if (item->source && strcmp(item->source, "k8s"))
		fprintf(out, "%s:", item->source);
	switch (item->op) {
	case SELECTOR_IN:
		fprintf(out, "%s%s", owner, key);
		if (item->value_count == 1) {
			fprintf(out, "=%s", item->values[0]);
			break;
		}
		fputs(" in ", out);
		print_values(out, item);
		break;
	case SELECTOR_NOT_IN:
		fprintf(out, "%s%s not in ", owner, key);
		print_values(out, item);
		break;
	case SELECTOR_EXISTS:
		fprintf(out, "%s%s", owner, key);
		break;
	case SELECTOR_NOT_EXISTS:
		fprintf(out, "!%s%s", owner, key);
		break;
	}
}

/* That it is in some namespace is what every pod is. */
static bool is_any_namespace(const struct requirement *item)
{
	return item->op == SELECTOR_EXISTS && strcmp(item->key, LABEL_NAMESPACE) == 0;
}

void policy_print_selector(FILE *out, const struct selector *selector,
			   const struct requirement *without)
{
	size_t printed = 0;

	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];

		if (item == without || is_any_namespace(item))
			continue;
		fputs(printed++ ? ", " : "", out);
		policy_print_requirement(out, item);
	}
	if (!printed)
		fputs("any label", out);
}

void policy_print_port(FILE *out, const struct port_rule *port)
{
	static const struct {
		uint8_t protocol;
		const char *name;
	} names[] = { { 0, "any protocol" },    { IPPROTO_TCP, "TCP" },
		      { IPPROTO_UDP, "UDP" },   { IPPROTO_SCTP, "SCTP" },
		      { IPPROTO_ICMP, "ICMP" }, { IPPROTO_ICMPV6, "ICMPv6" } };

	if (port->name)
		fputs(port->name, out);
	else if (port->first == port->last)
		fprintf(out, "%u", port->first);
	else
		fprintf(out, "%u-%u", port->first, port->last);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].protocol == port->protocol)
			fprintf(out, "/%s", names[i].name);
}
