/* SPDX-License-Identifier: Apache-2.0 */
/* document: YAML and JSON text as trees of nodes with line numbers, safe on hostile text.
 *
 * In: a text, checked UTF-8    Out: one tree per document of the stream
 * Owns: the trees; the text stays the caller's and must outlive the reader    Thread: any
 *
 * Built from libfyaml's events, not its documents: depth is counted before it is followed, an alias
 * shares the node it names, and what a document would expand to is budgeted while it is read. So
 * memory is bounded by the text and DOCUMENT_NODES_MAX, whatever the text says; what libfyaml itself
 * would make of the text is bounded by counting marks beforehand. Merge keys ("<<"),
 * tags other than !!str and keys that are no scalars are refused or left to the schema to refuse.
 *
 * Scalars resolve as Kubernetes reads them (YAML 1.1 with JSON's types); spellings that YAML 1.1
 * and 1.2 read differently (yes, 010, 0x10, 1_000) are of kind SCALAR_AMBIGUOUS. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/diag.h"

#define DOCUMENT_TEXT_MAX    (16u << 20) /* bytes, as written and as expanded */
#define DOCUMENT_DEPTH_MAX   64
#define DOCUMENT_NODES_MAX   1000000
#define DOCUMENT_ANCHORS_MAX 256

enum node_type { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct yaml_node {
	enum node_type type;
	bool plain;        /* scalar without quotes */
	unsigned int line; /* from 1 */
	const char *text;  /* scalar: valid UTF-8 without NUL bytes; else NULL */
	size_t length;     /* of text */
	/* List: its items. Map: key, value, key, value. */
	const struct yaml_node **items;
	size_t count; /* items of a list, pairs of a map */
	/* What it expands to, itself included. */
	size_t nodes, bytes, height;
};

enum scalar_kind {
	SCALAR_NULL,
	SCALAR_BOOL,
	SCALAR_INT, /* decimal, fits int64_t */
	SCALAR_NUMBER,
	SCALAR_AMBIGUOUS,
	SCALAR_STRING,
};

/* The node must be a scalar. */
enum scalar_kind node_scalar_kind(const struct yaml_node *node);
bool node_is_null(const struct yaml_node *node);
/* The value of a map's key, NULL if there is none or node is no map. */
const struct yaml_node *node_get(const struct yaml_node *node, const char *key);

struct document {
	const struct yaml_node *root; /* NULL: an empty document */
	const char *text;             /* as written, without "---"; points into the reader's text */
	size_t text_length;
	struct arena *arena;
};

void document_free(struct document *document);
DEFINE_FREEP(document);

struct document_reader;
/* -EINVAL with diag set if the text is too long or not UTF-8 text. */
int document_reader_new(const char *text, size_t length, const char *file, struct diag *diag,
			struct document_reader **ret);
void document_reader_free(struct document_reader *reader);
DEFINE_FREEP(document_reader);

/* The next document: 1, or 0 at the end of the stream. -EINVAL with diag set, -ENOMEM; after an
 * error the reader is only good for freeing. */
int document_reader_next(struct document_reader *reader, struct document **ret);

/* The node, with aliases expanded, as indented JSON. The caller frees. -ENOMEM. */
int node_to_json(const struct yaml_node *node, char **ret);
