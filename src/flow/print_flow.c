/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/print_flow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/drop.h"
#include "abi/types.h"
#include "base/cleanup.h"
#include "base/util.h"
#include "flow/record.h"
#include "google/protobuf/struct.pb-c.h"

#define EVENT_CAPTURE    3
#define EVENT_TRACE_SOCK 7

enum color { RED = 31, GREEN = 32, YELLOW = 33, MAGENTA = 35, CYAN = 36 };

static void color_on(FILE *out, const struct flow_print_options *options, enum color color)
{
	if (options->color)
		fprintf(out, "\x1b[%dm", (int)color);
}

static void color_off(FILE *out, const struct flow_print_options *options)
{
	if (options->color)
		fputs("\x1b[0m", out);
}

void print_flow_text(FILE *out, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '\x1b')
			fputs("^[", out);
		else if (*text == '\r')
			fputs("\\r", out);
		else
			fputc(*text, out);
	}
}

void print_flow_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '\t')
			fputs("\\t", out);
		else if (*text == '\r')
			fputs("\\r", out);
		else if ((uint8_t)*text < ' ' || *text == 0x7f)
			fprintf(out, "\\x%02x", (uint8_t)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

void print_flow_enum(FILE *out, const ProtobufCEnumDescriptor *type, int value)
{
	const ProtobufCEnumValue *entry = protobuf_c_enum_descriptor_get_value(type, value);

	if (entry)
		fputs(entry->name, out);
	else
		fprintf(out, "%d", value);
}

static const struct {
	const char *name, *format;
} time_formats[] = {
	{ "StampMilli", "%b %e %H:%M:%S.%3f" },
	{ "YearMonthDay", "%Y-%m-%d" },
	{ "YearMonthDayHour", "%Y-%m-%dT%H%:z" },
	{ "YearMonthDayHourMinute", "%Y-%m-%dT%H:%M%:z" },
	{ "RFC3339", "%Y-%m-%dT%H:%M:%S%:z" },
	{ "RFC3339Milli", "%Y-%m-%dT%H:%M:%S%.3f%:z" },
	{ "RFC3339Micro", "%Y-%m-%dT%H:%M:%S%.6f%:z" },
	{ "RFC3339Nano", "%Y-%m-%dT%H:%M:%S%.9f%:z" },
	{ "RFC1123Z", "%a, %d %b %Y %H:%M:%S %z" },
};

const char *flow_time_format_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(time_formats); i++)
		if (!strcmp(time_formats[i].name, name))
			return time_formats[i].format;
	return NULL;
}

/* "%3f" prints three digits of the fraction, "%.3f" a dot and as many of three as are not zeroes
 * at the end. Returns the length of the conversion; 0 if it is another. */
static size_t print_fraction(FILE *out, const char *format, int32_t nanos)
{
	bool trim = format[1] == '.';
	const char *p = format + 1 + trim;
	char digits[11];
	int count;

	if ((*p != '3' && *p != '6' && *p != '9') || p[1] != 'f')
		return 0;
	snprintf(digits, sizeof(digits), "%09" PRId32, nanos);
	for (count = *p - '0'; trim && count && digits[count - 1] == '0'; count--)
		;
	fprintf(out, "%s%.*s", trim && count ? "." : "", count, digits);
	return trim ? 4 : 3;
}

/* "%:z": "Z" or "+02:00". */
static void print_zone(FILE *out, const struct tm *tm)
{
	long minutes = tm->tm_gmtoff / 60;
	long distance = labs(minutes);

	if (!minutes)
		fputc('Z', out);
	else
		fprintf(out, "%c%02ld:%02ld", minutes < 0 ? '-' : '+', distance / 60,
			distance % 60);
}

void print_flow_time(FILE *out, const Google__Protobuf__Timestamp *time, const char *format,
		     bool local)
{
	time_t seconds = time ? (time_t)time->seconds : 0;
	struct tm tm;

	if (!time || time->nanos < 0 || time->nanos > 999999999 || time->seconds < -62135596800 ||
	    time->seconds > 253402300799 ||
	    !(local ? localtime_r(&seconds, &tm) : gmtime_r(&seconds, &tm))) {
		fputs("N/A", out);
		return;
	}
	for (const char *p = format ? format : time_formats[0].format; *p;) {
		char conversion[3] = { p[0], p[1], 0 }, text[64];
		size_t length;

		if (*p != '%' || !p[1]) {
			fputc(*p++, out);
			continue;
		}
		length = print_fraction(out, p, time->nanos);
		if (length) {
			p += length;
		} else if (p[1] == ':' && p[2] == 'z') {
			print_zone(out, &tm);
			p += 3;
		} else {
			if (strftime(text, sizeof(text), conversion, &tm))
				fputs(text, out);
			p += 2;
		}
	}
}

static uint32_t flow_port(const Flow__Flow *flow, bool destination)
{
	const Flow__Layer4 *l4 = flow->l4;

	switch (l4 ? l4->protocol_case : FLOW__LAYER4__PROTOCOL__NOT_SET) {
	case FLOW__LAYER4__PROTOCOL_TCP:
		return destination ? l4->tcp->destination_port : l4->tcp->source_port;
	case FLOW__LAYER4__PROTOCOL_UDP:
		return destination ? l4->udp->destination_port : l4->udp->source_port;
	case FLOW__LAYER4__PROTOCOL_SCTP:
		return destination ? l4->sctp->destination_port : l4->sctp->source_port;
	default:
		return 0;
	}
}

/* "ns/name" and the like; false if the side has no name. */
static bool print_name(FILE *out, const Flow__Flow *flow, bool destination)
{
	const Flow__Endpoint *endpoint = destination ? flow->destination : flow->source;
	const Flow__Service *service =
		destination ? flow->destination_service : flow->source_service;
	size_t count = destination ? flow->n_destination_names : flow->n_source_names;
	char **names = destination ? flow->destination_names : flow->source_names;
	const char *namespace = service    ? service->namespace_
				: endpoint ? endpoint->namespace_
					   : "";
	const char *name = endpoint && *endpoint->pod_name ? endpoint->pod_name
			   : service                       ? service->name
							   : "";

	if (*name) {
		print_flow_text(out, namespace);
		fputs(*namespace ? "/" : "", out);
		print_flow_text(out, name);
		return true;
	}
	for (size_t i = 0; i < count; i++) {
		fputs(i ? "," : "", out);
		print_flow_text(out, names[i]);
	}
	return count > 0;
}

void print_flow_host(FILE *out, const Flow__Flow *flow, bool destination,
		     const struct flow_print_options *options)
{
	uint32_t port = flow_port(flow, destination);
	const char *address;
	bool brackets;

	if (!flow->ip && !flow->ethernet)
		return;
	color_on(out, options, CYAN);
	if (!flow->ip) {
		print_flow_text(out,
				destination ? flow->ethernet->destination : flow->ethernet->source);
	} else if (options->numeric || !print_name(out, flow, destination)) {
		address = destination ? flow->ip->destination : flow->ip->source;
		brackets = port && strchr(address, ':');
		fputs(brackets ? "[" : "", out);
		print_flow_text(out, address);
		fputs(brackets ? "]" : "", out);
	}
	if (flow->ip && port) {
		fputc(':', out);
		color_on(out, options, YELLOW);
		fprintf(out, "%" PRIu32, port);
		color_off(out, options);
	}
	color_off(out, options);
}

void print_flow_identity(FILE *out, const Flow__Endpoint *endpoint,
			 const struct flow_print_options *options)
{
	static const char *const reserved[] = {
		[TD_ID_UNKNOWN] = "unknown",
		[TD_ID_HOST] = "host",
		[TD_ID_WORLD] = "world",
		[TD_ID_UNMANAGED] = "unmanaged",
		[TD_ID_HEALTH] = "health",
		[TD_ID_INIT] = "init",
		[TD_ID_REMOTE_NODE] = "remote-node",
		[TD_ID_KUBE_APISERVER] = "kube-apiserver",
		[TD_ID_INGRESS] = "ingress",
		[TD_ID_WORLD_IPV4] = "world-ipv4",
		[TD_ID_WORLD_IPV6] = "world-ipv6",
	};
	uint32_t identity = endpoint ? endpoint->identity : TD_ID_UNKNOWN;

	color_on(out, options, MAGENTA);
	if (identity < ARRAY_SIZE(reserved))
		fprintf(out, "(%s)", reserved[identity]);
	else
		fprintf(out, "(ID:%" PRIu32 ")", identity);
	color_off(out, options);
}

/* The second table of texts, by number (abi/drop_reasons.def). */
static const char *drop_text(uint8_t reason)
{
	static const char *const texts[256] = {
#define TD_DROP(number, name, text) [number] = text,
#include "abi/drop_reasons.def"
#undef TD_DROP
		[0] = "Success",
	};

	return texts[reason];
}

static const char *point_text(uint8_t point)
{
	static const char *const texts[] = {
		"to-endpoint",   "to-proxy",   "to-host",     "to-stack",   "to-overlay",
		"from-endpoint", "from-proxy", "from-host",   "from-stack", "from-overlay",
		"from-network",  "to-network", "from-crypto", "to-crypto",
	};

	return point < ARRAY_SIZE(texts) ? texts[point] : NULL;
}

static void print_l7_type(FILE *out, const Flow__Layer7 *l7)
{
	const ProtobufCEnumValue *type = protobuf_c_enum_descriptor_get_value(
		&flow__l7_flow_type__descriptor, (int)l7->type);
	const char *protocol = l7->record_case == FLOW__LAYER7__RECORD_HTTP    ? "http"
			       : l7->record_case == FLOW__LAYER7__RECORD_DNS   ? "dns"
			       : l7->record_case == FLOW__LAYER7__RECORD_KAFKA ? "kafka"
									       : "l7";

	fprintf(out, "%s-", protocol);
	if (!type)
		fprintf(out, "%d", (int)l7->type);
	for (const char *p = type ? type->name : ""; *p; p++)
		fputc(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p, out);
	if (l7->record_case == FLOW__LAYER7__RECORD_DNS) {
		fputc(' ', out);
		print_flow_text(out, l7->dns->observation_source);
	}
}

static void print_socket_point(FILE *out, Flow__SocketTranslationPoint point)
{
	static const char *const texts[] = {
		NULL, "pre-xlate-fwd", "post-xlate-fwd", "pre-xlate-rev", "post-xlate-rev",
	};

	if ((unsigned int)point < ARRAY_SIZE(texts) && texts[point])
		fputs(texts[point], out);
	else
		print_flow_enum(out, &flow__socket_translation_point__descriptor, (int)point);
}

static void print_text_or_number(FILE *out, const char *text, uint8_t number)
{
	if (text)
		fputs(text, out);
	else
		fprintf(out, "%u", number);
}

void print_flow_type(FILE *out, const Flow__Flow *flow)
{
	static const char *const matches[] = {
		"none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only",
	};
	uint8_t sub_type = flow->event_type ? (uint8_t)flow->event_type->sub_type : 0;

	if (flow->l7) {
		print_l7_type(out, flow->l7);
		return;
	}
	switch (flow->event_type ? flow->event_type->type : 0) {
	case FLOW_TYPE_TRACE:
		print_text_or_number(out, point_text(sub_type), sub_type);
		break;
	case FLOW_TYPE_DROP:
		print_text_or_number(out, drop_text(sub_type), sub_type);
		break;
	case FLOW_TYPE_POLICY_VERDICT:
		fprintf(out, "policy-verdict:%s ",
			flow->policy_match_type < ARRAY_SIZE(matches)
				? matches[flow->policy_match_type]
				: "unknown");
		print_flow_enum(out, &flow__traffic_direction__descriptor,
				(int)flow->traffic_direction);
		break;
	case EVENT_CAPTURE:
		print_flow_enum(out, &flow__debug_capture_point__descriptor,
				(int)flow->debug_capture_point);
		break;
	case EVENT_TRACE_SOCK:
		print_socket_point(out, flow->sock_xlate_point);
		break;
	default:
		fputs("UNKNOWN", out);
	}
}

static void print_policies(FILE *out, Flow__Policy *const *policies, size_t count, bool *first)
{
	for (size_t i = 0; i < count; i++) {
		fputs(*first ? " BY " : ", ", out);
		*first = false;
		print_flow_text(out, policies[i]->name);
		if (*policies[i]->kind) {
			fputs(" (", out);
			print_flow_text(out, policies[i]->kind);
			fputc(')', out);
		}
	}
}

void print_flow_verdict(FILE *out, const Flow__Flow *flow, const struct flow_print_options *options)
{
	static const struct {
		Flow__Verdict verdict;
		const char *decided; /* of a policy-verdict; NULL: the verdict's name */
		enum color color;
	} verdicts[] = {
		{ FLOW__VERDICT__FORWARDED, "ALLOWED", GREEN },
		{ FLOW__VERDICT__REDIRECTED, "ALLOWED", GREEN },
		{ FLOW__VERDICT__DROPPED, "DENIED", RED },
		{ FLOW__VERDICT__ERROR, "DENIED", RED },
		{ FLOW__VERDICT__AUDIT, "AUDITED", YELLOW },
		{ FLOW__VERDICT__TRACED, NULL, YELLOW },
		{ FLOW__VERDICT__TRANSLATED, NULL, YELLOW },
	};
	bool policy = flow->event_type && flow->event_type->type == FLOW_TYPE_POLICY_VERDICT;
	bool first = true;
	size_t i = 0;

	while (i < ARRAY_SIZE(verdicts) && verdicts[i].verdict != flow->verdict)
		i++;
	if (i < ARRAY_SIZE(verdicts))
		color_on(out, options, verdicts[i].color);
	if (policy && i < ARRAY_SIZE(verdicts) && verdicts[i].decided)
		fputs(verdicts[i].decided, out);
	else
		print_flow_enum(out, &flow__verdict__descriptor, (int)flow->verdict);
	if (i < ARRAY_SIZE(verdicts))
		color_off(out, options);
	if (!options->policy_names)
		return;
	print_policies(out, flow->egress_allowed_by, flow->n_egress_allowed_by, &first);
	print_policies(out, flow->ingress_allowed_by, flow->n_ingress_allowed_by, &first);
	print_policies(out, flow->egress_denied_by, flow->n_egress_denied_by, &first);
	print_policies(out, flow->ingress_denied_by, flow->n_ingress_denied_by, &first);
}

void print_flow_summary(FILE *out, const Flow__Flow *flow, const struct flow_print_options *options)
{
	bool failing = flow->auth_type == FLOW__AUTH_TYPE__TEST_ALWAYS_FAIL;

	if (flow->ip_trace_id && flow->ip_trace_id->trace_id)
		fprintf(out, "IP Trace ID: %" PRIu64 "; ", flow->ip_trace_id->trace_id);
	print_flow_text(out, flow->summary);
	if (flow->auth_type == FLOW__AUTH_TYPE__DISABLED)
		return;
	fputs("; Auth: ", out);
	color_on(out, options, failing ? RED : GREEN);
	print_flow_enum(out, &flow__auth_type__descriptor, (int)flow->auth_type);
	color_off(out, options);
}

static const Google__Protobuf__Value *struct_get(const Google__Protobuf__Struct *object,
						 const char *key)
{
	for (size_t i = 0; object && i < object->n_fields; i++)
		if (!strcmp(object->fields[i]->key, key))
			return object->fields[i]->value;
	return NULL;
}

static bool struct_bool(const Google__Protobuf__Struct *object, const char *key)
{
	const Google__Protobuf__Value *value = struct_get(object, key);

	return value && value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE &&
	       value->bool_value;
}

static double struct_number(const Google__Protobuf__Struct *object, const char *key)
{
	const Google__Protobuf__Value *value = struct_get(object, key);

	return value && value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE
		       ? value->number_value
		       : 0;
}

void print_flow_extensions(FILE *out, const Flow__Flow *flow)
{
	const Google__Protobuf__Value *decision, *connection;
	const Google__Protobuf__Struct *counts;
	Google__Protobuf__Struct *object;

	if (!flow->extensions ||
	    strcmp(flow->extensions->type_url, "type.googleapis.com/google.protobuf.Struct") != 0)
		return;
	object = google__protobuf__struct__unpack(NULL, flow->extensions->value.len,
						  flow->extensions->value.data);
	if (!object)
		return;
	decision = struct_get(object, "decision");
	if (decision && decision->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE) {
		fputs(" [", out);
		print_flow_text(out, decision->string_value);
		fputc(']', out);
	}
	connection = struct_get(object, "connection");
	if (connection && connection->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE) {
		counts = connection->struct_value;
		fprintf(out, " [sent %.0f packets %.0f bytes, received %.0f packets %.0f bytes%s]",
			struct_number(counts, "packets_sent"), struct_number(counts, "bytes_sent"),
			struct_number(counts, "packets_received"),
			struct_number(counts, "bytes_received"),
			struct_bool(counts, "closed") ? ", closed" : "");
	}
	google__protobuf__struct__free_unpacked(object, NULL);
}
