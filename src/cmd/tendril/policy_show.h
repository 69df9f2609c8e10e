/* SPDX-License-Identifier: Apache-2.0 */
/* policy_show: how the verbs of `tendril policy` name parties, ports and reasons.
 *
 * In: groups, ports, decisions    Out: text, JSON
 * Owns: nothing; JSON is the caller's    Thread: one */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "policy/policy_changes.h"
#include "verb.h"

/* A list of files or other words given by an option that may be repeated. */
#define POLICY_ARGS_MAX 256
struct policy_args {
	const char *items[POLICY_ARGS_MAX];
	size_t count;
};
/* 0, or EXIT_USAGE after saying that there are too many. */
int policy_args_add(struct policy_args *args, const struct verb *verb, const char *word);

/* {name, kind, pods, families, ...}. */
json_t *policy_cohort_json(const struct policy_cohort *group);
/* [{protocol, first, last}]. */
json_t *policy_ports_json(const struct policy_ports *ports);
json_t *policy_families_json(unsigned int families);
/* "IPv4", "IPv6"; "" for both. */
const char *policy_families_name(unsigned int families);

/* Why a subject's direction decides as it does: a rule, or what it is if no rule decided; who
 * isolates it if that is the reason. */
void policy_print_reason(FILE *out, const struct policy_engine *engine, uint32_t subject,
			 enum td_direction direction, uint32_t rule);
json_t *policy_reason_json(const struct policy_engine *engine, uint32_t subject,
			   enum td_direction direction, uint32_t rule);
