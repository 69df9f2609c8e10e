/* SPDX-License-Identifier: Apache-2.0 */
/* datapath: makes the kernel equal to the tables. The only room that calls libbpf.
 *
 * In: endpoints, addresses, policy tables, CIDRs, services    Out: pinned programs, maps, links
 * Owns: everything under its bpffs directory, and the devices it made    Thread: main loop only
 *
 * Everything attached is pinned and goes on without us. Opening adopts what is pinned; a build with
 * other programs takes over by one write (abi/config.h). Each sync call makes one table equal by
 * difference, in an order that never opens a hole and never cuts what stays permitted, and is
 * repeatable: after an error, call again. A caller that changed policy, addresses or CIDRs ends
 * with datapath_commit(), which makes established connections be judged again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/config.h"
#include "abi/endpoint.h"
#include "base/cleanup.h"
#include "policy/policy_engine.h"
#include "service/service_table.h"

struct datapath_options {
	const char *bpf_dir;       /* on a bpffs; made if missing */
	const char *cgroup_root;   /* socket programs attach here; NULL: none */
	const char *device_prefix; /* host ends of pods' devices are named prefix and digits */
	char **devices;            /* uplinks; may be empty */
	size_t device_count;
	bool masquerade;
	bool reject;                /* answer denied packets */
	bool force_clsact;          /* tc filters even where there is tcx */
	struct td_load_config load; /* slot_base and pods_* are ours to fill */
	/* Where pods' addresses come from; length 0: nowhere. Endpoints outside are served as well, but
	 * then each packet to the node costs a look-up more. */
	struct prefix pods_ipv4, pods_ipv6;
	uint32_t report_interval; /* ticks */
	uint32_t max_ct, max_ct_new, max_nat, max_policy, max_class, max_cidr, max_services,
		max_backends, max_addresses;
	uint32_t ring_bytes; /* power of two, page multiple */
	struct prefix no_masquerade[16];
	size_t no_masquerade_count;
};

struct datapath;

/* Loads this build's programs beside what is in force, and adopts maps, links and devices of an
 * earlier run. Uplinks and the node's addresses are synced. The first datapath_commit() puts the
 * programs into force; before it the caller syncs every table, since maps whose shape changed are
 * new and empty. A crash at any instant leaves the old or the new in force, never neither.
 * -EINVAL: cgroup_root is none, and nothing was touched; -EBUSY: another agent holds bpf_dir; -EPROTO: pins of an incompatible build; -errno; diag says
 * which program or map and what the kernel said. */
int datapath_open(const struct datapath_options *options, struct datapath **ret, struct diag *diag);
/* Closes our fds; everything pinned goes on. */
void datapath_close(struct datapath *datapath);

/* One local pod's device: a veth pair whose pod end is in netns. */
struct datapath_device {
	uint32_t endpoint_id;
	const char *host_ifname;
	const char *pod_ifname;
	const char *netns;         /* path */
	struct td_addr ipv4, ipv6; /* zero: none */
	uint32_t mtu;
};

/* Creates the pair, attaches the programs, addresses and routes the pod end, brings it up. The pod
 * has no policy and no identity until endpoints are synced: nothing passes. On error nothing is
 * left. ret_ifindex: host end; ret_cookie: of the network namespace.
 * -ENOENT: netns is gone; -EEXIST: pod_ifname is taken in the pod. */
int datapath_device_add(struct datapath *datapath, const struct datapath_device *device,
			uint32_t *ret_ifindex, uint64_t *ret_cookie, struct diag *diag);
/* Removes the pod's device. wait false: it is down at once and the kernel, which takes 14 to 56 ms
 * for it, unlinks it in a thread; datapath_device_reap() tells when it is gone, and only then may
 * its addresses be used again. No error if there is no such device. The endpoint's place in the maps
 * is the next datapath_sync_endpoints()'s matter. */
int datapath_device_delete(struct datapath *datapath, const char *host_ifname, bool wait);
/* Readable when datapath_device_reap() has something to do. Not the caller's to close. */
int datapath_device_reap_fd(const struct datapath *datapath);
/* Calls gone for each device unlinked since the last call. error: 0, or why it is still there. */
void datapath_device_reap(struct datapath *datapath,
			  void (*gone)(const char *host_ifname, int error, void *data), void *data);
/* Whether the pair exists, is as added, and our programs are on it: CNI CHECK. diag says what
 * differs. device.netns NULL: only the node's side. */
int datapath_device_check(struct datapath *datapath, const struct datapath_device *device,
			  uint32_t ifindex, struct diag *diag);
/* Host-side names of all our devices in this network namespace; caller frees each and the array. */
int datapath_device_list(struct datapath *datapath, char ***ret, size_t *ret_count);

struct datapath_endpoint {
	uint32_t ifindex;
	struct td_endpoint value;
	bool audit; /* what its policies deny is forwarded and reported */
};

int datapath_sync_endpoints(struct datapath *datapath, const struct datapath_endpoint *endpoints,
			    size_t count);
/* Addresses of this node (identity host) and uplinks, from netlink. */
int datapath_sync_host_addresses(struct datapath *datapath);
/* As last synced; borrowed until the next sync. */
const struct td_addr *datapath_host_addresses(const struct datapath *datapath, size_t *ret_count);
/* Readable when they may have changed; not the caller's to close. */
int datapath_watch_fd(const struct datapath *datapath);
/* Reads what happened and syncs. 1: something changed, call datapath_commit(); 0; -errno. */
int datapath_watch_process(struct datapath *datapath);
int datapath_sync_cidrs(struct datapath *datapath, const struct policy_cidr *cidrs, size_t count);
/* Writes the new tables, flips the subjects, then drops tables nobody uses. all: every subject that
 * should be there (others are removed); else only these are added or changed. -E2BIG: the tables of
 * some do not fit; they are denied everything, and all the others are in force. */
int datapath_sync_policy(struct datapath *datapath, const struct policy_subject *subjects,
			 size_t count, bool all);
/* Whom the last sync refused: identities, borrowed until the next one. */
const uint32_t *datapath_policy_refused(const struct datapath *datapath, size_t *count);
int datapath_sync_services(struct datapath *datapath, const struct service_table *table);
int datapath_commit(struct datapath *datapath);
/* The socket programs of this build on the cgroup root: what datapath_commit() tried when it put the
 * others into force, and may be tried again alone. 0: they are there, or it is not their turn yet;
 * -errno with diag set. */
int datapath_attach_sockets(struct datapath *datapath, struct diag *diag);
/* What has to wait a moment: tables nobody reads any more, the last build's programs and maps, tcx
 * links in the place of filters. To be called about every second. true: something is left to do. */
bool datapath_maintain(struct datapath *datapath);

/* For the observer: duplicates, caller closes. */
int datapath_events_fd(const struct datapath *datapath);
int datapath_stats_fd(const struct datapath *datapath);
int datapath_drops_fd(const struct datapath *datapath);

struct datapath_map_info {
	const char *name;
	uint32_t max_entries;
	uint64_t used;   /* entries; UINT64_MAX: not counted */
	uint64_t memory; /* bytes, as the kernel says (memlock) */
};
int datapath_maps(struct datapath *datapath, struct datapath_map_info **ret, size_t *ret_count);

/* Calls fn for each live connection. */
struct td_ct_key;
struct td_ct;
int datapath_for_each_connection(struct datapath *datapath,
				 int (*fn)(const struct td_ct_key *key, const struct td_ct *ct,
					   void *data),
				 void *data);

/* Removes every link, map, pin and device under options' names, and nothing else. Works without an
 * open datapath. removed: called with a line for each thing removed; may be NULL. */
int datapath_cleanup(const char *bpf_dir, const char *device_prefix,
		     void (*removed)(const char *what, void *data), void *data);
