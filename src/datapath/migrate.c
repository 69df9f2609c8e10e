/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of connections to visit, when its capacity changed: its items go to the new one.
 *
 * Connections themselves need nothing here: programs and timer take them over from td_ct_prev
 * (abi/conntrack.h). Before the items have moved a connection is merely not visited. */
#include "internal.h"

#include <errno.h>

#include <bpf/bpf.h>

#include "abi/conntrack.h"
#include "base/log.h"

int datapath_migrate(struct datapath *datapath)
{
	_cleanup_close_ int old = map_set_predecessor(&datapath->maps, "td_ct_gc");
	int queue = map_set_fd(&datapath->maps, "td_ct_gc");
	struct td_gc_item item;
	uint64_t lost = 0;

	if (old < 0)
		return old == -ENOENT ? 0 : old;
	while (bpf_map_lookup_and_delete_elem(old, NULL, &item) == 0) {
		if (bpf_map_update_elem(queue, NULL, &item, BPF_ANY) < 0)
			lost++;
	}
	if (lost)
		log_warn("datapath", "connections beyond the new capacity stay until replaced",
			 LOG_UINT("connections", lost));
	return 0;
}
