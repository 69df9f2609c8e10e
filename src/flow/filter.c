/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/filter.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/util.h"
#include "flow/record_view.h"
#include "flow/selector.h"
#include "flow/to_proto.h"
#include "wire/proto_field.h"

#define DEFAULT_NAMESPACE "default"

/* One value of a field, as far as its kind uses it. */
struct value {
	char *text, *more; /* namespace and prefix, pattern ...; NULL: any */
	struct prefix prefix;
	struct flow_selector *selector;
	uint32_t number, mask;
	bool flag;
};

struct view {
	const struct flow_names *names;
	const struct flow_record *record;
	int side;
};

struct field {
	uint32_t number; /* in flow.FlowFilter */
	int side;
	/* Returns -EINVAL with what it expected in *expected. */
	int (*parse)(const void *item, struct value *value, const char **expected);
	bool (*match)(const struct value *value, const struct view *view);
};

struct condition {
	const struct field *field;
	struct value *values;
	size_t count;
};

struct program {
	struct condition *conditions;
	size_t count;
};

struct flow_filter {
	struct program *lists[2]; /* whitelist, blacklist */
	size_t counts[2];
	unsigned int flags;
};

static int copy_text(const char *text, char **ret)
{
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int parse_ip(const void *item, struct value *value, const char **expected)
{
	*expected = "an address or a CIDR";
	return prefix_parse(*(char *const *)item, &value->prefix);
}

static bool match_ip(const struct value *value, const struct view *view)
{
	return view->record->ip_version &&
	       prefix_contains(&value->prefix, &view->record->addr[view->side]);
}

static bool match_ip_xlated(const struct value *value, const struct view *view)
{
	return view->record->flags & FLOW_NAT &&
	       prefix_contains(&value->prefix, &view->record->xlated);
}

/* "ns/prefix", "ns/", "prefix" in the default namespace, "/prefix" in any. */
static int parse_name(const void *item, struct value *value, const char **expected)
{
	const char *text = *(char *const *)item;
	const char *slash = strchr(text, '/');
	int r;

	*expected = "[namespace/][name]";
	if (!*text || !strcmp(text, "/") || (slash && strchr(slash + 1, '/')))
		return -EINVAL;
	r = copy_text(slash ? slash + 1 : text, &value->more);
	if (r < 0 || slash == text)
		return r;
	value->text = slash ? strndup(text, (size_t)(slash - text)) : strdup(DEFAULT_NAMESPACE);
	return value->text ? 0 : -ENOMEM;
}

static bool name_matches(const struct value *value, const char *namespace, const char *name)
{
	if (!*namespace && !*name)
		return false;
	return (!value->text || !strcmp(value->text, namespace)) &&
	       !strncmp(value->more, name, strlen(value->more));
}

static bool match_pod(const struct value *value, const struct view *view)
{
	const struct flow_endpoint *endpoint =
		flow_record_endpoint(view->record, view->names, view->side);

	return endpoint && name_matches(value, endpoint->namespace, endpoint->pod);
}

static bool match_service(const struct value *value, const struct view *view)
{
	const struct flow_service *service = view->record->service[view->side];

	return service && name_matches(value, service->namespace, service->name);
}

static int parse_number(const void *item, struct value *value, const char **expected)
{
	value->number = *(const uint32_t *)item;
	return 0;
}

static bool match_verdict(const struct value *value, const struct view *view)
{
	return view->record->verdict == value->number;
}

static bool match_identity(const struct value *value, const struct view *view)
{
	return view->record->identity[view->side] == value->number;
}

static bool match_ip_version(const struct value *value, const struct view *view)
{
	uint8_t version = view->record->ip_version;

	return (version == 4 ? 1 : version == 6 ? 2 : 0) == value->number;
}

static bool match_direction(const struct value *value, const struct view *view)
{
	return view->record->direction == value->number;
}

static bool match_drop_reason(const struct value *value, const struct view *view)
{
	return (uint32_t)flow_drop_reason(flow_record_denial(view->record)) == value->number;
}

static int parse_event_type(const void *item, struct value *value, const char **expected)
{
	const Flow__EventTypeFilter *type = *(Flow__EventTypeFilter *const *)item;

	value->number = (uint32_t)type->type;
	value->flag = type->match_sub_type;
	value->mask = (uint32_t)type->sub_type;
	return 0;
}

static bool match_event_type(const struct value *value, const struct view *view)
{
	if (value->number && value->number != view->record->type)
		return false;
	return !value->flag || value->mask == view->record->sub_type;
}

static bool fqdn_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

static bool node_char(char c)
{
	return fqdn_char(c) && c != '_';
}

/* '*' stands for any number of allowed characters. One pattern character at a time; after a
 * mismatch the last star takes one more. */
static bool glob_matches(const char *pattern, const char *text, bool (*allowed)(char c))
{
	const char *star = NULL, *mark = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			mark = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star && allowed(*mark)) {
			pattern = star + 1;
			text = ++mark;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool glob_is_valid(const char *pattern, bool (*allowed)(char c))
{
	for (const char *p = pattern; *p; p++)
		if (*p != '*' && !allowed(*p))
			return false;
	return true;
}

static int parse_fqdn(const void *item, struct value *value, const char **expected)
{
	size_t length;
	int r;

	*expected = "a name, maybe with \"*\"";
	r = copy_text(*(char *const *)item, &value->text);
	if (r < 0)
		return r;
	for (char *p = value->text; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
	length = strlen(value->text);
	if (length && value->text[length - 1] == '.')
		value->text[length - 1] = 0;
	return *value->text && glob_is_valid(value->text, fqdn_char) ? 0 : -EINVAL;
}

static bool match_fqdn(const struct value *value, const struct view *view)
{
	const struct flow_dns_names *names = view->record->dns[view->side];

	for (size_t i = 0; names && i < names->count; i++)
		if (glob_matches(value->text, names->names[i], fqdn_char))
			return true;
	return false;
}

/* "cluster/node", "cluster/" and "/node"; "node" alone in any cluster. */
static int parse_node_name(const void *item, struct value *value, const char **expected)
{
	const char *text = *(char *const *)item;
	const char *slash = strchr(text, '/');

	*expected = "[cluster/][node] of lower case letters, digits, \"-\", \".\" and \"*\"";
	if (!*text)
		return -EINVAL;
	value->more = strdup(!slash ? text : slash[1] ? slash + 1 : "*");
	value->text = slash && slash != text ? strndup(text, (size_t)(slash - text)) : strdup("*");
	if (!value->more || !value->text)
		return -ENOMEM;
	return glob_is_valid(value->text, node_char) && glob_is_valid(value->more, node_char)
		       ? 0
		       : -EINVAL;
}

static bool match_node_name(const struct value *value, const struct view *view)
{
	const char *name = flow_names_node(view->names);
	const char *cluster = flow_names_cluster(view->names);
	const char *slash = strchr(name, '/');

	if (!*name)
		return false;
	return glob_matches(value->text, *cluster ? cluster : "default", node_char) &&
	       glob_matches(value->more, slash ? slash + 1 : name, node_char);
}

static int parse_selector(const void *item, struct value *value, const char **expected)
{
	struct diag ignored = { 0 };

	*expected = "a label selector such as \"a=b,c!=d,e in (x,y),!f\"";
	return flow_selector_new(*(char *const *)item, &ignored, &value->selector);
}

static bool match_labels(const struct value *value, const struct view *view)
{
	const char *const *labels;
	size_t count = flow_record_labels(view->record, view->names, view->side, &labels);

	return flow_selector_match(value->selector, labels, count);
}

static bool match_node_labels(const struct value *value, const struct view *view)
{
	const char *const *labels;
	size_t count = flow_names_node_labels(view->names, &labels);

	return flow_selector_match(value->selector, labels, count);
}

#define PROTOCOL_NONE 256 /* of L7: no flow has any yet */

static int parse_protocol(const void *item, struct value *value, const char **expected)
{
	static const struct {
		const char *name;
		uint32_t number, other;
	} protocols[] = {
		{ "icmp", IPPROTO_ICMP, IPPROTO_ICMPV6 },
		{ "icmpv4", IPPROTO_ICMP, IPPROTO_ICMP },
		{ "icmpv6", IPPROTO_ICMPV6, IPPROTO_ICMPV6 },
		{ "tcp", IPPROTO_TCP, IPPROTO_TCP },
		{ "udp", IPPROTO_UDP, IPPROTO_UDP },
		{ "sctp", IPPROTO_SCTP, IPPROTO_SCTP },
		{ "igmp", IPPROTO_IGMP, IPPROTO_IGMP },
		{ "vrrp", 112, 112 },
		{ "dns", PROTOCOL_NONE, PROTOCOL_NONE },
		{ "http", PROTOCOL_NONE, PROTOCOL_NONE },
		{ "kafka", PROTOCOL_NONE, PROTOCOL_NONE },
	};

	*expected = "icmp, icmpv4, icmpv6, tcp, udp, sctp, igmp, vrrp, dns, http or kafka";
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (strcasecmp(protocols[i].name, *(char *const *)item) != 0)
			continue;
		value->number = protocols[i].number;
		value->mask = protocols[i].other;
		return 0;
	}
	return -EINVAL;
}

static bool match_protocol(const struct value *value, const struct view *view)
{
	uint8_t protocol = view->record->protocol;

	return view->record->ip_version && (protocol == value->number || protocol == value->mask);
}

static int parse_port(const void *item, struct value *value, const char **expected)
{
	const char *text = *(char *const *)item;
	uint32_t port = 0;

	*expected = "a port, 0 to 65535";
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		port = port * 10 + (uint32_t)(*text - '0');
		if (port > UINT16_MAX)
			return -EINVAL;
	}
	value->number = port;
	return 0;
}

static bool match_port(const struct value *value, const struct view *view)
{
	uint8_t protocol = view->record->protocol;

	return (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP) &&
	       view->record->port[view->side] == value->number;
}

static int parse_bool(const void *item, struct value *value, const char **expected)
{
	value->flag = *(const protobuf_c_boolean *)item;
	return 0;
}

/* A drop has no is_reply, but counts as "no reply" here, as hubble's older clients expect. */
static bool match_reply(const struct value *value, const struct view *view)
{
	const struct flow_record *record = view->record;

	if (!(record->flags & FLOW_REPLY_KNOWN))
		return record->verdict == FLOW_VERDICT_DROPPED && !value->flag;
	return !!(record->flags & FLOW_REPLY) == value->flag;
}

/* No flow is marked as encrypted. */
static bool match_encrypted(const struct value *value, const struct view *view)
{
	return !value->flag;
}

static int parse_tcp_flags(const void *item, struct value *value, const char **expected)
{
	const Flow__TCPFlags *flags = *(Flow__TCPFlags *const *)item;

	value->mask = (flags->fin ? 0x01 : 0) | (flags->syn ? 0x02 : 0) | (flags->rst ? 0x04 : 0) |
		      (flags->psh ? 0x08 : 0) | (flags->ack ? 0x10 : 0) | (flags->urg ? 0x20 : 0) |
		      (flags->ece ? 0x40 : 0) | (flags->cwr ? 0x80 : 0) | (flags->ns ? 0x100 : 0);
	return 0;
}

static bool match_tcp_flags(const struct value *value, const struct view *view)
{
	return view->record->protocol == IPPROTO_TCP && view->record->tcp_flags &&
	       (view->record->tcp_flags & value->mask) == value->mask;
}

static int parse_workload(const void *item, struct value *value, const char **expected)
{
	const Flow__Workload *workload = *(Flow__Workload *const *)item;
	int r;

	*expected = "a workload's name or kind";
	if (!*workload->name && !*workload->kind)
		return -EINVAL;
	r = *workload->name ? copy_text(workload->name, &value->text) : 0;
	if (r == 0 && *workload->kind)
		r = copy_text(workload->kind, &value->more);
	return r;
}

static bool match_workload(const struct value *value, const struct view *view)
{
	const struct flow_endpoint *endpoint =
		flow_record_endpoint(view->record, view->names, view->side);

	return endpoint && *endpoint->workload &&
	       (!value->text || !strcmp(value->text, endpoint->workload)) &&
	       (!value->more || !strcmp(value->more, endpoint->workload_kind));
}

static int parse_text(const void *item, struct value *value, const char **expected)
{
	return copy_text(*(char *const *)item, &value->text);
}

static bool match_uuid(const struct value *value, const struct view *view)
{
	char uuid[FLOW_UUID_TEXT_MAX];

	flow_uuid_format(view->record, uuid);
	return !strcmp(uuid, value->text);
}

static bool match_cluster(const struct value *value, const struct view *view)
{
	return flow_record_endpoint(view->record, view->names, view->side) &&
	       !strcmp(value->text, flow_names_cluster(view->names));
}

static int parse_interface(const void *item, struct value *value, const char **expected)
{
	const Flow__NetworkInterface *interface = *(Flow__NetworkInterface *const *)item;

	*expected = "an interface's name or index";
	value->number = interface->index;
	if (*interface->name)
		return copy_text(interface->name, &value->text);
	return interface->index ? 0 : -EINVAL;
}

static bool match_interface(const struct value *value, const struct view *view)
{
	const struct flow_record *record = view->record;
	const struct flow_interface *interface = record->interface;

	if (!record->ifindex || (value->number && value->number != record->ifindex))
		return false;
	if (!interface)
		interface = flow_names_interface(view->names, record->ifindex);
	return !value->text || (interface && !strcmp(value->text, interface->name));
}

/* Of fields that no flow has yet. */
static int parse_nothing(const void *item, struct value *value, const char **expected)
{
	return 0;
}

static bool match_nothing(const struct value *value, const struct view *view)
{
	return false;
}

/* In the order they are tried: cheap ones first. */
static const struct field fields[] = {
	{ 5, 0, parse_number, match_verdict },
	{ 6, 0, parse_event_type, match_event_type },
	{ 12, 0, parse_protocol, match_protocol },
	{ 13, 0, parse_port, match_port },
	{ 14, 1, parse_port, match_port },
	{ 15, 0, parse_bool, match_reply },
	{ 19, 0, parse_number, match_identity },
	{ 20, 1, parse_number, match_identity },
	{ 23, 0, parse_tcp_flags, match_tcp_flags },
	{ 25, 0, parse_number, match_ip_version },
	{ 30, 0, parse_number, match_direction },
	{ 33, 0, parse_number, match_drop_reason },
	{ 40, 0, parse_bool, match_encrypted },
	{ 1, 0, parse_ip, match_ip },
	{ 3, 1, parse_ip, match_ip },
	{ 34, 0, parse_ip, match_ip_xlated },
	{ 35, 0, parse_interface, match_interface },
	{ 2, 0, parse_name, match_pod },
	{ 4, 1, parse_name, match_pod },
	{ 16, 0, parse_name, match_service },
	{ 17, 1, parse_name, match_service },
	{ 26, 0, parse_workload, match_workload },
	{ 27, 1, parse_workload, match_workload },
	{ 37, 0, parse_text, match_cluster },
	{ 38, 1, parse_text, match_cluster },
	{ 24, 0, parse_node_name, match_node_name },
	{ 7, 0, parse_fqdn, match_fqdn },
	{ 8, 1, parse_fqdn, match_fqdn },
	{ 10, 0, parse_selector, match_labels },
	{ 11, 1, parse_selector, match_labels },
	{ 36, 0, parse_selector, match_node_labels },
	{ 29, 0, parse_text, match_uuid },
	{ 9, 0, parse_nothing, match_nothing },  /* http_status_code */
	{ 18, 0, parse_nothing, match_nothing }, /* dns_query */
	{ 21, 0, parse_nothing, match_nothing }, /* http_method */
	{ 22, 0, parse_nothing, match_nothing }, /* http_path */
	{ 28, 0, parse_nothing, match_nothing }, /* trace_id */
	{ 31, 0, parse_nothing, match_nothing }, /* http_url */
	{ 32, 0, parse_nothing, match_nothing }, /* http_header */
	{ 39, 0, parse_nothing, match_nothing }, /* ip_trace_id */
};

static void program_clear(struct program *program)
{
	for (size_t i = 0; i < program->count; i++) {
		for (size_t k = 0; k < program->conditions[i].count; k++) {
			struct value *value = &program->conditions[i].values[k];

			free(value->text);
			free(value->more);
			flow_selector_free(value->selector);
		}
		free(program->conditions[i].values);
	}
	free(program->conditions);
}

void flow_filter_free(struct flow_filter *filter)
{
	if (!filter)
		return;
	for (int list = 0; list < 2; list++) {
		for (size_t i = 0; i < filter->counts[list]; i++)
			program_clear(&filter->lists[list][i]);
		free(filter->lists[list]);
	}
	free(filter);
}

static int compile_field(const Flow__FlowFilter *message, const struct field *field,
			 const char *where, struct diag *diag, struct program *program)
{
	const ProtobufCFieldDescriptor *descriptor =
		protobuf_c_message_descriptor_get_field(message->base.descriptor, field->number);
	const uint8_t *base = (const uint8_t *)message;
	size_t count = *(const size_t *)(base + descriptor->quantifier_offset);
	const uint8_t *items = *(uint8_t *const *)(base + descriptor->offset);
	struct condition *condition = &program->conditions[program->count];
	const char *expected = "";

	if (!count)
		return 0;
	condition->values = calloc(count, sizeof(*condition->values));
	if (!condition->values)
		return -ENOMEM;
	condition->field = field;
	program->count++;
	for (; condition->count < count; condition->count++) {
		const void *item = items + condition->count * proto_field_size(descriptor);
		struct value *value = &condition->values[condition->count];
		int r = field->parse(item, value, &expected);

		if (r >= 0)
			continue;
		condition->count++; /* what it holds is freed with the rest */
		if (r != -EINVAL)
			return r;
		return diag_set(diag, NULL, 0, "%s.%s: found \"%.128s\", expected %s", where,
				descriptor->name,
				descriptor->type == PROTOBUF_C_TYPE_STRING ? *(char *const *)item
									   : "",
				expected);
	}
	return 0;
}

static int compile(const Flow__FlowFilter *message, const char *where, struct diag *diag,
		   struct program *program)
{
	int r = 0;

	if (message->experimental && message->experimental->n_cel_expression)
		return diag_set(diag, NULL, 0,
				"%s.experimental: found a CEL expression, which is not supported",
				where);
	program->conditions = calloc(ARRAY_SIZE(fields), sizeof(*program->conditions));
	if (!program->conditions)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fields); i++)
		r = compile_field(message, &fields[i], where, diag, program);
	return r;
}

static int compile_list(struct flow_filter *filter, int list, Flow__FlowFilter *const *messages,
			size_t count, struct diag *diag)
{
	static const char *const names[] = { "whitelist", "blacklist" };
	char where[40];

	filter->lists[list] = calloc(count + 1, sizeof(*filter->lists[list]));
	if (!filter->lists[list])
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		int r;

		snprintf(where, sizeof(where), "%s[%zu]", names[list], i);
		filter->counts[list]++;
		r = compile(messages[i], where, diag, &filter->lists[list][i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int flow_filter_new(Flow__FlowFilter *const *whitelist, size_t whitelist_count,
		    Flow__FlowFilter *const *blacklist, size_t blacklist_count, unsigned int flags,
		    struct diag *diag, struct flow_filter **ret)
{
	_cleanup_(flow_filter_freep) struct flow_filter *filter = calloc(1, sizeof(*filter));
	int r;

	if (!filter)
		return -ENOMEM;
	filter->flags = flags;
	r = compile_list(filter, 0, whitelist, whitelist_count, diag);
	if (r == 0)
		r = compile_list(filter, 1, blacklist, blacklist_count, diag);
	if (r < 0)
		return r;
	*ret = take_ptr(filter);
	return 0;
}

static bool condition_holds(const struct condition *condition, const struct flow_names *names,
			    const struct flow_record *record)
{
	struct view view = { names, record, condition->field->side };

	for (size_t i = 0; i < condition->count; i++)
		if (condition->field->match(&condition->values[i], &view))
			return true;
	return false;
}

static bool list_matches(const struct flow_filter *filter, int list, const struct flow_names *names,
			 const struct flow_record *record)
{
	for (size_t i = 0; i < filter->counts[list]; i++) {
		const struct program *program = &filter->lists[list][i];
		size_t k = 0;

		while (k < program->count &&
		       condition_holds(&program->conditions[k], names, record))
			k++;
		if (k == program->count)
			return true;
	}
	return false;
}

bool flow_filter_match(const struct flow_filter *filter, const struct flow_names *names,
		       const struct flow_record *record)
{
	if (record->flags & FLOW_CLOSE && !(filter->flags & FLOW_FILTER_CLOSES))
		return false;
	if (filter->counts[0] && !list_matches(filter, 0, names, record))
		return false;
	return !list_matches(filter, 1, names, record);
}
