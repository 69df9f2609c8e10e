/* SPDX-License-Identifier: Apache-2.0 */
/* policy_engine: policies and identities in, one table per subject and direction out.
 *
 * In: policies (model/policy.h), what they refer to, identities    Out: struct policy_table, CIDRs, rule names
 * Owns: all of it    Thread: main loop only. Pure: no kernel, no clock, no root.
 *
 * What a table means is told in abi/policy.h; policy_verdict() below is that text in C and is what
 * the BPF programs are tested against. Incremental: a change recomputes the tables of the subjects
 * it touches, and only those are reported as changed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/policy.h"
#include "base/address.h"
#include "base/cleanup.h"
#include "identity/identity.h"
#include "model/object.h"

struct policy_row {
	uint32_t klass; /* 0: every protocol and port */
	uint32_t peer;
	struct td_policy_val val;
};

/* A set of ports of one protocol that rules tell apart from others. Disjoint within a table. */
struct policy_class {
	uint8_t protocol;
	uint16_t first, last; /* host order, inclusive; ICMP: type */
	uint32_t klass;
};

/* Immutable, shared by all subjects whose rows are equal; reference-counted by the engine. */
struct policy_table {
	uint32_t number;         /* unique for the engine's lifetime, never reused; first one 1 */
	uint32_t flags;          /* TD_SUBJECT_* */
	struct policy_row *rows; /* sorted by klass, peer */
	size_t row_count;
	struct policy_class *classes; /* sorted by protocol, first */
	size_t class_count;
};

struct policy_subject {
	uint32_t identity;
	const struct policy_table *table[2]; /* by td_direction */
};

struct policy_cidr {
	struct prefix prefix;
	uint32_t identity; /* from TD_ID_LOCAL_MIN, stable while the prefix is in use */
};

/* A rule's name, for flows and explanations. */
struct policy_rule_name {
	uint32_t number; /* from TD_RULE_MIN, stable while its policy is unchanged */
	enum object_kind kind;
	const char *namespace;
	const char *name;
	const char *file; /* NULL: API */
	unsigned int line;
	enum td_direction direction;
	bool deny;
	unsigned int index; /* in its list */
};

struct policy_engine;
int policy_engine_new(struct policy_engine **ret);
void policy_engine_free(struct policy_engine *engine);
DEFINE_FREEP(policy_engine);

/* NetworkPolicy's ipBlock is held against outside addresses only, not against pods' and nodes' own
 * (the specification leaves it open; default: every address). Before the first policy. */
void policy_engine_spare_pods(struct policy_engine *engine, bool spare);

/* Whom policies are enforced on: whom they select, everybody, or nobody. DEFAULT until told. */
void policy_engine_enforce(struct policy_engine *engine, enum policy_enforcement enforcement);

/* Puts or replaces a policy (any of the three kinds). Takes a reference. One that is written the
 * same in the same place keeps its rules' numbers, and whether it is audited; any other is enforced.
 * -ENOMEM changes nothing. */
int policy_engine_put_policy(struct policy_engine *engine, struct object *policy);
void policy_engine_delete_policy(struct policy_engine *engine, enum object_kind kind,
				 const char *namespace, const char *name);

/* Whether objects of a kind are what rules may refer to: CIDR groups, Services, EndpointSlices, groups
 * of an inventory. */
bool policy_engine_takes(enum object_kind kind);
/* Puts or replaces such an object. Takes a reference. What no rule refers to costs its place in a
 * list. 1: the next compile has something to do; 0; -ENOMEM changes nothing. */
int policy_engine_put_group(struct policy_engine *engine, struct object *object);
/* 1: the next compile has something to do. Unknown ones are no error. */
int policy_engine_delete_group(struct policy_engine *engine, enum object_kind kind,
			       const char *namespace, const char *name);

typedef int (*policy_reference_fn)(const struct group_ref *ref, void *data);
/* Calls fn for each reference in a policy that means no object there is: it matches nobody. Stops at
 * non-zero and returns it. As of the last compile. */
int policy_engine_for_each_missing(const struct policy_engine *engine, enum object_kind kind,
				   const char *namespace, const char *name, policy_reference_fn fn,
				   void *data);

/* Puts a policy into audit mode, or back: its rules that deny, and its isolation, are then told and
 * not enforced; what it allows is allowed all the same. Nothing happens if there is none. */
void policy_engine_audit(struct policy_engine *engine, enum object_kind kind, const char *namespace,
			 const char *name, bool audited);
bool policy_engine_is_audited(const struct policy_engine *engine, const struct object *policy);
/* Adds an identity as peer, and as subject if it is a pod's. Copies. Reserved ones are known: for
 * them this does nothing. -ENOMEM changes nothing. */
int policy_engine_put_identity(struct policy_engine *engine, const struct identity *identity);
void policy_engine_delete_identity(struct policy_engine *engine, uint32_t number);

/* Brings the tables up to date. 1: by one step of several; call again when the tables and the CIDRs
 * of this one are in force (a group gave up CIDRs for others: policy_groups.h). changed: subjects
 * whose tables differ from the last call, by number, borrowed (their tables too) until the next call;
 * deleted identities are not among them. Subjects are the pods' identities put, and TD_ID_INIT
 * always. -ENOMEM: nothing changed, call again. */
int policy_engine_compile(struct policy_engine *engine, const struct policy_subject **changed,
			  size_t *changed_count);
/* What the last compile made did not come into force: the next one takes the same step again. Its
 * `changed` tells differences only, so all subjects are to be written then. */
void policy_engine_repeat(struct policy_engine *engine);

const struct policy_subject *policy_engine_subject(const struct policy_engine *engine,
						   uint32_t identity);
int policy_engine_for_each_subject(const struct policy_engine *engine,
				   int (*fn)(const struct policy_subject *subject, void *data),
				   void *data);
/* Sorted by prefix; borrowed until the next compile. 0.0.0.0/0 is always among them if any IPv6
 * prefix shorter than /97 is, so that no IPv6 prefix covers IPv4 addresses in td_cidr. */
const struct policy_cidr *policy_engine_cidrs(const struct policy_engine *engine, size_t *count);
/* NULL if unknown (a removed policy's rule). */
const struct policy_rule_name *policy_engine_rule(const struct policy_engine *engine,
						  uint32_t number);
int policy_engine_for_each_rule(const struct policy_engine *engine,
				int (*fn)(const struct policy_rule_name *rule, void *data),
				void *data);

struct policy_query {
	uint32_t identity; /* of the peer; 0: none (use TD_ID_WORLD for outside addresses) */
	uint32_t cidr;     /* policy_engine_cidr_of() of its address; 0: none */
	bool outside;      /* the peer is no endpoint and no node */
	uint8_t protocol;
	uint16_t port; /* host order; ICMP: type */
	bool audited;  /* the subject's endpoint is in audit mode */
};

struct policy_decision {
	bool allowed;  /* by policy */
	bool audited;  /* not allowed, but forwarded and reported */
	uint32_t rule; /* td_rule or a rule's number */
	enum td_match match;
};

/* The longest prefix's identity; 0 if none. As of the last compile. */
uint32_t policy_engine_cidr_of(const struct policy_engine *engine, const struct td_addr *addr);
/* The rule in a row is the first by kind, namespace, name and place in the file among those that
 * say the same; for CIDRs the one with the longest prefix before that. */
struct policy_decision policy_verdict(const struct policy_table *table,
				      const struct policy_query *query);
