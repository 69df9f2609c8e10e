/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/config.h"
#include "base/util.h"

struct settings {
	char *name, *dir;
	bool on;
	uint32_t count, wait, ring;
	unsigned int mode;
	struct prefix v4;
	struct config_strings devices, labels;
	struct config_prefixes nets;
};

static const char *const modes[] = { "drop", "reject", NULL };
static const char *const foreign[] = { "observer", NULL };

#define AT(field) offsetof(struct settings, field)
static const struct config_key keys[] = {
	{ "name", CONFIG_NAME, 0, 8, "x", "Name.", AT(name), NULL },
	{ "dir", CONFIG_PATH, 0, 64, "/run/thing@", "Directory.", AT(dir), NULL },
	{ "on", CONFIG_BOOL, 0, 0, "true", "Switch.", AT(on), NULL },
	{ "deep.count", CONFIG_UINT, 1, 10, "5", "Number.", AT(count), NULL },
	{ "deep.wait_time", CONFIG_SECONDS, 1, 864000, "2m", "Time.", AT(wait), NULL },
	{ "deep.ring", CONFIG_SIZE, 4096, 1 << 20, "64K", "Size.", AT(ring), NULL },
	{ "mode", CONFIG_ENUM, 0, 0, "drop", "Choice.", AT(mode), modes },
	{ "net", CONFIG_PREFIX, 4, 0, NULL, "Prefix.", AT(v4), NULL },
	{ "devices", CONFIG_STRING_LIST, 0, 0, NULL, "Devices.", AT(devices), NULL },
	{ "nets", CONFIG_PREFIX_LIST, 0, 2, NULL, "Prefixes.", AT(nets), NULL },
	{ "labels", CONFIG_LABELS, 0, 0, NULL, "Labels.", AT(labels), NULL },
};
static const struct config_table table = { keys, ARRAY_SIZE(keys), foreign };

static void refusals_say_where_what_and_what_was_expected(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "name: a\nnmae: b\n", "f.yaml:2: found the unknown key 'nmae'" },
		{ "deep:\n  count: 11\n", "f.yaml:2: deep.count: found '11', expected a whole" },
		{ "deep:\n  count: 0\n", "in 1..10" },
		{ "deep:\n  count: -1\n", "found '-1'" },
		{ "deep:\n  count: 5x\n", "found '5x'" },
		{ "deep:\n  count: 99999999999999999999\n", "f.yaml:2: deep.count: found '9999" },
		{ "deep:\n\n  wait_time: 11d\n", "f.yaml:3: deep.wait_time: found '11d'" },
		{ "deep:\n  ring: 5000\n", "a power of two" },
		{ "deep: 5\n", "f.yaml:1: deep: found a value, expected a mapping" },
		{ "deep:\n  unknown: 1\n", "f.yaml:2: found the unknown key 'deep.unknown'" },
		{ "mode: deny\n", "f.yaml:1: mode: found 'deny', expected one of drop, reject" },
		{ "on: yes\n", "expected true or false" },
		{ "dir: relative\n", "expected an absolute path" },
		{ "name: 'a b'\n", "expected letters, digits" },
		{ "name: ninechars\n", "expected at most 8 bytes" },
		{ "name: [a, b]\n", "found 'a list', expected one value" },
		{ "name: {a: b}\n", "found a mapping, expected a value" },
		{ "net: fd00::/64\n", "expected an IPv4 prefix" },
		{ "net: 10.0.0.0/33\n", "found '10.0.0.0/33'" },
		{ "nets: [1.0.0.0/8, 2.0.0.0/8, 3.0.0.0/8]\n", "expected at most 2" },
		{ "labels: [novalue]\n", "expected KEY=VALUE" },
		{ "name: a\nname: b\n", "f.yaml:2: not YAML: duplicate key" },
		{ "name: [a\n", "f.yaml:" },
		{ "- a\n", "found no mapping" },
		{ "name: &x a\ndir: *x\n", "f.yaml:2: dir: found an alias" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct settings settings = {};
		struct diag diag = {};
		char text[1024];

		assert_int_equal(config_defaults(&table, "", &settings), 0);
		assert_int_equal(config_parse(&table, cases[i].text, strlen(cases[i].text),
					      "f.yaml", &settings, &diag),
				 -EINVAL);
		diag_format(&diag, text, sizeof(text));
		if (!strstr(text, cases[i].want))
			fail_msg("%s: said '%s'", cases[i].want, text);
		config_clear(&table, &settings);
	}
}

static void a_file_sets_what_it_names_and_leaves_defaults(void **state)
{
	static const char text[] = "# comment\n"
				   "name: web-1\n"
				   "deep: {count: 7, wait_time: 1h, ring: 8K}\n"
				   "mode: reject\n"
				   "net: 10.1.2.3/24\n"
				   "observer: {anything: [1, 2]}\n"
				   "devices: [eth0, eth1]\n"
				   "nets: 10.0.0.0/8\n"
				   "labels: {zone: a, rack: b}\n";
	struct settings settings = {};
	struct diag diag = {};
	char buf[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(config_defaults(&table, "", &settings), 0);
	assert_int_equal(config_parse(&table, text, strlen(text), "f", &settings, &diag), 0);
	assert_string_equal(settings.name, "web-1");
	assert_string_equal(settings.dir, "/run/thing");
	assert_true(settings.on);
	assert_int_equal(settings.count, 7);
	assert_int_equal(settings.wait, 3600);
	assert_int_equal(settings.ring, 8192);
	assert_int_equal(settings.mode, 1);
	assert_string_equal(prefix_format(&settings.v4, buf), "10.1.2.0/24");
	assert_int_equal(settings.devices.count, 2);
	assert_string_equal(settings.devices.items[1], "eth1");
	assert_int_equal(settings.nets.count, 1);
	assert_string_equal(settings.labels.items[0], "zone=a");
	config_clear(&table, &settings);
}

static void flags_override_and_take_dashes(void **state)
{
	struct settings settings = {};
	struct diag diag = {};

	(void)state;
	assert_int_equal(config_defaults(&table, "b", &settings), 0);
	assert_string_equal(settings.dir, "/run/thing-b");
	assert_int_equal(config_set(&table, "deep.wait-time", "5d", &settings, &diag), 0);
	assert_int_equal(settings.wait, 432000);
	assert_int_equal(config_set(&table, "devices", "a,b,c", &settings, &diag), 0);
	assert_int_equal(settings.devices.count, 3);
	assert_int_equal(config_set(&table, "devices", "", &settings, &diag), 0);
	assert_int_equal(settings.devices.count, 0);
	assert_int_equal(config_set(&table, "nope", "1", &settings, &diag), -ENOENT);
	assert_true(diag_is_set(&diag));
	config_clear(&table, &settings);
}

static void an_empty_file_changes_nothing(void **state)
{
	static const char *const texts[] = { "", "\n", "# only a comment\n", "#" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct settings settings = {};
		struct diag diag = {};

		assert_int_equal(config_defaults(&table, "", &settings), 0);
		assert_int_equal(
			config_parse(&table, texts[i], strlen(texts[i]), "f", &settings, &diag), 0);
		assert_int_equal(settings.count, 5);
		config_clear(&table, &settings);
	}
}

/* The reference, uncommented, must be a file that parses to the defaults. */
static void the_reference_is_a_file_that_parses(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct settings settings = {}, defaults = {};
	struct diag diag = {};

	(void)state;
	config_print_reference(&table, out);
	fclose(out);
	for (size_t i = 0; i < table.count; i++) {
		const char *last = strrchr(keys[i].name, '.');
		char commented[64];
		char *at;

		snprintf(commented, sizeof(commented), "# %s:", last ? last + 1 : keys[i].name);
		at = strstr(text, commented);
		assert_non_null(at);
		memmove(at, at + 2, strlen(at + 2) + 1);
	}
	for (char *at = strchr(text, '@'); at; at = strchr(text, '@'))
		memmove(at, at + 1, strlen(at));
	assert_int_equal(config_defaults(&table, "", &settings), 0);
	assert_int_equal(config_defaults(&table, "", &defaults), 0);
	if (config_parse(&table, text, strlen(text), "reference", &settings, &diag) < 0)
		fail_msg("%u: %s in:\n%s", diag.line, diag.text, text);
	for (size_t i = 0; i < table.count; i++) {
		_cleanup_free_ char *a = config_format(&keys[i], &settings);
		_cleanup_free_ char *b = config_format(&keys[i], &defaults);

		assert_string_equal(a, b);
	}
	config_clear(&table, &settings);
	config_clear(&table, &defaults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_say_where_what_and_what_was_expected),
		cmocka_unit_test(a_file_sets_what_it_names_and_leaves_defaults),
		cmocka_unit_test(flags_override_and_take_dashes),
		cmocka_unit_test(an_empty_file_changes_nothing),
		cmocka_unit_test(the_reference_is_a_file_that_parses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
