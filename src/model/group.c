/* SPDX-License-Identifier: Apache-2.0 */
#include "group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum object_kind group_object_kind(enum group_kind kind)
{
	static const enum object_kind kinds[] = {
		[GROUP_CIDR] = OBJECT_CILIUM_CIDR_GROUP,
		[GROUP_SERVICE] = OBJECT_SERVICE,
		[GROUP_INVENTORY] = OBJECT_INVENTORY_GROUP,
	};

	return kinds[kind];
}

/* Names of security groups cannot begin like ids. */
static bool is_id(const char *text)
{
	return !strncmp(text, "sg-", 3);
}

static bool has_any(const struct inventory_group *group, bool ids, char *const *wanted,
		    size_t count)
{
	for (size_t i = 0; i < group->security_group_count; i++)
		for (size_t w = 0; w < count && is_id(group->security_groups[i]) == ids; w++)
			if (!strcmp(group->security_groups[i], wanted[w]))
				return true;
	return !count;
}

bool group_ref_matches(const struct group_ref *ref, const struct object *object)
{
	const struct inventory_group *inventory = &object->inventory_group;

	if (object->kind != group_object_kind(ref->kind))
		return false;
	if (ref->namespace && strcmp(ref->namespace, object->namespace))
		return false;
	if (ref->name && strcmp(ref->name, object->name))
		return false;
	if (ref->selector && !selector_matches(ref->selector, object->labels))
		return false;
	if (ref->kind != GROUP_INVENTORY)
		return true;
	if (ref->region && (!inventory->region || strcmp(ref->region, inventory->region)))
		return false;
	return has_any(inventory, true, ref->ids, ref->id_count) &&
	       has_any(inventory, false, ref->names, ref->name_count);
}

static int text_compare(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : !!a - !!b;
}

static int texts_compare(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
	int order = (a_count > b_count) - (a_count < b_count);

	for (size_t i = 0; !order && i < a_count; i++)
		order = strcmp(a[i], b[i]);
	return order;
}

int group_ref_compare(const struct group_ref *a, const struct group_ref *b)
{
	int order = (int)a->kind - (int)b->kind;

	if (!order)
		order = text_compare(a->namespace, b->namespace);
	if (!order)
		order = text_compare(a->name, b->name);
	if (!order)
		order = a->selector && b->selector ? selector_compare(a->selector, b->selector)
						   : !!a->selector - !!b->selector;
	if (!order)
		order = texts_compare(a->ids, a->id_count, b->ids, b->id_count);
	if (!order)
		order = texts_compare(a->names, a->name_count, b->names, b->name_count);
	return order ? order : text_compare(a->region, b->region);
}

static void write_selector(FILE *out, const struct selector *selector)
{
	static const char *const ops[] = { [SELECTOR_IN] = " in ",
					   [SELECTOR_NOT_IN] = " notin ",
					   [SELECTOR_EXISTS] = "",
					   [SELECTOR_NOT_EXISTS] = "" };

	fputs(" with {", out);
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];

		fprintf(out, "%s%s%s%s", i ? ", " : "", item->op == SELECTOR_NOT_EXISTS ? "!" : "",
			item->key, ops[item->op]);
		for (size_t v = 0; v < item->value_count; v++)
			fprintf(out, "%s%s%s", v ? "," : "(", item->values[v],
				v + 1 == item->value_count ? ")" : "");
	}
	fputs("}", out);
}

char *group_ref_format(const struct group_ref *ref)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return NULL;
	fputs(object_kind_name(group_object_kind(ref->kind)), out);
	if (ref->name)
		fprintf(out, " %s%s%s", ref->namespace ? ref->namespace : "",
			ref->namespace ? "/" : "", ref->name);
	if (ref->selector)
		write_selector(out, ref->selector);
	for (size_t i = 0; i < ref->id_count; i++)
		fprintf(out, "%s%s", i ? "," : " of ", ref->ids[i]);
	for (size_t i = 0; i < ref->name_count; i++)
		fprintf(out, "%s%s", i ? "," : " called ", ref->names[i]);
	if (ref->region || (ref->namespace && !ref->name))
		fprintf(out, " in %s", ref->region ? ref->region : ref->namespace);
	failed = fclose(out) != 0;
	if (!failed)
		return text;
	free(text);
	return NULL;
}
