/* SPDX-License-Identifier: Apache-2.0 */
#include "api_objects.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "model/object.h"
#include "source/batches.h"
#include "source/text_file.h"

#define NAME_SHOWN_MAX 120 /* of a name too long for a file's name; a hash tells the rest apart */

struct api_objects {
	struct store *store;
	char *dir;
	int dir_fd;
	struct batches *batches;
	struct api_objects_watch watch;
	char **broken; /* names of files left alone */
	size_t broken_count;
};

/* FNV-1a, 64 bits (RFC draft-eastlake-fnv). */
static uint64_t hash_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
	return hash;
}

/* Names have no '_' and no '/': what is between underscores cannot be mistaken. */
static void file_name(enum object_kind kind, const char *namespace, const char *name,
		      char buf[static NAME_MAX + 1])
{
	int n = snprintf(buf, NAME_MAX + 1, "%s_%s_%s.yaml", object_kind_name(kind),
			 namespace ? namespace : "", name);

	if (n <= NAME_MAX)
		return;
	snprintf(buf, NAME_MAX + 1, "%s_%s_%.*s_%016llx.yaml", object_kind_name(kind),
		 namespace ? namespace : "", NAME_SHOWN_MAX, name,
		 (unsigned long long)hash_name(name));
}

static void change_file_name(const struct store_change *change, char buf[static NAME_MAX + 1])
{
	if (change->object)
		file_name(change->object->kind, change->object->namespace, change->object->name,
			  buf);
	else
		file_name(change->kind, change->namespace, change->name, buf);
}

static DIR *list_dir(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int api_objects_open(const char *dir, struct store *store, struct api_objects **ret)
{
	_cleanup_(api_objects_freep) struct api_objects *objects = calloc(1, sizeof(*objects));
	int r;

	if (!objects)
		return -ENOMEM;
	objects->dir_fd = -1;
	objects->store = store;
	objects->dir = strdup(dir);
	if (!objects->dir)
		return -ENOMEM;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	objects->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (objects->dir_fd < 0)
		return -errno;
	r = batches_new(objects->dir_fd, &objects->batches);
	if (r < 0)
		return r;
	*ret = take_ptr(objects);
	return 0;
}

void api_objects_free(struct api_objects *objects)
{
	if (!objects)
		return;
	batches_free(objects->batches);
	for (size_t i = 0; i < objects->broken_count; i++)
		free(objects->broken[i]);
	free(objects->broken);
	if (objects->dir_fd >= 0)
		close(objects->dir_fd);
	free(objects->dir);
	free(objects);
}

/* ---- files left alone */

/* Whether what is in force may be more than what is left without this object. Rules deny by policies,
 * by what these refer to (groups, Services and their slices) and by labels of namespaces; a Pod may
 * take itself out of an audit. No rule asks for Nodes. */
static bool opens_without(const char *name)
{
	const char *closed = object_kind_name(OBJECT_NODE);
	size_t length = strlen(closed);

	return strncmp(name, closed, length) != 0 || name[length] != '_';
}

static size_t find_broken(const struct api_objects *objects, const char *name)
{
	size_t i = 0;

	while (i < objects->broken_count && strcmp(objects->broken[i], name) != 0)
		i++;
	return i;
}

static int note_broken(struct api_objects *objects, const char *name, const struct diag *diag)
{
	_cleanup_free_ char *copy = strdup(name);
	char **grown = reallocarray(objects->broken, objects->broken_count + 1, sizeof(*grown));

	if (grown)
		objects->broken = grown;
	if (!grown || !copy)
		return -ENOMEM;
	grown[objects->broken_count++] = take_ptr(copy);
	if (objects->watch.broken)
		objects->watch.broken(name, diag, opens_without(name), objects->watch.data);
	return 0;
}

static void forget_broken(struct api_objects *objects, const char *name)
{
	size_t i = find_broken(objects, name);
	_cleanup_free_ char *found = NULL;

	if (i == objects->broken_count)
		return;
	found = objects->broken[i];
	objects->broken[i] = objects->broken[--objects->broken_count];
	if (objects->watch.mended)
		objects->watch.mended(found, objects->watch.data);
}

/* Those that somebody removed. */
static void forget_removed(struct api_objects *objects)
{
	for (size_t i = objects->broken_count; i-- > 0;)
		if (faccessat(objects->dir_fd, objects->broken[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno == ENOENT)
			forget_broken(objects, objects->broken[i]);
}

const char *api_objects_missing(struct api_objects *objects)
{
	forget_removed(objects);
	for (size_t i = 0; i < objects->broken_count; i++)
		if (opens_without(objects->broken[i]))
			return objects->broken[i];
	return NULL;
}

bool api_objects_is_broken(const struct api_objects *objects, enum object_kind kind,
			   const char *namespace, const char *name)
{
	char file[NAME_MAX + 1];

	file_name(kind, namespace, name, file);
	return find_broken(objects, file) < objects->broken_count;
}

/* ---- at start */

/* The one object that a file of this name may hold. */
static int load_text(const char *name, const char *shown, const char *text, size_t length,
		     struct object **ret, struct diag *diag)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	struct object_parse_options options = { .file = shown, .from_api = true };
	char want[NAME_MAX + 1];
	int r = object_parse(text, length, &options, &list, diag);

	if (r < 0)
		return r;
	if (list->count != 1)
		return diag_set(diag, shown, 0, "found %zu objects, expected one", list->count);
	file_name(list->items[0]->kind, list->items[0]->namespace, list->items[0]->name, want);
	if (strcmp(want, name))
		return diag_set(diag, shown, list->items[0]->line,
				"found the object of another file, expected it in %s", want);
	*ret = object_ref(list->items[0]);
	return 0;
}

struct loading {
	struct api_objects *objects;
	struct store_change *changes;
	size_t count, capacity;
};

static void loading_clear(struct loading *loading)
{
	for (size_t i = 0; i < loading->count; i++)
		object_unref(loading->changes[i].object);
	free(loading->changes);
}

static int loading_add(struct loading *loading, struct object *object)
{
	if (loading->count == loading->capacity) {
		size_t capacity = loading->capacity ? loading->capacity * 2 : 16;
		struct store_change *changes =
			reallocarray(loading->changes, capacity, sizeof(*changes));

		if (!changes)
			return -ENOMEM;
		loading->changes = changes;
		loading->capacity = capacity;
	}
	loading->changes[loading->count++] =
		(struct store_change){ .origin = STORE_API, .object = object };
	return 0;
}

static bool is_object_file(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' && length > 5 && !strcmp(name + length - 5, ".yaml");
}

/* Puts the object of a text into the list, or tells why not: then the others go on. */
static int loading_take(struct loading *loading, const char *name, const char *shown,
			const char *text, size_t length)
{
	_cleanup_(object_unrefp) struct object *object = NULL;
	struct diag diag = { 0 };
	int r = load_text(name, shown, text, length, &object, &diag);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return note_broken(loading->objects, name, &diag);
	r = loading_add(loading, object);
	if (r == 0)
		take_ptr(object);
	return r;
}

static int load_file(struct loading *loading, const char *name)
{
	struct api_objects *objects = loading->objects;
	_cleanup_free_ char *text = NULL;
	struct diag diag = { 0 };
	char shown[PATH_MAX];
	size_t length;
	int r;

	snprintf(shown, sizeof(shown), "%s/%s", objects->dir, name);
	r = text_file_read(objects->dir_fd, name, shown, &text, &length, NULL, &diag);
	if (r == -ENOMEM)
		return r;
	return r == 0 ? loading_take(loading, name, shown, text, length)
		      : note_broken(objects, name, &diag);
}

static void loading_drop(struct loading *loading, const char *name)
{
	char have[NAME_MAX + 1];

	for (size_t i = 0; i < loading->count; i++) {
		change_file_name(&loading->changes[i], have);
		if (strcmp(have, name) != 0)
			continue;
		object_unref(loading->changes[i].object);
		loading->changes[i] = loading->changes[--loading->count];
		return;
	}
}

/* What was committed and did not get into its own file. */
static int load_pending(const char *name, const char *text, size_t length, void *data)
{
	_cleanup_free_ char *copy = text ? strndup(text, length) : NULL;
	struct loading *loading = data;
	char shown[PATH_MAX];

	if (text && !copy)
		return -ENOMEM;
	loading_drop(loading, name);
	forget_broken(loading->objects, name);
	snprintf(shown, sizeof(shown), "%s/%s", loading->objects->dir, name);
	return text ? loading_take(loading, name, shown, copy, length) : 0;
}

int api_objects_load(struct api_objects *objects, const struct api_objects_watch *watch,
		     struct diag *diag)
{
	_cleanup_(loading_clear) struct loading loading = { .objects = objects };
	_cleanup_(closedirp) DIR *dir = list_dir(objects->dir_fd);
	struct dirent *entry;
	int r = 0;

	objects->watch = *watch;
	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir)))
		if (is_object_file(entry->d_name))
			r = load_file(&loading, entry->d_name);
	if (r == 0)
		r = batches_for_each_pending(objects->batches, load_pending, &loading);
	return r < 0 ? r : store_commit(objects->store, loading.changes, loading.count, diag);
}

/* ---- changes */

static int disk_error(struct api_objects *objects, int error, const char *consequence,
		      struct diag *diag)
{
	diag_set(diag, NULL, 0, "found %s cannot be written (%s): %s, expected a disk that writes",
		 objects->dir, strerror(-error), consequence);
	return error;
}

static int write_batch(struct api_objects *objects, const struct store_change *changes,
		       size_t count)
{
	char name[NAME_MAX + 1];
	int r = batches_begin(objects->batches);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		const struct object *object = changes[i].object;

		assert(changes[i].origin == STORE_API);
		change_file_name(&changes[i], name);
		if (object)
			batches_put(objects->batches, name, object->text, strlen(object->text));
		else
			batches_delete(objects->batches, name);
	}
	return batches_sync(objects->batches);
}

static void forget_changed(struct api_objects *objects, const struct store_change *changes,
			   size_t count)
{
	char name[NAME_MAX + 1];

	for (size_t i = 0; i < count && objects->broken_count; i++) {
		change_file_name(&changes[i], name);
		forget_broken(objects, name);
	}
}

int api_objects_commit(struct api_objects *objects, const struct store_change *changes,
		       size_t count, struct diag *diag)
{
	int r;

	if (!count)
		return 0;
	r = write_batch(objects, changes, count);
	if (r < 0)
		return disk_error(objects, r, "nothing has changed", diag);
	r = store_commit(objects->store, changes, count, diag);
	if (r < 0) {
		batches_abandon(objects->batches);
		return r;
	}
	forget_changed(objects, changes, count);
	r = batches_commit(objects->batches);
	if (r < 0)
		return disk_error(objects, r,
				  "the change is in force, but may not survive a restart", diag);
	return 0;
}

int api_objects_settle(struct api_objects *objects)
{
	return batches_settle(objects->batches);
}

int api_objects_error(const struct api_objects *objects)
{
	return batches_error(objects->batches);
}
