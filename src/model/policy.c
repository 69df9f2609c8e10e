/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <stdlib.h>

const char *const policy_enforcement_names[] = {
	[POLICY_ENFORCE_DEFAULT] = "default",
	[POLICY_ENFORCE_ALWAYS] = "always",
	[POLICY_ENFORCE_NEVER] = "never",
	NULL,
};

static void selectors_free(struct selector **selectors, size_t count)
{
	for (size_t i = 0; i < count; i++)
		selector_free(selectors[i]);
	free(selectors);
}

static void strings_free(char **strings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(strings[i]);
	free(strings);
}

static void group_ref_clear(struct group_ref *ref)
{
	free(ref->namespace);
	free(ref->name);
	selector_free(ref->selector);
	strings_free(ref->ids, ref->id_count);
	strings_free(ref->names, ref->name_count);
	free(ref->region);
	free(ref->except);
}

void policy_rule_clear(struct policy_rule *rule)
{
	selectors_free(rule->selectors, rule->selector_count);
	selectors_free(rule->requires, rule->require_count);
	free(rule->entities);
	for (size_t i = 0; i < rule->cidr_count; i++)
		free(rule->cidrs[i].except);
	free(rule->cidrs);
	for (size_t i = 0; i < rule->group_count; i++)
		group_ref_clear(&rule->groups[i]);
	free(rule->groups);
	for (size_t i = 0; i < rule->port_count; i++)
		free(rule->ports[i].name);
	free(rule->ports);
	*rule = (struct policy_rule){ 0 };
}

void policy_spec_clear(struct policy_spec *spec)
{
	selector_free(spec->subject);
	for (size_t i = 0; i < spec->rule_count; i++)
		policy_rule_clear(&spec->rules[i]);
	free(spec->rules);
	*spec = (struct policy_spec){ 0 };
}

void policy_clear(struct policy *policy)
{
	for (size_t i = 0; i < policy->spec_count; i++)
		policy_spec_clear(&policy->specs[i]);
	free(policy->specs);
	*policy = (struct policy){ 0 };
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	policy_clear(policy);
	free(policy);
}
