/* SPDX-License-Identifier: Apache-2.0 */
/* pins: the agent's directory on a bpffs, and the names in it.
 *
 * In: bpf_dir    Out: fds of pinned objects    Owns: bpf_dir and what is in it; a lock on it
 * Thread: main loop only
 *
 *	maps/NAME            a map in force
 *	maps/NAME-next       its successor, until datapath_commit() puts it into force
 *	maps/NAME-prev       its predecessor, while connections move over
 *	progs/NAME           an entry program
 *	links/IFINDEX-ingress, links/IFINDEX-egress    tcx links
 *	links/IFINDEX-filters a directory: this device has, or is about to have, tc filters of ours
 *	links/IFINDEX-clsact a directory: we made this device's clsact qdisc
 *	links/cgroup-NAME    links of socket programs
 *
 * The kernel refuses dots in names on a bpffs. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "base/diag.h"

enum pin_kind { PIN_MAP, PIN_PROG, PIN_LINK, PIN_KINDS };

#define PIN_NAME_MAX    48
#define PINS_MOUNT_MARK "mounted-here" /* a directory: the bpffs was mounted by us, for us */

struct pins {
	char dir[PATH_MAX - 128];
	int lock_fd; /* -1: not locked */
};

/* Makes the directories; mounts a bpffs where there is none. -EBUSY: another agent holds the
 * directory; -errno else, diag says what to do. */
int pins_open(const char *bpf_dir, struct pins *ret, struct diag *diag);
/* The same without making, mounting or locking anything: for the clean-up. */
int pins_open_existing(const char *bpf_dir, struct pins *ret);
void pins_close(struct pins *pins);

struct pin_path {
	char text[PATH_MAX];
};

struct pin_path pins_path(const struct pins *pins, enum pin_kind kind, const char *name);
/* An fd; -ENOENT if there is none, -errno. */
int pins_get(const struct pins *pins, enum pin_kind kind, const char *name);
/* Pins under a name that must be free. */
int pins_put(const struct pins *pins, enum pin_kind kind, const char *name, int fd);
/* Pins under a name, in the place of what had it before, at one instant. */
int pins_replace(const struct pins *pins, enum pin_kind kind, const char *name, int fd);
/* Gives a pin another name, in the place of what had that. */
int pins_rename(const struct pins *pins, enum pin_kind kind, const char *from, const char *to);
/* No error if there is none. */
int pins_remove(const struct pins *pins, enum pin_kind kind, const char *name);
/* Calls fn with each name; the pin at hand may be removed. fn's non-zero stops and is returned. */
int pins_for_each(const struct pins *pins, enum pin_kind kind,
		  int (*fn)(const char *name, void *data), void *data);
