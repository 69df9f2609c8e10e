/* SPDX-License-Identifier: Apache-2.0 */
#include "config_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Long enough for a message, short enough not to bury it. */
#define SHOWN "%.80s"

struct assignment {
	const struct config_key *key;
	const struct config_source *source;
	struct diag *diag;
};

static int refuse(const struct assignment *as, const char *found, const char *expected)
{
	return diag_set(as->diag, as->source->file, as->source->line,
			"%s: found '" SHOWN "', expected %s", as->key->name, found, expected);
}

static int set_string(const struct assignment *as, const char *text, void *field)
{
	char *copy;

	if (as->key->max && strlen(text) > as->key->max) {
		char expected[64];

		snprintf(expected, sizeof(expected), "at most %" PRIu64 " bytes", as->key->max);
		return refuse(as, text, expected);
	}
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

static int set_name(const struct assignment *as, const char *text, void *field)
{
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return refuse(as, text, "letters, digits, '.', '_' and '-'");
	return set_string(as, text, field);
}

static int set_path(const struct assignment *as, const char *text, void *field)
{
	if (*text && *text != '/')
		return refuse(as, text, "an absolute path");
	return set_string(as, text, field);
}

static int set_bool(const struct assignment *as, const char *text, void *field)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return refuse(as, text, "true or false");
	*(bool *)field = strcmp(text, "true") == 0;
	return 0;
}

/* What a number's unit letter multiplies by; 0: unknown. */
static uint64_t unit_factor(enum config_type type, const char *unit)
{
	static const struct {
		enum config_type type;
		const char *unit;
		uint64_t factor;
	} units[] = {
		{ CONFIG_UINT, "", 1 },        { CONFIG_SECONDS, "", 1 },
		{ CONFIG_SECONDS, "s", 1 },    { CONFIG_SECONDS, "m", 60 },
		{ CONFIG_SECONDS, "h", 3600 }, { CONFIG_SECONDS, "d", 86400 },
		{ CONFIG_SIZE, "", 1 },        { CONFIG_SIZE, "K", 1 << 10 },
		{ CONFIG_SIZE, "M", 1 << 20 }, { CONFIG_SIZE, "G", 1 << 30 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].type == type && strcmp(units[i].unit, unit) == 0)
			return units[i].factor;
	return 0;
}

static const char *number_kind(enum config_type type)
{
	if (type == CONFIG_SECONDS)
		return "seconds (or 15m, 2h, 5d)";
	if (type == CONFIG_SIZE)
		return "bytes, a power of two (or 64K, 8M)";
	return "a whole number";
}

static int set_number(const struct assignment *as, const char *text, void *field)
{
	const struct config_key *key = as->key;
	char expected[128];
	char *end = NULL;
	uint64_t value = 0, factor = 0;

	snprintf(expected, sizeof(expected), "%s in %" PRIu64 "..%" PRIu64, number_kind(key->type),
		 key->min, key->max);
	if (isdigit((unsigned char)text[0]) && strlen(text) <= 12) {
		value = strtoull(text, &end, 10);
		factor = unit_factor(key->type, end);
	}
	value *= factor;
	if (!factor || value < key->min || value > key->max)
		return refuse(as, text, expected);
	if (key->type == CONFIG_SIZE && (value & (value - 1)))
		return refuse(as, text, expected);
	*(uint32_t *)field = (uint32_t)value;
	return 0;
}

static int set_enum(const struct assignment *as, const char *text, void *field)
{
	char expected[128] = "one of";

	for (unsigned int i = 0; as->key->choices[i]; i++) {
		size_t len = strlen(expected);

		if (strcmp(as->key->choices[i], text) == 0) {
			*(unsigned int *)field = i;
			return 0;
		}
		snprintf(expected + len, sizeof(expected) - len, "%s %s", i ? "," : "",
			 as->key->choices[i]);
	}
	return refuse(as, text, expected);
}

static int check_length(const struct assignment *as, const char *text, const struct prefix *prefix,
			struct prefix *ret)
{
	unsigned int shortest = CONFIG_SHORTEST(as->key->max),
		     longest = CONFIG_LONGEST(as->key->max);
	char expected[64];

	if (prefix->length < shortest || prefix->length > longest) {
		snprintf(expected, sizeof(expected), "an IPv%u prefix of /%u to /%u",
			 (unsigned int)as->key->min, shortest, longest);
		return refuse(as, text, expected);
	}
	*ret = *prefix;
	return 0;
}

/* min: 4 or 6, the family that is meant; 0: either. */
static int parse_prefix(const struct assignment *as, const char *text, struct prefix *ret)
{
	const char *expected = as->key->min == 4   ? "an IPv4 prefix like 10.0.0.0/24"
			       : as->key->min == 6 ? "an IPv6 prefix like fd00::/64"
						   : "a prefix like 10.0.0.0/8 or fd00::/8";
	struct prefix prefix;

	if (prefix_parse(text, &prefix) < 0)
		return refuse(as, text, expected);
	if (as->key->min && (as->key->min == 4) != address_is_ipv4(&prefix.addr))
		return refuse(as, text, expected);
	if (as->key->max && as->key->type == CONFIG_PREFIX)
		return check_length(as, text, &prefix, ret);
	*ret = prefix;
	return 0;
}

static int set_prefix(const struct assignment *as, const char *text, void *field)
{
	if (!*text) {
		*(struct prefix *)field = (struct prefix){};
		return 0;
	}
	return parse_prefix(as, text, field);
}

static int (*const scalar_setters[])(const struct assignment *as, const char *text, void *field) = {
	[CONFIG_STRING] = set_string, [CONFIG_NAME] = set_name,   [CONFIG_PATH] = set_path,
	[CONFIG_BOOL] = set_bool,     [CONFIG_UINT] = set_number, [CONFIG_SECONDS] = set_number,
	[CONFIG_SIZE] = set_number,   [CONFIG_ENUM] = set_enum,   [CONFIG_PREFIX] = set_prefix,
};

static void strings_clear(struct config_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		free(strings->items[i]);
	free(strings->items);
	*strings = (struct config_strings){};
}

static int set_strings(const struct assignment *as, const char *const *items, size_t count,
		       struct config_strings *field)
{
	_cleanup_(strings_clear) struct config_strings strings = {};

	strings.items = calloc(count ? count : 1, sizeof(*strings.items));
	if (!strings.items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (!*items[i])
			return refuse(as, items[i], "no empty item in the list");
		if (as->key->type == CONFIG_LABELS && (!strchr(items[i], '=') || *items[i] == '='))
			return refuse(as, items[i], "KEY=VALUE");
		strings.items[i] = strdup(items[i]);
		if (!strings.items[i])
			return -ENOMEM;
		strings.count++;
	}
	strings_clear(field);
	*field = strings;
	strings = (struct config_strings){};
	return 0;
}

static int set_prefixes(const struct assignment *as, const char *const *items, size_t count,
			struct config_prefixes *field)
{
	_cleanup_free_ struct prefix *prefixes = calloc(count ? count : 1, sizeof(*prefixes));

	if (!prefixes)
		return -ENOMEM;
	if (as->key->max && count > as->key->max) {
		char found[32], expected[64];

		snprintf(found, sizeof(found), "%zu prefixes", count);
		snprintf(expected, sizeof(expected), "at most %" PRIu64, as->key->max);
		return refuse(as, found, expected);
	}
	for (size_t i = 0; i < count; i++) {
		int r = parse_prefix(as, items[i], &prefixes[i]);

		if (r < 0)
			return r;
	}
	free(field->items);
	field->items = take_ptr(prefixes);
	field->count = count;
	return 0;
}

bool config_type_is_list(enum config_type type)
{
	return type == CONFIG_STRING_LIST || type == CONFIG_PREFIX_LIST || type == CONFIG_LABELS;
}

int config_value_set(const struct config_key *key, const char *const *items, size_t count,
		     void *settings, const struct config_source *source, struct diag *diag)
{
	const struct assignment as = { .key = key, .source = source, .diag = diag };
	void *field = (char *)settings + key->offset;

	if (key->type == CONFIG_PREFIX_LIST)
		return set_prefixes(&as, items, count, field);
	if (config_type_is_list(key->type))
		return set_strings(&as, items, count, field);
	if (count != 1)
		return refuse(&as, "a list", "one value");
	return scalar_setters[key->type](&as, items[0], field);
}

int config_value_set_text(const struct config_key *key, const char *text, void *settings,
			  const struct config_source *source, struct diag *diag)
{
	_cleanup_free_ char *copy = NULL;
	_cleanup_free_ const char **items = NULL;
	size_t count = 0;

	if (!config_type_is_list(key->type))
		return config_value_set(key, &text, 1, settings, source, diag);
	copy = strdup(text);
	items = calloc(strlen(text) + 1, sizeof(*items));
	if (!copy || !items)
		return -ENOMEM;
	for (char *rest = copy; rest && *text;)
		items[count++] = strsep(&rest, ",");
	return config_value_set(key, items, count, settings, source, diag);
}

void config_value_clear(const struct config_key *key, void *settings)
{
	void *field = (char *)settings + key->offset;

	if (key->type == CONFIG_STRING || key->type == CONFIG_NAME || key->type == CONFIG_PATH) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else if (key->type == CONFIG_PREFIX_LIST) {
		struct config_prefixes *prefixes = field;

		free(prefixes->items);
		*prefixes = (struct config_prefixes){};
	} else if (config_type_is_list(key->type)) {
		strings_clear(field);
	}
}
