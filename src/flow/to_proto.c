/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/to_proto.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/policy.h"
#include "base/address.h"
#include "base/cleanup.h"
#include "base/util.h"
#include "flow/record_view.h"
#include "google/protobuf/struct.pb-c.h"

#define SECOND     1000000000
#define STRUCT_URL "type.googleapis.com/google.protobuf.Struct"
#define TEXT_MAX   1024

/* One flow being built. Whoever runs out of memory sets `failed`; what is there stays valid. */
struct builder {
	const struct flow_record *record;
	const struct flow_names *names;
	Flow__Flow *flow;
	bool failed;
};

static void *new_message(struct builder *builder, const ProtobufCMessageDescriptor *type)
{
	ProtobufCMessage *message = calloc(1, type->sizeof_message);

	if (message)
		protobuf_c_message_init(type, message);
	else
		builder->failed = true;
	return message;
}

/* An empty text leaves the field at its default, which is not owned. */
static void set_string(struct builder *builder, char **field, const char *text)
{
	char *copy;

	if (!*text)
		return;
	copy = strdup(text);
	if (copy)
		*field = copy;
	else
		builder->failed = true;
}

static void set_strings(struct builder *builder, size_t *count, char ***field,
			const char *const *texts, size_t n)
{
	if (!n)
		return;
	*field = calloc(n, sizeof(**field));
	for (size_t i = 0; *field && i < n; i++) {
		(*field)[i] = strdup(texts[i]);
		if (!(*field)[i])
			break;
		(*count)++;
	}
	builder->failed |= *count < n;
}

static Google__Protobuf__Timestamp *new_time(struct builder *builder, uint64_t time)
{
	Google__Protobuf__Timestamp *stamp =
		new_message(builder, &google__protobuf__timestamp__descriptor);

	if (stamp) {
		stamp->seconds = (int64_t)(time / SECOND);
		stamp->nanos = (int32_t)(time % SECOND);
	}
	return stamp;
}

static void fill_time(struct builder *builder)
{
	builder->flow->time = new_time(builder, builder->record->time);
}

static void fill_verdict(struct builder *builder)
{
	builder->flow->verdict = (Flow__Verdict)builder->record->verdict;
}

static void fill_drop_reason(struct builder *builder)
{
	builder->flow->drop_reason = flow_record_denial(builder->record);
}

static void fill_drop_reason_desc(struct builder *builder)
{
	builder->flow->drop_reason_desc =
		(Flow__DropReason)flow_drop_reason(flow_record_denial(builder->record));
}

static void fill_ethernet(struct builder *builder)
{
	static const uint8_t none[2][6];
	const struct flow_record *record = builder->record;
	Flow__Ethernet *ethernet;
	char text[2][18];

	if (!memcmp(record->mac, none, sizeof(none)))
		return;
	ethernet = new_message(builder, &flow__ethernet__descriptor);
	if (!ethernet)
		return;
	for (int i = 0; i < 2; i++)
		snprintf(text[i], sizeof(text[i]), "%02x:%02x:%02x:%02x:%02x:%02x",
			 record->mac[i][0], record->mac[i][1], record->mac[i][2], record->mac[i][3],
			 record->mac[i][4], record->mac[i][5]);
	set_string(builder, &ethernet->source, text[0]);
	set_string(builder, &ethernet->destination, text[1]);
	builder->flow->ethernet = ethernet;
}

static void fill_ip(struct builder *builder)
{
	const struct flow_record *record = builder->record;
	char text[ADDRESS_TEXT_MAX];
	Flow__IP *ip;

	if (record->ip_version != 4 && record->ip_version != 6)
		return;
	ip = new_message(builder, &flow__ip__descriptor);
	if (!ip)
		return;
	ip->ipversion = record->ip_version == 4 ? FLOW__IPVERSION__IPv4 : FLOW__IPVERSION__IPv6;
	set_string(builder, &ip->source, address_format(&record->addr[0], text));
	set_string(builder, &ip->destination, address_format(&record->addr[1], text));
	if (record->flags & FLOW_NAT)
		set_string(builder, &ip->source_xlated, address_format(&record->xlated, text));
	builder->flow->ip = ip;
}

static void fill_tcp(struct builder *builder, Flow__Layer4 *l4)
{
	const struct flow_record *record = builder->record;
	uint8_t bits = record->tcp_flags;
	Flow__TCPFlags *flags;

	l4->tcp = new_message(builder, &flow__tcp__descriptor);
	if (!l4->tcp)
		return;
	l4->protocol_case = FLOW__LAYER4__PROTOCOL_TCP;
	l4->tcp->source_port = record->port[0];
	l4->tcp->destination_port = record->port[1];
	flags = bits ? new_message(builder, &flow__tcpflags__descriptor) : NULL;
	if (!flags)
		return;
	flags->fin = bits & 0x01 ? 1 : 0;
	flags->syn = bits & 0x02 ? 1 : 0;
	flags->rst = bits & 0x04 ? 1 : 0;
	flags->psh = bits & 0x08 ? 1 : 0;
	flags->ack = bits & 0x10 ? 1 : 0;
	flags->urg = bits & 0x20 ? 1 : 0;
	flags->ece = bits & 0x40 ? 1 : 0;
	flags->cwr = bits & 0x80 ? 1 : 0;
	l4->tcp->flags = flags;
}

static void fill_udp(struct builder *builder, Flow__Layer4 *l4)
{
	l4->udp = new_message(builder, &flow__udp__descriptor);
	if (!l4->udp)
		return;
	l4->protocol_case = FLOW__LAYER4__PROTOCOL_UDP;
	l4->udp->source_port = builder->record->port[0];
	l4->udp->destination_port = builder->record->port[1];
}

static void fill_sctp(struct builder *builder, Flow__Layer4 *l4)
{
	l4->sctp = new_message(builder, &flow__sctp__descriptor);
	if (!l4->sctp)
		return;
	l4->protocol_case = FLOW__LAYER4__PROTOCOL_SCTP;
	l4->sctp->source_port = builder->record->port[0];
	l4->sctp->destination_port = builder->record->port[1];
}

static void fill_icmpv4(struct builder *builder, Flow__Layer4 *l4)
{
	l4->icmpv4 = new_message(builder, &flow__icmpv4__descriptor);
	if (!l4->icmpv4)
		return;
	l4->protocol_case = FLOW__LAYER4__PROTOCOL_ICMPV4;
	l4->icmpv4->type = builder->record->icmp_type;
	l4->icmpv4->code = builder->record->icmp_code;
}

static void fill_icmpv6(struct builder *builder, Flow__Layer4 *l4)
{
	l4->icmpv6 = new_message(builder, &flow__icmpv6__descriptor);
	if (!l4->icmpv6)
		return;
	l4->protocol_case = FLOW__LAYER4__PROTOCOL_ICMPV6;
	l4->icmpv6->type = builder->record->icmp_type;
	l4->icmpv6->code = builder->record->icmp_code;
}

static void fill_l4(struct builder *builder)
{
	static const struct {
		uint8_t protocol;
		void (*fill)(struct builder *builder, Flow__Layer4 *l4);
	} protocols[] = {
		{ IPPROTO_TCP, fill_tcp },       { IPPROTO_UDP, fill_udp },
		{ IPPROTO_SCTP, fill_sctp },     { IPPROTO_ICMP, fill_icmpv4 },
		{ IPPROTO_ICMPV6, fill_icmpv6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (protocols[i].protocol != builder->record->protocol)
			continue;
		builder->flow->l4 = new_message(builder, &flow__layer4__descriptor);
		if (builder->flow->l4)
			protocols[i].fill(builder, builder->flow->l4);
	}
}

static void fill_workload(struct builder *builder, const struct flow_endpoint *endpoint,
			  Flow__Endpoint *message)
{
	Flow__Workload *workload;

	if (!*endpoint->workload)
		return;
	workload = new_message(builder, &flow__workload__descriptor);
	message->workloads = calloc(1, sizeof(*message->workloads));
	if (!workload || !message->workloads) {
		free(workload);
		builder->failed = true;
		return;
	}
	set_string(builder, &workload->name, endpoint->workload);
	set_string(builder, &workload->kind, endpoint->workload_kind);
	message->workloads[message->n_workloads++] = workload;
}

static Flow__Endpoint *new_endpoint(struct builder *builder, int side)
{
	const struct flow_record *record = builder->record;
	const struct flow_endpoint *endpoint = flow_record_endpoint(record, builder->names, side);
	Flow__Endpoint *message = new_message(builder, &flow__endpoint__descriptor);
	const char *const *labels;
	size_t count;

	if (!message)
		return NULL;
	message->id = record->endpoint_id[side];
	message->identity = record->identity[side];
	count = flow_record_labels(record, builder->names, side, &labels);
	set_strings(builder, &message->n_labels, &message->labels, labels, count);
	if (!endpoint)
		return message;
	set_string(builder, &message->namespace_, endpoint->namespace);
	set_string(builder, &message->pod_name, endpoint->pod);
	set_string(builder, &message->cluster_name, flow_names_cluster(builder->names));
	fill_workload(builder, endpoint, message);
	return message;
}

static void fill_source(struct builder *builder)
{
	builder->flow->source = new_endpoint(builder, 0);
}

static void fill_destination(struct builder *builder)
{
	builder->flow->destination = new_endpoint(builder, 1);
}

static void fill_type(struct builder *builder)
{
	builder->flow->type = FLOW__FLOW_TYPE__L3_L4;
}

static void fill_node_name(struct builder *builder)
{
	set_string(builder, &builder->flow->node_name, flow_names_node(builder->names));
}

static void fill_source_names(struct builder *builder)
{
	const struct flow_dns_names *names = builder->record->dns[0];

	if (names)
		set_strings(builder, &builder->flow->n_source_names, &builder->flow->source_names,
			    names->names, names->count);
}

static void fill_destination_names(struct builder *builder)
{
	const struct flow_dns_names *names = builder->record->dns[1];

	if (names)
		set_strings(builder, &builder->flow->n_destination_names,
			    &builder->flow->destination_names, names->names, names->count);
}

static void fill_reply(struct builder *builder)
{
	uint8_t both = FLOW_REPLY_KNOWN | FLOW_REPLY;

	builder->flow->reply = (builder->record->flags & both) == both;
}

static void fill_is_reply(struct builder *builder)
{
	if (!(builder->record->flags & FLOW_REPLY_KNOWN))
		return;
	builder->flow->is_reply = new_message(builder, &google__protobuf__bool_value__descriptor);
	if (builder->flow->is_reply)
		builder->flow->is_reply->value = builder->record->flags & FLOW_REPLY ? 1 : 0;
}

static void fill_event_type(struct builder *builder)
{
	Flow__CiliumEventType *type = new_message(builder, &flow__cilium_event_type__descriptor);

	if (!type)
		return;
	type->type = builder->record->type;
	type->sub_type = builder->record->sub_type;
	builder->flow->event_type = type;
}

static Flow__Service *new_service(struct builder *builder, int side)
{
	const struct flow_service *service = builder->record->service[side];
	Flow__Service *message;

	message = service ? new_message(builder, &flow__service__descriptor) : NULL;
	if (!message)
		return NULL;
	set_string(builder, &message->name, service->name);
	set_string(builder, &message->namespace_, service->namespace);
	return message;
}

static void fill_source_service(struct builder *builder)
{
	builder->flow->source_service = new_service(builder, 0);
}

static void fill_destination_service(struct builder *builder)
{
	builder->flow->destination_service = new_service(builder, 1);
}

static void fill_traffic_direction(struct builder *builder)
{
	builder->flow->traffic_direction = (Flow__TrafficDirection)builder->record->direction;
}

static void fill_policy_match_type(struct builder *builder)
{
	if (builder->record->type == FLOW_TYPE_POLICY_VERDICT)
		builder->flow->policy_match_type = builder->record->match;
}

static void fill_trace_point(struct builder *builder)
{
	uint8_t point = builder->record->sub_type;

	if (builder->record->type != FLOW_TYPE_TRACE)
		return;
	builder->flow->trace_observation_point =
		point == TD_TO_ENDPOINT ? FLOW__TRACE_OBSERVATION_POINT__TO_ENDPOINT
					: (Flow__TraceObservationPoint)point;
}

static void fill_trace_reason(struct builder *builder)
{
	if (builder->record->type == FLOW_TYPE_TRACE)
		builder->flow->trace_reason = (Flow__TraceReason)builder->record->reason;
}

static void fill_interface(struct builder *builder)
{
	const struct flow_record *record = builder->record;
	const struct flow_interface *interface = record->interface;
	Flow__NetworkInterface *message;

	if (!record->ifindex)
		return;
	if (!interface)
		interface = flow_names_interface(builder->names, record->ifindex);
	message = new_message(builder, &flow__network_interface__descriptor);
	if (!message)
		return;
	message->index = record->ifindex;
	set_string(builder, &message->name, interface ? interface->name : "");
	builder->flow->interface = message;
}

static void fill_socket_cookie(struct builder *builder)
{
	builder->flow->socket_cookie = builder->record->socket_cookie;
}

static void fill_uuid(struct builder *builder)
{
	char text[FLOW_UUID_TEXT_MAX];

	flow_uuid_format(builder->record, text);
	set_string(builder, &builder->flow->uuid, text);
}

static void fill_node_labels(struct builder *builder)
{
	const char *const *labels;
	size_t count = flow_names_node_labels(builder->names, &labels);

	set_strings(builder, &builder->flow->n_node_labels, &builder->flow->node_labels, labels,
		    count);
}

static void fill_emitter(struct builder *builder)
{
	Flow__Emitter *emitter = new_message(builder, &flow__emitter__descriptor);

	if (!emitter)
		return;
	set_string(builder, &emitter->name, "Tendril");
	set_string(builder, &emitter->version, TENDRIL_VERSION);
	builder->flow->emitter = emitter;
}

/* The deciding rule, in the list of its direction and decision. */
static void fill_policy(struct builder *builder, bool egress, bool denied, size_t *count,
			Flow__Policy ***field)
{
	const struct flow_record *record = builder->record;
	const struct flow_rule *rule = record->rule;
	char text[3][TEXT_MAX];
	const char *labels[3] = { text[0], text[1], text[2] };
	Flow__Policy *policy;

	if (!rule || egress != (record->direction == FLOW_DIRECTION_EGRESS) ||
	    denied != !!flow_record_denial(record))
		return;
	policy = new_message(builder, &flow__policy__descriptor);
	*field = calloc(1, sizeof(**field));
	if (!policy || !*field) {
		free(policy);
		builder->failed = true;
		return;
	}
	(*field)[(*count)++] = policy;
	set_string(builder, &policy->name, rule->name);
	set_string(builder, &policy->namespace_, rule->namespace);
	set_string(builder, &policy->kind, rule->kind);
	snprintf(text[0], TEXT_MAX, "k8s:io.cilium.k8s.policy.derived-from=%s", rule->kind);
	snprintf(text[1], TEXT_MAX, "k8s:io.cilium.k8s.policy.name=%s", rule->name);
	snprintf(text[2], TEXT_MAX, "k8s:io.cilium.k8s.policy.namespace=%s", rule->namespace);
	set_strings(builder, &policy->n_labels, &policy->labels, labels, *rule->namespace ? 3 : 2);
}

static void fill_egress_allowed(struct builder *builder)
{
	fill_policy(builder, true, false, &builder->flow->n_egress_allowed_by,
		    &builder->flow->egress_allowed_by);
}

static void fill_ingress_allowed(struct builder *builder)
{
	fill_policy(builder, false, false, &builder->flow->n_ingress_allowed_by,
		    &builder->flow->ingress_allowed_by);
}

static void fill_egress_denied(struct builder *builder)
{
	fill_policy(builder, true, true, &builder->flow->n_egress_denied_by,
		    &builder->flow->egress_denied_by);
}

static void fill_ingress_denied(struct builder *builder)
{
	fill_policy(builder, false, true, &builder->flow->n_ingress_denied_by,
		    &builder->flow->ingress_denied_by);
}

/* Where no policy can be named, the log says who decided. */
static void fill_policy_log(struct builder *builder)
{
	const struct flow_record *record = builder->record;
	const char *texts[1];
	char text[TEXT_MAX];

	if (!flow_record_denial(record) || record->rule)
		return;
	if (flow_decision_format(record, builder->names, text, sizeof(text)) <= 0)
		return;
	texts[0] = text;
	set_strings(builder, &builder->flow->n_policy_log, &builder->flow->policy_log, texts, 1);
}

static void fill_summary(struct builder *builder)
{
	char text[TEXT_MAX];

	flow_summary_format(builder->record, text, sizeof(text));
	set_string(builder, &builder->flow->summary, text);
}

/* A Struct on the stack, just big enough for ours. */
struct extension {
	Google__Protobuf__Struct object;
	Google__Protobuf__Struct__FieldsEntry entries[5];
	Google__Protobuf__Struct__FieldsEntry *fields[5];
	Google__Protobuf__Value values[5];
};

static void extension_init(struct extension *extension)
{
	google__protobuf__struct__init(&extension->object);
	extension->object.fields = extension->fields;
}

static Google__Protobuf__Value *extension_add(struct extension *extension, const char *key)
{
	size_t i = extension->object.n_fields++;

	google__protobuf__struct__fields_entry__init(&extension->entries[i]);
	google__protobuf__value__init(&extension->values[i]);
	extension->entries[i].key = (char *)key;
	extension->entries[i].value = &extension->values[i];
	extension->fields[i] = &extension->entries[i];
	return &extension->values[i];
}

static void extension_add_number(struct extension *extension, const char *key, uint64_t number)
{
	Google__Protobuf__Value *value = extension_add(extension, key);

	value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
	value->number_value = (double)number;
}

static void connection_fill(const struct flow_record *record, struct extension *connection)
{
	Google__Protobuf__Value *closed;

	extension_init(connection);
	extension_add_number(connection, "packets_sent", record->packets[0]);
	extension_add_number(connection, "packets_received", record->packets[1]);
	extension_add_number(connection, "bytes_sent", record->bytes[0]);
	extension_add_number(connection, "bytes_received", record->bytes[1]);
	if (!(record->flags & FLOW_CLOSE))
		return;
	closed = extension_add(connection, "closed");
	closed->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
	closed->bool_value = 1;
}

static void fill_extensions(struct builder *builder)
{
	const struct flow_record *record = builder->record;
	struct extension extension, connection;
	Google__Protobuf__Value *value;
	Google__Protobuf__Any *any;
	char text[TEXT_MAX];

	extension_init(&extension);
	if (flow_decision_format(record, builder->names, text, sizeof(text)) > 0) {
		value = extension_add(&extension, "decision");
		value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
		value->string_value = text;
	}
	if (record->packets[0] || record->packets[1]) {
		connection_fill(record, &connection);
		value = extension_add(&extension, "connection");
		value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
		value->struct_value = &connection.object;
	}
	if (!extension.object.n_fields)
		return;
	any = new_message(builder, &google__protobuf__any__descriptor);
	if (!any)
		return;
	builder->flow->extensions = any;
	set_string(builder, &any->type_url, STRUCT_URL);
	any->value.data = malloc(google__protobuf__struct__get_packed_size(&extension.object));
	if (any->value.data)
		any->value.len = google__protobuf__struct__pack(&extension.object, any->value.data);
	else
		builder->failed = true;
}

static const struct {
	uint32_t number;
	void (*fill)(struct builder *builder);
} fields[] = {
	{ 1, fill_time },
	{ 2, fill_verdict },
	{ 3, fill_drop_reason },
	{ 4, fill_ethernet },
	{ 5, fill_ip },
	{ 6, fill_l4 },
	{ 8, fill_source },
	{ 9, fill_destination },
	{ 10, fill_type },
	{ 11, fill_node_name },
	{ 13, fill_source_names },
	{ 14, fill_destination_names },
	{ 16, fill_reply },
	{ 19, fill_event_type },
	{ 20, fill_source_service },
	{ 21, fill_destination_service },
	{ 22, fill_traffic_direction },
	{ 23, fill_policy_match_type },
	{ 24, fill_trace_point },
	{ 25, fill_drop_reason_desc },
	{ 26, fill_is_reply },
	{ 28, fill_interface },
	{ 32, fill_socket_cookie },
	{ 34, fill_uuid },
	{ 36, fill_trace_reason },
	{ 37, fill_node_labels },
	{ 41, fill_emitter },
	{ 21001, fill_egress_allowed },
	{ 21002, fill_ingress_allowed },
	{ 21004, fill_egress_denied },
	{ 21005, fill_ingress_denied },
	{ 21006, fill_policy_log },
	{ 100000, fill_summary },
	{ 150000, fill_extensions },
};

int flow_to_proto(const struct flow_record *record, const struct flow_names *names,
		  const struct flow_mask *mask, Flow__Flow **ret)
{
	struct builder builder = { .record = record, .names = names };

	builder.flow = new_message(&builder, &flow__flow__descriptor);
	for (size_t i = 0; !builder.failed && i < ARRAY_SIZE(fields); i++)
		if (flow_mask_wants(mask, fields[i].number))
			fields[i].fill(&builder);
	if (builder.failed) {
		flow__flow__free_unpacked(builder.flow, NULL);
		return -ENOMEM;
	}
	flow_mask_apply(mask, builder.flow);
	*ret = builder.flow;
	return 0;
}

static int response_new(const char *node, uint64_t time, Observer__GetFlowsResponse **ret)
{
	struct builder builder = { 0 };
	Observer__GetFlowsResponse *response;

	response = new_message(&builder, &observer__get_flows_response__descriptor);
	if (!response)
		return -ENOMEM;
	set_string(&builder, &response->node_name, node);
	response->time = new_time(&builder, time);
	if (builder.failed) {
		observer__get_flows_response__free_unpacked(response, NULL);
		return -ENOMEM;
	}
	*ret = response;
	return 0;
}

int flow_to_response(const struct flow_record *record, const struct flow_names *names,
		     const struct flow_mask *mask, Observer__GetFlowsResponse **ret)
{
	Observer__GetFlowsResponse *response;
	int r;

	r = response_new(flow_names_node(names), record->time, &response);
	if (r < 0)
		return r;
	r = flow_to_proto(record, names, mask, &response->flow);
	if (r < 0) {
		observer__get_flows_response__free_unpacked(response, NULL);
		return r;
	}
	response->response_types_case = OBSERVER__GET_FLOWS_RESPONSE__RESPONSE_TYPES_FLOW;
	*ret = response;
	return 0;
}

int flow_lost_response(Flow__LostEventSource source, uint64_t lost, const char *node, uint64_t time,
		       Observer__GetFlowsResponse **ret)
{
	struct builder builder = { 0 };
	Observer__GetFlowsResponse *response;
	Flow__LostEvent *event;
	int r;

	r = response_new(node, time, &response);
	if (r < 0)
		return r;
	event = new_message(&builder, &flow__lost_event__descriptor);
	if (!event) {
		observer__get_flows_response__free_unpacked(response, NULL);
		return -ENOMEM;
	}
	event->source = source;
	event->num_events_lost = lost;
	response->lost_events = event;
	response->response_types_case = OBSERVER__GET_FLOWS_RESPONSE__RESPONSE_TYPES_LOST_EVENTS;
	*ret = response;
	return 0;
}
