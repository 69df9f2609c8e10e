/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

#include "arena.h"
#include "base/util.h"
#include "model/utf8.h"

#define DOCUMENT_OPEN_MAX 10000  /* brackets without their end, in text too */
#define DOCUMENTS_MAX     100000 /* in one stream */

/* A collection that is being read. */
struct frame {
	struct yaml_node *node;
	const struct yaml_node **items;
	size_t count, capacity;
	const char *anchor;
};

struct anchor {
	const char *name;
	const struct yaml_node *node;
};

struct document_reader {
	const char *text, *file;
	size_t length;
	struct diag *diag;
	struct fy_diag *fy_diag;
	struct fy_parser *parser;

	/* The document being read. */
	struct arena *arena;
	const struct yaml_node *root;
	struct frame frames[DOCUMENT_DEPTH_MAX];
	size_t depth;
	struct anchor anchors[DOCUMENT_ANCHORS_MAX];
	size_t anchor_count;
	size_t made;       /* nodes */
	size_t begin, end; /* of its text */
	bool begin_known;
};

static int refuse(struct document_reader *reader, unsigned int line, const char *found,
		  const char *expected)
{
	return diag_set(reader->diag, reader->file, line, "found %s, expected %s", found, expected);
}

static int refuse_depth(struct document_reader *reader, unsigned int line)
{
	return diag_set(reader->diag, reader->file, line,
			"found nesting deeper than %u, expected less", DOCUMENT_DEPTH_MAX);
}

static unsigned int token_line(struct fy_token *token)
{
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

	return mark ? (unsigned int)mark->line + 1 : 0;
}

/* libfyaml prints to stderr unless told where else: its findings are collected instead. */
static void swallow(struct fy_diag *diag, void *user, const char *text, size_t length)
{
}

static int open_parser(struct document_reader *reader)
{
	struct fy_diag_cfg diag_cfg = { .output_fn = swallow,
					.level = FYET_ERROR,
					.module_mask = ~0u };
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG };

	reader->fy_diag = fy_diag_create(&diag_cfg);
	if (!reader->fy_diag)
		return -ENOMEM;
	fy_diag_set_collect_errors(reader->fy_diag, true);
	cfg.diag = reader->fy_diag;
	reader->parser = fy_parser_create(&cfg);
	if (!reader->parser)
		return -ENOMEM;
	return fy_parser_set_string(reader->parser, reader->text, reader->length) ? -ENOMEM : 0;
}

static int check_text(struct document_reader *reader)
{
	size_t bad;

	if (reader->length > DOCUMENT_TEXT_MAX)
		return diag_set(reader->diag, reader->file, 0,
				"found %zu bytes, expected at most %u", reader->length,
				DOCUMENT_TEXT_MAX);
	if (utf8_is_text(reader->text, reader->length, &bad))
		return 0;

	unsigned int line = 1;

	for (size_t i = 0; i < bad; i++)
		line += reader->text[i] == '\n';
	return diag_set(reader->diag, reader->file, line,
			"found byte 0x%02x, expected text in UTF-8 without control characters",
			(unsigned char)reader->text[bad]);
}

/* libfyaml may queue the tokens of a whole document, at some 300 bytes each, before it gives the
 * first event (a collection could turn out to be a key), and scans nested brackets slowly. So bytes
 * that can begin a token are counted first, whether they do or not, with limits that text of
 * DOCUMENT_NODES_MAX values written by anybody but an attacker stays under. "---" at the start of a
 * line always ends a document. */
static int check_cost(struct document_reader *reader)
{
	size_t marks = 0, open = 0, documents = 0;
	unsigned int line = 1;

	for (size_t i = 0; i < reader->length; i++) {
		char byte = reader->text[i];

		if (byte == '\n') {
			line++;
		} else if (strchr("[]{},:&*!%", byte)) {
			marks++;
			if (byte == '[' || byte == '{')
				open++;
			else if (open && (byte == ']' || byte == '}'))
				open--;
		} else if (byte == '-' && (!i || reader->text[i - 1] == '\n') &&
			   reader->length - i >= 3 && !memcmp(reader->text + i, "---", 3)) {
			marks = open = 0;
			documents++;
		}
		if (open > DOCUMENT_OPEN_MAX)
			return refuse_depth(reader, line);
		if (marks > DOCUMENT_NODES_MAX || documents > DOCUMENTS_MAX)
			return diag_set(reader->diag, reader->file, line,
					"found more than %u %s, expected fewer",
					documents > DOCUMENTS_MAX ? DOCUMENTS_MAX
								  : DOCUMENT_NODES_MAX,
					documents > DOCUMENTS_MAX
						? "documents"
						: "brackets, commas and colons in a document");
	}
	return 0;
}

int document_reader_new(const char *text, size_t length, const char *file, struct diag *diag,
			struct document_reader **ret)
{
	_cleanup_(document_reader_freep) struct document_reader *reader =
		calloc(1, sizeof(*reader));
	int r;

	if (!reader)
		return -ENOMEM;
	if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) { /* a byte order mark */
		text += 3;
		length -= 3;
	}
	reader->text = text;
	reader->length = length;
	reader->file = file;
	reader->diag = diag;
	r = check_text(reader);
	if (r < 0)
		return r;
	r = check_cost(reader);
	if (r < 0)
		return r;
	r = open_parser(reader);
	if (r < 0)
		return r;
	*ret = take_ptr(reader);
	return 0;
}

static void forget_document(struct document_reader *reader)
{
	for (size_t i = 0; i < reader->depth; i++)
		free(reader->frames[i].items);
	reader->depth = 0;
	reader->anchor_count = 0;
	reader->made = 0;
	reader->root = NULL;
	reader->begin_known = false;
	arena_free(reader->arena);
	reader->arena = NULL;
}

void document_reader_free(struct document_reader *reader)
{
	if (!reader)
		return;
	forget_document(reader);
	if (reader->parser)
		fy_parser_destroy(reader->parser);
	if (reader->fy_diag)
		fy_diag_destroy(reader->fy_diag);
	free(reader);
}

void document_free(struct document *document)
{
	if (!document)
		return;
	arena_free(document->arena);
	free(document);
}

/* The document's text runs from after its "---" (or its first token) to the end of the line on
 * which its last token ends. */
static void note_extent(struct document_reader *reader, struct fy_token *token)
{
	const struct fy_mark *start = token ? fy_token_start_mark(token) : NULL;
	const struct fy_mark *end = token ? fy_token_end_mark(token) : NULL;

	if (start && !reader->begin_known) {
		reader->begin = start->input_pos;
		reader->begin_known = true;
	}
	if (end && end->input_pos > reader->end)
		reader->end = end->input_pos;
}

/* A block collection's end is a place, not text: it may lie beyond the document. */
static void note_collection_end(struct document_reader *reader, struct fy_token *token)
{
	const struct fy_mark *mark = token ? fy_token_end_mark(token) : NULL;

	if (!mark || !mark->input_pos || mark->input_pos > reader->length)
		return;
	if (strchr("]}", reader->text[mark->input_pos - 1]))
		note_extent(reader, token);
}

static int copy_token(struct document_reader *reader, struct fy_token *token, const char **ret,
		      size_t *ret_length)
{
	size_t length;
	const char *text = fy_token_get_text(token, &length);
	char *copy;

	if (!text)
		return -ENOMEM;
	copy = arena_alloc(reader->arena, length + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, length);
	copy[length] = '\0';
	*ret = copy;
	*ret_length = length;
	return 0;
}

static struct yaml_node *make_node(struct document_reader *reader, enum node_type type,
				   unsigned int line)
{
	struct yaml_node *node;

	if (reader->made++ >= DOCUMENT_NODES_MAX) {
		diag_set(reader->diag, reader->file, line,
			 "found a document of more than %u values, expected fewer",
			 DOCUMENT_NODES_MAX);
		return NULL;
	}
	node = arena_alloc(reader->arena, sizeof(*node));
	if (!node)
		return NULL;
	*node = (struct yaml_node){ .type = type, .line = line, .nodes = 1, .height = 1 };
	return node;
}

/* make_node() fails for want of memory or with the diagnostic set. */
static int node_error(const struct document_reader *reader)
{
	return diag_is_set(reader->diag) ? -EINVAL : -ENOMEM;
}

static int frame_add(struct document_reader *reader, struct frame *frame,
		     const struct yaml_node *child)
{
	struct yaml_node *node = frame->node;

	node->nodes += child->nodes;
	node->bytes += child->bytes;
	node->height = MAX(node->height, child->height + 1);
	if (node->height > DOCUMENT_DEPTH_MAX)
		return refuse_depth(reader, child->line);
	if (node->nodes > DOCUMENT_NODES_MAX || node->bytes > DOCUMENT_TEXT_MAX)
		return diag_set(reader->diag, reader->file, child->line,
				"found aliases that expand to more than %u values or %u bytes, "
				"expected fewer",
				DOCUMENT_NODES_MAX, DOCUMENT_TEXT_MAX);
	if (node->type == NODE_MAP && frame->count % 2 == 0) {
		if (child->type != NODE_SCALAR || (child->plain && !child->length))
			return refuse(reader, child->line, "a key that is no text", "a field name");
	}
	if (frame->count == frame->capacity) {
		size_t capacity = MAX(frame->capacity * 2, (size_t)8);
		const struct yaml_node **items = realloc(frame->items, capacity * sizeof(*items));

		if (!items)
			return -ENOMEM;
		frame->items = items;
		frame->capacity = capacity;
	}
	frame->items[frame->count++] = child;
	return 0;
}

static int add_node(struct document_reader *reader, const struct yaml_node *node,
		    const char *anchor)
{
	if (anchor) {
		if (reader->anchor_count == DOCUMENT_ANCHORS_MAX)
			return diag_set(reader->diag, reader->file, node->line,
					"found more than %u anchors, expected fewer",
					DOCUMENT_ANCHORS_MAX);
		reader->anchors[reader->anchor_count++] = (struct anchor){ anchor, node };
	}
	if (reader->depth)
		return frame_add(reader, &reader->frames[reader->depth - 1], node);
	reader->root = node;
	return 0;
}

static int read_anchor(struct document_reader *reader, struct fy_token *token, const char **ret)
{
	size_t length;

	*ret = NULL;
	return token ? copy_token(reader, token, ret, &length) : 0;
}

/* Only !!str (and its short form "!") may be written out: it means what quotes mean. */
static int check_tag(struct document_reader *reader, struct fy_token *token, bool scalar,
		     bool *ret_string)
{
	size_t length = 0;
	const char *tag = token ? fy_token_get_text(token, &length) : NULL;
	static const char str[] = "tag:yaml.org,2002:str";

	*ret_string = tag && scalar &&
		      ((length == 1 && tag[0] == '!') ||
		       (length == sizeof(str) - 1 && !memcmp(tag, str, length)));
	if (!token || *ret_string)
		return 0;
	return diag_set(reader->diag, reader->file, token_line(token),
			"found the tag %.*s, expected a value without a tag",
			(int)MIN(length, 60ul), tag ? tag : "");
}

/* libfyaml (0.7.12, 0.8) takes the end of the text for a zero byte of an empty block scalar there.
 * No such byte can be written in a block scalar: only quotes have escapes. */
static size_t scalar_length(struct fy_token *token, const struct yaml_node *node)
{
	enum fy_scalar_style style = fy_token_scalar_style(token);

	if (style != FYSS_LITERAL && style != FYSS_FOLDED)
		return node->length;
	return strnlen(node->text, node->length);
}

static int on_scalar(struct document_reader *reader, struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	const char *anchor;
	struct yaml_node *node;
	bool string;
	int r;

	node = make_node(reader, NODE_SCALAR, token_line(token));
	if (!node)
		return node_error(reader);
	r = copy_token(reader, token, &node->text, &node->length);
	if (r < 0)
		return r;
	node->length = scalar_length(token, node);
	r = check_tag(reader, event->scalar.tag, true, &string);
	if (r < 0)
		return r;
	if (!utf8_is_string(node->text, node->length))
		return refuse(reader, node->line, "a zero byte or half a surrogate pair",
			      "text in UTF-8");
	node->plain = fy_token_scalar_style(token) == FYSS_PLAIN && !string;
	node->bytes = node->length;
	r = read_anchor(reader, event->scalar.anchor, &anchor);
	return r < 0 ? r : add_node(reader, node, anchor);
}

static int on_alias(struct document_reader *reader, struct fy_event *event)
{
	size_t length;
	const char *name = fy_token_get_text(event->alias.anchor, &length);

	for (size_t i = name ? reader->anchor_count : 0; i-- > 0;) {
		const struct anchor *anchor = &reader->anchors[i];

		if (!strncmp(anchor->name, name, length) && !anchor->name[length])
			return add_node(reader, anchor->node, NULL);
	}
	return diag_set(reader->diag, reader->file, token_line(event->alias.anchor),
			"found the alias *%.*s, expected one whose anchor stands before it",
			(int)MIN(length, 60ul), name ? name : "");
}

static int on_start(struct document_reader *reader, enum node_type type, struct fy_token *token,
		    struct fy_token *tag, struct fy_token *anchor)
{
	unsigned int line = token_line(token);
	struct frame *frame;
	bool string;
	int r;

	if (reader->depth == DOCUMENT_DEPTH_MAX)
		return refuse_depth(reader, line);
	r = check_tag(reader, tag, false, &string);
	if (r < 0)
		return r;
	frame = &reader->frames[reader->depth];
	*frame = (struct frame){ .node = make_node(reader, type, line) };
	if (!frame->node)
		return node_error(reader);
	reader->depth++;
	return read_anchor(reader, anchor, &frame->anchor);
}

static int compare_keys(const void *a, const void *b)
{
	const struct yaml_node *x = *(const struct yaml_node *const *)a;
	const struct yaml_node *y = *(const struct yaml_node *const *)b;
	int order = strcmp(x->text, y->text);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int check_duplicates(struct document_reader *reader, const struct yaml_node *map)
{
	_cleanup_free_ const struct yaml_node **keys = malloc(MAX(map->count, 1ul) * sizeof(*keys));

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < map->count; i++)
		keys[i] = map->items[2 * i];
	qsort(keys, map->count, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < map->count; i++) {
		if (strcmp(keys[i - 1]->text, keys[i]->text))
			continue;
		return diag_set(reader->diag, reader->file, keys[i]->line,
				"found the field %.60s twice (first on line %u), expected it once",
				keys[i]->text, keys[i - 1]->line);
	}
	return 0;
}

static int on_end(struct document_reader *reader)
{
	struct frame *frame = &reader->frames[reader->depth - 1];
	struct yaml_node *node = frame->node;
	const char *anchor = frame->anchor;
	int r;

	node->items = arena_alloc(reader->arena, MAX(frame->count, 1ul) * sizeof(*node->items));
	if (!node->items)
		return -ENOMEM;
	if (frame->count)
		memcpy(node->items, frame->items, frame->count * sizeof(*node->items));
	node->count = node->type == NODE_MAP ? frame->count / 2 : frame->count;
	free(frame->items);
	reader->depth--;
	if (node->type == NODE_MAP) {
		r = check_duplicates(reader, node);
		if (r < 0)
			return r;
	}
	return add_node(reader, node, anchor);
}

/* Behind "---" and, if nothing else is on its line, the line. */
static size_t after_marker(const struct document_reader *reader, size_t at)
{
	size_t end = at;

	while (end < reader->length && strchr(" \t\r", reader->text[end]))
		end++;
	return end < reader->length && reader->text[end] == '\n' ? end + 1 : at;
}

static int on_document_start(struct document_reader *reader, struct fy_event *event)
{
	/* libfyaml 0.8 has a token also where there is no "---": its first one. */
	struct fy_token *token =
		event->document_start.implicit ? NULL : event->document_start.document_start;
	const struct fy_mark *mark = token ? fy_token_end_mark(token) : NULL;

	forget_document(reader);
	reader->arena = arena_new();
	if (!reader->arena)
		return -ENOMEM;
	reader->begin = mark ? after_marker(reader, mark->input_pos) : 0;
	/* Without "---" only the first document's text may begin with comments. */
	reader->begin_known = mark || !reader->end;
	reader->end = reader->begin;
	return 0;
}

static int on_event(struct document_reader *reader, struct fy_event *event)
{
	switch (event->type) {
	case FYET_DOCUMENT_START:
		return on_document_start(reader, event);
	case FYET_SCALAR:
		note_extent(reader, event->scalar.value);
		return on_scalar(reader, event);
	case FYET_ALIAS:
		note_extent(reader, event->alias.anchor);
		return on_alias(reader, event);
	case FYET_MAPPING_START:
		note_extent(reader, event->mapping_start.mapping_start);
		return on_start(reader, NODE_MAP, event->mapping_start.mapping_start,
				event->mapping_start.tag, event->mapping_start.anchor);
	case FYET_SEQUENCE_START:
		note_extent(reader, event->sequence_start.sequence_start);
		return on_start(reader, NODE_LIST, event->sequence_start.sequence_start,
				event->sequence_start.tag, event->sequence_start.anchor);
	case FYET_MAPPING_END:
		note_collection_end(reader, event->mapping_end.mapping_end);
		return on_end(reader);
	case FYET_SEQUENCE_END:
		note_collection_end(reader, event->sequence_end.sequence_end);
		return on_end(reader);
	default:
		return 0;
	}
}

static int finish_document(struct document_reader *reader, struct document **ret)
{
	struct document *document = calloc(1, sizeof(*document));
	const char *newline;

	if (!document)
		return -ENOMEM;
	newline = memchr(reader->text + reader->end, '\n', reader->length - reader->end);
	if (reader->end > reader->begin && reader->text[reader->end - 1] != '\n')
		reader->end = newline ? (size_t)(newline - reader->text) + 1 : reader->length;
	document->root = reader->root;
	document->text = reader->text + reader->begin;
	document->text_length = reader->end - reader->begin;
	document->arena = take_ptr(reader->arena);
	forget_document(reader);
	*ret = document;
	return 1;
}

static int syntax_error(struct document_reader *reader)
{
	void *previous = NULL;
	const struct fy_diag_error *error = fy_diag_errors_iterate(reader->fy_diag, &previous);

	if (!error || !error->msg)
		return diag_set(reader->diag, reader->file, 0,
				"found text that is no YAML, "
				"expected YAML or JSON");
	return diag_set(reader->diag, reader->file, error->line > 0 ? (unsigned int)error->line : 0,
			"found bad syntax (%s), expected YAML or JSON", error->msg);
}

int document_reader_next(struct document_reader *reader, struct document **ret)
{
	for (;;) {
		struct fy_event *event = fy_parser_parse(reader->parser);
		enum fy_event_type type;
		int r;

		if (!event)
			return syntax_error(reader);
		type = event->type;
		r = on_event(reader, event);
		fy_parser_event_free(reader->parser, event);
		if (r < 0)
			return r;
		if (type == FYET_DOCUMENT_END)
			return finish_document(reader, ret);
		if (type == FYET_STREAM_END)
			return fy_parser_get_stream_error(reader->parser) ? syntax_error(reader)
									  : 0;
	}
}
