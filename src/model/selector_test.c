/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "model/selector.h"

static const struct match_case {
	const char *name;
	const char *source, *key;
	enum selector_op op;
	const char *values[3];
	const char *labels[3];
	bool matches;
} cases[] = {
	{ "In: one of the values", NULL, "app", SELECTOR_IN, { "db", "web" }, { "app=web" }, true },
	{ "In: another value", NULL, "app", SELECTOR_IN, { "db", "web" }, { "app=x" }, false },
	{ "In: absent key", NULL, "app", SELECTOR_IN, { "web" }, { "env=web" }, false },
	{ "In: no values", NULL, "app", SELECTOR_IN, { NULL }, { "app=web" }, false },
	{ "In: empty value", NULL, "app", SELECTOR_IN, { "" }, { "app" }, true },
	{ "NotIn: listed", NULL, "app", SELECTOR_NOT_IN, { "web" }, { "app=web" }, false },
	{ "NotIn: not listed", NULL, "app", SELECTOR_NOT_IN, { "web" }, { "app=x" }, true },
	{ "NotIn: absent key (14)", NULL, "app", SELECTOR_NOT_IN, { "web" }, { "env=web" }, true },
	{ "Exists: there", NULL, "app", SELECTOR_EXISTS, { NULL }, { "app" }, true },
	{ "Exists: absent", NULL, "app", SELECTOR_EXISTS, { NULL }, { "apple=1" }, false },
	{ "DoesNotExist: there", NULL, "app", SELECTOR_NOT_EXISTS, { NULL }, { "app=1" }, false },
	{ "DoesNotExist: absent (14)", NULL, "app", SELECTOR_NOT_EXISTS, { NULL }, { NULL }, true },
	{ "source: right one", "k8s", "app", SELECTOR_IN, { "a" }, { "k8s:app=a" }, true },
	{ "source: other one", "reserved", "app", SELECTOR_EXISTS, { NULL }, { "app=a" }, false },
	{ "source any", "any", "host", SELECTOR_EXISTS, { NULL }, { "reserved:host" }, true },
	{ "any source: second of two",
	  NULL,
	  "app",
	  SELECTOR_IN,
	  { "b" },
	  { "k8s:app=a", "reserved:app=b" },
	  true },
	{ "any source: NotIn means none",
	  NULL,
	  "app",
	  SELECTOR_NOT_IN,
	  { "b" },
	  { "k8s:app=a", "reserved:app=b" },
	  false },
};

static struct labels *parse_all(const char *const *texts, size_t max)
{
	struct labels *labels = labels_new();

	assert_non_null(labels);
	for (size_t i = 0; i < max && texts[i]; i++)
		assert_int_equal(label_parse(texts[i], labels), 0);
	return labels;
}

static size_t value_count(const struct match_case *c)
{
	size_t count = 0;

	while (count < 3 && c->values[count])
		count++;
	return count;
}

static void requirements_match_as_kubernetes_says(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct match_case *c = &cases[i];
		_cleanup_(labels_freep) struct labels *labels = parse_all(c->labels, 3);
		_cleanup_(selector_freep) struct selector *selector = selector_new();

		assert_int_equal(
			selector_add(selector, c->source, c->key, c->op, c->values, value_count(c)),
			0);
		if (selector_matches(selector, labels) != c->matches)
			fail_msg("%s", c->name);
	}
}

static void requirements_and(void **state)
{
	_cleanup_(labels_freep) struct labels *both =
		parse_all((const char *[]){ "app=web", "env=prod" }, 2);
	_cleanup_(labels_freep) struct labels *one = parse_all((const char *[]){ "app=web" }, 1);
	_cleanup_(selector_freep) struct selector *selector = selector_new();
	const char *web = "web", *prod = "prod";

	assert_true(selector_matches(selector, one));
	assert_int_equal(selector_add(selector, NULL, "app", SELECTOR_IN, &web, 1), 0);
	assert_int_equal(selector_add(selector, NULL, "env", SELECTOR_IN, &prod, 1), 0);
	assert_true(selector_matches(selector, both));
	assert_false(selector_matches(selector, one));
}

static void equal_selectors_compare_equal_however_written(void **state)
{
	_cleanup_(selector_freep) struct selector *a = selector_new(), *b = selector_new();
	_cleanup_(selector_freep) struct selector *copy = NULL;
	const char *ab[] = { "a", "b" }, *bab[] = { "b", "a", "b" };

	assert_int_equal(selector_add(a, NULL, "x", SELECTOR_IN, ab, 2), 0);
	assert_int_equal(selector_add(a, "k8s", "y", SELECTOR_EXISTS, NULL, 0), 0);
	assert_int_equal(selector_add(b, "k8s", "y", SELECTOR_EXISTS, NULL, 0), 0);
	assert_int_equal(selector_add(b, "any", "x", SELECTOR_IN, bab, 3), 0);
	assert_int_equal(selector_add(b, NULL, "x", SELECTOR_IN, ab, 2), 0);
	assert_int_equal(b->count, 2);
	assert_int_equal(selector_compare(a, b), 0);
	assert_int_equal(selector_copy(a, &copy), 0);
	assert_int_equal(selector_compare(copy, b), 0);
	assert_int_equal(selector_add(b, NULL, "x", SELECTOR_NOT_IN, ab, 2), 0);
	assert_true(selector_compare(a, b) * selector_compare(b, a) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requirements_match_as_kubernetes_says),
		cmocka_unit_test(requirements_and),
		cmocka_unit_test(equal_selectors_compare_equal_however_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
