/* SPDX-License-Identifier: Apache-2.0 */
/* Random changes to random clusters: what policy_changes tells of groups and ranges of ports is what
 * policy_scene_judge() says of each pod, address and port, before and after; and rules that
 * policy_shadow calls superfluous can be taken away without any change.
 * TENDRIL_TEST_SEED repeats a run, TENDRIL_TEST_ROUNDS lengthens it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "policy/policy_changes.h"
#include "policy/policy_shadow.h"
#include "policy/policy_state.h"
#include "tests/property/policy_texts.h"

#define PARTIES_MAX 64
#define PODS        8

static size_t rounds = 25;

static const struct policy_probe probes[] = {
	{ IPPROTO_TCP, 1, false },     { IPPROTO_TCP, 69, false },    { IPPROTO_TCP, 70, false },
	{ IPPROTO_TCP, 79, false },    { IPPROTO_TCP, 80, false },    { IPPROTO_TCP, 81, false },
	{ IPPROTO_TCP, 90, false },    { IPPROTO_TCP, 91, false },    { IPPROTO_TCP, 443, false },
	{ IPPROTO_TCP, 8080, false },  { IPPROTO_TCP, 65535, false }, { IPPROTO_UDP, 53, false },
	{ IPPROTO_UDP, 80, false },    { IPPROTO_SCTP, 80, false },   { IPPROTO_SCTP, 81, false },
	{ IPPROTO_ICMP, 0, false },    { IPPROTO_ICMP, 8, false },    { IPPROTO_ICMP, 255, false },
	{ IPPROTO_ICMPV6, 128, true }, { IPPROTO_ICMPV6, 1, true },   { 47, 0, false },
};

/* An end of conversations, and the group that has to stand for it. */
struct end {
	struct policy_party party;
	size_t group;
};

struct round {
	struct policy_scene *before, *after;
	struct policy_cohorts *groups;
	struct policy_changes *changes;
	struct end ends[PARTIES_MAX];
	size_t end_count;
};

/* ---- ends */

static size_t group_of_pod(const struct policy_cohorts *groups, const struct object *pod)
{
	for (size_t i = 0; i < groups->count; i++)
		for (size_t p = 0; p < groups->items[i].pod_count; p++)
			if (groups->items[i].pods[p] == pod)
				return i;
	fail_msg("pod %s is in no group", pod->name);
	return 0;
}

/* The longest prefix that has the address; else the world of its family. */
static size_t group_of_address(const struct policy_cohorts *groups, const struct td_addr *addr)
{
	unsigned int family = address_is_ipv4(addr) ? POLICY_IPV4 : POLICY_IPV6;
	size_t found = groups->count;
	int length = -1;

	for (size_t i = 0; i < groups->count; i++) {
		const struct policy_cohort *group = &groups->items[i];

		if (group->kind == POLICY_COHORT_WORLD && (group->families & family) && length < 0)
			found = i;
		if (group->kind == POLICY_COHORT_CIDR && prefix_contains(&group->prefix, addr) &&
		    group->prefix.length > length) {
			found = i;
			length = group->prefix.length;
		}
	}
	assert_true(found < groups->count);
	return found;
}

static struct end *new_end(struct round *round)
{
	assert_true(round->end_count < PARTIES_MAX);
	return &round->ends[round->end_count++];
}

static int add_pod(const struct policy_party *pod, void *data)
{
	struct round *round = data;
	struct end *end = new_end(round);

	end->party = *pod;
	end->group = group_of_pod(round->groups, pod->pod);
	return 0;
}

static size_t group_of_node(const struct policy_cohorts *groups, unsigned int family)
{
	for (size_t i = 0; i < groups->count; i++)
		if (groups->items[i].kind == POLICY_COHORT_HOST &&
		    (groups->items[i].families & family))
			return i;
	fail_msg("the node is in no group");
	return 0;
}

static void add_address(struct round *round, const char *text)
{
	struct end *end = new_end(round);
	struct diag diag = { 0 };
	struct td_addr addr;

	assert_int_equal(address_parse(text, &addr), 0);
	assert_int_equal(policy_scene_party(round->before, text, &end->party, &diag), 0);
	/* Of this family it has one address only. */
	if (end->party.identity == TD_ID_HOST)
		end->group = group_of_node(round->groups, POLICY_IPV6);
	else
		end->group = group_of_address(round->groups, &addr);
}

/* ---- what is told, and what is so */

static bool has_port(const struct policy_ports *ports, const struct policy_probe *probe)
{
	uint8_t protocol = probe->protocol == 47 ? POLICY_PROTOCOL_OTHER : probe->protocol;

	for (size_t i = 0; i < ports->count; i++)
		if (ports->items[i].protocol == protocol && ports->items[i].first <= probe->port &&
		    probe->port <= ports->items[i].last)
			return true;
	return false;
}

/* 0: no change told; 1: now allowed; -1: now denied. */
static int told(const struct round *round, const struct end *from, const struct end *to,
		const struct policy_probe *probe)
{
	unsigned int family = probe->ipv6 ? POLICY_IPV6 : POLICY_IPV4;
	int found = 0;

	for (size_t i = 0; i < round->changes->count; i++) {
		const struct policy_change *change = &round->changes->items[i];

		if (change->from != from->group || change->to != to->group ||
		    !(change->families & family) || !has_port(&change->ports, probe))
			continue;
		assert_int_equal(found, 0); /* each port is told once */
		found = change->allowed ? 1 : -1;
	}
	return found;
}

static bool judged(struct policy_scene *scene, const struct policy_party *from,
		   const struct policy_party *to, const struct policy_probe *probe)
{
	struct policy_decision egress, ingress;

	assert_int_equal(policy_scene_judge(scene, TD_EGRESS, from, to, probe, &egress), 0);
	assert_int_equal(policy_scene_judge(scene, TD_INGRESS, to, from, probe, &ingress), 0);
	return egress.allowed && ingress.allowed;
}

static bool has_family(const struct policy_party *party, bool ipv6)
{
	return !address_is_zero(&party->ip[ipv6]) ||
	       (address_is_zero(&party->ip[0]) && address_is_zero(&party->ip[1]));
}

/* The same end in the other scene: its identity may be another. */
static void party_after(struct round *round, const struct policy_party *party,
			struct policy_party *ret)
{
	struct diag diag = { 0 };

	assert_int_equal(policy_scene_party(round->after, party->text, ret, &diag), 0);
	memcpy(ret->ip, party->ip, sizeof(ret->ip));
}

static bool cell_allows(const struct round *round, const struct end *from, const struct end *to,
			const struct policy_probe *probe)
{
	struct policy_cell cell;
	bool allowed = false;

	assert_int_equal(policy_cell_make(&round->groups->items[from->group],
					  &round->groups->items[to->group], 1, &cell),
			 0);
	for (size_t v = 0; v < 2; v++)
		if (cell.families[v] & (probe->ipv6 ? POLICY_IPV6 : POLICY_IPV4))
			allowed = allowed || has_port(&cell.ports[v], probe);
	policy_cell_fini(&cell);
	return allowed;
}

static void compare_ends(struct round *round, const struct end *from, const struct end *to,
			 bool ipv6)
{
	struct policy_party from_after, to_after;

	party_after(round, &from->party, &from_after);
	party_after(round, &to->party, &to_after);
	for (size_t p = 0; p < ARRAY_SIZE(probes); p++) {
		struct policy_probe probe = probes[p];
		bool before, after;

		if ((probe.protocol == IPPROTO_ICMP && ipv6) || (probe.ipv6 && !ipv6))
			continue;
		probe.ipv6 = ipv6;
		before = judged(round->before, &from->party, &to->party, &probe);
		after = judged(round->after, &from_after, &to_after, &probe);
		if (told(round, from, to, &probe) != after - before)
			fail_msg("%s -> %s, protocol %u port %u IPv%c: %d before, %d after, told "
				 "%d",
				 from->party.text, to->party.text, probe.protocol, probe.port,
				 ipv6 ? '6' : '4', before, after, told(round, from, to, &probe));
		if (p % 4 == 0 && cell_allows(round, from, to, &probe) != after)
			fail_msg("%s -> %s, protocol %u port %u IPv%c: %d, and its cell says %d",
				 from->party.text, to->party.text, probe.protocol, probe.port,
				 ipv6 ? '6' : '4', after, !after);
	}
}

static void compare_all(struct round *round)
{
	for (size_t a = 0; a < round->end_count; a++) {
		for (size_t b = 0; b < round->end_count; b++) {
			const struct end *from = &round->ends[a], *to = &round->ends[b];

			if (a == b || (!from->party.is_pod && !to->party.is_pod))
				continue;
			for (int ipv6 = 0; ipv6 < 2; ipv6++)
				if (has_family(&from->party, ipv6) && has_family(&to->party, ipv6))
					compare_ends(round, from, to, ipv6);
		}
	}
}

/* ---- rounds */

static void put_policies(struct policy_scene *scene, unsigned int first, size_t count)
{
	for (unsigned int i = first; i < first + count; i++) {
		char *text = texts_policy(i);

		texts_put(scene, text);
		free(text);
	}
}

/* Policies come, are replaced and go; a pod's labels become others. */
static void change(struct policy_scene *scene)
{
	char *pod = texts_pod(texts_random(PODS));

	put_policies(scene, texts_random(4), 1 + texts_random(3));
	for (int kind = OBJECT_NETWORK_POLICY; kind <= OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY;
	     kind++)
		policy_scene_delete(scene, (enum object_kind)kind,
				    kind == OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY ? "" : "a",
				    "p1");
	if (!texts_random(2))
		texts_put(scene, pod);
	free(pod);
}

static void run_round(void)
{
	struct round round = { 0 };
	const struct policy_scene_options options = { .blocks_spare_pods = !texts_random(3) };

	assert_int_equal(policy_scene_new(&options, &round.before), 0);
	texts_put_node(round.before);
	texts_put_pods(round.before, 0, PODS);
	put_policies(round.before, 0, texts_random(6));
	assert_int_equal(policy_scene_clone(round.before, &round.after), 0);
	change(round.after);
	assert_int_equal(policy_cohorts_make(round.before, round.after, &round.groups), 0);
	assert_int_equal(policy_changes_find(round.groups, &round.changes), 0);
	policy_scene_for_each_pod(round.before, add_pod, &round);
	for (size_t i = 0; i < texts_outside_count; i++)
		add_address(&round, texts_outside[i]);
	add_address(&round, "fd00:1::1"); /* the node's */
	compare_all(&round);
	policy_changes_free(round.changes);
	policy_cohorts_free(round.groups);
	policy_scene_free(round.after);
	policy_scene_free(round.before);
}

static void changes_are_those_of_every_pod_and_port(void **state)
{
	for (size_t i = 0; i < rounds; i++)
		run_round();
}

/* ---- superfluous rules */

/* The same policy without one rule; what it isolates stays. */
static struct object *without_rule(const struct policy_site *site)
{
	const struct object *object = site->policy->object;
	size_t s = (size_t)(site->spec - site->policy->specs);
	size_t at = (size_t)(site->rule - site->spec->rules);
	struct object_parse_options options = { 0 };
	struct object_list *list = NULL;
	struct diag diag = { 0 };
	struct policy_spec *spec;
	struct object *fresh;

	assert_int_equal(object_parse(object->text, strlen(object->text), &options, &list, &diag),
			 0);
	fresh = object_ref(list->items[0]);
	object_list_free(list);
	spec = &fresh->policy.specs[s];
	policy_rule_clear(&spec->rules[at]);
	memmove(&spec->rules[at], &spec->rules[at + 1],
		(spec->rule_count - at - 1) * sizeof(*spec->rules));
	spec->rule_count--;
	free(fresh->text); /* it is another one now */
	fresh->text = NULL;
	return fresh;
}

static void expect_no_change(struct policy_scene *before, const struct policy_site *site)
{
	struct object *object = without_rule(site);
	struct policy_scene *after;
	struct policy_cohorts *groups;
	struct policy_changes *changes;
	struct diag diag = { 0 };

	assert_int_equal(policy_scene_clone(before, &after), 0);
	assert_int_equal(policy_scene_put(after, &object, 1, &diag), 0);
	assert_int_equal(policy_cohorts_make(before, after, &groups), 0);
	assert_int_equal(policy_changes_find(groups, &changes), 0);
	if (changes->count)
		fail_msg("rule %u of %s is called superfluous, but without it %s -> %s changes",
			 site->rule->rule->index, object->name,
			 groups->items[changes->items[0].from].text,
			 groups->items[changes->items[0].to].text);
	policy_changes_free(changes);
	policy_cohorts_free(groups);
	policy_scene_free(after);
	object_unref(object);
}

/* What is certain holds for other pods too. */
static void expect_lasting(struct policy_scene *scene, const struct policy_site *site)
{
	struct policy_scene *more;

	assert_int_equal(policy_scene_clone(scene, &more), 0);
	texts_put_pods(more, PODS, PODS);
	expect_no_change(more, site);
	policy_scene_free(more);
}

static int settled(const struct policy_party *pod, void *data)
{
	return 0;
}

static void superfluous_rules_may_go(void **state)
{
	size_t found = 0, certain = 0, denied = 0;

	for (size_t i = 0; i < rounds * 4; i++) {
		struct policy_scene *scene;
		struct policy_shadows *shadows;

		assert_int_equal(policy_scene_new(&(struct policy_scene_options){ 0 }, &scene), 0);
		texts_put_node(scene);
		texts_put_pods(scene, 0, PODS);
		put_policies(scene, 0, 8);
		assert_int_equal(policy_scene_for_each_pod(scene, settled, NULL), 0);
		assert_int_equal(policy_shadows_new(policy_scene_engine(scene), &shadows), 0);
		for (size_t r = 0; r < policy_shadows_count(shadows); r++) {
			struct policy_shadow shadow;

			if (policy_shadows_find(shadows, r, &shadow) != 1)
				continue;
			expect_no_change(scene, policy_shadows_site(shadows, r));
			if (shadow.certain)
				expect_lasting(scene, policy_shadows_site(shadows, r));
			found++;
			certain += shadow.certain;
			denied += shadow.denies;
		}
		policy_shadows_free(shadows);
		policy_scene_free(scene);
	}
	print_message("%zu superfluous rules, %zu of them whatever pods come, %zu always denied\n",
		      found, certain, denied);
	assert_true(found && certain && denied);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_those_of_every_pod_and_port),
		cmocka_unit_test(superfluous_rules_may_go),
	};
	const char *seed = getenv("TENDRIL_TEST_SEED"), *more = getenv("TENDRIL_TEST_ROUNDS");

	texts_seed = seed ? (unsigned int)strtoul(seed, NULL, 10) : (unsigned int)time(NULL);
	if (more)
		rounds = strtoul(more, NULL, 10);
	print_message("TENDRIL_TEST_SEED=%u\n", texts_seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
