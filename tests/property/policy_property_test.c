/* SPDX-License-Identifier: Apache-2.0 */
/* Random policies over a small world: the compiled tables must say what the plain evaluator says,
 * after every change, and report exactly the subjects whose tables changed.
 * TENDRIL_TEST_SEED repeats a run, TENDRIL_TEST_ROUNDS lengthens it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "policy/policy_engine.h"
#include "tests/property/policy_naive.h"

#define POD_MAX    10
#define POLICY_MAX 8
#define GROUP_MAX  16
#define PICK(list) (list)[rnd(ARRAY_SIZE(list))]

static unsigned int seed;

static unsigned int rnd(size_t below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 12) % (unsigned int)below;
}

static const char *const keys[] = { "app", "tier", LABEL_NAMESPACE };
static const char *const values[] = { "a", "b", "c" };
static const char *const names[] = { "http", "dns", "web" };
static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP };
static const uint16_t ports[] = { 0, 8, 79, 80, 81, 443, 65535 };
static const char *const prefixes[] = {
	"0.0.0.0/0",    "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32",
	"192.0.2.0/24", "::/0",       "fd00::/8",    "fd00:1::/32", "fd00:1::5/128",
};
static const char *const outside[] = { "10.1.2.3", "10.1.2.9", "10.9.9.9",  "192.0.2.1",
				       "8.8.8.8",  "fd00::1",  "fd00:1::5", "2001:db8::1" };
static const char *const group_names[] = { "g", "h" };
static const char *const ids[] = { "sg-1", "sg-2", "sg-3" };
static const enum entity entity_list[] = {
	ENTITY_ALL,       ENTITY_WORLD, ENTITY_WORLD_IPV4,  ENTITY_WORLD_IPV6,
	ENTITY_CLUSTER,   ENTITY_HOST,  ENTITY_REMOTE_NODE, ENTITY_KUBE_APISERVER,
	ENTITY_UNMANAGED, ENTITY_NONE,  ENTITY_HEALTH,      ENTITY_INGRESS,
};

/* A pod, a node or an address outside. */
struct peer {
	struct identity identity;
	struct td_addr addr;
	bool has_addr, outside;
};

struct world {
	struct identities *reserved;
	struct peer pods[POD_MAX];
	size_t pod_count;
	struct object *policies[POLICY_MAX];
	size_t policy_count;
	struct object *groups[GROUP_MAX];
	size_t group_count;
	struct policy_engine *engine;
	enum policy_enforcement enforcement;
};

static struct selector *random_selector(void)
{
	struct selector *selector = selector_new();
	size_t count = rnd(3);

	for (size_t i = 0; i < count; i++) {
		const char *wanted[2] = { PICK(values), PICK(values) };

		assert_int_equal(selector_add(selector, rnd(3) ? NULL : "k8s", PICK(keys),
					      (enum selector_op)rnd(4), wanted, 1 + rnd(2)),
				 0);
	}
	return selector;
}

static struct selector **random_selectors(size_t count)
{
	struct selector **selectors = calloc(count + 1, sizeof(*selectors));

	for (size_t i = 0; i < count; i++)
		selectors[i] = random_selector();
	return selectors;
}

static void random_cidrs(struct policy_rule *rule, size_t count)
{
	rule->cidrs = calloc(count + 1, sizeof(*rule->cidrs));
	rule->cidr_count = count;
	rule->cidrs_match_all = rnd(2);
	for (size_t i = 0; i < count; i++) {
		struct cidr_rule *cidr = &rule->cidrs[i];

		assert_int_equal(prefix_parse(PICK(prefixes), &cidr->prefix), 0);
		cidr->except = calloc(2, sizeof(*cidr->except));
		for (size_t e = 0; e < 2; e++) {
			struct prefix except;

			assert_int_equal(prefix_parse(PICK(prefixes), &except), 0);
			if (prefix_covers(&cidr->prefix, &except) &&
			    except.length > cidr->prefix.length)
				cidr->except[cidr->except_count++] = except;
		}
	}
}

static char *copy(const char *text)
{
	char *copied = strdup(text);

	assert_non_null(copied);
	return copied;
}

static char **random_texts(const char *const *from, size_t from_count, size_t count)
{
	char **texts = calloc(count + 1, sizeof(*texts));

	assert_non_null(texts);
	for (size_t i = 0; i < count; i++)
		texts[i] = copy(from[rnd(from_count)]);
	return texts;
}

/* Of any length, so that many come and go inside others. */
static struct prefix *random_prefixes(size_t count)
{
	struct prefix *list = calloc(count + 1, sizeof(*list));

	assert_non_null(list);
	for (size_t i = 0; i < count; i++) {
		const char *address = PICK(outside);
		char text[PREFIX_TEXT_MAX];

		snprintf(text, sizeof(text), "%s/%u", address,
			 rnd(strchr(address, ':') ? 129 : 33));
		assert_int_equal(prefix_parse(text, &list[i]), 0);
	}
	return list;
}

static void random_groups(struct policy_rule *rule, size_t count)
{
	rule->groups = calloc(count, sizeof(*rule->groups));
	rule->group_count = count;
	for (size_t i = 0; i < count; i++) {
		struct group_ref *ref = &rule->groups[i];

		ref->kind = (enum group_kind)rnd(3);
		if (ref->kind != GROUP_INVENTORY && rnd(2))
			ref->name = copy(PICK(group_names));
		else if (rnd(3))
			ref->selector = random_selector();
		if (ref->kind == GROUP_SERVICE && rnd(2))
			ref->namespace = copy(PICK(values));
		if (ref->kind == GROUP_CIDR) {
			ref->except_count = rnd(3);
			ref->except = random_prefixes(ref->except_count);
		}
		if (ref->kind != GROUP_INVENTORY)
			continue;
		ref->id_count = rnd(3);
		ref->ids = random_texts(ids, ARRAY_SIZE(ids), ref->id_count);
		ref->name_count = rnd(2);
		ref->names = random_texts(group_names, ARRAY_SIZE(group_names), ref->name_count);
		if (rnd(3) == 0)
			ref->region = copy(PICK(values));
	}
}

static void random_ports(struct policy_rule *rule)
{
	rule->port_count = 1 + rnd(3);
	rule->ports = calloc(rule->port_count, sizeof(*rule->ports));
	for (size_t i = 0; i < rule->port_count; i++) {
		struct port_rule *port = &rule->ports[i];
		uint16_t a = PICK(ports), b = PICK(ports);

		port->protocol = rnd(4) ? PICK(protocols) : 0;
		if (rnd(3) == 0) {
			port->name = strdup(PICK(names));
		} else {
			port->first = rnd(2) ? a : MIN(a, b);
			port->last = rnd(2) ? port->first : MAX(MAX(a, b), port->first);
		}
	}
}

static void random_rule(struct policy_rule *rule, unsigned int index)
{
	rule->direction = (enum td_direction)rnd(2);
	rule->deny = rnd(5) == 0;
	rule->index = index;
	rule->any_peer = rnd(5) == 0;
	if (!rule->any_peer && rnd(2)) {
		rule->selector_count = rnd(3);
		rule->selectors = random_selectors(rule->selector_count);
		rule->require_count = rnd(6) ? 0 : 1;
		rule->
			requires
		= random_selectors(rule->require_count);
	}
	if (!rule->any_peer && rnd(3) == 0) {
		rule->entity_count = 1 + rnd(2);
		rule->entities = calloc(rule->entity_count, sizeof(*rule->entities));
		for (size_t i = 0; i < rule->entity_count; i++)
			rule->entities[i] = PICK(entity_list);
	}
	if (!rule->any_peer && rnd(2))
		random_cidrs(rule, 1 + rnd(2));
	if (!rule->any_peer && rnd(2))
		random_groups(rule, 1 + rnd(2));
	rule->any_port = rnd(3) == 0;
	if (!rule->any_port)
		random_ports(rule);
}

static struct object *random_policy(size_t number)
{
	char name[16];
	struct object *object;
	struct policy *policy;

	snprintf(name, sizeof(name), "p%zu", number);
	object = object_new(OBJECT_CILIUM_NETWORK_POLICY, "default", name);
	policy = &object->policy;
	policy->spec_count = 1 + rnd(2);
	policy->specs = calloc(policy->spec_count, sizeof(*policy->specs));
	for (size_t s = 0; s < policy->spec_count; s++) {
		struct policy_spec *spec = &policy->specs[s];

		spec->subject = random_selector();
		spec->isolates[0] = rnd(2);
		spec->isolates[1] = rnd(2);
		spec->rule_count = rnd(4);
		spec->rules = calloc(spec->rule_count + 1, sizeof(*spec->rules));
		for (unsigned int i = 0; i < spec->rule_count; i++)
			random_rule(&spec->rules[i], i);
	}
	return object;
}

static void random_pod(struct peer *pod, uint32_t number)
{
	struct labels *labels = labels_new();
	struct named_port *named = calloc(3, sizeof(*named));
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (rnd(4))
			assert_int_equal(labels_set(labels, "k8s", keys[i], PICK(values)), 0);
	*pod = (struct peer){ .identity = { .number = number, .labels = labels, .ports = named } };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (rnd(2))
			named[pod->identity.port_count++] =
				(struct named_port){ (char *)names[i], PICK(protocols),
						     PICK(ports) };
	snprintf(text, sizeof(text), "10.1.2.%u", number % 256);
	assert_int_equal(address_parse(text, &pod->addr), 0);
	pod->has_addr = true;
}

static void pod_clear(struct peer *pod)
{
	labels_free((struct labels *)pod->identity.labels);
	free((void *)pod->identity.ports);
}

static void world_drop_policy(struct world *world, size_t at)
{
	struct object *object = world->policies[at];

	policy_engine_delete_policy(world->engine, object->kind, object->namespace, object->name);
	object_unref(object);
	world->policies[at] = world->policies[--world->policy_count];
}

static void random_slice(struct endpoint_slice *slice)
{
	slice->service = copy(PICK(group_names));
	slice->endpoint_count = rnd(3);
	slice->endpoints = calloc(slice->endpoint_count + 1, sizeof(*slice->endpoints));
	for (size_t i = 0; i < slice->endpoint_count; i++) {
		struct slice_endpoint *endpoint = &slice->endpoints[i];

		endpoint->ready = rnd(2);
		endpoint->addresses = calloc(1, sizeof(*endpoint->addresses));
		endpoint->address_count = 1;
		assert_int_equal(address_parse(PICK(outside), endpoint->addresses), 0);
	}
}

static void random_inventory(struct inventory_group *group)
{
	group->region = rnd(2) ? copy(PICK(values)) : NULL;
	group->security_group_count = rnd(3);
	group->security_groups = random_texts(rnd(2) ? ids : group_names, ARRAY_SIZE(group_names),
					      group->security_group_count);
	group->prefix_count = rnd(3);
	group->prefixes = random_prefixes(group->prefix_count);
}

static struct object *random_group(void)
{
	static const enum object_kind kinds[] = { OBJECT_CILIUM_CIDR_GROUP, OBJECT_SERVICE,
						  OBJECT_ENDPOINT_SLICE, OBJECT_INVENTORY_GROUP };
	enum object_kind kind = PICK(kinds);
	struct object *object = object_new(
		kind, object_kind_is_namespaced(kind) ? PICK(values) : "", PICK(group_names));

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (rnd(2))
			assert_int_equal(labels_set(object->labels, "k8s", keys[i], PICK(values)),
					 0);
	if (kind == OBJECT_SERVICE) {
		object->service.selector = rnd(2) ? random_selector() : NULL;
	} else if (kind == OBJECT_ENDPOINT_SLICE) {
		random_slice(&object->endpoint_slice);
	} else if (kind == OBJECT_INVENTORY_GROUP) {
		random_inventory(&object->inventory_group);
	} else {
		object->cidr_group.prefix_count = rnd(4);
		object->cidr_group.prefixes = random_prefixes(object->cidr_group.prefix_count);
	}
	return object;
}

static void world_forget_group(struct world *world, size_t at)
{
	object_unref(world->groups[at]);
	world->groups[at] = world->groups[--world->group_count];
}

static void world_drop_group(struct world *world, size_t at)
{
	const struct object *object = world->groups[at];

	assert_true(policy_engine_delete_group(world->engine, object->kind, object->namespace,
					       object->name) >= 0);
	world_forget_group(world, at);
}

static void world_put_group(struct world *world)
{
	struct object *object = random_group();

	for (size_t i = 0; i < world->group_count; i++)
		if (world->groups[i]->kind == object->kind &&
		    strcmp(world->groups[i]->namespace, object->namespace) == 0 &&
		    strcmp(world->groups[i]->name, object->name) == 0)
			world_forget_group(world, i);
	assert_true(policy_engine_put_group(world->engine, object) >= 0);
	world->groups[world->group_count++] = object;
}

static void world_audit(struct world *world, struct object *object)
{
	object->audit = rnd(2) ? POLICY_AUDIT_ENABLED : POLICY_AUDIT_DISABLED;
	policy_engine_audit(world->engine, object->kind, object->namespace, object->name,
			    object->audit == POLICY_AUDIT_ENABLED);
	assert_int_equal(policy_engine_is_audited(world->engine, object),
			 object->audit == POLICY_AUDIT_ENABLED);
}

static void world_enforce(struct world *world)
{
	world->enforcement = rnd(3) ? POLICY_ENFORCE_DEFAULT : (enum policy_enforcement)rnd(3);
	policy_engine_enforce(world->engine, world->enforcement);
}

static void world_put_policy(struct world *world)
{
	struct object *object = random_policy(rnd(POLICY_MAX));

	for (size_t i = 0; i < world->policy_count; i++) {
		if (strcmp(world->policies[i]->name, object->name) == 0) {
			object_unref(world->policies[i]);
			world->policies[i] = world->policies[--world->policy_count];
			break;
		}
	}
	assert_int_equal(policy_engine_put_policy(world->engine, object), 0);
	world->policies[world->policy_count++] = object;
	if (rnd(3) == 0)
		world_audit(world, object);
}

static void world_put_pod(struct world *world)
{
	uint32_t number = TD_ID_POD_MIN + rnd(POD_MAX);
	size_t at = 0;

	while (at < world->pod_count && world->pods[at].identity.number != number)
		at++;
	if (at == world->pod_count)
		world->pod_count++;
	else
		pod_clear(&world->pods[at]);
	random_pod(&world->pods[at], number);
	assert_int_equal(policy_engine_put_identity(world->engine, &world->pods[at].identity), 0);
}

static void world_drop_pod(struct world *world)
{
	size_t at = rnd(world->pod_count);

	policy_engine_delete_identity(world->engine, world->pods[at].identity.number);
	pod_clear(&world->pods[at]);
	world->pods[at] = world->pods[--world->pod_count];
}

static void world_change(struct world *world)
{
	unsigned int what = rnd(17);

	if (what < 5)
		world_put_policy(world);
	else if (what < 6 && world->policy_count)
		world_drop_policy(world, rnd(world->policy_count));
	else if (what < 9)
		world_put_pod(world);
	else if (what < 10 && world->pod_count)
		world_drop_pod(world);
	else if (what < 13)
		world_put_group(world);
	else if (what < 14 && world->group_count)
		world_drop_group(world, rnd(world->group_count));
	else if (what < 16 && world->policy_count)
		world_audit(world, world->policies[rnd(world->policy_count)]);
	else
		world_enforce(world);
}

struct numbers {
	uint32_t identity, table[2];
};

static size_t table_numbers(const struct world *world, struct numbers *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < world->pod_count; i++) {
		uint32_t number = world->pods[i].identity.number;
		const struct policy_subject *subject = policy_engine_subject(world->engine, number);

		if (subject)
			ret[count++] = (struct numbers){
				number, { subject->table[0]->number, subject->table[1]->number }
			};
	}
	return count;
}

static bool numbers_have(const struct numbers *list, size_t count, const struct numbers *item)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(&list[i], item, sizeof(*item)) == 0)
			return true;
	return false;
}

/* Whether there is one more step. */
static bool compile_reports_exactly_what_changed(struct world *world)
{
	struct numbers before[POD_MAX], after[POD_MAX];
	size_t before_count = table_numbers(world, before), after_count, changed_count;
	const struct policy_subject *changed;
	int more = policy_engine_compile(world->engine, &changed, &changed_count);

	assert_in_range(more, 0, 1);
	after_count = table_numbers(world, after);
	assert_int_equal(after_count, world->pod_count);
	for (size_t i = 0; i < after_count; i++) {
		bool reported = false;

		for (size_t c = 0; c < changed_count; c++)
			reported = reported || changed[c].identity == after[i].identity;
		assert_int_equal(reported, !numbers_have(before, before_count, &after[i]));
	}
	return more;
}

static void check_cell(struct world *world, const struct naive_world *naive,
		       const struct naive_question *question, const struct peer *peer)
{
	const struct policy_subject *subject =
		policy_engine_subject(world->engine, question->subject->number);
	const struct policy_query query = {
		.identity = peer->identity.number,
		.cidr = peer->has_addr ? policy_engine_cidr_of(world->engine, &peer->addr) : 0,
		.outside = peer->outside,
		.protocol = question->protocol,
		.port = question->port,
	};
	struct policy_decision decision =
		policy_verdict(subject->table[question->direction], &query);
	const struct policy_rule_name *rule = policy_engine_rule(world->engine, decision.rule);

	enum naive_answer answer = decision.allowed   ? NAIVE_ALLOWED
				   : decision.audited ? NAIVE_AUDITED
						      : NAIVE_DENIED;

	if (answer != naive_judge(naive, question) || (decision.allowed && decision.audited))
		fail_msg("%s of %u, peer %u, protocol %u port %u: compiled %s%s by rule %u",
			 question->direction == TD_INGRESS ? "ingress" : "egress",
			 subject->identity, peer->identity.number, question->protocol,
			 question->port, decision.allowed ? "allows" : "denies",
			 decision.audited ? ", audited," : "", decision.rule);
	if (decision.rule < TD_RULE_MIN)
		return;
	assert_non_null(rule);
	assert_int_equal(rule->deny, !decision.allowed);
	assert_int_equal(rule->direction, question->direction);
}

static void check_peer(struct world *world, const struct naive_world *naive,
		       const struct peer *peer)
{
	for (size_t s = 0; s < world->pod_count; s++) {
		for (size_t i = 0; i < 2 * ARRAY_SIZE(protocols) * ARRAY_SIZE(ports); i++) {
			const struct naive_question question = {
				.subject = &world->pods[s].identity,
				.direction = (enum td_direction)(i % 2),
				.peer = &peer->identity,
				.addr = peer->has_addr ? &peer->addr : NULL,
				.outside = peer->outside,
				.protocol = protocols[i / 2 % ARRAY_SIZE(protocols)],
				.port = ports[i / 2 / ARRAY_SIZE(protocols)],
			};

			check_cell(world, naive, &question, peer);
		}
	}
}

static void check_world(struct world *world)
{
	const struct identity *pods[POD_MAX];
	const struct naive_world naive = {
		.policies = world->policies,
		.policy_count = world->policy_count,
		.enforcement = world->enforcement,
		.pods = pods,
		.pod_count = world->pod_count,
		.groups = world->groups,
		.group_count = world->group_count,
	};
	struct peer peer;

	for (size_t i = 0; i < world->pod_count; i++)
		pods[i] = &world->pods[i].identity;
	for (size_t i = 0; i < world->pod_count; i++)
		check_peer(world, &naive, &world->pods[i]);
	for (uint32_t number = TD_ID_HOST; number <= TD_ID_INGRESS; number++) {
		peer = (struct peer){ .identity = *identities_find(world->reserved, number) };
		if (number != TD_ID_WORLD)
			check_peer(world, &naive, &peer);
	}
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		peer = (struct peer){ .identity = *identities_find(world->reserved, TD_ID_WORLD),
				      .has_addr = true,
				      .outside = true };
		assert_int_equal(address_parse(outside[i], &peer.addr), 0);
		check_peer(world, &naive, &peer);
	}
}

static void tables_say_what_the_plain_evaluator_says(void **state)
{
	const char *text = getenv("TENDRIL_TEST_SEED"), *rounds = getenv("TENDRIL_TEST_ROUNDS");
	int count = rounds ? atoi(rounds) : 60;
	struct world world = { 0 };

	seed = text ? (unsigned int)strtoul(text, NULL, 10) : (unsigned int)time(NULL);
	print_message("TENDRIL_TEST_SEED=%u\n", seed);
	assert_int_equal(identities_new(&world.reserved), 0);
	assert_int_equal(policy_engine_new(&world.engine), 0);
	for (int i = 0; i < count; i++) {
		for (unsigned int changes = 1 + rnd(4); changes; changes--)
			world_change(&world);
		while (compile_reports_exactly_what_changed(&world))
			;
		check_world(&world);
	}
	while (world.policy_count)
		world_drop_policy(&world, 0);
	while (world.pod_count)
		world_drop_pod(&world);
	while (world.group_count)
		world_drop_group(&world, 0);
	policy_engine_free(world.engine);
	identities_free(world.reserved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_say_what_the_plain_evaluator_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
