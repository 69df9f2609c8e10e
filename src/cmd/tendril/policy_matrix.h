/* SPDX-License-Identifier: Apache-2.0 */
/* policy_matrix: who can reach whom, as a table to be drawn.
 *
 * In: groups of one scene    Out: cells with a state and a text
 * Owns: cells and texts; groups stay the caller's    Thread: one */
#pragma once

#include "policy/policy_changes.h"

enum cell_state {
	CELL_NOTHING, /* policies have no say, or the two have no family in common */
	CELL_NONE,
	CELL_SOME,
	CELL_ALL,
	CELL_STATES,
};

struct matrix_cell {
	enum cell_state state;
	char *text; /* "all", "none", "80/TCP", "IPv4: all, IPv6: none"; NULL: nothing */
	size_t key; /* place among the keys if the text is too long for a cell, from 1; else 0 */
	struct policy_cell ports;
};

struct matrix {
	const struct policy_cohorts *groups;
	size_t *shown; /* places of the groups that are rows and columns */
	size_t count;
	struct matrix_cell *cells; /* by row (from), column (to) */
	char **keys;               /* texts too long for a cell, each once; borrowed */
	size_t key_count;
	const struct policy_probe *probe; /* NULL: every port */
};

/* namespace NULL: every one. probe is borrowed. -ENOMEM. */
int matrix_new(const struct policy_cohorts *groups, const char *namespace,
	       const struct policy_probe *probe, struct matrix **ret);
void matrix_free(struct matrix *matrix);
DEFINE_FREEP(matrix);

const struct policy_cohort *matrix_group(const struct matrix *matrix, size_t at);
const struct matrix_cell *matrix_cell(const struct matrix *matrix, size_t from, size_t to);
/* What stands in a cell: its text, a key ("a"), "-" for none, "." for nothing. */
#define MATRIX_LABEL_MAX 16
const char *matrix_label(const struct matrix_cell *cell, char buf[static MATRIX_LABEL_MAX]);
/* "a" .. "z", "aa" ...; of keys from 1 on. */
const char *matrix_key_name(size_t key, char buf[static MATRIX_LABEL_MAX]);

/* A picture of its own: no fonts, scripts or styles from elsewhere; light and dark. */
void matrix_print_svg(const struct matrix *matrix, const char *about, FILE *out);
