/* SPDX-License-Identifier: Apache-2.0 */
/* walk: reading a document tree by tables of fields; says what was found and what was expected.
 *
 * In: nodes (document.h) and tables of the fields a schema has    Out: what the readers store
 * Owns: nothing    Thread: any
 *
 * Every reader returns 0, -ENOMEM, or -EINVAL with the walk's diagnostic set. A field whose value is
 * null counts as absent, as in the Kubernetes API. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/util.h"
#include "model/document.h"
#include "model/names.h"

/* Where the walk is, for messages: a chain of stack frames. */
struct path {
	const struct path *up;
	const char *key; /* NULL: an item of a list */
	size_t index;
};

struct walk {
	const char *file;
	struct diag *diag;
	const struct path *path;
};

enum shape {
	SHAPE_ANY,
	SHAPE_STRING,
	SHAPE_INT,
	SHAPE_BOOL,
	SHAPE_INT_OR_STRING,
	SHAPE_LIST,
	SHAPE_MAP,
	SHAPE_REFUSED, /* known, but not enforced by this build */
};

typedef int (*field_reader)(struct walk *walk, const struct yaml_node *node, void *into);

/* A field of a schema. read NULL: only the shape is checked, the rest does not concern us. */
struct field {
	const char *key;
	enum shape shape;
	field_reader read; /* stores at `into + offset` */
	size_t offset;
};

/* "found X in PATH, expected ..." at the node's line. Returns -EINVAL. */
int walk_fail(struct walk *walk, const struct yaml_node *node, const char *expected, ...)
	_printf_(3, 4);
/* The same where a required field is missing: "found no KEY in PATH, expected ...". */
int walk_missing(struct walk *walk, const struct yaml_node *node, const char *key,
		 const char *expected);
/* "found PATH.key, which is not enforced by this build, expected ...". */
int walk_not_enforced(struct walk *walk, const struct yaml_node *node, const char *expected);

int walk_shape(struct walk *walk, const struct yaml_node *node, enum shape shape);
/* Reads a map by its table; refuses fields that are not in it. */
int walk_fields(struct walk *walk, const struct yaml_node *node, const struct field *fields,
		size_t count, void *into);
#define walk_table(walk, node, table, into) walk_fields(walk, node, table, ARRAY_SIZE(table), into)

/* Calls read with one more key in the path; for fields that are read out of turn. */
int walk_at(struct walk *walk, const char *key, const struct yaml_node *node, field_reader read,
	    void *into);
/* Calls read for each item of a list. */
int walk_items(struct walk *walk, const struct yaml_node *node, field_reader read, void *into);
/* Calls read for each pair of a map whose keys are data (labels), null values too. */
int walk_pairs(struct walk *walk, const struct yaml_node *node,
	       int (*read)(struct walk *walk, const struct yaml_node *key,
			   const struct yaml_node *value, void *into),
	       void *into);

/* Readers of single values; `into` is what the name says. */
int read_string(struct walk *walk, const struct yaml_node *node, void *into);        /* char ** */
int read_bool(struct walk *walk, const struct yaml_node *node, void *into);          /* bool * */
int read_dns_label(struct walk *walk, const struct yaml_node *node, void *into);     /* char ** */
int read_dns_subdomain(struct walk *walk, const struct yaml_node *node, void *into); /* char ** */
int read_port(struct walk *walk, const struct yaml_node *node,
	      void *into); /* uint16_t *, 1..65535 */
int read_l4_protocol(struct walk *walk, const struct yaml_node *node, void *into); /* uint8_t * */
int walk_int(struct walk *walk, const struct yaml_node *node, int64_t min, int64_t max,
	     int64_t *ret);
/* Index of the word in a list that ends with NULL. */
int walk_enum(struct walk *walk, const struct yaml_node *node, const char *const *words,
	      unsigned int *ret);

/* One more element at the end of *array, which has *count of them, zeroed; NULL if memory is short. Capacity is
 * the next power of two, so arrays that grow only this way need no field for it. */
void *array_grow(void *array, size_t *count, size_t element_size);
#define array_add(array, count) ((__typeof__(*(array)))array_grow(array, count, sizeof(**(array))))
