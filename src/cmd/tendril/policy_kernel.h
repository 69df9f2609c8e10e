/* SPDX-License-Identifier: Apache-2.0 */
/* policy_kernel: cells judged by the BPF programs, and held against the compiler.
 *
 * In: a scene's tables, a cell    Out: the programs' verdict    Owns: the programs and their maps
 * Thread: one */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"
#include "datapath/dry_run.h"
#include "policy/policy_scene.h"

struct policy_kernel {
	struct dry_run *run;
	size_t differences; /* decisions that are not the compiler's, each told on stderr */
};

/* -errno with diag set. */
int policy_kernel_open(struct policy_kernel *kernel, struct diag *diag);
void policy_kernel_close(struct policy_kernel *kernel);

/* As struct policy_cases wants them; data is the struct policy_kernel. Whoever is no pod has no
 * program in front of it: that it allows everything is not asked of the kernel. */
void policy_kernel_begin(struct policy_scene *scene, void *data);
int policy_kernel_judge(struct policy_scene *scene, enum td_direction direction,
			const struct policy_party *subject, const struct policy_party *peer,
			const struct policy_probe *probe, bool *ret_allowed, struct diag *diag,
			void *data);
