/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: what `tendril endpoint list` and its siblings have in common. */
#include "admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define CELL_MAX 4096

const char *cell_labels(const json_t *value, char *buf, size_t size)
{
	size_t i, used = 0;
	json_t *item;

	buf[0] = '\0';
	json_array_foreach (value, i, item) {
		const char *text = json_string_value(item);

		if (text && used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? "," : "",
						 text);
	}
	return buf;
}

const char *cell_flag(const json_t *value, char *buf, size_t size)
{
	return json_is_true(value) ? "yes" : "";
}

const char *cell_bytes(const json_t *value, char *buf, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double bytes = json_number_value(value);
	size_t unit = 0;

	for (; bytes >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		bytes /= 1024;
	snprintf(buf, size, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return buf;
}

static const char *cell_plain(const json_t *value, char *buf, size_t size)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(buf, size, "%.2f", json_real_value(value));
	else if (json_is_boolean(value))
		return json_is_true(value) ? "yes" : "no";
	else if (json_is_array(value))
		return cell_labels(value, buf, size);
	else
		return "";
	return buf;
}

static const char *cell(const struct column *column, const json_t *row, char *buf, size_t size)
{
	const json_t *value = json_object_get(row, column->field);

	if (!value || json_is_null(value))
		return "";
	return column->text ? column->text(value, buf, size) : cell_plain(value, buf, size);
}

static void measure(const struct listing *listing, const json_t *rows, size_t *widths)
{
	char buf[CELL_MAX];
	size_t i;
	json_t *row;

	json_array_foreach (rows, i, row) {
		for (size_t c = 0; listing->columns[c].title; c++)
			widths[c] = MAX(widths[c],
					strlen(cell(&listing->columns[c], row, buf, sizeof(buf))));
	}
	for (size_t c = 0; listing->columns[c].title; c++)
		if (widths[c])
			widths[c] = MAX(widths[c], strlen(listing->columns[c].title));
}

static void print_padded(const char *text, size_t width)
{
	print_clean(stdout, text);
	for (size_t len = strlen(text); len < width; len++)
		putchar(' ');
}

/* The last column shown is not padded: no trailing blanks. */
static void print_row(const struct listing *listing, const json_t *row, const size_t *widths,
		      size_t last)
{
	char buf[CELL_MAX];

	for (size_t c = 0; listing->columns[c].title; c++) {
		const char *text = row ? cell(&listing->columns[c], row, buf, sizeof(buf))
				       : listing->columns[c].title;

		if (!widths[c])
			continue;
		print_padded(text, c == last ? 0 : widths[c]);
		fputs(c == last ? "\n" : "   ", stdout);
	}
}

void listing_print(const struct listing *listing, const json_t *rows)
{
	size_t widths[ARRAY_SIZE(listing->columns)] = {};
	size_t i, last = 0;
	json_t *row;

	measure(listing, rows, widths);
	for (size_t c = 0; listing->columns[c].title; c++)
		if (widths[c])
			last = c;
	print_row(listing, NULL, widths, last);
	json_array_foreach (rows, i, row) {
		print_row(listing, row, widths, last);
	}
}

const struct verb_option listing_options[] = {
	{ 'o', "output", "FORMAT", "table (default) or json", "table json" },
	{},
};

static int set_output(const struct verb_option *option, const char *value, void *data)
{
	bool *json = data;

	(void)option;
	if (strcmp(value, "table") && strcmp(value, "json")) {
		fprintf(stderr, "tendril: output format '%s', expected table or json\n", value);
		return EXIT_USAGE;
	}
	*json = strcmp(value, "json") == 0;
	return 0;
}

static int show(const struct cli *cli, const struct listing *listing, bool as_json)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *rows;
	int r = admin_get(cli, listing->path, &answer);

	if (r)
		return r;
	rows = json_object_get(answer, listing->field);
	if (as_json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (json_array_size(rows) == 0) {
		printf("%s\n", listing->none);
	} else {
		listing_print(listing, rows);
	}
	return 0;
}

int listing_run(const struct cli *cli, const struct verb *verb, const struct listing *listing,
		int argc, char **argv)
{
	bool json = false;
	int first, r = verb_parse(verb, argc, argv, false, set_output, &json, &first);

	if (r)
		return r;
	if (argc - first != 1 || strcmp(argv[first], "list"))
		return verb_usage_error(verb, "expected 'tendril %s list'", verb->name);
	return show(cli, listing, json);
}

int listing_run_plain(const struct cli *cli, const struct verb *verb, const struct listing *listing,
		      int argc, char **argv)
{
	bool json = false;
	int first, r = verb_parse(verb, argc, argv, false, set_output, &json, &first);

	if (r)
		return r;
	if (first < argc)
		return verb_usage_error(verb, "found '%s', expected nothing more", argv[first]);
	return show(cli, listing, json);
}
