/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_mode.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "base/cleanup.h"
#include "object_path.h"

#define NAME_MAX_BYTES 253

/* "audit.pod.shop.web": one for each target and field, so that each is set and unset alone. */
static int mode_name(const struct verb *verb, const struct policy_target *target, const char *field,
		     char name[static NAME_MAX_BYTES + 1])
{
	bool namespaced = object_kind_is_namespaced(target->kind);
	int length = snprintf(name, NAME_MAX_BYTES + 1, "%s.%s%s%s%s%s", field,
			      object_kind_name(target->kind), namespaced ? "." : "",
			      namespaced ? target->namespace : "", target->name ? "." : "",
			      target->name ? target->name : "");

	if (length > NAME_MAX_BYTES)
		return verb_usage_error(verb,
					"the target's name is too long to name a PolicyMode by: "
					"write one, and apply it");
	for (char *at = name + strlen(field); *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return 0;
}

static json_t *target_json(const struct policy_target *target, const char *node)
{
	json_t *json = json_pack("{s:s, s:s}", "kind", object_kind_name(target->kind), "name",
				 target->name ? target->name : node);

	if (object_kind_is_namespaced(target->kind))
		json_object_set_new(json, "namespace", json_string(target->namespace));
	return json;
}

static int put(const struct cli *cli, const struct policy_target *target, const char *name,
	       const char *field, const char *value)
{
	_cleanup_json_ json_t *status = NULL, *object = NULL, *answer = NULL;
	_cleanup_free_ char *text = NULL;
	int r = admin_get(cli, "/v1/status", &status);
	const char *node = json_string_value(json_object_get(status, "node"));

	if (r)
		return r;
	object =
		json_pack("{s:s, s:s, s:{s:s}, s:{s:o, s:s}}", "apiVersion", "tendril.io/v1alpha1",
			  "kind", object_kind_name(OBJECT_POLICY_MODE), "metadata", "name", name,
			  "spec", "targetRef", target_json(target, node ? node : ""), field, value);
	text = object ? json_dumps(object, JSON_INDENT(1)) : NULL;
	if (!text)
		return EXIT_NO;
	return admin_request(cli, "POST", "/v1/objects?name=tendril", text, strlen(text), &answer);
}

static int delete(const struct cli *cli, const char *name)
{
	const struct object_query query = { .kind = object_kind_name(OBJECT_POLICY_MODE),
					    .name = name };
	_cleanup_free_ char *path = object_path(&query);
	_cleanup_json_ json_t *answer = NULL;

	return path ? admin_request(cli, "DELETE", path, NULL, 0, &answer) : EXIT_NO;
}

int policy_mode_set(const struct cli *cli, const struct verb *verb,
		    const struct policy_target *target, const char *field, const char *value)
{
	char name[NAME_MAX_BYTES + 1];
	int r = mode_name(verb, target, field, name);

	if (r)
		return r;
	r = value ? put(cli, target, name, field, value) : delete (cli, name);
	if (r == 0)
		printf("%s %s %s\n", object_kind_name(OBJECT_POLICY_MODE), name,
		       value ? value : "deleted");
	return r;
}
