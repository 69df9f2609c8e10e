/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_cohorts.h"

#include <assert.h>
#include <stdio.h>

#include "base/util.h"
#include "policy/policy_state.h"

struct pods {
	struct policy_party *items; /* by namespace, name */
	size_t count, room;
};

/* A pod, or the node by one address of each family: what tables can look at. */
struct member {
	const struct object *pod;
	struct td_addr ip[2];
	uint32_t identity[POLICY_SCENES];
	uint32_t cidr[POLICY_SCENES][2];
};

struct making {
	struct policy_cohorts *groups;
	struct policy_scene *scenes[POLICY_SCENES];
	size_t scene_count;
	bool blocks[POLICY_SCENES];    /* a rule there looks at pods' addresses */
	bool spoken_of[TD_ID_POD_MIN]; /* reserved identities that rules name */
	struct pods pods[POLICY_SCENES];
	struct member *members;
	size_t member_count;
	struct prefix *prefixes; /* sorted; /0 of both families always among them */
	size_t prefix_count;
};

static const struct policy_engine *engine_of(const struct making *making, size_t scene)
{
	return policy_scene_engine(making->scenes[scene]);
}

static int add_group(struct policy_cohorts *groups, const struct policy_cohort *group)
{
	struct policy_cohort *items =
		array_room(groups->items, groups->count, &groups->room, sizeof(*items));

	if (!items)
		return -ENOMEM;
	groups->items = items;
	items[groups->count++] = *group;
	return 0;
}

/* ---- what the scenes have */

static int look_at_table(const struct policy_subject *subject, void *data)
{
	bool *spoken_of = data;

	for (size_t d = 0; d < 2; d++) {
		const struct policy_table *table = subject->table[d];

		for (size_t i = 0; i < table->row_count; i++)
			if (table->rows[i].peer < TD_ID_POD_MIN &&
			    table->rows[i].val.allow_rule != TD_RULE_LOCAL_HOST)
				spoken_of[table->rows[i].peer] = true;
	}
	return 0;
}

static int has_blocks(const struct policy_subject *subject, void *data)
{
	return (subject->table[0]->flags | subject->table[1]->flags) & TD_SUBJECT_CIDR_ALL;
}

static int note_pod(const struct policy_party *pod, void *data)
{
	struct pods *pods = data;
	struct policy_party *items;

	if (!pod->is_pod)
		return 0;
	items = array_room(pods->items, pods->count, &pods->room, sizeof(*items));
	if (!items)
		return -ENOMEM;
	pods->items = items;
	items[pods->count++] = *pod;
	return 0;
}

static int look_at_scene(struct making *making, size_t scene)
{
	const struct policy_engine *engine = engine_of(making, scene);
	int r = policy_scene_for_each_pod(making->scenes[scene], note_pod, &making->pods[scene]);

	if (r < 0)
		return r;
	policy_engine_for_each_subject(engine, look_at_table, making->spoken_of);
	making->blocks[scene] = policy_engine_for_each_subject(engine, has_blocks, NULL);
	return 0;
}

/* ---- pods */

/* Addresses tell members apart only where a rule may look at them. */
static void place_member(const struct making *making, struct member *member)
{
	for (size_t s = 0; s < making->scene_count; s++)
		for (size_t v = 0; v < 2 && making->blocks[s]; v++)
			if (!address_is_zero(&member->ip[v]))
				member->cidr[s][v] =
					policy_engine_cidr_of(engine_of(making, s), &member->ip[v]);
}

static int add_stranger(const struct object ***list, size_t *count, size_t *room,
			const struct object *pod)
{
	const struct object **items = array_room(*list, *count, room, sizeof(*items));

	if (!items)
		return -ENOMEM;
	*list = items;
	items[(*count)++] = pod;
	return 0;
}

static int pod_order(const struct object *a, const struct object *b)
{
	int order = strcmp(a->namespace, b->namespace);

	return order ? order : strcmp(a->name, b->name);
}

static void add_member(struct making *making, const struct policy_party *before,
		       const struct policy_party *after)
{
	struct member *member = &making->members[making->member_count++];

	*member = (struct member){ .pod = before->pod };
	memcpy(member->ip, before->ip, sizeof(member->ip));
	member->identity[0] = before->identity;
	member->identity[1] = after ? after->identity : 0;
	place_member(making, member);
}

/* Pods that both scenes have. */
static int pair_pods(struct making *making)
{
	const struct pods *before = &making->pods[0], *after = &making->pods[1];
	struct policy_cohorts *groups = making->groups;
	size_t a = 0, b = 0;
	int r = 0;

	while (!r && (a < before->count || b < after->count)) {
		int order = a < before->count ? -1 : 1;

		if (a < before->count && b < after->count)
			order = pod_order(before->items[a].pod, after->items[b].pod);
		if (!order) {
			add_member(making, &before->items[a++], &after->items[b++]);
		} else if (order < 0 && making->scene_count == 1) {
			add_member(making, &before->items[a++], NULL);
		} else if (order < 0) {
			r = add_stranger(&groups->gone, &groups->gone_count, &groups->gone_room,
					 before->items[a++].pod);
		} else {
			r = add_stranger(&groups->come, &groups->come_count, &groups->come_room,
					 after->items[b++].pod);
		}
	}
	return r;
}

static int likeness(const struct member *a, const struct member *b)
{
	int order = memcmp(a->identity, b->identity, sizeof(a->identity));

	return order ? order : memcmp(a->cidr, b->cidr, sizeof(a->cidr));
}

static int member_order(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = likeness(x, y);

	return order ? order : pod_order(x->pod, y->pod);
}

/* "web-1", "web-2" share "web-". */
static size_t common_length(const struct policy_cohort *group)
{
	const char *first = group->pods[0]->name;
	size_t length = strlen(first);

	for (size_t i = 1; i < group->pod_count; i++) {
		size_t same = 0;

		while (same < length && first[same] == group->pods[i]->name[same])
			same++;
		length = same;
	}
	return length;
}

static char *name_pods(const struct policy_cohort *group, bool shorten)
{
	const struct object *first = group->pods[0];
	size_t length = common_length(group);
	char *text = NULL;
	int written;

	if (group->pod_count == 1)
		written = asprintf(&text, "%s/%s", first->namespace, first->name);
	else if (shorten && length)
		written = asprintf(&text, "%s/%.*s* (%zu pods)", first->namespace, (int)length,
				   first->name, group->pod_count);
	else
		written = asprintf(&text, "%s/%s and %zu more", first->namespace, first->name,
				   group->pod_count - 1);
	return written < 0 ? NULL : text;
}

/* Without an address that is known, it may have any. */
static unsigned int member_families(const struct member *member)
{
	unsigned int families = 0;

	for (size_t v = 0; v < 2; v++)
		if (!address_is_zero(&member->ip[v]))
			families |= v ? POLICY_IPV6 : POLICY_IPV4;
	return families ? families : POLICY_BOTH;
}

static int group_of_pods(struct making *making, const struct member *members, size_t count)
{
	struct policy_cohort group = { .kind = POLICY_COHORT_PODS };
	int r;

	group.pods = calloc(count, sizeof(*group.pods));
	if (!group.pods)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		group.pods[group.pod_count++] = members[i].pod;
		group.families |= member_families(&members[i]);
	}
	memcpy(group.identity, members->identity, sizeof(group.identity));
	memcpy(group.cidr, members->cidr, sizeof(group.cidr));
	for (size_t s = 0; s < making->scene_count; s++) {
		const struct policy_subject *subject =
			policy_engine_subject(engine_of(making, s), group.identity[s]);

		assert(subject);
		memcpy(group.table[s], subject->table, sizeof(group.table[s]));
	}
	group.text = name_pods(&group, true);
	r = group.text ? add_group(making->groups, &group) : -ENOMEM;
	if (r < 0) {
		free(group.text);
		free(group.pods);
	}
	return r;
}

static int group_order(const void *a, const void *b)
{
	const struct policy_cohort *x = a, *y = b;

	return strcmp(x->text, y->text);
}

/* Two groups may share the beginnings of their pods' names. */
static int part_names(struct policy_cohorts *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		size_t end = i + 1;

		while (end < groups->count &&
		       strcmp(groups->items[i].text, groups->items[end].text) == 0)
			end++;
		for (size_t k = i; end > i + 1 && k < end; k++) {
			char *text = name_pods(&groups->items[k], false);

			if (!text)
				return -ENOMEM;
			free(groups->items[k].text);
			groups->items[k].text = text;
		}
		i = end - 1;
	}
	return 0;
}

static int group_pods(struct making *making)
{
	int r;

	making->members = calloc(making->pods[0].count + 1, sizeof(*making->members));
	if (!making->members)
		return -ENOMEM;
	r = pair_pods(making);
	qsort(making->members, making->member_count, sizeof(*making->members), member_order);
	for (size_t i = 0, end; !r && i < making->member_count; i = end) {
		end = i + 1;
		while (end < making->member_count &&
		       likeness(&making->members[i], &making->members[end]) == 0)
			end++;
		r = group_of_pods(making, &making->members[i], end - i);
	}
	if (r < 0)
		return r;
	if (making->groups->count)
		qsort(making->groups->items, making->groups->count, sizeof(struct policy_cohort),
		      group_order);
	return part_names(making->groups);
}

/* ---- the node, entities */

static int add_plain(struct making *making, struct policy_cohort *group, const char *text)
{
	int r;

	group->text = strdup(text);
	r = group->text ? add_group(making->groups, group) : -ENOMEM;
	if (r < 0)
		free(group->text);
	return r;
}

/* Sets the group's place in one family; false if it has another one there already. */
static bool place_host(const struct making *making, const struct td_addr *addr,
		       struct policy_cohort *group)
{
	bool ipv6 = !address_is_ipv4(addr);
	struct member member = { 0 };

	member.ip[ipv6] = *addr;
	place_member(making, &member);
	for (size_t s = 0; s < making->scene_count; s++)
		if ((group->families & (ipv6 ? POLICY_IPV6 : POLICY_IPV4)) &&
		    group->cidr[s][ipv6] != member.cidr[s][ipv6])
			return false;
	for (size_t s = 0; s < making->scene_count; s++)
		group->cidr[s][ipv6] = member.cidr[s][ipv6];
	group->families |= ipv6 ? POLICY_IPV6 : POLICY_IPV4;
	return true;
}

/* One, unless a block holds some of the node's addresses and not others. */
static int group_host(struct making *making)
{
	const struct policy_cohort host = { .kind = POLICY_COHORT_HOST,
					    .identity = { TD_ID_HOST, TD_ID_HOST } };
	struct policy_cohort group = host;
	char text[ADDRESS_TEXT_MAX + 16] = "host", address[ADDRESS_TEXT_MAX];
	size_t count;
	const struct td_addr *addrs = policy_scene_node_addresses(making->scenes[0], &count);
	int r = 0;

	for (size_t i = 0; !r && i < count; i++) {
		if (place_host(making, &addrs[i], &group))
			continue;
		r = add_plain(making, &group, text);
		group = host;
		place_host(making, &addrs[i], &group);
		snprintf(text, sizeof(text), "host (%s)", address_format(&addrs[i], address));
	}
	if (!group.families)
		group.families = POLICY_BOTH;
	return r ? r : add_plain(making, &group, text);
}

static int group_entities(struct making *making)
{
	static const struct {
		uint32_t identity;
		const char *word;
	} entities[] = {
		{ TD_ID_REMOTE_NODE, "remote-node" }, { TD_ID_KUBE_APISERVER, "kube-apiserver" },
		{ TD_ID_HEALTH, "health" },           { TD_ID_INGRESS, "ingress" },
		{ TD_ID_UNMANAGED, "unmanaged" },
	};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(entities); i++) {
		struct policy_cohort group = { .kind = POLICY_COHORT_ENTITY,
					       .families = POLICY_BOTH,
					       .identity = { entities[i].identity,
							     entities[i].identity } };

		if (making->spoken_of[entities[i].identity])
			r = add_plain(making, &group, entities[i].word);
	}
	return r;
}

/* ---- the outside */

static int prefix_order(const void *a, const void *b)
{
	return policy_prefix_compare(a, b);
}

static int list_prefixes(struct making *making)
{
	const struct policy_cidr *cidrs[POLICY_SCENES];
	size_t counts[POLICY_SCENES] = { 0 }, count = 0;

	for (size_t s = 0; s < making->scene_count; s++)
		cidrs[s] = policy_engine_cidrs(engine_of(making, s), &counts[s]);
	making->prefixes = calloc(counts[0] + counts[1] + 2, sizeof(*making->prefixes));
	if (!making->prefixes)
		return -ENOMEM;
	making->prefixes[count++] = (struct prefix){ .addr = address_from_ipv4(0) };
	making->prefixes[count++] = (struct prefix){ 0 };
	for (size_t s = 0; s < making->scene_count; s++)
		for (size_t i = 0; i < counts[s]; i++)
			making->prefixes[count++] = cidrs[s][i].prefix;
	qsort(making->prefixes, count, sizeof(*making->prefixes), prefix_order);
	for (size_t i = 0; i < count; i++)
		if (!i ||
		    prefix_order(&making->prefixes[i], &making->prefixes[making->prefix_count - 1]))
			making->prefixes[making->prefix_count++] = making->prefixes[i];
	return 0;
}

/* The address behind a prefix; false if it is the last of all. */
static bool address_behind(const struct prefix *prefix, struct td_addr *ret)
{
	int bit = prefix_mapped_length(prefix) - 1;

	*ret = prefix->addr;
	for (; bit >= 0; bit--) {
		uint8_t mask = (uint8_t)(0x80 >> (bit % 8));

		ret->bytes[bit / 8] ^= mask;
		if (ret->bytes[bit / 8] & mask)
			return true;
	}
	return false;
}

static bool is_inside(const struct prefix *prefixes, size_t outer, size_t inner)
{
	return prefix_covers(&prefixes[outer], &prefixes[inner]);
}

bool policy_prefix_region(const struct prefix *prefixes, size_t count, size_t at,
			  struct td_addr *ret)
{
	struct td_addr addr = prefixes[at].addr;

	for (size_t i = at + 1; i < count; i++) {
		if (!is_inside(prefixes, at, i))
			continue;
		if (!prefix_contains(&prefixes[i], &addr))
			continue;
		if (!address_behind(&prefixes[i], &addr) || !prefix_contains(&prefixes[at], &addr))
			return false;
	}
	*ret = addr;
	return true;
}

/* "10.0.0.0/8 but 10.1.0.0/16": what lies inside is a group of its own. */
static char *name_prefix(const struct making *making, size_t at)
{
	char text[PREFIX_TEXT_MAX], inside[PREFIX_TEXT_MAX] = "", *name = NULL;
	size_t last = 0, count = 0;
	int written;

	for (size_t i = at + 1; i < making->prefix_count; i++) {
		if (!is_inside(making->prefixes, at, i) ||
		    (last && is_inside(making->prefixes, last, i)))
			continue;
		last = i;
		if (!count++)
			prefix_format(&making->prefixes[i], inside);
	}
	prefix_format(&making->prefixes[at], text);
	if (!count)
		written = asprintf(&name, "%s", text);
	else if (count == 1)
		written = asprintf(&name, "%s but %s", text, inside);
	else
		written = asprintf(&name, "%s but %s and %zu more", text, inside, count - 1);
	return written < 0 ? NULL : name;
}

static void place_outside(const struct making *making, const struct td_addr *addr,
			  struct policy_cohort *group)
{
	bool ipv6 = !address_is_ipv4(addr);

	group->families |= ipv6 ? POLICY_IPV6 : POLICY_IPV4;
	for (size_t s = 0; s < making->scene_count; s++)
		group->cidr[s][ipv6] = policy_engine_cidr_of(engine_of(making, s), addr);
}

static bool has_cidr(const struct policy_cohort *group)
{
	for (size_t s = 0; s < POLICY_SCENES; s++)
		if (group->cidr[s][0] || group->cidr[s][1])
			return true;
	return false;
}

/* What is in no prefix that a rule speaks of: one group if it is so in both families. */
static int group_world(struct making *making, const struct policy_cohort *worlds)
{
	static const char *const names[] = { "world-ipv4", "world-ipv6" };
	struct policy_cohort both = worlds[0];
	int r = 0;

	if (worlds[0].families && worlds[1].families && !has_cidr(&worlds[0]) &&
	    !has_cidr(&worlds[1])) {
		both.families = POLICY_BOTH;
		return add_plain(making, &both, "world");
	}
	for (size_t v = 0; !r && v < 2; v++) {
		both = worlds[v];
		if (both.families)
			r = add_plain(making, &both, names[v]);
	}
	return r;
}

static int group_prefix(struct making *making, size_t at, const struct policy_cohort *like)
{
	struct policy_cohort group = *like;
	int r;

	group.kind = POLICY_COHORT_CIDR;
	group.prefix = making->prefixes[at];
	group.text = name_prefix(making, at);
	r = group.text ? add_group(making->groups, &group) : -ENOMEM;
	if (r < 0)
		free(group.text);
	return r;
}

static int group_outside(struct making *making)
{
	const struct policy_cohort outside = { .kind = POLICY_COHORT_WORLD,
					       .outside = true,
					       .identity = { TD_ID_WORLD, TD_ID_WORLD } };
	struct policy_cohort worlds[2] = { outside, outside };
	struct td_addr addr;
	int r = list_prefixes(making);

	for (size_t i = 0; !r && i < making->prefix_count; i++)
		if (!making->prefixes[i].length &&
		    policy_prefix_region(making->prefixes, making->prefix_count, i, &addr))
			place_outside(making, &addr, &worlds[!address_is_ipv4(&addr)]);
	if (!r)
		r = group_world(making, worlds);
	for (size_t i = 0; !r && i < making->prefix_count; i++) {
		struct policy_cohort group = outside;

		if (!making->prefixes[i].length ||
		    !policy_prefix_region(making->prefixes, making->prefix_count, i, &addr))
			continue;
		place_outside(making, &addr, &group);
		r = group_prefix(making, i, &group);
	}
	return r;
}

/* ---- all of them */

int policy_cohorts_make(struct policy_scene *before, struct policy_scene *after,
			struct policy_cohorts **ret)
{
	_cleanup_(policy_cohorts_freep) struct policy_cohorts *groups = calloc(1, sizeof(*groups));
	struct making making = { .groups = groups,
				 .scenes = { before, after },
				 .scene_count = after ? 2 : 1 };
	int r = groups ? 0 : -ENOMEM;

	for (size_t s = 0; !r && s < making.scene_count; s++)
		r = look_at_scene(&making, s);
	if (!r)
		r = group_pods(&making);
	if (!r)
		r = group_host(&making);
	if (!r)
		r = group_entities(&making);
	if (!r)
		r = group_outside(&making);
	for (size_t s = 0; s < POLICY_SCENES; s++)
		free(making.pods[s].items);
	free(making.members);
	free(making.prefixes);
	if (r < 0)
		return r;
	groups->scene_count = making.scene_count;
	*ret = take_ptr(groups);
	return 0;
}

void policy_cohorts_free(struct policy_cohorts *groups)
{
	if (!groups)
		return;
	for (size_t i = 0; i < groups->count; i++) {
		free(groups->items[i].text);
		free(groups->items[i].pods);
	}
	free(groups->items);
	free(groups->gone);
	free(groups->come);
	free(groups);
}

bool policy_cohorts_meet(const struct policy_cohort *from, const struct policy_cohort *to)
{
	if (from->kind != POLICY_COHORT_PODS && to->kind != POLICY_COHORT_PODS)
		return false;
	return from != to || from->pod_count > 1;
}

static bool is_alike(const struct policy_cohort *group)
{
	for (size_t s = 0; s < POLICY_SCENES; s++)
		if (group->cidr[s][0] != group->cidr[s][1])
			return false;
	return true;
}

unsigned int policy_cohorts_families(const struct policy_cohort *from,
				     const struct policy_cohort *to, bool *ret_alike)
{
	*ret_alike = is_alike(from) && is_alike(to);
	return from->families & to->families;
}

struct policy_query policy_cohort_query(const struct policy_cohort *peer, size_t scene, bool ipv6)
{
	return (struct policy_query){ .identity = peer->identity[scene],
				      .cidr = peer->cidr[scene][ipv6],
				      .outside = peer->outside };
}
