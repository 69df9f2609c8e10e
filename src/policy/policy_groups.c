/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_groups.h"

#include "base/util.h"

static size_t object_position(const struct policy_groups *groups, enum object_kind kind,
			      const char *namespace, const char *name)
{
	return policy_lookup_position(groups->objects, groups->object_count, kind, namespace, name);
}

static struct object *object_at(const struct policy_groups *groups, size_t at,
				enum object_kind kind, const char *namespace, const char *name)
{
	if (at == groups->object_count || groups->objects[at]->kind != kind ||
	    strcmp(groups->objects[at]->namespace, namespace) != 0 ||
	    strcmp(groups->objects[at]->name, name) != 0)
		return NULL;
	return groups->objects[at];
}

void policy_groups_fini(struct policy_groups *groups)
{
	for (size_t i = 0; i < groups->object_count; i++)
		object_unref(groups->objects[i]);
	free(groups->objects);
	free(groups->sets);
	*groups = (struct policy_groups){ 0 };
}

/* ---- objects */

static struct object *find_object(const struct policy_groups *groups, enum object_kind kind,
				  const char *namespace, const char *name)
{
	size_t at = object_position(groups, kind, namespace, name);

	return object_at(groups, at, kind, namespace, name);
}

/* A slice concerns those who mean its Service, if that is there. */
static bool concerns(const struct policy_groups *groups, const struct object *object,
		     const struct group_ref *ref)
{
	const struct object *service;

	if (object->kind != OBJECT_ENDPOINT_SLICE)
		return group_ref_matches(ref, object);
	if (ref->kind != GROUP_SERVICE || !object->endpoint_slice.service)
		return false;
	service = find_object(groups, OBJECT_SERVICE, object->namespace,
			      object->endpoint_slice.service);
	return service && group_ref_matches(ref, service);
}

static int mark_stale(struct policy_groups *groups, const struct object *object)
{
	int marked = 0;

	for (size_t i = 0; i < groups->set_count; i++) {
		if (!concerns(groups, object, groups->sets[i]->ref))
			continue;
		groups->sets[i]->stale = true;
		marked = 1;
	}
	return marked;
}

int policy_groups_put_object(struct policy_groups *groups, struct object *object)
{
	size_t at = object_position(groups, object->kind, object->namespace, object->name);
	struct object *old = object_at(groups, at, object->kind, object->namespace, object->name);
	struct object **objects;
	int marked = 0;

	if (old == object)
		return 0;
	if (!old) {
		objects = array_room(groups->objects, groups->object_count, &groups->object_room,
				     sizeof(*objects));
		if (!objects)
			return -ENOMEM;
		groups->objects = objects;
		memmove(&objects[at + 1], &objects[at],
			(groups->object_count - at) * sizeof(*objects));
		groups->object_count++;
	} else {
		marked = mark_stale(groups, old);
		object_unref(old);
	}
	groups->objects[at] = object_ref(object);
	return mark_stale(groups, object) | marked;
}

int policy_groups_delete_object(struct policy_groups *groups, enum object_kind kind,
				const char *namespace, const char *name)
{
	size_t at = object_position(groups, kind, namespace, name);
	struct object *old = object_at(groups, at, kind, namespace, name);
	int marked;

	if (!old)
		return 0;
	marked = mark_stale(groups, old);
	groups->object_count--;
	memmove(&groups->objects[at], &groups->objects[at + 1],
		(groups->object_count - at) * sizeof(old));
	object_unref(old);
	return marked;
}

/* ---- sets */

static size_t set_position(const struct policy_groups *groups, const struct group_ref *ref)
{
	size_t low = 0, high = groups->set_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (group_ref_compare(groups->sets[middle]->ref, ref) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int policy_groups_get(struct policy_groups *groups, struct object *writer,
		      const struct group_ref *ref, struct policy_set **ret)
{
	size_t at = set_position(groups, ref);
	struct policy_set **sets, *set;

	if (at < groups->set_count && group_ref_compare(groups->sets[at]->ref, ref) == 0) {
		groups->sets[at]->refs++;
		*ret = groups->sets[at];
		return 0;
	}
	sets = array_room(groups->sets, groups->set_count, &groups->set_room, sizeof(*sets));
	if (!sets)
		return -ENOMEM;
	groups->sets = sets;
	set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	*set = (struct policy_set){
		.writer = object_ref(writer), .ref = ref, .refs = 1, .fresh = true, .stale = true
	};
	memmove(&sets[at + 1], &sets[at], (groups->set_count - at) * sizeof(*sets));
	sets[at] = set;
	groups->set_count++;
	*ret = set;
	return 0;
}

/* ---- prefixes of sets */

typedef int (*prefix_fn)(struct policy_cidrs *cidrs, const struct prefix *prefix);

/* Calls fn for each prefix of `some` that `others` does not have, until it fails or has done so
 * `limit` times. */
static int prefixes_without(const struct policy_members *some, const struct policy_members *others,
			    struct policy_cidrs *cidrs, prefix_fn fn, size_t limit,
			    size_t *ret_done)
{
	size_t done = 0;
	int r = 0;

	for (size_t i = 0, o = 0; !r && i < some->prefix_count && done < limit; i++) {
		const struct prefix *prefix = &some->prefixes[i];

		while (o < others->prefix_count &&
		       policy_prefix_compare(&others->prefixes[o], prefix) < 0)
			o++;
		if (o < others->prefix_count &&
		    policy_prefix_compare(&others->prefixes[o], prefix) == 0)
			continue;
		r = fn(cidrs, prefix);
		done += !r;
	}
	*ret_done = done;
	return r;
}

static int give_back(struct policy_cidrs *cidrs, const struct prefix *prefix)
{
	policy_cidrs_put(cidrs, prefix);
	return 0;
}

static int only_count(struct policy_cidrs *cidrs, const struct prefix *prefix)
{
	return 0;
}

/* A moving set has references on the prefixes of both; afterwards on its own only. */
static void set_arrive(struct policy_set *set, struct policy_peers *peers,
		       struct policy_cidrs *cidrs)
{
	size_t done;

	prefixes_without(&set->other, &set->now, cidrs, give_back, SIZE_MAX, &done);
	policy_members_fini(&set->other, peers);
	set->moving = false;
}

static void set_swap(struct policy_set *set)
{
	struct policy_members now = set->now;

	set->now = set->other;
	set->other = now;
	set->touched = true;
}

void policy_groups_put(struct policy_groups *groups, struct policy_set *set,
		       struct policy_peers *peers, struct policy_cidrs *cidrs)
{
	size_t at;

	if (!set || --set->refs)
		return;
	at = set_position(groups, set->ref);
	groups->set_count--;
	memmove(&groups->sets[at], &groups->sets[at + 1], (groups->set_count - at) * sizeof(set));
	if (set->moving)
		set_arrive(set, peers, cidrs);
	for (size_t i = 0; i < set->now.prefix_count; i++)
		policy_cidrs_put(cidrs, &set->now.prefixes[i]);
	policy_members_fini(&set->now, peers);
	object_unref(set->writer);
	free(set);
}

/* ---- looking up */

/* Finds what the set is to become, with references on its prefixes. */
static int set_look_up(struct policy_set *set, const struct policy_groups *groups,
		       struct policy_peers *peers, struct policy_cidrs *cidrs)
{
	struct policy_members found;
	size_t gained, undone;
	int r = policy_lookup(groups->objects, groups->object_count, set->ref, peers, &found);

	if (r < 0)
		return r;
	r = prefixes_without(&found, &set->now, cidrs, policy_cidrs_get, SIZE_MAX, &gained);
	if (r < 0) {
		prefixes_without(&found, &set->now, cidrs, give_back, gained, &undone);
		policy_members_fini(&found, peers);
		return r;
	}
	set->other = found;
	set->moving = true;
	return 0;
}

static bool same_selectors(const struct policy_members *a, const struct policy_members *b)
{
	if (a->selector_count != b->selector_count)
		return false;
	for (size_t i = 0; i < a->selector_count; i++)
		if (a->selectors[i] != b->selectors[i])
			return false;
	return true;
}

/* What is to happen to sets that were looked up. */
struct move {
	bool gains, loses; /* prefixes; of sets that were in force */
};

static void judge_move(struct policy_set *set, struct policy_peers *peers,
		       struct policy_cidrs *cidrs, struct move *move)
{
	size_t gained, lost;

	prefixes_without(&set->other, &set->now, cidrs, only_count, SIZE_MAX, &gained);
	prefixes_without(&set->now, &set->other, cidrs, only_count, SIZE_MAX, &lost);
	if (!gained && !lost && same_selectors(&set->now, &set->other)) {
		set->now.object_count = set->other.object_count;
		set_arrive(set, peers, cidrs);
	} else if (!set->fresh) {
		move->gains = move->gains || gained;
		move->loses = move->loses || lost;
	}
}

static int look_up_stale(struct policy_groups *groups, struct policy_peers *peers,
			 struct policy_cidrs *cidrs)
{
	struct move move = { 0 };
	int r = 0;

	for (size_t i = 0; !r && i < groups->set_count; i++)
		if (groups->sets[i]->stale)
			r = set_look_up(groups->sets[i], groups, peers, cidrs);
	for (size_t i = 0; r < 0 && i < groups->set_count; i++)
		if (groups->sets[i]->moving)
			set_arrive(groups->sets[i], peers, cidrs);
	for (size_t i = 0; !r && i < groups->set_count; i++)
		if (groups->sets[i]->moving)
			judge_move(groups->sets[i], peers, cidrs, &move);
	for (size_t i = 0; !r && i < groups->set_count; i++) {
		struct policy_set *set = groups->sets[i];

		if (set->moving && (set->fresh || !move.gains || !move.loses)) {
			set_swap(set);
			set_arrive(set, peers, cidrs);
		}
		set->stale = set->fresh = false;
	}
	if (!r && move.gains && move.loses)
		groups->stage = POLICY_GROUPS_WIDENED;
	return r;
}

/* The step after the one whose tables are in force. */
static void advance(struct policy_groups *groups, struct policy_peers *peers,
		    struct policy_cidrs *cidrs)
{
	bool widened = groups->stage == POLICY_GROUPS_WIDENED;

	for (size_t i = 0; i < groups->set_count; i++) {
		if (!groups->sets[i]->moving)
			continue;
		if (widened)
			set_swap(groups->sets[i]);
		else
			set_arrive(groups->sets[i], peers, cidrs);
	}
	groups->stage = widened ? POLICY_GROUPS_MOVED : POLICY_GROUPS_STEADY;
}

/* Sets of policies that are new take no steps: nothing of theirs is in force. */
static int look_up_fresh(struct policy_groups *groups, struct policy_peers *peers,
			 struct policy_cidrs *cidrs)
{
	int r = 0;

	for (size_t i = 0; !r && i < groups->set_count; i++) {
		struct policy_set *set = groups->sets[i];

		if (!set->fresh)
			continue;
		r = set_look_up(set, groups, peers, cidrs);
		if (r < 0)
			break;
		set_swap(set);
		set_arrive(set, peers, cidrs);
		set->stale = set->fresh = false;
	}
	return r;
}

static bool any_stale(const struct policy_groups *groups)
{
	for (size_t i = 0; i < groups->set_count; i++)
		if (groups->sets[i]->stale)
			return true;
	return false;
}

int policy_groups_resolve(struct policy_groups *groups, struct policy_peers *peers,
			  struct policy_cidrs *cidrs)
{
	bool steady = groups->stage == POLICY_GROUPS_STEADY;
	int r = steady ? look_up_stale(groups, peers, cidrs) : look_up_fresh(groups, peers, cidrs);

	if (r < 0)
		return r;
	if (!steady && groups->compiled)
		advance(groups, peers, cidrs);
	groups->compiled = false;
	return groups->stage != POLICY_GROUPS_STEADY || any_stale(groups);
}

static bool set_covers_touched(const struct policy_set *set, const struct policy_cidrs *cidrs)
{
	for (size_t t = 0; t < cidrs->touched_count; t++)
		for (size_t i = 0; i < set->now.prefix_count; i++)
			if (prefix_covers(&set->now.prefixes[i], &cidrs->touched[t]))
				return true;
	return false;
}

void policy_groups_touch(struct policy_groups *groups, const struct policy_cidrs *cidrs)
{
	for (size_t i = 0; i < groups->set_count; i++)
		if (!groups->sets[i]->touched)
			groups->sets[i]->touched = set_covers_touched(groups->sets[i], cidrs);
}

void policy_groups_repeat(struct policy_groups *groups)
{
	groups->compiled = false;
}

void policy_groups_settle(struct policy_groups *groups)
{
	for (size_t i = 0; i < groups->set_count; i++)
		groups->sets[i]->touched = false;
	groups->compiled = true;
}
