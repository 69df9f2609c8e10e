/* SPDX-License-Identifier: Apache-2.0 */
#include "seen_namespaces.h"

#include <errno.h>
#include <string.h>

#define RECENT 256

struct seen {
	char *name;
	uint64_t second;
};

struct seen_namespaces {
	struct seen *items; /* sorted by name */
	size_t count, capacity;
	const char **list;
	struct {
		const void *endpoint;
		uint64_t second;
	} recent[RECENT]; /* endpoints noted already, by address */
};

int seen_namespaces_new(struct seen_namespaces **ret)
{
	struct seen_namespaces *seen = calloc(1, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	*ret = seen;
	return 0;
}

void seen_namespaces_free(struct seen_namespaces *seen)
{
	if (!seen)
		return;
	for (size_t i = 0; i < seen->count; i++)
		free(seen->items[i].name);
	free(seen->items);
	free(seen->list);
	free(seen);
}

/* Index of the name, or where it belongs. */
static size_t find(const struct seen_namespaces *seen, const char *name, int *ret_order)
{
	size_t low = 0, high = seen->count;

	*ret_order = 1;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(seen->items[middle].name, name);

		if (order == 0) {
			*ret_order = 0;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void expire(struct seen_namespaces *seen, uint64_t second)
{
	size_t kept = 0;

	for (size_t i = 0; i < seen->count; i++) {
		if (seen->items[i].second + SEEN_NAMESPACES_TTL < second)
			free(seen->items[i].name);
		else
			seen->items[kept++] = seen->items[i];
	}
	seen->count = kept;
}

static int reserve(struct seen_namespaces *seen)
{
	size_t capacity = seen->capacity ? seen->capacity * 2 : 16;
	struct seen *items;

	if (seen->count < seen->capacity)
		return 0;
	items = realloc(seen->items, capacity * sizeof(*items));
	if (!items)
		return -ENOMEM;
	seen->items = items;
	seen->capacity = capacity;
	return 0;
}

static void note_name(struct seen_namespaces *seen, const char *name, uint64_t second)
{
	char *copy;
	int order;
	size_t at = find(seen, name, &order);

	if (order == 0) {
		seen->items[at].second = second;
		return;
	}
	if (seen->count == SEEN_NAMESPACES_MAX) {
		expire(seen, second);
		at = find(seen, name, &order);
	}
	if (seen->count == SEEN_NAMESPACES_MAX || reserve(seen) < 0)
		return;
	copy = strdup(name);
	if (!copy)
		return;
	memmove(&seen->items[at + 1], &seen->items[at], (seen->count - at) * sizeof(*seen->items));
	seen->items[at] = (struct seen){ copy, second };
	seen->count++;
}

void seen_namespaces_note(struct seen_namespaces *seen, const struct flow_endpoint *endpoint,
			  uint64_t second)
{
	size_t slot = ((uintptr_t)endpoint >> 5) % RECENT;

	if (!endpoint || !endpoint->namespace[0])
		return;
	if (seen->recent[slot].endpoint == endpoint && seen->recent[slot].second == second)
		return;
	seen->recent[slot].endpoint = endpoint;
	seen->recent[slot].second = second;
	note_name(seen, endpoint->namespace, second);
}

size_t seen_namespaces_list(struct seen_namespaces *seen, uint64_t second, const char *const **ret)
{
	const char **list;

	expire(seen, second);
	list = realloc(seen->list, (seen->count + 1) * sizeof(*list));
	if (!list)
		return 0;
	seen->list = list;
	for (size_t i = 0; i < seen->count; i++)
		list[i] = seen->items[i].name;
	*ret = list;
	return seen->count;
}
