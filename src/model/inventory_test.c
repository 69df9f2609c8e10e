/* SPDX-License-Identifier: Apache-2.0 */
#include "model/inventory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

#define NOW     1767323045 /* 2026-01-02T03:04:05Z */
#define AT(at)  "groups:\n- {provider: aws, addresses: [10.0.0.1], generatedAt: " at "}\n"
#define TAIL    ", generatedAt: \"2026-01-02T03:04:05Z\"}\n"
#define WITH(f) "groups:\n- {provider: aws, " f TAIL

static int parse(const char *text, struct object_list **ret, struct diag *diag)
{
	const struct inventory_options options = {
		.file = "i.yaml", .name = "i", .now = NOW, .max_age = 3600
	};

	return inventory_parse(text, strlen(text), &options, ret, diag);
}

static void a_group_is_read_whole(void **state)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	const struct inventory_group *group;
	struct diag diag = { 0 };
	char text[PREFIX_TEXT_MAX];

	assert_int_equal(
		parse("groups:\n"
		      "- {provider: aws, addresses: [], generatedAt: 2026-01-02T03:04:05Z}\n"
		      "- provider: aws\n"
		      "  region: eu-central-1\n"
		      "  vpc: vpc-1\n"
		      "  subnet: subnet-1\n"
		      "  securityGroups: [sg-1, web]\n"
		      "  labels: {\"aws:stack name\": x, env: prod}\n"
		      "  addresses: [10.0.0.1, 10.1.0.0/24, \"fd00::1\"]\n"
		      "  generatedAt: \"2026-01-02T04:34:05.123+01:30\"\n",
		      &list, &diag),
		0);
	assert_int_equal(list->count, 2);
	assert_string_equal(list->items[0]->name, "i/0");
	assert_string_equal(list->items[1]->name, "i/1");
	assert_string_equal(list->items[1]->file, "i.yaml");
	assert_int_equal(list->items[1]->line, 3);
	group = &list->items[1]->inventory_group;
	assert_string_equal(group->region, "eu-central-1");
	assert_int_equal(group->security_group_count, 2);
	assert_string_equal(labels_get(list->items[1]->labels, "aws", "aws:stack name"), "x");
	assert_int_equal(group->prefix_count, 3);
	assert_string_equal(prefix_format(&group->prefixes[0], text), "10.0.0.1/32");
	assert_string_equal(prefix_format(&group->prefixes[1], text), "10.1.0.0/24");
	assert_string_equal(prefix_format(&group->prefixes[2], text), "fd00::1/128");
	assert_int_equal(group->generated_at, NOW);
}

static void an_empty_list_is_an_inventory(void **state)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	struct diag diag = { 0 };

	assert_int_equal(parse("groups: []\n", &list, &diag), 0);
	assert_int_equal(list->count, 0);
}

static const struct {
	const char *name, *text, *want;
} refusals[] = {
	{ "nothing", "", "i.yaml: found nothing, expected groups:" },
	{ "a file cut short", "groups:\n", "found no groups" },
	{ "a manifest", "kind: Pod\n", "found unknown field kind" },
	{ "not YAML", "groups: [\n", "i.yaml:" },
	{ "no list", "groups: {}\n", "expected a list" },
	{ "no provider", "groups:\n- {addresses: []" TAIL, "i.yaml:2: found no provider" },
	{ "another provider", "groups:\n- {provider: gcp, addresses: []" TAIL,
	  "found \"gcp\" in groups[0].provider, expected aws" },
	{ "no addresses", "groups:\n- {provider: aws" TAIL, "found no addresses in groups[0]" },
	{ "no time", "groups:\n- {provider: aws, addresses: []}\n", "found no generatedAt" },
	{ "an unknown field", WITH("addresses: [], ips: []"),
	  "found unknown field ips in groups[0], expected one of provider" },
	{ "a bad address", WITH("addresses: [10.0.0.1, 10.0.0.256]"),
	  "i.yaml:2: found \"10.0.0.256\" in groups[0].addresses[1], expected a CIDR" },
	{ "a bad CIDR", WITH("addresses: [10.0.0.0/33]"), "expected a CIDR" },
	{ "a number as a group's id", WITH("addresses: [], securityGroups: [1]"),
	  "expected a string" },
	{ "no time at all", AT("yesterday"), "expected a time such as" },
	{ "a date alone", AT("2026-01-02"), "expected a time such as" },
	{ "a time without zone", AT("2026-01-02T03:04:05"), "expected a time such as" },
	{ "a zone that is none", AT("\"2026-01-02T03:04:05+1:00\""), "expected a time such as" },
	{ "a time in the future", AT("\"2026-01-02T03:10:05Z\""),
	  "expected a time that is not in the future" },
	{ "a time too long ago", AT("\"2026-01-02T02:04:04Z\""),
	  "expected a time less than 3600 s ago (inventory.max_age)" },
};

static void bad_inventories_are_refused_with_place_found_and_expected(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct object_list *list = NULL;
		struct diag diag = { 0 };
		char message[1024];

		assert_int_equal(parse(refusals[i].text, &list, &diag), -EINVAL);
		diag_format(&diag, message, sizeof(message));
		if (!strstr(message, refusals[i].want) || strncmp(message, "i.yaml", 6) != 0)
			fail_msg("%s: got \"%s\", expected \"%s\"", refusals[i].name, message,
				 refusals[i].want);
		assert_null(list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_is_read_whole),
		cmocka_unit_test(an_empty_list_is_an_inventory),
		cmocka_unit_test(bad_inventories_are_refused_with_place_found_and_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
