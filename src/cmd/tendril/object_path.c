/* SPDX-License-Identifier: Apache-2.0 */
#include "object_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/admin_client.h"
#include "base/cleanup.h"

static char *append(char *path, const char *key, const char *value)
{
	_cleanup_free_ char *before = path, *escaped = value ? admin_escape(value) : NULL;
	char *after;

	if (!value)
		return take_ptr(before);
	if (!before || !escaped)
		return NULL;
	if (asprintf(&after, "%s%c%s=%s", before, strchr(before, '?') ? '&' : '?', key, escaped) <
	    0)
		return NULL;
	return after;
}

char *object_path(const struct object_query *query)
{
	char *path = strdup("/v1/objects");

	path = append(path, "kind", query->kind);
	path = append(path, "namespace", query->namespace);
	return append(path, "name", query->name);
}

int object_arguments(int argc, char **argv, int first, struct object_query *query)
{
	char *slash;

	if (argc - first > 2)
		return -1;
	if (argc - first == 0)
		return 0;
	query->kind = argv[first];
	query->name = argc - first == 2 ? argv[first + 1] : NULL;
	slash = strchr(argv[first], '/');
	if (!slash)
		return 0;
	if (query->name)
		return -1;
	*slash = '\0';
	query->name = slash + 1;
	return 0;
}
