/* SPDX-License-Identifier: Apache-2.0 */
#include "port_prefix.h"

#include <assert.h>

size_t port_prefix_split(uint16_t first, uint16_t last, struct port_prefix ret[PORT_PREFIX_MAX])
{
	uint32_t port = first;
	size_t count = 0;

	assert(first <= last);
	while (port <= last) {
		uint32_t size = port ? port & -port : 1u << 16; /* what its alignment permits */

		while (port + size - 1 > last)
			size >>= 1;
		assert(count < PORT_PREFIX_MAX);
		ret[count].port = (uint16_t)port;
		ret[count].bits = (uint8_t)(16 - __builtin_ctz(size));
		count++;
		port += size;
	}
	return count;
}
