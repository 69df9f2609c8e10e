/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

int policy_kernel_open(struct policy_kernel *kernel, struct diag *diag)
{
	return dry_run_open(&kernel->run, diag);
}

void policy_kernel_close(struct policy_kernel *kernel)
{
	dry_run_free(kernel->run);
	kernel->run = NULL;
}

struct subjects {
	struct policy_subject *items;
	size_t count, room;
};

static int add_subject(const struct policy_subject *subject, void *data)
{
	struct subjects *subjects = data;

	if (subjects->count == subjects->room) {
		size_t room = subjects->room ? 2 * subjects->room : 64;
		struct policy_subject *grown = reallocarray(subjects->items, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		subjects->items = grown;
		subjects->room = room;
	}
	subjects->items[subjects->count++] = *subject;
	return 0;
}

static int on_compiled(const struct policy_engine *engine, const struct policy_subject *changed,
		       size_t count, bool whole, void *data)
{
	struct policy_kernel *kernel = data;
	const struct policy_cidr *cidrs;
	struct subjects all = { 0 };
	size_t cidr_count;
	int r = whole ? policy_engine_for_each_subject(engine, add_subject, &all) : 0;

	if (!r && (whole || count))
		r = dry_run_sync_policy(kernel->run, whole ? all.items : changed,
					whole ? all.count : count, whole);
	free(all.items);
	cidrs = policy_engine_cidrs(engine, &cidr_count);
	return r ? r : dry_run_sync_cidrs(kernel->run, cidrs, cidr_count);
}

void policy_kernel_begin(struct policy_scene *scene, void *data)
{
	struct policy_kernel *kernel = data;

	dry_run_restart(kernel->run);
	policy_scene_listen(scene, on_compiled, kernel);
}

static const char *word_of(const struct policy_decision *decision)
{
	return decision->audited ? "audited" : (decision->allowed ? "allowed" : "denied");
}

static void tell_difference(const struct policy_kernel *kernel, enum td_direction direction,
			    const struct policy_party *subject, const struct policy_party *peer,
			    const struct policy_probe *probe,
			    const struct policy_decision *of_kernel,
			    const struct policy_decision *of_compiler)
{
	char text[POLICY_PROBE_TEXT_MAX];

	fprintf(stderr,
		"%s of %s, peer %s, %s: the kernel says %s by rule %u (match %d), the compiler %s "
		"by rule %u (match %d)\n",
		direction == TD_EGRESS ? "egress" : "ingress", subject->text, peer->text,
		policy_probe_format(probe, text), word_of(of_kernel), of_kernel->rule,
		(int)of_kernel->match, word_of(of_compiler), of_compiler->rule,
		(int)of_compiler->match);
}

int policy_kernel_judge(struct policy_scene *scene, enum td_direction direction,
			const struct policy_party *subject, const struct policy_party *peer,
			const struct policy_probe *probe, bool *ret_allowed, struct diag *diag,
			void *data)
{
	struct policy_kernel *kernel = data;
	const struct dry_run_question question = {
		.direction = direction,
		.subject = subject->identity,
		.audited = subject->audited,
		.peer = peer->identity,
		.outside = peer->outside,
		.addr = peer->ip[probe->ipv6],
		.ipv6 = probe->ipv6,
		.protocol = probe->protocol,
		.port = probe->port,
	};
	struct policy_decision of_kernel, of_compiler;
	int r = policy_scene_judge(scene, direction, subject, peer, probe, &of_compiler);

	if (r < 0)
		return r;
	if (!subject->is_pod) {
		*ret_allowed = of_compiler.allowed || of_compiler.audited;
		return 0;
	}
	r = dry_run_judge(kernel->run, &question, &of_kernel, diag);
	if (r < 0)
		return r;
	if (of_kernel.allowed != of_compiler.allowed || of_kernel.audited != of_compiler.audited ||
	    of_kernel.rule != of_compiler.rule || of_kernel.match != of_compiler.match) {
		tell_difference(kernel, direction, subject, peer, probe, &of_kernel, &of_compiler);
		kernel->differences++;
	}
	*ret_allowed = of_kernel.allowed || of_kernel.audited;
	return 0;
}
