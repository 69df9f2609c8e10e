/* SPDX-License-Identifier: Apache-2.0 */
/* attach: the entry programs on a device, both directions.
 *
 * In: program fds, ifindex    Out: links    Owns: links/ of the pin directory, filters of our name
 * Thread: main loop only
 *
 * At first direct-action filters at clsact: they are there at once. Where the kernel has tcx (6.6)
 * pinned tcx links take their place later, attach_tighten(): nobody's tc command removes those, but
 * the kernel waits for an RCU grace period (10 ms and more) with each, which a pod's start cannot.
 * Replacing a program by another build's is one instant either way. While both are attached a packet
 * to the stack meets the programs twice, with the same outcome. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pins.h"

struct attacher {
	const struct pins *pins; /* borrowed */
	int netlink_fd;          /* borrowed; of the node */
	bool tcx;                /* links are wanted, and this kernel has them */
};

/* The programs of one device. */
struct attach_pair {
	int ingress_fd, egress_fd;
};

/* How exactly these programs are attached, both directions. */
enum attach_state {
	ATTACH_NONE = 0, /* not, or not all */
	ATTACH_FILTERS,  /* by clsact */
	ATTACH_LINKS,    /* by tcx */
	ATTACH_BOTH,
};

/* Whether this kernel takes tcx links for the program. */
bool attach_has_tcx(int prog_fd);
enum attach_state attach_state(const struct attacher *attacher, uint32_t ifindex,
			       const struct attach_pair *progs);
/* Attaches what is missing and puts these programs where others are. On error the device may keep
 * one of the two: the caller removes the device or tries again. */
int attach_device(const struct attacher *attacher, uint32_t ifindex,
		  const struct attach_pair *progs, struct diag *diag);
/* tcx links instead of filters. Takes long. */
int attach_tighten(const struct attacher *attacher, uint32_t ifindex,
		   const struct attach_pair *progs);
/* Takes our programs off a device, and its clsact if we made it and nobody else uses it. */
int attach_remove(const struct attacher *attacher, uint32_t ifindex);
/* Only the pins of a device that is gone. */
void attach_forget(const struct attacher *attacher, uint32_t ifindex);
/* ifindex of a name in links/; 0: not a device's. */
uint32_t attach_pin_ifindex(const char *name);
