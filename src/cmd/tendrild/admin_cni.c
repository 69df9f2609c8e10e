/* SPDX-License-Identifier: Apache-2.0 */
/* What container runtimes ask for, and `tendril run`. */
#include "admin.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "agent.h"
#include "base/address.h"
#include "base/util.h"
#include "model/names.h"

#define RUN_IFNAME "eth0"
#define LABELS_MAX 256

#define _cleanup_json_ _cleanup_(json_decrefp)

static const struct {
	unsigned int status;
	const char *code;
} refusals[] = {
	[REFUSED_INTERNAL] = { 500, "internal" },   [REFUSED_REQUEST] = { 400, "bad_request" },
	[REFUSED_AMBIGUOUS] = { 409, "ambiguous" }, [REFUSED_NO_NETNS] = { 404, "no_netns" },
	[REFUSED_EXHAUSTED] = { 507, "exhausted" }, [REFUSED_POLICY] = { 503, "not_enforced" },
	[REFUSED_UNKNOWN] = { 404, "unknown" },
};

static void reply_refusal(struct admin_response *response, enum endpoint_refusal refusal,
			  const struct diag *diag)
{
	admin_response_error(response, refusals[refusal].status, refusals[refusal].code, "%s",
			     diag->text);
}

static const char *text_of(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static struct endpoint_request request_of(const json_t *body)
{
	const json_t *args = json_object_get(body, "args");

	return (struct endpoint_request){
		.container_id = text_of(body, "container_id"),
		.ifname = text_of(body, "ifname"),
		.netns = text_of(body, "netns"),
		.network = text_of(body, "network"),
		.pod_namespace = text_of(args, "K8S_POD_NAMESPACE"),
		.pod_name = text_of(args, "K8S_POD_NAME"),
	};
}

static json_t *address_json(const struct td_addr *addr)
{
	char buf[ADDRESS_TEXT_MAX];

	return address_is_zero(addr) ? json_null() : json_string(address_format(addr, buf));
}

static void format_mac(const uint8_t mac[6], char text[static 18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

/* abi/config.h: the pod's MAC is a prefix and its id. */
static void pod_mac(uint32_t id, char text[static 18])
{
	const uint8_t mac[6] = { TD_POD_MAC0,         TD_POD_MAC1,        (uint8_t)(id >> 24),
				 (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };

	format_mac(mac, text);
}

static json_t *attachment_json(const struct agent *agent, const struct workload *workload)
{
	char mac[18], host_mac[18];

	pod_mac(workload->id, mac);
	format_mac(agent_host_mac, host_mac);
	return json_pack("{s:I, s:o, s:o, s:s, s:s, s:s, s:I, s:I}", "id", (json_int_t)workload->id,
			 "ipv4", address_json(&workload->ipv4), "ipv6",
			 address_json(&workload->ipv6), "mac", mac, "host_ifname",
			 workload->host_ifname, "host_mac", host_mac, "mtu",
			 (json_int_t)agent_mtu(agent), "identity", (json_int_t)workload->identity);
}

static void reply_add(struct agent *agent, const struct endpoint_request *request,
		      struct admin_response *response)
{
	const struct workload *workload = NULL;
	enum endpoint_refusal refusal = REFUSED_INTERNAL;
	struct diag diag = {};

	if (endpoints_add(agent->endpoints, request, &workload, &refusal, &diag) < 0)
		reply_refusal(response, refusal, &diag);
	else
		response->body = attachment_json(agent, workload);
}

ADMIN_HANDLER(admin_cni_add)
{
	_cleanup_json_ json_t *body = NULL;
	struct endpoint_request add;

	if (admin_request_json(request, response, &body) < 0)
		return;
	add = request_of(body);
	reply_add(data, &add, response);
}

ADMIN_HANDLER(admin_cni_del)
{
	_cleanup_json_ json_t *body = NULL;
	struct agent *agent = data;
	struct endpoint_request del;

	if (admin_request_json(request, response, &body) < 0)
		return;
	del = request_of(body);
	if (!del.container_id || !del.ifname) {
		admin_response_error(response, 400, "bad_request",
				     "expected container_id and ifname");
		return;
	}
	/* What could not be removed now is tried again; the runtime has done its part. */
	endpoints_delete(agent->endpoints, del.container_id, del.ifname);
}

static bool ip_is(const json_t *ip, const struct td_addr *addr)
{
	const char *text = text_of(ip, "address");
	struct prefix prefix;

	return text && prefix_parse(text, &prefix) == 0 && address_compare(&prefix.addr, addr) == 0;
}

/* Index of the interface in prevResult, -1 if it is not there. In the pod: those with a sandbox. */
static int interface_of(const json_t *result, const char *name, bool in_pod)
{
	const json_t *interfaces = json_object_get(result, "interfaces"), *interface;
	size_t i;

	json_array_foreach (interfaces, i, interface) {
		const char *found = text_of(interface, "name");
		const char *sandbox = text_of(interface, "sandbox");

		if (found && strcmp(found, name) == 0 && (sandbox && *sandbox) == in_pod)
			return (int)i;
	}
	return -1;
}

static bool has_ip(const json_t *result, const struct td_addr *addr)
{
	const json_t *ips = json_object_get(result, "ips"), *ip;
	size_t i;

	json_array_foreach (ips, i, ip)
		if (ip_is(ip, addr))
			return true;
	return address_is_zero(addr);
}

/* What prevResult says of this interface and the kernel does not; NULL: nothing. What it says of
 * others is their plugins' matter. */
static const char *result_differs(const json_t *result, const struct workload *workload)
{
	const json_t *ips = json_object_get(result, "ips"), *ip;
	int pod = interface_of(result, workload->ifname, true);
	char mac[18];
	size_t i;

	if (!has_ip(result, &workload->ipv4) || !has_ip(result, &workload->ipv6))
		return "an address of the interface is missing";
	if (!json_object_get(result, "interfaces"))
		return NULL;
	if (pod < 0 || interface_of(result, workload->host_ifname, false) < 0)
		return "the interface or its host end is missing";
	pod_mac(workload->id, mac);
	const char *said =
		text_of(json_array_get(json_object_get(result, "interfaces"), (size_t)pod), "mac");

	if (said && strcasecmp(said, mac) != 0)
		return "the interface has another MAC address";
	json_array_foreach (ips, i, ip) {
		const json_t *interface = json_object_get(ip, "interface");

		if (json_is_integer(interface) && json_integer_value(interface) == pod &&
		    !ip_is(ip, &workload->ipv4) && !ip_is(ip, &workload->ipv6))
			return "it names an address that the interface does not have";
	}
	return NULL;
}

ADMIN_HANDLER(admin_cni_check)
{
	_cleanup_json_ json_t *body = NULL;
	struct agent *agent = data;
	struct endpoint_request check;
	enum endpoint_refusal refusal = REFUSED_INTERNAL;
	const struct workload *workload;
	struct diag diag = {};
	const json_t *previous;
	const char *differs;

	if (admin_request_json(request, response, &body) < 0)
		return;
	check = request_of(body);
	if (endpoints_check(agent->endpoints, &check, &refusal, &diag) < 0) {
		reply_refusal(response, refusal, &diag);
		return;
	}
	workload = endpoints_find(agent->endpoints, check.container_id, check.ifname);
	previous = json_object_get(body, "prev_result");
	differs = previous ? result_differs(previous, workload) : NULL;
	if (differs)
		admin_response_error(response, 409, "differs", "prevResult: %s", differs);
}

static bool is_kept(const struct workload *workload, void *data)
{
	const json_t *valid = data, *item;
	size_t i;

	json_array_foreach (valid, i, item) {
		const char *id = text_of(item, "container_id"), *ifname = text_of(item, "ifname");

		if (id && ifname && strcmp(id, workload->container_id) == 0 &&
		    strcmp(ifname, workload->ifname) == 0)
			return true;
	}
	return false;
}

ADMIN_HANDLER(admin_cni_gc)
{
	_cleanup_json_ json_t *body = NULL;
	struct agent *agent = data;
	json_t *valid, *item;
	unsigned int removed;
	size_t i;

	if (admin_request_json(request, response, &body) < 0)
		return;
	valid = json_object_get(body, "valid");
	/* A list that was misread would take every pod's network away. */
	if (!json_is_array(valid)) {
		admin_response_error(response, 400, "bad_request",
				     "valid: found no list, expected the attachments to keep");
		return;
	}
	json_array_foreach (valid, i, item) {
		if (text_of(item, "container_id") && text_of(item, "ifname"))
			continue;
		admin_response_error(response, 400, "bad_request",
				     "valid[%zu]: expected container_id and ifname", i);
		return;
	}
	removed = endpoints_collect(agent->endpoints, text_of(body, "network"), is_kept, valid);
	response->body = json_pack("{s:I}", "removed", (json_int_t)removed);
}

ADMIN_HANDLER(admin_cni_status)
{
	const struct agent *agent = data;
	struct regenerate_stats stats = regenerate_stats(agent->regenerate);
	const struct ipam *ipam = agent->ipam;

	for (int family = 4; family <= 6; family += 2) {
		uint64_t capacity = ipam_capacity(ipam, family);

		if (capacity && ipam_used(ipam, family) >= capacity) {
			admin_response_error(response, 503, "exhausted",
					     "no IPv%d address left in ipam.ipv%d", family, family);
			return;
		}
	}
	if (stats.dirty & (DIRTY_POLICY | DIRTY_SUBJECTS) && stats.failures)
		admin_response_error(response, 503, "not_enforced",
				     "policies cannot be put in force; see tendril status");
}

/* "labels": {"app": "web"}, as a Pod has them; a key may have no source but k8s. */
static int labels_of(const json_t *body, struct admin_response *response, struct labels **ret)
{
	_cleanup_(labels_freep) struct labels *labels = labels_new();
	json_t *object = json_object_get(body, "labels"), *value;
	const char *key;

	if (!labels)
		return admin_response_error(response, 500, "internal", "out of memory");
	if (object && (!json_is_object(object) || json_object_size(object) > LABELS_MAX))
		return admin_response_error(response, 400, "bad_request",
					    "labels: expected a mapping of at most %d labels",
					    LABELS_MAX);
	json_object_foreach (object, key, value) {
		const char *text = json_string_value(value);

		if (!is_label_key(key) || !text || !is_label_value(text))
			return admin_response_error(
				response, 400, "bad_request",
				"labels: found '%.80s=%.80s', expected [PREFIX/]NAME=VALUE, name and "
				"value of at most 63 letters, digits, '-', '_' and '.'",
				key, text ? text : "");
		if (labels_set(labels, "k8s", key, text) < 0)
			return admin_response_error(response, 500, "internal", "out of memory");
	}
	*ret = take_ptr(labels);
	return 0;
}

ADMIN_HANDLER(admin_run)
{
	_cleanup_(labels_freep) struct labels *labels = NULL;
	_cleanup_json_ json_t *body = NULL;
	struct endpoint_request add;

	if (admin_request_json(request, response, &body) < 0)
		return;
	add = request_of(body);
	add.run = true;
	add.ifname = add.ifname ? add.ifname : RUN_IFNAME;
	add.pod_namespace = text_of(body, "namespace");
	add.pod_name = text_of(body, "name");
	/* They appear in flows and become part of selectors. */
	if (!add.pod_namespace || !is_dns_label(add.pod_namespace) || !add.pod_name ||
	    !is_dns_subdomain(add.pod_name)) {
		admin_response_error(
			response, 400, "bad_request",
			"namespace and name: expected lower-case letters, digits and '-', "
			"in names also '.'");
		return;
	}
	if (labels_of(body, response, &labels) < 0)
		return;
	add.run_labels = labels;
	reply_add(data, &add, response);
}
