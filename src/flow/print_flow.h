/* SPDX-License-Identifier: Apache-2.0 */
/* print_flow: the pieces a printed flow is made of; shared by the formats of print.c.
 *
 * In: flow.Flow    Out: text on a FILE    Owns: nothing    Thread: one */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "flow/print.h"

/* Text of others: escape characters and carriage returns made harmless. NULL prints nothing. */
void print_flow_text(FILE *out, const char *text);
/* In double quotes, with \ before quotes and backslashes and \xNN for control characters. */
void print_flow_quoted(FILE *out, const char *text);
/* The value's name; its number if it has none. */
void print_flow_enum(FILE *out, const ProtobufCEnumDescriptor *type, int value);
/* format as in flow_print_options; "N/A" without a valid time. */
void print_flow_time(FILE *out, const Google__Protobuf__Timestamp *time, const char *format,
		     bool local);
/* "ns/pod:port", or service, names, address, MAC. destination: that side, else the source. */
void print_flow_host(FILE *out, const Flow__Flow *flow, bool destination,
		     const struct flow_print_options *options);
/* "(world)" or "(ID:1234)"; NULL is identity 0. */
void print_flow_identity(FILE *out, const Flow__Endpoint *endpoint,
			 const struct flow_print_options *options);
void print_flow_type(FILE *out, const Flow__Flow *flow);
void print_flow_verdict(FILE *out, const Flow__Flow *flow,
			const struct flow_print_options *options);
void print_flow_summary(FILE *out, const Flow__Flow *flow,
			const struct flow_print_options *options);
/* Our additions (flow/to_proto.h) as " [decision] [packets ...]"; nothing if there are none. */
void print_flow_extensions(FILE *out, const Flow__Flow *flow);

/* Lines of cells separated by tabs as columns: each as wide as its widest cell and three spaces.
 * What stands after a line's last tab is not padded. -ENOMEM. */
int print_table(FILE *out, const char *text, size_t size);
