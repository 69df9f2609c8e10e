/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: shown, applied, deleted. */
#include "admin.h"

#include <errno.h>
#include <string.h>

#include "agent.h"
#include "base/log.h"
#include "sources.h"

struct query {
	const char *kind, *namespace, *name; /* NULL: every one */
	enum object_kind parsed;
	const struct agent *agent;
	json_t *list;
};

static int query_of(const struct admin_request *request, struct admin_response *response,
		    struct query *ret)
{
	struct query query = { .kind = admin_request_query(request, "kind"),
			       .namespace = admin_request_query(request, "namespace"),
			       .name = admin_request_query(request, "name") };

	if (query.kind &&
	    (object_kind_parse(query.kind, &query.parsed) < 0 || query.parsed == OBJECT_ENDPOINT))
		return admin_response_error(response, 400, "bad_kind",
					    "kind: found '%.80s', expected a kind of object such "
					    "as Pod or CiliumNetworkPolicy",
					    query.kind);
	*ret = query;
	return 0;
}

static const char *origin_of(const struct agent *agent, const struct object *object)
{
	static const char *const names[] = {
		[STORE_API] = "api", [STORE_FILE] = "file", [STORE_AGENT] = "agent"
	};

	for (int origin = STORE_ORIGIN_COUNT - 1; origin >= 0; origin--)
		if (store_get_from(agent->store, (enum store_origin)origin, object->kind,
				   object->namespace, object->name) == object)
			return names[origin];
	return "";
}

/* Where the rules of a policy stand in its file, which the text alone does not tell. */
static json_t *rule_lines(const struct object *object)
{
	json_t *lines = json_array();

	for (size_t s = 0; s < object->policy.spec_count; s++)
		for (size_t i = 0; i < object->policy.specs[s].rule_count; i++)
			json_array_append_new(lines,
					      json_integer(object->policy.specs[s].rules[i].line));
	return lines;
}

static int add_object(const struct object *object, void *data)
{
	struct query *query = data;
	json_t *json;

	if (query->name && strcmp(query->name, object->name) != 0)
		return 0;
	if (query->namespace && object_kind_is_namespaced(object->kind) &&
	    strcmp(query->namespace, object->namespace) != 0)
		return 0;
	json = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?}", "kind", object_kind_name(object->kind),
			 "namespace", object->namespace, "name", object->name, "origin",
			 origin_of(query->agent, object), "file", object->file, "text",
			 object->text);
	if (object->line)
		json_object_set_new(json, "line", json_integer(object->line));
	if (object_kind_is_policy(object->kind))
		json_object_set_new(json, "rule_lines", rule_lines(object));
	return json_array_append_new(query->list, json);
}

ADMIN_HANDLER(admin_objects_get)
{
	const struct agent *agent = data;
	struct query query;

	if (query_of(request, response, &query) < 0)
		return;
	query.agent = agent;
	query.list = json_array();
	for (unsigned int kind = 0; kind < OBJECT_ENDPOINT; kind++)
		if (!query.kind || kind == query.parsed)
			store_for_each(agent->store, kind, add_object, &query);
	response->body = json_pack("{s:o}", "objects", query.list);
}

ADMIN_HANDLER(admin_objects_post)
{
	struct agent *agent = data;
	const char *name = admin_request_query(request, "name");
	const char *skip = admin_request_query(request, "skip_other_kinds");
	struct diag diag = {};
	int r = sources_apply(agent->sources, request->body, request->body_len,
			      name ? name : "<input>", skip && strcmp(skip, "1") == 0,
			      &response->body, &diag);

	if (r == 0) {
		log_info("objects", "applied", LOG_STR("from", name),
			 LOG_UINT("objects",
				  json_array_size(json_object_get(response->body, "objects"))),
			 LOG_INT("uid", request->uid));
		return;
	}
	if (diag_is_set(&diag))
		admin_response_diag(response, "refused", &diag);
	else
		admin_response_error(response, 500, "internal", "not applied: %s", log_strerror(r));
}

ADMIN_HANDLER(admin_objects_delete)
{
	struct agent *agent = data;
	struct diag diag = {};
	struct query query;
	int r;

	if (query_of(request, response, &query) < 0)
		return;
	if (!query.kind || !query.name) {
		admin_response_error(response, 400, "bad_request", "expected kind and name");
		return;
	}
	if (!object_kind_is_namespaced(query.parsed))
		query.namespace = "";
	else if (!query.namespace)
		query.namespace = "default";
	r = sources_delete(agent->sources, query.parsed, query.namespace, query.name, &diag);
	if (r == -ENOENT)
		admin_response_error(response, 404, "not_found", "no %s %s%s%s was applied",
				     object_kind_name(query.parsed), query.namespace,
				     *query.namespace ? "/" : "", query.name);
	else if (diag_is_set(&diag))
		admin_response_diag(response, "refused", &diag);
	else if (r < 0)
		admin_response_error(response, 500, "internal", "not deleted: %s", log_strerror(r));
	else
		log_info("objects", "deleted", LOG_STR("kind", object_kind_name(query.parsed)),
			 LOG_STR("namespace", query.namespace), LOG_STR("name", query.name),
			 LOG_INT("uid", request->uid));
}
