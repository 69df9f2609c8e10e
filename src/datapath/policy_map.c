/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_map.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/util.h"
#include "grace_period.h"
#include "map_io.h"
#include "monotonic.h"
#include "port_prefix.h"

#define UNUSED_FOR_MS 1000

void policy_map_init(struct policy_map *map, int subject_fd, int policy_fd, int class_fd)
{
	memset(map, 0, sizeof(*map));
	map->subject_fd = subject_fd;
	map->policy_fd = policy_fd;
	map->class_fd = class_fd;
	map->next_number = 1;
}

static void installed_clear(struct policy_installed *table)
{
	image_clear(&table->rows);
	image_clear(&table->classes);
}

void policy_map_close(struct policy_map *map)
{
	for (size_t i = 0; i < map->table_count; i++)
		installed_clear(&map->tables[i]);
	free(map->tables);
	free(map->subjects);
	free(map->refused);
	policy_map_init(map, -1, -1, -1);
}

static int reserve(void **items, size_t *capacity, size_t count, size_t size)
{
	size_t wanted = *capacity ? 2 * *capacity : 32;
	void *grown;

	if (count < *capacity)
		return 0;
	grown = reallocarray(*items, wanted, size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*capacity = wanted;
	return 0;
}

static struct policy_installed *table_by_number(const struct policy_map *map, uint32_t number)
{
	for (size_t i = 0; i < map->table_count; i++) {
		if (map->tables[i].number == number)
			return &map->tables[i];
	}
	return NULL;
}

static struct policy_installed *table_by_source(const struct policy_map *map, uint32_t source)
{
	for (size_t i = 0; i < map->table_count; i++) {
		if (map->tables[i].source == source)
			return &map->tables[i];
	}
	return NULL;
}

/* A new entry for a table; borrowed until the next one. NULL: no memory. */
static struct policy_installed *table_add(struct policy_map *map, uint32_t number)
{
	struct policy_installed *table;

	if (reserve((void **)&map->tables, &map->table_capacity, map->table_count,
		    sizeof(*map->tables)) < 0)
		return NULL;
	table = &map->tables[map->table_count++];
	*table = (struct policy_installed){
		.number = number,
		.unused = monotonic_ms(),
		.rows = IMAGE(struct td_policy_key, struct td_policy_val),
		.classes = IMAGE(struct td_class_key, uint32_t),
	};
	if (number >= map->next_number)
		map->next_number = number + 1;
	return table;
}

static size_t subject_position(const struct policy_map *map, uint32_t identity)
{
	size_t low = 0, high = map->subject_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->subjects[middle].identity < identity)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct policy_installed_subject *subject_find(const struct policy_map *map,
						     uint32_t identity)
{
	size_t i = subject_position(map, identity);

	return i < map->subject_count && map->subjects[i].identity == identity ? &map->subjects[i]
									       : NULL;
}

static struct policy_installed_subject *subject_add(struct policy_map *map, uint32_t identity)
{
	size_t i = subject_position(map, identity);

	if (reserve((void **)&map->subjects, &map->subject_capacity, map->subject_count,
		    sizeof(*map->subjects)) < 0)
		return NULL;
	memmove(&map->subjects[i + 1], &map->subjects[i],
		(map->subject_count - i) * sizeof(*map->subjects));
	map->subjects[i] = (struct policy_installed_subject){ .identity = identity };
	map->subject_count++;
	return &map->subjects[i];
}

static void table_ref(struct policy_map *map, uint32_t number)
{
	struct policy_installed *table = table_by_number(map, number);

	if (table) {
		table->subjects++;
		table->unused = 0;
	}
}

static void table_unref(struct policy_map *map, uint32_t number)
{
	struct policy_installed *table = table_by_number(map, number);

	if (table && table->subjects > 0 && --table->subjects == 0)
		table->unused = monotonic_ms();
}

static struct policy_installed *table_get(struct policy_map *map, uint32_t number)
{
	struct policy_installed *table = table_by_number(map, number);

	return table ? table : table_add(map, number);
}

static int learn_row(const void *key, const void *value, void *data)
{
	uint32_t number = ((const struct td_policy_key *)key)->table;
	struct policy_installed *table = table_get(data, number);

	return table ? image_add(&table->rows, key, value) : -ENOMEM;
}

static int learn_class(const void *key, const void *value, void *data)
{
	uint32_t number = ntohl(((const struct td_class_key *)key)->table);
	struct policy_installed *table = table_get(data, number);

	return table ? image_add(&table->classes, key, value) : -ENOMEM;
}

static int learn_subject(const void *key, const void *value, void *data)
{
	struct policy_map *map = data;
	struct policy_installed_subject *subject = subject_add(map, *(const uint32_t *)key);

	if (!subject)
		return -ENOMEM;
	memcpy(&subject->value, value, sizeof(subject->value));
	for (int direction = 0; direction < 2; direction++) {
		/* A table without rows (everything denied) is one too. */
		if (!table_get(map, subject->value.table[direction]))
			return -ENOMEM;
		table_ref(map, subject->value.table[direction]);
	}
	return 0;
}

/* What an earlier run left. */
static int learn(struct policy_map *map)
{
	int r;

	if (map->known)
		return 0;
	r = map_io_for_each(map->policy_fd, learn_row, map);
	if (r == 0)
		r = map_io_for_each(map->class_fd, learn_class, map);
	if (r == 0)
		r = map_io_for_each(map->subject_fd, learn_subject, map);
	if (r < 0) {
		int fds[] = { map->subject_fd, map->policy_fd, map->class_fd };

		policy_map_close(map);
		policy_map_init(map, fds[0], fds[1], fds[2]);
		return r;
	}
	for (size_t i = 0; i < map->table_count; i++) {
		image_sort(&map->tables[i].rows);
		image_sort(&map->tables[i].classes);
	}
	map->known = true;
	return 0;
}

static int add_class(struct image *classes, uint32_t number, const struct policy_class *klass)
{
	struct port_prefix prefixes[PORT_PREFIX_MAX];
	size_t count = port_prefix_split(klass->first, klass->last, prefixes);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct td_class_key key = {
			.prefixlen = TD_CLASS_PREFIX(prefixes[i].bits),
			.table = htonl(number),
			.protocol = klass->protocol,
			.port = htons(prefixes[i].port),
		};

		r = image_add(classes, &key, &klass->klass);
	}
	return r;
}

static int build_images(const struct policy_table *table, uint32_t number, struct image *rows,
			struct image *classes)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < table->row_count; i++) {
		struct td_policy_key key = { .table = number,
					     .klass = table->rows[i].klass,
					     .peer = table->rows[i].peer };

		r = image_add(rows, &key, &table->rows[i].val);
	}
	for (size_t i = 0; r == 0 && i < table->class_count; i++)
		r = add_class(classes, number, &table->classes[i]);
	image_sort(rows);
	image_sort(classes);
	return r;
}

/* Equal but for the number, which stands at an offset in the key. */
static bool images_equal(const struct image *a, const struct image *b, size_t offset)
{
	size_t after = offset + sizeof(uint32_t);

	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const char *x = image_key(a, i), *y = image_key(b, i);

		if (memcmp(x, y, offset) != 0 ||
		    memcmp(x + after, y + after, a->key_size + a->value_size - after) != 0)
			return false;
	}
	return true;
}

/* A table of an earlier run with the same contents. */
static struct policy_installed *table_by_content(const struct policy_map *map,
						 const struct image *rows,
						 const struct image *classes)
{
	for (size_t i = 0; i < map->table_count; i++) {
		struct policy_installed *table = &map->tables[i];

		if (table->source == 0 &&
		    images_equal(&table->rows, rows, offsetof(struct td_policy_key, table)) &&
		    images_equal(&table->classes, classes, offsetof(struct td_class_key, table)))
			return table;
	}
	return NULL;
}

static int write_table(struct policy_map *map, struct policy_installed *table)
{
	int r = map_io_update(map->class_fd, &table->classes, NULL, NULL);

	if (r == 0)
		r = map_io_update(map->policy_fd, &table->rows, NULL, NULL);
	if (r < 0) {
		map_io_delete(map->class_fd, &table->classes);
		map_io_delete(map->policy_fd, &table->rows);
	}
	return r;
}

static int install(struct policy_map *map, const struct policy_table *wanted, uint32_t *ret)
{
	struct policy_installed *table = table_by_source(map, wanted->number), *same;
	int r;

	if (table) {
		*ret = table->number;
		return 0;
	}
	table = table_add(map, map->next_number);
	if (!table)
		return -ENOMEM;
	r = build_images(wanted, table->number, &table->rows, &table->classes);
	table->source = wanted->number;
	if (r == 0) {
		same = table_by_content(map, &table->rows, &table->classes);
		if (same) {
			same->source = wanted->number;
			*ret = same->number;
			r = 1;
		} else {
			r = write_table(map, table);
			*ret = table->number;
		}
	}
	if (r != 0) { /* it was added last, and nobody has it */
		installed_clear(table);
		map->table_count--;
	}
	return r < 0 ? r : 0;
}

/* Both tables in the kernel, then the subject switched to them. */
static int put_subject(struct policy_map *map, const struct policy_subject *wanted)
{
	struct policy_installed_subject *subject;
	struct td_subject value = { 0 }, old = { 0 };
	int r;

	for (int direction = 0; direction < 2; direction++) {
		r = install(map, wanted->table[direction], &value.table[direction]);
		if (r < 0)
			return r;
		value.flags[direction] = wanted->table[direction]->flags;
	}
	subject = subject_find(map, wanted->identity);
	if (subject)
		old = subject->value;
	if (subject && memcmp(&old, &value, sizeof(old)) == 0)
		return 0;
	if (bpf_map_update_elem(map->subject_fd, &wanted->identity, &value, BPF_ANY) < 0)
		return -errno;
	if (!subject)
		subject = subject_add(map, wanted->identity);
	if (!subject) {
		/* It cannot be remembered, so it must not be there. */
		bpf_map_delete_elem(map->subject_fd, &wanted->identity);
		return -ENOMEM;
	}
	subject->value = value;
	subject->wanted = true;
	for (int direction = 0; direction < 2; direction++) {
		table_ref(map, value.table[direction]);
		table_unref(map, old.table[direction]);
	}
	return 0;
}

/* Denies everything of an identity. */
static int remove_subject(struct policy_map *map, uint32_t identity)
{
	struct policy_installed_subject *subject = subject_find(map, identity);
	size_t index;

	if (bpf_map_delete_elem(map->subject_fd, &identity) < 0 && errno != ENOENT)
		return -errno;
	if (!subject)
		return 0;
	index = (size_t)(subject - map->subjects);
	for (int direction = 0; direction < 2; direction++)
		table_unref(map, subject->value.table[direction]);
	memmove(subject, subject + 1, (map->subject_count - index - 1) * sizeof(*subject));
	map->subject_count--;
	return 0;
}

static int remove_unwanted(struct policy_map *map)
{
	int first = 0;

	for (size_t i = map->subject_count; i-- > 0;) {
		int r = map->subjects[i].wanted ? 0
						: remove_subject(map, map->subjects[i].identity);

		if (first == 0)
			first = r;
	}
	return first;
}

static void delete_unused(struct policy_map *map, int64_t before)
{
	for (size_t i = map->table_count; i-- > 0;) {
		struct policy_installed *table = &map->tables[i];

		if (table->unused == 0 || table->unused > before)
			continue;
		if (map_io_delete(map->policy_fd, &table->rows) < 0 ||
		    map_io_delete(map->class_fd, &table->classes) < 0)
			continue;
		installed_clear(table);
		*table = map->tables[--map->table_count];
	}
}

bool policy_map_reclaim(struct policy_map *map)
{
	delete_unused(map, monotonic_ms() - UNUSED_FOR_MS);
	for (size_t i = 0; i < map->table_count; i++) {
		if (map->tables[i].unused)
			return true;
	}
	return false;
}

/* Unused tables at once, to make room: after a grace period, since packets may be reading them. */
static void reclaim_now(struct policy_map *map)
{
	grace_period_wait();
	delete_unused(map, monotonic_ms());
}

/* Subjects whose tables did not fit, tried again when there is more room. Those that still do not
 * fit are denied everything, which may make the room they need. */
struct refused {
	const struct policy_subject **items;
	size_t count;
};

static void retry(struct policy_map *map, struct refused *refused)
{
	size_t kept = 0;

	if (refused->count == 0)
		return;
	reclaim_now(map);
	for (size_t i = 0; i < refused->count; i++) {
		if (put_subject(map, refused->items[i]) < 0)
			refused->items[kept++] = refused->items[i];
	}
	refused->count = kept;
}

/* Those that still do not fit are remembered; -ENOMEM if they cannot be. */
static int lock_down(struct policy_map *map, struct refused *refused)
{
	for (size_t i = 0; i < refused->count; i++) {
		int r = remove_subject(map, refused->items[i]->identity);

		if (r < 0)
			return r;
	}
	retry(map, refused);
	if (refused->count == 0)
		return 0;
	map->refused = calloc(refused->count, sizeof(*map->refused));
	if (!map->refused)
		return -ENOMEM;
	for (size_t i = 0; i < refused->count; i++)
		map->refused[map->refused_count++] = refused->items[i]->identity;
	return -E2BIG;
}

int policy_map_sync(struct policy_map *map, const struct policy_subject *subjects, size_t count,
		    bool all)
{
	_cleanup_free_ const struct policy_subject **items = calloc(count + 1, sizeof(*items));
	struct refused refused = { .items = items };
	int r, s;

	if (!items)
		return -ENOMEM;
	r = learn(map);
	if (r < 0)
		return r;
	free(map->refused);
	map->refused = NULL;
	map->refused_count = 0;
	for (size_t i = 0; i < map->subject_count; i++)
		map->subjects[i].wanted = !all;
	for (size_t i = 0; i < count; i++) {
		struct policy_installed_subject *subject;

		if (put_subject(map, &subjects[i]) < 0)
			refused.items[refused.count++] = &subjects[i];
		subject = subject_find(map, subjects[i].identity);
		if (subject)
			subject->wanted = true;
	}
	r = remove_unwanted(map);
	retry(map, &refused);
	s = lock_down(map, &refused);
	return r < 0 ? r : s;
}
