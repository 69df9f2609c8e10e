/* SPDX-License-Identifier: Apache-2.0 */
/* policy_naive: the verdict of policies as docs/policy.md tells it, without tables.
 *
 * In: policies, identities, one question    Out: allowed, audited or denied
 * Owns: nothing    Thread: any
 *
 * Deliberately slow and plain: it walks every rule for every question and shares no code with the
 * compiler, so that the two can be held against each other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/identity.h"
#include "model/object.h"

struct naive_world {
	struct object *const *policies; /* in audit mode: those whose annotation says so */
	size_t policy_count;
	enum policy_enforcement enforcement;
	const struct identity *const *pods; /* every known pod's identity */
	size_t pod_count;
	struct object *const *groups; /* CIDR groups, Services, slices, groups of an inventory */
	size_t group_count;
};

struct naive_question {
	const struct identity *subject;
	enum td_direction direction;
	const struct identity *peer; /* of the outside: the world's */
	const struct td_addr *addr;  /* of the peer; NULL: unknown */
	bool outside;                /* the peer is no endpoint and no node */
	uint8_t protocol;
	uint16_t port;
};

enum naive_answer {
	NAIVE_DENIED,
	NAIVE_AUDITED, /* denied, but by policies in audit mode alone */
	NAIVE_ALLOWED,
};
enum naive_answer naive_judge(const struct naive_world *world,
			      const struct naive_question *question);
