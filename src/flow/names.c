/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "flow/names_tables.h"
#include "wire/dns.h"

#define SECOND 1000000000ULL

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

void flow_names_drop_endpoint(struct flow_names *names, struct endpoint_entry *entry)
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

void flow_names_drop_service(struct flow_names *names, struct service_entry *entry)
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

void flow_names_sweep(struct flow_names *names)
{
	struct flow_table *simple[] = { &names->identities, &names->rules, &names->interfaces };
	size_t cursor = 0;
	void *entry;

	while ((entry = flow_table_sweep(&names->endpoints, &cursor)))
		flow_names_drop_endpoint(names, entry);
	cursor = 0;
	while ((entry = flow_table_sweep(&names->services, &cursor)))
		flow_names_drop_service(names, entry);
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

void flow_names_free_labels(struct flow_names *names)
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
	flow_names_sweep(names);
	flow_table_clear(&names->endpoints);
	flow_table_clear(&names->addresses);
	flow_table_clear(&names->services);
	flow_table_clear(&names->frontends);
	flow_table_clear(&names->identities);
	flow_table_clear(&names->rules);
	flow_table_clear(&names->interfaces);
	dns_cache_clear(&names->dns);
	flow_names_free_labels(names);
	free(names->node);
	free(names->cluster);
	free(names->version);
	free(names);
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
