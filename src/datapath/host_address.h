/* SPDX-License-Identifier: Apache-2.0 */
/* host_address: the addresses of this network namespace, from a dump.
 *
 * In: a netlink socket    Out: addresses    Owns: nothing    Thread: the socket's */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

struct host_address {
	struct td_addr addr;
	uint32_t ifindex;
	bool global;    /* scope */
	bool secondary; /* IPv4 secondary or IPv6 temporary: no good as a masquerade address */
};

/* All but loopback, multicast and those not usable (tentative, failed). Caller frees. */
int host_address_list(int netlink_fd, struct host_address **ret, size_t *ret_count);
/* The address packets leave a device with; zero if there is none of the family. */
struct td_addr host_address_of_device(const struct host_address *addresses, size_t count,
				      uint32_t ifindex, bool ipv4);
