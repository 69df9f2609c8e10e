/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup: the socket programs on the cgroup root, by pinned links.
 *
 * In: programs, the cgroup's path    Out: links    Owns: links/cgroup-* of the pin directory
 * Thread: main loop only
 *
 * Links attach beside others' programs (as BPF_F_ALLOW_MULTI). */
#pragma once

#include <stddef.h>

#include <bpf/libbpf.h>

#include "pins.h"

#define CGROUP_PROGS_MAX 24

struct cgroup_progs {
	size_t count;
	struct {
		char name[PIN_NAME_MAX - 8];
		int fd;
		enum bpf_attach_type type;
	} items[CGROUP_PROGS_MAX];
};

/* Duplicates the fds of an object's cgroup programs. */
int cgroup_progs_take(struct cgroup_progs *progs, struct bpf_object *object);
void cgroup_progs_close(struct cgroup_progs *progs);

/* Whether programs can be attached to this directory: -EINVAL with diag set if it is none of cgroup v2. */
int cgroup_check(const char *root, struct diag *diag);
/* Attaches what is missing, puts these programs where older ones are, and removes links of programs
 * this build has not. root NULL: removes all. */
int cgroup_attach(const struct pins *pins, const char *root, const struct cgroup_progs *progs,
		  struct diag *diag);
/* Calls fn with the id of each attached program. */
int cgroup_for_each_prog(const struct pins *pins, int (*fn)(uint32_t prog_id, void *data),
			 void *data);
