/* SPDX-License-Identifier: Apache-2.0 */
/* Predecessors of maps, as far as we have to move their contents.
 *
 * Connections usually move by themselves: programs and timer take them over from td_ct_prev
 * (abi/conntrack.h). The queue of what the timer visits does not, when its capacity changed; until
 * its items have moved a connection is merely not visited. */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "abi/conntrack.h"
#include "base/log.h"
#include "base/util.h"

static uint64_t drain(int old, int queue)
{
	struct td_gc_item item;
	uint64_t lost = 0;

	while (bpf_map_lookup_and_delete_elem(old, NULL, &item) == 0) {
		if (bpf_map_update_elem(queue, NULL, &item, BPF_ANY) < 0)
			lost++;
	}
	return lost;
}

int datapath_migrate(struct datapath *datapath)
{
	_cleanup_close_ int old = map_set_predecessor(&datapath->maps, "td_ct_gc");
	uint64_t lost;

	if (old < 0)
		return old == -ENOENT ? 0 : old;
	lost = drain(old, map_set_fd(&datapath->maps, "td_ct_gc"));
	if (lost)
		log_warn("datapath", "connections beyond the new capacity stay until replaced",
			 LOG_UINT("connections", lost));
	return 0;
}

struct move {
	int from, to;
	uint32_t from_size, to_size;
	char *value, *still;
};

/* The fields both layouts have are the first ones (abi/conntrack.h). What has not moved is in the
 * queue still; the timer, when it drops an item, deletes the entry in both maps. */
static int move_one(const void *key, const void *value, void *data)
{
	struct move *move = data;

	memset(move->value, 0, move->to_size);
	memcpy(move->value, value, MIN(move->from_size, move->to_size));
	if (bpf_map_update_elem(move->to, key, move->value, BPF_NOEXIST) < 0)
		return 0; /* it moved before, or there is no room */
	if (bpf_map_lookup_elem(move->from, key, move->still) < 0)
		bpf_map_delete_elem(move->to, key);
	return 0;
}

static uint32_t value_size(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) < 0 ? 0 : info.value_size;
}

static int move_map(const struct pins *pins, const char *name, const char *prev)
{
	_cleanup_close_ int from = pins_get(pins, PIN_MAP, prev);
	_cleanup_close_ int to = pins_get(pins, PIN_MAP, name);
	_cleanup_free_ char *value = NULL, *still = NULL;
	struct move move = { .from = from, .to = to };

	if (from == -ENOENT)
		return 0;
	if (from < 0 || to < 0)
		return from < 0 ? from : to;
	move.from_size = value_size(from);
	move.to_size = value_size(to);
	move.value = value = calloc(1, move.to_size + 1);
	move.still = still = calloc(1, move.from_size + 1);
	return value && still ? map_io_for_each(from, move_one, &move) : -ENOMEM;
}

int datapath_migrate_all(const struct pins *pins)
{
	_cleanup_close_ int queue = pins_get(pins, PIN_MAP, "td_ct_gc");
	_cleanup_close_ int old_queue = pins_get(pins, PIN_MAP, "td_ct_gc-prev");
	int r;

	if (queue < 0)
		return queue;
	if (old_queue >= 0)
		drain(old_queue, queue);
	r = move_map(pins, "td_ct", "td_ct-prev");
	if (r == 0)
		r = move_map(pins, "td_ct_new", "td_ct_new-prev");
	if (r == 0)
		r = move_map(pins, "td_nat", "td_nat-prev");
	return r < 0 ? r : map_set_drop_predecessors(pins);
}
