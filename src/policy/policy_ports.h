/* SPDX-License-Identifier: Apache-2.0 */
/* policy_ports: sets of protocols and ports, exact and short to print.
 *
 * In: ranges    Out: "80,443/TCP, 53/UDP", "53/ANY", "all but 22/TCP", "all"
 * Owns: its ranges    Thread: any
 *
 * The space that sets are taken from: ports 1 to 65535 of TCP, UDP and SCTP (no packet of a program
 * has port 0), types 0 to 255 of ICMP (in IPv4) and ICMPv6 (in IPv6), and everything else as one
 * thing, because no rule tells its protocols apart. */
#pragma once

#include "base/cleanup.h"
#include "policy/policy_expand.h"

/* Every protocol but the five; 255 is reserved by IANA. */
#define POLICY_PROTOCOL_OTHER 255

/* Families a set speaks of, as bits. */
#define POLICY_IPV4 1u
#define POLICY_IPV6 2u
#define POLICY_BOTH (POLICY_IPV4 | POLICY_IPV6)

/* One protocol of the space. */
struct policy_port_space {
	uint8_t protocol;
	const char *name;
	uint16_t first, last;
	unsigned int families;
	bool name_first; /* "ICMP/8", but "80/TCP" */
};

#define POLICY_PORT_SPACES 6
/* In the order in which they are printed. */
extern const struct policy_port_space policy_port_spaces[POLICY_PORT_SPACES];

struct policy_ports {
	struct policy_port_range *items; /* in the order of the space, disjoint, not adjacent */
	size_t count, room;
};

void policy_ports_fini(struct policy_ports *ports);
/* Adds a range that comes behind all that are there. 0 or -ENOMEM. */
int policy_ports_append(struct policy_ports *ports, uint8_t protocol, uint16_t first,
			uint16_t last);
/* Everything that the families have. */
bool policy_ports_is_all(const struct policy_ports *ports, unsigned int families);
bool policy_ports_equal(const struct policy_ports *a, const struct policy_ports *b);
/* Caller frees; NULL if memory is short. "none" if it is empty. */
char *policy_ports_format(const struct policy_ports *ports, unsigned int families);
