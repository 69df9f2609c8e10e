/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "identity/identity_table.h"

struct entry {
	struct identity identity;
	struct labels *labels;
	struct named_port *ports;
	uint32_t hash;
	struct entry *next_same_hash;
	struct entry *older, *newer; /* among the unreferenced ones */
};

/* Numbers in pages of 256, so that few identities cost little memory. Page 0 are the reserved. */
#define PAGE_SIZE_IDS 256
#define PAGE_COUNT    ((TD_ID_POD_MAX + 1) / PAGE_SIZE_IDS)

struct page {
	unsigned int used;
	struct entry *entries[PAGE_SIZE_IDS];
};

struct identities {
	struct page *pages[PAGE_COUNT];
	struct entry **buckets;
	size_t bucket_count;           /* a power of two */
	size_t count;                  /* of pods' identities */
	struct entry *oldest, *newest; /* without references, in the order they lost them */
	size_t unreferenced, unreferenced_max;
};

static const struct reserved {
	uint32_t number;
	const char *labels[2];
} reserved[] = {
	{ TD_ID_HOST, { "host" } },
	{ TD_ID_WORLD, { "world" } },
	{ TD_ID_UNMANAGED, { "unmanaged" } },
	{ TD_ID_HEALTH, { "health" } },
	{ TD_ID_INIT, { "init" } },
	{ TD_ID_REMOTE_NODE, { "remote-node" } },
	{ TD_ID_KUBE_APISERVER, { "kube-apiserver", "remote-node" } },
	{ TD_ID_INGRESS, { "ingress" } },
	{ TD_ID_WORLD_IPV4, { "world-ipv4" } },
	{ TD_ID_WORLD_IPV6, { "world-ipv6" } },
};

static int port_order(const void *a, const void *b)
{
	const struct named_port *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (!order)
		order = (int)x->protocol - (int)y->protocol;
	return order ? order : (int)x->port - (int)y->port;
}

static bool ports_equal(const struct named_port *a, const struct named_port *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (port_order(&a[i], &b[i]) != 0)
			return false;
	return true;
}

static uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t len)
{
	const uint8_t *byte = bytes;

	while (len--)
		hash = (hash ^ *byte++) * 16777619u; /* FNV-1a */
	return hash;
}

static uint32_t hash_text(uint32_t hash, const char *text)
{
	return hash_bytes(hash, text, strlen(text) + 1);
}

static uint32_t entry_hash(const struct labels *labels, const struct named_port *ports,
			   size_t port_count)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < labels->count; i++) {
		hash = hash_text(hash, labels->items[i].source);
		hash = hash_text(hash, labels->items[i].key);
		hash = hash_text(hash, labels->items[i].value);
	}
	for (size_t i = 0; i < port_count; i++) {
		hash = hash_text(hash, ports[i].name);
		hash = hash_bytes(hash, &ports[i].protocol, sizeof(ports[i].protocol));
		hash = hash_bytes(hash, &ports[i].port, sizeof(ports[i].port));
	}
	return hash;
}

static void ports_free(struct named_port *ports, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(ports[i].name);
	free(ports);
}

static void entry_free(struct entry *entry)
{
	if (!entry)
		return;
	labels_free(entry->labels);
	ports_free(entry->ports, entry->identity.port_count);
	free(entry);
}
DEFINE_FREEP(entry);

/* Sorted, each port once. */
static int ports_copy(const struct named_port *ports, size_t count, struct entry *entry)
{
	size_t kept = 0;

	if (!count)
		return 0;
	entry->ports = calloc(count, sizeof(*entry->ports));
	if (!entry->ports)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		entry->ports[i] = ports[i];
		entry->ports[i].name = strdup(ports[i].name);
		if (!entry->ports[i].name)
			return -ENOMEM;
		entry->identity.port_count++;
	}
	qsort(entry->ports, count, sizeof(*entry->ports), port_order);
	for (size_t i = 0; i < count; i++) {
		if (kept && port_order(&entry->ports[kept - 1], &entry->ports[i]) == 0)
			free(entry->ports[i].name);
		else
			entry->ports[kept++] = entry->ports[i];
	}
	entry->identity.port_count = kept;
	return 0;
}

static int entry_new(const struct labels *labels, const struct named_port *ports, size_t count,
		     struct entry **ret)
{
	_cleanup_(entry_freep) struct entry *entry = calloc(1, sizeof(*entry));
	int r;

	if (!entry)
		return -ENOMEM;
	r = labels_copy(labels, &entry->labels);
	if (r < 0)
		return r;
	r = ports_copy(ports, count, entry);
	if (r < 0)
		return r;
	entry->identity.labels = entry->labels;
	entry->identity.ports = entry->ports;
	entry->hash = entry_hash(entry->labels, entry->ports, entry->identity.port_count);
	*ret = take_ptr(entry);
	return 0;
}

static struct entry *entry_of(const struct identities *identities, uint32_t number)
{
	const struct page *page =
		number <= TD_ID_POD_MAX ? identities->pages[number / PAGE_SIZE_IDS] : NULL;

	return page ? page->entries[number % PAGE_SIZE_IDS] : NULL;
}

static int entry_place(struct identities *identities, struct entry *entry, uint32_t number)
{
	struct page **page = &identities->pages[number / PAGE_SIZE_IDS];

	if (!*page) {
		*page = calloc(1, sizeof(**page));
		if (!*page)
			return -ENOMEM;
	}
	entry->identity.number = number;
	(*page)->entries[number % PAGE_SIZE_IDS] = entry;
	(*page)->used++;
	return 0;
}

static int buckets_grow(struct identities *identities)
{
	size_t count = identities->bucket_count ? identities->bucket_count * 2 : 64;
	struct entry **buckets;

	if (identities->count < identities->bucket_count)
		return 0;
	buckets = calloc(count, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; i < identities->bucket_count; i++) {
		struct entry *entry = identities->buckets[i], *next;

		for (; entry; entry = next) {
			next = entry->next_same_hash;
			entry->next_same_hash = buckets[entry->hash & (count - 1)];
			buckets[entry->hash & (count - 1)] = entry;
		}
	}
	free(identities->buckets);
	identities->buckets = buckets;
	identities->bucket_count = count;
	return 0;
}

static void bucket_add(struct identities *identities, struct entry *entry)
{
	struct entry **bucket = &identities->buckets[entry->hash & (identities->bucket_count - 1)];

	entry->next_same_hash = *bucket;
	*bucket = entry;
	identities->count++;
}

static void bucket_remove(struct identities *identities, struct entry *entry)
{
	struct entry **at = &identities->buckets[entry->hash & (identities->bucket_count - 1)];

	while (*at != entry)
		at = &(*at)->next_same_hash;
	*at = entry->next_same_hash;
	identities->count--;
}

static struct entry *bucket_find(const struct identities *identities, const struct entry *like)
{
	struct entry *entry = NULL;

	if (identities->bucket_count)
		entry = identities->buckets[like->hash & (identities->bucket_count - 1)];
	for (; entry; entry = entry->next_same_hash)
		if (entry->hash == like->hash &&
		    entry->identity.port_count == like->identity.port_count &&
		    ports_equal(entry->ports, like->ports, like->identity.port_count) &&
		    labels_compare(entry->labels, like->labels) == 0)
			break;
	return entry;
}

static void unreferenced_add(struct identities *identities, struct entry *entry)
{
	entry->older = identities->newest;
	entry->newer = NULL;
	*(entry->older ? &entry->older->newer : &identities->oldest) = entry;
	identities->newest = entry;
	identities->unreferenced++;
}

static void unreferenced_remove(struct identities *identities, struct entry *entry)
{
	*(entry->older ? &entry->older->newer : &identities->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &identities->newest) = entry->older;
	entry->older = entry->newer = NULL;
	identities->unreferenced--;
}

/* Forgets the one that has been without references for longest, and frees its number. */
static void forget_oldest(struct identities *identities)
{
	struct entry *entry = identities->oldest;
	struct page *page = identities->pages[entry->identity.number / PAGE_SIZE_IDS];

	unreferenced_remove(identities, entry);
	bucket_remove(identities, entry);
	page->entries[entry->identity.number % PAGE_SIZE_IDS] = NULL;
	page->used--;
	entry_free(entry);
}

static int number_lowest_free(const struct identities *identities, uint32_t *ret)
{
	for (size_t p = TD_ID_POD_MIN / PAGE_SIZE_IDS; p < PAGE_COUNT; p++) {
		const struct page *page = identities->pages[p];

		if (page && page->used == PAGE_SIZE_IDS)
			continue;
		for (uint32_t i = 0; i < PAGE_SIZE_IDS; i++) {
			if (!page || !page->entries[i]) {
				*ret = (uint32_t)p * PAGE_SIZE_IDS + i;
				return 0;
			}
		}
	}
	return -ENOSPC;
}

static int reserved_add(struct identities *identities, const struct reserved *item)
{
	_cleanup_(labels_freep) struct labels *labels = labels_new();
	_cleanup_(entry_freep) struct entry *entry = NULL;
	int r = labels ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < ARRAY_SIZE(item->labels) && item->labels[i]; i++)
		r = labels_set(labels, "reserved", item->labels[i], "");
	if (!r)
		r = entry_new(labels, NULL, 0, &entry);
	if (!r)
		r = entry_place(identities, entry, item->number);
	if (r < 0)
		return r;
	take_ptr(entry);
	return 0;
}

int identities_new(struct identities **ret)
{
	_cleanup_(identities_freep) struct identities *identities = calloc(1, sizeof(*identities));
	int r;

	if (!identities)
		return -ENOMEM;
	identities->unreferenced_max = IDENTITIES_KEPT_UNREFERENCED;
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		r = reserved_add(identities, &reserved[i]);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(identities);
	return 0;
}

void identities_free(struct identities *identities)
{
	if (!identities)
		return;
	for (size_t p = 0; p < PAGE_COUNT; p++) {
		struct page *page = identities->pages[p];

		for (size_t i = 0; page && i < PAGE_SIZE_IDS; i++)
			entry_free(page->entries[i]);
		free(page);
	}
	free(identities->buckets);
	free(identities);
}

static int entry_number(struct identities *identities, struct entry *entry)
{
	uint32_t number;
	int r = buckets_grow(identities);

	if (r < 0)
		return r;
	r = number_lowest_free(identities, &number);
	if (r == -ENOSPC && identities->oldest) {
		number = identities->oldest->identity.number;
		forget_oldest(identities);
		r = 0;
	}
	if (r < 0)
		return r;
	r = entry_place(identities, entry, number);
	if (r < 0)
		return r;
	bucket_add(identities, entry);
	return 0;
}

int identities_get(struct identities *identities, const struct labels *labels,
		   const struct named_port *ports, size_t port_count, uint32_t *ret)
{
	_cleanup_(entry_freep) struct entry *fresh = NULL;
	struct entry *entry;
	int r;

	r = entry_new(labels, ports, port_count, &fresh);
	if (r < 0)
		return r;
	entry = bucket_find(identities, fresh);
	if (!entry) {
		r = entry_number(identities, fresh);
		if (r < 0)
			return r;
		entry = take_ptr(fresh);
	} else if (!entry->identity.refs) {
		unreferenced_remove(identities, entry);
	}
	entry->identity.refs++;
	*ret = entry->identity.number;
	return 0;
}

void identities_put(struct identities *identities, uint32_t number)
{
	struct entry *entry = number >= TD_ID_POD_MIN ? entry_of(identities, number) : NULL;

	if (!entry || !entry->identity.refs || --entry->identity.refs)
		return;
	unreferenced_add(identities, entry);
	if (identities->unreferenced > identities->unreferenced_max)
		forget_oldest(identities);
}

const struct identity *identities_find(const struct identities *identities, uint32_t number)
{
	const struct entry *entry = entry_of(identities, number);

	return entry ? &entry->identity : NULL;
}

int identities_for_each(const struct identities *identities,
			int (*fn)(const struct identity *identity, void *data), void *data)
{
	for (size_t p = 0; p < PAGE_COUNT; p++) {
		const struct page *page = identities->pages[p];

		for (size_t i = 0; page && i < PAGE_SIZE_IDS; i++) {
			const struct entry *entry = page->entries[i];
			int r;

			if (!entry || (p && !entry->identity.refs))
				continue;
			r = fn(&entry->identity, data);
			if (r)
				return r;
		}
	}
	return 0;
}

int identities_restore(struct identities *identities, uint32_t number, const struct labels *labels,
		       const struct named_port *ports, size_t port_count)
{
	_cleanup_(entry_freep) struct entry *entry = NULL;
	int r;

	if (number < TD_ID_POD_MIN || number > TD_ID_POD_MAX || entry_of(identities, number))
		return -EINVAL;
	r = entry_new(labels, ports, port_count, &entry);
	if (r < 0)
		return r;
	if (bucket_find(identities, entry))
		return -EINVAL;
	r = buckets_grow(identities);
	if (r < 0)
		return r;
	r = entry_place(identities, entry, number);
	if (r < 0)
		return r;
	bucket_add(identities, entry);
	unreferenced_add(identities, entry);
	/* Workloads that are still there have not asked for theirs yet. */
	identities->unreferenced_max = MAX(identities->unreferenced_max, identities->unreferenced);
	take_ptr(entry);
	return 0;
}

bool identities_is_empty(const struct identities *identities)
{
	return !identities->count;
}

void identities_swap(struct identities *a, struct identities *b)
{
	struct identities kept = *a;

	*a = *b;
	*b = kept;
}
