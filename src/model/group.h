/* SPDX-License-Identifier: Apache-2.0 */
/* group: which objects a rule's reference means.
 *
 * In: references of rules (model/policy.h), objects    Out: yes or no, an order, words
 * Owns: nothing    Thread: any */
#pragma once

#include <stdbool.h>

#include "model/object.h"

/* The kind of objects that references of a kind mean. */
enum object_kind group_object_kind(enum group_kind kind);
/* An object of another kind than the reference's is never meant. */
bool group_ref_matches(const struct group_ref *ref, const struct object *object);
/* A total order in which references that mean the same objects are equal, but for the order in which
 * ids and names are written. What they except does not count. */
int group_ref_compare(const struct group_ref *a, const struct group_ref *b);
/* "CiliumCIDRGroup vpn", "Service default/web", "InventoryGroup of sg-1 in us-west-2"; the caller
 * frees. NULL if memory is short. */
char *group_ref_format(const struct group_ref *ref);
