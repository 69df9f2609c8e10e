/* SPDX-License-Identifier: Apache-2.0 */
/* selector: Kubernetes label selectors over lists of labels with sources.
 *
 * In: "a=b,c!=d,e in (x,y),!f,g"    Out: yes or no for "k8s:a=b", ...
 * Owns: its requirements    Thread: any, immutable once built
 *
 * Keys may name their source ("k8s:app", "reserved:host"); without one, or with "any:", every
 * source matches. "!=" and "notin" are true of labels that lack the key. Commas are "and".
 * Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/diag.h"

struct flow_selector;
/* -EINVAL with diag. "" selects everything. */
int flow_selector_new(const char *text, struct diag *diag, struct flow_selector **ret);
void flow_selector_free(struct flow_selector *selector);
DEFINE_FREEP(flow_selector);

/* labels: "source:key=value" or "source:key". */
bool flow_selector_match(const struct flow_selector *selector, const char *const *labels,
			 size_t count);
