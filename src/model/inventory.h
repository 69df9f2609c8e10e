/* SPDX-License-Identifier: Apache-2.0 */
/* inventory: a cloud's groups and their addresses, as an operator's job wrote them down.
 *
 * In: YAML or JSON text    Out: objects of kind OBJECT_INVENTORY_GROUP, or a diag naming file, line,
 * found and expected    Owns: nothing    Thread: any
 *
 *	groups:
 *	- provider: aws
 *	  region: eu-central-1          # optional, as are the next two
 *	  vpc: vpc-1
 *	  subnet: subnet-1
 *	  securityGroups: [sg-1, web]   # ids and names; a name cannot begin with sg-
 *	  labels: {env: prod}           # the tags
 *	  addresses: [10.0.0.1, 10.1.0.0/24, "fd00::1"]
 *	  generatedAt: 2026-01-02T03:04:05Z    # RFC 3339
 *
 * A group's name is FILE/N, N counting from 0; the same limits hold as for manifests (object.h). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "model/object.h"

struct inventory_options {
	const char *file; /* for messages, and the objects' file */
	const char *name; /* first part of the objects' names */
	int64_t now;      /* seconds of CLOCK_REALTIME */
	int64_t max_age;  /* what was generated longer ago is refused; 0: nothing is */
};

/* Clocks differ: a generatedAt this much ahead of `now` is not refused yet. */
#define INVENTORY_AHEAD_MAX 300

/* All groups of a text, or none: -EINVAL with diag set, -ENOMEM. An empty list is no error. */
int inventory_parse(const char *text, size_t length, const struct inventory_options *options,
		    struct object_list **ret, struct diag *diag);
