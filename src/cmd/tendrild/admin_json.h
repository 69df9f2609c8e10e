/* SPDX-License-Identifier: Apache-2.0 */
/* admin_json: forms that several answers share. */
#pragma once

#include <jansson.h>

struct agent;

/* Array of {name, max_entries, memory, used}; used is left out where it is not counted. */
json_t *admin_maps_json(struct agent *agent);
