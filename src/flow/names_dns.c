/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/names_dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static bool dns_equal(const void *entry, const void *key)
{
	const struct dns_entry *dns = entry;

	return !memcmp(&dns->key, key, sizeof(dns->key));
}

void dns_cache_init(struct dns_cache *cache, size_t max)
{
	*cache = (struct dns_cache){ .table.equal = dns_equal, .max = max };
}

static void unlink_entry(struct dns_cache *cache, struct dns_entry *entry)
{
	if (entry->newer)
		entry->newer->older = entry->older;
	else
		cache->newest = entry->older;
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		cache->oldest = entry->newer;
}

static void link_newest(struct dns_cache *cache, struct dns_entry *entry)
{
	entry->newer = NULL;
	entry->older = cache->newest;
	if (cache->newest)
		cache->newest->newer = entry;
	else
		cache->oldest = entry;
	cache->newest = entry;
}

static void drop(struct dns_cache *cache, struct dns_entry *entry)
{
	flow_table_remove(&cache->table, flow_hash(&entry->key, sizeof(entry->key)), &entry->key);
	unlink_entry(cache, entry);
	flow_name_put(entry->names);
	free(entry);
}

void dns_cache_clear(struct dns_cache *cache)
{
	while (cache->oldest)
		drop(cache, cache->oldest);
	flow_table_clear(&cache->table);
}

/* The names of old with this one in front. */
static struct flow_dns_names *names_with(const struct flow_dns_names *old, const char *name)
{
	size_t count = 1, size = strlen(name) + 1;
	const char *kept[FLOW_DNS_NAMES_PER_IP] = { name };
	struct flow_dns_names *names;
	char *text;

	for (size_t i = 0; old && i < old->count && count < ARRAY_SIZE(kept); i++) {
		if (!strcmp(old->names[i], name))
			continue;
		kept[count++] = old->names[i];
		size += strlen(old->names[i]) + 1;
	}
	names = malloc(sizeof(*names) + count * sizeof(*names->names) + size);
	if (!names)
		return NULL;
	names->head.refs = 1;
	names->count = count;
	text = (char *)&names->names[count];
	for (size_t i = 0; i < count; i++) {
		names->names[i] = text;
		text = stpcpy(text, kept[i]) + 1;
	}
	return names;
}

static int add(struct dns_cache *cache, const struct dns_key *key, const char *name,
	       uint64_t expires)
{
	struct dns_entry *entry = calloc(1, sizeof(*entry));
	void *old;

	if (!entry)
		return -ENOMEM;
	entry->key = *key;
	entry->expires = expires;
	entry->names = names_with(NULL, name);
	if (!entry->names ||
	    flow_table_put(&cache->table, flow_hash(key, sizeof(*key)), key, entry, &old) < 0) {
		flow_name_put(entry->names);
		free(entry);
		return -ENOMEM;
	}
	link_newest(cache, entry);
	if (cache->table.count > cache->max)
		drop(cache, cache->oldest);
	return 0;
}

int dns_cache_put(struct dns_cache *cache, const struct dns_key *key, const char *name,
		  uint64_t expires)
{
	struct flow_dns_names *names;
	struct dns_entry *entry;

	entry = flow_table_find(&cache->table, flow_hash(key, sizeof(*key)), key);
	if (!entry)
		return add(cache, key, name, expires);
	if (strcmp(entry->names->names[0], name) != 0) {
		names = names_with(entry->names, name);
		if (!names)
			return -ENOMEM;
		flow_name_put(entry->names);
		entry->names = names;
	}
	entry->expires = MAX(entry->expires, expires);
	unlink_entry(cache, entry);
	link_newest(cache, entry);
	return 0;
}

const struct flow_dns_names *dns_cache_find(struct dns_cache *cache, const struct dns_key *key,
					    uint64_t now)
{
	struct dns_entry *entry;

	entry = flow_table_find(&cache->table, flow_hash(key, sizeof(*key)), key);
	if (!entry)
		return NULL;
	if (entry->expires < now) {
		drop(cache, entry);
		return NULL;
	}
	if (entry != cache->newest) {
		unlink_entry(cache, entry);
		link_newest(cache, entry);
	}
	return entry->names;
}
