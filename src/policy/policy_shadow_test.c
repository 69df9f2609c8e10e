/* SPDX-License-Identifier: Apache-2.0 */
/* tests/property holds whole rules against the compiler; here is what selectors imply. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "policy/policy_shadow.h"

struct words {
	enum selector_op op;
	const char *key;
	const char *values[3];
	const char *source; /* NULL: any */
};

static const struct implies_case {
	const char *name;
	struct words narrow, wide;
	bool want;
} cases[] = {
	{ "equal",
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  true },
	{ "another value",
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  { SELECTOR_IN, "a", { "y" }, "k8s" },
	  false },
	{ "one of several",
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  { SELECTOR_IN, "a", { "w", "x", "y" }, "k8s" },
	  true },
	{ "several, one",
	  { SELECTOR_IN, "a", { "x", "y" }, "k8s" },
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  false },
	{ "a value exists",
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  { SELECTOR_EXISTS, "a", { NULL }, "k8s" },
	  true },
	{ "existing is no value",
	  { SELECTOR_EXISTS, "a", { NULL }, "k8s" },
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  false },
	{ "another key",
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  { SELECTOR_EXISTS, "b", { NULL }, "k8s" },
	  false },
	{ "a value is not others",
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  { SELECTOR_NOT_IN, "a", { "y", "z" }, "k8s" },
	  true },
	{ "a value is itself",
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  { SELECTOR_NOT_IN, "a", { "x" }, "k8s" },
	  false },
	{ "fewer are left out",
	  { SELECTOR_NOT_IN, "a", { "x", "y" }, "k8s" },
	  { SELECTOR_NOT_IN, "a", { "y" }, "k8s" },
	  true },
	{ "more are left out",
	  { SELECTOR_NOT_IN, "a", { "y" }, "k8s" },
	  { SELECTOR_NOT_IN, "a", { "x", "y" }, "k8s" },
	  false },
	{ "absent is not in",
	  { SELECTOR_NOT_EXISTS, "a", { NULL }, "k8s" },
	  { SELECTOR_NOT_IN, "a", { "x" }, "k8s" },
	  true },
	{ "not in is not absent",
	  { SELECTOR_NOT_IN, "a", { "x" }, "k8s" },
	  { SELECTOR_NOT_EXISTS, "a", { NULL }, "k8s" },
	  false },
	{ "of one source is of any",
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  { SELECTOR_IN, "a", { "x" }, NULL },
	  true },
	{ "of any source is not of one",
	  { SELECTOR_IN, "a", { "x" }, NULL },
	  { SELECTOR_IN, "a", { "x" }, "k8s" },
	  false },
	{ "absent in one source is not absent",
	  { SELECTOR_NOT_EXISTS, "a", { NULL }, "k8s" },
	  { SELECTOR_NOT_EXISTS, "a", { NULL }, NULL },
	  false },
	{ "two sources may have two values",
	  { SELECTOR_IN, "a", { "x" }, NULL },
	  { SELECTOR_NOT_IN, "a", { "y" }, NULL },
	  false },
};

static struct selector *selector_of(const struct words *words)
{
	struct selector *selector = selector_new();
	size_t count = 0;

	while (count < ARRAY_SIZE(words->values) && words->values[count])
		count++;
	assert_non_null(selector);
	assert_int_equal(
		selector_add(selector, words->source, words->key, words->op, words->values, count),
		0);
	return selector;
}

static void implications(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct selector *narrow = selector_of(&cases[i].narrow);
		struct selector *wide = selector_of(&cases[i].wide);

		print_message("%s\n", cases[i].name);
		assert_int_equal(policy_selector_implies(narrow, wide), cases[i].want);
		selector_free(narrow);
		selector_free(wide);
	}
}

static void a_conjunction_implies_its_parts(void **state)
{
	const char *const x[] = { "x" };
	struct selector *one = selector_new(), *two = selector_new(), *none = selector_new();

	assert_int_equal(selector_add(one, "k8s", "a", SELECTOR_IN, x, 1), 0);
	assert_int_equal(selector_add(two, "k8s", "a", SELECTOR_IN, x, 1), 0);
	assert_int_equal(selector_add(two, "k8s", "b", SELECTOR_IN, x, 1), 0);
	assert_true(policy_selector_implies(two, one));
	assert_false(policy_selector_implies(one, two));
	assert_true(policy_selector_implies(one, none));
	assert_false(policy_selector_implies(none, one));
	selector_free(one);
	selector_free(two);
	selector_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(implications),
		cmocka_unit_test(a_conjunction_implies_its_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
