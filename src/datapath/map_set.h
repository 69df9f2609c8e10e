/* SPDX-License-Identifier: Apache-2.0 */
/* map_set: the pinned maps: kept, made new, or succeeded by one of another shape.
 *
 * In: maps as objects declare them, pins    Out: fds for the objects and for the syncs
 * Owns: maps/ in the pin directory    Thread: main loop only
 *
 * A map whose type, sizes, flags and capacity are as declared is kept. Another one gets a successor
 * beside it: programs in force go on with the old one until map_set_settle() after the switch. For
 * connections the old one is then kept as predecessor, and programs of the new build look there
 * (abi/conntrack.h). Which of a map and its successor is in force is told by the programs in force,
 * so a crash at any instant is resolved by the next start. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/libbpf.h>

#include "pins.h"

#define MAP_SET_MAX 48

struct map_entry {
	char name[PIN_NAME_MAX];
	int fd;
	bool successor; /* pinned as NAME-next so far */
};

struct map_set {
	const struct pins *pins; /* borrowed */
	size_t count;
	struct map_entry entries[MAP_SET_MAX];
	/* Of the object at hand: maps that its loading makes. By pointer: a map that takes over an
	 * fd, as the stand-ins for predecessors do, takes that one's name. */
	size_t made_count;
	const struct bpf_map *made[MAP_SET_MAX];
};

/* Ids of the maps that programs in force use. */
struct map_ids {
	size_t count;
	uint32_t ids[512];
};

/* Adds those of one program; -errno. */
int map_ids_add(struct map_ids *ids, uint32_t prog_id);

void map_set_init(struct map_set *set, const struct pins *pins);
void map_set_close(struct map_set *set);
int map_set_fd(const struct map_set *set, const char *name); /* -1: no such map */

/* Clears up what a crash left: successors in force take their names, others go. */
int map_set_recover(const struct pins *pins, const struct map_ids *in_force);
/* Before an object is loaded: gives it the maps to be kept. */
int map_set_reuse(struct map_set *set, struct bpf_object *object, struct diag *diag);
/* After: pins what the load made, and adds it. */
int map_set_adopt(struct map_set *set, struct diag *diag);
/* After the switch: successors take their names; predecessors of connections stay as NAME-prev. */
int map_set_settle(struct map_set *set);

/* The predecessor a map of connections has or will have after the switch: an fd, -ENOENT if none. */
int map_set_predecessor(const struct map_set *set, const char *name);
/* Whether loading the object at hand makes a successor of a map that keeps its predecessor. */
bool map_set_makes_predecessor(const struct map_set *set);
/* Whether loading the object at hand makes this map. */
bool map_set_makes(const struct map_set *set, const char *name);
/* Removes predecessors: all that matters has moved over. */
int map_set_drop_predecessors(const struct pins *pins);
bool map_set_has_predecessors(const struct pins *pins);
