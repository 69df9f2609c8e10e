/* SPDX-License-Identifier: Apache-2.0 */
/* policy_input: fills a scene on behalf of a verb: from manifests, or with what a node has.
 *
 * In: files, the admin socket    Out: objects and addresses in a scene
 * Owns: nothing    Thread: one
 *
 * All return 0, or an exit code after saying on stderr what is wrong. */
#pragma once

#include "policy/policy_scene.h"
#include "verb.h"

/* Kinds that Tendril does not know are passed over. "-": stdin. */
int policy_input_file(struct policy_scene *scene, const char *path);
/* An inventory of a cloud's groups, however old. */
int policy_input_inventory(struct policy_scene *scene, const char *path);
/* Objects in force with where they were written, workloads of `tendril run`, addresses. */
int policy_input_agent(const struct cli *cli, struct policy_scene *scene);
