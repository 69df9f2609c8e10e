/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_features: what this kernel offers and what each missing piece costs.
 *
 * In: the running kernel    Out: a table    Owns: nothing    Thread: any
 *
 * Each answer comes from trying: a tiny program is loaded, or a call made that is refused for one
 * reason if the feature is there and for another if it is not. Devices are tried in a network
 * namespace of a child process; nothing of the caller's is changed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FEATURE_DETAIL_MAX 96

struct kernel_feature {
	const char *name;
	const char *cost; /* what does not work, or works otherwise, without it */
	bool required;    /* without it the agent does not start */
	bool present;
	char detail[FEATURE_DETAIL_MAX]; /* found, or why not; may be "" */
};

/* All rows, in the order to be printed; static number of them, caller frees the array. -ENOMEM. */
int kernel_features_probe(struct kernel_feature **ret, size_t *ret_count);
