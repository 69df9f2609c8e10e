/* SPDX-License-Identifier: Apache-2.0 */
/* Protocols and ports as people write them. */
#include "policy_scene.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

static const struct {
	const char *name;
	uint8_t protocol;
	bool icmp, ipv6;
} protocols[] = {
	{ "TCP", IPPROTO_TCP, false, false },    { "UDP", IPPROTO_UDP, false, false },
	{ "SCTP", IPPROTO_SCTP, false, false },  { "ICMP", IPPROTO_ICMP, true, false },
	{ "ICMPv4", IPPROTO_ICMP, true, false }, { "ICMPv6", IPPROTO_ICMPV6, true, true },
};

static bool is_name(const char *name, const char *text, size_t length)
{
	return strlen(name) == length && strncasecmp(name, text, length) == 0;
}

/* Digits alone, at most 65535. */
static int parse_number(const char *text, size_t length, uint16_t *ret)
{
	uint32_t number = 0;

	if (!length || length > 5 || strspn(text, "0123456789") < length)
		return -EINVAL;
	for (size_t i = 0; i < length; i++)
		number = number * 10 + (uint32_t)(text[i] - '0');
	if (number > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)number;
	return 0;
}

int policy_probe_parse(const char *text, struct policy_probe *ret)
{
	const char *slash = strchr(text, '/');
	size_t first = slash ? (size_t)(slash - text) : strlen(text);
	const char *second = slash ? slash + 1 : "TCP";
	struct policy_probe probe = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		bool before = is_name(protocols[i].name, text, first);
		const char *number = before ? second : text;
		size_t length = before ? strlen(second) : first;

		if (!before && !is_name(protocols[i].name, second, strlen(second)))
			continue;
		if (parse_number(number, length, &probe.port) < 0 ||
		    (protocols[i].icmp && probe.port > UINT8_MAX))
			return -EINVAL;
		probe.protocol = protocols[i].protocol;
		probe.ipv6 = protocols[i].ipv6;
		*ret = probe;
		return 0;
	}
	return -EINVAL;
}

const char *policy_probe_format(const struct policy_probe *probe,
				char buf[static POLICY_PROBE_TEXT_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (protocols[i].protocol != probe->protocol)
			continue;
		if (protocols[i].icmp)
			snprintf(buf, POLICY_PROBE_TEXT_MAX, "%s/%u", protocols[i].name,
				 probe->port);
		else
			snprintf(buf, POLICY_PROBE_TEXT_MAX, "%u/%s", probe->port,
				 protocols[i].name);
		return buf;
	}
	snprintf(buf, POLICY_PROBE_TEXT_MAX, "%u/%u", probe->port, probe->protocol);
	return buf;
}
