/* SPDX-License-Identifier: Apache-2.0 */
#include "file_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct entry {
	char *name;
	struct object_list *held;      /* in the store; NULL: nothing */
	struct object_list *candidate; /* to be held instead; NULL: no change wanted */
	struct diag problem;
	bool gone;     /* removed: holds nothing after the next commit */
	bool conflict; /* its candidate lost an object to another file, this time */
};

struct file_set {
	struct store *store;
	char *dir;
	struct entry **entries; /* sorted by name */
	size_t count, capacity;
};

/* An object with the file that wants it. */
struct claim {
	struct object *object;
	struct entry *entry;
};

struct claims {
	struct claim *items;
	size_t count;
};

static void claims_clear(struct claims *claims)
{
	free(claims->items);
}

int file_set_new(const char *dir, struct store *store, struct file_set **ret)
{
	_cleanup_(file_set_freep) struct file_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->store = store;
	set->dir = strdup(dir);
	if (!set->dir)
		return -ENOMEM;
	*ret = take_ptr(set);
	return 0;
}

static void entry_free(struct entry *entry)
{
	object_list_free(entry->held);
	object_list_free(entry->candidate);
	free(entry->name);
	free(entry);
}

void file_set_free(struct file_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->count; i++)
		entry_free(set->entries[i]);
	free(set->entries);
	free(set->dir);
	free(set);
}

static size_t find(const struct file_set *set, const char *name, bool *ret_found)
{
	size_t low = 0, high = set->count;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(set->entries[middle]->name, name);

		if (!order) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct entry *entry_new(const char *name)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->name = strdup(name);
	if (!entry->name) {
		free(entry);
		return NULL;
	}
	return entry;
}

static struct entry *find_or_add(struct file_set *set, const char *name)
{
	bool found;
	size_t at = find(set, name, &found);
	struct entry *entry;

	if (found)
		return set->entries[at];
	if (set->count == set->capacity) {
		size_t capacity = MAX(set->capacity * 2, (size_t)8);
		struct entry **entries = reallocarray(set->entries, capacity, sizeof(*entries));

		if (!entries)
			return NULL;
		set->entries = entries;
		set->capacity = capacity;
	}
	entry = entry_new(name);
	if (!entry)
		return NULL;
	memmove(&set->entries[at + 1], &set->entries[at],
		(set->count - at) * sizeof(*set->entries));
	set->entries[at] = entry;
	set->count++;
	return entry;
}

int file_set_offer(struct file_set *set, const char *name, struct object_list *list)
{
	struct entry *entry = find_or_add(set, name);

	if (!entry) {
		object_list_free(list);
		return -ENOMEM;
	}
	object_list_free(entry->candidate);
	entry->candidate = list;
	entry->gone = false;
	return 0;
}

int file_set_refuse(struct file_set *set, const char *name, const struct diag *problem)
{
	struct entry *entry = find_or_add(set, name);

	if (!entry)
		return -ENOMEM;
	object_list_free(entry->candidate);
	entry->candidate = NULL;
	entry->gone = false;
	entry->problem = *problem;
	return 0;
}

int file_set_restore(struct file_set *set, const char *name, struct object_list *list)
{
	struct entry *entry = find_or_add(set, name);

	if (!entry) {
		object_list_free(list);
		return -ENOMEM;
	}
	object_list_free(entry->held);
	entry->held = list; /* not in the store yet: the next commit puts it there */
	return 0;
}

bool file_set_is_in_force(const struct file_set *set, const char *name)
{
	bool found;
	size_t at = find(set, name, &found);

	return found && !set->entries[at]->candidate && !diag_is_set(&set->entries[at]->problem);
}

void file_set_remove(struct file_set *set, const char *name)
{
	bool found;
	size_t at = find(set, name, &found);

	if (found)
		set->entries[at]->gone = true;
}

/* What the file is to hold if nothing more is found against it. */
static const struct object_list *wanted(const struct entry *entry)
{
	if (entry->gone)
		return NULL;
	return entry->candidate && !entry->conflict ? entry->candidate : entry->held;
}

static int compare_keys(const struct object *a, const struct object *b)
{
	int order = (int)a->kind - (int)b->kind;

	if (!order)
		order = strcmp(a->namespace, b->namespace);
	return order ? order : strcmp(a->name, b->name);
}

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = compare_keys(x->object, y->object);

	if (!order)
		order = strcmp(x->entry->name, y->entry->name);
	return order ? order
		     : (x->object->line > y->object->line) - (x->object->line < y->object->line);
}

static int collect(const struct file_set *set, struct claims *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++)
		count += wanted(set->entries[i]) ? wanted(set->entries[i])->count : 0;
	free(ret->items);
	ret->count = 0;
	ret->items = calloc(MAX(count, (size_t)1), sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (size_t i = 0; i < set->count; i++) {
		const struct object_list *list = wanted(set->entries[i]);

		for (size_t j = 0; list && j < list->count; j++)
			ret->items[ret->count++] =
				(struct claim){ list->items[j], set->entries[i] };
	}
	qsort(ret->items, ret->count, sizeof(*ret->items), compare_claims);
	return 0;
}

static bool holds(const struct entry *entry, const struct object *object)
{
	for (size_t i = 0; entry->held && i < entry->held->count; i++)
		if (!compare_keys(entry->held->items[i], object))
			return true;
	return false;
}

static void refuse_claim(const struct claim *loser, const struct claim *winner)
{
	const struct object *object = loser->object;
	struct entry *entry = loser->entry;

	entry->conflict = true;
	entry->problem = (struct diag){ 0 };
	diag_set(&entry->problem, object->file, object->line,
		 "found %s %s%s%s, which is in %s too (line %u), expected it in one place",
		 object_kind_name(object->kind), object->namespace, object->namespace[0] ? "/" : "",
		 object->name, winner->object->file, winner->object->line);
}

/* Refuses one file of each pair that claims an object. A refused file goes back to what it held,
 * which may claim another one: so until no pair is left. Each round refuses at least one more. */
static bool refuse_conflicts(const struct claims *claims)
{
	bool any = false;

	for (size_t i = 1; i < claims->count; i++) {
		const struct claim *a = &claims->items[i - 1], *b = &claims->items[i];
		bool a_movable = a->entry->candidate && !a->entry->conflict;
		bool b_movable = b->entry->candidate && !b->entry->conflict;

		if (compare_keys(a->object, b->object))
			continue;
		if (a_movable &&
		    (!b_movable || (holds(b->entry, b->object) && !holds(a->entry, a->object)))) {
			refuse_claim(a, b);
			any = true;
		} else if (b_movable) {
			refuse_claim(b, a);
			any = true;
		}
	}
	return any;
}

static bool same_object(const struct object *a, const struct object *b)
{
	return a->line == b->line && !strcmp(a->text, b->text) && !strcmp(a->file, b->file);
}

static bool claimed(const struct claims *claims, const struct object *object)
{
	size_t low = 0, high = claims->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_keys(claims->items[middle].object, object);

		if (!order)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* A removed or changed file's old objects that no file wants any more go; what is wanted and not
 * in the store as it is comes. */
static int commit(struct file_set *set, const struct claims *claims, struct diag *diag)
{
	_cleanup_free_ struct store_change *changes = NULL;
	size_t most = claims->count, count = 0;

	for (size_t i = 0; i < set->count; i++)
		most += set->entries[i]->held ? set->entries[i]->held->count : 0;
	changes = calloc(MAX(most, (size_t)1), sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	for (size_t i = 0; i < set->count; i++) {
		const struct object_list *held = set->entries[i]->held;

		for (size_t j = 0; held && j < held->count; j++) {
			const struct object *old = held->items[j];

			if (claimed(claims, old))
				continue;
			changes[count++] = (struct store_change){ .origin = STORE_FILE,
								  .kind = old->kind,
								  .namespace = old->namespace,
								  .name = old->name };
		}
	}
	for (size_t i = 0; i < claims->count; i++) {
		struct object *new = claims->items[i].object;
		const struct object *old = store_get_from(set->store, STORE_FILE, new->kind,
							  new->namespace, new->name);

		if (!old || !same_object(old, new))
			changes[count++] =
				(struct store_change){ .origin = STORE_FILE, .object = new };
	}
	return store_commit(set->store, changes, count, diag);
}

static void settle(struct file_set *set)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->count; i++) {
		struct entry *entry = set->entries[i];

		if (entry->gone) {
			entry_free(entry);
			continue;
		}
		if (entry->candidate && !entry->conflict) {
			object_list_free(entry->held);
			entry->held = take_ptr(entry->candidate);
			entry->problem = (struct diag){ 0 };
		}
		set->entries[kept++] = entry;
	}
	set->count = kept;
}

int file_set_commit(struct file_set *set, struct diag *diag)
{
	_cleanup_(claims_clear) struct claims claims = { 0 };
	int r;

	for (size_t i = 0; i < set->count; i++)
		set->entries[i]->conflict = false;
	do {
		r = collect(set, &claims);
		if (r < 0)
			return r;
	} while (refuse_conflicts(&claims));
	r = commit(set, &claims, diag);
	if (r < 0)
		return r;
	settle(set);
	return 0;
}

void file_set_for_each_problem(const struct file_set *set,
			       void (*fn)(const char *name, const struct diag *problem, void *data),
			       void *data)
{
	for (size_t i = 0; i < set->count; i++)
		if (diag_is_set(&set->entries[i]->problem))
			fn(set->entries[i]->name, &set->entries[i]->problem, data);
}

size_t file_set_problem_count(const struct file_set *set)
{
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++)
		count += diag_is_set(&set->entries[i]->problem);
	return count;
}
