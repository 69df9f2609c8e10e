/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_classes.h"

#include "base/cleanup.h"
#include "base/util.h"

struct end {
	uint8_t protocol;
	bool opens;
	uint32_t at; /* first port, or the one behind the last */
	size_t term;
};

static int end_order(const void *a, const void *b)
{
	const struct end *x = a, *y = b;
	int order = (int)x->protocol - (int)y->protocol;

	if (!order)
		order = (x->at > y->at) - (x->at < y->at);
	return order;
}

static struct end *ends_of(const struct policy_terms *terms, size_t *ret_count)
{
	struct end *ends = calloc(terms->range_count * 2 + 1, sizeof(*ends));
	size_t count = 0;

	if (!ends)
		return NULL;
	for (size_t t = 0; t < terms->count; t++) {
		const struct policy_term *term = &terms->items[t];

		for (size_t i = 0; i < term->range_count; i++) {
			const struct policy_port_range *range = &terms->ranges[term->range_at + i];

			ends[count++] = (struct end){ range->protocol, true, range->first, t };
			ends[count++] = (struct end){ range->protocol, false, range->last + 1u, t };
		}
	}
	qsort(ends, count, sizeof(*ends), end_order);
	*ret_count = count;
	return ends;
}

/* Class numbers by their sets of terms: open addressing, 0 is free. */
struct index {
	uint32_t *slots;
	size_t mask;
};

static uint32_t words_hash(const uint64_t *words, size_t count)
{
	uint64_t hash = HASH_START;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(hash >> 32);
}

static const uint64_t *class_members(const struct policy_classes *classes, uint32_t klass)
{
	return &classes->members[(klass - 1) * classes->words];
}

/* The class with this set of terms, made if there is none. */
static int class_of(struct policy_classes *classes, struct index *index, const uint64_t *set,
		    uint32_t *ret)
{
	size_t size = classes->words * sizeof(*set);
	size_t slot = words_hash(set, classes->words) & index->mask;
	uint64_t *members;

	for (; index->slots[slot]; slot = (slot + 1) & index->mask) {
		if (memcmp(class_members(classes, index->slots[slot]), set, size) == 0) {
			*ret = index->slots[slot];
			return 0;
		}
	}
	members = array_room(classes->members, classes->class_count, &classes->member_room, size);
	if (!members)
		return -ENOMEM;
	classes->members = members;
	memcpy(&members[classes->class_count * classes->words], set, size);
	*ret = index->slots[slot] = (uint32_t)++classes->class_count;
	return 0;
}

static int add_stretch(struct policy_classes *classes, const struct end *from, uint32_t to,
		       uint32_t klass)
{
	struct policy_class *items, *last = NULL;

	if (classes->count)
		last = &classes->items[classes->count - 1];
	if (last && last->klass == klass && last->protocol == from->protocol &&
	    last->last + 1u == from->at) {
		last->last = (uint16_t)(to - 1);
		return 0;
	}
	items = array_room(classes->items, classes->count, &classes->room, sizeof(*items));
	if (!items)
		return -ENOMEM;
	classes->items = items;
	items[classes->count++] = (struct policy_class){ .protocol = from->protocol,
							 .first = (uint16_t)from->at,
							 .last = (uint16_t)(to - 1),
							 .klass = klass };
	return 0;
}

static int sweep(struct policy_classes *classes, struct index *index, const struct end *ends,
		 size_t count, uint64_t *open)
{
	size_t open_count = 0;
	int r = 0;

	for (size_t i = 0; !r && i < count; i++) {
		uint64_t bit = 1ULL << (ends[i].term % 64);
		uint32_t klass;

		open[ends[i].term / 64] ^= bit;
		open_count += ends[i].opens ? 1 : (size_t)-1;
		if (!open_count || (i + 1 < count && end_order(&ends[i], &ends[i + 1]) == 0))
			continue;
		r = class_of(classes, index, open, &klass);
		if (!r)
			r = add_stretch(classes, &ends[i], ends[i + 1].at, klass);
	}
	return r;
}

int policy_classes_make(const struct policy_terms *terms, struct policy_classes *ret)
{
	struct policy_classes classes = { .words = BITS_WORDS(terms->count) };
	_cleanup_free_ struct end *ends = NULL;
	_cleanup_free_ uint64_t *open = NULL;
	_cleanup_free_ uint32_t *slots = NULL;
	struct index index = { .mask = 63 };
	size_t count = 0;
	int r;

	ends = ends_of(terms, &count);
	open = calloc(classes.words + 1, sizeof(*open));
	while (index.mask < count * 2)
		index.mask = index.mask * 2 + 1;
	index.slots = slots = calloc(index.mask + 1, sizeof(*slots));
	if (!ends || !open || !slots)
		return -ENOMEM;
	r = sweep(&classes, &index, ends, count, open);
	if (r < 0) {
		policy_classes_fini(&classes);
		return r;
	}
	*ret = classes;
	return 0;
}

void policy_classes_fini(struct policy_classes *classes)
{
	free(classes->items);
	free(classes->members);
	*classes = (struct policy_classes){ 0 };
}
