/* SPDX-License-Identifier: Apache-2.0 */
/* tendril list: namespaces with flows, nodes behind a relay. */
#include "verb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "observer.pb-c.h"
#include "remote.h"
#include "wire/proto_json.h"

#define CALL_MS 12000

struct list {
	const struct verb *verb;
	const char *server;
	bool json;
};

static int print_json(const ProtobufCMessage *message)
{
	_cleanup_free_ char *json = NULL;
	int r = proto_json_format(message, &json);

	if (r == 0)
		puts(json);
	return r;
}

static int print_namespaces(const struct list *list, const uint8_t *bytes, size_t size)
{
	Observer__GetNamespacesResponse *response =
		observer__get_namespaces_response__unpack(NULL, size, bytes);
	int r = 0;

	if (!response)
		return -EBADMSG;
	if (list->json)
		r = print_json(&response->base);
	for (size_t i = 0; i < response->n_namespaces && !list->json; i++)
		puts(response->namespaces[i]->namespace_);
	observer__get_namespaces_response__free_unpacked(response, NULL);
	return r;
}

static int print_nodes(const struct list *list, const uint8_t *bytes, size_t size)
{
	Observer__GetNodesResponse *response =
		observer__get_nodes_response__unpack(NULL, size, bytes);
	int r = 0;

	if (!response)
		return -EBADMSG;
	if (list->json)
		r = print_json(&response->base);
	for (size_t i = 0; i < response->n_nodes && !list->json; i++)
		printf("%s\t%s\t%s\n", response->nodes[i]->name, response->nodes[i]->version,
		       response->nodes[i]->address);
	observer__get_nodes_response__free_unpacked(response, NULL);
	return r;
}

static const struct {
	const char *name, *path;
	int (*print)(const struct list *list, const uint8_t *bytes, size_t size);
} lists[] = {
	{ "namespaces", "/observer.Observer/GetNamespaces", print_namespaces },
	{ "nodes", "/observer.Observer/GetNodes", print_nodes },
};

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct list *list = data;

	if (strcmp(option->name, "server") == 0) {
		list->server = value;
		return 0;
	}
	if (strcmp(value, "json") && strcmp(value, "table"))
		return verb_usage_error(list->verb, "--output: found '%s', expected table or json",
					value);
	list->json = strcmp(value, "json") == 0;
	return 0;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	_cleanup_(grpc_client_freep) struct grpc_client *client = NULL;
	struct list list = { .verb = verb };
	const uint8_t *reply;
	size_t size, at = 0, count = sizeof(lists) / sizeof(lists[0]);
	int first, r = verb_parse(verb, argc, argv, false, set, &list, &first);

	if (r)
		return r;
	if (first + 1 != argc)
		return verb_usage_error(verb, "expected namespaces or nodes");
	while (at < count && strcmp(lists[at].name, argv[first]))
		at++;
	if (at == count)
		return verb_usage_error(verb, "found '%s', expected namespaces or nodes",
					argv[first]);
	r = remote_connect(cli, verb, list.server, &client);
	if (r)
		return r;
	r = grpc_client_call(client, lists[at].path, NULL, 0, CALL_MS, &reply, &size);
	if (r == 0)
		r = lists[at].print(&list, reply, size);
	return remote_failed(verb, client, r);
}

static const struct verb_option options[] = {
	{ 'o', "output", "table|json", "how to print", "table json" },
	{ 0, "server", "ADDRESS", "another server: unix:///PATH or HOST:PORT", NULL },
	{},
};

const struct verb verb_list = {
	.name = "list",
	.summary = "list namespaces that had flows, or nodes of a relay",
	.synopsis = "namespaces|nodes [-o table|json] [--server ADDRESS]",
	.help = "Lists the namespaces that had flows within the last hour, or, asked of a relay, the\n"
		"nodes behind it. A node by itself knows no others.",
	.arguments = "namespaces nodes",
	.options = options,
	.run = run,
};
