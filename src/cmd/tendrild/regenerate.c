/* SPDX-License-Identifier: Apache-2.0 */
#include "regenerate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "agent.h"
#include "base/fsutil.h"
#include "base/log.h"
#include "lockdown.h"
#include "node_watch.h"
#include "publish.h"
#include "sources.h"

#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   30000
/* Identities nobody has any more leave the kernel's tables this long after the last use. */
#define SWEEP_MS 1000

struct regenerate {
	struct agent *agent;
	unsigned int dirty;
	bool running;
	bool policies_lost;  /* the engine could not take an object: put all of them again */
	bool locked;         /* tables of some subjects do not fit: lockdown.h */
	bool commit_pending; /* something that established connections must be judged under */
	uv_timer_t *soon, *retry, *sweep;
	uint64_t retry_ms;
	struct prefix *cidrs; /* as last synced */
	size_t cidr_count;
	uint32_t *gone; /* identities whose last reference was dropped */
	size_t gone_count, gone_room;
	struct regenerate_stats stats;
};

/* Before the first run there are no modes: that run audits every policy. */
static int audit_policy(const struct object *object, void *data)
{
	const struct agent *agent = ((struct regenerate *)data)->agent;

	if (agent->modes)
		policy_engine_audit(agent->engine, object->kind, object->namespace, object->name,
				    policy_modes_policy_audited(agent->modes, object));
	return 0;
}

static int put_policy(const struct object *object, void *data)
{
	struct regenerate *regenerate = data;
	/* The engine takes a reference, which is all it changes. */
	int r = policy_engine_put_policy(regenerate->agent->engine, (struct object *)object);

	return r < 0 ? r : audit_policy(object, regenerate);
}

static void pass_policy(struct regenerate *regenerate, const struct store_event *event)
{
	if (event->after) {
		if (put_policy(event->after, regenerate) < 0)
			regenerate->policies_lost = true;
	} else {
		policy_engine_delete_policy(regenerate->agent->engine, event->before->kind,
					    event->before->namespace, event->before->name);
	}
}

static int put_group(const struct object *object, void *data)
{
	struct regenerate *regenerate = data;
	int r = policy_engine_put_group(regenerate->agent->engine, (struct object *)object);

	if (r > 0)
		regenerate->dirty |= DIRTY_POLICY;
	return MIN(r, 0);
}

/* What rules may refer to; most of it concerns none. */
static void pass_group(struct regenerate *regenerate, const struct store_event *event)
{
	if (event->after) {
		if (put_group(event->after, regenerate) < 0)
			regenerate->policies_lost = true;
	} else if (policy_engine_delete_group(regenerate->agent->engine, event->before->kind,
					      event->before->namespace, event->before->name)) {
		regenerate->dirty |= DIRTY_POLICY;
	}
}

/* A Namespace's or a Pod's annotation concerns endpoints. */
static bool audit_differs(const struct store_event *event)
{
	enum policy_audit before = event->before ? event->before->audit : POLICY_AUDIT_UNSET;
	enum policy_audit after = event->after ? event->after->audit : POLICY_AUDIT_UNSET;

	return before != after;
}

static void on_store(const struct store_event *events, size_t count, void *data)
{
	static const unsigned int marks[OBJECT_KIND_COUNT] = {
		[OBJECT_NAMESPACE] = DIRTY_IDENTITIES,
		[OBJECT_POD] = DIRTY_IDENTITIES | DIRTY_SERVICES,
		[OBJECT_SERVICE] = DIRTY_SERVICES,
		[OBJECT_ENDPOINT_SLICE] = DIRTY_SERVICES,
		[OBJECT_NETWORK_POLICY] = DIRTY_POLICY,
		[OBJECT_CILIUM_NETWORK_POLICY] = DIRTY_POLICY,
		[OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY] = DIRTY_POLICY,
		[OBJECT_POLICY_MODE] = DIRTY_MODES,
		[OBJECT_ENDPOINT] = DIRTY_IDENTITIES | DIRTY_ENDPOINTS | DIRTY_SERVICES,
	};
	struct regenerate *regenerate = data;
	unsigned int dirty = 0;

	for (size_t i = 0; i < count; i++) {
		enum object_kind kind =
			(events[i].after ? events[i].after : events[i].before)->kind;

		dirty |= marks[kind];
		if (audit_differs(&events[i]))
			dirty |= DIRTY_ENDPOINTS;
		if (object_kind_is_policy(kind)) {
			pass_policy(regenerate, &events[i]);
			publish_mark(regenerate->agent, 1u << TABLES_RULE);
		}
		if (policy_engine_takes(kind))
			pass_group(regenerate, &events[i]);
		if (kind == OBJECT_SERVICE)
			publish_mark(regenerate->agent, 1u << TABLES_SERVICE);
	}
	regenerate_mark(regenerate, dirty);
}

/* ---- modes */

static int for_each_policy(const struct agent *agent,
			   int (*fn)(const struct object *object, void *data), void *data)
{
	int r = 0;

	for (unsigned int kind = 0; r == 0 && kind < OBJECT_KIND_COUNT; kind++)
		if (object_kind_is_policy((enum object_kind)kind))
			r = store_for_each(agent->store, (enum object_kind)kind, fn, data);
	return r;
}

static int do_modes(struct regenerate *regenerate)
{
	struct agent *agent = regenerate->agent;
	const struct policy_modes_node node = {
		.name = agent->settings.node_name,
		.audit = agent->settings.policy_audit_mode,
		.enforcement = (enum policy_enforcement)agent->settings.enable_policy,
	};
	struct policy_modes *modes;
	int r = policy_modes_new(agent->store, &node, &modes);

	if (r < 0)
		return r;
	policy_modes_free(agent->modes);
	agent->modes = modes;
	policy_engine_enforce(agent->engine, policy_modes_enforcement(modes));
	for_each_policy(agent, audit_policy, regenerate);
	regenerate->dirty |= DIRTY_POLICY | DIRTY_ENDPOINTS;
	return 0;
}

/* ---- identities */

static int note_gone(struct regenerate *regenerate, uint32_t number)
{
	if (regenerate->gone_count == regenerate->gone_room) {
		size_t room = regenerate->gone_room ? regenerate->gone_room * 2 : 16;
		uint32_t *grown = realloc(regenerate->gone, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		regenerate->gone = grown;
		regenerate->gone_room = room;
	}
	regenerate->gone[regenerate->gone_count++] = number;
	return 0;
}

static void on_sweep(uv_timer_t *timer);

static void drop_identity(struct regenerate *regenerate, uint32_t number)
{
	if (number < TD_ID_POD_MIN)
		return;
	identities_put(regenerate->agent->identities, number);
	/* Its tables stay until nobody refers to them: the kernel still has the endpoint now. */
	if (note_gone(regenerate, number) == 0 && regenerate->sweep)
		uv_timer_start(regenerate->sweep, on_sweep, SWEEP_MS, 0);
}

void regenerate_workload_gone(struct regenerate *regenerate, struct workload *workload)
{
	drop_identity(regenerate, workload->identity);
	workload->identity = 0;
	regenerate_mark(regenerate, DIRTY_ENDPOINTS);
}

/* Takes identities without references out of the engine. */
static void on_sweep(uv_timer_t *timer)
{
	struct regenerate *regenerate = timer->data;
	bool removed = false;

	for (size_t i = 0; i < regenerate->gone_count; i++) {
		const struct identity *identity =
			identities_find(regenerate->agent->identities, regenerate->gone[i]);

		if (identity && identity->refs)
			continue;
		policy_engine_delete_identity(regenerate->agent->engine, regenerate->gone[i]);
		removed = true;
	}
	regenerate->gone_count = 0;
	if (removed)
		regenerate_mark(regenerate, DIRTY_POLICY | DIRTY_SUBJECTS);
}

/* Its own labels: of `tendril run`, or of its Pod; NULL: neither. */
static const struct object *labels_source(const struct regenerate *regenerate,
					  const struct workload *workload)
{
	if (workload->run_labels)
		return workload->object;
	if (!*workload->namespace)
		return NULL;
	return store_get(regenerate->agent->store, OBJECT_POD, workload->namespace, workload->name);
}

static int find_identity(struct regenerate *regenerate, const struct workload *workload,
			 uint32_t *ret)
{
	struct agent *agent = regenerate->agent;
	const struct object *source = labels_source(regenerate, workload);
	_cleanup_(labels_freep) struct labels *labels = NULL;
	const struct object *namespace;
	int r;

	if (!source) {
		*ret = TD_ID_INIT;
		return 0;
	}
	namespace = store_get(agent->store, OBJECT_NAMESPACE, "", workload->namespace);
	r = identity_labels(source, namespace, workload->namespace, agent->settings.cluster,
			    &labels);
	if (r < 0)
		return r;
	if (source->kind == OBJECT_POD)
		return identities_get(agent->identities, labels, source->pod.ports,
				      source->pod.port_count, ret);
	return identities_get(agent->identities, labels, NULL, 0, ret);
}

/* changed: the workload has another number now. */
static int identify(struct regenerate *regenerate, struct workload *workload, bool *changed)
{
	struct agent *agent = regenerate->agent;
	uint32_t number;
	int r = find_identity(regenerate, workload, &number);

	if (r < 0)
		return r;
	if (number == workload->identity) {
		if (number >= TD_ID_POD_MIN)
			identities_put(agent->identities, number); /* it has its reference */
		return 0;
	}
	if (number >= TD_ID_POD_MIN) {
		r = policy_engine_put_identity(agent->engine,
					       identities_find(agent->identities, number));
		if (r < 0) {
			identities_put(agent->identities, number);
			return r;
		}
	}
	drop_identity(regenerate, workload->identity);
	workload->identity = number;
	*changed = true;
	return 0;
}

static int save_identities(const struct agent *agent)
{
	_cleanup_free_ char *text = identities_save(agent->identities), *path = NULL;

	if (!text || asprintf(&path, "%s/identities.json", agent->settings.run_dir) < 0)
		return -ENOMEM;
	return file_replace(path, text, strlen(text), 0600, false);
}

static int do_identities(struct regenerate *regenerate)
{
	struct agent *agent = regenerate->agent;
	bool changed = false;
	int r;

	endpoints_bind(agent->endpoints);
	for (struct workload *workload = endpoints_first(agent->endpoints); workload;
	     workload = workload->next) {
		if (workload->state == ENDPOINT_DELETING)
			continue;
		r = identify(regenerate, workload, &changed);
		if (r < 0)
			return r;
	}
	if (!changed)
		return 0;
	regenerate->dirty |= DIRTY_POLICY | DIRTY_ENDPOINTS;
	r = save_identities(agent);
	if (r < 0)
		log_warn("agent", "identities not saved: after a restart numbers may differ",
			 LOG_ERR(r));
	return 0;
}

/* ---- policy */

static bool had_cidr(const struct regenerate *regenerate, const struct prefix *prefix)
{
	size_t low = 0, high = regenerate->cidr_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct prefix *at = &regenerate->cidrs[mid];
		int order = address_compare(&at->addr, &prefix->addr);

		if (order == 0)
			order = at->length - prefix->length;
		if (order == 0)
			return true;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static int compare_prefixes(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int order = address_compare(&x->addr, &y->addr);

	return order ? order : x->length - y->length;
}

/* Remembers what was synced. If memory is short every CIDR counts as new the next time. */
static void remember_cidrs(struct regenerate *regenerate, const struct policy_cidr *cidrs,
			   size_t count)
{
	free(regenerate->cidrs);
	regenerate->cidr_count = 0;
	regenerate->cidrs = calloc(count ? count : 1, sizeof(*regenerate->cidrs));
	if (!regenerate->cidrs)
		return;
	for (size_t i = 0; i < count; i++)
		regenerate->cidrs[i] = cidrs[i].prefix;
	regenerate->cidr_count = count;
	qsort(regenerate->cidrs, count, sizeof(*regenerate->cidrs), compare_prefixes);
}

static int sync_cidrs(struct regenerate *regenerate, const struct policy_cidr *cidrs, size_t count)
{
	int r = datapath_sync_cidrs(regenerate->agent->datapath, cidrs, count);

	if (r == 0)
		remember_cidrs(regenerate, cidrs, count);
	return r;
}

struct subjects {
	struct policy_subject *items;
	size_t count, room;
};

static int add_subject(const struct policy_subject *subject, void *data)
{
	struct subjects *subjects = data;

	if (subjects->count == subjects->room) {
		size_t room = subjects->room ? subjects->room * 2 : 64;
		struct policy_subject *grown = realloc(subjects->items, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		subjects->items = grown;
		subjects->room = room;
	}
	subjects->items[subjects->count++] = *subject;
	return 0;
}

static int sync_subjects(struct regenerate *regenerate, const struct policy_subject *changed,
			 size_t count)
{
	bool whole = regenerate->dirty & DIRTY_SUBJECTS || regenerate->locked;
	struct agent *agent = regenerate->agent;
	struct subjects all = {};
	int r = 0;

	if (!whole && !count)
		return 0;
	if (whole)
		r = policy_engine_for_each_subject(agent->engine, add_subject, &all);
	if (r == 0)
		r = datapath_sync_policy(agent->datapath, whole ? all.items : changed,
					 whole ? all.count : count, whole);
	free(all.items);
	/* Those who do not fit pass nothing; nobody else waits for them. */
	if (r == 0 || r == -E2BIG)
		regenerate->locked = lockdown_report(agent);
	return r == -E2BIG && regenerate->locked ? 0 : r;
}

/* An address resolves to its longest prefix, whose rows hold the shorter ones' rules too. So rows
 * are there before the prefixes that need them, and stay until those are gone. */
static int sync_tables(struct regenerate *regenerate, const struct policy_subject *changed,
		       size_t changed_count)
{
	const struct policy_cidr *cidrs;
	size_t cidr_count = 0;
	bool whole = regenerate->dirty & DIRTY_SUBJECTS || regenerate->locked, grew = false;
	int r = 0;

	cidrs = policy_engine_cidrs(regenerate->agent->engine, &cidr_count);
	for (size_t i = 0; i < cidr_count && !grew; i++)
		grew = !had_cidr(regenerate, &cidrs[i].prefix);
	/* Else nobody's verdict is another one: connections need not be judged again. */
	if (whole || changed_count || grew || cidr_count != regenerate->cidr_count)
		regenerate->commit_pending = true;
	if (!grew && cidr_count != regenerate->cidr_count)
		r = sync_cidrs(regenerate, cidrs, cidr_count);
	if (r == 0)
		r = sync_subjects(regenerate, changed, changed_count);
	if (r == 0 && grew)
		r = sync_cidrs(regenerate, cidrs, cidr_count);
	return r;
}

static int do_policy(struct regenerate *regenerate)
{
	const struct policy_subject *changed = NULL;
	size_t changed_count = 0;
	int more, r = 0;

	do {
		more = policy_engine_compile(regenerate->agent->engine, &changed, &changed_count);
		if (more < 0)
			return more;
		r = sync_tables(regenerate, changed, changed_count);
		/* compile() tells a change only once: after a failure everything has to be written. */
		if (r < 0) {
			regenerate->dirty |= DIRTY_SUBJECTS;
			policy_engine_repeat(regenerate->agent->engine);
		}
	} while (r == 0 && more);
	return r;
}

/* ---- endpoints, services, host */

static struct datapath_endpoint endpoint_of(const struct agent *agent,
					    const struct workload *workload)
{
	return (struct datapath_endpoint){
		.audit = policy_modes_workload_audited(agent->modes, workload->namespace,
						       workload->name, NULL),
		.ifindex = workload->host_ifindex,
		.value = { .id = workload->id,
			   .identity = workload->identity,
			   .ipv4 = workload->ipv4,
			   .ipv6 = workload->ipv6,
			   .netns_cookie = workload->netns_cookie },
	};
}

static int do_endpoints(struct regenerate *regenerate)
{
	struct agent *agent = regenerate->agent;
	_cleanup_free_ struct datapath_endpoint *endpoints = NULL;
	size_t count = 0;
	int r;

	for (struct workload *workload = endpoints_first(agent->endpoints); workload;
	     workload = workload->next)
		count++;
	endpoints = calloc(count ? count : 1, sizeof(*endpoints));
	if (!endpoints)
		return -ENOMEM;
	count = 0;
	for (struct workload *workload = endpoints_first(agent->endpoints); workload;
	     workload = workload->next)
		if (workload->state == ENDPOINT_READY && workload->host_ifindex)
			endpoints[count++] = endpoint_of(agent, workload);
	r = datapath_sync_endpoints(agent->datapath, endpoints, count);
	if (r == 0)
		regenerate->commit_pending = true;
	return r;
}

static void report_conflict(const struct object *service, void *data)
{
	log_warn("services",
		 "address and port are taken by another Service; this one is not served",
		 LOG_STR("namespace", service->namespace), LOG_STR("service", service->name));
}

static int do_services(struct regenerate *regenerate)
{
	struct agent *agent = regenerate->agent;
	_cleanup_(service_table_freep) struct service_table *table = NULL;
	int r = service_table_build(agent->store, &table, report_conflict, NULL);

	return r < 0 ? r : datapath_sync_services(agent->datapath, table);
}

static int do_host(struct regenerate *regenerate)
{
	int r = datapath_sync_host_addresses(regenerate->agent->datapath);

	if (r == 0)
		regenerate->commit_pending = true;
	return r;
}

static int do_lost_policies(struct regenerate *regenerate)
{
	if (!regenerate->policies_lost)
		return 0;
	regenerate->dirty |= DIRTY_POLICY;
	publish_mark(regenerate->agent, 1u << TABLES_RULE);
	for (unsigned int kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
		int r = 0;

		if (object_kind_is_policy(kind))
			r = store_for_each(regenerate->agent->store, kind, put_policy, regenerate);
		else if (policy_engine_takes(kind))
			r = store_for_each(regenerate->agent->store, kind, put_group, regenerate);
		if (r < 0)
			return -ENOMEM;
	}
	regenerate->policies_lost = false;
	return 0;
}

/* ---- the way through */

/* In this order: a policy is there before the first endpoint that needs it. */
static const struct step {
	unsigned int dirty;
	const char *name;
	bool enforcing; /* an ADD may not succeed without it */
	bool whole;     /* waits until every policy that was applied is known */
	int (*run)(struct regenerate *regenerate);
	const char *consequence, *remedy;
} steps[] = {
	{ DIRTY_MODES, "policy modes", true, false, do_modes,
	  "what was audited is, and what was enforced is; new workloads are not connected",
	  "free memory" },
	{ DIRTY_IDENTITIES, "identities", true, false, do_identities,
	  "workloads keep the identities and policies they had; new ones pass nothing",
	  "free memory, or delete workloads with labels of their own" },
	{ DIRTY_POLICY | DIRTY_SUBJECTS, "policy", true, true, do_policy,
	  "the policies enforced before stay in force; new workloads are not connected",
	  "see the log; raise maps.policy, maps.class or maps.cidr if a map is full" },
	{ DIRTY_HOST, "host addresses", true, false, do_host,
	  "traffic of the node may be judged as of the outside", "see the log" },
	{ DIRTY_ENDPOINTS, "endpoints", true, false, do_endpoints, "new workloads pass nothing",
	  "see the log; raise maps.addresses if it is full" },
	{ DIRTY_SERVICES, "services", false, false, do_services,
	  "connections to cluster IPs go to the backends known before",
	  "see the log; raise maps.services or maps.backends if a map is full" },
};

static int run_step(struct regenerate *regenerate, const struct step *step)
{
	struct problems *problems = &regenerate->agent->problems;
	unsigned int dirty = regenerate->dirty & step->dirty;
	int r;

	if (!dirty)
		return 0;
	/* Whatever is written without it may let pass what it denies. sources.c tells of it. */
	if (step->whole && sources_missing(regenerate->agent->sources)) {
		problem_clear(problems, step->name);
		return -EBADMSG;
	}
	r = step->run(regenerate);
	if (r < 0) {
		problem_set(problems, step->name, step->consequence, step->remedy,
			    "%s could not be brought into the kernel: %s", step->name,
			    log_strerror(r));
		return r;
	}
	regenerate->dirty &= ~dirty;
	problem_clear(problems, step->name);
	return 0;
}

static int commit(struct regenerate *regenerate)
{
	int r;

	if (!regenerate->commit_pending)
		return 0;
	r = datapath_commit(regenerate->agent->datapath);
	if (r < 0) {
		problem_set(&regenerate->agent->problems, "commit",
			    "established connections are still judged by the policies before",
			    "see the log", "the kernel did not take the new generation: %s",
			    log_strerror(r));
		return r;
	}
	problem_clear(&regenerate->agent->problems, "commit");
	regenerate->commit_pending = false;
	return 0;
}

static int attach_sockets(struct regenerate *regenerate)
{
	struct problems *problems = &regenerate->agent->problems;
	struct diag diag = {};
	int r = datapath_attach_sockets(regenerate->agent->datapath, &diag);

	if (r < 0)
		problem_set(
			problems, "sockets",
			"connections to cluster IPs are translated as before this start, if at all",
			"see cgroup_root in the configuration", "%s", diag.text);
	else
		problem_clear(problems, "sockets");
	return r;
}

static int run_steps(struct regenerate *regenerate, bool *failed)
{
	int result = do_lost_policies(regenerate);

	*failed = result < 0;
	if (result < 0)
		return result;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = run_step(regenerate, &steps[i]);

		if (r == 0)
			continue;
		*failed = true;
		/* Endpoints must not come before the policies they need. */
		if (steps[i].enforcing) {
			result = r;
			break;
		}
	}
	/* Programs and generation come into force together with the tables they need, or not yet. */
	if (result == 0 && (commit(regenerate) < 0 || attach_sockets(regenerate) < 0))
		*failed = true;
	return result;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void on_soon(uv_timer_t *timer)
{
	regenerate_now(timer->data);
}

static void on_retry(uv_timer_t *timer)
{
	struct regenerate *regenerate = timer->data;

	if (regenerate->locked)
		regenerate->dirty |= DIRTY_POLICY | DIRTY_SUBJECTS;
	regenerate_now(regenerate);
}

static void plan_retry(struct regenerate *regenerate, bool failed)
{
	if (!failed) {
		regenerate->retry_ms = RETRY_FIRST_MS;
		uv_timer_stop(regenerate->retry);
		return;
	}
	regenerate->stats.failures++;
	uv_timer_start(regenerate->retry, on_retry, regenerate->retry_ms, 0);
	regenerate->retry_ms = MIN(regenerate->retry_ms * 2, (uint64_t)RETRY_MAX_MS);
}

/* A run that finds nothing to do (a timer that a call was faster than) is none. */
static void account(struct regenerate *regenerate, uint64_t start_us)
{
	regenerate->stats.runs++;
	regenerate->stats.last_us = now_us() - start_us;
	regenerate->stats.last_at = time(NULL);
}

int regenerate_now(struct regenerate *regenerate)
{
	bool trivial = !regenerate->dirty && !regenerate->commit_pending;
	uint64_t start = now_us();
	bool failed;
	int r;

	if (regenerate->running || !regenerate->agent->datapath)
		return 0;
	regenerate->running = true;
	uv_timer_stop(regenerate->soon);
	r = run_steps(regenerate, &failed);
	/* Binding to a Pod changes the store, which marks what the same run has already done. */
	if (!failed && regenerate->dirty)
		r = run_steps(regenerate, &failed);
	regenerate->running = false;
	if (!trivial)
		account(regenerate, start);
	plan_retry(regenerate, failed || regenerate->locked);
	if (regenerate->agent->node_watch)
		node_watch_maintain(regenerate->agent->node_watch);
	publish_soon(regenerate->agent);
	return r;
}

void regenerate_mark(struct regenerate *regenerate, unsigned int dirty)
{
	regenerate->dirty |= dirty;
	/* A retry that is planned comes soon enough only for what has failed before. */
	if (regenerate->dirty && !regenerate->running && regenerate->agent->datapath)
		uv_timer_start(regenerate->soon, on_soon, 0, 0);
}

struct regenerate_stats regenerate_stats(const struct regenerate *regenerate)
{
	struct regenerate_stats stats = regenerate->stats;

	stats.dirty = regenerate->dirty;
	return stats;
}

/* ---- life */

static int new_timer(struct regenerate *regenerate, uv_timer_t **ret)
{
	uv_timer_t *timer = malloc(sizeof(*timer));

	if (!timer)
		return -ENOMEM;
	uv_timer_init(regenerate->agent->loop, timer);
	timer->data = regenerate;
	*ret = timer;
	return 0;
}

int regenerate_new(struct agent *agent, struct regenerate **ret)
{
	_cleanup_(regenerate_freep) struct regenerate *regenerate = calloc(1, sizeof(*regenerate));
	int r;

	if (!regenerate)
		return -ENOMEM;
	regenerate->agent = agent;
	regenerate->dirty = DIRTY_ALL;
	regenerate->retry_ms = RETRY_FIRST_MS;
	r = new_timer(regenerate, &regenerate->soon);
	if (r == 0)
		r = new_timer(regenerate, &regenerate->retry);
	if (r == 0)
		r = new_timer(regenerate, &regenerate->sweep);
	if (r == 0)
		r = store_listen(agent->store, on_store, regenerate);
	if (r < 0)
		return r;
	*ret = take_ptr(regenerate);
	return 0;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

void regenerate_free(struct regenerate *regenerate)
{
	if (!regenerate)
		return;
	if (regenerate->soon)
		uv_close((uv_handle_t *)regenerate->soon, free_handle);
	if (regenerate->retry)
		uv_close((uv_handle_t *)regenerate->retry, free_handle);
	if (regenerate->sweep)
		uv_close((uv_handle_t *)regenerate->sweep, free_handle);
	free(regenerate->cidrs);
	free(regenerate->gone);
	free(regenerate);
}
