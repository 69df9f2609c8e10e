/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include <errno.h>
#include <string.h>

struct labels *labels_new(void)
{
	return calloc(1, sizeof(struct labels));
}

static void label_clear(struct label *label)
{
	free(label->source);
	free(label->key);
	free(label->value);
}

void labels_free(struct labels *labels)
{
	if (!labels)
		return;
	for (size_t i = 0; i < labels->count; i++)
		label_clear(&labels->items[i]);
	free(labels->items);
	free(labels);
}

static int label_order(const char *key_a, const char *source_a, const char *key_b,
		       const char *source_b)
{
	int order = strcmp(key_a, key_b);

	return order ? order : strcmp(source_a, source_b);
}

/* First index whose (key, source) is not below the given one. */
static size_t labels_position(const struct labels *labels, const char *source, const char *key)
{
	size_t low = 0, high = labels->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct label *label = &labels->items[middle];

		if (label_order(label->key, label->source, key, source) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int label_fill(struct label *label, const char *source, const char *key, const char *value)
{
	*label = (struct label){ strdup(source), strdup(key), strdup(value) };
	if (label->source && label->key && label->value)
		return 0;
	label_clear(label);
	return -ENOMEM;
}

static int labels_insert(struct labels *labels, size_t at, const struct label *label)
{
	struct label *items = realloc(labels->items, (labels->count + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	memmove(&items[at + 1], &items[at], (labels->count - at) * sizeof(*items));
	items[at] = *label;
	labels->items = items;
	labels->count++;
	return 0;
}

int labels_set(struct labels *labels, const char *source, const char *key, const char *value)
{
	size_t at = labels_position(labels, source, key);
	struct label label;
	int r;

	if (at < labels->count &&
	    label_order(labels->items[at].key, labels->items[at].source, key, source) == 0) {
		char *copy = strdup(value);

		if (!copy)
			return -ENOMEM;
		free(labels->items[at].value);
		labels->items[at].value = copy;
		return 0;
	}
	r = label_fill(&label, source, key, value);
	if (r < 0)
		return r;
	r = labels_insert(labels, at, &label);
	if (r < 0)
		label_clear(&label);
	return r;
}

int labels_copy(const struct labels *labels, struct labels **ret)
{
	_cleanup_(labels_freep) struct labels *copy = labels_new();
	int r;

	if (!copy)
		return -ENOMEM;
	if (labels->count) {
		copy->items = calloc(labels->count, sizeof(*copy->items));
		if (!copy->items)
			return -ENOMEM;
	}
	for (; copy->count < labels->count; copy->count++) {
		const struct label *from = &labels->items[copy->count];

		r = label_fill(&copy->items[copy->count], from->source, from->key, from->value);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(copy);
	return 0;
}

int labels_compare(const struct labels *a, const struct labels *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		const struct label *x = &a->items[i], *y = &b->items[i];
		int order = label_order(x->key, x->source, y->key, y->source);

		if (!order)
			order = strcmp(x->value, y->value);
		if (order)
			return order;
	}
	return (a->count > b->count) - (a->count < b->count);
}

const char *labels_get(const struct labels *labels, const char *source, const char *key)
{
	size_t at = labels_position(labels, source ? source : "", key);

	if (at == labels->count || strcmp(labels->items[at].key, key) != 0)
		return NULL;
	if (source && strcmp(labels->items[at].source, source) != 0)
		return NULL;
	return labels->items[at].value;
}

int label_format(const struct label *label, char *buf, size_t size)
{
	if (!*label->value)
		return snprintf(buf, size, "%s:%s", label->source, label->key);
	return snprintf(buf, size, "%s:%s=%s", label->source, label->key, label->value);
}

char *labels_format(const struct labels *labels)
{
	size_t size = 1;
	char *text, *end;

	for (size_t i = 0; i < labels->count; i++)
		size += (size_t)label_format(&labels->items[i], NULL, 0) + 1;
	text = malloc(size);
	if (!text)
		return NULL;
	*text = '\0';
	end = text;
	for (size_t i = 0; i < labels->count; i++) {
		if (i)
			*end++ = ',';
		end += label_format(&labels->items[i], end, size - (size_t)(end - text));
	}
	return text;
}

int label_parse(const char *text, struct labels *into)
{
	_cleanup_free_ char *copy = strdup(text);
	char *source = "k8s", *key = copy, *value, *colon;

	if (!copy)
		return -ENOMEM;
	value = strchr(copy, '=');
	if (value)
		*value++ = '\0';
	/* The first colon ends the source; what follows may hold more (cidr:2001:db8::/32). */
	colon = strchr(copy, ':');
	if (colon) {
		*colon = '\0';
		source = copy;
		key = colon + 1;
	}
	if (!*source || !*key)
		return -EINVAL;
	return labels_set(into, source, key, value ? value : "");
}
