/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "flow/names_dns.h"
#include "flow/table.h"
#include "wire/dns.h"

#define SECOND 1000000000ULL

struct frontend_key {
	struct td_addr addr;
	uint16_t port; /* host order */
	uint8_t protocol;
	uint8_t pad;
};
_Static_assert(sizeof(struct frontend_key) == 20, "compared as bytes");

struct frontend_entry {
	struct frontend_key key;
	struct flow_service *service;
};

struct address_entry {
	struct td_addr addr;
	struct flow_endpoint *endpoint;
};

struct service_key {
	const char *namespace, *name;
};

/* A service and an endpoint with the keys that lead to them, to be removed with them. */
struct service_entry {
	struct flow_service *service;
	size_t count;
	struct frontend_key keys[];
};

struct endpoint_entry {
	struct flow_endpoint *endpoint;
	size_t count;
	struct td_addr addrs[];
};

struct flow_names {
	struct flow_table endpoints, addresses, services, frontends, identities, rules, interfaces;
	struct dns_cache dns;
	char *node, *cluster, *version;
	char **node_labels;
	size_t node_label_count;
	bool synced;
};

void flow_name_put(const void *object)
{
	struct flow_name *name = (struct flow_name *)object;

	if (name && --name->refs == 0)
		free(name);
}

static bool endpoint_equal(const void *entry, const void *key)
{
	return ((const struct endpoint_entry *)entry)->endpoint->id == *(const uint32_t *)key;
}

static bool address_equal(const void *entry, const void *key)
{
	return !memcmp(&((const struct address_entry *)entry)->addr, key, sizeof(struct td_addr));
}

static bool service_equal(const void *entry, const void *key)
{
	const struct flow_service *service = ((const struct service_entry *)entry)->service;
	const struct service_key *want = key;

	return !strcmp(service->name, want->name) && !strcmp(service->namespace, want->namespace);
}

static bool frontend_equal(const void *entry, const void *key)
{
	return !memcmp(entry, key, sizeof(struct frontend_key));
}

static bool identity_equal(const void *entry, const void *key)
{
	return ((const struct flow_identity *)entry)->number == *(const uint32_t *)key;
}

static bool rule_equal(const void *entry, const void *key)
{
	return ((const struct flow_rule *)entry)->number == *(const uint32_t *)key;
}

static bool interface_equal(const void *entry, const void *key)
{
	return ((const struct flow_interface *)entry)->ifindex == *(const uint32_t *)key;
}

static uint32_t hash_number(uint32_t number)
{
	return flow_hash(&number, sizeof(number));
}

static uint32_t hash_service(const struct service_key *key)
{
	return flow_hash(key->name, strlen(key->name)) ^
	       31 * flow_hash(key->namespace, strlen(key->namespace));
}

int flow_names_new(size_t dns_max, struct flow_names **ret)
{
	struct flow_names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	names->endpoints.equal = endpoint_equal;
	names->addresses.equal = address_equal;
	names->services.equal = service_equal;
	names->frontends.equal = frontend_equal;
	names->identities.equal = identity_equal;
	names->rules.equal = rule_equal;
	names->interfaces.equal = interface_equal;
	dns_cache_init(&names->dns, MAX(dns_max, (size_t)1));
	*ret = names;
	return 0;
}

/* Forgets the addresses that lead to an endpoint, then the endpoint. */
static void endpoint_entry_drop(struct flow_names *names, struct endpoint_entry *entry)
{
	for (size_t i = 0; entry && i < entry->count; i++) {
		uint32_t hash = flow_hash(&entry->addrs[i], sizeof(entry->addrs[i]));
		struct address_entry *address;

		address = flow_table_find(&names->addresses, hash, &entry->addrs[i]);
		if (!address || address->endpoint != entry->endpoint)
			continue;
		flow_table_remove(&names->addresses, hash, &entry->addrs[i]);
		flow_name_put(address->endpoint);
		free(address);
	}
	if (entry)
		flow_name_put(entry->endpoint);
	free(entry);
}

static void service_entry_drop(struct flow_names *names, struct service_entry *entry)
{
	for (size_t i = 0; entry && i < entry->count; i++) {
		uint32_t hash = flow_hash(&entry->keys[i], sizeof(entry->keys[i]));
		struct frontend_entry *frontend;

		frontend = flow_table_find(&names->frontends, hash, &entry->keys[i]);
		if (!frontend || frontend->service != entry->service)
			continue;
		flow_table_remove(&names->frontends, hash, &entry->keys[i]);
		flow_name_put(frontend->service);
		free(frontend);
	}
	if (entry)
		flow_name_put(entry->service);
	free(entry);
}

/* Removes what the current epoch has not repeated. */
static void sweep(struct flow_names *names)
{
	struct flow_table *simple[] = { &names->identities, &names->rules, &names->interfaces };
	size_t cursor = 0;
	void *entry;

	while ((entry = flow_table_sweep(&names->endpoints, &cursor)))
		endpoint_entry_drop(names, entry);
	cursor = 0;
	while ((entry = flow_table_sweep(&names->services, &cursor)))
		service_entry_drop(names, entry);
	for (size_t i = 0; i < ARRAY_SIZE(simple); i++) {
		cursor = 0;
		while ((entry = flow_table_sweep(simple[i], &cursor)))
			flow_name_put(entry);
	}
}

void flow_names_begin(struct flow_names *names)
{
	names->endpoints.epoch++;
	names->services.epoch++;
	names->identities.epoch++;
	names->rules.epoch++;
	names->interfaces.epoch++;
	names->synced = false;
}

static void node_labels_free(struct flow_names *names)
{
	for (size_t i = 0; i < names->node_label_count; i++)
		free(names->node_labels[i]);
	free(names->node_labels);
	names->node_labels = NULL;
	names->node_label_count = 0;
}

void flow_names_free(struct flow_names *names)
{
	if (!names)
		return;
	flow_names_begin(names);
	sweep(names);
	flow_table_clear(&names->endpoints);
	flow_table_clear(&names->addresses);
	flow_table_clear(&names->services);
	flow_table_clear(&names->frontends);
	flow_table_clear(&names->identities);
	flow_table_clear(&names->rules);
	flow_table_clear(&names->interfaces);
	dns_cache_clear(&names->dns);
	node_labels_free(names);
	free(names->node);
	free(names->cluster);
	free(names->version);
	free(names);
}

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
		endpoint_entry_drop(names,
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
		endpoint_entry_drop(names, entry);
		return -ENOMEM;
	}
	endpoint_entry_drop(names, old);
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
		service_entry_drop(names,
				   flow_table_remove(&names->services, hash_service(&key), &key));
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
		service_entry_drop(names, entry);
		return -ENOMEM;
	}
	service_entry_drop(names, old);
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
	node_labels_free(names);
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
	sweep(names);
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

const char *flow_names_node(const struct flow_names *names)
{
	return names->node ? names->node : "";
}

const char *flow_names_cluster(const struct flow_names *names)
{
	return names->cluster ? names->cluster : "";
}

const char *flow_names_version(const struct flow_names *names)
{
	return names->version ? names->version : "";
}

size_t flow_names_node_labels(const struct flow_names *names, const char *const **ret)
{
	*ret = (const char *const *)names->node_labels;
	return names->node_label_count;
}

bool flow_names_synced(const struct flow_names *names)
{
	return names->synced;
}

const struct flow_endpoint *flow_names_endpoint(const struct flow_names *names, uint32_t id)
{
	const struct endpoint_entry *entry;

	entry = flow_table_find(&names->endpoints, hash_number(id), &id);
	return entry ? entry->endpoint : NULL;
}

const struct flow_endpoint *flow_names_endpoint_at(const struct flow_names *names,
						   const struct td_addr *addr)
{
	const struct address_entry *entry;

	entry = flow_table_find(&names->addresses, flow_hash(addr, sizeof(*addr)), addr);
	return entry ? entry->endpoint : NULL;
}

const struct flow_identity *flow_names_identity(const struct flow_names *names, uint32_t number)
{
	return flow_table_find(&names->identities, hash_number(number), &number);
}

const struct flow_service *flow_names_service(const struct flow_names *names,
					      const struct td_addr *addr, uint16_t port,
					      uint8_t protocol)
{
	struct frontend_key key = { *addr, port, protocol, 0 };
	const struct frontend_entry *entry;

	entry = flow_table_find(&names->frontends, flow_hash(&key, sizeof(key)), &key);
	return entry ? entry->service : NULL;
}

const struct flow_rule *flow_names_rule(const struct flow_names *names, uint32_t number)
{
	return flow_table_find(&names->rules, hash_number(number), &number);
}

const struct flow_interface *flow_names_interface(const struct flow_names *names, uint32_t ifindex)
{
	return flow_table_find(&names->interfaces, hash_number(ifindex), &ifindex);
}

int flow_names_for_each_endpoint(const struct flow_names *names,
				 int (*fn)(const struct flow_endpoint *endpoint, void *data),
				 void *data)
{
	const struct endpoint_entry *entry;
	size_t cursor = 0;

	while ((entry = flow_table_next(&names->endpoints, &cursor))) {
		int r = fn(entry->endpoint, data);

		if (r)
			return r;
	}
	return 0;
}

int flow_names_learn_dns(struct flow_names *names, uint32_t endpoint_id, const uint8_t *payload,
			 size_t size, uint64_t now)
{
	struct dns_message message;
	int r, learned = 0;

	r = dns_parse(payload, size, &message);
	if (r < 0)
		return r;
	if (!message.response || message.opcode || message.rcode || !*message.query)
		return 0;
	for (size_t i = 0; i < message.answer_count; i++) {
		const struct dns_answer *answer = &message.answers[i];
		struct dns_key key = { answer->addr, endpoint_id };
		uint64_t seconds = MAX(answer->ttl, (uint32_t)FLOW_DNS_MIN_TTL);

		if (answer->type == DNS_TYPE_CNAME)
			continue;
		r = dns_cache_put(&names->dns, &key, message.query, now + seconds * SECOND);
		if (r < 0)
			return r;
		learned++;
	}
	return learned;
}

const struct flow_dns_names *flow_names_dns(struct flow_names *names, uint32_t endpoint_id,
					    const struct td_addr *addr, uint64_t now)
{
	struct dns_key key = { *addr, endpoint_id };

	return dns_cache_find(&names->dns, &key, now);
}

size_t flow_names_dns_count(const struct flow_names *names)
{
	return names->dns.table.count;
}
