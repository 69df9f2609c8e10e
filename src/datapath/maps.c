/* SPDX-License-Identifier: Apache-2.0 */
/* How full the maps are and what they weigh. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

/* Bounds the time of a listing; what holds more is told as "not counted". */
#define COUNT_MAX 65536

static bool is_counted(uint32_t type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
	       type == BPF_MAP_TYPE_LPM_TRIE;
}

static int count_one(const void *key, const void *value, void *data)
{
	return ++*(uint64_t *)data > COUNT_MAX;
}

/* The kernel says it only here (Documentation/filesystems/proc.rst, fdinfo of bpf maps). */
static uint64_t map_memory(int fd)
{
	_cleanup_fclose_ FILE *file = NULL;
	char line[128];
	unsigned long long bytes = 0;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	file = fopen(line, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	}
	return bytes;
}

static int describe(const struct map_entry *entry, struct datapath_map_info *ret)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);
	uint64_t count = 0;

	if (bpf_obj_get_info_by_fd(entry->fd, &info, &length) < 0)
		return -errno;
	ret->name = entry->name;
	ret->max_entries = info.max_entries;
	ret->memory = map_memory(entry->fd);
	ret->used = UINT64_MAX;
	if (is_counted(info.type) && map_io_for_each(entry->fd, count_one, &count) == 0)
		ret->used = count;
	return 0;
}

int datapath_maps(struct datapath *datapath, struct datapath_map_info **ret, size_t *ret_count)
{
	_cleanup_free_ struct datapath_map_info *infos =
		calloc(datapath->maps.count, sizeof(*infos));
	int r;

	if (!infos)
		return -ENOMEM;
	for (size_t i = 0; i < datapath->maps.count; i++) {
		r = describe(&datapath->maps.entries[i], &infos[i]);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(infos);
	*ret_count = datapath->maps.count;
	return 0;
}
