/* SPDX-License-Identifier: Apache-2.0 */
/* print: GetFlowsResponse messages as text, byte for byte as hubble 1.19 prints them.
 *
 * In: observer.GetFlowsResponse    Out: lines on a FILE
 * Owns: nothing but the table's rows until they are printed    Thread: one
 *
 * compact  one line per flow; replies are turned round (SRC and DST swapped, arrow "<-")
 * dict     "KEY: value" lines, a line of 12 dashes between flows
 * table    columns as wide as their contents need: printed when the printer is closed
 * json     one GetFlowsResponse per line (proto_json); jsonpb is the same
 * wide     ours: compact, then the deciding policy and the connection's counts
 * Escape characters in names are shown as "^[" and "\r", so no flow can drive a terminal. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "observer.pb-c.h"

/* "compact", "dict", "table" (or "tab"), "json", "jsonpb", "wide". */
struct flow_format;
/* NULL if there is none of this name. */
const struct flow_format *flow_format_find(const char *name);
/* The names, for messages: "compact, dict, ...". */
const char *flow_format_names(void);
/* Prints as it goes: false for table, which --follow cannot use. */
bool flow_format_streams(const struct flow_format *format);

struct flow_print_options {
	bool numeric;      /* addresses, not names (--numeric or --ip-translation=false) */
	bool node_name;    /* --print-node-name */
	bool policy_names; /* --print-policy-names */
	bool color;
	bool debug;              /* node status events that are not errors too */
	const char *time_format; /* strftime() plus %3f, %6f, %9f: fractions; NULL: hubble's */
	bool local_time;         /* else UTC */
};

/* "StampMilli", "RFC3339", "RFC3339Milli", ... (hubble's --time-format) to a format for
 * flow_print_options; NULL if unknown. */
const char *flow_time_format_find(const char *name);

/* "auto": colours if out is a terminal and NO_COLOR is unset; "always"; "never". -EINVAL else. */
int flow_color_from_text(const char *when, FILE *out, bool *ret);

struct flow_printer;
/* options are copied (the strings borrowed). err gets node status events; it may be NULL. */
int flow_printer_new(const struct flow_format *format, const struct flow_print_options *options,
		     FILE *out, FILE *err, struct flow_printer **ret);
/* Prints what is left (table). -EIO if writing failed. */
int flow_printer_close(struct flow_printer *printer);
void flow_printer_free(struct flow_printer *printer);
DEFINE_FREEP(flow_printer);

/* A flow, a lost event or a node status; anything else prints nothing. -EIO, -ENOMEM; -EINVAL if a
 * message cannot be JSON. */
int flow_printer_write(struct flow_printer *printer, const Observer__GetFlowsResponse *response);
