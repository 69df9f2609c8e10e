/* SPDX-License-Identifier: Apache-2.0 */
/* What is read as JSON is written so that it reads the same again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "observer.pb-c.h"
#include "wire/proto_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ProtobufCMessage *parse(const char *text, size_t size)
{
	ProtobufCMessage *message = NULL;
	struct diag diag = { 0 };

	if (proto_json_parse(&observer__get_flows_response__descriptor, text, size,
			     PROTO_JSON_IGNORE_UNKNOWN, &diag, &message) < 0)
		assert(diag_is_set(&diag) && !message);
	return message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ProtobufCMessage *message = parse((const char *)data, size), *again;
	char *text = NULL, *same = NULL;

	/* A time before year 1 and the like can be read but not written. */
	if (message && proto_json_format(message, &text) == 0) {
		again = parse(text, strlen(text));
		assert(again && proto_json_format(again, &same) == 0);
		assert(!strcmp(text, same));
		protobuf_c_message_free_unpacked(again, NULL);
	}
	free(text);
	free(same);
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}
