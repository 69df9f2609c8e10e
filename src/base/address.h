/* SPDX-License-Identifier: Apache-2.0 */
/* address: struct td_addr (abi/types.h) and prefixes, to and from text.
 *
 * Text is as inet_pton/inet_ntop write it: IPv4 dotted, IPv6 lower case (RFC 5952). A v4-mapped
 * address always prints as IPv4. Thread: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

#define ADDRESS_TEXT_MAX 46                     /* INET6_ADDRSTRLEN */
#define PREFIX_TEXT_MAX  (ADDRESS_TEXT_MAX + 4) /* "/128" */

/* length counts in the address's own family: 0..32 or 0..128. Host bits are zero. */
struct prefix {
	struct td_addr addr;
	uint8_t length;
};

bool address_is_ipv4(const struct td_addr *addr);
bool address_is_zero(const struct td_addr *addr);
int address_compare(const struct td_addr *a, const struct td_addr *b);

/* -EINVAL if text is no address. "::ffff:1.2.3.4" gives the IPv4 address. */
int address_parse(const char *text, struct td_addr *ret);
const char *address_format(const struct td_addr *addr, char buf[static ADDRESS_TEXT_MAX]);
struct td_addr address_from_ipv4(uint32_t network_order);
/* The IPv4 part in network order; the caller knows it is one. */
uint32_t address_to_ipv4(const struct td_addr *addr);

/* "10.0.0.0/8"; without a slash the whole address. -EINVAL if malformed; host bits are cleared. */
int prefix_parse(const char *text, struct prefix *ret);
const char *prefix_format(const struct prefix *prefix, char buf[static PREFIX_TEXT_MAX]);
bool prefix_contains(const struct prefix *prefix, const struct td_addr *addr);
/* inner lies wholly inside outer (equal counts), families equal. */
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
/* Length as LPM maps count it: of the 128-bit form. */
uint8_t prefix_mapped_length(const struct prefix *prefix);
