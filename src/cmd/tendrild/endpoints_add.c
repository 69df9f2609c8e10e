/* SPDX-License-Identifier: Apache-2.0 */
/* From request to READY, and CHECK. */
#include "endpoints.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "agent.h"
#include "base/log.h"
#include "endpoints_internal.h"
#include "lockdown.h"
#include "sources.h"

#define DEFAULT_NAMESPACE "default"
#define ID_MAX            65535

/* What an ADD under way carries. */
struct adding {
	struct endpoints *endpoints;
	const struct endpoint_request *request;
	enum endpoint_refusal refusal;
	struct diag *diag;
};

static int refuse(struct adding *adding, int error, enum endpoint_refusal refusal)
{
	adding->refusal = refusal;
	return error;
}

static int check_request(struct adding *adding)
{
	const struct endpoint_request *request = adding->request;

	adding->refusal = REFUSED_REQUEST;
	if (!request->container_id || !workload_container_id_ok(request->container_id))
		return diag_set(
			adding->diag, NULL, 0,
			"container_id: found '%.80s', expected letters, digits, '_', '.', '-'",
			request->container_id ? request->container_id : "");
	if (!request->ifname || !workload_ifname_ok(request->ifname))
		return diag_set(adding->diag, NULL, 0,
				"ifname: found '%.80s', expected the name of an interface",
				request->ifname ? request->ifname : "");
	if (!request->netns || *request->netns != '/')
		return diag_set(adding->diag, NULL, 0,
				"netns: found '%.80s', expected an absolute path",
				request->netns ? request->netns : "");
	return 0;
}

static bool id_is_used(const struct endpoints *endpoints, uint32_t id)
{
	for (const struct workload *workload = endpoints->first; workload;
	     workload = workload->next)
		if (workload->id == id)
			return true;
	return false;
}

/* Round-robin, so that a device name is used again as late as possible. 0: all are taken. */
static uint32_t take_id(struct endpoints *endpoints)
{
	for (uint32_t tried = 0; tried < ID_MAX; tried++) {
		endpoints->last_id = endpoints->last_id % ID_MAX + 1;
		if (!id_is_used(endpoints, endpoints->last_id))
			return endpoints->last_id;
	}
	return 0;
}

static int name_from_request(const struct endpoint_request *request, struct workload *workload)
{
	const char *namespace = request->pod_namespace ? request->pod_namespace : DEFAULT_NAMESPACE;

	if (request->pod_name && *request->pod_name) {
		workload->namespace = strdup(*namespace ? namespace : DEFAULT_NAMESPACE);
		workload->name = strdup(request->pod_name);
	} else {
		workload->namespace = strdup("");
		workload->name = strdup(request->container_id);
	}
	return workload->namespace && workload->name ? 0 : -ENOMEM;
}

/* Whose labels it gets: those of `tendril run`, or of a Pod that is there already. */
static int bind_to_pod(struct adding *adding, struct workload *workload)
{
	const struct store *store = adding->endpoints->agent->store;
	const struct object *pod = NULL;

	if (workload->run_labels) {
		workload->has_object = true;
		return 0;
	}
	if (*workload->namespace) {
		pod = store_get(store, OBJECT_POD, workload->namespace, workload->name);
	} else {
		int r = workload_find_pod(store, workload->container_id, &pod, adding->diag);

		if (r < 0)
			return refuse(adding, r, REFUSED_AMBIGUOUS);
		if (pod) {
			free(workload->namespace);
			free(workload->name);
			workload->namespace = strdup(pod->namespace);
			workload->name = strdup(pod->name);
			if (!workload->namespace || !workload->name)
				return -ENOMEM;
		}
	}
	workload->has_object = pod != NULL;
	return 0;
}

static int fill(struct adding *adding, struct workload *workload)
{
	const struct endpoint_request *request = adding->request;
	int r;

	workload->state = ENDPOINT_CREATING;
	workload->run = request->run;
	workload->container_id = strdup(request->container_id);
	workload->ifname = strdup(request->ifname);
	workload->netns = strdup(request->netns);
	workload->network = request->network ? strdup(request->network) : NULL;
	if (!workload->container_id || !workload->ifname || !workload->netns ||
	    asprintf(&workload->host_ifname, "%s%u", adding->endpoints->prefix, workload->id) < 0)
		return -ENOMEM;
	if (request->run_labels) {
		r = labels_copy(request->run_labels, &workload->run_labels);
		if (r < 0)
			return r;
	}
	r = name_from_request(request, workload);
	return r < 0 ? r : bind_to_pod(adding, workload);
}

/* Makes room if all that is missing is the kernel's unlinking of deleted devices. */
static bool wait_for_deletion(struct endpoints *endpoints)
{
	for (struct workload *workload = endpoints->first; workload; workload = workload->next) {
		if (workload->state != ENDPOINT_DELETING)
			continue;
		uint32_t id = workload->id;

		endpoints_remove(endpoints, workload, true);
		return !id_is_used(endpoints, id);
	}
	return false;
}

static int take_address(struct adding *adding, int family, struct td_addr *ret)
{
	struct ipam *ipam = adding->endpoints->agent->ipam;
	int r = ipam_take(ipam, family, ret);

	while (r == -ENOSPC && wait_for_deletion(adding->endpoints))
		r = ipam_take(ipam, family, ret);
	if (r == -EAFNOSUPPORT)
		return 0;
	if (r == -ENOSPC) {
		diag_set(adding->diag, NULL, 0,
			 "no IPv%d address left: all %llu of ipam.ipv%d are in use", family,
			 (unsigned long long)ipam_capacity(ipam, family), family);
		return refuse(adding, r, REFUSED_EXHAUSTED);
	}
	return r;
}

static void link_workload(struct endpoints *endpoints, struct workload *workload)
{
	struct workload **at = &endpoints->first;

	while (*at)
		at = &(*at)->next;
	*at = workload;
}

static struct datapath_device device_of(const struct workload *workload, const char *netns,
					uint32_t mtu)
{
	return (struct datapath_device){
		.endpoint_id = workload->id,
		.host_ifname = workload->host_ifname,
		.pod_ifname = workload->ifname,
		.netns = netns,
		.ipv4 = workload->ipv4,
		.ipv6 = workload->ipv6,
		.mtu = mtu,
	};
}

static int add_device(struct adding *adding, struct workload *workload)
{
	struct agent *agent = adding->endpoints->agent;
	struct datapath_device device = device_of(workload, workload->netns, agent_mtu(agent));
	int r = datapath_device_add(agent->datapath, &device, &workload->host_ifindex,
				    &workload->netns_cookie, adding->diag);

	if (r == -ENOENT)
		return refuse(adding, r, REFUSED_NO_NETNS);
	if (r == -EEXIST)
		return refuse(adding, r, REFUSED_AMBIGUOUS);
	return r;
}

/* diag_set() keeps what is said first. */
static void tell_not_enforced(const struct agent *agent, int error, struct diag *diag)
{
	const char *missing = sources_missing(agent->sources);

	if (missing)
		diag_set(diag, NULL, 0,
			 "%s/objects/%s cannot be read and may be a policy for it, so it is not "
			 "connected; see tendril status",
			 agent->settings.state_dir, missing);
	diag_set(diag, NULL, 0, "its policy could not be put in force (%s), so it is not connected",
		 log_strerror(error));
}

static int enforce(struct adding *adding, const struct workload *workload)
{
	const struct agent *agent = adding->endpoints->agent;
	int r = regenerate_now(agent->regenerate);

	if (r == 0 && lockdown_has(agent, workload->identity))
		r = -E2BIG;
	if (r == 0)
		return 0;
	tell_not_enforced(agent, r, adding->diag);
	return refuse(adding, r, REFUSED_POLICY);
}

/* Everything after the workload is in the list; on error the caller takes it out again. */
static int bring_up(struct adding *adding, struct workload *workload)
{
	struct endpoints *endpoints = adding->endpoints;
	int r = take_address(adding, 4, &workload->ipv4);

	if (r == 0)
		r = take_address(adding, 6, &workload->ipv6);
	if (r == 0)
		r = endpoints_record(endpoints, workload);
	if (r == 0)
		r = endpoints_publish(endpoints, workload);
	if (r == 0)
		r = enforce(adding, workload); /* identity and policy, before there is a device */
	if (r == 0)
		r = add_device(adding, workload);
	if (r < 0)
		return r;
	workload->state = ENDPOINT_READY;
	r = endpoints_record(endpoints, workload);
	if (r == 0)
		r = endpoints_publish(endpoints, workload);
	if (r == 0)
		r = enforce(adding,
			    workload); /* who is behind the device: until now it passed nothing */
	return r;
}

/* A runtime that detaches and attaches again finds the name free: the kernel may still be unlinking
 * the interface that had it. */
static void finish_deletion(const struct adding *adding)
{
	const struct endpoint_request *request = adding->request;

	for (struct workload *workload = adding->endpoints->first, *next; workload;
	     workload = next) {
		next = workload->next;
		if (workload->state == ENDPOINT_DELETING &&
		    strcmp(workload->ifname, request->ifname) == 0 &&
		    (strcmp(workload->container_id, request->container_id) == 0 ||
		     strcmp(workload->netns, request->netns) == 0))
			endpoints_remove(adding->endpoints, workload, true);
	}
}

/* The attachment that is there already, if it is alive and the same. */
static struct workload *adopt_existing(struct adding *adding)
{
	const struct endpoint_request *request = adding->request;
	struct endpoints *endpoints = adding->endpoints;
	struct workload *workload =
		endpoints_find(endpoints, request->container_id, request->ifname);
	struct datapath_device device;
	struct diag diag = {};

	if (!workload)
		return NULL;
	device = device_of(workload, request->netns, agent_mtu(endpoints->agent));
	if (workload->state == ENDPOINT_READY &&
	    datapath_device_check(endpoints->agent->datapath, &device, workload->host_ifindex,
				  &diag) == 0)
		return workload;
	log_info("endpoints", "made anew", LOG_UINT("endpoint", workload->id),
		 LOG_STR("because", diag.text));
	endpoints_remove(endpoints, workload, true);
	return NULL;
}

static int make_workload(struct adding *adding, struct workload **ret)
{
	_cleanup_(workload_freep) struct workload *workload = calloc(1, sizeof(*workload));
	int r;

	if (!workload)
		return -ENOMEM;
	workload->id = take_id(adding->endpoints);
	if (!workload->id) {
		diag_set(adding->diag, NULL, 0, "no endpoint id left: all %d are in use", ID_MAX);
		return refuse(adding, -ENOSPC, REFUSED_EXHAUSTED);
	}
	r = fill(adding, workload);
	if (r < 0)
		return r;
	*ret = take_ptr(workload);
	return 0;
}

static int add(struct adding *adding, const struct workload **ret)
{
	struct workload *workload;
	int r = check_request(adding);

	if (r < 0)
		return r;
	adding->refusal = REFUSED_INTERNAL;
	finish_deletion(adding);
	workload = adopt_existing(adding);
	if (workload) {
		*ret = workload;
		return 0;
	}
	r = make_workload(adding, &workload);
	if (r < 0)
		return r;
	link_workload(adding->endpoints, workload);
	endpoints_drop_tombstone(adding->endpoints, workload);
	r = bring_up(adding, workload);
	if (r < 0) {
		endpoints_remove(adding->endpoints, workload, true);
		return r;
	}
	log_info("endpoints", "added", LOG_UINT("endpoint", workload->id),
		 LOG_STR("namespace", workload->namespace), LOG_STR("pod", workload->name),
		 LOG_STR("container", workload->container_id),
		 LOG_UINT("identity", workload->identity));
	*ret = workload;
	return 0;
}

int endpoints_add(struct endpoints *endpoints, const struct endpoint_request *request,
		  const struct workload **ret, enum endpoint_refusal *ret_refusal,
		  struct diag *diag)
{
	struct adding adding = { .endpoints = endpoints, .request = request, .diag = diag };
	int r = add(&adding, ret);

	if (r < 0) {
		if (!diag_is_set(diag))
			diag_set(diag, NULL, 0, "%s", log_strerror(r));
		*ret_refusal = adding.refusal;
	}
	return r;
}

int endpoints_check(struct endpoints *endpoints, const struct endpoint_request *request,
		    enum endpoint_refusal *ret_refusal, struct diag *diag)
{
	struct adding adding = { .endpoints = endpoints, .request = request, .diag = diag };
	struct workload *workload;
	struct datapath_device device;
	int r = check_request(&adding);

	*ret_refusal = REFUSED_REQUEST;
	if (r < 0)
		return r;
	*ret_refusal = REFUSED_UNKNOWN;
	workload = endpoints_find(endpoints, request->container_id, request->ifname);
	if (!workload || workload->state != ENDPOINT_READY) {
		diag_set(diag, NULL, 0, "container %.80s has no interface %s here",
			 request->container_id, request->ifname);
		return -ENOENT;
	}
	*ret_refusal = REFUSED_INTERNAL;
	device = device_of(workload, request->netns, agent_mtu(endpoints->agent));
	r = datapath_device_check(endpoints->agent->datapath, &device, workload->host_ifindex,
				  diag);
	if (r < 0 && !diag_is_set(diag))
		diag_set(diag, NULL, 0, "%s: %s", workload->host_ifname, log_strerror(r));
	return r;
}
