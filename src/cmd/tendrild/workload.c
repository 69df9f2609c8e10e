/* SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/util.h"

static const char *const state_names[] = {
	[ENDPOINT_CREATING] = "creating",
	[ENDPOINT_READY] = "ready",
	[ENDPOINT_DELETING] = "deleting",
};

void workload_free(struct workload *workload)
{
	if (!workload)
		return;
	free(workload->network);
	free(workload->container_id);
	free(workload->ifname);
	free(workload->netns);
	free(workload->host_ifname);
	free(workload->namespace);
	free(workload->name);
	labels_free(workload->run_labels);
	object_unref(workload->object);
	free(workload);
}

bool workload_container_id_ok(const char *id)
{
	if (!isalnum((unsigned char)*id) || strlen(id) > CONTAINER_ID_MAX)
		return false;
	for (; *id; id++)
		if (!isalnum((unsigned char)*id) && !strchr("_.-", *id))
			return false;
	return true;
}

bool workload_ifname_ok(const char *name)
{
	if (!*name || strlen(name) >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || isspace((unsigned char)*name))
			return false;
	return true;
}

static json_t *address_json(const struct td_addr *addr)
{
	char buf[ADDRESS_TEXT_MAX];

	return address_is_zero(addr) ? json_null() : json_string(address_format(addr, buf));
}

static json_t *labels_json(const struct labels *labels)
{
	json_t *object = json_object();

	for (size_t i = 0; i < labels->count; i++)
		json_object_set_new(object, labels->items[i].key,
				    json_string(labels->items[i].value));
	return object;
}

/* What the record and the API have in common. */
static json_t *common_json(const struct workload *workload)
{
	return json_pack("{s:I, s:s, s:b, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:s, s:s}", "id",
			 (json_int_t)workload->id, "state", state_names[workload->state], "run",
			 workload->run, "container_id", workload->container_id, "ifname",
			 workload->ifname, "netns", workload->netns, "host_ifname",
			 workload->host_ifname, "host_ifindex", (json_int_t)workload->host_ifindex,
			 "ipv4", address_json(&workload->ipv4), "ipv6",
			 address_json(&workload->ipv6), "namespace", workload->namespace, "name",
			 workload->name);
}

json_t *workload_json(const struct workload *workload)
{
	json_t *json = common_json(workload);

	json_object_set_new(json, "identity", json_integer(workload->identity));
	json_object_set_new(json, "has_object", json_boolean(workload->has_object));
	return json;
}

char *workload_save(const struct workload *workload)
{
	json_t *json = common_json(workload);
	char *text;

	json_object_set_new(json, "netns_cookie", json_integer((json_int_t)workload->netns_cookie));
	if (workload->network)
		json_object_set_new(json, "network", json_string(workload->network));
	if (workload->run_labels)
		json_object_set_new(json, "labels", labels_json(workload->run_labels));
	text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
	json_decref(json);
	return text;
}

/* Reading a record: the first thing wrong is kept in diag. */
struct loading {
	const json_t *json;
	const char *file;
	struct diag *diag;
};

static char *load_text(const struct loading *in, const char *key)
{
	const char *text = json_string_value(json_object_get(in->json, key));

	if (!text) {
		diag_set(in->diag, in->file, 0, "%s: found no text, expected one", key);
		return NULL;
	}
	return strdup(text);
}

static uint64_t load_number(const struct loading *in, const char *key, uint64_t max)
{
	const json_t *value = json_object_get(in->json, key);
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) ||
	    (max != UINT64_MAX && (number < 0 || (uint64_t)number > max)))
		diag_set(in->diag, in->file, 0, "%s: found no number in range", key);
	return (uint64_t)number;
}

static struct td_addr load_address(const struct loading *in, const char *key)
{
	const json_t *value = json_object_get(in->json, key);
	struct td_addr addr = {};

	if (!json_is_null(value) &&
	    (!json_is_string(value) || address_parse(json_string_value(value), &addr) < 0))
		diag_set(in->diag, in->file, 0, "%s: found no address", key);
	return addr;
}

static enum endpoint_state load_state(const struct loading *in)
{
	const char *text = json_string_value(json_object_get(in->json, "state"));

	for (size_t i = 0; text && i < ARRAY_SIZE(state_names); i++)
		if (strcmp(text, state_names[i]) == 0)
			return (enum endpoint_state)i;
	diag_set(in->diag, in->file, 0, "state: found '%s', expected creating, ready or deleting",
		 text ? text : "");
	return ENDPOINT_CREATING;
}

static struct labels *load_labels(const struct loading *in)
{
	json_t *json = json_object_get(in->json, "labels");
	_cleanup_(labels_freep) struct labels *labels = NULL;
	const char *key;
	json_t *value;

	if (!json)
		return NULL;
	labels = labels_new();
	if (!labels)
		return NULL;
	json_object_foreach (json, key, value) {
		if (!json_is_string(value) ||
		    labels_set(labels, "k8s", key, json_string_value(value)) < 0) {
			diag_set(in->diag, in->file, 0, "labels: found no text under '%.80s'", key);
			return NULL;
		}
	}
	return take_ptr(labels);
}

static void load_fields(const struct loading *in, struct workload *workload)
{
	const char *network = json_string_value(json_object_get(in->json, "network"));

	workload->id = (uint32_t)load_number(in, "id", 65535);
	workload->state = load_state(in);
	workload->run = json_is_true(json_object_get(in->json, "run"));
	workload->container_id = load_text(in, "container_id");
	workload->ifname = load_text(in, "ifname");
	workload->netns = load_text(in, "netns");
	workload->host_ifname = load_text(in, "host_ifname");
	workload->host_ifindex = (uint32_t)load_number(in, "host_ifindex", UINT32_MAX);
	workload->netns_cookie = load_number(in, "netns_cookie", UINT64_MAX);
	workload->ipv4 = load_address(in, "ipv4");
	workload->ipv6 = load_address(in, "ipv6");
	workload->namespace = load_text(in, "namespace");
	workload->name = load_text(in, "name");
	workload->network = network ? strdup(network) : NULL;
	workload->run_labels = load_labels(in);
}

static int check_fields(const struct loading *in, const struct workload *workload)
{
	if (diag_is_set(in->diag))
		return -EINVAL;
	if (!workload->container_id || !workload->ifname || !workload->netns ||
	    !workload->host_ifname || !workload->namespace || !workload->name)
		return -ENOMEM;
	if (workload->id == 0)
		return diag_set(in->diag, in->file, 0, "id: found 0, expected 1..65535");
	if (!workload_container_id_ok(workload->container_id) ||
	    !workload_ifname_ok(workload->ifname) || !workload_ifname_ok(workload->host_ifname))
		return diag_set(in->diag, in->file, 0,
				"found a container id or interface name that none can have");
	return 0;
}

int workload_load(const char *text, size_t len, const char *file, struct workload **ret,
		  struct diag *diag)
{
	_cleanup_(workload_freep) struct workload *workload = calloc(1, sizeof(*workload));
	json_error_t error;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	const struct loading in = { .json = json, .file = file, .diag = diag };
	int r;

	if (!workload) {
		json_decref(json);
		return -ENOMEM;
	}
	if (!json)
		return diag_set(diag, file, (unsigned int)error.line, "no JSON: %s", error.text);
	load_fields(&in, workload);
	json_decref(json);
	r = check_fields(&in, workload);
	if (r < 0)
		return r;
	*ret = take_ptr(workload);
	return 0;
}

struct pod_search {
	const char *container_id;
	const struct object *first, *second;
};

static int match_pod(const struct object *pod, void *data)
{
	struct pod_search *search = data;
	size_t len = strlen(pod->namespace);

	if (strncmp(search->container_id, pod->namespace, len) != 0 ||
	    search->container_id[len] != '-' ||
	    strcmp(search->container_id + len + 1, pod->name) != 0)
		return 0;
	if (!search->first)
		search->first = pod;
	else
		search->second = pod;
	return search->second != NULL;
}

int workload_find_pod(const struct store *store, const char *container_id,
		      const struct object **ret, struct diag *diag)
{
	struct pod_search search = { .container_id = container_id };

	store_for_each(store, OBJECT_POD, match_pod, &search);
	if (search.second) {
		diag_set(diag, NULL, 0,
			 "container %s: found the pods %s/%s and %s/%s, expected one whose "
			 "NAMESPACE-NAME is the container's id",
			 container_id, search.first->namespace, search.first->name,
			 search.second->namespace, search.second->name);
		return -EEXIST;
	}
	*ret = search.first;
	return 0;
}

static int copy_text(const char *from, char **to)
{
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

static int fill_endpoint(const struct workload *workload, struct endpoint *endpoint)
{
	endpoint->id = workload->id;
	endpoint->state = workload->state;
	endpoint->netns_cookie = workload->netns_cookie;
	endpoint->host_ifindex = workload->host_ifindex;
	endpoint->ipv4 = workload->ipv4;
	endpoint->ipv6 = workload->ipv6;
	endpoint->has_object = workload->has_object;
	if (copy_text(workload->container_id, &endpoint->container_id) < 0 ||
	    copy_text(workload->ifname, &endpoint->ifname) < 0 ||
	    copy_text(workload->netns, &endpoint->netns) < 0 ||
	    copy_text(workload->host_ifname, &endpoint->host_ifname) < 0)
		return -ENOMEM;
	return workload->run_labels ? labels_copy(workload->run_labels, &endpoint->run_labels) : 0;
}

int workload_object(const struct workload *workload, const char *name, struct object **ret)
{
	_cleanup_(object_unrefp) struct object *object =
		object_new(OBJECT_ENDPOINT, workload->namespace, name);
	int r;

	if (!object)
		return -ENOMEM;
	r = fill_endpoint(workload, &object->endpoint);
	if (r < 0)
		return r;
	for (size_t i = 0; workload->run_labels && i < workload->run_labels->count; i++) {
		const struct label *label = &workload->run_labels->items[i];

		r = labels_set(object->labels, label->source, label->key, label->value);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(object);
	return 0;
}
