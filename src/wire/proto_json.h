/* SPDX-License-Identifier: Apache-2.0 */
/* proto_json: protobuf messages to JSON and back, by protobuf-c's descriptors.
 *
 * In: a message, or JSON text    Out: JSON text on one line, or a message
 * Owns: nothing    Thread: any
 *
 * The proto3 JSON mapping with the names of the .proto file, as Go's protojson writes it with
 * UseProtoNames: fields by number, defaults left out (members of a oneof and messages that are
 * present are not), 64-bit numbers as strings, enums by name (by number if unknown), bytes in
 * base64; Timestamp, Duration, FieldMask, Struct, Value, ListValue and the wrappers in their short
 * forms; Any only of google.protobuf.Struct.
 * Source: https://protobuf.dev/programming-guides/json/ */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include "base/diag.h"

/* Longest text that is read, and deepest nesting read or written. */
#define PROTO_JSON_TEXT_MAX  (4u << 20)
#define PROTO_JSON_DEPTH_MAX 64

/* One line without a newline; caller frees. -ENOMEM; -EINVAL: not representable (a string that is
 * not UTF-8, a time out of range, an Any of another type, nested too deep). */
int proto_json_format(const ProtobufCMessage *message, char **ret);

enum proto_json_flags {
	PROTO_JSON_IGNORE_UNKNOWN = 1 << 0, /* fields we do not know are skipped */
};

/* Reads one JSON object. Both pod_name and podName are understood. The result is freed with
 * protobuf_c_message_free_unpacked(ret, NULL). -EINVAL with diag (line within text; its file is
 * left to the caller), -ENOMEM. */
int proto_json_parse(const ProtobufCMessageDescriptor *type, const char *text, size_t size,
		     unsigned int flags, struct diag *diag, ProtobufCMessage **ret);
