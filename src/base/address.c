/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

bool address_is_ipv4(const struct td_addr *addr)
{
	return addr->halves[0] == 0 && addr->words[2] == TD_V4_MAPPED;
}

bool address_is_zero(const struct td_addr *addr)
{
	return addr->halves[0] == 0 && addr->halves[1] == 0;
}

int address_compare(const struct td_addr *a, const struct td_addr *b)
{
	return memcmp(a, b, sizeof(*a));
}

struct td_addr address_from_ipv4(uint32_t network_order)
{
	return (struct td_addr){ .words = { 0, 0, TD_V4_MAPPED, network_order } };
}

uint32_t address_to_ipv4(const struct td_addr *addr)
{
	return addr->words[3];
}

int address_parse(const char *text, struct td_addr *ret)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret = address_from_ipv4(v4.s_addr);
		return 0;
	}

	struct td_addr v6;

	if (inet_pton(AF_INET6, text, &v6) != 1)
		return -EINVAL;
	*ret = v6;
	return 0;
}

const char *address_format(const struct td_addr *addr, char buf[static ADDRESS_TEXT_MAX])
{
	if (address_is_ipv4(addr))
		return inet_ntop(AF_INET, &addr->words[3], buf, ADDRESS_TEXT_MAX);
	return inet_ntop(AF_INET6, addr, buf, ADDRESS_TEXT_MAX);
}

uint8_t prefix_mapped_length(const struct prefix *prefix)
{
	return prefix->length + (address_is_ipv4(&prefix->addr) ? 96 : 0);
}

static void clear_host_bits(struct prefix *prefix)
{
	unsigned int bits = prefix_mapped_length(prefix);

	for (unsigned int i = 0; i < 16; i++) {
		unsigned int keep = bits > i * 8 ? MIN(bits - i * 8, 8u) : 0;

		prefix->addr.bytes[i] &= (uint8_t)(0xff00 >> keep);
	}
}

int prefix_parse(const char *text, struct prefix *ret)
{
	char buf[ADDRESS_TEXT_MAX];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct prefix prefix;

	if (len >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (address_parse(buf, &prefix.addr) < 0)
		return -EINVAL;

	unsigned int max = address_is_ipv4(&prefix.addr) ? 32 : 128;
	unsigned long length = max;

	if (slash) {
		char *end;

		/* "08" is octal to some and eight to others. */
		if (slash[1] < '0' || slash[1] > '9' || strlen(slash + 1) > 3 ||
		    (slash[1] == '0' && slash[2]))
			return -EINVAL;
		length = strtoul(slash + 1, &end, 10);
		if (*end || length > max)
			return -EINVAL;
	}
	prefix.length = (uint8_t)length;
	clear_host_bits(&prefix);
	*ret = prefix;
	return 0;
}

const char *prefix_format(const struct prefix *prefix, char buf[static PREFIX_TEXT_MAX])
{
	char text[ADDRESS_TEXT_MAX];

	snprintf(buf, PREFIX_TEXT_MAX, "%s/%u", address_format(&prefix->addr, text),
		 prefix->length);
	return buf;
}

bool prefix_contains(const struct prefix *prefix, const struct td_addr *addr)
{
	unsigned int bits = prefix_mapped_length(prefix);
	unsigned int whole = bits / 8;

	if (address_is_ipv4(&prefix->addr) != address_is_ipv4(addr))
		return false;
	if (memcmp(&prefix->addr, addr, whole))
		return false;
	if (bits % 8 == 0)
		return true;

	uint8_t mask = (uint8_t)(0xff00 >> (bits % 8));

	return (prefix->addr.bytes[whole] & mask) == (addr->bytes[whole] & mask);
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	return outer->length <= inner->length && prefix_contains(outer, &inner->addr);
}
