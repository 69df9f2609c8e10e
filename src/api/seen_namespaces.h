/* SPDX-License-Identifier: Apache-2.0 */
/* seen_namespaces: which namespaces had flows lately.
 *
 * In: endpoints of flows    Out: sorted names
 * Owns: copies of the names, at most SEEN_NAMESPACES_MAX    Thread: one */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "flow/names.h"

#define SEEN_NAMESPACES_MAX 4096 /* further ones are not noted */
#define SEEN_NAMESPACES_TTL 3600 /* seconds */

struct seen_namespaces;
int seen_namespaces_new(struct seen_namespaces **ret);
void seen_namespaces_free(struct seen_namespaces *seen);
DEFINE_FREEP(seen_namespaces);

/* Cheap enough for every flow: an endpoint is looked at once a second. endpoint may be NULL. */
void seen_namespaces_note(struct seen_namespaces *seen, const struct flow_endpoint *endpoint,
			  uint64_t second);
/* Those noted within the TTL, sorted; borrowed until the next call. Returns their number. */
size_t seen_namespaces_list(struct seen_namespaces *seen, uint64_t second, const char *const **ret);
