/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_lint.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/util.h"
#include "policy/policy_shadow.h"
#include "policy/policy_state.h"
#include "policy/policy_words.h"

#define PORTS_SHOWN 5

struct pod_at {
	const struct object *pod;
	size_t slot; /* of its identity */
};

struct linting {
	struct policy_scene *scene;
	const struct policy_engine *engine;
	struct policy_findings *findings;
	struct pod_at *pods;
	size_t pod_count, pod_room;
	struct policy_shadows *shadows;
	size_t shadow; /* the rule's place among them */
	/* The finding being written. */
	FILE *out;
	char *text;
	size_t length;
};

const char *policy_severity_name(enum policy_severity severity)
{
	static const char *const names[] = {
		[POLICY_NOTE] = "note", [POLICY_WARNING] = "warning", [POLICY_ERROR] = "error"
	};

	return names[severity];
}

/* ---- writing a finding: found() opens its text, report() closes it */

static FILE *found(struct linting *linting)
{
	linting->out = open_memstream(&linting->text, &linting->length);
	return linting->out;
}

static int report(struct linting *linting, const struct policy_site *site,
		  enum policy_severity severity, const char *code, unsigned int line)
{
	struct policy_findings *findings = linting->findings;
	struct policy_finding *items;
	bool written = fclose(linting->out) == 0;
	_cleanup_free_ char *text = take_ptr(linting->text);

	items = array_room(findings->items, findings->count, &findings->room, sizeof(*items));
	if (!items)
		return -ENOMEM;
	findings->items = items;
	if (!written)
		return -ENOMEM;
	items[findings->count++] = (struct policy_finding){
		.severity = severity,
		.code = code,
		.policy = site->policy->object,
		.line = line ? line : site->policy->object->line,
		.text = take_ptr(text),
	};
	return 0;
}

/* Of a rule: its place in the policy comes first. */
static FILE *found_in(struct linting *linting, const struct policy_site *site)
{
	const struct policy_rule *rule = site->rule->rule;

	if (found(linting))
		fprintf(linting->out, "%s[%u]: ", policy_list_name(rule->direction, rule->deny),
			rule->index);
	return linting->out;
}

static int report_rule(struct linting *linting, const struct policy_site *site,
		       enum policy_severity severity, const char *code)
{
	return report(linting, site, severity, code, site->rule->rule->line);
}

static const char *direction_name(int direction)
{
	return direction == TD_INGRESS ? "ingress" : "egress";
}

/* ---- what there is */

static bool has_namespace(const struct linting *linting, const char *name)
{
	if (strcmp(name, "default") == 0 ||
	    policy_scene_object(linting->scene, OBJECT_NAMESPACE, "", name))
		return true;
	for (size_t i = 0; i < linting->pod_count; i++)
		if (strcmp(linting->pods[i].pod->namespace, name) == 0)
			return true;
	return false;
}

static bool has_peers(const struct linting *linting, const struct policy_selector *selector)
{
	bits_for_each(slot, &selector->members)
	{
		if (linting->engine->peers.slots[slot])
			return true;
	}
	return false;
}

static bool has_subjects(const struct linting *linting, const struct policy_selector *selector)
{
	bits_for_each(slot, &selector->members)
	{
		const struct policy_peer *peer = linting->engine->peers.slots[slot];

		if (peer && policy_peer_is_subject(peer->number))
			return true;
	}
	return false;
}

/* The namespace that a selector asks for and that is not there; NULL if there is none, or nothing is
 * known of namespaces. */
static const char *missing_namespace(const struct linting *linting, const struct selector *selector)
{
	for (size_t i = 0; linting->findings->knows_namespaces && i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];

		if (item->op != SELECTOR_IN ||
		    (strcmp(item->key, LABEL_NAMESPACE) &&
		     strcmp(item->key, LABEL_NAMESPACE_META "kubernetes.io/metadata.name")))
			continue;
		for (size_t v = 0; v < item->value_count; v++)
			if (!has_namespace(linting, item->values[v]))
				return item->values[v];
	}
	return NULL;
}

static size_t count_without(const struct linting *linting, const struct selector *selector,
			    size_t without)
{
	size_t count = 0;

	for (size_t i = 0; i < linting->pod_count; i++) {
		const struct policy_peer *peer =
			linting->engine->peers.slots[linting->pods[i].slot];
		struct selector one = *selector;
		bool matches = true;

		for (size_t k = 0; matches && k < selector->count; k++) {
			one.items = &selector->items[k];
			one.count = 1;
			matches = k == without || selector_matches(&one, peer->labels);
		}
		count += matches;
	}
	return count;
}

/* "; without tier=x it would be 3 pods": the requirement that is likely mistyped. */
static void print_culprit(const struct linting *linting, FILE *out, const struct selector *selector)
{
	size_t best = 0, most = 0;

	for (size_t i = 0; i < selector->count; i++) {
		size_t count = count_without(linting, selector, i);

		if (count > most && strcmp(selector->items[i].key, LABEL_NAMESPACE)) {
			most = count;
			best = i;
		}
	}
	if (!most || selector->count < 2)
		return;
	fputs("; without ", out);
	policy_print_requirement(out, &selector->items[best]);
	fprintf(out, " it would be %zu pod%s", most, most > 1 ? "s" : "");
}

/* ---- checks of a spec */

static int check_ignored(struct linting *linting, const struct policy_site *site)
{
	const struct policy *policy = &site->policy->object->policy;
	const struct policy_spec *spec = &policy->specs[site->spec - site->policy->specs];
	int r = 0;

	for (int d = TD_INGRESS; !r && d <= TD_EGRESS; d++) {
		if (!spec->ignored_line[d])
			continue;
		if (!found(linting))
			return -ENOMEM;
		fprintf(linting->out,
			"the %s rules are ignored, because policyTypes does not name %s; name it or "
			"delete the rules",
			direction_name(d), d == TD_INGRESS ? "Ingress" : "Egress");
		r = report(linting, site, POLICY_ERROR, "ignored-section", spec->ignored_line[d]);
	}
	return r;
}

static int check_idle(struct linting *linting, const struct policy_site *site)
{
	const struct policy *policy = &site->policy->object->policy;
	const struct policy_spec *spec = &policy->specs[site->spec - site->policy->specs];
	int r = 0;

	for (int d = TD_INGRESS; !r && d <= TD_EGRESS; d++) {
		if (!spec->idle_line[d])
			continue;
		if (!found(linting))
			return -ENOMEM;
		fprintf(linting->out,
			"an empty %s list has no effect in a %s: it isolates nothing; write %s: "
			"[{}] to deny everything, or delete it",
			direction_name(d), object_kind_name(site->policy->object->kind),
			direction_name(d));
		r = report(linting, site, POLICY_WARNING, "no-effect", spec->idle_line[d]);
	}
	return r;
}

static int check_subject(struct linting *linting, const struct policy_site *site)
{
	const struct policy_selector *subject = site->spec->subject;
	const char *missing = missing_namespace(linting, subject->selector);
	bool selects = has_subjects(linting, subject);

	if (!missing && (selects || !linting->findings->knows_pods))
		return 0;
	if (!found(linting))
		return -ENOMEM;
	if (missing) {
		fprintf(linting->out,
			"%sthere is no namespace %s; correct its name, or create it first",
			selects ? "" : "selects no pod: ", missing);
		return report(linting, site, POLICY_WARNING, "no-such-namespace", 0);
	}
	fputs("selects no pod: none has ", linting->out);
	policy_print_selector(linting->out, subject->selector, NULL);
	print_culprit(linting, linting->out, subject->selector);
	fputs("; correct the labels, or delete the policy", linting->out);
	return report(linting, site, POLICY_WARNING, "selects-nothing", 0);
}

/* Two that only isolate the same pods; with rules, the rules tell. */
static int check_isolation(struct linting *linting, const struct policy_site *site)
{
	for (size_t p = 0; p < linting->engine->policy_count; p++) {
		const struct policy_prepared *policy = linting->engine->policies[p];

		for (size_t s = 0; s < policy->spec_count; s++) {
			const struct policy_prepared_spec *other = &policy->specs[s];

			if (other == site->spec || site->spec->rule_count)
				return 0; /* those before it have been seen */
			if (other->rule_count || other->subject != site->spec->subject ||
			    memcmp(other->isolates, site->spec->isolates, sizeof(other->isolates)))
				continue;
			if (!found(linting))
				return -ENOMEM;
			fputs("isolates the same pods in the same directions as ", linting->out);
			policy_print_object(linting->out, policy->object);
			fputc(' ', linting->out);
			policy_print_place(linting->out, policy->object->file,
					   policy->object->line);
			fputs("; delete one of the two", linting->out);
			return report(linting, site, POLICY_WARNING, "duplicate", 0);
		}
	}
	return 0;
}

/* ---- checks of a rule */

static const char *peers_word(const struct policy_site *site)
{
	return site->rule->rule->direction == TD_INGRESS ? "from" : "to";
}

static int check_peer(struct linting *linting, const struct policy_site *site,
		      const struct policy_selector *selector)
{
	enum policy_severity severity = site->rule->rule->deny ? POLICY_NOTE : POLICY_WARNING;
	const char *missing = missing_namespace(linting, selector->selector);
	bool somebody = has_peers(linting, selector);

	if (!missing && (somebody || !linting->findings->knows_pods))
		return 0;
	if (!found_in(linting, site))
		return -ENOMEM;
	if (missing) {
		fprintf(linting->out,
			"%s%sthere is no namespace %s; correct its name, or create it first",
			somebody ? "" : peers_word(site), somebody ? "" : " nobody: ", missing);
		return report_rule(linting, site, severity, "no-such-namespace");
	}
	fprintf(linting->out, "%s nobody: no pod has ", peers_word(site));
	policy_print_selector(linting->out, selector->selector, NULL);
	print_culprit(linting, linting->out, selector->selector);
	fputs("; correct the labels, or delete the peer", linting->out);
	return report_rule(linting, site, severity, "peer-selects-nothing");
}

static int check_peers(struct linting *linting, const struct policy_site *site)
{
	int r = 0;

	for (size_t i = 0; !r && i < site->rule->selector_count; i++)
		r = check_peer(linting, site, site->rule->selectors[i]);
	return r;
}

static bool is_every_pod(const struct selector *selector)
{
	return selector->count == 1 && selector->items[0].op == SELECTOR_EXISTS &&
	       strcmp(selector->items[0].key, LABEL_NAMESPACE) == 0;
}

/* What a rule opens to more than most who write it think of; NULL: nothing. */
static const char *width_of(const struct policy_site *site)
{
	const struct policy_rule *rule = site->rule->rule;
	bool kubernetes = site->policy->object->kind == OBJECT_NETWORK_POLICY;

	if (kubernetes && rule->any_peer && rule->any_port)
		return "an empty rule allows everyone, the outside too, on every port; write "
		       "peers or ports, or no rule at all to deny";
	for (size_t i = 0; i < rule->selector_count; i++)
		if (is_every_pod(rule->selectors[i]))
			return kubernetes ? "an empty namespaceSelector is every pod of every "
					    "namespace; name the namespaces meant"
					  : "{} in a clusterwide policy is every pod of every "
					    "namespace; name the namespaces meant";
	for (size_t i = 0; i < rule->cidr_count; i++)
		if (!rule->cidrs[i].prefix.length && !rule->cidrs[i].except_count)
			return kubernetes ? "a block of length 0 is every address, pods' and "
					    "nodes' too; except those not meant"
					  : "a CIDR of length 0 is the whole outside; except "
					    "the networks not meant";
	for (size_t i = 0; i < rule->entity_count; i++) {
		if (rule->entities[i] == ENTITY_ALL)
			return "the entity all is everyone, the outside too; name the peers meant";
		if (rule->entities[i] == ENTITY_WORLD)
			return "the entity world is the whole outside; name the CIDRs meant";
	}
	return NULL;
}

static int check_width(struct linting *linting, const struct policy_site *site)
{
	const char *width = site->rule->rule->deny ? NULL : width_of(site);
	bool any_port = site->rule->rule->any_port;

	if (!width)
		return 0;
	if (!found_in(linting, site))
		return -ENOMEM;
	fprintf(linting->out, "wider than it may look%s: %s",
		any_port ? "" : ", though its ports are limited", width);
	return report_rule(linting, site, any_port ? POLICY_WARNING : POLICY_NOTE, "wide");
}

/* Whether the rule says anything of anyone with these ports: by the compiler, for each subject. */
static int says_anything(const struct linting *linting, const struct policy_site *site,
			 const struct policy_rule *rule, bool *ret)
{
	struct policy_prepared_rule prepared = *site->rule;
	struct policy_terms terms = { 0 };
	struct policy_view view = { .peers = &linting->engine->peers,
				    .cidrs = &linting->engine->list,
				    .spare_pods = linting->engine->spare_pods };
	int r = 0;

	prepared.rule = rule;
	bits_for_each(slot, &site->spec->subject->members)
	{
		view.subject = linting->engine->peers.slots[slot];
		if (r || terms.count || !view.subject)
			continue;
		r = policy_expand(&view, &prepared, &terms);
	}
	*ret = terms.count;
	policy_terms_fini(&terms);
	return r;
}

static int report_name(struct linting *linting, const struct policy_site *site,
		       const struct port_rule *port)
{
	if (!found_in(linting, site))
		return -ENOMEM;
	fprintf(linting->out, "no %s has a port named ",
		site->rule->rule->direction == TD_INGRESS ? "selected pod" : "pod it leads to");
	policy_print_port(linting->out, port);
	fputs("; name it in a container's ports, or write its number", linting->out);
	return report_rule(linting, site, POLICY_WARNING, "port-never-served");
}

static int check_names(struct linting *linting, const struct policy_site *site)
{
	const struct policy_rule *rule = site->rule->rule;
	struct policy_rule all_ports = *rule;
	bool speaks, named;
	int r;

	all_ports.any_port = true;
	r = says_anything(linting, site, &all_ports, &speaks);
	for (size_t i = 0; !r && speaks && i < rule->port_count; i++) {
		struct policy_rule one = *rule;

		if (!rule->ports[i].name || !linting->findings->knows_pods)
			continue;
		one.ports = &rule->ports[i];
		one.port_count = 1;
		r = says_anything(linting, site, &one, &named);
		if (!r && !named)
			r = report_name(linting, site, &rule->ports[i]);
	}
	return r;
}

/* Pods whose ports a rule is about: its subjects, or those it leads to if it leads to pods only. */
static bool serves(const struct policy_site *site, size_t slot)
{
	if (site->rule->rule->direction == TD_INGRESS)
		return bits_test(&site->spec->subject->members, slot);
	for (size_t i = 0; i < site->rule->selector_count; i++)
		if (bits_test(&site->rule->selectors[i]->members, slot))
			return true;
	return false;
}

static bool declares(const struct object *pod, const struct port_rule *port)
{
	for (size_t i = 0; i < pod->pod.declared_count; i++) {
		const struct container_port *item = &pod->pod.declared[i];

		if ((!port->protocol || port->protocol == item->protocol) &&
		    port->first <= item->port && item->port <= port->last)
			return true;
	}
	return false;
}

/* Whether all pods concerned declare ports, and none of them this one. */
static bool is_undeclared(const struct linting *linting, const struct policy_site *site,
			  const struct port_rule *port)
{
	size_t count = 0;

	for (size_t i = 0; i < linting->pod_count; i++) {
		if (!serves(site, linting->pods[i].slot))
			continue;
		if (!linting->pods[i].pod->pod.declared_count ||
		    declares(linting->pods[i].pod, port))
			return false;
		count++;
	}
	return count;
}

static bool is_listed(const struct container_port *ports, size_t count,
		      const struct container_port *port)
{
	for (size_t i = 0; i < count; i++)
		if (ports[i].protocol == port->protocol && ports[i].port == port->port)
			return true;
	return false;
}

static void print_declared(const struct linting *linting, FILE *out, const struct policy_site *site)
{
	struct container_port shown[PORTS_SHOWN];
	size_t count = 0;

	for (size_t i = 0; i < linting->pod_count; i++) {
		const struct pod *pod = &linting->pods[i].pod->pod;

		if (!serves(site, linting->pods[i].slot))
			continue;
		for (size_t p = 0; p < pod->declared_count; p++) {
			const struct port_rule port = { .protocol = pod->declared[p].protocol,
							.first = pod->declared[p].port,
							.last = pod->declared[p].port };

			if (is_listed(shown, count, &pod->declared[p]))
				continue;
			if (count == PORTS_SHOWN) {
				fputs(" ...", out);
				return;
			}
			shown[count] = pod->declared[p];
			fputs(count++ ? ", " : "", out);
			policy_print_port(out, &port);
		}
	}
}

static bool is_number(const struct port_rule *port)
{
	bool icmp = port->protocol == IPPROTO_ICMP || port->protocol == IPPROTO_ICMPV6;

	return !port->name && !icmp && (port->first || port->last != UINT16_MAX);
}

static int check_numbers(struct linting *linting, const struct policy_site *site)
{
	const struct policy_rule *rule = site->rule->rule;
	enum policy_severity severity = rule->deny ? POLICY_NOTE : POLICY_WARNING;
	int r = 0;

	if (rule->direction == TD_EGRESS &&
	    (rule->any_peer || rule->entity_count || rule->cidr_count))
		return 0;
	for (size_t i = 0; !r && i < rule->port_count; i++) {
		const struct port_rule *port = &rule->ports[i];

		if (!is_number(port) || !is_undeclared(linting, site, port))
			continue;
		if (!found_in(linting, site))
			return -ENOMEM;
		fprintf(linting->out, "no %s declares port ",
			rule->direction == TD_INGRESS ? "selected pod" : "pod it leads to");
		policy_print_port(linting->out, port);
		fputs(", only ", linting->out);
		print_declared(linting, linting->out, site);
		fputs("; correct the port, or declare it as a containerPort", linting->out);
		r = report_rule(linting, site, severity, "port-never-served");
	}
	return r;
}

static int report_shadow(struct linting *linting, const struct policy_site *site,
			 const struct policy_shadow *shadow)
{
	const struct policy_prepared *by = shadow->by.policy;
	const struct policy_rule_name *name =
		policy_engine_rule(linting->engine, shadow->by.rule->number);
	const char *code = shadow->same ? "duplicate" : "shadowed";

	assert(name && by);
	if (!found_in(linting, site))
		return -ENOMEM;
	if (shadow->denies)
		fprintf(linting->out, "allows nothing: always denied by %s",
			shadow->several ? "several rules, the first of them " : "");
	else
		fprintf(linting->out, "%s ", shadow->same ? "says the same as" : "adds nothing to");
	policy_print_rule(linting->out, name);
	if (!shadow->certain && !shadow->several)
		fputs(", with the pods there are now", linting->out);
	fputs(shadow->denies ? "; narrow the deny, or delete this rule" : "; delete this rule",
	      linting->out);
	if (!shadow->denies && !shadow->same)
		fputs(", or narrow the other", linting->out);
	return report_rule(linting, site,
			   shadow->certain || shadow->several ? POLICY_WARNING : POLICY_NOTE,
			   shadow->denies ? "always-denied" : code);
}

static int check_shadow(struct linting *linting, const struct policy_site *site)
{
	struct policy_shadow shadow;
	int r = policy_shadows_find(linting->shadows, linting->shadow, &shadow);

	return r > 0 ? report_shadow(linting, site, &shadow) : r;
}

/* ---- all of it */

typedef int (*check_fn)(struct linting *linting, const struct policy_site *site);

static const check_fn spec_checks[] = { check_ignored, check_idle, check_subject, check_isolation };
static const check_fn rule_checks[] = { check_peers, check_width, check_names, check_numbers,
					check_shadow };

static int check_specs(struct linting *linting)
{
	const struct policy_engine *engine = linting->engine;
	int r = 0;

	for (size_t p = 0; p < engine->policy_count; p++) {
		struct policy_site site = { .policy = engine->policies[p] };

		linting->findings->policy_count++;
		for (size_t s = 0; s < site.policy->spec_count; s++) {
			site.spec = &site.policy->specs[s];
			for (size_t c = 0; !r && c < ARRAY_SIZE(spec_checks); c++)
				r = spec_checks[c](linting, &site);
		}
	}
	return r;
}

static int check_rules(struct linting *linting)
{
	int r = policy_shadows_new(linting->engine, &linting->shadows);

	for (size_t i = 0; !r && i < policy_shadows_count(linting->shadows); i++) {
		linting->shadow = i;
		linting->findings->rule_count++;
		for (size_t c = 0; !r && c < ARRAY_SIZE(rule_checks); c++)
			r = rule_checks[c](linting, policy_shadows_site(linting->shadows, i));
	}
	return r;
}

static int note_pod(const struct policy_party *party, void *data)
{
	struct linting *linting = data;
	const struct policy_peer *peer;
	struct pod_at *pods;

	if (!party->is_pod)
		return 0;
	peer = policy_peers_find(&linting->engine->peers, party->identity);
	assert(peer);
	pods = array_room(linting->pods, linting->pod_count, &linting->pod_room, sizeof(*pods));
	if (!pods)
		return -ENOMEM;
	linting->pods = pods;
	pods[linting->pod_count++] = (struct pod_at){ party->pod, peer->slot };
	return 0;
}

static int note_namespace(const struct object *object, void *data)
{
	*(bool *)data = true;
	return 0;
}

static int finding_order(const void *a, const void *b)
{
	const struct policy_finding *x = a, *y = b;
	const char *f = x->policy->file ? x->policy->file : "";
	const char *g = y->policy->file ? y->policy->file : "";
	int order = strcmp(f, g);

	if (!order && !*f && x->policy != y->policy) /* lines of different texts */
		order = strcmp(x->policy->namespace, y->policy->namespace);
	if (!order && !*f && x->policy != y->policy)
		order = strcmp(x->policy->name, y->policy->name);
	if (!order)
		order = (x->line > y->line) - (x->line < y->line);
	if (!order)
		order = strcmp(x->code, y->code);
	return order ? order : strcmp(x->text, y->text);
}

int policy_lint(struct policy_scene *scene, struct policy_findings **ret)
{
	_cleanup_(policy_findings_freep) struct policy_findings *findings =
		calloc(1, sizeof(*findings));
	struct linting linting = { .scene = scene,
				   .engine = policy_scene_engine(scene),
				   .findings = findings };
	int r = findings ? 0 : -ENOMEM;

	if (!r)
		r = policy_scene_for_each_pod(scene, note_pod, &linting);
	if (!r) {
		policy_scene_for_each_object(scene, OBJECT_NAMESPACE, note_namespace,
					     &findings->knows_namespaces);
		findings->knows_pods = linting.pod_count;
		findings->knows_namespaces = findings->knows_namespaces || linting.pod_count;
		r = check_specs(&linting);
	}
	if (!r)
		r = check_rules(&linting);
	policy_shadows_free(linting.shadows);
	free(linting.pods);
	if (r < 0)
		return r;
	if (findings->count)
		qsort(findings->items, findings->count, sizeof(*findings->items), finding_order);
	*ret = take_ptr(findings);
	return 0;
}

void policy_findings_free(struct policy_findings *findings)
{
	if (!findings)
		return;
	for (size_t i = 0; i < findings->count; i++)
		free(findings->items[i].text);
	free(findings->items);
	free(findings);
}
