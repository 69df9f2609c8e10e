/* SPDX-License-Identifier: Apache-2.0 */
#include "selector.h"

#include <errno.h>
#include <string.h>

struct selector *selector_new(void)
{
	return calloc(1, sizeof(struct selector));
}

static void requirement_clear(struct requirement *item)
{
	for (size_t i = 0; i < item->value_count; i++)
		free(item->values[i]);
	free(item->values);
	free(item->source);
	free(item->key);
}

void selector_free(struct selector *selector)
{
	if (!selector)
		return;
	for (size_t i = 0; i < selector->count; i++)
		requirement_clear(&selector->items[i]);
	free(selector->items);
	free(selector);
}

static int string_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, each value once. */
static int values_copy(struct requirement *item, const char *const *values, size_t count)
{
	size_t kept = 0;

	if (!count)
		return 0;
	item->values = calloc(count, sizeof(*item->values));
	if (!item->values)
		return -ENOMEM;
	for (; item->value_count < count; item->value_count++) {
		item->values[item->value_count] = strdup(values[item->value_count]);
		if (!item->values[item->value_count])
			return -ENOMEM;
	}
	qsort(item->values, count, sizeof(*item->values), string_order);
	for (size_t i = 0; i < count; i++) {
		if (kept && strcmp(item->values[kept - 1], item->values[i]) == 0)
			free(item->values[i]);
		else
			item->values[kept++] = item->values[i];
	}
	item->value_count = kept;
	return 0;
}

static int requirement_fill(struct requirement *item, const char *source, const char *key,
			    enum selector_op op, const char *const *values, size_t count)
{
	*item = (struct requirement){ .key = strdup(key), .op = op };
	if (!item->key)
		return -ENOMEM;
	if (source && strcmp(source, "any") != 0) {
		item->source = strdup(source);
		if (!item->source)
			return -ENOMEM;
	}
	return values_copy(item, values, count);
}

static int text_order(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int requirement_compare(const struct requirement *a, const struct requirement *b)
{
	int order = strcmp(a->key, b->key);

	if (!order)
		order = text_order(a->source, b->source);
	if (!order)
		order = (a->op > b->op) - (a->op < b->op);
	for (size_t i = 0; !order && i < a->value_count && i < b->value_count; i++)
		order = strcmp(a->values[i], b->values[i]);
	if (!order)
		order = (a->value_count > b->value_count) - (a->value_count < b->value_count);
	return order;
}

/* Takes the requirement if it succeeds. One that is there already adds nothing. */
static int selector_insert(struct selector *selector, struct requirement *item)
{
	struct requirement *items;
	size_t at = 0;

	while (at < selector->count) {
		int order = requirement_compare(&selector->items[at], item);

		if (!order) {
			requirement_clear(item);
			return 0;
		}
		if (order > 0)
			break;
		at++;
	}
	items = realloc(selector->items, (selector->count + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	memmove(&items[at + 1], &items[at], (selector->count - at) * sizeof(*items));
	items[at] = *item;
	selector->items = items;
	selector->count++;
	return 0;
}

int selector_add(struct selector *selector, const char *source, const char *key,
		 enum selector_op op, const char *const *values, size_t value_count)
{
	struct requirement item;
	int r = requirement_fill(&item, source, key, op, values, value_count);

	if (!r)
		r = selector_insert(selector, &item);
	if (r < 0)
		requirement_clear(&item);
	return r;
}

int selector_copy(const struct selector *selector, struct selector **ret)
{
	_cleanup_(selector_freep) struct selector *copy = selector_new();
	int r;

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];

		r = selector_add(copy, item->source, item->key, item->op,
				 (const char *const *)item->values, item->value_count);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(copy);
	return 0;
}

int selector_compare(const struct selector *a, const struct selector *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		int order = requirement_compare(&a->items[i], &b->items[i]);

		if (order)
			return order;
	}
	return (a->count > b->count) - (a->count < b->count);
}

static bool requirement_has_value(const struct requirement *item, const char *value)
{
	for (size_t i = 0; i < item->value_count; i++)
		if (strcmp(item->values[i], value) == 0)
			return true;
	return false;
}

/* Whether a label of the key (and source, if one is asked for) is there, and whether one of them
 * has one of the values. Without a source several labels may share the key. */
static void requirement_look(const struct requirement *item, const struct labels *labels,
			     bool *ret_present, bool *ret_listed)
{
	bool present = false, listed = false;

	for (size_t i = 0; i < labels->count && !listed; i++) {
		const struct label *label = &labels->items[i];
		int order = strcmp(label->key, item->key);

		if (order > 0)
			break;
		if (order < 0 || (item->source && strcmp(item->source, label->source) != 0))
			continue;
		present = true;
		listed = requirement_has_value(item, label->value);
	}
	*ret_present = present;
	*ret_listed = listed;
}

static bool requirement_matches(const struct requirement *item, const struct labels *labels)
{
	bool present, listed;

	requirement_look(item, labels, &present, &listed);
	switch (item->op) {
	case SELECTOR_IN:
		return listed;
	case SELECTOR_NOT_IN:
		return !listed;
	case SELECTOR_EXISTS:
		return present;
	case SELECTOR_NOT_EXISTS:
		return !present;
	}
	return false;
}

bool selector_matches(const struct selector *selector, const struct labels *labels)
{
	for (size_t i = 0; i < selector->count; i++)
		if (!requirement_matches(&selector->items[i], labels))
			return false;
	return true;
}
