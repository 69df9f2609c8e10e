/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "abi/policy.h"
#include "base/util.h"
#include "flow/record_view.h"
#include "flow/table.h"
#include "flow/to_proto.h"

const struct flow_endpoint *flow_record_endpoint(const struct flow_record *record,
						 const struct flow_names *names, int side)
{
	if (record->endpoint[side] || !record->endpoint_id[side])
		return record->endpoint[side];
	return flow_names_endpoint(names, record->endpoint_id[side]);
}

size_t flow_record_labels(const struct flow_record *record, const struct flow_names *names,
			  int side, const char *const **ret)
{
	static const char *const reserved[] = {
		[TD_ID_UNKNOWN] = "reserved:unknown",
		[TD_ID_HOST] = "reserved:host",
		[TD_ID_WORLD] = "reserved:world",
		[TD_ID_UNMANAGED] = "reserved:unmanaged",
		[TD_ID_HEALTH] = "reserved:health",
		[TD_ID_INIT] = "reserved:init",
		[TD_ID_REMOTE_NODE] = "reserved:remote-node",
		[TD_ID_KUBE_APISERVER] = "reserved:kube-apiserver",
		[TD_ID_INGRESS] = "reserved:ingress",
		[TD_ID_WORLD_IPV4] = "reserved:world-ipv4",
		[TD_ID_WORLD_IPV6] = "reserved:world-ipv6",
	};
	const struct flow_identity *identity = record->labels[side];
	uint32_t number = record->identity[side];

	if (!identity)
		identity = flow_names_identity(names, number);
	if (identity) {
		*ret = identity->labels;
		return identity->label_count;
	}
	*ret = &reserved[number < ARRAY_SIZE(reserved) ? number : 0];
	return number < ARRAY_SIZE(reserved);
}

uint8_t flow_record_denial(const struct flow_record *record)
{
	bool denied =
		record->verdict == FLOW_VERDICT_DROPPED || record->verdict == FLOW_VERDICT_AUDIT;

	return denied ? record->reason : 0;
}

int flow_drop_reason(uint8_t reason)
{
	return protobuf_c_enum_descriptor_get_value(&flow__drop_reason__descriptor, reason) ? reason
											    : 0;
}

/* Names as gopacket prints them, which hubble's summaries are made of. */
struct icmp_text {
	uint8_t type;
	const char *name;
	const char *codes[16]; /* none: the type does not use its code */
};

static const struct icmp_text icmpv4_texts[] = {
	{ 0, "EchoReply", {} },
	{ 3,
	  "DestinationUnreachable",
	  { "Net", "Host", "Protocol", "Port", "FragmentationNeeded", "SourceRoutingFailed",
	    "NetUnknown", "HostUnknown", "SourceIsolated", "NetAdminProhibited",
	    "HostAdminProhibited", "NetTOS", "HostTOS", "CommAdminProhibited", "HostPrecedence",
	    "PrecedenceCutoff" } },
	{ 4, "SourceQuench", {} },
	{ 5, "Redirect", { "Net", "Host", "TOS+Net", "TOS+Host" } },
	{ 8, "EchoRequest", {} },
	{ 9, "RouterAdvertisement", {} },
	{ 10, "RouterSolicitation", {} },
	{ 11, "TimeExceeded", { "TTLExceeded", "FragmentReassemblyTimeExceeded" } },
	{ 12, "ParameterProblem", { "PointerIndicatesError", "MissingOption", "BadLength" } },
	{ 13, "TimestampRequest", {} },
	{ 14, "TimestampReply", {} },
	{ 15, "InfoRequest", {} },
	{ 16, "InfoReply", {} },
	{ 17, "AddressMaskRequest", {} },
	{ 18, "AddressMaskReply", {} },
};

static const struct icmp_text icmpv6_texts[] = {
	{ 1,
	  "DestinationUnreachable",
	  { "NoRouteToDst", "AdminProhibited", "BeyondScopeOfSrc", "AddressUnreachable",
	    "PortUnreachable", "SrcAddressFailedPolicy", "RejectRouteToDst" } },
	{ 2, "PacketTooBig", {} },
	{ 3, "TimeExceeded", { "HopLimitExceeded", "FragmentReassemblyTimeExceeded" } },
	{ 4,
	  "ParameterProblem",
	  { "ErroneousHeader", "UnrecognizedNextHeader", "UnrecognizedIPv6Option" } },
	{ 128, "EchoRequest", {} },
	{ 129, "EchoReply", {} },
	{ 133, "RouterSolicitation", {} },
	{ 134, "RouterAdvertisement", {} },
	{ 135, "NeighborSolicitation", {} },
	{ 136, "NeighborAdvertisement", {} },
	{ 137, "Redirect", {} },
};

static int format_icmp(const struct flow_record *record, const char *name,
		       const struct icmp_text *texts, size_t count, char *buf, size_t size)
{
	uint8_t code = record->icmp_code;

	for (size_t i = 0; i < count; i++) {
		const struct icmp_text *text = &texts[i];

		if (text->type != record->icmp_type)
			continue;
		if (!text->codes[0] && !code)
			return snprintf(buf, size, "%s %s", name, text->name);
		if (code < ARRAY_SIZE(text->codes) && text->codes[code])
			return snprintf(buf, size, "%s %s(%s)", name, text->name,
					text->codes[code]);
		return snprintf(buf, size, "%s %s(Code: %u)", name, text->name, code);
	}
	return snprintf(buf, size, "%s %u(%u)", name, record->icmp_type, code);
}

static int format_tcp(const struct flow_record *record, char *buf, size_t size)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} flags[] = {
		{ 0x02, "SYN" }, { 0x10, "ACK" }, { 0x04, "RST" }, { 0x01, "FIN" },
		{ 0x08, "PSH" }, { 0x20, "URG" }, { 0x40, "ECE" }, { 0x80, "CWR" },
	};
	char text[64] = "TCP";
	char *p = text + 3;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!(record->tcp_flags & flags[i].bit))
			continue;
		p = stpcpy(p, p == text + 3 ? " Flags: " : ", ");
		p = stpcpy(p, flags[i].name);
	}
	return snprintf(buf, size, "%s", text);
}

int flow_summary_format(const struct flow_record *record, char *buf, size_t size)
{
	switch (record->protocol) {
	case IPPROTO_TCP:
		return format_tcp(record, buf, size);
	case IPPROTO_UDP:
		return snprintf(buf, size, "UDP");
	case IPPROTO_SCTP:
		return snprintf(buf, size, "SCTP");
	case IPPROTO_ICMP:
		return format_icmp(record, "ICMPv4", icmpv4_texts, ARRAY_SIZE(icmpv4_texts), buf,
				   size);
	case IPPROTO_ICMPV6:
		return format_icmp(record, "ICMPv6", icmpv6_texts, ARRAY_SIZE(icmpv6_texts), buf,
				   size);
	default:
		return snprintf(buf, size, "%s", "");
	}
}

static int format_named_rule(const struct flow_record *record, char *buf, size_t size)
{
	const char *direction = record->direction == FLOW_DIRECTION_EGRESS ? "egress" : "ingress";
	bool denied = flow_record_denial(record);
	const struct flow_rule *rule = record->rule;
	char place[300] = "";

	if (!rule)
		return snprintf(buf, size, "%s by rule %" PRIu32 " of a policy that is gone",
				denied ? "denied" : "allowed", record->rule_number);
	if (*rule->file && rule->line)
		snprintf(place, sizeof(place), " (%s:%" PRIu32 ")", rule->file, rule->line);
	else if (*rule->file)
		snprintf(place, sizeof(place), " (%s)", rule->file);
	return snprintf(buf, size, "%s by %s %s%s%s, %s%s rule %" PRIu32 "%s",
			denied ? "denied" : "allowed", rule->kind, rule->namespace,
			*rule->namespace ? "/" : "", rule->name, direction,
			rule->deny ? " deny" : "", rule->index, place);
}

static int format_decision(const struct flow_record *record, const struct flow_names *names,
			   char *buf, size_t size)
{
	bool egress = record->direction == FLOW_DIRECTION_EGRESS;
	bool reply = record->type == FLOW_TYPE_DROP && record->flags & FLOW_REPLY;
	/* Egress is judged at the initiator, ingress at the responder. */
	const struct flow_endpoint *subject = flow_record_endpoint(record, names, egress == reply);

	switch (record->rule_number) {
	case TD_RULE_NONE:
		return snprintf(buf, size, "%s", "");
	case TD_RULE_UNSELECTED:
		return snprintf(buf, size, "allowed: no policy isolates this direction");
	case TD_RULE_DEFAULT_DENY:
		return snprintf(
			buf, size,
			"denied by default: policies isolate the %s of %s%s%s and none of "
			"their rules allows this",
			egress ? "egress" : "ingress", subject ? subject->namespace : "the pod",
			subject && *subject->namespace ? "/" : "", subject ? subject->pod : "");
	case TD_RULE_LOCAL_HOST:
		return snprintf(buf, size, "allowed: the node may reach its own pods");
	case TD_RULE_NO_SUBJECT:
		return snprintf(buf, size,
				"denied: no policy table is loaded for the identity of the pod");
	case TD_RULE_INIT:
		return snprintf(buf, size, "denied: the pod has no object yet (identity init)");
	case TD_RULE_NEVER:
		return snprintf(buf, size, "allowed: policies are not enforced (mode never)");
	case TD_RULE_ALWAYS:
		return snprintf(buf, size,
				"denied: no rule allows this, and the node denies what no rule "
				"allows (mode always)");
	default:
		return format_named_rule(record, buf, size);
	}
}

int flow_decision_format(const struct flow_record *record, const struct flow_names *names,
			 char *buf, size_t size)
{
	static const char audited[] = "audited, else ";
	size_t skip = record->verdict == FLOW_VERDICT_AUDIT ? sizeof(audited) - 1 : 0;
	int r;

	if (!skip)
		return format_decision(record, names, buf, size);
	r = snprintf(buf, size, "%s", audited);
	if (skip >= size)
		return r + format_decision(record, names, NULL, 0);
	return r + format_decision(record, names, buf + skip, size - skip);
}

void flow_uuid_format(const struct flow_record *record, char buf[static FLOW_UUID_TEXT_MAX])
{
	static uint64_t salt[2];
	uint64_t high, low;

	/* A clock is random enough where getrandom() is not: nothing rests on these numbers. */
	if (!salt[0] && getrandom(salt, sizeof(salt), GRND_NONBLOCK) != sizeof(salt))
		salt[0] = flow_mix64((uint64_t)time(NULL)) | 1;
	high = flow_mix64(record->sequence ^ salt[0]);
	low = flow_mix64(record->sequence + salt[1]);
	high = (high & ~0xf000ULL) | 0x4000;
	low = (low & ~(3ULL << 62)) | 1ULL << 63;
	snprintf(buf, FLOW_UUID_TEXT_MAX, "%08x-%04x-%04x-%04x-%012llx", (unsigned int)(high >> 32),
		 (unsigned int)(high >> 16 & 0xffff), (unsigned int)(high & 0xffff),
		 (unsigned int)(low >> 48), (unsigned long long)(low & 0xffffffffffff));
}
