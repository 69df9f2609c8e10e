/* SPDX-License-Identifier: Apache-2.0 */
/* object_path: KIND, NAME and -n as the query of /v1/objects. */
#pragma once

struct object_query {
	const char *kind;      /* NULL: every kind */
	const char *namespace; /* NULL: every namespace (get) or default (delete) */
	const char *name;      /* NULL: every name */
	const char *output;    /* NULL: the verb's default */
};

/* "/v1/objects?kind=..."; caller frees. NULL if memory is short. */
char *object_path(const struct object_query *query);

/* "KIND/NAME", "KIND NAME" or "KIND" from the arguments. Returns 0, or -1 if there are too many. */
int object_arguments(int argc, char **argv, int first, struct object_query *query);
