/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_cidrs.h"

/* 0.0.0.0/0 always has the first number: it is listed without a rule of its own too. */
#define CIDR_ALL_IPV4 ((uint32_t)TD_ID_LOCAL_MIN)

static struct prefix all_ipv4(void)
{
	return (struct prefix){ .addr = address_from_ipv4(0), .length = 0 };
}

int policy_prefix_compare(const struct prefix *a, const struct prefix *b)
{
	int order = address_compare(&a->addr, &b->addr);

	return order ? order : (int)prefix_mapped_length(a) - (int)prefix_mapped_length(b);
}

void policy_cidrs_init(struct policy_cidrs *cidrs)
{
	*cidrs = (struct policy_cidrs){ .next = CIDR_ALL_IPV4 + 1 };
}

void policy_cidrs_fini(struct policy_cidrs *cidrs)
{
	free(cidrs->items);
	free(cidrs->touched);
	*cidrs = (struct policy_cidrs){ 0 };
}

static size_t cidrs_position(const struct policy_cidrs *cidrs, const struct prefix *prefix)
{
	size_t low = 0, high = cidrs->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (policy_prefix_compare(&cidrs->items[middle].cidr.prefix, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool cidrs_has(const struct policy_cidrs *cidrs, size_t at, const struct prefix *prefix)
{
	return at < cidrs->count &&
	       policy_prefix_compare(&cidrs->items[at].cidr.prefix, prefix) == 0;
}

/* Room for one that comes, and for the going of each there is, which must not fail. */
static int touched_reserve(struct policy_cidrs *cidrs)
{
	while (cidrs->touched_room < cidrs->touched_count + cidrs->count + 2) {
		struct prefix *touched = array_room(cidrs->touched, cidrs->touched_room,
						    &cidrs->touched_room, sizeof(*touched));

		if (!touched)
			return -ENOMEM;
		cidrs->touched = touched;
	}
	return 0;
}

static int cidrs_insert(struct policy_cidrs *cidrs, size_t at, const struct prefix *prefix)
{
	struct prefix everything = all_ipv4();
	bool all = policy_prefix_compare(prefix, &everything) == 0;
	struct policy_cidr_ref *items =
		array_room(cidrs->items, cidrs->count, &cidrs->room, sizeof(*items));

	if (!items)
		return -ENOMEM;
	cidrs->items = items;
	memmove(&items[at + 1], &items[at], (cidrs->count - at) * sizeof(*items));
	items[at] = (struct policy_cidr_ref){
		.cidr = { .prefix = *prefix, .identity = all ? CIDR_ALL_IPV4 : cidrs->next },
	};
	cidrs->next += !all;
	cidrs->count++;
	return 0;
}

int policy_cidrs_get(struct policy_cidrs *cidrs, const struct prefix *prefix)
{
	size_t at = cidrs_position(cidrs, prefix);
	bool known = cidrs_has(cidrs, at, prefix);
	int r;

	if (known && cidrs->items[at].refs) {
		cidrs->items[at].refs++;
		return 0;
	}
	r = touched_reserve(cidrs);
	if (!r && !known)
		r = cidrs_insert(cidrs, at, prefix);
	if (r < 0)
		return r;
	cidrs->items[at].refs = 1;
	cidrs->touched[cidrs->touched_count++] = *prefix;
	return 0;
}

void policy_cidrs_put(struct policy_cidrs *cidrs, const struct prefix *prefix)
{
	size_t at = cidrs_position(cidrs, prefix);

	if (!cidrs_has(cidrs, at, prefix) || --cidrs->items[at].refs)
		return;
	cidrs->touched[cidrs->touched_count++] = *prefix;
}

void policy_cidrs_settle(struct policy_cidrs *cidrs)
{
	size_t kept = 0;

	if (!cidrs->touched_count)
		return;
	for (size_t i = 0; i < cidrs->count; i++)
		if (cidrs->items[i].refs)
			cidrs->items[kept++] = cidrs->items[i];
	cidrs->count = kept;
	cidrs->touched_count = 0;
}

/* Whether a prefix of the 128-bit form may cover ::ffff:0:0/96. */
static bool hides_ipv4(const struct prefix *prefix)
{
	return !address_is_ipv4(&prefix->addr) && prefix->length < 97;
}

int policy_cidrs_list(const struct policy_cidrs *cidrs, struct policy_cidr_list *ret)
{
	struct policy_cidr *items = calloc(cidrs->count + 2, sizeof(*items));
	struct prefix everything = all_ipv4();
	size_t all_at = cidrs_position(cidrs, &everything), count = 0;
	bool has_all = cidrs_has(cidrs, all_at, &everything) && cidrs->items[all_at].refs;
	bool need_all = false;

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < cidrs->count; i++)
		need_all = need_all ||
			   (cidrs->items[i].refs && hides_ipv4(&cidrs->items[i].cidr.prefix));
	for (size_t i = 0; i <= cidrs->count; i++) {
		if (need_all && !has_all && i == all_at)
			items[count++] = (struct policy_cidr){ everything, CIDR_ALL_IPV4 };
		if (i < cidrs->count && cidrs->items[i].refs)
			items[count++] = cidrs->items[i].cidr;
	}
	*ret = (struct policy_cidr_list){ items, count };
	return 0;
}

size_t policy_cidr_list_position(const struct policy_cidr_list *list, const struct prefix *prefix)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (policy_prefix_compare(&list->items[middle].prefix, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
