/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded events in, text out: DIRECTORY/session.events with the names of DIRECTORY/tables.jsonl
 * prints in each format as DIRECTORY/session.FORMAT.txt says.
 *
 *	flow_golden_test DIRECTORY [--write]
 *
 * --write makes the .txt files from what comes out now; read the difference before keeping it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "flow/filter.h"
#include "flow/print.h"
#include "flow/ring.h"
#include "flow/to_proto.h"
#include "wire/proto_json.h"

#define PATH_SIZE 4096
#define BOOT      1767323045000000000 /* 2026-01-02 03:04:05 UTC, ns: when the events' clock began */

static const char *directory;

static FILE *open_part(const char *name, const char *format, const char *mode)
{
	char path[PATH_SIZE];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s%s%s", directory, name, format, *format ? ".txt" : "");
	file = fopen(path, mode);
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

static void read_tables(struct flow_names *names)
{
	_cleanup_fclose_ FILE *file = open_part("tables.jsonl", "", "r");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t length;

	flow_names_begin(names);
	while ((length = getline(&line, &size, file)) > 0) {
		struct diag diag = { 0 };
		ProtobufCMessage *update;

		if (proto_json_parse(&tendril__tables__update__descriptor, line, (size_t)length, 0,
				     &diag, &update) < 0 ||
		    flow_names_update(names, (Tendril__Tables__Update *)update) < 0) {
			fprintf(stderr, "tables.jsonl: %s%s\n", line, diag.text);
			exit(1);
		}
		protobuf_c_message_free_unpacked(update, NULL);
	}
}

/* A line of hex digits in place; the number of bytes. */
static size_t unhex(char *line)
{
	size_t count = 0;
	unsigned int byte;

	while (sscanf(line + 2 * count, "%2x", &byte) == 1)
		line[count++] = (char)byte;
	return count;
}

static void read_events(struct flow_names *names, struct flow_ring *ring)
{
	_cleanup_fclose_ FILE *file = open_part("session.events", "", "r");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, file) > 0) {
		struct flow_record records[FLOW_RECORDS_PER_EVENT];
		size_t bytes;
		int count;

		if (*line == '#')
			continue;
		bytes = unhex(line);
		if (flow_event_dns(names, line, bytes) >= 0)
			continue;
		count = flow_decode(names, line, bytes, BOOT, records);
		if (count < 0) {
			fprintf(stderr, "session.events: an event of %zu bytes is refused\n",
				bytes);
			exit(1);
		}
		for (int i = 0; i < count; i++)
			flow_ring_push(ring, &records[i]);
	}
}

/* All but what differs from run to run and from build to build. */
static struct flow_mask *stable_mask(void)
{
	const ProtobufCMessageDescriptor *type = &flow__flow__descriptor;
	struct diag diag = { 0 };
	struct flow_mask *mask;
	char *paths[100];
	size_t count = 0;

	for (unsigned int i = 0; i < type->n_fields; i++)
		if (strcmp(type->fields[i].name, "uuid") && strcmp(type->fields[i].name, "emitter"))
			paths[count++] = (char *)type->fields[i].name;
	if (flow_mask_new(paths, count, &diag, &mask) < 0)
		abort();
	return mask;
}

static void print(FILE *out, const char *format, const struct flow_names *names,
		  const struct flow_ring *ring)
{
	_cleanup_(flow_printer_freep) struct flow_printer *printer = NULL;
	_cleanup_(flow_filter_freep) struct flow_filter *filter = NULL;
	_cleanup_(flow_mask_freep) struct flow_mask *mask = stable_mask();
	struct flow_print_options options = { .policy_names = true, .node_name = true };
	const struct flow_record *record;
	uint64_t cursor = 1, lost = 0;
	struct diag diag = { 0 };

	if (flow_filter_new(NULL, 0, NULL, 0, strcmp(format, "wide") ? 0 : FLOW_FILTER_CLOSES,
			    &diag, &filter) < 0 ||
	    flow_printer_new(flow_format_find(format), &options, out, NULL, &printer) < 0)
		abort();
	while ((record = flow_ring_next(ring, &cursor, &lost))) {
		Observer__GetFlowsResponse *response;

		if (!flow_filter_match(filter, names, record))
			continue;
		if (flow_to_response(record, names, mask, &response) < 0 ||
		    flow_printer_write(printer, response) < 0)
			abort();
		observer__get_flows_response__free_unpacked(response, NULL);
	}
	if (flow_printer_close(printer) < 0 || lost)
		abort();
}

/* True if the file says what text says. */
static bool compare(const char *format, const char *text)
{
	_cleanup_fclose_ FILE *file = open_part("session.", format, "r");
	_cleanup_free_ char *line = NULL;
	size_t size = 0, number = 0;
	ssize_t length;

	while ((length = getline(&line, &size, file)) > 0) {
		number++;
		if (!strncmp(text, line, (size_t)length)) {
			text += length;
			continue;
		}
		printf("not ok session.%s.txt:%zu\nwant %sgot  %.*s\n", format, number, line,
		       (int)strcspn(text, "\n"), text);
		return false;
	}
	printf("%s session.%s.txt\n", *text ? "not ok (more came out than is in)" : "ok", format);
	return !*text;
}

int main(int argc, char **argv)
{
	static const char *const formats[] = { "compact", "dict", "table", "json", "wide" };
	_cleanup_(flow_names_freep) struct flow_names *names = NULL;
	_cleanup_(flow_ring_freep) struct flow_ring *ring = NULL;
	bool write = argc == 3 && !strcmp(argv[2], "--write");
	int failed = 0;

	if (argc < 2 || (argc > 2 && !write)) {
		fprintf(stderr, "usage: %s DIRECTORY [--write]\n", argv[0]);
		return 2;
	}
	directory = argv[1];
	if (flow_names_new(100, &names) < 0 || flow_ring_new(100, &ring) < 0)
		abort();
	read_tables(names);
	read_events(names, ring);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_free_ char *text = NULL;
		size_t size;
		FILE *out = write ? open_part("session.", formats[i], "w")
				  : open_memstream(&text, &size);

		print(out, formats[i], names, ring);
		fclose(out);
		failed += !write && !compare(formats[i], text);
	}
	return failed != 0;
}
