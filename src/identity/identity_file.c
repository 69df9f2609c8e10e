/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "identity/identity_table.h"

static int label_save(const struct label *label, json_t *into)
{
	size_t size = strlen(label->source) + strlen(label->key) + strlen(label->value) + 3;
	_cleanup_free_ char *text = malloc(size);

	if (!text)
		return -ENOMEM;
	label_format(label, text, size);
	return json_array_append_new(into, json_string(text)) ? -ENOMEM : 0;
}

static int identity_save(const struct identity *identity, void *data)
{
	json_t *into = data, *labels = json_array(), *ports = json_array();
	_cleanup_(json_decrefp) json_t *item =
		json_pack("{s:i, s:o, s:o}", "number", (int)identity->number, "labels", labels,
			  "ports", ports);

	if (identity->number < TD_ID_POD_MIN)
		return 0;
	if (!item)
		return -ENOMEM;
	for (size_t i = 0; i < identity->labels->count; i++) {
		int r = label_save(&identity->labels->items[i], labels);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < identity->port_count; i++) {
		const struct named_port *port = &identity->ports[i];

		if (json_array_append_new(ports, json_pack("{s:s, s:i, s:i}", "name", port->name,
							   "protocol", (int)port->protocol, "port",
							   (int)port->port)))
			return -ENOMEM;
	}
	return json_array_append(into, item) ? -ENOMEM : 0;
}

char *identities_save(const struct identities *identities)
{
	json_t *items = json_array();
	_cleanup_(json_decrefp) json_t *root = json_pack("{s:o}", "identities", items);

	if (!root || identities_for_each(identities, identity_save, items) < 0)
		return NULL;
	return json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
}

static int labels_load(const json_t *json, struct labels **ret)
{
	_cleanup_(labels_freep) struct labels *labels = labels_new();
	size_t count;

	if (!labels)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(json); i++) {
		const char *text = json_string_value(json_array_get(json, i));
		int r = text ? label_parse(text, labels) : -EINVAL;

		if (r < 0)
			return r;
	}
	count = json_array_size(json);
	if (!count || labels->count != count)
		return -EINVAL;
	*ret = take_ptr(labels);
	return 0;
}

static int port_load(json_t *json, struct named_port *ret)
{
	const char *name;
	int protocol, port;

	if (json_unpack(json, "{s:s, s:i, s:i !}", "name", &name, "protocol", &protocol, "port",
			&port))
		return -EINVAL;
	if (!*name || protocol < 1 || protocol > 255 || port < 1 || port > 65535)
		return -EINVAL;
	/* Borrowed from the JSON text until the table copies it. */
	*ret = (struct named_port){ (char *)name, (uint8_t)protocol, (uint16_t)port };
	return 0;
}

static int identity_load(struct identities *identities, json_t *json)
{
	_cleanup_(labels_freep) struct labels *labels = NULL;
	_cleanup_free_ struct named_port *ports = NULL;
	json_t *label_list, *port_list;
	size_t port_count;
	int number, r;

	if (json_unpack(json, "{s:i, s:o, s:o !}", "number", &number, "labels", &label_list,
			"ports", &port_list) ||
	    number < 0 || !json_is_array(label_list) || !json_is_array(port_list))
		return -EINVAL;
	r = labels_load(label_list, &labels);
	if (r < 0)
		return r;
	port_count = json_array_size(port_list);
	ports = calloc(port_count + 1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < port_count; i++) {
		r = port_load(json_array_get(port_list, i), &ports[i]);
		if (r < 0)
			return r;
	}
	return identities_restore(identities, (uint32_t)number, labels, ports, port_count);
}

int identities_load(struct identities *identities, const char *text)
{
	_cleanup_(json_decrefp) json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	_cleanup_(identities_freep) struct identities *loaded = NULL;
	json_t *items;
	int r;

	if (!identities_is_empty(identities))
		return -EBUSY;
	if (json_unpack(root, "{s:o !}", "identities", &items) || !json_is_array(items))
		return -EINVAL;
	r = identities_new(&loaded);
	for (size_t i = 0; !r && i < json_array_size(items); i++)
		r = identity_load(loaded, json_array_get(items, i));
	if (r < 0)
		return r;
	identities_swap(identities, loaded);
	return 0;
}
