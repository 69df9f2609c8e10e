/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_matrix.h"

#include "base/util.h"

/* Lengths in CSS pixels. Letters of a sans-serif face of 12 pixels are seldom wider than 7. */
#define CELL_WIDTH  72
#define CELL_HEIGHT 28
#define GAP         2
#define MARGIN      24
#define LETTER      7
#define LINE        20
#define TITLE       56

struct layout {
	const struct matrix *matrix;
	FILE *out;
	int left, top; /* of the first cell */
	int width, height;
};

/* Colours in both schemes: one hue from much to nothing, so that it prints and is read by everyone;
 * what a cell says stands in it too. */
static const char style[] =
	"<style>\n"
	"text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
	"font-size:12px;fill:#1f2328}\n"
	".title{font-size:17px;font-weight:600}\n"
	".about{fill:#59636e}\n"
	".paper{fill:#ffffff}\n"
	".all{fill:#1f6fb2}.some{fill:#b5d5f0}.none{fill:#eceff2}.nothing{fill:none;stroke:#d5dae0}\n"
	".in-all{fill:#ffffff;font-weight:600}.in-some{fill:#0b2e4a}.in-none{fill:#8c959f}\n"
	"@media (prefers-color-scheme:dark){\n"
	"text{fill:#e6edf3}.about{fill:#9198a1}.paper{fill:#0d1117}\n"
	".all{fill:#58a6e8}.some{fill:#1f4a70}.none{fill:#1c2128}.nothing{stroke:#30363d}\n"
	".in-all{fill:#06182a}.in-some{fill:#dcecfa}.in-none{fill:#6e7681}\n"
	"}\n"
	"</style>\n";

static const char *const classes[CELL_STATES] = {
	[CELL_NOTHING] = "nothing",
	[CELL_NONE] = "none",
	[CELL_SOME] = "some",
	[CELL_ALL] = "all",
};

static void print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void print_text(const struct layout *layout, int x, int y, const char *attributes,
		       const char *text)
{
	fprintf(layout->out, "<text x=\"%d\" y=\"%d\"%s>", x, y, attributes);
	print_escaped(layout->out, text);
	fputs("</text>\n", layout->out);
}

static int label_width(const struct matrix *matrix, size_t at)
{
	return (int)strlen(matrix_group(matrix, at)->text) * LETTER;
}

/* What a label that rises at 45 degrees takes in each direction. */
static int slanted(int width)
{
	return width * 71 / 100;
}

static void measure(struct layout *layout)
{
	const struct matrix *matrix = layout->matrix;
	int labels = 0, right = 520; /* the legend */

	for (size_t i = 0; i < matrix->count; i++)
		labels = MAX(labels, label_width(matrix, i));
	layout->left = MARGIN + labels + 12;
	layout->top = TITLE + slanted(labels) + 28;
	for (size_t k = 0; k < matrix->key_count; k++)
		right = MAX(right, MARGIN + 20 + (int)strlen(matrix->keys[k]) * LETTER);
	for (size_t i = 0; i < matrix->count; i++)
		right = MAX(right, layout->left + (int)i * CELL_WIDTH +
					   MAX(CELL_WIDTH,
					       CELL_WIDTH / 2 + slanted(label_width(matrix, i))));
	layout->width = right + MARGIN;
	layout->height = layout->top + (int)matrix->count * CELL_HEIGHT + 24 + LINE +
			 (int)matrix->key_count * LINE + MARGIN;
}

static void print_cell(const struct layout *layout, size_t from, size_t to)
{
	const struct matrix_cell *cell = matrix_cell(layout->matrix, from, to);
	int x = layout->left + (int)to * CELL_WIDTH, y = layout->top + (int)from * CELL_HEIGHT;
	char label[MATRIX_LABEL_MAX], attributes[64];

	fputs("<g><title>", layout->out);
	print_escaped(layout->out, matrix_group(layout->matrix, from)->text);
	fputs(" to ", layout->out);
	print_escaped(layout->out, matrix_group(layout->matrix, to)->text);
	fputs(": ", layout->out);
	print_escaped(layout->out, cell->text ? cell->text : "not a matter of policy");
	fprintf(layout->out,
		"</title><rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
		"rx=\"3\"/>\n",
		classes[cell->state], x + GAP / 2, y + GAP / 2, CELL_WIDTH - GAP,
		CELL_HEIGHT - GAP);
	if (cell->state != CELL_NOTHING) {
		snprintf(attributes, sizeof(attributes), " class=\"in-%s\" text-anchor=\"middle\"",
			 classes[cell->state]);
		print_text(layout, x + CELL_WIDTH / 2, y + CELL_HEIGHT / 2 + 4, attributes,
			   matrix_label(cell, label));
	}
	fputs("</g>\n", layout->out);
}

static void print_labels(const struct layout *layout)
{
	char attributes[64];

	for (size_t i = 0; i < layout->matrix->count; i++) {
		const char *text = matrix_group(layout->matrix, i)->text;
		int x = layout->left + (int)i * CELL_WIDTH + CELL_WIDTH / 2;
		int y = layout->top + (int)i * CELL_HEIGHT + CELL_HEIGHT / 2 + 4;

		print_text(layout, layout->left - 10, y, " text-anchor=\"end\"", text);
		snprintf(attributes, sizeof(attributes), " transform=\"rotate(-45 %d %d)\"", x,
			 layout->top - 8);
		print_text(layout, x, layout->top - 8, attributes, text);
	}
}

static void print_legend(const struct layout *layout)
{
	static const struct {
		enum cell_state state;
		const char *every, *port;
	} entries[] = {
		{ CELL_ALL, "everything", "allowed" },
		{ CELL_SOME, "these ports only", "one family only" },
		{ CELL_NONE, "nothing", "denied" },
		{ CELL_NOTHING, "not a matter of policy", "not a matter of policy" },
	};
	int y = layout->top + (int)layout->matrix->count * CELL_HEIGHT + 24, x = MARGIN;
	char name[MATRIX_LABEL_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		const char *text = layout->matrix->probe ? entries[i].port : entries[i].every;

		fprintf(layout->out,
			"<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"14\" height=\"14\" "
			"rx=\"3\"/>\n",
			classes[entries[i].state], x, y);
		print_text(layout, x + 20, y + 11, "", text);
		x += 20 + (int)strlen(text) * LETTER + 20;
	}
	for (size_t k = 0; k < layout->matrix->key_count; k++) {
		y += LINE;
		print_text(layout, MARGIN, y + 11, " font-weight=\"600\"",
			   matrix_key_name(k + 1, name));
		print_text(layout, MARGIN + 20, y + 11, "", layout->matrix->keys[k]);
	}
}

void matrix_print_svg(const struct matrix *matrix, const char *about, FILE *out)
{
	struct layout layout = { .matrix = matrix, .out = out };

	measure(&layout);
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\" role=\"img\">\n<title>Who can reach whom</title>\n",
		layout.width, layout.height, layout.width, layout.height);
	fputs(style, out);
	fprintf(out, "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", layout.width,
		layout.height);
	print_text(&layout, MARGIN, 36, " class=\"title\"", "Who can reach whom");
	print_text(&layout, MARGIN, 56, " class=\"about\"", about);
	print_labels(&layout);
	for (size_t from = 0; from < matrix->count; from++)
		for (size_t to = 0; to < matrix->count; to++)
			print_cell(&layout, from, to);
	print_legend(&layout);
	fputs("</svg>\n", out);
}
