/* SPDX-License-Identifier: Apache-2.0 */
/* world: the real network programs loaded but attached to nothing, and a small node to run them on.
 *
 * In: maps filled by the structs of abi/    Out: what a program did with a frame
 * Owns: a network namespace of its own with three veth pairs, the loaded object
 * Thread: one; the process that opens the first world lives in its namespace from then on
 *
 * The node: pod 1 (10.0.0.1, fd00::1, identity 301), pod 2 (10.0.0.2, fd00::2, identity 302), the
 * node's own addresses 192.0.2.1 and 2001:db8:1::1 on `uplink`, a default route out of it.
 * Outside, 198.51.100.0/24 and 2001:db8:51::/48 have the CIDR identity WORLD_CIDR. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/config.h"
#include "abi/conntrack.h"
#include "abi/drop.h"
#include "abi/endpoint.h"
#include "abi/event.h"
#include "abi/policy.h"
#include "bpf/net.skel.h"
#include "packet.h"

#define POD_IDENTITY(n) (300 + (n))
#define WORLD_CIDR      (TD_ID_LOCAL_MIN + 1)
#define OUTSIDE         "203.0.113.9"
#define OUTSIDE6        "2001:db8:77::9"
#define IN_CIDR         "198.51.100.7"
#define IN_CIDR6        "2001:db8:51::7"
#define NODE            "192.0.2.1"
#define NODE6           "2001:db8:1::1"
/* Return codes of tc programs. */
#define NEXT     (-1)
#define SHOT     2
#define REDIRECT 7

struct world {
	struct net_bpf *skel;
	struct ring_buffer *ring;
	struct td_event events[256]; /* of the last run */
	size_t event_count;
	uint8_t dns[TD_DNS_MAX]; /* payload of the last DNS event */
	size_t dns_len;
	uint32_t pod[3]; /* host-side ifindex; [0] unused */
	uint32_t uplink;
	uint32_t generation;
	uint8_t frame[PACKET_MAX]; /* what the last run left */
	size_t frame_len;
	uint32_t mark;
};

/* Usual timeouts, short drop reports, ports 40000..40999 for masquerade, pods within 10.0.0.0/24 and
 * fd00::/64. */
struct td_load_config world_load_config(void);
/* Sizes of maps; 0: as in the object. */
struct world_sizes {
	uint32_t ct, ct_new, nat;
	struct td_prev_layout prev; /* of a build whose tables are taken over */
};

/* Why tests cannot run here, or NULL. */
const char *world_missing(void);
/* Loads into *world, every pod allowed everything. Fails the test on error. */
void world_open(struct world *world, const struct td_load_config *load,
		const struct world_sizes *sizes);
void world_close(struct world *world);
int world_map(const struct world *world, const char *name);

struct td_addr world_address(const char *text);
void world_config(struct world *world, uint32_t flags, uint32_t report_interval);
/* Everything judged so far is judged again. */
void world_new_generation(struct world *world);
void world_subject(struct world *world, uint32_t identity, uint32_t ingress_table,
		   uint32_t egress_table, uint32_t flags);
/* Puts the pod's endpoint into audit mode, or back. */
void world_audit(struct world *world, int pod, bool audit);
void world_no_subject(struct world *world, uint32_t identity);
/* A row of a table; 0 in both rules removes it. */
void world_row(struct world *world, uint32_t table, uint32_t klass, uint32_t peer, uint32_t allow,
	       uint32_t deny);
/* port 0: every port of the protocol. */
void world_class(struct world *world, uint32_t table, uint8_t protocol, uint16_t port,
		 uint32_t klass);
void world_masquerade(struct world *world, const char *ipv4, const char *ipv6);

/* Runs a program on a frame as if seen on ifindex; its return code. */
int world_run_frame(struct world *world, struct bpf_program *program, const uint8_t *frame,
		    size_t len, uint32_t ifindex, uint32_t ingress_ifindex);
/* The same with a described packet; MAC addresses are filled in if they are zero. */
int world_from_pod(struct world *world, int pod, const struct packet *packet);
int world_to_pod(struct world *world, int pod, const struct packet *packet,
		 uint32_t ingress_ifindex);
int world_from_uplink(struct world *world, const struct packet *packet);
int world_to_uplink(struct world *world, const struct packet *packet);

/* The entry of a connection in `map` ("td_ct", "td_ct_new"), given either direction. */
bool world_connection(struct world *world, const char *map, const struct packet *packet,
		      struct td_ct *ret);
uint64_t world_stat(struct world *world, enum td_stat stat);
uint64_t world_drops(struct world *world, uint8_t reason, enum td_direction direction);
/* The first event of the kind in the last run; NULL: none. */
const struct td_event *world_event(const struct world *world, enum td_event_kind kind);
