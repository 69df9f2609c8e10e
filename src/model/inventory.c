/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/document.h"
#include "model/parse.h"

struct inventory_reading {
	const struct inventory_options *options;
	struct object_list *list;
	struct inventory_group *group; /* the one being read */
	struct labels *labels;
	const struct yaml_node *provider, *addresses, *generated_at;
};

static int read_provider(struct walk *walk, const struct yaml_node *node, void *into)
{
	static const char *const words[] = { "aws", NULL };
	struct inventory_reading *reading = into;
	unsigned int which;

	reading->provider = node;
	return walk_enum(walk, node, words, &which);
}

static int read_region(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct inventory_reading *reading = into;

	return node->text[0] ? read_string(walk, node, &reading->group->region) : 0;
}

static int read_security_group(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct inventory_group *group = into;
	int r = walk_shape(walk, node, SHAPE_STRING);
	char **slot;

	if (r < 0)
		return r;
	if (!node->text[0])
		return walk_fail(walk, node, "a security group's id or name");
	slot = array_add(&group->security_groups, &group->security_group_count);
	return slot ? read_string(walk, node, slot) : -ENOMEM;
}

static int read_security_groups(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_security_group,
			  ((struct inventory_reading *)into)->group);
}

static int read_tag(struct walk *walk, const struct yaml_node *key, const struct yaml_node *value,
		    void *into)
{
	int r = walk_shape(walk, value, SHAPE_STRING);

	return r < 0 ? r : labels_set(into, "aws", key->text, value->text);
}

static int read_tags(struct walk *walk, const struct yaml_node *node, void *into)
{
	if (node->count > LABELS_MAX)
		return walk_fail(walk, node, "at most %d labels", LABELS_MAX);
	return walk_pairs(walk, node, read_tag, ((struct inventory_reading *)into)->labels);
}

static int read_group_address(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct inventory_group *group = into;

	return walk_prefix_add(walk, node, true, &group->prefixes, &group->prefix_count);
}

static int read_addresses(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct inventory_reading *reading = into;

	reading->addresses = node;
	return walk_items(walk, node, read_group_address, reading->group);
}

/* RFC 3339 section 5.6, to the second; fractions are read over. -EINVAL. */
static int parse_time(const char *text, int64_t *ret)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned int hours, minutes;
	int64_t offset = 0;
	char sign;

	if (rest && *rest == '.') {
		size_t digits = strspn(rest + 1, "0123456789");

		rest = digits ? rest + 1 + digits : NULL;
	}
	if (!rest)
		return -EINVAL;
	if (strcmp(rest, "Z") && strcmp(rest, "z")) {
		int length = 0;

		if (sscanf(rest, "%c%2u:%2u%n", &sign, &hours, &minutes, &length) != 3 ||
		    length != 6 || rest[6] || !strchr("+-", sign) || hours > 23 || minutes > 59)
			return -EINVAL;
		offset = (int64_t)(hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
	}
	*ret = (int64_t)timegm(&tm) - offset;
	return 0;
}

/* Without quotes YAML has a type for it; its text is the same. */
static int read_generated_at(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct inventory_reading *reading = into;
	const struct inventory_options *options = reading->options;
	int64_t *at = &reading->group->generated_at;

	reading->generated_at = node;
	if (node->type != NODE_SCALAR || parse_time(node->text, at) < 0)
		return walk_fail(walk, node, "a time such as 2026-01-02T03:04:05Z");
	if (*at > options->now + INVENTORY_AHEAD_MAX)
		return walk_fail(walk, node, "a time that is not in the future");
	if (options->max_age && *at < options->now - options->max_age)
		return walk_fail(walk, node,
				 "a time less than %" PRId64 " s ago (inventory.max_age)",
				 options->max_age);
	return 0;
}

static const struct field group_fields[] = {
	{ "provider", SHAPE_STRING, read_provider, 0 },
	{ "region", SHAPE_STRING, read_region, 0 },
	{ "vpc", SHAPE_STRING, NULL, 0 },
	{ "subnet", SHAPE_STRING, NULL, 0 },
	{ "securityGroups", SHAPE_LIST, read_security_groups, 0 },
	{ "labels", SHAPE_MAP, read_tags, 0 },
	{ "addresses", SHAPE_LIST, read_addresses, 0 },
	{ "generatedAt", SHAPE_ANY, read_generated_at, 0 },
};

static int check_group(struct walk *walk, const struct yaml_node *node,
		       const struct inventory_reading *reading)
{
	if (!reading->provider)
		return walk_missing(walk, node, "provider", "aws");
	if (!reading->addresses)
		return walk_missing(walk, node, "addresses", "a list of addresses and CIDRs");
	if (!reading->generated_at)
		return walk_missing(walk, node, "generatedAt",
				    "a time such as 2026-01-02T03:04:05Z");
	return 0;
}

static int note_origin(const struct inventory_options *options, const struct yaml_node *node,
		       struct object *object)
{
	object->line = node->line;
	object->file = strdup(options->file);
	return object->file ? node_to_json(node, &object->text) : -ENOMEM;
}

static int read_group(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct inventory_reading *reading = into;
	_cleanup_(object_unrefp) struct object *object = NULL;
	_cleanup_free_ char *name = NULL;
	struct object **slot;
	int r;

	if (asprintf(&name, "%s/%zu", reading->options->name, reading->list->count) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	object = object_new(OBJECT_INVENTORY_GROUP, "", name);
	if (!object)
		return -ENOMEM;
	*reading = (struct inventory_reading){ .options = reading->options,
					       .list = reading->list,
					       .group = &object->inventory_group,
					       .labels = object->labels };
	r = walk_table(walk, node, group_fields, reading);
	if (r >= 0)
		r = check_group(walk, node, reading);
	if (r >= 0)
		r = note_origin(reading->options, node, object);
	if (r < 0)
		return r;
	slot = array_add(&reading->list->items, &reading->list->count);
	if (!slot)
		return -ENOMEM;
	*slot = take_ptr(object);
	return 0;
}

static int read_groups(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_group, into);
}

static const struct field inventory_fields[] = {
	{ "groups", SHAPE_LIST, read_groups, 0 },
};

int inventory_parse(const char *text, size_t length, const struct inventory_options *options,
		    struct object_list **ret, struct diag *diag)
{
	_cleanup_(document_reader_freep) struct document_reader *reader = NULL;
	_cleanup_(object_list_freep) struct object_list *list = calloc(1, sizeof(*list));
	struct inventory_reading reading = { .options = options, .list = list };
	struct walk walk = { .file = options->file, .diag = diag };
	bool found = false;
	int r = list ? document_reader_new(text, length, options->file, diag, &reader) : -ENOMEM;

	while (r >= 0) {
		_cleanup_(document_freep) struct document *document = NULL;
		const struct yaml_node *groups;

		r = document_reader_next(reader, &document);
		if (r <= 0)
			break;
		if (!document->root || node_is_null(document->root))
			continue;
		r = walk_table(&walk, document->root, inventory_fields, &reading);
		groups = node_get(document->root, "groups");
		if (r >= 0 && (!groups || node_is_null(groups))) /* a file cut short, too */
			r = walk_missing(&walk, document->root, "groups", "a list of groups");
		found = true;
	}
	if (r < 0)
		return r;
	if (!found)
		return diag_set(diag, options->file, 0,
				"found nothing, expected groups: with a list");
	*ret = take_ptr(list);
	return 0;
}
