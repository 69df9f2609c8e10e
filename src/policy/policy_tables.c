/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_tables.h"

#include "base/util.h"
#include "policy/policy_classes.h"

struct policy_table_entry {
	struct policy_table table;
	uint32_t hash;
	unsigned int refs;
	struct policy_table_entry *next;
};

/* What one term says about one (class, peer); rows are made of these, best rank first. */
struct saying {
	uint32_t klass, peer;
	uint32_t rank; /* the CIDR's, then the term's place */
	uint32_t term;
};

struct sayings {
	struct saying *items;
	size_t count, room;
};

static int say(struct sayings *sayings, const struct policy_terms *terms, size_t t, uint32_t klass)
{
	const struct policy_term *term = &terms->items[t];

	for (size_t i = 0; i < term->peer_count; i++) {
		const struct policy_term_peer *peer = &terms->peers[term->peer_at + i];
		struct saying *items =
			array_room(sayings->items, sayings->count, &sayings->room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		sayings->items = items;
		items[sayings->count++] =
			(struct saying){ klass, peer->peer, peer->rank, (uint32_t)t };
	}
	return 0;
}

static int saying_order(const void *a, const void *b)
{
	const struct saying *x = a, *y = b;

	if (x->klass != y->klass)
		return x->klass < y->klass ? -1 : 1;
	if (x->peer != y->peer)
		return x->peer < y->peer ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (x->term > y->term) - (x->term < y->term);
}

static int sayings_make(const struct policy_terms *terms, const struct policy_classes *classes,
			struct sayings *sayings)
{
	int r = 0;

	for (size_t t = 0; !r && t < terms->count; t++)
		if (terms->items[t].any_port)
			r = say(sayings, terms, t, 0);
	for (size_t k = 0; !r && k < classes->class_count; k++) {
		const struct bits members = { &classes->members[k * classes->words],
					      classes->words };

		bits_for_each(t, &members)
		{
			r = say(sayings, terms, t, (uint32_t)k + 1);
			if (r < 0)
				break;
		}
	}
	if (!r && sayings->count)
		qsort(sayings->items, sayings->count, sizeof(*sayings->items), saying_order);
	return r;
}

/* A denial that is enforced stands before one that is audited. */
static void row_note(struct policy_row *row, const struct policy_term *term)
{
	uint32_t *deny = &row->val.deny_rule;

	if (!term->deny)
		row->val.allow_rule = row->val.allow_rule ? row->val.allow_rule : term->rule;
	else if (term->audit)
		*deny = *deny ? *deny : term->rule | TD_RULE_AUDIT;
	else if (!*deny || *deny & TD_RULE_AUDIT)
		*deny = term->rule;
}

/* Rows of sorted sayings; the first that allows and the first that denies give their rules. */
static int rows_make(const struct policy_terms *terms, const struct sayings *sayings,
		     struct policy_table *table)
{
	struct policy_row *row = NULL;
	size_t count = 0;

	for (size_t i = 0; i < sayings->count; i++)
		count += !i || sayings->items[i].klass != sayings->items[i - 1].klass ||
			 sayings->items[i].peer != sayings->items[i - 1].peer;
	table->rows = calloc(count + 1, sizeof(*table->rows));
	if (!table->rows)
		return -ENOMEM;
	for (size_t i = 0; i < sayings->count; i++) {
		const struct saying *saying = &sayings->items[i];

		if (!row || row->klass != saying->klass || row->peer != saying->peer) {
			row = &table->rows[table->row_count++];
			row->klass = saying->klass;
			row->peer = saying->peer;
		}
		row_note(row, &terms->items[saying->term]);
	}
	return 0;
}

static void flags_make(struct policy_table *table)
{
	for (size_t i = 0; i < table->row_count; i++) {
		uint32_t peer = table->rows[i].peer;

		if (peer & TD_PEER_WORLD_ONLY)
			table->flags |= TD_SUBJECT_WORLD_CIDR;
		else if (peer >= TD_ID_LOCAL_MIN)
			table->flags |= TD_SUBJECT_CIDR_ALL;
	}
}

static void entry_free(struct policy_table_entry *entry)
{
	if (!entry)
		return;
	free(entry->table.rows);
	free(entry->table.classes);
	free(entry);
}

static void entry_freep(struct policy_table_entry **entry)
{
	entry_free(*entry);
}

static void table_hash(struct policy_table_entry *entry)
{
	const struct policy_table *table = &entry->table;
	uint32_t hash = hash_mix(HASH_START, &table->flags, sizeof(table->flags));

	hash = hash_mix(hash, table->rows, table->row_count * sizeof(*table->rows));
	for (size_t i = 0; i < table->class_count; i++) {
		const struct policy_class *item = &table->classes[i];
		const uint32_t words[] = { item->protocol, item->first, item->last, item->klass };

		hash = hash_mix(hash, words, sizeof(words));
	}
	entry->hash = hash;
}

static bool class_equal(const struct policy_class *a, const struct policy_class *b)
{
	return a->protocol == b->protocol && a->first == b->first && a->last == b->last &&
	       a->klass == b->klass;
}

static bool table_equal(const struct policy_table *a, const struct policy_table *b)
{
	if (a->flags != b->flags || a->row_count != b->row_count ||
	    a->class_count != b->class_count ||
	    memcmp(a->rows, b->rows, a->row_count * sizeof(*a->rows)) != 0)
		return false;
	for (size_t i = 0; i < a->class_count; i++)
		if (!class_equal(&a->classes[i], &b->classes[i]))
			return false;
	return true;
}

static int table_make(const struct policy_terms *terms, uint32_t flags,
		      struct policy_table_entry **ret)
{
	_cleanup_(entry_freep) struct policy_table_entry *entry = calloc(1, sizeof(*entry));
	struct policy_classes classes = { 0 };
	struct sayings sayings = { 0 };
	int r = entry ? policy_classes_make(terms, &classes) : -ENOMEM;

	if (!r)
		r = sayings_make(terms, &classes, &sayings);
	if (!r)
		r = rows_make(terms, &sayings, &entry->table);
	if (!r) {
		entry->table.classes = take_ptr(classes.items);
		entry->table.class_count = classes.count;
		entry->table.flags = flags;
		flags_make(&entry->table);
		table_hash(entry);
		*ret = take_ptr(entry);
	}
	policy_classes_fini(&classes);
	free(sayings.items);
	return r;
}

void policy_tables_init(struct policy_tables *tables)
{
	*tables = (struct policy_tables){ 0 };
}

void policy_tables_fini(struct policy_tables *tables)
{
	for (size_t b = 0; b < tables->bucket_count; b++) {
		struct policy_table_entry *next;

		for (struct policy_table_entry *e = tables->buckets[b]; e; e = next) {
			next = e->next;
			entry_free(e);
		}
	}
	free(tables->buckets);
	policy_tables_init(tables);
}

static int buckets_grow(struct policy_tables *tables)
{
	size_t count = tables->bucket_count ? tables->bucket_count * 2 : 64;
	struct policy_table_entry **buckets, *next;

	if (tables->count < tables->bucket_count)
		return 0;
	buckets = calloc(count, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	for (size_t b = 0; b < tables->bucket_count; b++) {
		for (struct policy_table_entry *e = tables->buckets[b]; e; e = next) {
			next = e->next;
			e->next = buckets[e->hash & (count - 1)];
			buckets[e->hash & (count - 1)] = e;
		}
	}
	free(tables->buckets);
	tables->buckets = buckets;
	tables->bucket_count = count;
	return 0;
}

int policy_tables_get(struct policy_tables *tables, const struct policy_terms *terms,
		      uint32_t flags, const struct policy_table **ret)
{
	_cleanup_(entry_freep) struct policy_table_entry *fresh = NULL;
	struct policy_table_entry *found, **bucket;
	int r = buckets_grow(tables);

	if (!r)
		r = table_make(terms, flags, &fresh);
	if (r < 0)
		return r;
	bucket = &tables->buckets[fresh->hash & (tables->bucket_count - 1)];
	for (found = *bucket; found; found = found->next)
		if (found->hash == fresh->hash && table_equal(&found->table, &fresh->table))
			break;
	if (!found) {
		found = take_ptr(fresh);
		found->table.number = ++tables->last_number;
		found->next = *bucket;
		*bucket = found;
		tables->count++;
	}
	found->refs++;
	*ret = &found->table;
	return 0;
}

static struct policy_table_entry *entry_of(const struct policy_table *table)
{
	return container_of(table, struct policy_table_entry, table);
}

void policy_tables_ref(const struct policy_table *table)
{
	entry_of(table)->refs++;
}

void policy_tables_put(struct policy_tables *tables, const struct policy_table *table)
{
	struct policy_table_entry *entry, **at;

	if (!table || --entry_of(table)->refs)
		return;
	entry = entry_of(table);
	at = &tables->buckets[entry->hash & (tables->bucket_count - 1)];
	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	tables->count--;
	entry_free(entry);
}
