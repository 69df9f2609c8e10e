/* SPDX-License-Identifier: Apache-2.0 */
/* dry_run: the network programs loaded, attached to nothing, pinned nowhere, asked with made-up packets.
 *
 * In: policy tables and CIDRs, synced as the agent syncs them; questions
 * Out: the programs' own verdicts (BPF_PROG_TEST_RUN)
 * Owns: programs and maps, and a network namespace; all of it goes with it
 * Thread: the one that opened it, which lives in that namespace until it is closed
 *
 * The node has one pod, the subject of the question, behind a device of no consequence. The peer is
 * anywhere but behind a device of this node, so each packet is judged in one direction, by the
 * subject's table: what the pod sends goes through td_from_pod, what this node sends to it through
 * td_to_pod, and what others send through td_from_uplink. Every packet is the first of a
 * connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/policy.h"
#include "abi/types.h"
#include "base/cleanup.h"
#include "base/diag.h"
#include "policy/policy_engine.h"

struct dry_run;

/* -EPERM and others, with diag saying what is missing. Nothing of this machine's own network is
 * touched. */
int dry_run_open(struct dry_run **ret, struct diag *diag);
/* Back to the network namespace it was opened in. */
void dry_run_free(struct dry_run *run);
DEFINE_FREEP(dry_run);

/* Tables of another engine follow, the first time all of them: as after a restart of the agent. */
void dry_run_restart(struct dry_run *run);
/* As datapath_sync_policy() and datapath_sync_cidrs(). */
int dry_run_sync_policy(struct dry_run *run, const struct policy_subject *subjects, size_t count,
			bool all);
int dry_run_sync_cidrs(struct dry_run *run, const struct policy_cidr *cidrs, size_t count);

struct dry_run_question {
	enum td_direction direction;
	uint32_t subject;    /* identity of the pod */
	bool audited;        /* the pod is in audit mode */
	uint32_t peer;       /* identity; outside: TD_ID_WORLD */
	bool outside;        /* the peer is no endpoint and no node */
	struct td_addr addr; /* of the peer; zero: not known, so in no CIDR of any rule */
	bool ipv6;           /* the family if the address is not known */
	uint8_t protocol;    /* IPPROTO_*; ICMPv6 in an IPv4 packet is judged like any protocol */
	uint16_t port;       /* destination port, host order; ICMP: type */
};

/* -EPROTO, with diag telling what happened, if the packet came to anything but a verdict of policy
 * in that direction; other errors likewise. */
int dry_run_judge(struct dry_run *run, const struct dry_run_question *question,
		  struct policy_decision *ret, struct diag *diag);
