/* SPDX-License-Identifier: Apache-2.0 */
/* admin: asks the agent on behalf of a verb, and says what went wrong in the user's terms. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "verb.h"

#define _cleanup_json_ __attribute__((cleanup(json_decrefp)))

/* Sends a request and parses the answer. Returns 0, or an exit code after an explanation on stderr:
 * EXIT_UNREACHABLE, or EXIT_NO with the agent's own message (file:line first if it names one). */
int admin_request(const struct cli *cli, const char *method, const char *path, const char *body,
		  size_t body_len, json_t **ret);
int admin_get(const struct cli *cli, const char *path, json_t **ret);
/* body is borrowed. */
int admin_post(const struct cli *cli, const char *path, const json_t *body, json_t **ret);

/* Text of strangers on its way to a terminal: each control character, of ASCII or of ISO 6429 in UTF-8,
 * becomes '?'. */
void print_clean(FILE *out, const char *text);

/* One column of a list: a field of each element as text. */
struct column {
	const char *title;
	const char *field;
	const char *(*text)(const json_t *value, char *buf, size_t size); /* NULL: as it is */
};

/* What a list verb shows; ends with title NULL. */
struct listing {
	const char *path;  /* GET */
	const char *field; /* of the answer: the array */
	const char *none;  /* what to say if it is empty */
	struct column columns[14];
};

/* `VERB list [-o table|json]`: prints the listing. Columns whose every cell is empty are left out. */
int listing_run(const struct cli *cli, const struct verb *verb, const struct listing *listing,
		int argc, char **argv);
/* The same for a verb that is a list by itself: `VERB [-o table|json]`. */
int listing_run_plain(const struct cli *cli, const struct verb *verb, const struct listing *listing,
		      int argc, char **argv);

extern const struct verb_option listing_options[];

/* Prints rows under titles, three spaces apart. */
void listing_print(const struct listing *listing, const json_t *rows);

/* Cell printers. */
const char *cell_labels(const json_t *value, char *buf, size_t size);
/* "yes", or nothing. */
const char *cell_flag(const json_t *value, char *buf, size_t size);
const char *cell_bytes(const json_t *value, char *buf, size_t size);
