/* SPDX-License-Identifier: Apache-2.0 */
/* policy_words: rules, policies and selectors as people call them.
 *
 * In: what the engine knows    Out: text in the caller's stream
 * Owns: nothing    Thread: any */
#pragma once

#include <stdio.h>

#include "policy/policy_engine.h"

/* "ingress", "egressDeny". */
const char *policy_list_name(enum td_direction direction, bool deny);
/* "CiliumNetworkPolicy default/web". */
void policy_print_object(FILE *out, const struct object *object);
/* "CiliumNetworkPolicy default/web, ingress[0] (web.yaml:12)"; "(applied, line 12)" if it has no
 * file. */
void policy_print_rule(FILE *out, const struct policy_rule_name *rule);
void policy_print_place(FILE *out, const char *file, unsigned int line);
/* "namespace=shop, app=web, tier in (a, b), !old"; "any label" if it asks for none. `without`: a
 * requirement to leave out, or NULL. */
void policy_print_selector(FILE *out, const struct selector *selector,
			   const struct requirement *without);
void policy_print_requirement(FILE *out, const struct requirement *item);
/* "80/TCP", "http/UDP", "8000-8010/any protocol". */
void policy_print_port(FILE *out, const struct port_rule *port);
