/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "flow/print_flow.h"
#include "wire/proto_json.h"

#define DICT_SEPARATOR   "------------\n"
#define NODE_NAMES_SHOWN 50 /* bytes, then "(and N more)" */

struct flow_printer {
	const struct flow_format *format;
	struct flow_print_options options;
	FILE *out, *err;
	FILE *table; /* rows so far, cells separated by tabs; NULL unless the format is table */
	char *table_text;
	size_t table_size;
	bool first_done;
};

struct flow_format {
	const char *name;
	bool streams, colors;
	int (*flow)(struct flow_printer *printer, const Observer__GetFlowsResponse *response);
	int (*lost)(struct flow_printer *printer, const Observer__GetFlowsResponse *response);
	int (*node)(struct flow_printer *printer, const Observer__GetFlowsResponse *response);
};

static void print_time(struct flow_printer *printer, FILE *out,
		       const Google__Protobuf__Timestamp *time)
{
	print_flow_time(out, time, printer->options.time_format, printer->options.local_time);
}

static void print_compact_line(struct flow_printer *printer, const Flow__Flow *flow)
{
	const struct flow_print_options *options = &printer->options;
	bool reply = flow->is_reply && flow->is_reply->value;
	FILE *out = printer->out;

	print_time(printer, out, flow->time);
	if (options->node_name) {
		fputs(" [", out);
		print_flow_text(out, flow->node_name);
		fputc(']', out);
	}
	fputs(": ", out);
	print_flow_host(out, flow, reply, options);
	fputc(' ', out);
	print_flow_identity(out, reply ? flow->destination : flow->source, options);
	fputs(!flow->is_reply ? " <> " : reply ? " <- " : " -> ", out);
	print_flow_host(out, flow, !reply, options);
	fputc(' ', out);
	print_flow_identity(out, reply ? flow->source : flow->destination, options);
	fputc(' ', out);
	print_flow_type(out, flow);
	fputc(' ', out);
	print_flow_verdict(out, flow, options);
	fputs(" (", out);
	print_flow_summary(out, flow, options);
	fputc(')', out);
}

static int compact_flow(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	print_compact_line(printer, response->flow);
	fputc('\n', printer->out);
	return 0;
}

static int wide_flow(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	print_compact_line(printer, response->flow);
	print_flow_extensions(printer->out, response->flow);
	fputc('\n', printer->out);
	return 0;
}

static int compact_lost(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	const Flow__LostEvent *lost = response->lost_events;

	print_time(printer, printer->out, response->time);
	if (printer->options.node_name) {
		fputs(" [", printer->out);
		print_flow_text(printer->out, response->node_name);
		fputc(']', printer->out);
	}
	fputs(" EVENTS LOST: ", printer->out);
	print_flow_enum(printer->out, &flow__lost_event_source__descriptor, (int)lost->source);
	fprintf(printer->out, " CPU(%" PRId32 ") %" PRIu64 "\n", lost->cpu ? lost->cpu->value : 0,
		lost->num_events_lost);
	return 0;
}

static void dict_separator(struct flow_printer *printer, FILE *out)
{
	if (printer->first_done)
		fputs(DICT_SEPARATOR, out);
}

static int dict_flow(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	const struct flow_print_options *options = &printer->options;
	const Flow__Flow *flow = response->flow;
	FILE *out = printer->out;

	dict_separator(printer, out);
	fputs("  TIMESTAMP: ", out);
	print_time(printer, out, flow->time);
	if (options->node_name) {
		fputs("\n       NODE: ", out);
		print_flow_text(out, flow->node_name);
	}
	fputs("\n     SOURCE: ", out);
	print_flow_host(out, flow, false, options);
	fputs("\nDESTINATION: ", out);
	print_flow_host(out, flow, true, options);
	fputs("\n       TYPE: ", out);
	print_flow_type(out, flow);
	fputs("\n    VERDICT: ", out);
	print_flow_verdict(out, flow, options);
	fputs("\n    SUMMARY: ", out);
	print_flow_summary(out, flow, options);
	fputc('\n', out);
	return 0;
}

static int dict_lost(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	const Flow__LostEvent *lost = response->lost_events;
	FILE *out = printer->out;

	dict_separator(printer, out);
	fputs("  TIMESTAMP: ", out);
	print_time(printer, out, response->time);
	if (printer->options.node_name) {
		fputs("\n       NODE: ", out);
		print_flow_text(out, response->node_name);
	}
	fputs("\n     SOURCE: ", out);
	print_flow_enum(out, &flow__lost_event_source__descriptor, (int)lost->source);
	fprintf(out,
		"\n       TYPE: EVENTS LOST\n    VERDICT: \n    SUMMARY: CPU(%" PRId32
		") - %" PRIu64 "\n",
		lost->cpu ? lost->cpu->value : 0, lost->num_events_lost);
	return 0;
}

static void table_head(struct flow_printer *printer)
{
	if (!printer->first_done)
		fprintf(printer->table,
			"TIMESTAMP\t%sSOURCE\tDESTINATION\tTYPE\tVERDICT\tSUMMARY\n",
			printer->options.node_name ? "NODE\t" : "");
}

static int table_flow(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	const struct flow_print_options *options = &printer->options;
	const Flow__Flow *flow = response->flow;
	FILE *out = printer->table;

	table_head(printer);
	print_time(printer, out, flow->time);
	fputc('\t', out);
	if (options->node_name) {
		print_flow_text(out, flow->node_name);
		fputc('\t', out);
	}
	print_flow_host(out, flow, false, options);
	fputc('\t', out);
	print_flow_host(out, flow, true, options);
	fputc('\t', out);
	print_flow_type(out, flow);
	fputc('\t', out);
	print_flow_verdict(out, flow, options);
	fputc('\t', out);
	print_flow_summary(out, flow, options);
	fputc('\n', out);
	return 0;
}

static int table_lost(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	const Flow__LostEvent *lost = response->lost_events;
	FILE *out = printer->table;

	table_head(printer);
	print_time(printer, out, response->time);
	fputc('\t', out);
	if (printer->options.node_name) {
		print_flow_text(out, response->node_name);
		fputc('\t', out);
	}
	print_flow_enum(out, &flow__lost_event_source__descriptor, (int)lost->source);
	fprintf(out, "\t\tEVENTS LOST\t\tCPU(%" PRId32 ") - %" PRIu64 "\n",
		lost->cpu ? lost->cpu->value : 0, lost->num_events_lost);
	return 0;
}

static int print_json(FILE *out, const Observer__GetFlowsResponse *response)
{
	_cleanup_free_ char *text = NULL;
	int r;

	r = proto_json_format(&response->base, &text);
	if (r < 0)
		return r;
	fprintf(out, "%s\n", text);
	return 0;
}

static int json_any(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	return print_json(printer->out, response);
}

static int json_node(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	return print_json(printer->err, response);
}

/* Names with commas between them, cut once they are long. */
static void print_node_names(FILE *out, const Relay__NodeStatusEvent *status)
{
	size_t length = 0;

	for (size_t i = 0; i < status->n_node_names; i++) {
		length += strlen(status->node_names[i]) + 2;
		if (length > NODE_NAMES_SHOWN && i) {
			fprintf(out, " (and %zu more)", status->n_node_names - i);
			return;
		}
		fputs(i ? ", " : "", out);
		print_flow_text(out, status->node_names[i]);
	}
}

static int line_node(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	static const struct {
		Relay__NodeState state;
		const char *before, *after;
	} texts[] = {
		{ RELAY__NODE_STATE__NODE_CONNECTED, "Receiving flows from ", " nodes: " },
		{ RELAY__NODE_STATE__NODE_UNAVAILABLE, "", " nodes are unavailable: " },
		{ RELAY__NODE_STATE__NODE_GONE, "", " nodes removed from cluster: " },
		{ RELAY__NODE_STATE__NODE_ERROR, "Error ", " nodes: " },
	};
	const Relay__NodeStatusEvent *status = response->node_status;
	FILE *out = printer->err;

	print_time(printer, out, response->time);
	fputs(" [", out);
	print_flow_text(out, response->node_name);
	fputs("]: ", out);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].state != status->state_change)
			continue;
		fputs(texts[i].before, out);
		if (status->state_change == RELAY__NODE_STATE__NODE_ERROR) {
			print_flow_quoted(out, status->message);
			fputs(" on ", out);
		}
		fprintf(out, "%zu%s", status->n_node_names, texts[i].after);
		print_node_names(out, status);
		fputc('\n', out);
		return 0;
	}
	fputs("unknown node status event: ", out);
	print_flow_text(out, status->message);
	fputc('\n', out);
	return 0;
}

static int dict_node(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	const Relay__NodeStatusEvent *status = response->node_status;
	FILE *out = printer->err;

	dict_separator(printer, out);
	fputs("  TIMESTAMP: ", out);
	print_time(printer, out, response->time);
	fputs("\n      STATE: ", out);
	print_flow_enum(out, &relay__node_state__descriptor, (int)status->state_change);
	fputs("\n      NODES: ", out);
	print_node_names(out, status);
	fputs("\n    MESSAGE: ", out);
	if (*status->message)
		print_flow_quoted(out, status->message);
	else
		fputs("N/A", out);
	fputc('\n', out);
	printer->first_done = true;
	return 0;
}

static const struct flow_format formats[] = {
	{ "compact", true, true, compact_flow, compact_lost, line_node },
	{ "dict", true, true, dict_flow, dict_lost, dict_node },
	{ "table", false, false, table_flow, table_lost, line_node },
	{ "json", true, false, json_any, json_any, json_node },
	{ "jsonpb", true, false, json_any, json_any, json_node },
	{ "wide", true, true, wide_flow, compact_lost, line_node },
	{ "tab", false, false, table_flow, table_lost, line_node },
};

const struct flow_format *flow_format_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}

const char *flow_format_names(void)
{
	return "compact, dict, table, json, jsonpb, wide";
}

bool flow_format_streams(const struct flow_format *format)
{
	return format->streams;
}

int flow_color_from_text(const char *when, FILE *out, bool *ret)
{
	if (!strcmp(when, "always"))
		*ret = true;
	else if (!strcmp(when, "never"))
		*ret = false;
	else if (!strcmp(when, "auto"))
		*ret = isatty(fileno(out)) && !getenv("NO_COLOR");
	else
		return -EINVAL;
	return 0;
}

int flow_printer_new(const struct flow_format *format, const struct flow_print_options *options,
		     FILE *out, FILE *err, struct flow_printer **ret)
{
	_cleanup_(flow_printer_freep) struct flow_printer *printer = calloc(1, sizeof(*printer));

	if (!printer)
		return -ENOMEM;
	printer->format = format;
	printer->options = *options;
	printer->options.color = options->color && format->colors;
	printer->out = out;
	printer->err = err;
	if (!format->streams) {
		printer->table = open_memstream(&printer->table_text, &printer->table_size);
		if (!printer->table)
			return -ENOMEM;
	}
	*ret = take_ptr(printer);
	return 0;
}

void flow_printer_free(struct flow_printer *printer)
{
	if (!printer)
		return;
	if (printer->table)
		fclose(printer->table);
	free(printer->table_text);
	free(printer);
}

int flow_printer_close(struct flow_printer *printer)
{
	int r = 0;

	if (printer->table) {
		r = fclose(printer->table) ? -ENOMEM : 0;
		printer->table = NULL;
		if (r == 0)
			r = print_table(printer->out, printer->table_text, printer->table_size);
	}
	if (fflush(printer->out) || ferror(printer->out))
		r = -EIO;
	return r;
}

int flow_printer_write(struct flow_printer *printer, const Observer__GetFlowsResponse *response)
{
	const Relay__NodeStatusEvent *status;
	int r;

	switch (response->response_types_case) {
	case OBSERVER__GET_FLOWS_RESPONSE__RESPONSE_TYPES_FLOW:
		r = printer->format->flow(printer, response);
		printer->first_done = true;
		break;
	case OBSERVER__GET_FLOWS_RESPONSE__RESPONSE_TYPES_LOST_EVENTS:
		r = printer->format->lost(printer, response);
		printer->first_done = true;
		break;
	case OBSERVER__GET_FLOWS_RESPONSE__RESPONSE_TYPES_NODE_STATUS:
		status = response->node_status;
		if (!printer->err || (!printer->options.debug &&
				      status->state_change != RELAY__NODE_STATE__NODE_ERROR &&
				      status->state_change != RELAY__NODE_STATE__NODE_UNAVAILABLE))
			return 0;
		return printer->format->node(printer, response);
	default:
		return 0;
	}
	return r < 0 ? r : ferror(printer->out) ? -EIO : 0;
}
