/* SPDX-License-Identifier: Apache-2.0 */
/* names_tables: the inside of struct flow_names, shared by names.c (look-ups, life) and
 * names_update.c (changes).
 *
 * In, Out: see names.h    Owns: the entries of the tables    Thread: one */
#pragma once

#include <string.h>

#include "flow/names.h"
#include "flow/names_dns.h"
#include "flow/table.h"

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

static inline uint32_t hash_number(uint32_t number)
{
	return flow_hash(&number, sizeof(number));
}

static inline uint32_t hash_service(const struct service_key *key)
{
	return flow_hash(key->name, strlen(key->name)) ^
	       31 * flow_hash(key->namespace, strlen(key->namespace));
}

/* Forget the keys that lead to an entry, then the entry. NULL is legal. */
void flow_names_drop_endpoint(struct flow_names *names, struct endpoint_entry *entry);
void flow_names_drop_service(struct flow_names *names, struct service_entry *entry);
/* Removes what the current epoch has not repeated. */
void flow_names_sweep(struct flow_names *names);
void flow_names_free_labels(struct flow_names *names);
