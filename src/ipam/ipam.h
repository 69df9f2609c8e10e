/* SPDX-License-Identifier: Apache-2.0 */
/* ipam: addresses of pods from this node's prefixes.
 *
 * In: prefixes    Out: addresses    Owns: which are in use    Thread: main loop only
 *
 * The network address, the broadcast address (IPv4) and the first address are never given out.
 * Addresses are taken round-robin, so one that was freed is reused as late as possible; adopted ones
 * move the round on, as if they had just been taken. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"

struct ipam;

/* At most one prefix per family; length 0 means none of that family. IPv4 /8../30, IPv6 /64../126
 * (of shorter ones the first 2^32 addresses are used). -EINVAL else. */
int ipam_new(const struct prefix *ipv4, const struct prefix *ipv6, struct ipam **ret);
void ipam_free(struct ipam *ipam);
DEFINE_FREEP(ipam);

/* The next free address of a family (4 or 6). -ENOSPC: the prefix is exhausted; -EAFNOSUPPORT: no
 * prefix of this family; -ENOMEM. */
int ipam_take(struct ipam *ipam, int family, struct td_addr *ret);
/* Marks a given address as in use (adoption). -EEXIST: already; -ERANGE: not one we give out;
 * -ENOMEM. */
int ipam_reserve(struct ipam *ipam, const struct td_addr *addr);
/* Freeing what is not in use does nothing. */
void ipam_release(struct ipam *ipam, const struct td_addr *addr);
uint64_t ipam_used(const struct ipam *ipam, int family);
uint64_t ipam_capacity(const struct ipam *ipam, int family);
