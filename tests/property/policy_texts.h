/* SPDX-License-Identifier: Apache-2.0 */
/* policy_texts: random small clusters as manifests, for tests that compare ways of judging them.
 *
 * In: a seed    Out: YAML text
 * Owns: nothing; texts are the caller's    Thread: one */
#pragma once

#include <stddef.h>

#include "policy/policy_scene.h"

extern unsigned int texts_seed;
unsigned int texts_random(size_t below);

/* One pod, one policy; the caller frees. */
char *texts_pod(unsigned int number);
char *texts_policy(unsigned int number);

/* Adds pods first .. first + count - 1, some with addresses, to a scene. */
void texts_put_pods(struct policy_scene *scene, unsigned int first, unsigned int count);
void texts_put(struct policy_scene *scene, const char *text);
/* The node, with an address of each family. */
void texts_put_node(struct policy_scene *scene);

/* Outside addresses worth asking about: inside and between the prefixes that policies speak of. */
extern const char *const texts_outside[];
extern const size_t texts_outside_count;
