/* SPDX-License-Identifier: Apache-2.0 */
/* The documentation that the table of a program's settings holds. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/config_value.h"

static const char *value_word(const struct config_key *key)
{
	static const char *const words[] = {
		[CONFIG_STRING] = "TEXT",
		[CONFIG_NAME] = "NAME",
		[CONFIG_PATH] = "PATH",
		[CONFIG_BOOL] = "true|false",
		[CONFIG_UINT] = "NUMBER",
		[CONFIG_SECONDS] = "SECONDS",
		[CONFIG_SIZE] = "BYTES",
		[CONFIG_ENUM] = "",
		[CONFIG_PREFIX] = "PREFIX",
		[CONFIG_STRING_LIST] = "ITEM,...",
		[CONFIG_PREFIX_LIST] = "PREFIX,...",
		[CONFIG_LABELS] = "KEY=VALUE,...",
	};

	return words[key->type];
}

static void print_word(const struct config_key *key, FILE *out)
{
	fputs(value_word(key), out);
	for (size_t i = 0; key->type == CONFIG_ENUM && key->choices[i]; i++)
		fprintf(out, "%s%s", i ? "|" : "", key->choices[i]);
}

static void print_range(const struct config_key *key, FILE *out)
{
	if (key->type == CONFIG_UINT || key->type == CONFIG_SECONDS || key->type == CONFIG_SIZE)
		fprintf(out, " (%" PRIu64 "..%" PRIu64 ")", key->min, key->max);
}

static const char *fallback_text(const struct config_key *key)
{
	return key->fallback && *key->fallback ? key->fallback : NULL;
}

void config_print_flags(const struct config_table *table, FILE *out)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct config_key *key = &table->keys[i];
		const char *fallback = fallback_text(key);

		fprintf(out, "  --%s=", key->name);
		print_word(key, out);
		fprintf(out, "\n        %s", key->help);
		print_range(key, out);
		if (fallback)
			fprintf(out, " [%s]", fallback);
		fputc('\n', out);
	}
}

/* Opens the sections of a dotted name that the previous name was not in. Returns the depth. */
static int print_sections(const char *name, const char *previous, FILE *out)
{
	int depth = 0;

	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
		size_t len = (size_t)(dot - name);
		const char *start = name;

		for (const char *c = name; c < dot; c++)
			if (*c == '.')
				start = c + 1;
		if (strncmp(name, previous, len + 1) != 0)
			fprintf(out, "%*s%.*s:\n", depth * 2, "", (int)(dot - start), start);
		depth++;
	}
	return depth;
}

void config_print_reference(const struct config_table *table, FILE *out)
{
	const char *previous = "";

	for (size_t i = 0; i < table->count; i++) {
		const struct config_key *key = &table->keys[i];
		const char *last = strrchr(key->name, '.');
		const char *fallback = fallback_text(key);
		int indent = print_sections(key->name, previous, out) * 2;

		fprintf(out, "%*s# %s\n%*s# ", indent, "", key->help, indent, "");
		print_word(key, out);
		print_range(key, out);
		fprintf(out, "\n%*s# %s:", indent, "", last ? last + 1 : key->name);
		if (fallback && config_type_is_list(key->type))
			fprintf(out, " [%s]", fallback);
		else if (fallback)
			fprintf(out, " %s", fallback);
		fputs("\n", out);
		previous = key->name;
	}
}

void config_print_manual(const struct config_table *table, FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < table->count; i++) {
		const struct config_key *key = &table->keys[i];
		const char *fallback = fallback_text(key);

		fprintf(out, ".It Ic %s : Ar ", key->name);
		print_word(key, out);
		fprintf(out, "\n%s", key->help);
		print_range(key, out);
		if (fallback)
			fprintf(out, "\nThe default is %s.", fallback);
		fputc('\n', out);
	}
	fputs(".El\n", out);
}

static char *join(const struct config_strings *strings)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < strings->count; i++)
		fprintf(out, "%s%s", i ? "," : "", strings->items[i]);
	fclose(out);
	return text;
}

static char *join_prefixes(const struct config_prefixes *prefixes)
{
	char *text = NULL, buf[PREFIX_TEXT_MAX];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < prefixes->count; i++)
		fprintf(out, "%s%s", i ? "," : "", prefix_format(&prefixes->items[i], buf));
	fclose(out);
	return text;
}

char *config_format(const struct config_key *key, const void *settings)
{
	const void *field = (const char *)settings + key->offset;
	char buf[PREFIX_TEXT_MAX] = "";

	switch (key->type) {
	case CONFIG_STRING:
	case CONFIG_NAME:
	case CONFIG_PATH:
		return strdup(*(char *const *)field ? *(char *const *)field : "");
	case CONFIG_BOOL:
		return strdup(*(const bool *)field ? "true" : "false");
	case CONFIG_UINT:
	case CONFIG_SECONDS:
	case CONFIG_SIZE:
		snprintf(buf, sizeof(buf), "%" PRIu32, *(const uint32_t *)field);
		return strdup(buf);
	case CONFIG_ENUM:
		return strdup(key->choices[*(const unsigned int *)field]);
	case CONFIG_PREFIX:
		if (address_is_zero(&((const struct prefix *)field)->addr))
			return strdup("");
		return strdup(prefix_format(field, buf));
	case CONFIG_STRING_LIST:
	case CONFIG_LABELS:
		return join(field);
	case CONFIG_PREFIX_LIST:
		return join_prefixes(field);
	}
	return NULL;
}
