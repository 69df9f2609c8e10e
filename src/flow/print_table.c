/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "flow/print_flow.h"

#define PADDING   3
#define WIDTH_MIN 2

/* Characters, not bytes: those of UTF-8 that do not continue another. */
static size_t text_width(const char *text, size_t length)
{
	size_t width = 0;

	for (size_t i = 0; i < length; i++)
		width += ((uint8_t)text[i] & 0xc0) != 0x80;
	return width;
}

/* Calls fn for each cell that ends in a tab, and with last set for what stands behind them. */
static void for_each_cell(const char *text, size_t size,
			  void (*fn)(const char *cell, size_t length, size_t column, bool last,
				     void *data),
			  void *data)
{
	size_t column = 0, start = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] != '\t' && text[i] != '\n')
			continue;
		fn(text + start, i - start, column, text[i] == '\n', data);
		column = text[i] == '\n' ? 0 : column + 1;
		start = i + 1;
	}
}

struct table {
	FILE *out;
	size_t *widths;
};

static void cell_measure(const char *cell, size_t length, size_t column, bool last, void *data)
{
	struct table *table = data;
	size_t width = text_width(cell, length) + PADDING;

	if (!last)
		table->widths[column] = MAX(table->widths[column], MAX(width, (size_t)WIDTH_MIN));
}

static void cell_print(const char *cell, size_t length, size_t column, bool last, void *data)
{
	struct table *table = data;
	size_t width = text_width(cell, length);

	fwrite(cell, 1, length, table->out);
	if (last)
		fputc('\n', table->out);
	else
		fprintf(table->out, "%*s", (int)(table->widths[column] - width), "");
}

int print_table(FILE *out, const char *text, size_t size)
{
	_cleanup_free_ size_t *widths = NULL;
	struct table table = { .out = out };
	size_t columns = 1, most = 1;

	for (size_t i = 0; i < size; i++) {
		columns = text[i] == '\n' ? 1 : columns + (text[i] == '\t');
		most = MAX(most, columns);
	}
	widths = calloc(most, sizeof(*widths));
	if (!widths)
		return -ENOMEM;
	table.widths = widths;
	for_each_cell(text, size, cell_measure, &table);
	for_each_cell(text, size, cell_print, &table);
	return 0;
}
