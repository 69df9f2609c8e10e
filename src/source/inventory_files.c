/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/inventory.h"

struct inventory_files {
	int64_t max_age;
	struct store *store;
	struct files *files;
};

static int parse(const char *text, size_t length, const char *path, const char *name, void *data,
		 struct object_list **ret, struct diag *diag)
{
	const struct inventory_files *inventory = data;
	const struct inventory_options options = {
		.file = path, .name = name, .now = time(NULL), .max_age = inventory->max_age
	};

	return inventory_parse(text, length, &options, ret, diag);
}

/* However old it is, and whatever the clock says meanwhile: it was good. */
static int parse_kept(const char *text, size_t length, const char *path, const char *name,
		      void *data, struct object_list **ret, struct diag *diag)
{
	const struct inventory_options options = { .file = path,
						   .name = name,
						   .now = INT64_MAX - INVENTORY_AHEAD_MAX };

	return inventory_parse(text, length, &options, ret, diag);
}

int inventory_files_new(uv_loop_t *loop, const char *dir, const char *keep, int64_t max_age,
			struct store *store, struct inventory_files **ret)
{
	_cleanup_(inventory_files_freep) struct inventory_files *inventory =
		calloc(1, sizeof(*inventory));
	const struct files_format format = {
		.parse = parse, .parse_kept = parse_kept, .timed = true, .data = inventory
	};
	int r;

	if (!inventory)
		return -ENOMEM;
	inventory->max_age = max_age;
	inventory->store = store;
	r = files_new(loop, dir, keep, store, &format, &inventory->files);
	if (r < 0)
		return r;
	*ret = take_ptr(inventory);
	return 0;
}

void inventory_files_free(struct inventory_files *inventory)
{
	if (!inventory)
		return;
	files_free(inventory->files);
	free(inventory);
}

/* Groups of one file stand together; the first old one speaks for it. */
struct ages {
	const struct inventory_files *inventory;
	int64_t oldest; /* what was generated before is too old */
	const char *told;
	void (*fn)(const char *name, const struct diag *problem, void *data);
	void *data;
};

static int tell_age(const struct object *object, void *data)
{
	struct ages *ages = data;
	time_t at = (time_t)object->inventory_group.generated_at;
	struct diag problem = { 0 };
	char text[32];
	struct tm tm;

	if (at >= ages->oldest || (ages->told && !strcmp(ages->told, object->file)))
		return 0;
	ages->told = object->file;
	gmtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	diag_set(
		&problem, object->file, object->line,
		"found groups in force that were generated at %s, expected a time less than %lld s "
		"ago (inventory.max_age)",
		text, (long long)ages->inventory->max_age);
	ages->fn(object->name, &problem, ages->data);
	return 0;
}

void inventory_files_for_each_problem(const struct inventory_files *inventory,
				      void (*fn)(const char *name, const struct diag *problem,
						 void *data),
				      void *data)
{
	struct ages ages = { .inventory = inventory,
			     .oldest = (int64_t)time(NULL) - inventory->max_age,
			     .fn = fn,
			     .data = data };

	files_for_each_problem(inventory->files, fn, data);
	if (inventory->max_age)
		store_for_each(inventory->store, OBJECT_INVENTORY_GROUP, tell_age, &ages);
}
