/* SPDX-License-Identifier: Apache-2.0 */
#include "sources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "base/fsutil.h"
#include "base/log.h"
#include "source/api_objects.h"
#include "source/files.h"
#include "source/inventory_files.h"

struct sources {
	struct agent *agent;
	struct api_objects *api;
	struct files *files;               /* NULL: no objects_dir */
	struct inventory_files *inventory; /* NULL: no inventory.dir */
};

/* One problem per file: the key is its name. */
static void on_broken(const char *file, const struct diag *diag, bool opens, void *data)
{
	struct sources *sources = data;
	char text[DIAG_TEXT_MAX + DIAG_FILE_MAX + 16];

	diag_format(diag, text, sizeof(text));
	if (opens)
		problem_set(&sources->agent->problems, file,
			    "it may be a policy that denies: what was in force stays so, no change "
			    "comes into force, and new workloads are not connected",
			    "apply the object again, or delete it, or remove the file", "%s", text);
	else
		problem_set(&sources->agent->problems, file, "the object is not there",
			    "apply the object again, or delete it, or remove the file", "%s", text);
}

static void on_mended(const char *file, void *data)
{
	struct sources *sources = data;

	problem_clear(&sources->agent->problems, file);
}

static int open_api(struct sources *sources, struct diag *diag)
{
	const char *state_dir = sources->agent->settings.state_dir;
	const struct api_objects_watch watch = { on_broken, on_mended, sources };
	_cleanup_free_ char *dir = NULL;
	int r = dir_make(state_dir, 0755);

	if (r < 0) {
		diag_set(diag, state_dir, 0, "cannot be made: %s", log_strerror(r));
		return r;
	}
	if (asprintf(&dir, "%s/objects", state_dir) < 0)
		return -ENOMEM;
	r = api_objects_open(dir, sources->agent->store, &sources->api);
	if (r < 0) {
		diag_set(diag, dir, 0, "cannot be opened: %s", log_strerror(r));
		return r;
	}
	return api_objects_load(sources->api, &watch, diag);
}

static int open_files(struct sources *sources, struct diag *diag)
{
	const char *dir = sources->agent->settings.objects_dir;
	_cleanup_free_ char *kept = NULL;
	int r;

	if (!*dir)
		return 0;
	if (asprintf(&kept, "%s/files", sources->agent->settings.state_dir) < 0)
		return -ENOMEM;
	r = dir_make(dir, 0755);
	if (r == 0)
		r = files_new(sources->agent->loop, dir, kept, sources->agent->store, NULL,
			      &sources->files);
	if (r < 0)
		diag_set(diag, dir, 0, "cannot be watched: %s", log_strerror(r));
	return r;
}

static int open_inventory(struct sources *sources, struct diag *diag)
{
	const struct settings *settings = &sources->agent->settings;
	const char *dir = settings->inventory.dir;
	_cleanup_free_ char *keep = NULL;
	int r;

	if (!*dir)
		return 0;
	if (asprintf(&keep, "%s/inventory", settings->state_dir) < 0) {
		keep = NULL;
		return -ENOMEM;
	}
	r = dir_make(dir, 0755);
	if (r == -EROFS || r == -ENOSPC || r == -EDQUOT) {
		log_warn("source", "no inventory: its directory cannot be made",
			 LOG_STR("dir", dir), LOG_ERR(r));
		return 0;
	}
	if (r == 0)
		r = inventory_files_new(sources->agent->loop, dir, keep,
					settings->inventory.max_age, sources->agent->store,
					&sources->inventory);
	if (r < 0)
		diag_set(diag, dir, 0, "cannot be watched: %s", log_strerror(r));
	return r;
}

int sources_new(struct agent *agent, struct sources **ret, struct diag *diag)
{
	_cleanup_(sources_freep) struct sources *sources = calloc(1, sizeof(*sources));
	int r;

	if (!sources)
		return -ENOMEM;
	sources->agent = agent;
	r = open_api(sources, diag);
	if (r == 0)
		r = open_files(sources, diag);
	if (r == 0)
		r = open_inventory(sources, diag);
	if (r < 0)
		return r;
	*ret = take_ptr(sources);
	return 0;
}

void sources_free(struct sources *sources)
{
	if (!sources)
		return;
	files_free(sources->files);
	inventory_files_free(sources->inventory);
	api_objects_free(sources->api);
	free(sources);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* What applying an object does to what the API has of it so far. */
static const char *change_word(const struct store *store, const struct object *object)
{
	const struct object *before =
		store_get_from(store, STORE_API, object->kind, object->namespace, object->name);

	if (!before)
		return "created";
	return same_text(before->text, object->text) ? "unchanged" : "configured";
}

static json_t *describe(const struct store *store, const struct object_list *list)
{
	json_t *objects = json_array(), *skipped = json_array();

	for (size_t i = 0; i < list->count; i++) {
		const struct object *object = list->items[i];

		json_array_append_new(objects,
				      json_pack("{s:s, s:s, s:s, s:s}", "kind",
						object_kind_name(object->kind), "namespace",
						object->namespace, "name", object->name, "change",
						change_word(store, object)));
	}
	for (size_t i = 0; i < list->skipped_count; i++)
		json_array_append_new(skipped, json_string(list->skipped[i]));
	return json_pack("{s:o, s:o}", "objects", objects, "skipped", skipped);
}

int sources_apply(struct sources *sources, const char *text, size_t len, const char *name,
		  bool skip_other_kinds, json_t **ret, struct diag *diag)
{
	const struct object_parse_options options = { .file = name,
						      .skip_other_kinds = skip_other_kinds };
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	_cleanup_free_ struct store_change *changes = NULL;
	json_t *answer;
	int r = object_parse(text, len, &options, &list, diag);

	if (r < 0)
		return r;
	changes = calloc(list->count ? list->count : 1, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++)
		changes[i] = (struct store_change){ .origin = STORE_API, .object = list->items[i] };
	answer = describe(sources->agent->store, list);
	r = api_objects_commit(sources->api, changes, list->count, diag);
	if (r < 0) {
		json_decref(answer);
		return r;
	}
	/* Whoever gets the answer finds it in force. What cannot be is told by status. */
	regenerate_now(sources->agent->regenerate);
	*ret = answer;
	return 0;
}

int sources_delete(struct sources *sources, enum object_kind kind, const char *namespace,
		   const char *name, struct diag *diag)
{
	const struct store *store = sources->agent->store;
	const struct store_change change = {
		.origin = STORE_API, .kind = kind, .namespace = namespace, .name = name
	};
	const struct object *file = store_get_from(store, STORE_FILE, kind, namespace, name);
	int r;

	if (!store_get_from(store, STORE_API, kind, namespace, name) &&
	    !api_objects_is_broken(sources->api, kind, namespace, name)) {
		if (!file)
			return -ENOENT;
		return diag_set(diag, file->file, file->line,
				"%s %s%s%s is held by this file: remove it there",
				object_kind_name(kind), namespace, *namespace ? "/" : "", name);
	}
	r = api_objects_commit(sources->api, &change, 1, diag);
	if (r == 0)
		regenerate_now(sources->agent->regenerate);
	return r;
}

const char *sources_missing(const struct sources *sources)
{
	return sources && sources->api ? api_objects_missing(sources->api) : NULL;
}

struct telling {
	json_t *problems;
	const char *consequence, *remedy;
};

static void add_problem(const char *name, const struct diag *problem, void *data)
{
	const struct telling *telling = data;
	char text[DIAG_TEXT_MAX + DIAG_FILE_MAX + 16];

	diag_format(problem, text, sizeof(text));
	json_array_append_new(telling->problems,
			      json_pack("{s:s, s:s, s:s}", "what", text, "consequence",
					telling->consequence, "do", telling->remedy));
}

static void add_disk_problem(const struct sources *sources, int error, json_t *problems)
{
	char text[DIAG_TEXT_MAX];

	snprintf(text, sizeof(text),
		 "%s/objects: applied objects cannot be written to files of their own: %s",
		 sources->agent->settings.state_dir, log_strerror(error));
	json_array_append_new(
		problems,
		json_pack("{s:s, s:s, s:s}", "what", text, "consequence",
			  "they are in force and kept, but soon nothing more can be applied", "do",
			  "make room, or make the directory writable, and apply again"));
}

void sources_add_problems(const struct sources *sources, json_t *problems)
{
	int r = api_objects_error(sources->api);
	struct telling manifests = { problems,
				     "objects of this file are as they were before, or not there",
				     "correct the file, or remove it" };
	struct telling inventory = {
		problems,
		"its last good groups stay in force; rules that refer to groups "
		"that are not there match nobody",
		"see to the job that writes the file, or remove it"
	};

	if (r < 0)
		add_disk_problem(sources, r, problems);
	if (sources->files)
		files_for_each_problem(sources->files, add_problem, &manifests);
	if (sources->inventory)
		inventory_files_for_each_problem(sources->inventory, add_problem, &inventory);
}
