/* SPDX-License-Identifier: Apache-2.0 */
/* load: this build's programs and maps into the kernel, beside those in force.
 *
 * In: options, pins    Out: datapath.maps, entry programs, the other half of td_progs filled
 * Owns: nothing after it returns but what it put into struct datapath    Thread: main loop only
 *
 * Nothing is in force by it, except on a first start, when there is nothing else. */
#pragma once

#include "internal.h"

int load_programs(struct datapath *datapath, struct diag *diag);
