/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATH_MAX_TEXT 192

static size_t path_write(const struct path *path, char *buf, size_t size)
{
	size_t used;
	int n;

	if (!path)
		return 0;
	used = path_write(path->up, buf, size);
	if (path->key)
		n = snprintf(buf + used, size - used, "%s%.60s", used ? "." : "", path->key);
	else
		n = snprintf(buf + used, size - used, "[%zu]", path->index);
	return MIN(used + (size_t)n, size - 1);
}

static void path_format(const struct path *path, char buf[static PATH_MAX_TEXT])
{
	buf[0] = '\0';
	path_write(path, buf, PATH_MAX_TEXT);
	if (!buf[0])
		snprintf(buf, PATH_MAX_TEXT, "the document");
}

/* Found text goes to terminals and logs: no bytes that mean something there. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
			*text = '?';
}

static void describe(const struct yaml_node *node, char *buf, size_t size)
{
	if (node->type != NODE_SCALAR) {
		snprintf(buf, size, node->type == NODE_LIST ? "a list" : "a mapping");
		return;
	}
	switch (node_scalar_kind(node)) {
	case SCALAR_NULL:
		snprintf(buf, size, "nothing");
		break;
	case SCALAR_STRING:
		snprintf(buf, size, "\"%.70s\"", node->text);
		break;
	default:
		snprintf(buf, size, "%.70s without quotes", node->text);
		break;
	}
	make_printable(buf);
}

int walk_fail(struct walk *walk, const struct yaml_node *node, const char *expected, ...)
{
	char path[PATH_MAX_TEXT], found[96], wanted[256];
	va_list args;

	path_format(walk->path, path);
	describe(node, found, sizeof(found));
	va_start(args, expected);
	vsnprintf(wanted, sizeof(wanted), expected, args);
	va_end(args);
	make_printable(wanted);
	return diag_set(walk->diag, walk->file, node->line, "found %s in %s, expected %s", found,
			path, wanted);
}

int walk_missing(struct walk *walk, const struct yaml_node *node, const char *key,
		 const char *expected)
{
	char path[PATH_MAX_TEXT];

	path_format(walk->path, path);
	return diag_set(walk->diag, walk->file, node->line, "found no %s in %s, expected %s", key,
			path, expected);
}

int walk_not_enforced(struct walk *walk, const struct yaml_node *node, const char *expected)
{
	char path[PATH_MAX_TEXT];

	path_format(walk->path, path);
	return diag_set(walk->diag, walk->file, node->line,
			"found %s, which is not enforced by this build, expected %s", path,
			expected);
}

static bool has_shape(const struct yaml_node *node, enum shape shape)
{
	enum scalar_kind kind =
		node->type == NODE_SCALAR ? node_scalar_kind(node) : SCALAR_AMBIGUOUS;

	switch (shape) {
	case SHAPE_STRING:
		return kind == SCALAR_STRING;
	case SHAPE_INT:
		return kind == SCALAR_INT;
	case SHAPE_BOOL:
		return kind == SCALAR_BOOL;
	case SHAPE_INT_OR_STRING:
		return kind == SCALAR_INT || kind == SCALAR_STRING;
	case SHAPE_LIST:
		return node->type == NODE_LIST;
	case SHAPE_MAP:
		return node->type == NODE_MAP;
	default:
		return true;
	}
}

int walk_shape(struct walk *walk, const struct yaml_node *node, enum shape shape)
{
	static const char *const names[] = {
		[SHAPE_ANY] = "anything",
		[SHAPE_STRING] = "a string",
		[SHAPE_INT] = "an integer",
		[SHAPE_BOOL] = "true or false",
		[SHAPE_INT_OR_STRING] = "an integer or a string",
		[SHAPE_LIST] = "a list",
		[SHAPE_MAP] = "a mapping",
		[SHAPE_REFUSED] = "nothing",
	};
	bool quote = shape == SHAPE_STRING && node->type == NODE_SCALAR;

	if (has_shape(node, shape))
		return 0;
	return walk_fail(walk, node, "%s%s", names[shape],
			 quote && !node_is_null(node) ? " (put it in quotes)" : "");
}

static const struct field *find_field(const struct field *fields, size_t count, const char *key,
				      int (*compare)(const char *a, const char *b))
{
	for (size_t i = 0; i < count; i++)
		if (!compare(fields[i].key, key))
			return &fields[i];
	return NULL;
}

static int refuse_field(struct walk *walk, const struct yaml_node *key, const struct field *fields,
			size_t count)
{
	const struct field *meant = find_field(fields, count, key->text, strcasecmp);
	char path[PATH_MAX_TEXT], found[64], list[256] = "";
	size_t used = 0;

	path_format(walk->path, path);
	snprintf(found, sizeof(found), "%.60s", key->text);
	make_printable(found);
	if (meant)
		return diag_set(walk->diag, walk->file, key->line,
				"found unknown field %s in %s, expected %s", found, path,
				meant->key);
	for (size_t i = 0; i < count && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 fields[i].key);
	return diag_set(walk->diag, walk->file, key->line,
			"found unknown field %s in %s, expected one of %s%s", found, path, list,
			used >= sizeof(list) ? " ..." : "");
}

static int read_field(struct walk *walk, const struct yaml_node *value, const struct field *field,
		      void *into)
{
	int r;

	if (node_is_null(value))
		return 0;
	if (field->shape == SHAPE_REFUSED)
		return walk_not_enforced(walk, value, "it left out");
	r = walk_shape(walk, value, field->shape);
	if (r < 0 || !field->read)
		return r;
	return field->read(walk, value, (char *)into + field->offset);
}

int walk_fields(struct walk *walk, const struct yaml_node *node, const struct field *fields,
		size_t count, void *into)
{
	const struct path *up = walk->path;
	int r = walk_shape(walk, node, SHAPE_MAP);

	for (size_t i = 0; r >= 0 && i < node->count; i++) {
		const struct yaml_node *key = node->items[2 * i];
		const struct field *field = find_field(fields, count, key->text, strcmp);
		struct path path = { .up = up, .key = key->text };

		if (!field)
			return refuse_field(walk, key, fields, count);
		walk->path = &path;
		r = read_field(walk, node->items[2 * i + 1], field, into);
		walk->path = up;
	}
	return r;
}

int walk_at(struct walk *walk, const char *key, const struct yaml_node *node, field_reader read,
	    void *into)
{
	struct path path = { .up = walk->path, .key = key };
	int r;

	walk->path = &path;
	r = read(walk, node, into);
	walk->path = path.up;
	return r;
}

int walk_items(struct walk *walk, const struct yaml_node *node, field_reader read, void *into)
{
	const struct path *up = walk->path;
	int r = walk_shape(walk, node, SHAPE_LIST);

	for (size_t i = 0; r >= 0 && i < node->count; i++) {
		struct path path = { .up = up, .index = i };

		walk->path = &path;
		r = read(walk, node->items[i], into);
		walk->path = up;
	}
	return r;
}

int walk_pairs(struct walk *walk, const struct yaml_node *node,
	       int (*read)(struct walk *walk, const struct yaml_node *key,
			   const struct yaml_node *value, void *into),
	       void *into)
{
	const struct path *up = walk->path;
	int r = walk_shape(walk, node, SHAPE_MAP);

	for (size_t i = 0; r >= 0 && i < node->count; i++) {
		struct path path = { .up = up, .key = node->items[2 * i]->text };

		walk->path = &path;
		r = read(walk, node->items[2 * i], node->items[2 * i + 1], into);
		walk->path = up;
	}
	return r;
}

static int store_string(const struct yaml_node *node, char **into)
{
	char *copy = strdup(node->text);

	if (!copy)
		return -ENOMEM;
	free(*into);
	*into = copy;
	return 0;
}

int read_string(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = walk_shape(walk, node, SHAPE_STRING);

	return r < 0 ? r : store_string(node, into);
}

int read_bool(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = walk_shape(walk, node, SHAPE_BOOL);

	if (r < 0)
		return r;
	*(bool *)into = node->text[0] == 't';
	return 0;
}

int read_dns_label(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = walk_shape(walk, node, SHAPE_STRING);

	if (r < 0)
		return r;
	if (!is_dns_label(node->text))
		return walk_fail(walk, node,
				 "a name of at most 63 lower case letters, digits and hyphens "
				 "(RFC 1123)");
	return store_string(node, into);
}

int read_dns_subdomain(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = walk_shape(walk, node, SHAPE_STRING);

	if (r < 0)
		return r;
	if (!is_dns_subdomain(node->text))
		return walk_fail(walk, node,
				 "a name of at most 253 lower case letters, digits, hyphens and "
				 "dots (RFC 1123)");
	return store_string(node, into);
}

int walk_int(struct walk *walk, const struct yaml_node *node, int64_t min, int64_t max,
	     int64_t *ret)
{
	int r = walk_shape(walk, node, SHAPE_INT);
	int64_t value;

	if (r < 0)
		return r;
	value = strtoll(node->text, NULL, 10);
	if (value < min || value > max)
		return walk_fail(walk, node, "an integer from %lld to %lld", (long long)min,
				 (long long)max);
	*ret = value;
	return 0;
}

int read_port(struct walk *walk, const struct yaml_node *node, void *into)
{
	int64_t port;
	int r = walk_int(walk, node, 1, 65535, &port);

	if (r < 0)
		return r;
	*(uint16_t *)into = (uint16_t)port;
	return 0;
}

int walk_enum(struct walk *walk, const struct yaml_node *node, const char *const *words,
	      unsigned int *ret)
{
	int r = walk_shape(walk, node, SHAPE_STRING);
	char list[200] = "";
	size_t used = 0;

	if (r < 0)
		return r;
	for (unsigned int i = 0; words[i]; i++) {
		if (strcmp(words[i], node->text))
			continue;
		*ret = i;
		return 0;
	}
	for (unsigned int i = 0; words[i] && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 words[i]);
	return walk_fail(walk, node, "%s%s", words[1] ? "one of " : "", list);
}

int read_l4_protocol(struct walk *walk, const struct yaml_node *node, void *into)
{
	static const char *const words[] = { "TCP", "UDP", "SCTP", NULL };
	static const uint8_t numbers[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	unsigned int which;
	int r = walk_enum(walk, node, words, &which);

	if (r < 0)
		return r;
	*(uint8_t *)into = numbers[which];
	return 0;
}

void *array_grow(void *array, size_t *count, size_t element_size)
{
	char *items;

	memcpy(&items, array, sizeof(items)); /* array points to a pointer of some other type */
	if (!(*count & (*count - 1))) {
		items = reallocarray(items, *count ? *count * 2 : 1, element_size);
		if (!items)
			return NULL;
		memcpy(array, &items, sizeof(items));
	}
	return memset(items + (*count)++ * element_size, 0, element_size);
}
