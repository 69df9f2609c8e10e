/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoints.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <uv.h>

#include "agent.h"
#include "base/fsutil.h"
#include "base/log.h"
#include "endpoints_internal.h"
#include "node_watch.h"

#define RETRY_MS 3000

int endpoints_new(struct agent *agent, struct endpoints **ret)
{
	_cleanup_(endpoints_freep) struct endpoints *endpoints = calloc(1, sizeof(*endpoints));
	_cleanup_free_ char *tombstones = NULL;
	int r;

	if (!endpoints)
		return -ENOMEM;
	endpoints->agent = agent;
	endpoints->query_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (endpoints->query_fd < 0)
		return -errno;
	settings_device_prefix(&agent->settings, endpoints->prefix);
	if (asprintf(&endpoints->dir, "%s/endpoints", agent->settings.run_dir) < 0 ||
	    asprintf(&tombstones, "%s/tombstones", agent->settings.run_dir) < 0)
		return -ENOMEM;
	r = dir_make(endpoints->dir, 0700);
	if (r == 0)
		r = dir_make(tombstones, 0700);
	if (r < 0)
		return r;
	endpoints->tombstones = take_ptr(tombstones);
	endpoints->retry_timer = malloc(sizeof(*endpoints->retry_timer));
	if (!endpoints->retry_timer)
		return -ENOMEM;
	uv_timer_init(agent->loop, endpoints->retry_timer);
	endpoints->retry_timer->data = endpoints;
	*ret = take_ptr(endpoints);
	return 0;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

void endpoints_free(struct endpoints *endpoints)
{
	if (!endpoints)
		return;
	while (endpoints->first) {
		struct workload *workload = endpoints->first;

		endpoints->first = workload->next;
		workload_free(workload);
	}
	if (endpoints->retry_timer)
		uv_close((uv_handle_t *)endpoints->retry_timer, free_handle);
	closep(&endpoints->query_fd);
	free(endpoints->dir);
	free(endpoints->tombstones);
	free(endpoints);
}

struct workload *endpoints_first(const struct endpoints *endpoints)
{
	return endpoints->first;
}

struct workload *endpoints_find(const struct endpoints *endpoints, const char *container_id,
				const char *ifname)
{
	for (struct workload *workload = endpoints->first; workload; workload = workload->next)
		if (workload->state != ENDPOINT_DELETING &&
		    strcmp(workload->container_id, container_id) == 0 &&
		    strcmp(workload->ifname, ifname) == 0)
			return workload;
	return NULL;
}

static char *record_path(const struct endpoints *endpoints, uint32_t id)
{
	char *path = NULL;

	return asprintf(&path, "%s/%u.json", endpoints->dir, id) < 0 ? NULL : path;
}

int endpoints_record(struct endpoints *endpoints, const struct workload *workload)
{
	_cleanup_free_ char *path = record_path(endpoints, workload->id);
	_cleanup_free_ char *text = workload_save(workload);

	if (!path || !text)
		return -ENOMEM;
	return file_replace(path, text, strlen(text), 0600, false);
}

/* The other workload of the same Pod name that has the plain name in the store. */
static struct workload *holder_of_name(struct endpoints *endpoints, const struct workload *workload)
{
	for (struct workload *other = endpoints->first; other; other = other->next)
		if (other != workload && other->object &&
		    strcmp(other->object->namespace, workload->namespace) == 0 &&
		    strcmp(other->object->name, workload->name) == 0)
			return other;
	return NULL;
}

static int suffixed_object(const struct workload *workload, struct object **ret)
{
	_cleanup_free_ char *name = NULL;

	if (asprintf(&name, "%s#%u", workload->name, workload->id) < 0)
		return -ENOMEM;
	return workload_object(workload, name, ret);
}

static void add_put(struct store_change *changes, size_t *count, struct object *object)
{
	changes[(*count)++] = (struct store_change){ .origin = STORE_AGENT, .object = object };
}

static void add_delete(struct store_change *changes, size_t *count, const struct object *object)
{
	changes[(*count)++] = (struct store_change){ .origin = STORE_AGENT,
						     .kind = OBJECT_ENDPOINT,
						     .namespace = object->namespace,
						     .name = object->name };
}

static bool same_key(const struct object *a, const struct object *b)
{
	return strcmp(a->namespace, b->namespace) == 0 && strcmp(a->name, b->name) == 0;
}

static void replace_object(struct workload *workload, struct object *object)
{
	object_unref(workload->object);
	workload->object = object;
}

/* The store has one object per name: the newest container of a Pod has the Pod's own, an older one
 * that still runs, or a container's second interface, has its id behind it. */
int endpoints_publish(struct endpoints *endpoints, struct workload *workload)
{
	_cleanup_(object_unrefp) struct object *object = NULL, *moved = NULL;
	struct workload *holder = holder_of_name(endpoints, workload);
	struct store_change changes[3];
	struct diag diag = {};
	size_t count = 0;
	int r;

	if (holder && (strcmp(holder->container_id, workload->container_id) == 0 ||
		       (workload->object && holder->id > workload->id)))
		r = suffixed_object(workload, &object);
	else
		r = workload_object(workload, workload->name, &object);
	if (r < 0)
		return r;
	if (holder && strcmp(object->name, workload->name) == 0) {
		r = suffixed_object(holder, &moved);
		if (r < 0)
			return r;
		add_put(changes, &count, moved);
	}
	add_put(changes, &count, object);
	if (workload->object && !same_key(workload->object, object))
		add_delete(changes, &count, workload->object);
	r = store_commit(endpoints->agent->store, changes, count, &diag);
	if (r < 0)
		return r;
	if (moved)
		replace_object(holder, take_ptr(moved));
	replace_object(workload, take_ptr(object));
	return 0;
}

/* Memory is all that can be missing, and then the object stays until the next change. */
static void unpublish(struct endpoints *endpoints, struct workload *workload)
{
	struct store_change change;
	struct diag diag = {};
	size_t count = 0;

	if (!workload->object)
		return;
	add_delete(&change, &count, workload->object);
	if (store_commit(endpoints->agent->store, &change, 1, &diag) == 0)
		replace_object(workload, NULL);
}

void endpoints_forget(struct endpoints *endpoints, struct workload *workload)
{
	_cleanup_free_ char *path = record_path(endpoints, workload->id);
	struct workload **at = &endpoints->first;

	unpublish(endpoints, workload);
	regenerate_workload_gone(endpoints->agent->regenerate, workload);
	ipam_release(endpoints->agent->ipam, &workload->ipv4);
	ipam_release(endpoints->agent->ipam, &workload->ipv6);
	if (path)
		unlink(path);
	while (*at && *at != workload)
		at = &(*at)->next;
	if (*at)
		*at = workload->next;
	workload_free(workload);
}

/* As if_nametoindex(), without a socket for each question. */
static bool device_is_gone(const struct endpoints *endpoints, const struct workload *workload)
{
	struct ifreq request = {};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", workload->host_ifname);
	return ioctl(endpoints->query_fd, SIOCGIFINDEX, &request) < 0 && errno == ENODEV;
}

static void retry_deletions(uv_timer_t *timer)
{
	struct endpoints *endpoints = timer->data;

	for (struct workload *workload = endpoints->first, *next; workload; workload = next) {
		next = workload->next;
		if (workload->state == ENDPOINT_DELETING)
			endpoints_remove(endpoints, workload, false);
	}
}

void endpoints_device_gone(struct endpoints *endpoints, const char *host_ifname, int error)
{
	struct problems *problems = &endpoints->agent->problems;
	struct workload *workload = endpoints->first;

	while (workload && (workload->state != ENDPOINT_DELETING ||
			    strcmp(workload->host_ifname, host_ifname) != 0))
		workload = workload->next;
	if (!workload)
		return;
	if (error < 0 && !device_is_gone(endpoints, workload)) {
		problem_set(problems, "reap", "its address is not given out again",
			    "tried again every few seconds; see the log",
			    "device %s of a deleted pod does not go away: %s", host_ifname,
			    log_strerror(error));
		uv_timer_start(endpoints->retry_timer, retry_deletions, RETRY_MS, 0);
		return;
	}
	problem_clear(problems, "reap");
	endpoints_forget(endpoints, workload);
}

int endpoints_remove(struct endpoints *endpoints, struct workload *workload, bool wait)
{
	int r;

	workload->state = ENDPOINT_DELETING;
	r = endpoints_record(endpoints, workload);
	if (r < 0)
		log_warn("endpoints", "record not written; the device goes all the same",
			 LOG_UINT("endpoint", workload->id), LOG_ERR(r));
	r = datapath_device_delete(endpoints->agent->datapath, workload->host_ifname, wait);
	if (r < 0)
		log_error("endpoints", "device not deleted; its address stays in use",
			  LOG_STR("device", workload->host_ifname), LOG_ERR(r));
	unpublish(endpoints, workload);
	regenerate_mark(endpoints->agent->regenerate, DIRTY_ENDPOINTS);
	if (device_is_gone(endpoints, workload))
		endpoints_forget(endpoints, workload);
	else if (r < 0)
		uv_timer_start(endpoints->retry_timer, retry_deletions, RETRY_MS, 0);
	else if (endpoints->agent->node_watch)
		node_watch_reap(endpoints->agent->node_watch);
	return r;
}

int endpoints_delete(struct endpoints *endpoints, const char *container_id, const char *ifname)
{
	struct workload *workload = endpoints_find(endpoints, container_id, ifname);

	if (!workload)
		return 0;
	log_info("endpoints", "deleted", LOG_UINT("endpoint", workload->id),
		 LOG_STR("container", container_id), LOG_STR("pod", workload->name));
	return endpoints_remove(endpoints, workload, false);
}

unsigned int endpoints_collect(struct endpoints *endpoints, const char *network,
			       bool (*keep)(const struct workload *workload, void *data),
			       void *data)
{
	unsigned int removed = 0;

	for (struct workload *workload = endpoints->first, *next; workload; workload = next) {
		bool same_network = network && workload->network
					    ? strcmp(network, workload->network) == 0
					    : !network && !workload->network;

		next = workload->next;
		if (workload->run || workload->state == ENDPOINT_DELETING || !same_network ||
		    keep(workload, data))
			continue;
		log_info("endpoints", "collected: its runtime does not know it any more",
			 LOG_UINT("endpoint", workload->id),
			 LOG_STR("container", workload->container_id));
		endpoints_remove(endpoints, workload, false);
		removed++;
	}
	return removed;
}

void endpoints_notice_vanished(struct endpoints *endpoints)
{
	for (struct workload *workload = endpoints->first, *next; workload; workload = next) {
		next = workload->next;
		if (workload->state != ENDPOINT_READY || !device_is_gone(endpoints, workload))
			continue;
		log_info("endpoints", "gone with its network namespace",
			 LOG_UINT("endpoint", workload->id), LOG_STR("pod", workload->name));
		endpoints_remove(endpoints, workload, false);
	}
}

/* A Pod that a workload can be bound to; NULL if there is none. May name the workload. */
static const struct object *find_pod(struct endpoints *endpoints, struct workload *workload)
{
	const struct object *pod = NULL;
	struct diag diag = {};

	if (*workload->namespace)
		return store_get(endpoints->agent->store, OBJECT_POD, workload->namespace,
				 workload->name);
	if (workload_find_pod(endpoints->agent->store, workload->container_id, &pod, &diag) < 0) {
		log_warn("endpoints", diag.text, LOG_UINT("endpoint", workload->id));
		return NULL;
	}
	return pod;
}

static int rename_workload(struct workload *workload, const struct object *pod)
{
	_cleanup_free_ char *namespace = strdup(pod->namespace), *name = strdup(pod->name);

	if (!namespace || !name)
		return -ENOMEM;
	free(workload->namespace);
	free(workload->name);
	workload->namespace = take_ptr(namespace);
	workload->name = take_ptr(name);
	return 0;
}

void endpoints_bind(struct endpoints *endpoints)
{
	for (struct workload *workload = endpoints->first; workload; workload = workload->next) {
		const struct object *pod;
		bool named = false;

		if (workload->run_labels || workload->state == ENDPOINT_DELETING)
			continue;
		pod = find_pod(endpoints, workload);
		if (pod && !*workload->namespace)
			named = rename_workload(workload, pod) == 0;
		if (!named && workload->has_object == (pod != NULL))
			continue;
		workload->has_object = pod != NULL;
		endpoints_publish(endpoints, workload);
		if (named)
			endpoints_record(endpoints, workload);
	}
}
