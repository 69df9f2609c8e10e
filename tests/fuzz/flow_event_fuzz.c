/* SPDX-License-Identifier: Apache-2.0 */
/* An event of any bytes becomes flows that every printer can print, or is refused. The first bytes
 * choose the format; two events follow, so that a DNS answer can name the addresses of the next. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "flow/print.h"
#include "flow/record.h"
#include "flow/to_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct flow_record *record, const struct flow_names *names, uint8_t choice)
{
	static const char *const formats[] = { "compact", "dict", "table", "json", "wide" };
	struct flow_print_options options = { .color = choice & 1,
					      .node_name = choice & 2,
					      .numeric = choice & 4,
					      .policy_names = choice & 8 };
	Observer__GetFlowsResponse *response;
	struct flow_printer *printer;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert(out && flow_to_response(record, names, NULL, &response) == 0);
	assert(flow_printer_new(flow_format_find(formats[(choice >> 4) % ARRAY_SIZE(formats)]),
				&options, out, NULL, &printer) == 0);
	assert(flow_printer_write(printer, response) == 0);
	assert(flow_printer_close(printer) == 0);
	flow_printer_free(printer);
	observer__get_flows_response__free_unpacked(response, NULL);
	fclose(out);
	assert(size > 0);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flow_record records[FLOW_RECORDS_PER_EVENT];
	struct flow_names *names;
	uint8_t choice;
	size_t first;
	int count;

	if (size < 3)
		return 0;
	choice = data[0];
	first = (size_t)data[1] << 8 | data[2];
	data += 3;
	size -= 3;
	first = MIN(first, size);
	assert(flow_names_new(4, &names) == 0);
	flow_event_dns(names, data, first);
	count = flow_decode(names, data + first, size - first, 0, records);
	for (int i = 0; i < count; i++) {
		print(&records[i], names, choice);
		flow_record_clear(&records[i]);
	}
	flow_names_free(names);
	return 0;
}
