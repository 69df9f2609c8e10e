/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of what is: endpoints, identities, policies, services, connections, maps, settings. */
#include "admin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/conntrack.h"
#include "abi/drop.h"
#include "abi/policy.h"
#include "admin_json.h"
#include "agent.h"
#include "base/address.h"
#include "base/config.h"
#include "base/util.h"
#include "model/group.h"

#define CONNECTIONS_MAX 100000

ADMIN_HANDLER(admin_config)
{
	struct agent *agent = data;

	response->body = json_object();
	for (size_t i = 0; i < settings_table.count; i++) {
		const struct config_key *key = &settings_table.keys[i];
		_cleanup_free_ char *text = config_format(key, &agent->settings);

		json_object_set_new(response->body, key->name, json_string(text ? text : ""));
	}
}

/* Who put a workload into audit mode; null: it is not. */
static json_t *audit_json(const struct agent *agent, const struct workload *workload)
{
	static const char *const scopes[] = {
		[OBJECT_POD] = "endpoint", [OBJECT_NAMESPACE] = "namespace", [OBJECT_NODE] = "node"
	};
	enum object_kind by;

	if (!agent->modes ||
	    !policy_modes_workload_audited(agent->modes, workload->namespace, workload->name, &by))
		return json_null();
	return json_string(scopes[by]);
}

ADMIN_HANDLER(admin_endpoints)
{
	const struct agent *agent = data;
	json_t *list = json_array();

	for (struct workload *workload = endpoints_first(agent->endpoints); workload;
	     workload = workload->next) {
		json_t *json = workload_json(workload);

		json_object_set_new(json, "audit", audit_json(agent, workload));
		json_array_append_new(list, json);
	}
	response->body = json_pack("{s:o}", "endpoints", list);
}

static int add_identity(const struct identity *identity, void *data)
{
	json_t *labels = json_array();

	for (size_t i = 0; i < identity->labels->count; i++) {
		const struct label *label = &identity->labels->items[i];
		int len = label_format(label, NULL, 0);
		_cleanup_free_ char *text = malloc((size_t)len + 1);

		if (!text)
			break;
		label_format(label, text, (size_t)len + 1);
		json_array_append_new(labels, json_string(text));
	}
	return json_array_append_new(data, json_pack("{s:I, s:I, s:o}", "number",
						     (json_int_t)identity->number, "refs",
						     (json_int_t)identity->refs, "labels", labels));
}

static int by_number(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "number"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "number"));

	return (x > y) - (x < y);
}

static json_t *sorted_by_number(json_t *list)
{
	size_t count = json_array_size(list), i;
	_cleanup_free_ json_t **items = calloc(count ? count : 1, sizeof(*items));
	json_t *sorted = json_array(), *item;

	if (!items || !sorted) {
		json_decref(sorted);
		return list;
	}
	json_array_foreach (list, i, item)
		items[i] = item;
	qsort(items, count, sizeof(*items), by_number);
	for (i = 0; i < count; i++)
		json_array_append(sorted, items[i]);
	json_decref(list);
	return sorted;
}

ADMIN_HANDLER(admin_identities)
{
	const struct agent *agent = data;
	json_t *list = json_array();
	const struct policy_cidr *cidrs;
	size_t count;

	identities_for_each(agent->identities, add_identity, list);
	cidrs = policy_engine_cidrs(agent->engine, &count);
	for (size_t i = 0; i < count; i++) {
		char prefix[PREFIX_TEXT_MAX], text[PREFIX_TEXT_MAX + 8];

		snprintf(text, sizeof(text), "cidr:%s", prefix_format(&cidrs[i].prefix, prefix));
		json_array_append_new(list,
				      json_pack("{s:I, s:[s]}", "number",
						(json_int_t)cidrs[i].identity, "labels", text));
	}
	response->body = json_pack("{s:o}", "identities", sorted_by_number(list));
}

/* How many workloads on this node some spec of a policy selects. */
static json_int_t count_selected(const struct agent *agent, const struct policy *policy)
{
	json_int_t selected = 0;

	for (const struct workload *workload = endpoints_first(agent->endpoints); workload;
	     workload = workload->next) {
		const struct identity *identity =
			identities_find(agent->identities, workload->identity);
		bool hit = false;

		if (workload->state == ENDPOINT_DELETING || !identity)
			continue;
		for (size_t i = 0; i < policy->spec_count && !hit; i++)
			hit = selector_matches(policy->specs[i].subject, identity->labels);
		selected += hit;
	}
	return selected;
}

struct listing {
	struct agent *agent;
	json_t *list;
};

static json_t *object_head(const struct object *object)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:s?}", "kind", object_kind_name(object->kind),
				 "namespace", object->namespace, "name", object->name, "file",
				 object->file);

	if (object->line)
		json_object_set_new(json, "line", json_integer(object->line));
	return json;
}

static int add_missing(const struct group_ref *ref, void *data)
{
	_cleanup_free_ char *text = group_ref_format(ref);

	return json_array_append_new(data, json_string(text ? text : "?"));
}

static int add_policy(const struct object *object, void *data)
{
	struct listing *listing = data;
	json_t *json = object_head(object);
	json_t *missing = json_array();
	json_int_t rules = 0;

	policy_engine_for_each_missing(listing->agent->engine, object->kind, object->namespace,
				       object->name, add_missing, missing);
	for (size_t i = 0; i < object->policy.spec_count; i++)
		rules += (json_int_t)object->policy.specs[i].rule_count;
	json_object_set_new(json, "rules", json_integer(rules));
	json_object_set_new(json, "selects",
			    json_integer(count_selected(listing->agent, &object->policy)));
	json_object_set_new(json, "missing", missing);
	json_object_set_new(json, "audit",
			    json_boolean(policy_engine_is_audited(listing->agent->engine, object)));
	return json_array_append_new(listing->list, json);
}

ADMIN_HANDLER(admin_policies)
{
	static const enum object_kind kinds[] = { OBJECT_NETWORK_POLICY,
						  OBJECT_CILIUM_NETWORK_POLICY,
						  OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY };
	struct listing listing = { .agent = data, .list = json_array() };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		store_for_each(listing.agent->store, kinds[i], add_policy, &listing);
	response->body = json_pack("{s:o}", "policies", listing.list);
}

static const char *protocol_name(uint8_t protocol, char buf[static 8])
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	case IPPROTO_ICMP:
		return "ICMPv4";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	}
	snprintf(buf, 8, "%u", protocol);
	return buf;
}

#define ENDPOINT_TEXT_MAX (ADDRESS_TEXT_MAX + 10)

/* "10.0.0.1:80", "[fd00::1]:80"; without ports the address alone. */
static const char *endpoint_text(const struct td_addr *addr, uint16_t port, bool has_port,
				 char buf[static ENDPOINT_TEXT_MAX])
{
	char text[ADDRESS_TEXT_MAX];

	address_format(addr, text);
	if (!has_port)
		snprintf(buf, ENDPOINT_TEXT_MAX, "%s", text);
	else if (address_is_ipv4(addr))
		snprintf(buf, ENDPOINT_TEXT_MAX, "%s:%u", text, port);
	else
		snprintf(buf, ENDPOINT_TEXT_MAX, "[%s]:%u", text, port);
	return buf;
}

static json_t *frontend_json(const struct service_frontend *frontend)
{
	char text[ENDPOINT_TEXT_MAX], protocol[8];
	json_t *backends = json_array();

	for (size_t i = 0; i < frontend->backend_count; i++)
		json_array_append_new(backends, json_string(endpoint_text(
							&frontend->backends[i].addr,
							frontend->backends[i].port, true, text)));
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "namespace", frontend->namespace, "name",
			 frontend->name, "frontend",
			 endpoint_text(&frontend->addr, frontend->port, true, text), "protocol",
			 protocol_name(frontend->protocol, protocol), "backends", backends);
}

ADMIN_HANDLER(admin_services)
{
	const struct agent *agent = data;
	_cleanup_(service_table_freep) struct service_table *table = NULL;
	json_t *list;

	if (service_table_build(agent->store, &table, NULL, NULL) < 0) {
		admin_response_error(response, 500, "internal", "out of memory");
		return;
	}
	list = json_array();
	for (size_t i = 0; i < table->count; i++)
		json_array_append_new(list, frontend_json(&table->items[i]));
	response->body = json_pack("{s:o}", "services", list);
}

static const char *drop_name(uint8_t reason)
{
	switch ((enum td_drop)reason) {
	case TD_DROP_NONE:
		return NULL;
#define TD_DROP(number, name, text)                                                                \
	case TD_DROP_##name:                                                                       \
		return text;
#include "abi/drop_reasons.def"
#undef TD_DROP
	}
	return "unknown";
}

static uint32_t now_tick(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)(((uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec) >>
			  TD_TICK_SHIFT);
}

static json_int_t seconds_left(uint32_t expires)
{
	int32_t ticks = (int32_t)(expires - now_tick());

	return ticks > 0 ? (json_int_t)(TD_TICKS_TO_MS((uint32_t)ticks) / 1000) : 0;
}

static json_t *connection_json(const struct td_ct_key *key, const struct td_ct *ct)
{
	static const char *const states[] = {
		[TD_CT_NEW] = "new",         [TD_CT_ESTABLISHED] = "established",
		[TD_CT_CLOSING] = "closing", [TD_CT_TIME_WAIT] = "time-wait",
		[TD_CT_RESET] = "reset",     [TD_CT_DENIED] = "denied",
	};
	int from = ct->flags & TD_CT_INITIATOR_HIGH ? 1 : 0;
	bool ports = key->protocol == IPPROTO_TCP || key->protocol == IPPROTO_UDP ||
		     key->protocol == IPPROTO_SCTP;
	char source[ENDPOINT_TEXT_MAX], destination[ENDPOINT_TEXT_MAX], nat[ENDPOINT_TEXT_MAX];
	char protocol[8];
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s?}",
		"protocol", protocol_name(key->protocol, protocol), "source",
		endpoint_text(&key->addr[from], ntohs(key->port[from]), ports, source),
		"destination",
		endpoint_text(&key->addr[!from], ntohs(key->port[!from]), ports, destination),
		"state", ct->state < ARRAY_SIZE(states) ? states[ct->state] : "?", "expires_s",
		seconds_left(ct->expires), "packets", (json_int_t)ct->packets[0], "bytes",
		(json_int_t)ct->bytes[0], "reply_packets", (json_int_t)ct->packets[1],
		"reply_bytes", (json_int_t)ct->bytes[1], "source_identity",
		(json_int_t)ct->identity[0], "destination_identity", (json_int_t)ct->identity[1],
		"egress_rule", (json_int_t)ct->rule[0], "ingress_rule", (json_int_t)ct->rule[1],
		"reason", ct->state == TD_CT_DENIED ? drop_name(ct->reason) : NULL);

	json_object_set_new(json, "audited",
			    json_boolean(ct->match & (TD_MATCH_AUDIT | TD_MATCH_AUDIT << 4)));
	if (ct->flags & TD_CT_NAT)
		json_object_set_new(
			json, "masquerade",
			json_string(endpoint_text(&ct->nat_addr, ntohs(ct->nat_port), true, nat)));
	return json;
}

static int add_connection(const struct td_ct_key *key, const struct td_ct *ct, void *data)
{
	/* What has ended and only waits for its place to be taken is no connection. */
	if ((int32_t)(ct->expires - now_tick()) <= 0)
		return 0;
	if (json_array_size(data) >= CONNECTIONS_MAX)
		return 1;
	return json_array_append_new(data, connection_json(key, ct));
}

ADMIN_HANDLER(admin_connections)
{
	const struct agent *agent = data;
	json_t *list = json_array();
	int r = datapath_for_each_connection(agent->datapath, add_connection, list);

	response->body = json_pack("{s:o, s:b}", "connections", list, "truncated", r > 0);
}

json_t *admin_maps_json(struct agent *agent)
{
	_cleanup_free_ struct datapath_map_info *maps = NULL;
	json_t *list = json_array();
	size_t count = 0;

	if (datapath_maps(agent->datapath, &maps, &count) < 0)
		return list;
	for (size_t i = 0; i < count; i++) {
		json_t *map = json_pack("{s:s, s:I, s:I}", "name", maps[i].name, "max_entries",
					(json_int_t)maps[i].max_entries, "memory",
					(json_int_t)maps[i].memory);

		if (maps[i].used != UINT64_MAX)
			json_object_set_new(map, "used", json_integer((json_int_t)maps[i].used));
		json_array_append_new(list, map);
	}
	return list;
}

ADMIN_HANDLER(admin_maps)
{
	response->body = json_pack("{s:o}", "maps", admin_maps_json(data));
}
