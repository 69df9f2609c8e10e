/* SPDX-License-Identifier: Apache-2.0 */
#include "map_set.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/util.h"

#define NEXT "-next"
#define PREV "-prev"

/* Entries of these move over by themselves. The queue is emptied by hand (migrate.h). */
static const char *const with_predecessor[] = { "td_ct", "td_ct_new", "td_nat", "td_ct_gc" };
/* Stand-ins in the objects for predecessors; never pinned by themselves. */
static const char *const stand_ins[] = { "td_ct_prev", "td_ct_new_prev", "td_nat_prev" };

static bool listed(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static bool keeps_predecessor(const char *name)
{
	return listed(with_predecessor, ARRAY_SIZE(with_predecessor), name);
}

/* Maps of ours by name; .rodata and the like belong to one load. */
static bool is_shared(const char *name)
{
	return strncmp(name, "td_", 3) == 0 && !listed(stand_ins, ARRAY_SIZE(stand_ins), name);
}

int map_ids_add(struct map_ids *ids, uint32_t prog_id)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(prog_id);
	struct bpf_prog_info info = { 0 };
	uint32_t length = sizeof(info);
	size_t room = ARRAY_SIZE(ids->ids) - ids->count;

	if (fd < 0)
		return -errno;
	info.nr_map_ids = (uint32_t)room;
	info.map_ids = (uintptr_t)&ids->ids[ids->count];
	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return -errno;
	if (info.nr_map_ids > room)
		return -E2BIG;
	ids->count += info.nr_map_ids;
	return 0;
}

static bool map_ids_has(const struct map_ids *ids, uint32_t id)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->ids[i] == id)
			return true;
	}
	return false;
}

void map_set_init(struct map_set *set, const struct pins *pins)
{
	set->pins = pins;
	set->count = 0;
	set->made_count = 0;
}

void map_set_close(struct map_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		close(set->entries[i].fd);
	set->count = 0;
}

static struct map_entry *find(const struct map_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->entries[i].name, name) == 0)
			return (struct map_entry *)&set->entries[i];
	}
	return NULL;
}

int map_set_fd(const struct map_set *set, const char *name)
{
	const struct map_entry *entry = find(set, name);

	return entry ? entry->fd : -1;
}

static int add(struct map_set *set, const char *name, int fd, bool successor)
{
	struct map_entry *entry = &set->entries[set->count];

	if (set->count == MAP_SET_MAX)
		return -E2BIG;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	entry->fd = fd;
	entry->successor = successor;
	set->count++;
	return 0;
}

static int map_info(int fd, struct bpf_map_info *info)
{
	uint32_t length = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &length) < 0 ? -errno : 0;
}

static void suffixed(char name[PIN_NAME_MAX + 8], const char *base, const char *suffix)
{
	snprintf(name, PIN_NAME_MAX + 8, "%s%s", base, suffix);
}

static bool has_suffix(const char *name, const char *suffix, char base[PIN_NAME_MAX])
{
	size_t length = strlen(name), tail = strlen(suffix);

	if (length <= tail || length >= PIN_NAME_MAX || strcmp(name + length - tail, suffix) != 0)
		return false;
	memcpy(base, name, length - tail);
	base[length - tail] = '\0';
	return true;
}

static int put_into_force(const struct pins *pins, const char *name)
{
	char next[PIN_NAME_MAX + 8], prev[PIN_NAME_MAX + 8];
	int r;

	suffixed(next, name, NEXT);
	suffixed(prev, name, PREV);
	if (keeps_predecessor(name)) {
		r = pins_rename(pins, PIN_MAP, name, prev);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return pins_rename(pins, PIN_MAP, next, name);
}

struct recovery {
	const struct pins *pins;
	const struct map_ids *in_force;
};

static int recover_one(const char *name, void *data)
{
	const struct recovery *recovery = data;
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info;
	char base[PIN_NAME_MAX];
	int r;

	if (!has_suffix(name, NEXT, base))
		return 0;
	fd = pins_get(recovery->pins, PIN_MAP, name);
	r = fd < 0 ? fd : map_info(fd, &info);
	if (r == 0 && map_ids_has(recovery->in_force, info.id))
		return put_into_force(recovery->pins, base);
	return pins_remove(recovery->pins, PIN_MAP, name);
}

int map_set_recover(const struct pins *pins, const struct map_ids *in_force)
{
	struct recovery recovery = { pins, in_force };

	return pins_for_each(pins, PIN_MAP, recover_one, &recovery);
}

static bool as_declared(const struct bpf_map *map, const struct bpf_map_info *info)
{
	return info->type == bpf_map__type(map) && info->key_size == bpf_map__key_size(map) &&
	       info->value_size == bpf_map__value_size(map) &&
	       info->max_entries == bpf_map__max_entries(map) &&
	       info->map_flags == bpf_map__map_flags(map);
}

/* These two are what the attached entry programs know; a build that changed them cannot take over
 * without a moment in which nothing is enforced. */
static bool is_foundation(const char *name)
{
	return strcmp(name, "td_config") == 0 || strcmp(name, "td_progs") == 0;
}

enum { MAP_IS_KEPT = 0, MAP_IS_NEW = 1 };

static int reuse_pinned(struct map_set *set, struct bpf_map *map, struct diag *diag)
{
	const char *name = bpf_map__name(map);
	_cleanup_close_ int fd = pins_get(set->pins, PIN_MAP, name);
	struct bpf_map_info info;
	int r;

	if (fd < 0)
		return fd == -ENOENT ? MAP_IS_NEW : fd;
	r = map_info(fd, &info);
	if (r < 0)
		return r;
	if (!as_declared(map, &info)) {
		if (!is_foundation(name))
			return MAP_IS_NEW;
		diag_set(diag, NULL, 0,
			 "map %s in %s is of an incompatible build: run `tendril cleanup` first",
			 name, set->pins->dir);
		return -EPROTO;
	}
	r = add(set, name, fd, false);
	if (r < 0)
		return r;
	/* From here on the map has another copy of its name. */
	return bpf_map__reuse_fd(map, take_fd(fd));
}

int map_set_reuse(struct map_set *set, struct bpf_object *object, struct diag *diag)
{
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, object)
	{
		const struct map_entry *entry;

		if (!is_shared(bpf_map__name(map)))
			continue;
		entry = find(set, bpf_map__name(map));
		r = entry ? bpf_map__reuse_fd(map, entry->fd) : reuse_pinned(set, map, diag);
		if (r < 0) {
			diag_set(diag, NULL, 0, "cannot take over map %s: %s", bpf_map__name(map),
				 strerror(-r));
			return r;
		}
		if (r == MAP_IS_NEW)
			set->made[set->made_count++] = map;
	}
	return 0;
}

static int pin_made(struct map_set *set, const struct bpf_map *map)
{
	char next[PIN_NAME_MAX + 8];
	const char *name = bpf_map__name(map);
	_cleanup_close_ int fd = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3);
	bool successor = false;
	int r;

	if (fd < 0)
		return -errno;
	r = pins_put(set->pins, PIN_MAP, name, fd);
	if (r == -EEXIST) {
		suffixed(next, name, NEXT);
		successor = true;
		r = pins_put(set->pins, PIN_MAP, next, fd);
	}
	if (r == 0)
		r = add(set, name, fd, successor);
	if (r == 0)
		take_fd(fd);
	return r;
}

int map_set_adopt(struct map_set *set, struct diag *diag)
{
	int r;

	for (size_t i = 0; i < set->made_count; i++) {
		r = pin_made(set, set->made[i]);
		if (r < 0) {
			diag_set(diag, NULL, 0, "cannot pin map %s in %s: %s",
				 bpf_map__name(set->made[i]), set->pins->dir, strerror(-r));
			return r;
		}
	}
	set->made_count = 0;
	return 0;
}

int map_set_settle(struct map_set *set)
{
	int r;

	for (size_t i = 0; i < set->count; i++) {
		if (!set->entries[i].successor)
			continue;
		r = put_into_force(set->pins, set->entries[i].name);
		if (r < 0)
			return r;
		set->entries[i].successor = false;
	}
	return 0;
}

int map_set_predecessor(const struct map_set *set, const char *name)
{
	_cleanup_close_ int pinned = pins_get(set->pins, PIN_MAP, name);
	char prev[PIN_NAME_MAX + 8];
	struct bpf_map_info info, ours;

	/* Without an entry it is about to be made: what is pinned will be its predecessor. */
	if (pinned >= 0 && map_info(pinned, &info) == 0 &&
	    (map_set_fd(set, name) < 0 ||
	     (map_info(map_set_fd(set, name), &ours) == 0 && ours.id != info.id)))
		return take_fd(pinned);
	suffixed(prev, name, PREV);
	return pins_get(set->pins, PIN_MAP, prev);
}

bool map_set_makes_predecessor(const struct map_set *set)
{
	for (size_t i = 0; i < set->made_count; i++) {
		if (keeps_predecessor(bpf_map__name(set->made[i])))
			return true;
	}
	return false;
}

bool map_set_makes(const struct map_set *set, const char *name)
{
	for (size_t i = 0; i < set->made_count; i++) {
		if (strcmp(bpf_map__name(set->made[i]), name) == 0)
			return true;
	}
	return false;
}

static int drop_predecessor(const char *name, void *data)
{
	char base[PIN_NAME_MAX];

	return has_suffix(name, PREV, base) ? pins_remove(data, PIN_MAP, name) : 0;
}

int map_set_drop_predecessors(const struct pins *pins)
{
	return pins_for_each(pins, PIN_MAP, drop_predecessor, (void *)pins);
}

static int is_predecessor(const char *name, void *data)
{
	char base[PIN_NAME_MAX];

	return has_suffix(name, PREV, base);
}

bool map_set_has_predecessors(const struct pins *pins)
{
	return pins_for_each(pins, PIN_MAP, is_predecessor, NULL) > 0;
}
