/* SPDX-License-Identifier: Apache-2.0 */
#include "publish.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "base/log.h"

static void put(struct agent *agent, const Tendril__Tables__Update *update)
{
	int r = tables_server_put(agent->tables, update);

	if (r == 0)
		return;
	publish_mark(agent, UINT_MAX); /* again with the next change */
	log_warn("publish", "an entry is not shown to the observer", LOG_ERR(r));
}

void publish_mark(struct agent *agent, unsigned int kinds)
{
	agent->stale_tables |= kinds;
}

static int put_identity(const struct identity *identity, void *data)
{
	Tendril__Tables__Identity message = TENDRIL__TABLES__IDENTITY__INIT;
	Tendril__Tables__Update update = TENDRIL__TABLES__UPDATE__INIT;
	size_t count = identity->labels->count;
	_cleanup_free_ char **texts = calloc(count ? count : 1, sizeof(*texts));

	if (!texts)
		return -ENOMEM;
	message.number = identity->number;
	message.labels = texts;
	for (size_t i = 0; i < count; i++) {
		const struct label *label = &identity->labels->items[i];
		int len = label_format(label, NULL, 0);

		texts[i] = malloc((size_t)len + 1);
		if (!texts[i])
			break;
		label_format(label, texts[i], (size_t)len + 1);
		message.n_labels++;
	}
	update.update_case = TENDRIL__TABLES__UPDATE__UPDATE_IDENTITY;
	update.identity = &message;
	put(data, &update);
	for (size_t i = 0; i < message.n_labels; i++)
		free(texts[i]);
	return 0;
}

static void put_cidrs(struct agent *agent)
{
	size_t count;
	const struct policy_cidr *cidrs = policy_engine_cidrs(agent->engine, &count);

	for (size_t i = 0; i < count; i++) {
		Tendril__Tables__Identity message = TENDRIL__TABLES__IDENTITY__INIT;
		Tendril__Tables__Update update = TENDRIL__TABLES__UPDATE__INIT;
		char prefix[PREFIX_TEXT_MAX], cidr[PREFIX_TEXT_MAX + 8];
		char *texts[] = { cidr, "reserved:world" };

		snprintf(cidr, sizeof(cidr), "cidr:%s", prefix_format(&cidrs[i].prefix, prefix));
		message.number = cidrs[i].identity;
		message.labels = texts;
		message.n_labels = ARRAY_SIZE(texts);
		update.update_case = TENDRIL__TABLES__UPDATE__UPDATE_IDENTITY;
		update.identity = &message;
		put(agent, &update);
	}
}

static void put_endpoint(struct agent *agent, struct workload *workload)
{
	Tendril__Tables__Endpoint message = TENDRIL__TABLES__ENDPOINT__INIT;
	Tendril__Tables__Update update = TENDRIL__TABLES__UPDATE__INIT;
	ProtobufCBinaryData addresses[2];

	if (!address_is_zero(&workload->ipv4))
		addresses[message.n_addresses++] =
			(ProtobufCBinaryData){ sizeof(workload->ipv4), workload->ipv4.bytes };
	if (!address_is_zero(&workload->ipv6))
		addresses[message.n_addresses++] =
			(ProtobufCBinaryData){ sizeof(workload->ipv6), workload->ipv6.bytes };
	message.id = workload->id;
	message.namespace_ = workload->namespace;
	message.pod_name = workload->name;
	message.identity = workload->identity;
	message.addresses = addresses;
	message.container_id = workload->container_id;
	message.ifindex = workload->host_ifindex;
	message.netns_cookie = workload->netns_cookie;
	update.update_case = TENDRIL__TABLES__UPDATE__UPDATE_ENDPOINT;
	update.endpoint = &message;
	put(agent, &update);
}

static void put_interface(struct agent *agent, uint32_t ifindex, char *name)
{
	Tendril__Tables__Interface message = TENDRIL__TABLES__INTERFACE__INIT;
	Tendril__Tables__Update update = TENDRIL__TABLES__UPDATE__INIT;

	if (!ifindex)
		return;
	message.ifindex = ifindex;
	message.name = name;
	update.update_case = TENDRIL__TABLES__UPDATE__UPDATE_INTERFACE;
	update.interface = &message;
	put(agent, &update);
}

static int put_service(const struct object *object, void *data)
{
	const struct service *service = &object->service;
	size_t count = service->cluster_ip_count * service->port_count;
	_cleanup_free_ Tendril__Tables__Frontend *items = calloc(count ? count : 1, sizeof(*items));
	_cleanup_free_ Tendril__Tables__Frontend **list = calloc(count ? count : 1, sizeof(*list));
	Tendril__Tables__Service message = TENDRIL__TABLES__SERVICE__INIT;
	Tendril__Tables__Update update = TENDRIL__TABLES__UPDATE__INIT;

	if (!items || !list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct td_addr *addr = &service->cluster_ips[i / service->port_count];
		const struct service_port *port = &service->ports[i % service->port_count];

		tendril__tables__frontend__init(&items[i]);
		items[i].address = (ProtobufCBinaryData){ sizeof(*addr), addr->bytes };
		items[i].port = port->port;
		items[i].protocol = port->protocol;
		list[i] = &items[i];
	}
	message.namespace_ = object->namespace;
	message.name = object->name;
	message.frontends = list;
	message.n_frontends = count;
	update.update_case = TENDRIL__TABLES__UPDATE__UPDATE_SERVICE;
	update.service = &message;
	put(data, &update);
	return 0;
}

static int put_rule(const struct policy_rule_name *rule, void *data)
{
	Tendril__Tables__Rule message = TENDRIL__TABLES__RULE__INIT;
	Tendril__Tables__Update update = TENDRIL__TABLES__UPDATE__INIT;

	message.number = rule->number;
	message.kind = (char *)object_kind_name(rule->kind);
	message.namespace_ = (char *)rule->namespace;
	message.name = (char *)rule->name;
	message.file = (char *)(rule->file ? rule->file : "");
	message.line = rule->line;
	message.deny = rule->deny;
	message.egress = rule->direction == TD_EGRESS;
	message.index = rule->index;
	update.update_case = TENDRIL__TABLES__UPDATE__UPDATE_RULE;
	update.rule = &message;
	put(data, &update);
	return 0;
}

void publish_now(struct agent *agent)
{
	struct workload *first = endpoints_first(agent->endpoints);
	unsigned int stale = agent->stale_tables;

	if (!agent->tables)
		return;
	agent->stale_tables = 0;
	tables_server_begin(agent->tables, TABLES_IDENTITY);
	identities_for_each(agent->identities, put_identity, agent);
	put_cidrs(agent);
	tables_server_end(agent->tables);

	tables_server_begin(agent->tables, TABLES_ENDPOINT);
	for (struct workload *workload = first; workload; workload = workload->next)
		if (workload->state == ENDPOINT_READY)
			put_endpoint(agent, workload);
	tables_server_end(agent->tables);

	if (stale & 1u << TABLES_SERVICE) {
		tables_server_begin(agent->tables, TABLES_SERVICE);
		store_for_each(agent->store, OBJECT_SERVICE, put_service, agent);
		tables_server_end(agent->tables);
	}
	if (stale & 1u << TABLES_RULE) {
		tables_server_begin(agent->tables, TABLES_RULE);
		policy_engine_for_each_rule(agent->engine, put_rule, agent);
		tables_server_end(agent->tables);
	}

	tables_server_begin(agent->tables, TABLES_INTERFACE);
	for (struct workload *workload = first; workload; workload = workload->next)
		put_interface(agent, workload->host_ifindex, workload->host_ifname);
	for (size_t i = 0; i < agent->settings.devices.count; i++) {
		char *name = agent->settings.devices.items[i];

		put_interface(agent, if_nametoindex(name), name);
	}
	tables_server_end(agent->tables);
}

static void on_publish(uv_timer_t *timer)
{
	publish_now(timer->data);
}

void publish_soon(struct agent *agent)
{
	if (agent->tables)
		uv_timer_start(agent->publish_timer, on_publish, 0, 0);
}

int publish_hello(Tendril__Tables__Hello *hello, int fds[3], void *data)
{
	struct agent *agent = data;

	hello->version = TENDRIL_VERSION;
	hello->node_name = agent->settings.node_name;
	hello->cluster = agent->settings.cluster;
	hello->node_labels = agent->settings.node_labels.items;
	hello->n_node_labels = agent->settings.node_labels.count;
	fds[0] = datapath_events_fd(agent->datapath);
	fds[1] = datapath_stats_fd(agent->datapath);
	fds[2] = datapath_drops_fd(agent->datapath);
	for (int i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			continue;
		for (int j = 0; j < 3; j++)
			if (fds[j] >= 0)
				close(fds[j]);
		return -EIO;
	}
	return 3;
}
