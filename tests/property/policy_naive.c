/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_naive.h"

#include <netinet/in.h>
#include <string.h>

static bool is_pod(const struct identity *identity)
{
	return identity->number >= TD_ID_POD_MIN && identity->number <= TD_ID_POD_MAX;
}

static bool entity_matches(enum entity entity, const struct naive_question *q)
{
	uint32_t number = q->outside ? TD_ID_WORLD : q->peer->number;

	switch (entity) {
	case ENTITY_ALL:
		return true;
	case ENTITY_WORLD:
		return q->outside;
	case ENTITY_WORLD_IPV4:
		return q->outside && q->addr && address_is_ipv4(q->addr);
	case ENTITY_WORLD_IPV6:
		return q->outside && q->addr && !address_is_ipv4(q->addr);
	case ENTITY_CLUSTER:
		return !q->outside;
	case ENTITY_HOST:
		return number == TD_ID_HOST;
	case ENTITY_REMOTE_NODE:
		return number == TD_ID_REMOTE_NODE || number == TD_ID_KUBE_APISERVER;
	case ENTITY_KUBE_APISERVER:
		return number == TD_ID_KUBE_APISERVER;
	case ENTITY_INIT:
		return number == TD_ID_INIT;
	case ENTITY_UNMANAGED:
		return number == TD_ID_UNMANAGED;
	case ENTITY_HEALTH:
		return number == TD_ID_HEALTH;
	case ENTITY_INGRESS:
		return number == TD_ID_INGRESS;
	case ENTITY_NONE:
		return false;
	}
	return false;
}

static bool selector_applies(const struct policy_rule *rule, const struct selector *selector,
			     const struct labels *labels)
{
	if (!selector_matches(selector, labels))
		return false;
	for (size_t i = 0; i < rule->require_count; i++)
		if (!selector_matches(rule->requires[i], labels))
			return false;
	return true;
}

static bool cidr_matches(const struct cidr_rule *cidr, const struct td_addr *addr)
{
	if (!prefix_contains(&cidr->prefix, addr))
		return false;
	for (size_t i = 0; i < cidr->except_count; i++)
		if (prefix_contains(&cidr->except[i], addr))
			return false;
	return true;
}

static bool text_is(const char *wanted, const char *text)
{
	return !wanted || (text && strcmp(wanted, text) == 0);
}

static bool prefixes_match(const struct prefix *prefixes, size_t count, const struct group_ref *ref,
			   const struct naive_question *q)
{
	if (!q->outside || !q->addr)
		return false;
	for (size_t i = 0; i < ref->except_count; i++)
		if (prefix_contains(&ref->except[i], q->addr))
			return false;
	for (size_t i = 0; i < count; i++)
		if (prefix_contains(&prefixes[i], q->addr))
			return true;
	return false;
}

static bool slices_match(const struct naive_world *world, const struct object *service,
			 const struct naive_question *q)
{
	for (size_t g = 0; g < world->group_count; g++) {
		const struct object *object = world->groups[g];
		const struct endpoint_slice *slice = &object->endpoint_slice;

		if (object->kind != OBJECT_ENDPOINT_SLICE ||
		    strcmp(object->namespace, service->namespace) != 0 ||
		    strcmp(slice->service, service->name) != 0)
			continue;
		for (size_t e = 0; e < slice->endpoint_count; e++)
			for (size_t a = 0; a < slice->endpoints[e].address_count; a++)
				if (q->outside && q->addr &&
				    address_compare(&slice->endpoints[e].addresses[a], q->addr) ==
					    0)
					return true;
	}
	return false;
}

static bool service_matches(const struct naive_world *world, const struct object *service,
			    const struct naive_question *q)
{
	const char *namespace = labels_get(q->peer->labels, "k8s", LABEL_NAMESPACE);

	if (!service->service.selector)
		return slices_match(world, service, q);
	return namespace && strcmp(namespace, service->namespace) == 0 &&
	       selector_matches(service->service.selector, q->peer->labels);
}

static bool in_security_groups(const struct inventory_group *group, char *const *any, size_t count)
{
	for (size_t w = 0; w < count; w++)
		for (size_t i = 0; i < group->security_group_count; i++)
			if (strcmp(any[w], group->security_groups[i]) == 0)
				return true;
	return count == 0;
}

static bool inventory_matches(const struct inventory_group *group, const struct group_ref *ref,
			      const struct naive_question *q)
{
	return in_security_groups(group, ref->ids, ref->id_count) &&
	       in_security_groups(group, ref->names, ref->name_count) &&
	       text_is(ref->region, group->region) &&
	       prefixes_match(group->prefixes, group->prefix_count, ref, q);
}

static bool group_matches(const struct naive_world *world, const struct group_ref *ref,
			  const struct naive_question *q)
{
	for (size_t g = 0; g < world->group_count; g++) {
		const struct object *object = world->groups[g];
		bool hit = false;

		if (!text_is(ref->name, object->name) ||
		    !text_is(ref->namespace, object->namespace))
			continue;
		if (ref->selector && !selector_matches(ref->selector, object->labels))
			continue;
		if (ref->kind == GROUP_CIDR && object->kind == OBJECT_CILIUM_CIDR_GROUP)
			hit = prefixes_match(object->cidr_group.prefixes,
					     object->cidr_group.prefix_count, ref, q);
		else if (ref->kind == GROUP_SERVICE && object->kind == OBJECT_SERVICE)
			hit = service_matches(world, object, q);
		else if (ref->kind == GROUP_INVENTORY && object->kind == OBJECT_INVENTORY_GROUP)
			hit = inventory_matches(&object->inventory_group, ref, q);
		if (hit)
			return true;
	}
	return false;
}

/* resolved: the rule's port is a name that was looked up at the peer. An address block has no
 * names, so it then means the outside only. */
static bool peer_matches(const struct naive_world *world, const struct policy_rule *rule,
			 const struct naive_question *q, bool resolved)
{
	bool cidrs_apply = q->addr && (q->outside || (rule->cidrs_match_all && !resolved));

	if (rule->any_peer)
		return true;
	for (size_t i = 0; i < rule->selector_count; i++)
		if (selector_applies(rule, rule->selectors[i], q->peer->labels))
			return true;
	for (size_t i = 0; i < rule->entity_count; i++)
		if (entity_matches(rule->entities[i], q))
			return true;
	for (size_t i = 0; cidrs_apply && i < rule->cidr_count; i++)
		if (cidr_matches(&rule->cidrs[i], q->addr))
			return true;
	for (size_t i = 0; i < rule->group_count; i++)
		if (group_matches(world, &rule->groups[i], q))
			return true;
	return false;
}

static bool is_transport(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static bool has_named(const struct identity *owner, const char *name,
		      const struct naive_question *q)
{
	for (size_t i = 0; i < owner->port_count; i++)
		if (strcmp(owner->ports[i].name, name) == 0 &&
		    owner->ports[i].protocol == q->protocol && owner->ports[i].port == q->port)
			return true;
	return false;
}

static bool name_matches(const struct naive_world *world, const char *name,
			 const struct naive_question *q)
{
	const struct identity *owner = q->direction == TD_INGRESS ? q->subject : q->peer;

	if (is_pod(owner))
		return has_named(owner, name, q);
	for (size_t i = 0; i < world->pod_count; i++)
		if (has_named(world->pods[i], name, q))
			return true;
	return false;
}

static bool rule_matches(const struct naive_world *world, const struct policy_rule *rule,
			 const struct naive_question *q)
{
	if (rule->any_port)
		return peer_matches(world, rule, q, false);
	for (size_t i = 0; i < rule->port_count; i++) {
		const struct port_rule *port = &rule->ports[i];

		if (port->protocol ? port->protocol != q->protocol : !is_transport(q->protocol))
			continue;
		if (port->name ? name_matches(world, port->name, q)
			       : q->port >= port->first && q->port <= port->last)
			if (peer_matches(world, rule, q, port->name && q->direction == TD_EGRESS))
				return true;
	}
	return false;
}

/* What all policies say; or, without_audited, what they say if those in audit mode neither deny nor
 * isolate. */
static bool allows(const struct naive_world *world, const struct naive_question *q,
		   bool without_audited)
{
	bool isolated = world->enforcement == POLICY_ENFORCE_ALWAYS, allowed = false;

	for (size_t p = 0; p < world->policy_count; p++) {
		const struct policy *policy = &world->policies[p]->policy;
		bool mute = without_audited && world->policies[p]->audit == POLICY_AUDIT_ENABLED;

		for (size_t s = 0; s < policy->spec_count; s++) {
			const struct policy_spec *spec = &policy->specs[s];

			if (!selector_matches(spec->subject, q->subject->labels))
				continue;
			isolated = isolated || (spec->isolates[q->direction] && !mute);
			for (size_t i = 0; i < spec->rule_count; i++) {
				const struct policy_rule *rule = &spec->rules[i];

				if (rule->direction != q->direction || (rule->deny && mute) ||
				    !rule_matches(world, rule, q))
					continue;
				if (rule->deny)
					return false;
				allowed = true;
			}
		}
	}
	if (q->direction == TD_INGRESS && q->peer->number == TD_ID_HOST)
		return true;
	return allowed || !isolated;
}

enum naive_answer naive_judge(const struct naive_world *world, const struct naive_question *q)
{
	if (world->enforcement == POLICY_ENFORCE_NEVER || allows(world, q, false))
		return NAIVE_ALLOWED;
	return allows(world, q, true) ? NAIVE_AUDITED : NAIVE_DENIED;
}
