/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"
#include "object_path.h"

#include "base/cleanup.h"

#include <stdio.h>

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct object_query *query = data;

	(void)option;
	query->namespace = value;
	return 0;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_free_ char *path = NULL;
	struct object_query query = { .namespace = "default" };
	int first, r = verb_parse(verb, argc, argv, false, set, &query, &first);

	if (r)
		return r;
	if (object_arguments(argc, argv, first, &query) < 0 || !query.name)
		return verb_usage_error(verb, "expected KIND NAME or KIND/NAME");
	path = object_path(&query);
	r = path ? admin_request(cli, "DELETE", path, NULL, 0, &answer) : EXIT_NO;
	if (r)
		return r;
	printf("%s %s deleted\n", query.kind, query.name);
	return 0;
}

static const struct verb_option options[] = {
	{ 'n', "namespace", "NAMESPACE", "of the object (default: default)", NULL },
	{},
};

const struct verb verb_delete = {
	.name = "delete",
	.summary = "take an object out of force",
	.synopsis = "KIND NAME [-n NAMESPACE]",
	.help = "Example: tendril delete cnp rule1\n\n"
		"Deletes an object that was applied. One that a file holds is refused: change the file.",
	.arguments = "namespace node pod service endpointslice networkpolicy ciliumnetworkpolicy "
		     "ciliumclusterwidenetworkpolicy ciliumcidrgroup policymode",
	.options = options,
	.run = run,
};
