/* SPDX-License-Identifier: Apache-2.0 */
/* lockdown: identities whose policy does not fit into the kernel's maps. They pass nothing until
 * there is room, which regenerate tries again and again; everybody else goes on.
 *
 * In: what datapath_sync_policy() refused    Out: a problem that names the workloads
 * Thread: main loop only */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct agent;

/* After every sync of policy: sets or clears the problem. True: somebody is locked down. */
bool lockdown_report(struct agent *agent);
bool lockdown_has(const struct agent *agent, uint32_t identity);
