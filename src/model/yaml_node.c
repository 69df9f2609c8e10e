/* SPDX-License-Identifier: Apache-2.0 */
/* What scalars mean, looking keys up, and JSON out again. */
#include "document.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(text, words[i]))
			return true;
	return false;
}

static bool is_null_word(const char *text)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	return is_one_of(text, words, ARRAY_SIZE(words));
}

/* What YAML 1.1 calls a boolean and 1.2 does not, in any case. */
static bool is_boolean_like(const char *text)
{
	static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "true", "false" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(text, words[i]))
			return true;
	return false;
}

static bool is_int(const char *text)
{
	const char *digits = text + (text[0] == '-');
	size_t count = strspn(digits, "0123456789");

	return count && !digits[count] && count <= 18 && (digits[0] != '0' || count == 1);
}

static bool is_number(const char *text)
{
	const char *p = text + (text[0] == '-' || text[0] == '+');
	size_t whole = strspn(p, "0123456789"), fraction = 0;

	p += whole;
	if (*p == '.') {
		fraction = strspn(p + 1, "0123456789");
		p += 1 + fraction;
	}
	if (!whole && !fraction)
		return false;
	if (*p == 'e' || *p == 'E') {
		p += 1 + (p[1] == '-' || p[1] == '+');
		if (!isdigit((unsigned char)*p))
			return false;
		p += strspn(p, "0123456789");
	}
	return !*p;
}

/* Octal, hexadecimal, binary, underscores, infinity: numbers to YAML 1.1. */
static bool is_odd_number(const char *text)
{
	const char *p = text + (text[0] == '-' || text[0] == '+');

	if (!strcasecmp(p, ".inf") || !strcasecmp(p, ".nan"))
		return true;
	if (!isdigit((unsigned char)p[0]))
		return false;
	if (p[0] == '0' && strchr("xXoObB", p[1]) && p[1])
		return p[2] && !p[2 + strspn(p + 2, "0123456789abcdefABCDEF_")];
	return strchr(p, '_') && !p[strspn(p, "0123456789_.")];
}

enum scalar_kind node_scalar_kind(const struct yaml_node *node)
{
	const char *text = node->text;

	if (!node->plain)
		return SCALAR_STRING;
	if (is_null_word(text))
		return SCALAR_NULL;
	if (!strcmp(text, "true") || !strcmp(text, "false"))
		return SCALAR_BOOL;
	if (is_boolean_like(text))
		return SCALAR_AMBIGUOUS;
	if (is_int(text))
		return SCALAR_INT;
	if (is_number(text)) {
		size_t digits = strspn(text + (text[0] == '-' || text[0] == '+'), "0123456789");

		/* 010 is 8 to some and 10 to others; +5 is no JSON. */
		if (text[0] == '+' || (text[text[0] == '-'] == '0' && digits > 1))
			return SCALAR_AMBIGUOUS;
		return SCALAR_NUMBER;
	}
	return is_odd_number(text) ? SCALAR_AMBIGUOUS : SCALAR_STRING;
}

bool node_is_null(const struct yaml_node *node)
{
	return node->type == NODE_SCALAR && node_scalar_kind(node) == SCALAR_NULL;
}

const struct yaml_node *node_get(const struct yaml_node *node, const char *key)
{
	if (node->type != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < node->count; i++)
		if (!strcmp(node->items[2 * i]->text, key))
			return node->items[2 * i + 1];
	return NULL;
}

static void write_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(out, "\\u%04x", *p);
		else
			fputc(*p, out);
	}
	fputc('"', out);
}

/* JSON wants a digit on both sides of the point. */
static bool is_json_number(const char *number)
{
	const char *point = strchr(number, '.');

	return isdigit((unsigned char)number[number[0] == '-']) &&
	       (!point || isdigit((unsigned char)point[1]));
}

static void write_scalar(FILE *out, const struct yaml_node *node)
{
	switch (node_scalar_kind(node)) {
	case SCALAR_NULL:
		fputs("null", out);
		return;
	case SCALAR_BOOL:
	case SCALAR_INT:
		fputs(node->text, out);
		return;
	case SCALAR_NUMBER:
		if (is_json_number(node->text)) {
			fputs(node->text, out);
			return;
		}
		break;
	default:
		break;
	}
	write_string(out, node->text);
}

static void indent(FILE *out, unsigned int depth)
{
	fprintf(out, "\n%*s", (int)(depth * 2), "");
}

/* Recursion is at most as deep as the document, which its reader bounded. */
static void write_node(FILE *out, const struct yaml_node *node, unsigned int depth)
{
	bool map = node->type == NODE_MAP;

	if (node->type == NODE_SCALAR) {
		write_scalar(out, node);
		return;
	}
	fputc(map ? '{' : '[', out);
	for (size_t i = 0; i < node->count; i++) {
		if (i)
			fputc(',', out);
		indent(out, depth + 1);
		if (map) {
			write_string(out, node->items[2 * i]->text);
			fputs(": ", out);
		}
		write_node(out, node->items[map ? 2 * i + 1 : i], depth + 1);
	}
	if (node->count)
		indent(out, depth);
	fputc(map ? '}' : ']', out);
}

int node_to_json(const struct yaml_node *node, char **ret)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	bool failed;

	if (!out)
		return -ENOMEM;
	write_node(out, node, 0);
	fputc('\n', out);
	failed = ferror(out);
	if (fclose(out) || failed) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	return 0;
}
