/* SPDX-License-Identifier: Apache-2.0 */
/* datapath_fixture: an open data path in a sandbox, pods and policy tables for it.
 *
 * In: nothing    Out: what the tests of the data path share    Owns: static state
 * Thread: main */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/datapath.h"

/* Options with all defaults, on the sandbox's bpffs. */
struct datapath_options fixture_options(void);
/* Opens and asserts that it worked. */
struct datapath *fixture_open(const struct datapath_options *options);

struct td_addr fixture_address(const char *text);

#define FIXTURE_POD_MAX 4

struct fixture_pod {
	uint32_t id;
	uint32_t identity;
	char ifname[16];
	char *netns;
	struct datapath_device device;
	uint32_t ifindex;
	uint64_t cookie;
};

/* Adds pod number id: 10.1.0.<id> and fd00::<id>, in a namespace of its own. */
void fixture_pod_add(struct datapath *datapath, uint32_t id, uint32_t identity,
		     struct fixture_pod *ret);
void fixture_pod_remove(struct datapath *datapath, struct fixture_pod *pod);
int fixture_sync_endpoints(struct datapath *datapath, const struct fixture_pod *pods, size_t count);

/* A table that allows one protocol and port from one peer (0: any), or denies all (port 0). */
struct fixture_table {
	struct policy_table table;
	struct policy_row row;
	struct policy_class klass;
};

void fixture_table_allow_all(struct fixture_table *ret, uint32_t number);
void fixture_table_deny_all(struct fixture_table *ret, uint32_t number);
void fixture_table_allow(struct fixture_table *ret, uint32_t number, uint32_t peer,
			 uint8_t protocol, uint16_t port);

/* Elements in a pinned map; -1: no such map. */
int fixture_map_count(const char *name);
/* Reads an element of a pinned map. */
bool fixture_map_get(const char *name, const void *key, void *value);
