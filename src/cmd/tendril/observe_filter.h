/* SPDX-License-Identifier: Apache-2.0 */
/* observe_filter: the filter flags of `tendril observe` as lists of flow.FlowFilter.
 *
 * In: flags in their order    Out: whitelist and blacklist of GetFlowsRequest
 * Owns: the filters it builds    Thread: any
 *
 * As hubble builds them: different flags are ANDed, values of one flag are ORed; a flag that means
 * either side ("--pod") makes two filters, one for the source and one for the destination, so that
 * "--pod a --port 80" is a's port 80 on the same side; "--not" puts the next flag into the
 * blacklist. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "flow.pb-c.h"

struct observe_filters;

int observe_filters_new(struct observe_filters **ret);
void observe_filters_free(struct observe_filters *filters);
DEFINE_FREEP(observe_filters);

/* One flag without its dashes. -ENOENT: no filter flag; -EINVAL with diag; -ENOMEM. "not" too. */
int observe_filters_add(struct observe_filters *filters, const char *name, const char *value,
			struct diag *diag);
/* A FlowFilter in JSON, or several one after the other, as --allowlist and --denylist take them. */
int observe_filters_add_json(struct observe_filters *filters, bool deny, const char *json,
			     struct diag *diag);

struct observe_lists {
	Flow__FlowFilter **items;
	size_t count;
};

/* Once, after the last flag. The lists belong to filters. -EINVAL with diag: flags that contradict
 * each other, or a --not that nothing follows. */
int observe_filters_finish(struct observe_filters *filters, struct observe_lists *ret_white,
			   struct observe_lists *ret_black, struct diag *diag);

/* What a server says of a filter, "whitelist[0].source_pod: found ...", in words of the flags it was
 * made from: "--pod: found ...". After observe_filters_finish(); caller frees. -ENOENT: it is about
 * something else. */
int observe_filters_explain(const struct observe_filters *filters, const char *text, char **ret);
