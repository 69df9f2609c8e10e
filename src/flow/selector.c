/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/selector.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum relation { EXISTS, NOT_EXISTS, IN, NOT_IN, GREATER, LESS };

struct requirement {
	enum relation relation;
	char *source; /* NULL: any */
	char *key;
	char **values;
	size_t value_count;
	long long bound; /* GREATER, LESS */
};

struct flow_selector {
	struct requirement *requirements;
	size_t count;
};

struct lexer {
	const char *text, *at;
	struct diag *diag;
};

void flow_selector_free(struct flow_selector *selector)
{
	if (!selector)
		return;
	for (size_t i = 0; i < selector->count; i++) {
		struct requirement *requirement = &selector->requirements[i];

		for (size_t k = 0; k < requirement->value_count; k++)
			free(requirement->values[k]);
		free(requirement->values);
		free(requirement->source);
		free(requirement->key);
	}
	free(selector->requirements);
	free(selector);
}

static void skip_space(struct lexer *lexer)
{
	while (isspace((unsigned char)*lexer->at))
		lexer->at++;
}

static bool accept(struct lexer *lexer, const char *token)
{
	size_t length = strlen(token);

	skip_space(lexer);
	if (strncmp(lexer->at, token, length) != 0)
		return false;
	lexer->at += length;
	return true;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("._/:-", c));
}

/* A keyword that is not the beginning of a longer word. */
static bool accept_word(struct lexer *lexer, const char *word)
{
	size_t length = strlen(word);

	skip_space(lexer);
	if (strncmp(lexer->at, word, length) != 0 || is_word(lexer->at[length]))
		return false;
	lexer->at += length;
	return true;
}

static int unexpected(struct lexer *lexer, const char *expected)
{
	skip_space(lexer);
	return diag_set(lexer->diag, NULL, 0,
			"label selector \"%.128s\": found \"%.32s\", expected %s", lexer->text,
			lexer->at, expected);
}

static int read_word(struct lexer *lexer, bool may_be_empty, const char *what, char **ret)
{
	const char *start;
	char *word;

	skip_space(lexer);
	start = lexer->at;
	while (is_word(*lexer->at))
		lexer->at++;
	if (lexer->at == start && !may_be_empty)
		return unexpected(lexer, what);
	word = strndup(start, (size_t)(lexer->at - start));
	if (!word)
		return -ENOMEM;
	*ret = word;
	return 0;
}

static int add_value(struct lexer *lexer, struct requirement *requirement)
{
	char **values;
	int r;

	values = reallocarray(requirement->values, requirement->value_count + 1, sizeof(*values));
	if (!values)
		return -ENOMEM;
	requirement->values = values;
	r = read_word(lexer, true, "a value", &values[requirement->value_count]);
	if (r == 0)
		requirement->value_count++;
	return r;
}

static int read_set(struct lexer *lexer, struct requirement *requirement)
{
	if (!accept(lexer, "("))
		return unexpected(lexer, "\"(\"");
	do {
		int r = add_value(lexer, requirement);

		if (r < 0)
			return r;
	} while (accept(lexer, ","));
	return accept(lexer, ")") ? 0 : unexpected(lexer, "\",\" or \")\"");
}

static int read_bound(struct lexer *lexer, struct requirement *requirement)
{
	char *end;
	int r;

	r = add_value(lexer, requirement);
	if (r < 0)
		return r;
	errno = 0;
	requirement->bound = strtoll(requirement->values[0], &end, 10);
	return *end || end == requirement->values[0] || errno ? unexpected(lexer, "a whole number")
							      : 0;
}

static int read_operator(struct lexer *lexer, struct requirement *requirement)
{
	static const struct {
		const char *token;
		bool word;
		enum relation relation;
		int (*read)(struct lexer *lexer, struct requirement *requirement);
	} operators[] = {
		{ "==", false, IN, add_value },      { "=", false, IN, add_value },
		{ "!=", false, NOT_IN, add_value },  { "in", true, IN, read_set },
		{ "notin", true, NOT_IN, read_set }, { ">", false, GREATER, read_bound },
		{ "<", false, LESS, read_bound },
	};

	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
		if (operators[i].word ? !accept_word(lexer, operators[i].token)
				      : !accept(lexer, operators[i].token))
			continue;
		requirement->relation = operators[i].relation;
		return operators[i].read(lexer, requirement);
	}
	requirement->relation = EXISTS;
	return 0;
}

static int read_key(struct lexer *lexer, struct requirement *requirement)
{
	char *colon;
	int r;

	r = read_word(lexer, false, "a label's key", &requirement->key);
	if (r < 0)
		return r;
	colon = strchr(requirement->key, ':');
	if (!colon)
		return 0;
	if (colon == requirement->key || !colon[1])
		return unexpected(lexer, "\"source:key\"");
	*colon = 0;
	if (strcmp(requirement->key, "any") != 0) {
		requirement->source = strdup(requirement->key);
		if (!requirement->source)
			return -ENOMEM;
	}
	memmove(requirement->key, colon + 1, strlen(colon + 1) + 1);
	return 0;
}

static int read_requirement(struct lexer *lexer, struct flow_selector *selector)
{
	struct requirement *requirements, *requirement;
	bool negated;
	int r;

	requirements =
		reallocarray(selector->requirements, selector->count + 1, sizeof(*requirements));
	if (!requirements)
		return -ENOMEM;
	selector->requirements = requirements;
	requirement = &requirements[selector->count++];
	*requirement = (struct requirement){ 0 };
	negated = accept(lexer, "!");
	r = read_key(lexer, requirement);
	if (r < 0)
		return r;
	if (!negated)
		return read_operator(lexer, requirement);
	requirement->relation = NOT_EXISTS;
	return 0;
}

int flow_selector_new(const char *text, struct diag *diag, struct flow_selector **ret)
{
	_cleanup_(flow_selector_freep) struct flow_selector *selector =
		calloc(1, sizeof(*selector));
	struct lexer lexer = { text, text, diag };
	int r;

	if (!selector)
		return -ENOMEM;
	skip_space(&lexer);
	while (*lexer.at) {
		r = read_requirement(&lexer, selector);
		if (r < 0)
			return r;
		skip_space(&lexer);
		if (!*lexer.at)
			break;
		if (!accept(&lexer, ","))
			return unexpected(&lexer, "\",\" or an operator");
		skip_space(&lexer);
		if (!*lexer.at)
			return unexpected(&lexer, "another requirement");
	}
	*ret = take_ptr(selector);
	return 0;
}

/* The value of a label if it has this key ("" if it has no value); else NULL. */
static const char *label_value(const struct requirement *requirement, const char *label)
{
	size_t source = requirement->source ? strlen(requirement->source) : 0;
	size_t key = strlen(requirement->key);
	const char *colon = strchr(label, ':');

	if (!colon || (requirement->source && ((size_t)(colon - label) != source ||
					       strncmp(label, requirement->source, source) != 0)))
		return NULL;
	label = colon + 1;
	if (strncmp(label, requirement->key, key) != 0 || (label[key] && label[key] != '='))
		return NULL;
	return label[key] ? label + key + 1 : label + key;
}

static bool value_matches(const struct requirement *requirement, const char *value)
{
	long long number;
	char *end;

	if (requirement->relation == EXISTS || requirement->relation == NOT_EXISTS)
		return true;
	if (requirement->relation == GREATER || requirement->relation == LESS) {
		errno = 0;
		number = strtoll(value, &end, 10);
		if (*end || end == value || errno)
			return false;
		return requirement->relation == GREATER ? number > requirement->bound
							: number < requirement->bound;
	}
	for (size_t i = 0; i < requirement->value_count; i++)
		if (!strcmp(requirement->values[i], value))
			return true;
	return false;
}

bool flow_selector_match(const struct flow_selector *selector, const char *const *labels,
			 size_t count)
{
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *requirement = &selector->requirements[i];
		bool negative =
			requirement->relation == NOT_EXISTS || requirement->relation == NOT_IN;
		bool found = false;

		for (size_t k = 0; k < count && !found; k++) {
			const char *value = label_value(requirement, labels[k]);

			found = value && value_matches(requirement, value);
		}
		if (found == negative)
			return false;
	}
	return true;
}
