/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/config_value.h"
#include "base/fsutil.h"
#include "base/util.h"

#define FILE_MAX  (1u << 20)
#define DEPTH_MAX 8
#define NAME_MAX_ 128

static void fy_document_freep(struct fy_document **doc)
{
	fy_document_destroy(*doc);
}

static void fy_diag_freep(struct fy_diag **diag)
{
	fy_diag_destroy(*diag);
}

const struct config_key *config_find(const struct config_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++) {
		const char *a = table->keys[i].name, *b = name;

		while (*a && (*a == *b || (*a == '_' && *b == '-')))
			a++, b++;
		if (!*a && !*b)
			return &table->keys[i];
	}
	return NULL;
}

/* "@" becomes "-INSTANCE". */
static char *expand(const char *text, const char *instance)
{
	const char *at = strchr(text, '@');
	char *out = NULL;

	if (!at)
		return strdup(text);
	if (asprintf(&out, "%.*s%s%s%s", (int)(at - text), text, *instance ? "-" : "", instance,
		     at + 1) < 0)
		return NULL;
	return out;
}

int config_defaults(const struct config_table *table, const char *instance, void *settings)
{
	struct diag diag = {};

	for (size_t i = 0; i < table->count; i++) {
		const struct config_key *key = &table->keys[i];
		const struct config_source source = {};
		_cleanup_free_ char *text = expand(key->fallback ? key->fallback : "", instance);
		int r;

		if (!text)
			return -ENOMEM;
		r = config_value_set_text(key, text, settings, &source, &diag);
		if (r < 0)
			return r;
	}
	return 0;
}

int config_set(const struct config_table *table, const char *name, const char *value,
	       void *settings, struct diag *diag)
{
	const struct config_key *key = config_find(table, name);
	const struct config_source source = {};

	if (!key) {
		diag_set(diag, NULL, 0, "found '--%.80s', expected a key of --help", name);
		return -ENOENT;
	}
	return config_value_set_text(key, value, settings, &source, diag);
}

void config_clear(const struct config_table *table, void *settings)
{
	for (size_t i = 0; i < table->count; i++)
		config_value_clear(&table->keys[i], settings);
}

/* What one walk through a file carries. */
struct reading {
	const struct config_table *table;
	const char *file;
	void *settings;
	struct diag *diag;
};

static unsigned int node_line(struct fy_node *node, unsigned int otherwise)
{
	struct fy_token *token = node ? fy_node_get_scalar_token(node) : NULL;
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

	return mark ? (unsigned int)mark->line + 1 : otherwise;
}

/* A scalar's text; caller frees. An absent or null value is "". NULL if memory is short. */
static char *node_text(struct fy_node *node)
{
	size_t len = 0;
	const char *text = node ? fy_node_get_scalar(node, &len) : NULL;
	bool plain = text && fy_node_get_style(node) == FYNS_PLAIN;

	if (!text || (plain && (!strncmp(text, "~", len) || !strncmp(text, "null", MAX(len, 4u)))))
		return strdup("");
	return strndup(text, len);
}

struct texts {
	char **items;
	size_t count;
};

static void texts_clear(struct texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->items[i]);
	free(texts->items);
}

static int texts_add(struct texts *texts, char *text)
{
	char **grown = text ? realloc(texts->items, (texts->count + 1) * sizeof(*grown)) : NULL;

	if (!grown) {
		free(text);
		return -ENOMEM;
	}
	texts->items = grown;
	texts->items[texts->count++] = text;
	return 0;
}

static int read_sequence(const struct reading *reading, const struct config_key *key,
			 struct fy_node *value, unsigned int line, struct texts *texts)
{
	void *iter = NULL;
	struct fy_node *item;

	while ((item = fy_node_sequence_iterate(value, &iter))) {
		int r;

		if (!fy_node_is_scalar(item) || fy_node_is_alias(item))
			return diag_set(reading->diag, reading->file, node_line(item, line),
					"%s: found a nested value, expected a list of plain values",
					key->name);
		r = texts_add(texts, node_text(item));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Labels as Kubernetes writes them. */
static int read_label_mapping(const struct reading *reading, const struct config_key *key,
			      struct fy_node *value, unsigned int line, struct texts *texts)
{
	void *iter = NULL;
	struct fy_node_pair *pair;

	while ((pair = fy_node_mapping_iterate(value, &iter))) {
		_cleanup_free_ char *name = node_text(fy_node_pair_key(pair));
		_cleanup_free_ char *text = node_text(fy_node_pair_value(pair));
		char *joined = NULL;
		int r;

		if (!fy_node_is_scalar(fy_node_pair_value(pair)))
			return diag_set(reading->diag, reading->file, line,
					"%s: found a nested value, expected KEY: VALUE", key->name);
		if (!name || !text || asprintf(&joined, "%s=%s", name, text) < 0)
			return -ENOMEM;
		r = texts_add(texts, joined);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_value(const struct reading *reading, const struct config_key *key,
		      struct fy_node *value, unsigned int line)
{
	_cleanup_(texts_clear) struct texts texts = {};
	const struct config_source source = { .file = reading->file,
					      .line = node_line(value, line) };
	int r;

	if (value && fy_node_is_alias(value))
		return diag_set(reading->diag, reading->file, line,
				"%s: found an alias, expected a value", key->name);
	if (value && fy_node_is_sequence(value)) {
		r = read_sequence(reading, key, value, line, &texts);
	} else if (value && fy_node_is_mapping(value)) {
		if (key->type != CONFIG_LABELS)
			return diag_set(reading->diag, reading->file, line,
					"%s: found a mapping, expected a value", key->name);
		r = read_label_mapping(reading, key, value, line, &texts);
	} else {
		_cleanup_free_ char *text = node_text(value);

		return text ? config_value_set_text(key, text, reading->settings, &source,
						    reading->diag)
			    : -ENOMEM;
	}
	if (r < 0)
		return r;
	return config_value_set(key, (const char *const *)texts.items, texts.count,
				reading->settings, &source, reading->diag);
}

static bool is_section(const struct config_table *table, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < table->count; i++)
		if (!strncmp(table->keys[i].name, name, len) && table->keys[i].name[len] == '.')
			return true;
	return false;
}

static bool is_foreign(const struct config_table *table, const char *name)
{
	for (size_t i = 0; table->foreign && table->foreign[i]; i++)
		if (!strcmp(table->foreign[i], name))
			return true;
	return false;
}

static int read_mapping(const struct reading *reading, struct fy_node *mapping, const char *prefix,
			unsigned int depth);

static int read_pair(const struct reading *reading, struct fy_node_pair *pair, const char *prefix,
		     unsigned int depth)
{
	struct fy_node *value = fy_node_pair_value(pair);
	unsigned int line = node_line(fy_node_pair_key(pair), 0);
	_cleanup_free_ char *word = node_text(fy_node_pair_key(pair));
	const struct config_key *key;
	char name[NAME_MAX_];

	if (!word)
		return -ENOMEM;
	snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", word);
	key = config_find(reading->table, name);
	if (key)
		return read_value(reading, key, value, line);
	if (!*prefix && is_foreign(reading->table, name))
		return 0;
	if (!is_section(reading->table, name))
		return diag_set(reading->diag, reading->file, line,
				"found the unknown key '%.80s', expected one that "
				"--print-config-reference lists",
				name);
	if (value && !fy_node_is_mapping(value))
		return diag_set(reading->diag, reading->file, line,
				"%s: found a value, expected a mapping of its keys", name);
	return value ? read_mapping(reading, value, name, depth + 1) : 0;
}

static int read_mapping(const struct reading *reading, struct fy_node *mapping, const char *prefix,
			unsigned int depth)
{
	void *iter = NULL;
	struct fy_node_pair *pair;

	if (depth > DEPTH_MAX)
		return diag_set(reading->diag, reading->file, 0, "nested too deeply");
	while ((pair = fy_node_mapping_iterate(mapping, &iter))) {
		int r = read_pair(reading, pair, prefix, depth);

		if (r < 0)
			return r;
	}
	return 0;
}

static int report_syntax(const struct reading *reading, struct fy_diag *fy_diag)
{
	void *iter = NULL;
	struct fy_diag_error *error = fy_diag_errors_iterate(fy_diag, &iter);

	if (!error)
		return diag_set(reading->diag, reading->file, 0, "found no YAML document");
	return diag_set(reading->diag, reading->file, (unsigned int)MAX(error->line, 1),
			"not YAML: %s", error->msg);
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '#') /* a comment, to the end of the line */
			while (i < len && text[i] != '\n')
				i++;
		else if (!strchr(" \t\r\n", text[i]))
			return false;
	}
	return true;
}

int config_parse(const struct config_table *table, const char *text, size_t len, const char *file,
		 void *settings, struct diag *diag)
{
	const struct reading reading = {
		.table = table, .file = file, .settings = settings, .diag = diag
	};
	const struct fy_diag_cfg diag_cfg = { .level = FYET_ERROR, .module_mask = ~0u };
	_cleanup_(fy_diag_freep) struct fy_diag *fy_diag = fy_diag_create(&diag_cfg);
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET, .diag = fy_diag };
	_cleanup_(fy_document_freep) struct fy_document *doc = NULL;
	struct fy_node *root;

	if (!fy_diag)
		return -ENOMEM;
	if (is_blank(text, len))
		return 0;
	fy_diag_set_collect_errors(fy_diag, true);
	doc = fy_document_build_from_string(&cfg, text, len);
	if (!doc)
		return report_syntax(&reading, fy_diag);
	root = fy_document_root(doc);
	if (!root || !fy_node_is_mapping(root))
		return diag_set(diag, file, 1, "found no mapping, expected KEY: VALUE lines");
	return read_mapping(&reading, root, "", 0);
}

int config_read(const struct config_table *table, const char *path, void *settings,
		struct diag *diag)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = file_read(path, FILE_MAX, &text, &len);

	if (r == -ENOENT || r == -ENOMEM)
		return r;
	if (r < 0)
		return diag_set(diag, path, 0, "cannot be read: %s", strerror(-r));
	return config_parse(table, text, len, path, settings, diag);
}
