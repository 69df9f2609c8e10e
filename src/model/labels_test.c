/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "model/labels.h"

static struct labels *parse_all(const char *const *texts)
{
	struct labels *labels = labels_new();

	assert_non_null(labels);
	for (; *texts; texts++)
		assert_int_equal(label_parse(*texts, labels), 0);
	return labels;
}

static void sorted_by_key_then_source(void **state)
{
	_cleanup_(labels_freep) struct labels *labels =
		parse_all((const char *[]){ "zone=a", "reserved:app", "k8s:app=web", "b=", NULL });
	_cleanup_free_ char *text = labels_format(labels);

	assert_string_equal(text, "k8s:app=web,reserved:app,k8s:b,k8s:zone=a");
}

static void set_replaces_value_of_same_source_and_key(void **state)
{
	_cleanup_(labels_freep) struct labels *labels =
		parse_all((const char *[]){ "app=web", "reserved:app=x", NULL });

	assert_int_equal(labels_set(labels, "k8s", "app", "db"), 0);
	assert_int_equal(labels->count, 2);
	assert_string_equal(labels_get(labels, "k8s", "app"), "db");
	assert_string_equal(labels_get(labels, "reserved", "app"), "x");
}

static void get_without_source_finds_any(void **state)
{
	_cleanup_(labels_freep) struct labels *labels =
		parse_all((const char *[]){ "reserved:host", "k8s:a=1", NULL });

	assert_string_equal(labels_get(labels, NULL, "host"), "");
	assert_string_equal(labels_get(labels, NULL, "a"), "1");
	assert_null(labels_get(labels, "k8s", "host"));
	assert_null(labels_get(labels, NULL, "hos"));
	assert_null(labels_get(labels, NULL, "zzz"));
}

static const struct parse_case {
	const char *text, *printed; /* printed NULL: refused */
} parse_cases[] = {
	{ "a=b", "k8s:a=b" },
	{ "k8s:a=b=c", "k8s:a=b=c" },
	{ "a=b:c", "k8s:a=b:c" },
	{ "reserved:host", "reserved:host" },
	{ "cidr:2001:db8::/32", "cidr:2001:db8::/32" },
	{ "a", "k8s:a" },
	{ "", NULL },
	{ "=b", NULL },
	{ ":a=b", NULL },
	{ "k8s:=b", NULL },
};

static void text_form_goes_both_ways(void **state)
{
	for (size_t i = 0; i < sizeof(parse_cases) / sizeof(*parse_cases); i++) {
		const struct parse_case *c = &parse_cases[i];
		_cleanup_(labels_freep) struct labels *labels = labels_new();
		_cleanup_free_ char *text = NULL;
		int r = label_parse(c->text, labels);

		assert_int_equal(r, c->printed ? 0 : -EINVAL);
		text = labels_format(labels);
		assert_string_equal(text, c->printed ? c->printed : "");
	}
}

static void copies_compare_equal_and_order_is_total(void **state)
{
	_cleanup_(labels_freep) struct labels *a =
		parse_all((const char *[]){ "app=web", "env=x", NULL });
	_cleanup_(labels_freep) struct labels *b =
		parse_all((const char *[]){ "app=web", "env=y", NULL });
	_cleanup_(labels_freep) struct labels *prefix =
		parse_all((const char *[]){ "app=web", NULL });
	_cleanup_(labels_freep) struct labels *copy = NULL;

	assert_int_equal(labels_copy(a, &copy), 0);
	assert_int_equal(labels_compare(a, copy), 0);
	assert_true(labels_compare(a, b) < 0 && labels_compare(b, a) > 0);
	assert_true(labels_compare(prefix, a) < 0 && labels_compare(a, prefix) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorted_by_key_then_source),
		cmocka_unit_test(set_replaces_value_of_same_source_and_key),
		cmocka_unit_test(get_without_source_finds_any),
		cmocka_unit_test(text_form_goes_both_ways),
		cmocka_unit_test(copies_compare_equal_and_order_is_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
