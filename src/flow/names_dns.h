/* SPDX-License-Identifier: Apache-2.0 */
/* names_dns: what pods call addresses, by the DNS answers they got; the least recently used go.
 *
 * In: (pod, address, name, expiry)    Out: names    Owns: its entries    Thread: one */
#pragma once

#include "flow/names.h"
#include "flow/table.h"

struct dns_key {
	struct td_addr addr;
	uint32_t endpoint_id;
};

struct dns_entry {
	struct dns_key key;
	struct flow_dns_names *names;
	uint64_t expires; /* ns */
	struct dns_entry *newer, *older;
};

struct dns_cache {
	struct flow_table table;
	struct dns_entry *newest, *oldest;
	size_t max;
};

void dns_cache_init(struct dns_cache *cache, size_t max);
void dns_cache_clear(struct dns_cache *cache);
int dns_cache_put(struct dns_cache *cache, const struct dns_key *key, const char *name,
		  uint64_t expires);
const struct flow_dns_names *dns_cache_find(struct dns_cache *cache, const struct dns_key *key,
					    uint64_t now);
