/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "observe_time.h"
#include "observer.pb-c.h"
#include "wire/proto_json.h"

#define MASK_MAX 256

static int set_number(struct observe_request *request, bool *flag, const char *value,
		      struct diag *diag)
{
	uint64_t number = 0;

	if (request->first || request->last || request->all)
		return diag_set(diag, NULL, 0, "expected only one of --first, --last and --all");
	*flag = true;
	for (const char *at = value; *at; at++) {
		if (*at < '0' || *at > '9' || number > UINT32_MAX)
			return diag_set(diag, NULL, 0, "found '%s', expected a number of flows",
					value);
		number = number * 10 + (uint64_t)(*at - '0');
	}
	if (!number)
		return diag_set(diag, NULL, 0, "found '%s', expected a number above 0", value);
	request->number = number;
	return 0;
}

static int set_all(struct observe_request *request, struct diag *diag)
{
	if (request->first || request->last)
		return diag_set(diag, NULL, 0, "expected only one of --first, --last and --all");
	request->all = true;
	request->number = UINT64_MAX;
	return 0;
}

static int set_time(uint64_t *field, const char *value, struct diag *diag)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (observe_time_parse(value, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
			       field) == 0)
		return 0;
	return diag_set(diag, NULL, 0,
			"found '%s', expected a time ago, such as 5m, or a date, such as "
			"2026-01-02T15:04:05Z",
			value);
}

static int set_mask(struct observe_request *request, const char *value)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", request->mask ?: "", request->mask ? "," : "", value) < 0)
		return -ENOMEM;
	free(request->mask);
	request->mask = joined;
	return 0;
}

int observe_request_set(struct observe_request *request, const char *name, const char *value,
			struct diag *diag)
{
	if (strcmp(name, "first") == 0)
		return set_number(request, &request->first, value, diag);
	if (strcmp(name, "last") == 0)
		return set_number(request, &request->last, value, diag);
	if (strcmp(name, "all") == 0)
		return set_all(request, diag);
	if (strcmp(name, "since") == 0)
		return set_time(&request->since, value, diag);
	if (strcmp(name, "until") == 0)
		return set_time(&request->until, value, diag);
	if (strcmp(name, "field-mask") == 0)
		return set_mask(request, value);
	if (strcmp(name, "follow"))
		return -ENOENT;
	request->follow = true;
	return 0;
}

void observe_request_defaults(struct observe_request *request, uint64_t number)
{
	if (request->number)
		return;
	if (request->since || request->until)
		request->number = UINT64_MAX;
	else if (!request->follow)
		request->number = number;
}

void observe_request_clear(struct observe_request *request)
{
	free(request->mask);
	request->mask = NULL;
}

/* Cuts text at its commas; the paths point into it. */
static size_t split(char *text, char *paths[static MASK_MAX])
{
	size_t count = 0;

	for (char *path; count < MASK_MAX && (path = strsep(&text, ","));)
		if (*path)
			paths[count++] = path;
	return count;
}

static Google__Protobuf__Timestamp timestamp(uint64_t ns)
{
	Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	time.seconds = (int64_t)(ns / 1000000000);
	time.nanos = (int32_t)(ns % 1000000000);
	return time;
}

/* A server counts from since on, if there is one: a number of flows and since are the first ones, as
 * hubble has it. The latest of a window are the latest of all up to its end, without those before. */
static bool is_cut_here(const struct observe_request *request)
{
	return request->last && request->since && !request->follow;
}

bool observe_request_wants(const struct observe_request *request,
			   const Observer__GetFlowsResponse *response)
{
	const Google__Protobuf__Timestamp *time = response->time;

	if (!is_cut_here(request) || !time || time->seconds < 0)
		return true;
	return (uint64_t)time->seconds * 1000000000 + (uint64_t)MAX(time->nanos, 0) >=
	       request->since;
}

int observe_request_pack(const struct observe_request *request, const struct observe_lists *white,
			 const struct observe_lists *black, uint8_t **ret, size_t *ret_size)
{
	Observer__GetFlowsRequest message = OBSERVER__GET_FLOWS_REQUEST__INIT;
	Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
	Google__Protobuf__Timestamp since = timestamp(request->since);
	Google__Protobuf__Timestamp until = timestamp(request->until);
	_cleanup_free_ char *mask_text = request->mask ? strdup(request->mask) : NULL;
	char *paths[MASK_MAX];

	message.number = request->number;
	message.first = request->first;
	message.follow = request->follow;
	message.since = request->since && !is_cut_here(request) ? &since : NULL;
	message.until = request->until ? &until : NULL;
	message.whitelist = white->items;
	message.n_whitelist = white->count;
	message.blacklist = black->items;
	message.n_blacklist = black->count;
	if (mask_text) {
		mask.paths = paths;
		mask.n_paths = split(mask_text, paths);
		message.field_mask = &mask;
	}
	*ret = malloc(observer__get_flows_request__get_packed_size(&message) + 1);
	if (!*ret)
		return -ENOMEM;
	*ret_size = observer__get_flows_request__pack(&message, *ret);
	return 0;
}

int observe_filter_format(const Flow__FlowFilter *filter, char **ret)
{
	return proto_json_format(&filter->base, ret);
}

/* The last lines of a file, or all as they come. */
struct lines {
	char **kept; /* a ring of `room` */
	size_t room, count;
};

static int print_line(const struct verb *verb, const char *path, size_t number, const char *text,
		      struct flow_printer *printer)
{
	ProtobufCMessage *message;
	struct diag diag = { 0 };
	int r = proto_json_parse(&observer__get_flows_response__descriptor, text, strlen(text),
				 PROTO_JSON_IGNORE_UNKNOWN, &diag, &message);

	if (r < 0) {
		fprintf(stderr, "tendril %s: %s:%zu: %s\n", verb->name, path, number,
			r == -EINVAL ? diag.text : strerror(-r));
		return EXIT_NO;
	}
	r = flow_printer_write(printer, (Observer__GetFlowsResponse *)message);
	protobuf_c_message_free_unpacked(message, NULL);
	return r < 0 ? EXIT_NO : 0;
}

static int keep_line(struct lines *lines, const char *text)
{
	char **slot = &lines->kept[lines->count++ % lines->room];

	free(*slot);
	*slot = strdup(text);
	return *slot ? 0 : EXIT_NO;
}

static int print_kept(const struct verb *verb, const char *path, const struct lines *lines,
		      struct flow_printer *printer)
{
	size_t first = lines->count - MIN(lines->count, lines->room);
	int r = 0;

	for (size_t i = first; i < lines->count && r == 0; i++)
		r = print_line(verb, path, i + 1, lines->kept[i % lines->room], printer);
	return r;
}

static int read_lines(const struct verb *verb, const char *path, FILE *file,
		      const struct observe_request *request, struct lines *lines,
		      struct flow_printer *printer)
{
	_cleanup_free_ char *text = NULL;
	size_t room = 0, number = 0;
	uint64_t left = request->first ? request->number : UINT64_MAX;
	int r = 0;

	while (r == 0 && left && getline(&text, &room, file) >= 0) {
		number++;
		if (text[strspn(text, " \t\r\n")] == '\0')
			continue;
		r = lines->room ? keep_line(lines, text)
				: print_line(verb, path, number, text, printer);
		left--;
	}
	return r ? r : print_kept(verb, path, lines, printer);
}

int observe_file(const struct verb *verb, const char *path, const struct observe_request *request,
		 struct flow_printer *printer)
{
	struct lines lines = { .room = request->last ? (size_t)request->number : 0 };
	_cleanup_fclose_ FILE *file = strcmp(path, "-") ? fopen(path, "re") : fdopen(dup(0), "r");
	int r;

	if (!file) {
		fprintf(stderr, "tendril %s: cannot read %s: %s\n", verb->name, path,
			strerror(errno));
		return EXIT_NO;
	}
	lines.kept = calloc(lines.room + 1, sizeof(char *));
	if (!lines.kept)
		return EXIT_NO;
	r = read_lines(verb, path, file, request, &lines, printer);
	if (flow_printer_close(printer) < 0 && r == 0)
		r = EXIT_NO;
	for (size_t i = 0; i < lines.room; i++)
		free(lines.kept[i]);
	free(lines.kept);
	return r;
}
