/* SPDX-License-Identifier: Apache-2.0 */
/* A FlowFilter from the wire is compiled or refused with a reason; compiled, it can be asked. The
 * first two bytes are the length of the filter; a field mask's path follows. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "flow/filter.h"
#include "flow/to_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_filter(const uint8_t *data, size_t size, const struct flow_names *names)
{
	Flow__FlowFilter *message = flow__flow_filter__unpack(NULL, size, data);
	struct flow_record record = { .ip_version = 4, .protocol = 6, .tcp_flags = 2, .type = 4 };
	struct flow_filter *filter = NULL;
	struct diag diag = { 0 };

	if (!message)
		return;
	if (flow_filter_new(&message, 1, &message, 1, 0, &diag, &filter) == 0)
		/* What a list lets through its equal takes away. */
		assert(!flow_filter_match(filter, names, &record));
	else
		assert(diag_is_set(&diag));
	flow_filter_free(filter);
	flow__flow_filter__free_unpacked(message, NULL);
}

static void try_mask(const uint8_t *data, size_t size, const struct flow_names *names)
{
	char *path = calloc(1, size + 1);
	struct flow_record record = { .ip_version = 4, .protocol = 6 };
	struct flow_mask *mask = NULL;
	struct diag diag = { 0 };
	Flow__Flow *flow;

	assert(path);
	memcpy(path, data, size);
	if (flow_mask_new(&path, 1, &diag, &mask) == 0) {
		assert(flow_to_proto(&record, names, mask, &flow) == 0);
		flow__flow__free_unpacked(flow, NULL);
	}
	flow_mask_free(mask);
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flow_names *names;
	size_t length;

	if (size < 2)
		return 0;
	length = MIN((size_t)data[0] << 8 | data[1], size - 2);
	assert(flow_names_new(1, &names) == 0);
	try_filter(data + 2, length, names);
	try_mask(data + 2 + length, size - 2 - length, names);
	flow_names_free(names);
	return 0;
}
