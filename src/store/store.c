/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define LISTENERS_MAX 8

/* One key with what each origin says about it; never without any. */
struct entry {
	const char *namespace, *name; /* of one of the objects */
	struct object *from[STORE_ORIGIN_COUNT];
};

/* Sorted by namespace and name. */
struct shelf {
	struct entry **items;
	size_t count, capacity;
};

struct store {
	struct shelf shelves[OBJECT_KIND_COUNT];
	struct {
		store_listener fn;
		void *data;
	} listeners[LISTENERS_MAX];
	size_t listener_count;
	bool committing;
};

/* What a commit allocates before it changes anything. */
struct batch {
	const struct store_change **order; /* the changes sorted by key and origin */
	struct entry **fresh;              /* by change: an entry in case the key is new */
	struct object **replaced;          /* references to drop once the listeners are done */
	struct store_event *events;
	size_t count, replaced_count, event_count;
};

int store_new(struct store **ret)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	*ret = store;
	return 0;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	for (size_t kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
		struct shelf *shelf = &store->shelves[kind];

		for (size_t i = 0; i < shelf->count; i++) {
			for (size_t origin = 0; origin < STORE_ORIGIN_COUNT; origin++)
				object_unref(shelf->items[i]->from[origin]);
			free(shelf->items[i]);
		}
		free(shelf->items);
	}
	free(store);
}

int store_listen(struct store *store, store_listener listener, void *data)
{
	if (store->listener_count == LISTENERS_MAX)
		return -ENOSPC;
	store->listeners[store->listener_count].fn = listener;
	store->listeners[store->listener_count].data = data;
	store->listener_count++;
	return 0;
}

static enum object_kind change_kind(const struct store_change *change)
{
	return change->object ? change->object->kind : change->kind;
}

static const char *change_namespace(const struct store_change *change)
{
	if (change->object)
		return change->object->namespace;
	return change->namespace ? change->namespace : "";
}

static const char *change_name(const struct store_change *change)
{
	return change->object ? change->object->name : change->name;
}

static int change_compare(const void *a, const void *b)
{
	const struct store_change *x = *(const struct store_change *const *)a;
	const struct store_change *y = *(const struct store_change *const *)b;
	int order = (int)change_kind(x) - (int)change_kind(y);

	if (!order)
		order = strcmp(change_namespace(x), change_namespace(y));
	if (!order)
		order = strcmp(change_name(x), change_name(y));
	return order ? order : (int)x->origin - (int)y->origin;
}

/* Index of the key, or where it belongs. */
static size_t shelf_find(const struct shelf *shelf, const char *namespace, const char *name,
			 bool *ret_found)
{
	size_t low = 0, high = shelf->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct entry *entry = shelf->items[middle];
		int order = strcmp(entry->namespace, namespace);

		if (!order)
			order = strcmp(entry->name, name);
		if (!order) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_found = false;
	return low;
}

static struct entry *find_entry(const struct store *store, enum object_kind kind,
				const char *namespace, const char *name)
{
	const struct shelf *shelf = &store->shelves[kind];
	bool found;
	size_t at = shelf_find(shelf, namespace ? namespace : "", name, &found);

	return found ? shelf->items[at] : NULL;
}

static struct object *entry_in_force(const struct entry *entry)
{
	for (size_t origin = STORE_ORIGIN_COUNT; origin-- > 0;)
		if (entry->from[origin])
			return entry->from[origin];
	return NULL;
}

static int refuse_held_by_file(const struct store_change *change, const struct object *held,
			       struct diag *diag)
{
	return diag_set(
		diag, change->object->file, change->object->line,
		"found %s %s%s%s, which the file %s holds, expected that file to be changed",
		object_kind_name(held->kind), held->namespace, held->namespace[0] ? "/" : "",
		held->name, held->file ? held->file : "(unnamed)");
}

static int refuse_twice(const struct store_change *first, const struct store_change *second,
			struct diag *diag)
{
	const struct object *a = first->object, *b = second->object;
	const struct object *at = b ? b : a;

	return diag_set(diag, at ? at->file : NULL, at ? at->line : 0,
			"found %s %s%s%s twice (%s line %u and %s line %u), expected it once",
			object_kind_name(change_kind(first)), change_namespace(first),
			change_namespace(first)[0] ? "/" : "", change_name(first),
			a && a->file ? a->file : "input", a ? a->line : 0,
			b && b->file ? b->file : "input", b ? b->line : 0);
}

static int batch_check(const struct store *store, const struct batch *batch, struct diag *diag)
{
	for (size_t i = 0; i < batch->count; i++) {
		const struct store_change *change = batch->order[i];
		const struct entry *entry;

		assert(change->origin < STORE_ORIGIN_COUNT);
		if (i && !change_compare(&batch->order[i - 1], &batch->order[i]))
			return refuse_twice(batch->order[i - 1], change, diag);
		if (change->origin != STORE_API || !change->object)
			continue;
		entry = find_entry(store, change_kind(change), change_namespace(change),
				   change_name(change));
		if (entry && entry->from[STORE_FILE])
			return refuse_held_by_file(change, entry->from[STORE_FILE], diag);
	}
	return 0;
}

static void batch_clear(struct batch *batch)
{
	for (size_t i = 0; i < batch->replaced_count; i++)
		object_unref(batch->replaced[i]);
	for (size_t i = 0; batch->fresh && i < batch->count; i++)
		free(batch->fresh[i]);
	free(batch->fresh);
	free(batch->order);
	free(batch->replaced);
	free(batch->events);
}

static int shelf_reserve(struct shelf *shelf, size_t more)
{
	size_t want = shelf->count + more;
	struct entry **items;

	if (want <= shelf->capacity)
		return 0;
	want = MAX(want, shelf->capacity * 2);
	items = realloc(shelf->items, want * sizeof(*items));
	if (!items)
		return -ENOMEM;
	shelf->items = items;
	shelf->capacity = want;
	return 0;
}

static int batch_order(struct batch *batch, const struct store_change *changes, size_t count)
{
	batch->order = calloc(count, sizeof(*batch->order));
	if (!batch->order)
		return -ENOMEM;
	batch->count = count;
	for (size_t i = 0; i < count; i++)
		batch->order[i] = &changes[i];
	qsort(batch->order, count, sizeof(*batch->order), change_compare);
	return 0;
}

/* After this, applying the batch cannot fail. */
static int batch_reserve(struct store *store, struct batch *batch)
{
	size_t puts[OBJECT_KIND_COUNT] = { 0 };

	batch->fresh = calloc(batch->count, sizeof(*batch->fresh));
	batch->replaced = calloc(batch->count, sizeof(*batch->replaced));
	batch->events = calloc(batch->count, sizeof(*batch->events));
	if (!batch->fresh || !batch->replaced || !batch->events)
		return -ENOMEM;
	for (size_t i = 0; i < batch->count; i++) {
		if (!batch->order[i]->object)
			continue;
		batch->fresh[i] = calloc(1, sizeof(**batch->fresh));
		if (!batch->fresh[i])
			return -ENOMEM;
		puts[change_kind(batch->order[i])]++;
	}
	for (size_t kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		if (shelf_reserve(&store->shelves[kind], puts[kind]) < 0)
			return -ENOMEM;
	return 0;
}

static struct entry *shelf_insert(struct shelf *shelf, size_t at, struct entry *entry)
{
	memmove(&shelf->items[at + 1], &shelf->items[at],
		(shelf->count - at) * sizeof(*shelf->items));
	shelf->items[at] = entry;
	shelf->count++;
	return entry;
}

static void shelf_remove(struct shelf *shelf, size_t at)
{
	free(shelf->items[at]);
	shelf->count--;
	memmove(&shelf->items[at], &shelf->items[at + 1],
		(shelf->count - at) * sizeof(*shelf->items));
}

static void batch_apply(struct store *store, struct batch *batch, size_t index)
{
	const struct store_change *change = batch->order[index];
	struct shelf *shelf = &store->shelves[change_kind(change)];
	bool found;
	size_t at = shelf_find(shelf, change_namespace(change), change_name(change), &found);
	struct entry *entry = found ? shelf->items[at] : NULL;
	struct object *before, *after, *old;

	if (!entry && !change->object)
		return;
	if (!entry)
		entry = shelf_insert(shelf, at, take_ptr(batch->fresh[index]));
	before = entry_in_force(entry);
	old = entry->from[change->origin];
	entry->from[change->origin] = change->object ? object_ref(change->object) : NULL;
	if (old)
		batch->replaced[batch->replaced_count++] = old;
	after = entry_in_force(entry);
	if (before != after)
		batch->events[batch->event_count++] = (struct store_event){ before, after };
	if (!after) {
		shelf_remove(shelf, at);
		return;
	}
	entry->namespace = after->namespace;
	entry->name = after->name;
}

static void tell_listeners(struct store *store, const struct batch *batch)
{
	if (!batch->event_count)
		return;
	for (size_t i = 0; i < store->listener_count; i++)
		store->listeners[i].fn(batch->events, batch->event_count, store->listeners[i].data);
}

int store_commit(struct store *store, const struct store_change *changes, size_t count,
		 struct diag *diag)
{
	_cleanup_(batch_clear) struct batch batch = { 0 };
	int r;

	assert(!store->committing); /* a listener marks what is dirty; it does not commit */
	if (!count)
		return 0;
	r = batch_order(&batch, changes, count);
	if (r < 0)
		return r;
	r = batch_check(store, &batch, diag);
	if (r < 0)
		return r;
	r = batch_reserve(store, &batch);
	if (r < 0)
		return r;
	store->committing = true;
	for (size_t i = 0; i < count; i++)
		batch_apply(store, &batch, i);
	tell_listeners(store, &batch);
	store->committing = false;
	return 0;
}

const struct object *store_get(const struct store *store, enum object_kind kind,
			       const char *namespace, const char *name)
{
	const struct entry *entry = find_entry(store, kind, namespace, name);

	return entry ? entry_in_force(entry) : NULL;
}

const struct object *store_get_from(const struct store *store, enum store_origin origin,
				    enum object_kind kind, const char *namespace, const char *name)
{
	const struct entry *entry = find_entry(store, kind, namespace, name);

	return entry ? entry->from[origin] : NULL;
}

int store_for_each(const struct store *store, enum object_kind kind,
		   int (*fn)(const struct object *object, void *data), void *data)
{
	const struct shelf *shelf = &store->shelves[kind];

	for (size_t i = 0; i < shelf->count; i++) {
		int r = fn(entry_in_force(shelf->items[i]), data);

		if (r)
			return r;
	}
	return 0;
}

size_t store_count(const struct store *store, enum object_kind kind)
{
	return store->shelves[kind].count;
}
