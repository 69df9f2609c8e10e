/* SPDX-License-Identifier: Apache-2.0 */
/* attach: the entry programs on a device, both directions.
 *
 * In: program fds, ifindex    Out: links    Owns: links/ of the pin directory, filters of our name
 * Thread: main loop only
 *
 * tcx links, pinned, where the kernel has tcx (6.6); else direct-action filters at clsact, which
 * live as long as the device. Replacing one by a program of another build is one instant either
 * way: each packet meets the old or the new. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pins.h"

struct attacher {
	const struct pins *pins; /* borrowed */
	int netlink_fd;          /* borrowed; of the node */
	bool clsact;             /* tc filters instead of tcx */
};

/* The programs of one device. */
struct attach_pair {
	int ingress_fd, egress_fd;
};

/* Whether this kernel takes tcx links for the program. */
bool attach_has_tcx(int prog_fd);
/* Attaches what is missing and puts these programs where others are. On error the device may keep
 * one of the two: the caller removes the device or tries again. */
int attach_device(const struct attacher *attacher, uint32_t ifindex,
		  const struct attach_pair *progs, struct diag *diag);
/* Whether exactly these programs are attached. -ESRCH: something is missing or another program;
 * diag says what. */
int attach_check(const struct attacher *attacher, uint32_t ifindex, const struct attach_pair *progs,
		 struct diag *diag);
/* Takes our programs off a device, and its clsact if we made it and nobody else uses it. */
int attach_remove(const struct attacher *attacher, uint32_t ifindex);
/* Only the pins of a device that is gone. */
void attach_forget(const struct attacher *attacher, uint32_t ifindex);
/* ifindex of a name in links/; 0: not a device's. */
uint32_t attach_pin_ifindex(const char *name);
