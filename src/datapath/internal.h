/* SPDX-License-Identifier: Apache-2.0 */
/* internal: the open data path, as the files of this room see it.
 *
 * Each file owns the fields of its subject. */
#pragma once

#include <bpf/libbpf.h>

#include "abi/config.h"
#include "abi/conntrack.h"
#include "attach.h"
#include "cgroup.h"
#include "chores.h"
#include "datapath.h"
#include "map_io.h"
#include "map_set.h"
#include "pins.h"
#include "policy_map.h"
#include "service_map.h"
#include "veth.h"

/* Programs between datapath_open() and the first datapath_commit(). */
struct pending_load {
	bool any;
	uint32_t half;              /* slot_base to switch to */
	int gc_start_fd;            /* -1: none */
	bool migrate;               /* connections of a predecessor exist */
	bool recount;               /* the timer's state is new: it does not know what waits */
	struct cgroup_progs socket; /* to be attached behind the switch */
};

/* Devices whose programs are attached by filters and wait for links. */
struct loose_ends {
	size_t count, capacity;
	struct loose_end {
		uint32_t ifindex;
		bool uplink;
	} *items;
	int64_t last_change; /* ms; of any device: links are made when it is quiet */
	bool busy;           /* one is being made */
};

struct datapath {
	struct datapath_options options; /* strings and arrays are copies */
	struct veth_node node;
	struct pins pins;
	struct map_set maps;
	struct attacher attacher;
	struct attach_pair pod_entry, uplink_entry; /* what devices get attached */
	struct pending_load pending;
	struct td_config config;
	int64_t switched; /* monotonic ms of the switch; the other half is emptied later */
	bool half_in_use; /* the other half still holds the last build's programs */
	bool alone;       /* no packet is in the hands of another build's, nor moves a connection */
	struct td_nat_key wide_nat; /* keeps TD_CONFIG_NAT_WIDE set; protocol 0: none known */
	int watch_fd;               /* address and link changes of the node */

	/* td_addr_map is endpoints' places and the node's own addresses together. */
	struct datapath_endpoint *endpoints;
	size_t endpoint_count;
	struct td_addr *host_addresses;
	size_t host_address_count;
	struct map_mirror endpoint_mirror, address_mirror, netns_mirror;
	struct map_mirror cidr_mirror, device_mirror, no_masq_mirror;
	struct policy_map policy;
	struct service_map services;
	struct chores *chores;
	struct loose_ends loose;
};

/* td_config as it is wanted, written to the kernel. */
int datapath_write_config(struct datapath *datapath);
/* Addresses and uplinks of the node: td_addr_map, td_device, programs on the uplinks. */
int datapath_sync_node(struct datapath *datapath, struct diag *diag);
/* td_addr_map from what is known of endpoints and node. */
int datapath_write_places(struct datapath *datapath);
int datapath_sync_no_masquerade(struct datapath *datapath);
/* Attaches to every pod's device that lacks the programs; forgets devices that are gone. */
int datapath_adopt_devices(struct datapath *datapath, struct diag *diag);
/* Attaches to one device, by filters if links would take long; those follow later. */
int datapath_attach(struct datapath *datapath, uint32_t ifindex, bool uplink, struct diag *diag);
/* The same for a pod's device just made, which has none yet. */
int datapath_attach_new(struct datapath *datapath, uint32_t ifindex, struct diag *diag);
void datapath_attach_forget(struct datapath *datapath, uint32_t ifindex);
/* Makes links for one waiting device if it has been quiet; true: some still wait. */
bool datapath_tighten(struct datapath *datapath);
void datapath_tightened(struct datapath *datapath, const struct chore *chore);
/* Sets TD_CONFIG_*_WIDE flags in force. */
int datapath_widen(struct datapath *datapath, uint32_t flags);
/* TD_CONFIG_PODS_WIDE if an endpoint needs it; before td_addr_map has it. */
int datapath_widen_to_pods(struct datapath *datapath);
/* Clears those nothing needs any more; true: to be called again. */
bool datapath_narrow(struct datapath *datapath);
/* For td_load_config. */
struct td_cover datapath_cover(const struct prefix *prefix);
/* Makes this build's programs the ones in force. */
int datapath_switch(struct datapath *datapath, struct diag *diag);
/* Moves everything from predecessors to the maps in force at once, and removes the predecessors. */
int datapath_migrate_all(const struct pins *pins);
/* Moves what cannot move by itself from predecessors of maps to the maps in force. */
int datapath_migrate(struct datapath *datapath);
