/* SPDX-License-Identifier: Apache-2.0 */
/* port_prefix: a range of ports as the fewest prefixes, for the LPM map td_pol_class.
 *
 * In: first and last port    Out: prefixes    Owns: nothing    Thread: any. Pure.
 *
 * The greedy decomposition of Gupta and McKeown, "Algorithms for Packet Classification" (2001),
 * section on ranges: at most 2 * 16 - 2 prefixes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PORT_PREFIX_MAX 30

struct port_prefix {
	uint16_t port; /* host order; bits beyond the length are zero */
	uint8_t bits;  /* 0..16 */
};

/* first <= last. Returns how many were written. */
size_t port_prefix_split(uint16_t first, uint16_t last, struct port_prefix ret[PORT_PREFIX_MAX]);
