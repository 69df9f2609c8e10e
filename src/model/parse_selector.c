/* SPDX-License-Identifier: Apache-2.0 */
/* LabelSelectors and plain label maps as selectors over identities' labels. */
#include "parse.h"

#include <errno.h>
#include <string.h>

const struct selector_dialect selector_of_pods = { .key_prefix = "" };
const struct selector_dialect selector_of_namespaces = { .key_prefix = LABEL_NAMESPACE_META };
const struct selector_dialect selector_of_cilium = { .sources = true, .key_prefix = "" };
const struct selector_dialect selector_of_cilium_subject = { .sources = true,
							     .drop_namespace = true,
							     .key_prefix = "" };

struct reading {
	const struct selector_dialect *dialect;
	struct selector *selector;
};

struct key {
	const char *source; /* NULL: any */
	char text[512];
};

static int split_source(struct walk *walk, const struct yaml_node *node, const char **text,
			const char **ret)
{
	static const struct source {
		const char *prefix, *source;
	} sources[] = { { "k8s:", "k8s" }, { "any:", NULL }, { "reserved:", "reserved" } };

	*ret = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		size_t length = strlen(sources[i].prefix);

		if (strncmp(*text, sources[i].prefix, length))
			continue;
		*text += length;
		*ret = sources[i].source;
		return 0;
	}
	if (strchr(*text, ':'))
		return walk_fail(walk, node, "a label key, alone or after k8s:, any: or reserved:");
	return 0;
}

/* A namespace label's own key is what must be valid: with the prefix it may be longer. */
static const char *bare_key(const char *text)
{
	static const char prefix[] = LABEL_NAMESPACE_META;

	return strncmp(text, prefix, sizeof(prefix) - 1) ? text : text + sizeof(prefix) - 1;
}

static int read_key(struct walk *walk, const struct yaml_node *node,
		    const struct selector_dialect *dialect, struct key *ret)
{
	const char *text = node->text;
	int r = 0;

	ret->source = "k8s";
	if (dialect->sources)
		r = split_source(walk, node, &text, &ret->source);
	if (r < 0)
		return r;
	if (!is_label_key(dialect->sources ? bare_key(text) : text))
		return walk_fail(walk, node,
				 "a label key ([prefix/]name, name at most 63 "
				 "letters, digits, '-', '_', '.')");
	/* At most 31 + 253 + 1 + 63 bytes: what is_label_key() lets through fits. */
	strcpy(ret->text, dialect->key_prefix);
	strcat(ret->text, text);
	return 0;
}

static int read_value(struct walk *walk, const struct yaml_node *node, const char **ret)
{
	int r;

	if (node_is_null(node)) {
		*ret = "";
		return 0;
	}
	r = walk_shape(walk, node, SHAPE_STRING);
	if (r < 0)
		return r;
	if (!is_label_value(node->text))
		return walk_fail(walk, node,
				 "a label value (at most 63 letters, digits, '-', "
				 "'_', '.')");
	*ret = node->text;
	return 0;
}

static int add(struct walk *walk, const struct yaml_node *node, struct selector *selector,
	       const struct key *key, enum selector_op op, const char *const *values, size_t count)
{
	if (selector->count >= LABELS_MAX || count > LABELS_MAX)
		return walk_fail(walk, node, "at most %d labels and values", LABELS_MAX);
	return selector_add(selector, key->source, key->text, op, values, count);
}

static int read_match_label(struct walk *walk, const struct yaml_node *key_node,
			    const struct yaml_node *value_node, void *into)
{
	const struct reading *reading = into;
	const char *value;
	struct key key;
	int r = read_key(walk, key_node, reading->dialect, &key);

	if (r < 0)
		return r;
	r = read_value(walk, value_node, &value);
	if (r < 0)
		return r;
	if (reading->dialect->drop_namespace && !strcmp(key.text, LABEL_NAMESPACE))
		return 0;
	return add(walk, value_node, reading->selector, &key, SELECTOR_IN, &value, 1);
}

static int read_match_labels(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_pairs(walk, node, read_match_label, into);
}

struct expression {
	const struct selector_dialect *dialect;
	bool has_key, has_operator;
	struct key key;
	enum selector_op op;
	const struct yaml_node *values;
};

static int read_expression_key(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct expression *expression = into;

	expression->has_key = true;
	return read_key(walk, node, expression->dialect, &expression->key);
}

static int read_operator(struct walk *walk, const struct yaml_node *node, void *into)
{
	static const char *const words[] = { "In", "NotIn", "Exists", "DoesNotExist", NULL };
	static const enum selector_op ops[] = { SELECTOR_IN, SELECTOR_NOT_IN, SELECTOR_EXISTS,
						SELECTOR_NOT_EXISTS };
	struct expression *expression = into;
	unsigned int which;
	int r = walk_enum(walk, node, words, &which);

	if (r < 0)
		return r;
	expression->has_operator = true;
	expression->op = ops[which];
	return 0;
}

static int note_values(struct walk *walk, const struct yaml_node *node, void *into)
{
	((struct expression *)into)->values = node;
	return 0;
}

static const struct field expression_fields[] = {
	{ "key", SHAPE_STRING, read_expression_key, 0 },
	{ "operator", SHAPE_STRING, read_operator, 0 },
	{ "values", SHAPE_LIST, note_values, 0 },
};

struct value_list {
	const char **items;
	size_t count;
};

static int read_expression_value(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct value_list *list = into;

	return read_value(walk, node, &list->items[list->count++]);
}

static int add_expression(struct walk *walk, const struct yaml_node *node,
			  const struct expression *expression, struct selector *selector)
{
	bool wants = expression->op == SELECTOR_IN || expression->op == SELECTOR_NOT_IN;
	size_t count = expression->values ? expression->values->count : 0;
	_cleanup_free_ const char **items = malloc(MAX(count, (size_t)1) * sizeof(*items));
	struct value_list list = { .items = items };
	int r = 0;

	if (!items)
		return -ENOMEM;
	if (wants && !count)
		return walk_missing(walk, node, "values", "at least one for In and NotIn");
	if (!wants && count)
		return walk_fail(walk, expression->values, "no values for Exists and DoesNotExist");
	if (count)
		r = walk_items(walk, expression->values, read_expression_value, &list);
	if (r < 0)
		return r;
	return add(walk, node, selector, &expression->key, expression->op, items, count);
}

static int read_expression(struct walk *walk, const struct yaml_node *node, void *into)
{
	const struct reading *reading = into;
	struct expression expression = { .dialect = reading->dialect };
	int r = walk_table(walk, node, expression_fields, &expression);

	if (r < 0)
		return r;
	if (!expression.has_key)
		return walk_missing(walk, node, "key", "a label key");
	if (!expression.has_operator)
		return walk_missing(walk, node, "operator",
				    "one of In, NotIn, Exists, DoesNotExist");
	return add_expression(walk, node, &expression, reading->selector);
}

static int read_match_expressions(struct walk *walk, const struct yaml_node *node, void *into)
{
	return walk_items(walk, node, read_expression, into);
}

static const struct field selector_fields[] = {
	{ "matchLabels", SHAPE_MAP, read_match_labels, 0 },
	{ "matchExpressions", SHAPE_LIST, read_match_expressions, 0 },
};

int read_selector(struct walk *walk, const struct yaml_node *node,
		  const struct selector_dialect *dialect, struct selector *into)
{
	struct reading reading = { .dialect = dialect, .selector = into };

	return walk_table(walk, node, selector_fields, &reading);
}

int read_selector_map(struct walk *walk, const struct yaml_node *node, struct selector *into)
{
	struct reading reading = { .dialect = &selector_of_pods, .selector = into };

	return read_match_labels(walk, node, &reading);
}
