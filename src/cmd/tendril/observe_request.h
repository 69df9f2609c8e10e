/* SPDX-License-Identifier: Apache-2.0 */
/* observe_request: which flows `tendril observe` asks for, beyond filters, and where else from.
 *
 * In: flags    Out: the bytes of a GetFlowsRequest; flows of a file
 * Owns: the copies of what it was given    Thread: any */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "flow/print.h"
#include "observe_filter.h"
#include "verb.h"

struct observe_request {
	uint64_t number; /* 0: not given; UINT64_MAX: all */
	bool first, last, all, follow;
	uint64_t since, until; /* ns since 1970; 0: none */
	char *mask;            /* paths separated by commas; NULL: none */
};

/* One flag. -ENOENT: none of these; -EINVAL with diag. */
int observe_request_set(struct observe_request *request, const char *name, const char *value,
			struct diag *diag);
/* What was not said: so many of the last flows, unless a time or --follow says which. */
void observe_request_defaults(struct observe_request *request, uint64_t number);
void observe_request_clear(struct observe_request *request);

/* Caller frees. -ENOMEM. */
int observe_request_pack(const struct observe_request *request, const struct observe_lists *white,
			 const struct observe_lists *black, uint8_t **ret, size_t *ret_size);

/* Whether an answer is to be shown: with --since and --last some are older. */
bool observe_request_wants(const struct observe_request *request,
			   const Observer__GetFlowsResponse *response);

/* As --print-raw-filters shows it; caller frees. */
int observe_filter_format(const Flow__FlowFilter *filter, char **ret);

/* Prints the GetFlowsResponses of a file, one JSON object per line; "-" is stdin. Returns an exit
 * code, having said what is wrong. */
int observe_file(const struct verb *verb, const char *path, const struct observe_request *request,
		 struct flow_printer *printer);
