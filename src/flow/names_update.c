/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/names_tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"

/* Allocates an object with room for strings behind it; *text is where they go. */
static void *object_new(size_t size, size_t strings, char **text)
{
	struct flow_name *object = calloc(1, size + strings);

	if (!object)
		return NULL;
	object->refs = 1;
	*text = (char *)object + size;
	return object;
}

static const char *object_string(char **text, const char *string)
{
	char *start = *text;

	*text = stpcpy(start, string) + 1;
	return start;
}

static bool addresses_are_whole(const ProtobufCBinaryData *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (addresses[i].len != sizeof(struct td_addr))
			return false;
	return true;
}

static int put_address(struct flow_names *names, const struct td_addr *addr,
		       struct flow_endpoint *endpoint)
{
	struct address_entry *entry = malloc(sizeof(*entry)), *previous;
	void *old;
	int r;

	if (!entry)
		return -ENOMEM;
	entry->addr = *addr;
	entry->endpoint = flow_name_get(endpoint);
	r = flow_table_put(&names->addresses, flow_hash(addr, sizeof(*addr)), addr, entry, &old);
	if (r < 0) {
		flow_name_put(endpoint);
		free(entry);
		return r;
	}
	previous = old;
	if (previous)
		flow_name_put(previous->endpoint);
	free(previous);
	return 0;
}

static struct flow_endpoint *endpoint_new(const Tendril__Tables__Endpoint *message)
{
	const char *strings[] = { message->namespace_, message->pod_name, message->workload,
				  message->workload_kind, message->container_id };
	struct flow_endpoint *endpoint;
	size_t size = 0;
	char *text;

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		size += strlen(strings[i]) + 1;
	endpoint = object_new(sizeof(*endpoint), size, &text);
	if (!endpoint)
		return NULL;
	endpoint->id = message->id;
	endpoint->identity = message->identity;
	endpoint->ifindex = message->ifindex;
	endpoint->netns_cookie = message->netns_cookie;
	endpoint->namespace = object_string(&text, message->namespace_);
	endpoint->pod = object_string(&text, message->pod_name);
	endpoint->workload = object_string(&text, message->workload);
	endpoint->workload_kind = object_string(&text, message->workload_kind);
	endpoint->container_id = object_string(&text, message->container_id);
	return endpoint;
}

static int update_endpoint(struct flow_names *names, const Tendril__Tables__Update *update)
{
	const Tendril__Tables__Endpoint *message = update->endpoint;
	size_t count = message->n_addresses;
	uint32_t hash = hash_number(message->id);
	struct endpoint_entry *entry;
	void *old = NULL;
	int r = 0;

	if (update->deleted) {
		flow_names_drop_endpoint(names,
					 flow_table_remove(&names->endpoints, hash, &message->id));
		return 0;
	}
	if (!addresses_are_whole(message->addresses, count))
		return -EINVAL;
	entry = calloc(1, sizeof(*entry) + count * sizeof(*entry->addrs));
	if (!entry)
		return -ENOMEM;
	entry->endpoint = endpoint_new(message);
	if (!entry->endpoint ||
	    flow_table_put(&names->endpoints, hash, &message->id, entry, &old) < 0) {
		flow_names_drop_endpoint(names, entry);
		return -ENOMEM;
	}
	flow_names_drop_endpoint(names, old);
	for (; r == 0 && entry->count < count; entry->count++) {
		memcpy(&entry->addrs[entry->count], message->addresses[entry->count].data,
		       sizeof(struct td_addr));
		r = put_address(names, &entry->addrs[entry->count], entry->endpoint);
	}
	return r;
}

static int put_frontend(struct flow_names *names, const struct frontend_key *key,
			struct flow_service *service)
{
	struct frontend_entry *entry = malloc(sizeof(*entry)), *previous;
	void *old;
	int r;

	if (!entry)
		return -ENOMEM;
	entry->key = *key;
	entry->service = flow_name_get(service);
	r = flow_table_put(&names->frontends, flow_hash(key, sizeof(*key)), key, entry, &old);
	if (r < 0) {
		flow_name_put(service);
		free(entry);
		return r;
	}
	previous = old;
	if (previous)
		flow_name_put(previous->service);
	free(previous);
	return 0;
}

static struct flow_service *service_new(const Tendril__Tables__Service *message)
{
	struct flow_service *service;
	char *text;

	service = object_new(sizeof(*service),
			     strlen(message->namespace_) + strlen(message->name) + 2, &text);
	if (!service)
		return NULL;
	service->namespace = object_string(&text, message->namespace_);
	service->name = object_string(&text, message->name);
	return service;
}

static int update_service(struct flow_names *names, const Tendril__Tables__Update *update)
{
	const Tendril__Tables__Service *message = update->service;
	struct service_key key = { message->namespace_, message->name };
	size_t count = message->n_frontends;
	struct service_entry *entry;
	void *old = NULL;
	int r = 0;

	if (update->deleted) {
		flow_names_drop_service(
			names, flow_table_remove(&names->services, hash_service(&key), &key));
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		if (!addresses_are_whole(&message->frontends[i]->address, 1))
			return -EINVAL;
	entry = calloc(1, sizeof(*entry) + count * sizeof(*entry->keys));
	if (!entry)
		return -ENOMEM;
	entry->service = service_new(message);
	if (!entry->service ||
	    flow_table_put(&names->services, hash_service(&key), &key, entry, &old) < 0) {
		flow_names_drop_service(names, entry);
		return -ENOMEM;
	}
	flow_names_drop_service(names, old);
	for (; r == 0 && entry->count < count; entry->count++) {
		const Tendril__Tables__Frontend *frontend = message->frontends[entry->count];
		struct frontend_key *at = &entry->keys[entry->count];

		memcpy(&at->addr, frontend->address.data, sizeof(at->addr));
		at->port = (uint16_t)frontend->port;
		at->protocol = (uint8_t)frontend->protocol;
		r = put_frontend(names, at, entry->service);
	}
	return r;
}

/* Identities, rules and interfaces: the name object itself is the table's entry. */
static int put_object(struct flow_table *table, uint32_t number, void *object)
{
	void *old;
	int r;

	if (!object)
		return -ENOMEM;
	r = flow_table_put(table, hash_number(number), &number, object, &old);
	flow_name_put(r < 0 ? object : old);
	return r;
}

static void remove_object(struct flow_table *table, uint32_t number)
{
	flow_name_put(flow_table_remove(table, hash_number(number), &number));
}

static int update_identity(struct flow_names *names, const Tendril__Tables__Update *update)
{
	const Tendril__Tables__Identity *message = update->identity;
	size_t count = message->n_labels, size = 0;
	struct flow_identity *identity;
	char *text;

	if (update->deleted) {
		remove_object(&names->identities, message->number);
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		size += strlen(message->labels[i]) + 1;
	identity = object_new(sizeof(*identity) + count * sizeof(*identity->labels), size, &text);
	if (identity) {
		identity->number = message->number;
		identity->label_count = count;
		for (size_t i = 0; i < count; i++)
			identity->labels[i] = object_string(&text, message->labels[i]);
	}
	return put_object(&names->identities, message->number, identity);
}

static int update_rule(struct flow_names *names, const Tendril__Tables__Update *update)
{
	const Tendril__Tables__Rule *message = update->rule;
	struct flow_rule *rule;
	char *text;

	if (update->deleted) {
		remove_object(&names->rules, message->number);
		return 0;
	}
	rule = object_new(sizeof(*rule),
			  strlen(message->kind) + strlen(message->namespace_) +
				  strlen(message->name) + strlen(message->file) + 4,
			  &text);
	if (rule) {
		rule->number = message->number;
		rule->line = message->line;
		rule->deny = message->deny;
		rule->egress = message->egress;
		rule->index = message->index;
		rule->kind = object_string(&text, message->kind);
		rule->namespace = object_string(&text, message->namespace_);
		rule->name = object_string(&text, message->name);
		rule->file = object_string(&text, message->file);
	}
	return put_object(&names->rules, message->number, rule);
}

static int update_interface(struct flow_names *names, const Tendril__Tables__Update *update)
{
	const Tendril__Tables__Interface *message = update->interface;
	struct flow_interface *interface;
	char *text;

	if (update->deleted) {
		remove_object(&names->interfaces, message->ifindex);
		return 0;
	}
	interface = object_new(sizeof(*interface), strlen(message->name) + 1, &text);
	if (interface) {
		interface->ifindex = message->ifindex;
		interface->name = object_string(&text, message->name);
	}
	return put_object(&names->interfaces, message->ifindex, interface);
}

static int copy_labels(struct flow_names *names, const Tendril__Tables__Hello *hello)
{
	flow_names_free_labels(names);
	names->node_labels = calloc(hello->n_node_labels + 1, sizeof(*names->node_labels));
	if (!names->node_labels)
		return -ENOMEM;
	for (size_t i = 0; i < hello->n_node_labels; i++) {
		names->node_labels[i] = strdup(hello->node_labels[i]);
		if (!names->node_labels[i])
			return -ENOMEM;
		names->node_label_count++;
	}
	return 0;
}

static int update_hello(struct flow_names *names, const Tendril__Tables__Update *update)
{
	const Tendril__Tables__Hello *hello = update->hello;
	_cleanup_free_ char *cluster = strdup(hello->cluster);
	_cleanup_free_ char *version = strdup(hello->version);
	_cleanup_free_ char *node = NULL;

	if (asprintf(&node, "%s%s%s", hello->cluster, *hello->cluster ? "/" : "",
		     hello->node_name) < 0)
		node = NULL;
	if (!cluster || !version || !node)
		return -ENOMEM;
	free(names->node);
	free(names->cluster);
	free(names->version);
	names->node = take_ptr(node);
	names->cluster = take_ptr(cluster);
	names->version = take_ptr(version);
	return copy_labels(names, hello);
}

static int update_synced(struct flow_names *names, const Tendril__Tables__Update *update)
{
	flow_names_sweep(names);
	names->synced = true;
	return 0;
}

static const struct {
	Tendril__Tables__Update__UpdateCase which;
	int (*apply)(struct flow_names *names, const Tendril__Tables__Update *update);
} updates[] = {
	{ TENDRIL__TABLES__UPDATE__UPDATE_HELLO, update_hello },
	{ TENDRIL__TABLES__UPDATE__UPDATE_IDENTITY, update_identity },
	{ TENDRIL__TABLES__UPDATE__UPDATE_ENDPOINT, update_endpoint },
	{ TENDRIL__TABLES__UPDATE__UPDATE_SERVICE, update_service },
	{ TENDRIL__TABLES__UPDATE__UPDATE_RULE, update_rule },
	{ TENDRIL__TABLES__UPDATE__UPDATE_SYNCED, update_synced },
	{ TENDRIL__TABLES__UPDATE__UPDATE_INTERFACE, update_interface },
};

int flow_names_update(struct flow_names *names, const Tendril__Tables__Update *update)
{
	for (size_t i = 0; i < ARRAY_SIZE(updates); i++)
		if (updates[i].which == update->update_case)
			return updates[i].apply(names, update);
	return -EINVAL;
}
