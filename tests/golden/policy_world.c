/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define PODS_MAX       16
#define NAMESPACES_MAX 8

struct member {
	struct object *pod;
	char full[64]; /* NS/NAME */
	struct td_addr addr;
	bool has_addr;
	uint32_t identity; /* 0: none yet */
};

struct policy_world {
	struct identities *identities;
	struct policy_engine *engine;
	struct object *namespaces[NAMESPACES_MAX];
	size_t namespace_count;
	struct member members[PODS_MAX];
	size_t member_count;
	bool dirty;
};

struct policy_world *policy_world_new(void)
{
	struct policy_world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(identities_new(&world->identities), 0);
	assert_int_equal(policy_engine_new(&world->engine), 0);
	return world;
}

void policy_world_free(struct policy_world *world)
{
	if (!world)
		return;
	for (size_t i = 0; i < world->member_count; i++)
		object_unref(world->members[i].pod);
	for (size_t i = 0; i < world->namespace_count; i++)
		object_unref(world->namespaces[i]);
	policy_engine_free(world->engine);
	identities_free(world->identities);
	free(world);
}

static void set_labels(struct object *object, const char *text)
{
	char *copy = strdup(text), *rest = copy, *item;

	labels_free(object->labels);
	object->labels = labels_new();
	while (strcmp(text, "-") != 0 && (item = strsep(&rest, ",")))
		assert_int_equal(label_parse(item, object->labels), 0);
	free(copy);
}

static struct object *find_namespace(struct policy_world *world, const char *name)
{
	for (size_t i = 0; i < world->namespace_count; i++)
		if (strcmp(world->namespaces[i]->name, name) == 0)
			return world->namespaces[i];
	return NULL;
}

static struct member *find_member(struct policy_world *world, const char *full)
{
	for (size_t i = 0; i < world->member_count; i++)
		if (strcmp(world->members[i].full, full) == 0)
			return &world->members[i];
	return NULL;
}

static void member_leave(struct policy_world *world, struct member *member)
{
	uint32_t number = member->identity;

	if (!number)
		return;
	identities_put(world->identities, number);
	if (!identities_find(world->identities, number)->refs)
		policy_engine_delete_identity(world->engine, number);
	member->identity = 0;
	world->dirty = true;
}

/* The member's identity after its labels, or its namespace's, have changed. */
static void member_enter(struct policy_world *world, struct member *member)
{
	_cleanup_(labels_freep) struct labels *labels = NULL;
	struct object *pod = member->pod;
	uint32_t number;

	assert_int_equal(identity_labels(pod, find_namespace(world, pod->namespace), pod->namespace,
					 NULL, &labels),
			 0);
	assert_int_equal(identities_get(world->identities, labels, pod->pod.ports,
					pod->pod.port_count, &number),
			 0);
	assert_int_equal(policy_engine_put_identity(world->engine,
						    identities_find(world->identities, number)),
			 0);
	member_leave(world, member);
	member->identity = number;
	world->dirty = true;
}

void policy_world_namespace(struct policy_world *world, const char *name, const char *labels)
{
	struct object *object = find_namespace(world, name);

	if (!object) {
		assert_true(world->namespace_count < NAMESPACES_MAX);
		object = object_new(OBJECT_NAMESPACE, "", name);
		world->namespaces[world->namespace_count++] = object;
	}
	set_labels(object, labels);
	for (size_t i = 0; i < world->member_count; i++)
		if (strcmp(world->members[i].pod->namespace, name) == 0)
			member_enter(world, &world->members[i]);
}

void policy_world_pod_delete(struct policy_world *world, const char *pod)
{
	struct member *member = find_member(world, pod);

	assert_non_null(member);
	member_leave(world, member);
	object_unref(member->pod);
	*member = world->members[--world->member_count];
}

void policy_world_namespace_delete(struct policy_world *world, const char *name)
{
	for (size_t i = world->member_count; i--;)
		if (strcmp(world->members[i].pod->namespace, name) == 0)
			policy_world_pod_delete(world, world->members[i].full);
	for (size_t i = 0; i < world->namespace_count; i++) {
		if (strcmp(world->namespaces[i]->name, name) != 0)
			continue;
		object_unref(world->namespaces[i]);
		world->namespaces[i] = world->namespaces[--world->namespace_count];
	}
}

void policy_world_pod(struct policy_world *world, const struct policy_world_pod *pod)
{
	struct object *object = object_new(OBJECT_POD, pod->namespace, pod->name);
	struct member *member;

	set_labels(object, pod->labels);
	free(object->pod.service_account);
	object->pod.service_account = strdup(pod->account ? pod->account : "default");
	object->pod.ports = calloc(pod->port_count + 1, sizeof(*object->pod.ports));
	for (size_t i = 0; i < pod->port_count; i++) {
		object->pod.ports[i] = pod->ports[i];
		object->pod.ports[i].name = strdup(pod->ports[i].name);
	}
	object->pod.port_count = pod->port_count;
	assert_true(world->member_count < PODS_MAX);
	member = &world->members[world->member_count++];
	*member = (struct member){ .pod = object };
	snprintf(member->full, sizeof(member->full), "%s/%s", pod->namespace, pod->name);
	member->has_addr = pod->address && strcmp(pod->address, "-") != 0;
	if (member->has_addr)
		assert_int_equal(address_parse(pod->address, &member->addr), 0);
	member_enter(world, member);
}

void policy_world_relabel(struct policy_world *world, const char *pod, const char *labels)
{
	struct member *member = find_member(world, pod);

	assert_non_null(member);
	set_labels(member->pod, labels);
	member_enter(world, member);
}

void policy_world_put(struct policy_world *world, const char *text)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	struct diag diag = { 0 };
	char message[DIAG_TEXT_MAX];

	if (object_parse(text, strlen(text), &(struct object_parse_options){ 0 }, &list, &diag)) {
		diag_format(&diag, message, sizeof(message));
		fail_msg("refused: %s: %s", message, text);
	}
	for (size_t i = 0; i < list->count; i++)
		assert_int_equal(policy_engine_put_policy(world->engine, list->items[i]), 0);
	world->dirty = true;
}

void policy_world_refuse(struct policy_world *world, const char *text)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	struct diag diag = { 0 };

	if (object_parse(text, strlen(text), &(struct object_parse_options){ 0 }, &list, &diag) !=
	    -EINVAL)
		fail_msg("not refused: %s", text);
	assert_true(diag_is_set(&diag));
}

void policy_world_delete(struct policy_world *world, const char *kind, const char *namespace,
			 const char *name)
{
	enum object_kind number;

	assert_int_equal(object_kind_parse(kind, &number), 0);
	policy_engine_delete_policy(world->engine, number, namespace, name);
	world->dirty = true;
}

static void parse_probe(const char *probe, struct policy_query *query)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} protocols[] = {
		{ "TCP", IPPROTO_TCP },   { "UDP", IPPROTO_UDP },       { "SCTP", IPPROTO_SCTP },
		{ "ICMP", IPPROTO_ICMP }, { "ICMPv6", IPPROTO_ICMPV6 },
	};
	const char *slash = strchr(probe, '/');

	assert_non_null(slash);
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strlen(protocols[i].name) == (size_t)(slash - probe) &&
		    strncmp(probe, protocols[i].name, (size_t)(slash - probe)) == 0)
			query->protocol = protocols[i].protocol;
	assert_int_not_equal(query->protocol, 0);
	query->port = (uint16_t)atoi(slash + 1);
}

static void parse_peer(struct policy_world *world, const char *peer, bool blocks,
		       struct policy_query *query)
{
	static const struct {
		const char *name;
		uint32_t identity;
	} reserved[] = {
		{ "host", TD_ID_HOST },           { "remote-node", TD_ID_REMOTE_NODE },
		{ "health", TD_ID_HEALTH },       { "ingress", TD_ID_INGRESS },
		{ "unmanaged", TD_ID_UNMANAGED }, { "kube-apiserver", TD_ID_KUBE_APISERVER },
		{ "init", TD_ID_INIT },
	};
	const struct member *member = find_member(world, peer);
	struct td_addr addr;

	if (member) {
		query->identity = member->identity;
		if (member->has_addr && blocks)
			query->cidr = policy_engine_cidr_of(world->engine, &member->addr);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (strcmp(reserved[i].name, peer) == 0)
			query->identity = reserved[i].identity;
	if (query->identity)
		return;
	if (address_parse(peer, &addr) < 0)
		fail_msg("peer \"%s\": no pod, entity or address", peer);
	query->identity = TD_ID_WORLD;
	query->outside = true;
	query->cidr = policy_engine_cidr_of(world->engine, &addr);
}

char policy_world_verdict(struct policy_world *world, enum td_direction direction,
			  const char *probe, const char *subject, const char *peer, bool blocks)
{
	const struct member *member = find_member(world, subject);
	struct policy_query query = { 0 };
	const struct policy_subject *changed, *compiled;
	size_t count;

	if (world->dirty)
		assert_int_equal(policy_engine_compile(world->engine, &changed, &count), 0);
	world->dirty = false;
	assert_non_null(member);
	parse_probe(probe, &query);
	parse_peer(world, peer, blocks, &query);
	compiled = policy_engine_subject(world->engine, member->identity);
	assert_non_null(compiled);
	return policy_verdict(compiled->table[direction], &query).allowed ? '.' : 'X';
}
