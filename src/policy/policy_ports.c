/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_ports.h"

#include <netinet/in.h>

#include "base/util.h"

const struct policy_port_space policy_port_spaces[POLICY_PORT_SPACES] = {
	{ IPPROTO_TCP, "TCP", 1, UINT16_MAX, POLICY_BOTH, false },
	{ IPPROTO_UDP, "UDP", 1, UINT16_MAX, POLICY_BOTH, false },
	{ IPPROTO_SCTP, "SCTP", 1, UINT16_MAX, POLICY_BOTH, false },
	{ IPPROTO_ICMP, "ICMP", 0, UINT8_MAX, POLICY_IPV4, true },
	{ IPPROTO_ICMPV6, "ICMPv6", 0, UINT8_MAX, POLICY_IPV6, true },
	{ POLICY_PROTOCOL_OTHER, "other", 0, 0, POLICY_BOTH, true },
};

void policy_ports_fini(struct policy_ports *ports)
{
	free(ports->items);
	*ports = (struct policy_ports){ 0 };
}

int policy_ports_append(struct policy_ports *ports, uint8_t protocol, uint16_t first, uint16_t last)
{
	struct policy_port_range *end = NULL, *items;

	if (ports->count)
		end = &ports->items[ports->count - 1];
	if (end && end->protocol == protocol && end->last + 1u == first) {
		end->last = last;
		return 0;
	}
	items = array_room(ports->items, ports->count, &ports->room, sizeof(*items));
	if (!items)
		return -ENOMEM;
	ports->items = items;
	items[ports->count++] = (struct policy_port_range){ protocol, first, last };
	return 0;
}

static bool has_whole(const struct policy_ports *ports, const struct policy_port_space *space)
{
	for (size_t i = 0; i < ports->count; i++)
		if (ports->items[i].protocol == space->protocol)
			return ports->items[i].first == space->first &&
			       ports->items[i].last == space->last;
	return false;
}

bool policy_ports_is_all(const struct policy_ports *ports, unsigned int families)
{
	for (size_t s = 0; s < POLICY_PORT_SPACES; s++)
		if ((policy_port_spaces[s].families & families) &&
		    !has_whole(ports, &policy_port_spaces[s]))
			return false;
	return true;
}

bool policy_ports_equal(const struct policy_ports *a, const struct policy_ports *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].protocol != b->items[i].protocol ||
		    a->items[i].first != b->items[i].first || a->items[i].last != b->items[i].last)
			return false;
	return true;
}

/* What the space has and the set has not. */
static int complement(const struct policy_ports *ports, unsigned int families,
		      struct policy_ports *ret)
{
	int r = 0;

	for (size_t s = 0; s < POLICY_PORT_SPACES; s++) {
		const struct policy_port_space *space = &policy_port_spaces[s];
		uint32_t next = space->first;

		if (!(space->families & families))
			continue;
		for (size_t i = 0; !r && i < ports->count; i++) {
			const struct policy_port_range *item = &ports->items[i];

			if (item->protocol != space->protocol)
				continue;
			if (item->first > next)
				r = policy_ports_append(ret, space->protocol, (uint16_t)next,
							(uint16_t)(item->first - 1));
			next = item->last + 1u;
		}
		if (!r && next <= space->last)
			r = policy_ports_append(ret, space->protocol, (uint16_t)next, space->last);
	}
	return r;
}

static void print_ranges(FILE *out, const struct policy_ports *ports, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		const struct policy_port_range *item = &ports->items[i];

		fprintf(out, "%s%u", i > first ? "," : "", item->first);
		if (item->last > item->first)
			fprintf(out, "-%u", item->last);
	}
}

static void print_space(FILE *out, const struct policy_ports *ports,
			const struct policy_port_space *space, size_t first, size_t count)
{
	if (space->protocol == POLICY_PROTOCOL_OTHER) {
		fputs("other protocols", out);
	} else if (has_whole(ports, space)) {
		fprintf(out, space->name_first ? "%s/all" : "all/%s", space->name);
	} else if (space->name_first) {
		fprintf(out, "%s/", space->name);
		print_ranges(out, ports, first, count);
	} else {
		print_ranges(out, ports, first, count);
		fprintf(out, "/%s", space->name);
	}
}

/* Ranges of a protocol from `at` on. */
static size_t count_ranges(const struct policy_ports *ports, size_t at, uint8_t protocol)
{
	size_t count = 0;

	while (at + count < ports->count && ports->items[at + count].protocol == protocol)
		count++;
	return count;
}

static bool same_ranges(const struct policy_ports *ports, size_t a, size_t b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ports->items[a + i].first != ports->items[b + i].first ||
		    ports->items[a + i].last != ports->items[b + i].last)
			return false;
	return true;
}

/* The same ports of TCP, UDP and SCTP, which policies call ANY; not all ports, which would be read
 * as everything. */
static bool is_any(const struct policy_ports *ports, size_t count)
{
	return count && !has_whole(ports, &policy_port_spaces[0]) &&
	       count_ranges(ports, count, IPPROTO_UDP) == count &&
	       count_ranges(ports, 2 * count, IPPROTO_SCTP) == count &&
	       same_ranges(ports, 0, count, count) && same_ranges(ports, 0, 2 * count, count);
}

static void print_list(FILE *out, const struct policy_ports *ports)
{
	size_t at = count_ranges(ports, 0, IPPROTO_TCP);

	if (is_any(ports, at)) {
		print_ranges(out, ports, 0, at);
		fputs("/ANY", out);
		at *= 3;
	} else {
		at = 0;
	}
	for (size_t s = 0; s < POLICY_PORT_SPACES; s++) {
		const struct policy_port_space *space = &policy_port_spaces[s];
		size_t count = count_ranges(ports, at, space->protocol);

		if (!count)
			continue;
		if (at)
			fputs(", ", out);
		print_space(out, ports, space, at, count);
		at += count;
	}
}

char *policy_ports_format(const struct policy_ports *ports, unsigned int families)
{
	struct policy_ports rest = { 0 };
	const struct policy_port_space *other = &policy_port_spaces[POLICY_PORT_SPACES - 1];
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int r = out ? complement(ports, families, &rest) : -ENOMEM;

	/* With what no rule can name, it is said by what it lacks. */
	if (r < 0) {
	} else if (!ports->count) {
		fputs("none", out);
	} else if (!rest.count) {
		fputs("all", out);
	} else if (has_whole(ports, other)) {
		fputs("all but ", out);
		print_list(out, &rest);
	} else {
		print_list(out, ports);
	}
	policy_ports_fini(&rest);
	if (out && fclose(out) != 0)
		r = -ENOMEM;
	if (r < 0) {
		free(text);
		return NULL;
	}
	return text;
}
