/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "flow/selector.h"

static const char *const labels[] = { "k8s:app=web",   "k8s:io.kubernetes.pod.namespace=shop",
				      "k8s:tier=7",    "k8s:empty=",
				      "reserved:host", "cidr:10.0.0.0/8" };

static const struct {
	const char *selector;
	bool want;
} cases[] = {
	{ "", true },
	{ "app", true },
	{ "ap", false },
	{ "!app", false },
	{ "!other", true },
	{ "app=web", true },
	{ "app==web", true },
	{ "app = web , tier=7", true },
	{ "app=we", false },
	{ "app=web2", false },
	{ "app!=web", false },
	{ "app!=db", true },
	{ "other!=db", true },
	{ "app in (db,web)", true },
	{ "app in (db)", false },
	{ "app notin (db)", true },
	{ "app notin (db,web)", false },
	{ "other notin (db)", true },
	{ "other in (db)", false },
	{ "k8s:app=web", true },
	{ "any:app=web", true },
	{ "reserved:app", false },
	{ "reserved:host", true },
	{ "host", true },
	{ "k8s:host", false },
	{ "empty=", true },
	{ "empty", true },
	{ "app=", false },
	{ "tier>6", true },
	{ "tier>7", false },
	{ "tier < 8", true },
	{ "app>1", false },
	{ "io.kubernetes.pod.namespace=shop,app in (web)", true },
	{ "app=web,!empty", false },
	{ "cidr:10.0.0.0/8", true },
	{ "inner=1", false },
};

static void selectors_choose_as_kubernetes_does(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct flow_selector *selector;
		struct diag diag = { 0 };

		if (flow_selector_new(cases[i].selector, &diag, &selector) < 0)
			fail_msg("%s", diag.text);
		if (flow_selector_match(selector, labels, ARRAY_SIZE(labels)) != cases[i].want)
			fail_msg("\"%s\" should %smatch", cases[i].selector,
				 cases[i].want ? "" : "not ");
		flow_selector_free(selector);
	}
}

static void malformed_selectors_are_refused(void **state)
{
	static const char *const texts[] = {
		"=web",  "app=web,", ",app", "app in web", "app in (web", "app web", "!",
		"app>x", "app>",     ":app", "k8s:",       "!app=web",    "app=a b", "app in ()x",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct flow_selector *selector = NULL;
		struct diag diag = { 0 };

		if (flow_selector_new(texts[i], &diag, &selector) != -EINVAL)
			fail_msg("\"%s\" was accepted", texts[i]);
		assert_null(selector);
		assert_true(diag_is_set(&diag));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selectors_choose_as_kubernetes_does),
		cmocka_unit_test(malformed_selectors_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
