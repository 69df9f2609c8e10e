/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_scene.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "policy/array.h"
#include "store/store.h"

struct scene_pod {
	struct object *object; /* OBJECT_POD */
	struct td_addr ip[2];
	uint32_t identity; /* 0: none yet; a reference if it is a pod's */
	bool dirty;        /* its labels, or its namespace's, may have changed */
};

struct policy_scene {
	char *cluster;
	struct store *store;
	struct identities *identities;
	struct policy_engine *engine;
	struct policy_modes_node node;
	struct policy_modes *modes; /* as of the last settling */
	struct scene_pod **pods;    /* by namespace, name */
	size_t pod_count, pod_room;
	struct scene_pod **imagined; /* pods that might be, of parties given by labels */
	size_t imagined_count, imagined_room;
	struct td_addr *node_ips;
	size_t node_ip_count, node_ip_room;
	bool blocks_spare_pods;
	bool dirty;
	policy_scene_compiled_fn compiled; /* NULL: nobody listens */
	void *compiled_data;
	bool whole; /* the listener needs every subject */
	int lost;   /* a change the listener could not take: -ENOMEM for ever */
};

/* ---- pods */

static size_t pod_position(const struct policy_scene *scene, const char *namespace,
			   const char *name, bool *ret_found)
{
	size_t low = 0, high = scene->pod_count;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct object *at = scene->pods[middle]->object;
		int order = strcmp(at->namespace, namespace);

		if (!order)
			order = strcmp(at->name, name);
		if (!order) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct scene_pod *find_pod(const struct policy_scene *scene, const char *namespace,
				  const char *name)
{
	bool found;
	size_t at = pod_position(scene, namespace, name, &found);

	return found ? scene->pods[at] : NULL;
}

/* A pod's identity goes when its last user does. */
static void pod_leave(struct policy_scene *scene, struct scene_pod *pod)
{
	uint32_t number = pod->identity;

	pod->identity = 0;
	if (number < TD_ID_POD_MIN)
		return;
	identities_put(scene->identities, number);
	if (!identities_find(scene->identities, number)->refs) {
		policy_engine_delete_identity(scene->engine, number);
		scene->whole = true;
	}
	scene->dirty = true;
}

static int pod_number(struct policy_scene *scene, const struct scene_pod *pod, uint32_t *ret)
{
	const struct object *object = pod->object, *namespace;
	_cleanup_(labels_freep) struct labels *labels = NULL;
	uint32_t number;
	int r;

	if (object->pod.host_network) {
		*ret = TD_ID_HOST;
		return 0;
	}
	namespace = store_get(scene->store, OBJECT_NAMESPACE, "", object->namespace);
	r = identity_labels(object, namespace, object->namespace, scene->cluster, &labels);
	if (!r)
		r = identities_get(scene->identities, labels, object->pod.ports,
				   object->pod.port_count, &number);
	if (r < 0)
		return r;
	r = policy_engine_put_identity(scene->engine, identities_find(scene->identities, number));
	if (r < 0) {
		identities_put(scene->identities, number);
		return r;
	}
	*ret = number;
	return 0;
}

static int pod_enter(struct policy_scene *scene, struct scene_pod *pod)
{
	uint32_t number;
	int r = pod_number(scene, pod, &number);

	if (r < 0)
		return r;
	pod_leave(scene, pod);
	pod->identity = number;
	pod->dirty = false;
	scene->dirty = true;
	return 0;
}

static void pod_free(struct policy_scene *scene, struct scene_pod *pod)
{
	pod_leave(scene, pod);
	object_unref(pod->object);
	free(pod);
}

static int pod_insert(struct policy_scene *scene, const struct object *object, size_t at)
{
	struct scene_pod **pods = array_room(scene->pods, scene->pod_count, &scene->pod_room,
					     sizeof(struct scene_pod *));
	struct scene_pod *pod = calloc(1, sizeof(*pod));

	if (pods)
		scene->pods = pods;
	if (!pods || !pod) {
		free(pod);
		return -ENOMEM;
	}
	memmove(&pods[at + 1], &pods[at], (scene->pod_count - at) * sizeof(*pods));
	pods[at] = pod;
	scene->pod_count++;
	pod->object = object_ref((struct object *)object);
	pod->dirty = true;
	return 0;
}

static int pod_put(struct policy_scene *scene, const struct object *object)
{
	bool found;
	size_t at = pod_position(scene, object->namespace, object->name, &found);

	if (!found)
		return pod_insert(scene, object, at);
	object_unref(scene->pods[at]->object);
	scene->pods[at]->object = object_ref((struct object *)object);
	scene->pods[at]->dirty = true;
	return 0;
}

static void pod_delete(struct policy_scene *scene, const struct object *object)
{
	bool found;
	size_t at = pod_position(scene, object->namespace, object->name, &found);

	if (!found)
		return;
	pod_free(scene, scene->pods[at]);
	scene->pod_count--;
	memmove(&scene->pods[at], &scene->pods[at + 1],
		(scene->pod_count - at) * sizeof(*scene->pods));
}

/* ---- changes */

static void mark_namespace(struct policy_scene *scene, const char *namespace)
{
	for (size_t i = 0; i < scene->pod_count; i++)
		if (strcmp(scene->pods[i]->object->namespace, namespace) == 0)
			scene->pods[i]->dirty = true;
	for (size_t i = 0; i < scene->imagined_count; i++)
		if (strcmp(scene->imagined[i]->object->namespace, namespace) == 0)
			scene->imagined[i]->dirty = true;
}

static int take_event(struct policy_scene *scene, const struct store_event *event)
{
	const struct object *object = event->after ? event->after : event->before;
	int r = 0;

	if (object->kind == OBJECT_NAMESPACE) {
		mark_namespace(scene, object->name);
	} else if (object->kind == OBJECT_POD && event->after) {
		r = pod_put(scene, event->after);
	} else if (object->kind == OBJECT_POD) {
		pod_delete(scene, object);
	} else if (object_kind_is_policy(object->kind) && event->after) {
		r = policy_engine_put_policy(scene->engine, (struct object *)event->after);
	} else if (object_kind_is_policy(object->kind)) {
		policy_engine_delete_policy(scene->engine, object->kind, object->namespace,
					    object->name);
	} else if (policy_engine_takes(object->kind) && event->after) {
		r = policy_engine_put_group(scene->engine, (struct object *)event->after);
	} else if (policy_engine_takes(object->kind)) {
		policy_engine_delete_group(scene->engine, object->kind, object->namespace,
					   object->name);
	}
	scene->dirty = true;
	return MIN(r, 0);
}

static void on_store(const struct store_event *events, size_t count, void *data)
{
	struct policy_scene *scene = data;

	for (size_t i = 0; i < count; i++)
		if (take_event(scene, &events[i]) < 0)
			scene->lost = -ENOMEM;
}

int policy_scene_put(struct policy_scene *scene, struct object *const *objects, size_t count,
		     struct diag *diag)
{
	_cleanup_free_ struct store_change *changes = calloc(MAX(count, 1ul), sizeof(*changes));
	int r;

	if (!changes)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		changes[i] = (struct store_change){ .origin = STORE_API, .object = objects[i] };
	r = store_commit(scene->store, changes, count, diag);
	return r < 0 ? r : scene->lost;
}

int policy_scene_put_text(struct policy_scene *scene, const char *text, size_t length,
			  const struct object_parse_options *options, struct diag *diag)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	int r = object_parse(text, length, options, &list, diag);

	return r < 0 ? r : policy_scene_put(scene, list->items, list->count, diag);
}

static int delete_one(struct policy_scene *scene, enum object_kind kind, const char *namespace,
		      const char *name)
{
	const struct store_change change = {
		.origin = STORE_API, .kind = kind, .namespace = namespace, .name = name
	};
	struct diag diag = { 0 };
	int r = store_commit(scene->store, &change, 1, &diag);

	return r < 0 ? r : scene->lost;
}

/* Groups are numbered from 0, so those that are too many follow the last one that stays. */
static int delete_groups_from(struct policy_scene *scene, const char *name, size_t number)
{
	int r = 0;

	while (!r) {
		_cleanup_free_ char *full = NULL;

		if (asprintf(&full, "%s/%zu", name, number++) < 0) {
			full = NULL;
			return -ENOMEM;
		}
		if (!store_get(scene->store, OBJECT_INVENTORY_GROUP, "", full))
			break;
		r = delete_one(scene, OBJECT_INVENTORY_GROUP, "", full);
	}
	return r;
}

int policy_scene_put_inventory(struct policy_scene *scene, const char *text, size_t length,
			       const struct inventory_options *options, struct diag *diag)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	int r = inventory_parse(text, length, options, &list, diag);

	if (!r)
		r = policy_scene_put(scene, list->items, list->count, diag);
	return r < 0 ? r : delete_groups_from(scene, options->name, list->count);
}

/* The objects of a namespace, held while they are deleted. */
struct inhabitants {
	const char *namespace;
	struct object **items;
	size_t count, room;
};

static int note_inhabitant(const struct object *object, void *data)
{
	struct inhabitants *inhabitants = data;
	struct object **items;

	if (strcmp(object->namespace, inhabitants->namespace))
		return 0;
	items = array_room(inhabitants->items, inhabitants->count, &inhabitants->room,
			   sizeof(*items));
	if (!items)
		return -ENOMEM;
	inhabitants->items = items;
	items[inhabitants->count++] = object_ref((struct object *)object);
	return 0;
}

static int delete_inhabitants(struct policy_scene *scene, const char *namespace)
{
	struct inhabitants inhabitants = { .namespace = namespace };
	int r = 0;

	for (int kind = 0; !r && kind < OBJECT_KIND_COUNT; kind++)
		if (object_kind_is_namespaced((enum object_kind)kind))
			r = store_for_each(scene->store, (enum object_kind)kind, note_inhabitant,
					   &inhabitants);
	for (size_t i = 0; i < inhabitants.count; i++) {
		const struct object *object = inhabitants.items[i];

		if (!r)
			r = delete_one(scene, object->kind, object->namespace, object->name);
		object_unref(inhabitants.items[i]);
	}
	free(inhabitants.items);
	return r;
}

int policy_scene_delete(struct policy_scene *scene, enum object_kind kind, const char *namespace,
			const char *name)
{
	int r = kind == OBJECT_NAMESPACE ? delete_inhabitants(scene, name) : 0;

	return r < 0 ? r : delete_one(scene, kind, namespace, name);
}

static int copy_ports(const struct pod *from, struct pod *to)
{
	to->ports = calloc(MAX(from->port_count, 1ul), sizeof(*to->ports));
	if (!to->ports)
		return -ENOMEM;
	for (; to->port_count < from->port_count; to->port_count++) {
		struct named_port *port = &to->ports[to->port_count];

		*port = from->ports[to->port_count];
		port->name = strdup(port->name);
		if (!port->name)
			return -ENOMEM;
	}
	return 0;
}

int policy_scene_label_pod(struct policy_scene *scene, const char *namespace, const char *name,
			   const struct labels *labels)
{
	const struct scene_pod *pod = find_pod(scene, namespace, name);
	_cleanup_(object_unrefp) struct object *object = NULL;
	struct diag diag = { 0 };

	if (!pod)
		return -ENOENT;
	object = object_new(OBJECT_POD, namespace, name);
	if (!object)
		return -ENOMEM;
	labels_free(object->labels);
	object->labels = NULL;
	free(object->pod.service_account);
	object->pod.service_account = strdup(pod->object->pod.service_account);
	object->pod.host_network = pod->object->pod.host_network;
	if (labels_copy(labels, &object->labels) < 0 || !object->pod.service_account ||
	    copy_ports(&pod->object->pod, &object->pod) < 0)
		return -ENOMEM;
	return policy_scene_put(scene, &object, 1, &diag);
}

int policy_scene_set_address(struct policy_scene *scene, const char *namespace, const char *name,
			     const struct td_addr *addr)
{
	struct scene_pod *pod = find_pod(scene, namespace, name);

	if (!pod)
		return -ENOENT;
	pod->ip[!address_is_ipv4(addr)] = *addr;
	return 0;
}

int policy_scene_add_node_address(struct policy_scene *scene, const struct td_addr *addr)
{
	struct td_addr *ips = array_room(scene->node_ips, scene->node_ip_count,
					 &scene->node_ip_room, sizeof(*ips));

	if (!ips)
		return -ENOMEM;
	scene->node_ips = ips;
	ips[scene->node_ip_count++] = *addr;
	return 0;
}

const struct td_addr *policy_scene_node_addresses(const struct policy_scene *scene, size_t *count)
{
	*count = scene->node_ip_count;
	return scene->node_ips;
}

const struct object *policy_scene_object(const struct policy_scene *scene, enum object_kind kind,
					 const char *namespace, const char *name)
{
	return store_get(scene->store, kind, namespace, name);
}

int policy_scene_for_each_object(const struct policy_scene *scene, enum object_kind kind,
				 int (*fn)(const struct object *object, void *data), void *data)
{
	return store_for_each(scene->store, kind, fn, data);
}

static int enter_dirty(struct policy_scene *scene, struct scene_pod *const *pods, size_t count)
{
	int r = 0;

	for (size_t i = 0; !r && i < count; i++)
		if (pods[i]->dirty)
			r = pod_enter(scene, pods[i]);
	return r;
}

static int tell_compiled(struct policy_scene *scene, const struct policy_subject *changed,
			 size_t count)
{
	bool whole = scene->whole;
	int r;

	if (!scene->compiled)
		return 0;
	/* compile() tells a change only once. */
	scene->whole = true;
	r = scene->compiled(scene->engine, changed, count, whole, scene->compiled_data);
	if (!r)
		scene->whole = false;
	return r;
}

void policy_scene_listen(struct policy_scene *scene, policy_scene_compiled_fn fn, void *data)
{
	scene->compiled = fn;
	scene->compiled_data = data;
	scene->whole = true;
	scene->dirty = true;
}

static int audit_policy(const struct object *policy, void *data)
{
	struct policy_scene *scene = data;

	policy_engine_audit(scene->engine, policy->kind, policy->namespace, policy->name,
			    policy_modes_policy_audited(scene->modes, policy));
	return 0;
}

static int take_modes(struct policy_scene *scene)
{
	struct policy_modes *modes;
	int r = policy_modes_new(scene->store, &scene->node, &modes);

	if (r < 0)
		return r;
	policy_modes_free(scene->modes);
	scene->modes = modes;
	policy_engine_enforce(scene->engine, policy_modes_enforcement(modes));
	for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		if (object_kind_is_policy((enum object_kind)kind))
			store_for_each(scene->store, (enum object_kind)kind, audit_policy, scene);
	return 0;
}

int policy_scene_set_node(struct policy_scene *scene, const struct policy_modes_node *node)
{
	char *name = node->name ? strdup(node->name) : NULL;

	if (node->name && !name)
		return -ENOMEM;
	free((char *)scene->node.name);
	scene->node = *node;
	scene->node.name = name;
	scene->dirty = true;
	return 0;
}

/* Brings identities and tables up to date. */
static int settle(struct policy_scene *scene)
{
	const struct policy_subject *changed;
	size_t count;
	int r = scene->lost;

	if (r || !scene->dirty)
		return r;
	r = take_modes(scene);
	if (!r)
		r = enter_dirty(scene, scene->pods, scene->pod_count);
	if (!r)
		r = enter_dirty(scene, scene->imagined, scene->imagined_count);
	if (!r)
		do {
			r = policy_engine_compile(scene->engine, &changed, &count);
			if (r > 0) /* what this step changed is not told by the next one */
				scene->whole = true;
		} while (r > 0);
	if (!r)
		r = tell_compiled(scene, changed, count);
	if (!r)
		scene->dirty = false;
	return r;
}

/* ---- parties */

static void party_of_pod(const struct policy_scene *scene, const struct scene_pod *pod,
			 struct policy_party *ret)
{
	const struct object *object = pod->object;

	*ret = (struct policy_party){ .identity = pod->identity,
				      .is_pod = pod->identity >= TD_ID_POD_MIN };
	ret->audited = ret->is_pod && policy_modes_workload_audited(scene->modes, object->namespace,
								    object->name, &ret->audited_by);
	memcpy(ret->ip, pod->ip, sizeof(ret->ip));
	ret->pod = pod->object;
	snprintf(ret->text, sizeof(ret->text), "%s/%s", pod->object->namespace, pod->object->name);
}

static bool party_of_word(const struct policy_scene *scene, const char *text,
			  struct policy_party *ret)
{
	static const struct {
		const char *word;
		uint32_t identity;
	} words[] = {
		{ "host", TD_ID_HOST },
		{ "world", TD_ID_WORLD },
		{ "remote-node", TD_ID_REMOTE_NODE },
		{ "kube-apiserver", TD_ID_KUBE_APISERVER },
		{ "health", TD_ID_HEALTH },
		{ "ingress", TD_ID_INGRESS },
		{ "init", TD_ID_INIT },
		{ "unmanaged", TD_ID_UNMANAGED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].word, text))
			continue;
		*ret = (struct policy_party){ .identity = words[i].identity,
					      .is_pod = words[i].identity == TD_ID_INIT,
					      .outside = words[i].identity == TD_ID_WORLD,
					      .audited_by = OBJECT_NODE };
		ret->audited = ret->is_pod && policy_modes_node_audited(scene->modes);
		snprintf(ret->text, sizeof(ret->text), "%s", text);
		return true;
	}
	return false;
}

static bool party_of_address(const struct policy_scene *scene, const char *text,
			     struct policy_party *ret)
{
	struct td_addr addr;
	bool ipv6;

	if (address_parse(text, &addr) < 0)
		return false;
	ipv6 = !address_is_ipv4(&addr);
	for (size_t i = 0; i < scene->pod_count; i++)
		if (address_compare(&scene->pods[i]->ip[ipv6], &addr) == 0) {
			party_of_pod(scene, scene->pods[i], ret);
			return true;
		}
	*ret = (struct policy_party){ .identity = TD_ID_WORLD, .outside = true };
	for (size_t i = 0; i < scene->node_ip_count; i++)
		if (address_compare(&scene->node_ips[i], &addr) == 0)
			*ret = (struct policy_party){ .identity = TD_ID_HOST };
	ret->ip[ipv6] = addr;
	address_format(&addr, ret->text);
	return true;
}

static int imagine(struct policy_scene *scene, struct object *object, struct scene_pod **ret)
{
	struct scene_pod **imagined = array_room(scene->imagined, scene->imagined_count,
						 &scene->imagined_room, sizeof(*imagined));
	struct scene_pod *pod = calloc(1, sizeof(*pod));

	if (imagined)
		scene->imagined = imagined;
	if (!imagined || !pod) {
		free(pod);
		return -ENOMEM;
	}
	pod->object = object_ref(object);
	pod->dirty = true;
	imagined[scene->imagined_count++] = pod;
	scene->dirty = true;
	*ret = pod;
	return 0;
}

/* The label that says where a pod lives is taken out of those it carries. */
static int labels_to_pod(const struct labels *labels, struct object **ret)
{
	const char *namespace = labels_get(labels, NULL, LABEL_NAMESPACE);
	const char *account = labels_get(labels, NULL, LABEL_SERVICE_ACCOUNT);
	_cleanup_(object_unrefp) struct object *object =
		object_new(OBJECT_POD, namespace ? namespace : "default", "");
	int r = object ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < labels->count; i++)
		r = labels_set(object->labels, labels->items[i].source, labels->items[i].key,
			       labels->items[i].value);
	if (!r && account) {
		free(object->pod.service_account);
		object->pod.service_account = strdup(account);
		r = object->pod.service_account ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	*ret = take_ptr(object);
	return 0;
}

static int party_of_labels(struct policy_scene *scene, const char *text, struct policy_party *ret)
{
	_cleanup_(labels_freep) struct labels *labels = labels_new();
	_cleanup_(object_unrefp) struct object *object = NULL;
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *item;
	struct scene_pod *pod = NULL;
	int r = labels && copy ? 0 : -ENOMEM;

	while (!r && (item = strsep(&rest, ",")))
		r = label_parse(item, labels);
	if (!r)
		r = labels_to_pod(labels, &object);
	if (!r)
		r = imagine(scene, object, &pod);
	if (!r)
		r = settle(scene);
	if (r < 0)
		return r;
	party_of_pod(scene, pod, ret);
	ret->pod = NULL;
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	return 0;
}

static bool party_of_name(const struct policy_scene *scene, const char *text,
			  struct policy_party *ret)
{
	const char *slash = strchr(text, '/');
	char namespace[POLICY_PARTY_TEXT_MAX] = "default";
	const struct scene_pod *pod;

	if (slash && (size_t)(slash - text) < sizeof(namespace))
		snprintf(namespace, sizeof(namespace), "%.*s", (int)(slash - text), text);
	pod = find_pod(scene, namespace, slash ? slash + 1 : text);
	if (pod)
		party_of_pod(scene, pod, ret);
	return pod;
}

int policy_scene_party(struct policy_scene *scene, const char *text, struct policy_party *ret,
		       struct diag *diag)
{
	int r = settle(scene);

	if (r < 0)
		return r;
	if (party_of_address(scene, text, ret) || party_of_name(scene, text, ret) ||
	    party_of_word(scene, text, ret))
		return 0;
	r = strchr(text, '=') ? party_of_labels(scene, text, ret) : -EINVAL;
	if (r != -EINVAL)
		return r;
	return diag_set(diag, NULL, 0,
			"found '%s', expected a known pod as NAMESPACE/NAME, an address, an entity "
			"(host, world, remote-node, ...) or labels a=b,c=d",
			text);
}

int policy_scene_for_each_pod(struct policy_scene *scene,
			      int (*fn)(const struct policy_party *pod, void *data), void *data)
{
	int r = settle(scene);

	for (size_t i = 0; !r && i < scene->pod_count; i++) {
		struct policy_party party;

		party_of_pod(scene, scene->pods[i], &party);
		r = fn(&party, data);
	}
	return r;
}

/* ---- decisions */

int policy_scene_query(struct policy_scene *scene, const struct policy_party *peer,
		       const struct policy_probe *probe, struct policy_query *ret)
{
	const struct td_addr *addr = &peer->ip[probe->ipv6];
	int r = settle(scene);

	if (r < 0)
		return r;
	*ret = (struct policy_query){ .identity = peer->identity,
				      .outside = peer->outside,
				      .protocol = probe->protocol,
				      .port = probe->port };
	if (!address_is_zero(addr))
		ret->cidr = policy_engine_cidr_of(scene->engine, addr);
	return 0;
}

int policy_scene_judge(struct policy_scene *scene, enum td_direction direction,
		       const struct policy_party *subject, const struct policy_party *peer,
		       const struct policy_probe *probe, struct policy_decision *ret)
{
	const struct policy_subject *tables;
	struct policy_query query;
	int r = policy_scene_query(scene, peer, probe, &query);

	if (r < 0)
		return r;
	query.audited = subject->audited;
	tables = subject->is_pod ? policy_engine_subject(scene->engine, subject->identity) : NULL;
	if (tables)
		*ret = policy_verdict(tables->table[direction], &query);
	else if (subject->is_pod)
		*ret = (struct policy_decision){ .rule = TD_RULE_NO_SUBJECT };
	else
		*ret = (struct policy_decision){ .allowed = true, .rule = TD_RULE_UNSELECTED };
	return 0;
}

const struct policy_engine *policy_scene_engine(const struct policy_scene *scene)
{
	return scene->engine;
}

/* ---- life */

int policy_scene_new(const struct policy_scene_options *options, struct policy_scene **ret)
{
	_cleanup_(policy_scene_freep) struct policy_scene *scene = calloc(1, sizeof(*scene));
	int r;

	if (!scene)
		return -ENOMEM;
	scene->cluster = strdup(options->cluster ? options->cluster : "default");
	r = scene->cluster ? store_new(&scene->store) : -ENOMEM;
	if (!r)
		r = identities_new(&scene->identities);
	if (!r)
		r = policy_engine_new(&scene->engine);
	if (!r)
		r = store_listen(scene->store, on_store, scene);
	if (r < 0)
		return r;
	policy_engine_spare_pods(scene->engine, options->blocks_spare_pods);
	scene->blocks_spare_pods = options->blocks_spare_pods;
	scene->dirty = true;
	*ret = take_ptr(scene);
	return 0;
}

static int clone_object(const struct object *object, void *data)
{
	struct object *shared = (struct object *)object;
	struct diag diag = { 0 };

	return policy_scene_put(data, &shared, 1, &diag);
}

int policy_scene_clone(const struct policy_scene *scene, struct policy_scene **ret)
{
	const struct policy_scene_options options = { scene->cluster, scene->blocks_spare_pods };
	_cleanup_(policy_scene_freep) struct policy_scene *clone = NULL;
	int r = policy_scene_new(&options, &clone);

	for (int kind = 0; !r && kind < OBJECT_KIND_COUNT; kind++)
		r = store_for_each(scene->store, (enum object_kind)kind, clone_object, clone);
	for (size_t i = 0; !r && i < scene->node_ip_count; i++)
		r = policy_scene_add_node_address(clone, &scene->node_ips[i]);
	if (!r)
		r = policy_scene_set_node(clone, &scene->node);
	if (r < 0)
		return r;
	for (size_t i = 0; i < clone->pod_count; i++)
		memcpy(clone->pods[i]->ip, scene->pods[i]->ip, sizeof(clone->pods[i]->ip));
	*ret = take_ptr(clone);
	return 0;
}

void policy_scene_free(struct policy_scene *scene)
{
	if (!scene)
		return;
	for (size_t i = 0; i < scene->pod_count; i++)
		pod_free(scene, scene->pods[i]);
	for (size_t i = 0; i < scene->imagined_count; i++)
		pod_free(scene, scene->imagined[i]);
	free(scene->pods);
	free(scene->imagined);
	free(scene->node_ips);
	policy_modes_free(scene->modes);
	free((char *)scene->node.name);
	policy_engine_free(scene->engine);
	identities_free(scene->identities);
	store_free(scene->store);
	free(scene->cluster);
	free(scene);
}
