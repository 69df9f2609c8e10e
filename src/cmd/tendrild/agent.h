/* SPDX-License-Identifier: Apache-2.0 */
/* agent: everything tendrild holds, and the order in which it comes up and goes down.
 *
 * In: struct settings    Out: a running agent    Owns: all rooms' state    Thread: main loop only
 *
 * Up: locks of the run directory and the network namespace, objects, endpoint records, identities,
 * addresses, the data path, everything made equal, and only then the sockets, so that whoever gets an
 * answer finds a node that enforces. Down: sockets and memory; what is pinned stays and goes on. */
#pragma once

#include <stdbool.h>
#include <time.h>
#include <uv.h>

#include "api/admin_server.h"
#include "api/tables_server.h"
#include "base/cleanup.h"
#include "base/diag.h"
#include "datapath/datapath.h"
#include "identity/identity.h"
#include "ipam/ipam.h"
#include "policy/policy_engine.h"
#include "policy/policy_modes.h"
#include "store/store.h"

#include "endpoints.h"
#include "problems.h"
#include "regenerate.h"
#include "settings.h"

struct sources;
struct node_watch;

struct agent {
	uv_loop_t *loop;
	struct settings settings;
	time_t since;
	int lock_fd, state_lock_fd, node_lock_fd;
	struct problems problems;

	struct store *store;
	struct identities *identities;
	struct ipam *ipam;
	struct policy_engine *engine;
	struct policy_modes *modes; /* regenerate's; NULL before its first run */
	struct datapath *datapath;

	struct sources *sources;
	struct endpoints *endpoints;
	struct regenerate *regenerate;
	struct node_watch *node_watch;
	struct admin_server *admin;
	struct tables_server *tables;
	uv_timer_t *publish_timer;
	unsigned int stale_tables; /* publish_mark() */
};

/* Takes the settings. On error diag says what stopped it, and everything is given back. */
int agent_start(uv_loop_t *loop, struct settings *settings, struct agent *agent, struct diag *diag);
void agent_stop(struct agent *agent);

/* Of the host end of every pod's device. */
extern const uint8_t agent_host_mac[6];

/* MTU of pods' interfaces: as configured, or the smallest of the devices' that exist, or 1500. */
uint32_t agent_mtu(const struct agent *agent);
