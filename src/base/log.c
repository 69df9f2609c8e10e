/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"

static struct {
	enum log_level max;
	bool json;
	bool journal;
} config = { .max = LOG_LEVEL_INFO };

void log_setup(enum log_level max, bool json)
{
	config.max = max;
	config.json = json;
	config.journal = getenv("JOURNAL_STREAM") != NULL;
}

const char *log_strerror(int error)
{
	return strerror(error < 0 ? -error : error);
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARN:
		return "warn";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "?";
}

static void write_time(FILE *out)
{
	struct timespec now;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(out, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

/* Quotes what would break the line or the reader's terminal. */
static void write_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void write_value(FILE *out, const struct log_field *field, bool always_quote)
{
	switch (field->kind) {
	case LOG_FIELD_INT:
		fprintf(out, "%" PRId64, field->sint);
		return;
	case LOG_FIELD_UINT:
		fprintf(out, "%" PRIu64, field->uint);
		return;
	case LOG_FIELD_STR:
		break;
	}

	const char *text = field->str ? field->str : "";
	bool quote = always_quote || !*text;

	for (const char *c = text; *c && !quote; c++)
		quote = (unsigned char)*c <= ' ' || *c == '"' || *c == '=' || *c == 0x7f;
	if (quote)
		write_quoted(out, text);
	else
		fputs(text, out);
}

static void write_json(FILE *out, enum log_level level, const char *room, const char *message,
		       const struct log_field *fields, unsigned int count)
{
	fprintf(out, "{\"level\":\"%s\",\"time\":\"", level_name(level));
	write_time(out);
	fprintf(out, "\",\"room\":\"%s\",\"message\":", room);
	write_quoted(out, message);
	for (unsigned int i = 0; i < count; i++) {
		fprintf(out, ",\"%s\":", fields[i].key);
		write_value(out, &fields[i], true);
	}
	fputs("}\n", out);
}

static void write_text(FILE *out, enum log_level level, const char *room, const char *message,
		       const struct log_field *fields, unsigned int count)
{
	if (config.journal) {
		fprintf(out, "<%d>", level);
	} else {
		fprintf(out, "%-5s ", level_name(level));
		write_time(out);
		fputc(' ', out);
	}
	fprintf(out, "%s %s", room, message);
	for (unsigned int i = 0; i < count; i++) {
		fprintf(out, " %s=", fields[i].key);
		write_value(out, &fields[i], false);
	}
	fputc('\n', out);
}

/* A line is one write: stderr has no buffer, and threads and other processes write there too. */
void log_write(enum log_level level, const char *room, const char *message,
	       const struct log_field *fields, unsigned int count)
{
	_cleanup_free_ char *line = NULL;
	size_t length = 0;
	FILE *out;

	if (level > config.max)
		return;
	out = open_memstream(&line, &length);
	if (!out)
		return;
	if (config.json)
		write_json(out, level, room, message, fields, count);
	else
		write_text(out, level, room, message, fields, count);
	if (fclose(out) == 0)
		fwrite(line, 1, length, stderr);
}
