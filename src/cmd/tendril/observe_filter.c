/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_filter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/util.h"
#include "observe_value.h"
#include "wire/proto_json.h"

#define LISTS_MAX 64

enum side { FROM, TO, EITHER, NEITHER, SIDES };

/* Names whose namespace is known only when all flags were read. */
struct names {
	char **items;
	size_t count;
};

struct tracker {
	Flow__FlowFilter *left, *right; /* the wanted filter is left OR right */
	struct names pods[SIDES], services[SIDES], namespaces[SIDES];
	Flow__FlowFilter *raw[LISTS_MAX]; /* given as JSON */
	Flow__FlowFilter *list[LISTS_MAX + 2];
	size_t raw_count, raw_first; /* in list */
	uint64_t used;               /* bits of rules[] */
};

struct observe_filters {
	struct tracker white, black;
	bool negate; /* --not was the last flag */
};

struct rule {
	const char *name;
	enum side side;
	struct observe_place source, destination;
	observe_add add;
	enum { PLAIN, POD, SERVICE, NAMESPACE } kind;
};

#define PLACE(field) { offsetof(Flow__FlowFilter, n_##field), offsetof(Flow__FlowFilter, field) }
#define SIDED(name, a, b, add, kind)                                                               \
	{ "from-" name, FROM, PLACE(a), PLACE(b), add, kind },                                     \
		{ "to-" name, TO, PLACE(a), PLACE(b), add, kind },                                 \
	{                                                                                          \
		name, EITHER, PLACE(a), PLACE(b), add, kind                                        \
	}
#define COMMON(name, field, add) { name, NEITHER, PLACE(field), PLACE(field), add, PLAIN }

static const struct rule rules[] = {
	SIDED("pod", source_pod, destination_pod, observe_add_text, POD),
	SIDED("service", source_service, destination_service, observe_add_text, SERVICE),
	SIDED("namespace", source_pod, destination_pod, observe_add_text, NAMESPACE),
	SIDED("label", source_label, destination_label, observe_add_text, PLAIN),
	SIDED("ip", source_ip, destination_ip, observe_add_address, PLAIN),
	SIDED("fqdn", source_fqdn, destination_fqdn, observe_add_text, PLAIN),
	SIDED("identity", source_identity, destination_identity, observe_add_identity, PLAIN),
	SIDED("port", source_port, destination_port, observe_add_port, PLAIN),
	SIDED("workload", source_workload, destination_workload, observe_add_workload, PLAIN),
	SIDED("cluster", source_cluster_name, destination_cluster_name, observe_add_text, PLAIN),
	COMMON("snat-ip", source_ip_xlated, observe_add_address),
	COMMON("verdict", verdict, observe_add_verdict),
	COMMON("type", event_type, observe_add_type),
	COMMON("protocol", protocol, observe_add_protocol),
	COMMON("tcp-flags", tcp_flags, observe_add_tcp_flags),
	COMMON("ip-version", ip_version, observe_add_ip_version),
	COMMON("drop-reason-desc", drop_reason_desc, observe_add_drop_reason),
	COMMON("traffic-direction", traffic_direction, observe_add_direction),
	COMMON("node-name", node_name, observe_add_text),
	COMMON("node-label", node_labels, observe_add_text),
	COMMON("interface", interface, observe_add_interface),
	COMMON("uuid", uuid, observe_add_text),
};

_Static_assert(ARRAY_SIZE(rules) <= 64, "struct tracker.used has a bit per rule");

static Flow__FlowFilter *filter_new(void)
{
	Flow__FlowFilter *filter = malloc(sizeof(*filter));

	if (filter)
		flow__flow_filter__init(filter);
	return filter;
}

static bool tracker_init(struct tracker *tracker)
{
	tracker->left = filter_new();
	tracker->right = filter_new();
	return tracker->left && tracker->right;
}

int observe_filters_new(struct observe_filters **ret)
{
	_cleanup_(observe_filters_freep) struct observe_filters *filters =
		calloc(1, sizeof(*filters));

	if (!filters || !tracker_init(&filters->white) || !tracker_init(&filters->black))
		return -ENOMEM;
	*ret = take_ptr(filters);
	return 0;
}

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

static void tracker_clear(struct tracker *tracker)
{
	flow__flow_filter__free_unpacked(tracker->left, NULL);
	flow__flow_filter__free_unpacked(tracker->right, NULL);
	for (unsigned int side = 0; side < SIDES; side++) {
		names_free(&tracker->pods[side]);
		names_free(&tracker->services[side]);
		names_free(&tracker->namespaces[side]);
	}
	for (size_t i = 0; i < tracker->raw_count; i++)
		flow__flow_filter__free_unpacked(tracker->raw[i], NULL);
}

void observe_filters_free(struct observe_filters *filters)
{
	if (!filters)
		return;
	tracker_clear(&filters->white);
	tracker_clear(&filters->black);
	free(filters);
}

static int add_sided(struct tracker *tracker, const struct rule *rule, const char *value,
		     struct diag *diag)
{
	const struct observe_place *left = rule->side == TO ? &rule->destination : &rule->source;
	const struct observe_place *right = rule->side == FROM ? &rule->source : &rule->destination;
	int r = rule->add(tracker->left, left, value, diag);

	return r < 0 ? r : rule->add(tracker->right, right, value, diag);
}

static int keep_name(struct names *names, const char *value)
{
	char **items = realloc(names->items, (names->count + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	names->items = items;
	items[names->count] = strdup(value);
	if (!items[names->count])
		return -ENOMEM;
	names->count++;
	return 0;
}

static int add_rule(struct tracker *tracker, const struct rule *rule, const char *value,
		    struct diag *diag)
{
	tracker->used |= UINT64_C(1) << (rule - rules);
	switch (rule->kind) {
	case POD:
		return keep_name(&tracker->pods[rule->side], value);
	case SERVICE:
		return keep_name(&tracker->services[rule->side], value);
	case NAMESPACE:
		return keep_name(&tracker->namespaces[rule->side], value);
	case PLAIN:
		break;
	}
	return add_sided(tracker, rule, value, diag);
}

int observe_filters_add(struct observe_filters *filters, const char *name, const char *value,
			struct diag *diag)
{
	struct tracker *tracker = filters->negate ? &filters->black : &filters->white;

	if (strcmp(name, "not") == 0) {
		if (filters->negate)
			return diag_set(diag, NULL, 0,
					"--not: found --not again, expected a filter");
		filters->negate = true;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (strcmp(rules[i].name, name))
			continue;
		filters->negate = false;
		return add_rule(tracker, &rules[i], value, diag);
	}
	return -ENOENT;
}

static int add_one_json(struct tracker *tracker, json_t *object, struct diag *diag)
{
	_cleanup_free_ char *text = json_dumps(object, 0);
	ProtobufCMessage *message;
	int r;

	if (!text)
		return -ENOMEM;
	if (tracker->raw_count == LISTS_MAX)
		return diag_set(diag, NULL, 0, "more than %d filters in JSON", LISTS_MAX);
	r = proto_json_parse(&flow__flow_filter__descriptor, text, strlen(text), 0, diag, &message);
	if (r == 0)
		tracker->raw[tracker->raw_count++] = (Flow__FlowFilter *)message;
	return r;
}

int observe_filters_add_json(struct observe_filters *filters, bool deny, const char *json,
			     struct diag *diag)
{
	struct tracker *tracker = deny ? &filters->black : &filters->white;
	size_t left = strlen(json);
	json_error_t error;
	int r = 0;

	while (r == 0 && left && strspn(json, " \t\r\n") < left) {
		json_t *object = json_loadb(json, left, JSON_DISABLE_EOF_CHECK, &error);

		if (!object)
			return diag_set(diag, NULL, (unsigned int)error.line,
					"found no JSON object with a FlowFilter: %s", error.text);
		r = add_one_json(tracker, object, diag);
		json_decref(object);
		json += error.position; /* how far it read */
		left -= (size_t)error.position;
	}
	return r;
}

static const struct rule *find_rule(enum side side, int kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].side == side && (int)rules[i].kind == kind)
			return &rules[i];
	return NULL;
}

static int qualify(struct tracker *tracker, const struct rule *rule, const char *namespace,
		   const char *name, struct diag *diag)
{
	_cleanup_free_ char *full = NULL;

	if (strchr(name, '/'))
		return diag_set(diag, NULL, 0,
				"--%s: found '%s', expected a name without a namespace, as a "
				"namespace is given too",
				rule->name, name);
	if (asprintf(&full, "%s/%s", namespace, name) < 0)
		return -ENOMEM;
	return add_sided(tracker, rule, full, diag);
}

/* Names alone, or each in each of the namespaces. */
static int add_names(struct tracker *tracker, const struct rule *rule, const struct names *names,
		     const struct names *namespaces, struct diag *diag)
{
	int r = 0;

	for (size_t i = 0; i < names->count && r == 0; i++) {
		if (!namespaces->count)
			r = add_sided(tracker, rule, names->items[i], diag);
		for (size_t n = 0; n < namespaces->count && r == 0; n++)
			r = qualify(tracker, rule, namespaces->items[n], names->items[i], diag);
	}
	return r;
}

/* A name that is only a side's ("--from-pod") is in the namespace of both ("-n") if it has none of
 * its own. */
static const struct names *namespaces_of(const struct tracker *tracker, enum side side)
{
	return tracker->namespaces[side].count ? &tracker->namespaces[side]
					       : &tracker->namespaces[EITHER];
}

static bool has_names(const struct tracker *tracker, enum side side)
{
	return tracker->pods[side].count || tracker->services[side].count;
}

/* Whether the side's namespaces are a filter of their own, not part of names. */
static bool is_bare(const struct tracker *tracker, enum side side)
{
	const struct names *namespaces = &tracker->namespaces[side];

	if (!namespaces->count || !namespaces->items[0][0] || has_names(tracker, side))
		return false;
	return side != EITHER || (!has_names(tracker, FROM) && !has_names(tracker, TO));
}

static int add_side(struct tracker *tracker, enum side side, struct diag *diag)
{
	char *empty[] = { (char *)"" };
	const struct names nothing = { empty, 1 };
	const struct names *namespaces = namespaces_of(tracker, side);
	int r = add_names(tracker, find_rule(side, POD), &tracker->pods[side], namespaces, diag);

	if (r == 0)
		r = add_names(tracker, find_rule(side, SERVICE), &tracker->services[side],
			      namespaces, diag);
	if (r == 0 && is_bare(tracker, side))
		r = add_names(tracker, find_rule(side, POD), &nothing, namespaces, diag);
	return r;
}

/* "--pod a --from-pod b" would mean "from a or b": refuse what nobody means. */
static int check_sides(const struct tracker *tracker, struct diag *diag)
{
	for (size_t i = 0; i + 2 < ARRAY_SIZE(rules) && rules[i].side != NEITHER; i += 3) {
		uint64_t bits = tracker->used >> i & 7;

		if ((bits & 4) && (bits & 3))
			return diag_set(diag, NULL, 0,
					"--%s is both sides already: it cannot be combined with "
					"--%s",
					rules[i + 2].name, rules[i + (bits & 1 ? 0 : 1)].name);
	}
	if (tracker->pods[EITHER].count &&
	    (tracker->namespaces[FROM].count || tracker->namespaces[TO].count))
		return diag_set(diag, NULL, 0,
				"--pod is both sides already: it cannot be combined with "
				"--from-namespace or --to-namespace");
	return 0;
}

static bool is_same(const Flow__FlowFilter *a, const Flow__FlowFilter *b)
{
	size_t size = flow__flow_filter__get_packed_size(a);
	_cleanup_free_ uint8_t *x = NULL, *y = NULL;

	if (size != flow__flow_filter__get_packed_size(b))
		return false;
	x = malloc(size + 1);
	y = malloc(size + 1);
	if (!x || !y)
		return false;
	flow__flow_filter__pack(a, x);
	flow__flow_filter__pack(b, y);
	return memcmp(x, y, size) == 0;
}

static int tracker_finish(struct tracker *tracker, struct observe_lists *ret, struct diag *diag)
{
	size_t count = 0;
	int r = check_sides(tracker, diag);

	for (unsigned int side = FROM; side <= EITHER && r == 0; side++)
		r = add_side(tracker, side, diag);
	if (r < 0)
		return r;
	if (flow__flow_filter__get_packed_size(tracker->left)) {
		tracker->list[count++] = tracker->left;
		if (!is_same(tracker->left, tracker->right))
			tracker->list[count++] = tracker->right;
	}
	tracker->raw_first = count;
	for (size_t i = 0; i < tracker->raw_count; i++)
		tracker->list[count++] = tracker->raw[i];
	ret->items = tracker->list;
	ret->count = count;
	return 0;
}

int observe_filters_finish(struct observe_filters *filters, struct observe_lists *ret_white,
			   struct observe_lists *ret_black, struct diag *diag)
{
	int r;

	if (filters->negate)
		return diag_set(diag, NULL, 0, "--not: found nothing after it, expected a filter");
	r = tracker_finish(&filters->white, ret_white, diag);
	return r < 0 ? r : tracker_finish(&filters->black, ret_black, diag);
}

/* The flag that filled a field; NULL: none did. */
static const char *flag_of(const struct tracker *tracker, const char *field)
{
	const ProtobufCFieldDescriptor *found = protobuf_c_message_descriptor_get_field_by_name(
		&flow__flow_filter__descriptor, field);

	for (size_t i = 0; found && i < ARRAY_SIZE(rules); i++)
		if (tracker->used >> i & 1 && (rules[i].source.items == found->offset ||
					       rules[i].destination.items == found->offset))
			return rules[i].name;
	return NULL;
}

int observe_filters_explain(const struct observe_filters *filters, const char *text, char **ret)
{
	const struct tracker *tracker;
	char list[10], field[64];
	const char *flag;
	size_t index;
	int length = 0;

	if (sscanf(text, "%9[a-z][%zu].%63[a-z_]%n", list, &index, field, &length) != 3)
		return -ENOENT;
	if (strcmp(list, "whitelist") != 0 && strcmp(list, "blacklist") != 0)
		return -ENOENT;
	tracker = *list == 'b' ? &filters->black : &filters->white;
	if (index >= tracker->raw_first)
		return asprintf(ret, "--%s: [%zu].%s", *list == 'b' ? "denylist" : "allowlist",
				index - tracker->raw_first, text + length - strlen(field)) < 0
			       ? -ENOMEM
			       : 0;
	flag = flag_of(tracker, field);
	if (!flag)
		return -ENOENT;
	return asprintf(ret, "%s--%s%s", *list == 'b' ? "--not " : "", flag, text + length) < 0
		       ? -ENOMEM
		       : 0;
}
