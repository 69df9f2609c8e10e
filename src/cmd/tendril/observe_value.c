/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/util.h"

/* Room for one more element of the given size at the end of the field; NULL: no memory. */
static void *append(Flow__FlowFilter *filter, const struct observe_place *place, size_t size)
{
	size_t *count = (size_t *)((char *)filter + place->count);
	char **items = (char **)((char *)filter + place->items);
	char *grown = realloc(*items, (*count + 1) * size);

	if (!grown)
		return NULL;
	*items = grown;
	memset(grown + *count * size, 0, size);
	return grown + (*count)++ * size;
}

static int append_number(Flow__FlowFilter *filter, const struct observe_place *place, int number)
{
	int *item = append(filter, place, sizeof(*item)); /* uint32 and enums alike */

	if (!item)
		return -ENOMEM;
	*item = number;
	return 0;
}

/* Takes the message: it is the filter's, or freed. */
static int append_message(Flow__FlowFilter *filter, const struct observe_place *place,
			  void *message)
{
	void **item = append(filter, place, sizeof(*item));

	if (!item) {
		protobuf_c_message_free_unpacked(message, NULL);
		return -ENOMEM;
	}
	*item = message;
	return 0;
}

int observe_add_text(Flow__FlowFilter *filter, const struct observe_place *place, const char *value,
		     struct diag *diag)
{
	_cleanup_free_ char *copy = strdup(value);
	char **item;

	if (!copy)
		return -ENOMEM;
	item = append(filter, place, sizeof(*item));
	if (!item)
		return -ENOMEM;
	*item = take_ptr(copy);
	return 0;
}

int observe_add_address(Flow__FlowFilter *filter, const struct observe_place *place,
			const char *value, struct diag *diag)
{
	struct prefix prefix;

	if (prefix_parse(value, &prefix) < 0)
		return diag_set(diag, NULL, 0, "found '%s', expected an address or a CIDR", value);
	return observe_add_text(filter, place, value, diag);
}

/* Decimal digits only, at most max. */
static bool parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text || strlen(text) > 10)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	*ret = value;
	return value <= max;
}

int observe_add_port(Flow__FlowFilter *filter, const struct observe_place *place, const char *value,
		     struct diag *diag)
{
	uint64_t port;

	if (!parse_number(value, 65535, &port))
		return diag_set(diag, NULL, 0, "found '%s', expected a port from 0 to 65535",
				value);
	return observe_add_text(filter, place, value, diag);
}

struct word {
	const char *text;
	int number;
};

static const struct word *find_word(const struct word *words, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(words[i].text, text) == 0)
			return &words[i];
	return NULL;
}

static int expected(struct diag *diag, const char *value, const struct word *words, size_t count)
{
	char list[DIAG_TEXT_MAX / 2] = "";
	size_t len = 0;

	for (size_t i = 0; i < count && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
					words[i].text);
	return diag_set(diag, NULL, 0, "found '%.80s', expected one of %s", value, list);
}

static const struct word identities[] = {
	{ "host", 1 },       { "world", 2 },       { "unmanaged", 3 },      { "health", 4 },
	{ "init", 5 },       { "remote-node", 6 }, { "kube-apiserver", 7 }, { "ingress", 8 },
	{ "world-ipv4", 9 }, { "world-ipv6", 10 },
};

int observe_add_identity(Flow__FlowFilter *filter, const struct observe_place *place,
			 const char *value, struct diag *diag)
{
	const char *name = strncmp(value, "reserved:", 9) ? value : value + 9;
	const struct word *word = find_word(identities, ARRAY_SIZE(identities), name);
	uint64_t number;

	if (word)
		return append_number(filter, place, word->number);
	if (!parse_number(value, UINT32_MAX, &number))
		return diag_set(diag, NULL, 0,
				"found '%s', expected an identity's number or the name of a "
				"reserved one, such as world",
				value);
	return append_number(filter, place, (int)(uint32_t)number);
}

int observe_add_workload(Flow__FlowFilter *filter, const struct observe_place *place,
			 const char *value, struct diag *diag)
{
	const char *slash = strchr(value, '/');
	Flow__Workload *workload = malloc(sizeof(*workload));

	if (!workload)
		return -ENOMEM;
	flow__workload__init(workload);
	workload->name = strdup(slash ? slash + 1 : value);
	workload->kind = slash ? strndup(value, (size_t)(slash - value)) : workload->kind;
	return append_message(filter, place, workload);
}

static int add_enum(Flow__FlowFilter *filter, const struct observe_place *place,
		    const ProtobufCEnumDescriptor *type, const char *value, struct diag *diag)
{
	const ProtobufCEnumValue *found = NULL;
	char name[64] = "";

	for (size_t i = 0; value[i] && i < sizeof(name) - 1; i++)
		name[i] = (char)(value[i] == '-' ? '_' : toupper((unsigned char)value[i]));
	found = protobuf_c_enum_descriptor_get_value_by_name(type, name);
	if (!found)
		return diag_set(diag, NULL, 0, "found '%.80s', expected a name of %s, such as %s",
				value, type->short_name, type->values[type->n_values / 2].name);
	return append_number(filter, place, found->value);
}

int observe_add_verdict(Flow__FlowFilter *filter, const struct observe_place *place,
			const char *value, struct diag *diag)
{
	return add_enum(filter, place, &flow__verdict__descriptor, value, diag);
}

int observe_add_drop_reason(Flow__FlowFilter *filter, const struct observe_place *place,
			    const char *value, struct diag *diag)
{
	return add_enum(filter, place, &flow__drop_reason__descriptor, value, diag);
}

int observe_add_direction(Flow__FlowFilter *filter, const struct observe_place *place,
			  const char *value, struct diag *diag)
{
	return add_enum(filter, place, &flow__traffic_direction__descriptor, value, diag);
}

static const struct word types[] = {
	{ "drop", 1 },           { "debug", 2 },      { "capture", 3 }, { "trace", 4 },
	{ "policy-verdict", 5 }, { "trace-sock", 7 }, { "l7", 129 },    { "agent", 130 },
};

static const struct word trace_points[] = {
	{ "to-endpoint", 0 },  { "to-proxy", 1 },      { "to-host", 2 },       { "to-stack", 3 },
	{ "to-overlay", 4 },   { "from-endpoint", 5 }, { "from-proxy", 6 },    { "from-host", 7 },
	{ "from-stack", 8 },   { "from-overlay", 9 },  { "from-network", 10 }, { "to-network", 11 },
	{ "from-crypto", 12 }, { "to-crypto", 13 },
};

static int parse_word(const struct word *words, size_t count, const char *text, int32_t *ret,
		      struct diag *diag)
{
	const struct word *word = find_word(words, count, text);
	uint64_t number;

	if (!word && !parse_number(text, 255, &number))
		return expected(diag, text, words, count);
	*ret = word ? word->number : (int32_t)number;
	return 0;
}

int observe_add_type(Flow__FlowFilter *filter, const struct observe_place *place, const char *value,
		     struct diag *diag)
{
	const char *colon = strchr(value, ':');
	_cleanup_free_ char *type = colon ? strndup(value, (size_t)(colon - value)) : strdup(value);
	Flow__EventTypeFilter event = FLOW__EVENT_TYPE_FILTER__INIT, *message;
	int r;

	if (!type)
		return -ENOMEM;
	r = parse_word(types, ARRAY_SIZE(types), type, &event.type, diag);
	if (r == 0 && colon) {
		event.match_sub_type = true;
		r = parse_word(trace_points, event.type == 4 ? ARRAY_SIZE(trace_points) : 0,
			       colon + 1, &event.sub_type, diag);
	}
	if (r < 0)
		return r;
	message = malloc(sizeof(*message));
	if (!message)
		return -ENOMEM;
	*message = event;
	return append_message(filter, place, message);
}

static const struct word protocols[] = {
	{ "tcp", 6 },    { "udp", 17 },   { "icmp", 1 }, { "icmpv4", 1 }, { "icmpv6", 58 },
	{ "sctp", 132 }, { "vrrp", 112 }, { "igmp", 2 }, { "dns", 0 },    { "http", 0 },
};

int observe_add_protocol(Flow__FlowFilter *filter, const struct observe_place *place,
			 const char *value, struct diag *diag)
{
	const struct word *word = find_word(protocols, ARRAY_SIZE(protocols), value);

	if (!word)
		return expected(diag, value, protocols, ARRAY_SIZE(protocols));
	return observe_add_text(filter, place, word->text, diag);
}

int observe_add_ip_version(Flow__FlowFilter *filter, const struct observe_place *place,
			   const char *value, struct diag *diag)
{
	static const struct word versions[] = { { "4", 1 }, { "v4", 1 }, { "ipv4", 1 },
						{ "6", 2 }, { "v6", 2 }, { "ipv6", 2 } };
	const struct word *word = find_word(versions, ARRAY_SIZE(versions), value);

	if (!word)
		return expected(diag, value, versions, ARRAY_SIZE(versions));
	return append_number(filter, place, word->number);
}

static const struct word flags[] = {
	{ "FIN", offsetof(Flow__TCPFlags, fin) }, { "SYN", offsetof(Flow__TCPFlags, syn) },
	{ "RST", offsetof(Flow__TCPFlags, rst) }, { "PSH", offsetof(Flow__TCPFlags, psh) },
	{ "ACK", offsetof(Flow__TCPFlags, ack) }, { "URG", offsetof(Flow__TCPFlags, urg) },
	{ "ECE", offsetof(Flow__TCPFlags, ece) }, { "CWR", offsetof(Flow__TCPFlags, cwr) },
	{ "NS", offsetof(Flow__TCPFlags, ns) },
};

int observe_add_tcp_flags(Flow__FlowFilter *filter, const struct observe_place *place,
			  const char *value, struct diag *diag)
{
	_cleanup_free_ char *list = strdup(value);
	Flow__TCPFlags set = FLOW__TCPFLAGS__INIT, *message;
	char *rest = list;

	if (!list)
		return -ENOMEM;
	for (char *name; (name = strsep(&rest, ","));) {
		const struct word *word = find_word(flags, ARRAY_SIZE(flags), name);

		if (!word)
			return expected(diag, name, flags, ARRAY_SIZE(flags));
		*(protobuf_c_boolean *)((char *)&set + word->number) = true;
	}
	message = malloc(sizeof(*message));
	if (!message)
		return -ENOMEM;
	*message = set;
	return append_message(filter, place, message);
}

int observe_add_interface(Flow__FlowFilter *filter, const struct observe_place *place,
			  const char *value, struct diag *diag)
{
	Flow__NetworkInterface *interface = malloc(sizeof(*interface));

	if (!interface)
		return -ENOMEM;
	flow__network_interface__init(interface);
	interface->name = strdup(value);
	return append_message(filter, place, interface);
}
