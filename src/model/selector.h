/* SPDX-License-Identifier: Apache-2.0 */
/* selector: matchLabels and matchExpressions over a label set.
 *
 * Keys may carry a source ("k8s:app", "reserved:host", "any:app"); none means any source.
 * Requirements AND; values of In OR; NotIn and DoesNotExist match absent keys. An empty selector
 * matches every label set.
 *
 * Owns: its strings    Thread: any, immutable once parsed */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "model/labels.h"

enum selector_op { SELECTOR_IN, SELECTOR_NOT_IN, SELECTOR_EXISTS, SELECTOR_NOT_EXISTS };

struct requirement {
	char *source; /* NULL: any */
	char *key;
	enum selector_op op;
	char **values; /* sorted */
	size_t value_count;
};

struct selector {
	struct requirement *items; /* sorted: equal selectors compare equal */
	size_t count;
};

void selector_free(struct selector *selector);
DEFINE_FREEP(selector);
int selector_copy(const struct selector *selector, struct selector **ret);
int selector_compare(const struct selector *a, const struct selector *b);
bool selector_matches(const struct selector *selector, const struct labels *labels);

/* Adds a requirement, copying its arguments. 0 or -ENOMEM. */
int selector_add(struct selector *selector, const char *source, const char *key,
		 enum selector_op op, const char *const *values, size_t value_count);
struct selector *selector_new(void);
