/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_changes.h"

#include "base/util.h"
#include "policy/policy_reach.h"

/* Both directions of a scene stand side by side. */
#define BEFORE 0
#define AFTER  2

struct comparing {
	struct policy_changes *changes;
	struct policy_reach reaches[POLICY_REACH_JOIN_MAX];
	size_t from, to;
	unsigned int families;
	size_t first; /* of the changes of this pair and family */
};

static int reach_between(const struct policy_cohort *from, const struct policy_cohort *to,
			 size_t scene, unsigned int families, struct policy_reach *reaches)
{
	bool ipv6 = families == POLICY_IPV6;
	const struct policy_query in = policy_cohort_query(from, scene, ipv6);
	const struct policy_query out = policy_cohort_query(to, scene, ipv6);
	int r = policy_reach_make(to->table[scene][TD_INGRESS], &in, families,
				  &reaches[TD_INGRESS]);

	return r ? r
		 : policy_reach_make(from->table[scene][TD_EGRESS], &out, families,
				     &reaches[TD_EGRESS]);
}

/* ---- changes */

static bool same_reason(const struct policy_change *a, const struct policy_change *b)
{
	for (int d = TD_INGRESS; d <= TD_EGRESS; d++)
		if (a->decides[d] != b->decides[d] || a->rule[d] != b->rule[d])
			return false;
	return a->allowed == b->allowed;
}

/* The change that this range belongs to, made if there is none. */
static struct policy_change *change_like(struct comparing *comparing,
					 const struct policy_change *like)
{
	struct policy_changes *changes = comparing->changes;
	struct policy_change *items;

	for (size_t i = comparing->first; i < changes->count; i++)
		if (same_reason(&changes->items[i], like))
			return &changes->items[i];
	items = array_room(changes->items, changes->count, &changes->room, sizeof(*items));
	if (!items)
		return NULL;
	changes->items = items;
	items[changes->count] = *like;
	return &items[changes->count++];
}

static int compare_range(const struct policy_port_range *range,
			 const struct policy_decision *const *decisions, void *data)
{
	struct comparing *comparing = data;
	bool before = decisions[BEFORE]->allowed && decisions[BEFORE + 1]->allowed;
	bool after = decisions[AFTER]->allowed && decisions[AFTER + 1]->allowed;
	struct policy_change like = { .from = comparing->from,
				      .to = comparing->to,
				      .allowed = after,
				      .families = comparing->families };
	struct policy_change *change;

	if (before == after)
		return 0;
	for (int d = TD_INGRESS; d <= TD_EGRESS; d++) {
		like.decides[d] = !decisions[(after ? BEFORE : AFTER) + d]->allowed;
		if (like.decides[d])
			like.rule[d] = decisions[AFTER + d]->rule;
	}
	change = change_like(comparing, &like);
	return change ? policy_ports_append(&change->ports, range->protocol, range->first,
					    range->last)
		      : -ENOMEM;
}

static int compare(struct comparing *comparing, const struct policy_cohorts *groups,
		   unsigned int families)
{
	const struct policy_cohort *from = &groups->items[comparing->from];
	const struct policy_cohort *to = &groups->items[comparing->to];
	int r;

	comparing->families = families;
	comparing->first = comparing->changes->count;
	r = reach_between(from, to, 0, families, &comparing->reaches[BEFORE]);
	if (!r)
		r = reach_between(from, to, 1, families, &comparing->reaches[AFTER]);
	return r ? r
		 : policy_reach_join(comparing->reaches, ARRAY_SIZE(comparing->reaches),
				     compare_range, comparing);
}

/* The union of sets that only differ in what their families have alone. */
static int join_ports(const struct policy_ports *ipv4, const struct policy_ports *ipv6,
		      struct policy_ports *ret)
{
	int r = 0;

	for (size_t s = 0; s < POLICY_PORT_SPACES; s++) {
		const struct policy_port_space *space = &policy_port_spaces[s];
		const struct policy_ports *ports = space->families & POLICY_IPV4 ? ipv4 : ipv6;

		for (size_t i = 0; !r && i < ports->count; i++)
			if (ports->items[i].protocol == space->protocol)
				r = policy_ports_append(ret, space->protocol, ports->items[i].first,
							ports->items[i].last);
	}
	return r;
}

static bool is_common(const struct policy_port_range *range)
{
	for (size_t s = 0; s < POLICY_PORT_SPACES; s++)
		if (policy_port_spaces[s].protocol == range->protocol)
			return policy_port_spaces[s].families == POLICY_BOTH;
	return false;
}

/* Whether the sets are equal in what both families have, and each has its own share if the other
 * does: then one line tells both. */
static bool differ_by_family_only(const struct policy_ports *ipv4, const struct policy_ports *ipv6)
{
	struct policy_ports common[2] = { 0 };
	const struct policy_ports *both[] = { ipv4, ipv6 };
	bool same;
	int r = 0;

	for (size_t v = 0; v < 2; v++)
		for (size_t i = 0; !r && i < both[v]->count; i++)
			if (is_common(&both[v]->items[i]))
				r = policy_ports_append(&common[v], both[v]->items[i].protocol,
							both[v]->items[i].first,
							both[v]->items[i].last);
	same = !r && policy_ports_equal(&common[0], &common[1]);
	policy_ports_fini(&common[0]);
	policy_ports_fini(&common[1]);
	return same;
}

static int join_changes(struct policy_change *ipv4, struct policy_change *ipv6)
{
	struct policy_ports joined = { 0 };
	int r = join_ports(&ipv4->ports, &ipv6->ports, &joined);

	if (r < 0) {
		policy_ports_fini(&joined);
		return r;
	}
	policy_ports_fini(&ipv4->ports);
	policy_ports_fini(&ipv6->ports);
	ipv4->ports = joined;
	ipv4->families = POLICY_BOTH;
	ipv6->families = 0; /* told by the other one */
	return 0;
}

/* From `first` on: those of IPv4, then of IPv6 from `second` on. */
static int join_families(struct policy_changes *changes, size_t first, size_t second)
{
	size_t kept = second;
	int r = 0;

	for (size_t i = first; i < second; i++)
		for (size_t k = second; !r && k < changes->count; k++)
			if (changes->items[k].families == POLICY_IPV6 &&
			    same_reason(&changes->items[i], &changes->items[k]) &&
			    differ_by_family_only(&changes->items[i].ports,
						  &changes->items[k].ports))
				r = join_changes(&changes->items[i], &changes->items[k]);
	for (size_t k = second; k < changes->count; k++)
		if (changes->items[k].families)
			changes->items[kept++] = changes->items[k];
	changes->count = kept;
	return r;
}

static int compare_pair(struct comparing *comparing, const struct policy_cohorts *groups)
{
	struct policy_changes *changes = comparing->changes;
	size_t first = changes->count, second;
	bool alike;
	unsigned int families = policy_cohorts_families(&groups->items[comparing->from],
							&groups->items[comparing->to], &alike);
	int r = 0;

	if (!families)
		return 0;
	changes->pair_count++;
	if (alike)
		return compare(comparing, groups, families);
	if (families & POLICY_IPV4)
		r = compare(comparing, groups, POLICY_IPV4);
	second = changes->count;
	if (!r && (families & POLICY_IPV6))
		r = compare(comparing, groups, POLICY_IPV6);
	return r ? r : join_families(changes, first, second);
}

static int change_order(const void *a, const void *b)
{
	const struct policy_change *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	if (x->allowed != y->allowed)
		return x->allowed ? 1 : -1;
	if (x->families != y->families)
		return x->families < y->families ? -1 : 1;
	for (int d = TD_EGRESS; d >= TD_INGRESS; d--)
		if (x->decides[d] != y->decides[d] || x->rule[d] != y->rule[d])
			return x->decides[d] < y->decides[d] || x->rule[d] < y->rule[d] ? -1 : 1;
	return 0;
}

int policy_changes_find(const struct policy_cohorts *groups, struct policy_changes **ret)
{
	_cleanup_(policy_changes_freep) struct policy_changes *changes =
		calloc(1, sizeof(*changes));
	struct comparing comparing = { .changes = changes };
	int r = changes ? 0 : -ENOMEM;

	for (size_t from = 0; !r && from < groups->count; from++) {
		for (size_t to = 0; !r && to < groups->count; to++) {
			comparing.from = from;
			comparing.to = to;
			if (policy_cohorts_meet(&groups->items[from], &groups->items[to]))
				r = compare_pair(&comparing, groups);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(comparing.reaches); i++)
		policy_reach_fini(&comparing.reaches[i]);
	if (r < 0)
		return r;
	if (changes->count)
		qsort(changes->items, changes->count, sizeof(*changes->items), change_order);
	*ret = take_ptr(changes);
	return 0;
}

void policy_changes_free(struct policy_changes *changes)
{
	if (!changes)
		return;
	for (size_t i = 0; i < changes->count; i++)
		policy_ports_fini(&changes->items[i].ports);
	free(changes->items);
	free(changes);
}

/* ---- cells */

void policy_cell_fini(struct policy_cell *cell)
{
	for (size_t v = 0; v < 2; v++)
		policy_ports_fini(&cell->ports[v]);
	*cell = (struct policy_cell){ 0 };
}

static int gather_allowed(const struct policy_port_range *range,
			  const struct policy_decision *const *decisions, void *data)
{
	if (!decisions[0]->allowed || !decisions[1]->allowed)
		return 0;
	return policy_ports_append(data, range->protocol, range->first, range->last);
}

static int allowed_between(const struct policy_cohort *from, const struct policy_cohort *to,
			   size_t scene, unsigned int families, struct policy_ports *ret)
{
	struct policy_reach reaches[2] = { 0 };
	int r = reach_between(from, to, scene, families, reaches);

	if (!r)
		r = policy_reach_join(reaches, 2, gather_allowed, ret);
	policy_reach_fini(&reaches[0]);
	policy_reach_fini(&reaches[1]);
	return r;
}

static int join_cell(struct policy_cell *cell)
{
	struct policy_ports joined = { 0 };
	int r = join_ports(&cell->ports[0], &cell->ports[1], &joined);

	policy_cell_fini(cell);
	cell->ports[0] = joined;
	cell->families[0] = POLICY_BOTH;
	return r;
}

int policy_cell_make(const struct policy_cohort *from, const struct policy_cohort *to, size_t scene,
		     struct policy_cell *ret)
{
	struct policy_cell cell = { 0 };
	bool alike;
	unsigned int families = policy_cohorts_families(from, to, &alike);
	int r = 0;

	if (alike && families) {
		cell.families[0] = families;
		r = allowed_between(from, to, scene, families, &cell.ports[0]);
	}
	for (unsigned int v = 0; !r && !alike && v < 2; v++) {
		cell.families[v] = families & (v ? POLICY_IPV6 : POLICY_IPV4);
		if (cell.families[v])
			r = allowed_between(from, to, scene, cell.families[v], &cell.ports[v]);
	}
	if (!r && cell.families[0] && cell.families[1] &&
	    differ_by_family_only(&cell.ports[0], &cell.ports[1]))
		r = join_cell(&cell);
	if (r < 0) {
		policy_cell_fini(&cell);
		return r;
	}
	*ret = cell;
	return 0;
}
