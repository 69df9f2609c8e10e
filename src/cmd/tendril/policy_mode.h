/* SPDX-License-Identifier: Apache-2.0 */
/* policy_mode: sets and unsets PolicyModes, as `tendril audit` and `tendril enforcement` do: objects
 * that are applied like any other, one per target.
 *
 * In: a target, a mode    Out: requests to the agent    Owns: nothing    Thread: one */
#pragma once

#include "model/object.h"
#include "verb.h"

struct policy_target {
	enum object_kind kind; /* Node: this one */
	const char *namespace; /* of kinds in one */
	const char *name;      /* NULL: Node */
};

/* Applies the PolicyMode of a target whose field ("audit", "enforcement") is value, or deletes it if
 * value is NULL. Returns 0 or an exit code after saying why. */
int policy_mode_set(const struct cli *cli, const struct verb *verb,
		    const struct policy_target *target, const char *field, const char *value);
