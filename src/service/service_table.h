/* SPDX-License-Identifier: Apache-2.0 */
/* service_table: Services, EndpointSlices and running pods in, frontends and backends out.
 *
 * In: the store's objects    Out: sorted frontends with backends    Owns: the result
 * Thread: any. Pure.
 *
 * Backends of a Service with a selector are the ready endpoints on this node whose labels match;
 * EndpointSlices of its name add theirs (duplicates once). A named target port resolves per pod.
 * Only backends of the frontend's family count. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "store/store.h"

struct service_backend {
	struct td_addr addr;
	uint16_t port; /* host order */
};

struct service_frontend {
	struct td_addr addr;
	uint16_t port; /* host order */
	uint8_t protocol;
	char *namespace; /* of the Service */
	char *name;
	struct service_backend *backends; /* sorted */
	size_t backend_count;
};

struct service_table {
	struct service_frontend *items; /* sorted by addr, port, protocol */
	size_t count;
};

void service_table_free(struct service_table *table);
DEFINE_FREEP(service_table);

/* Two Services with one (address, port, protocol): the first by namespace and name wins, the other
 * is reported through `conflict` (may be NULL), once per place it lost. -ENOMEM. */
int service_table_build(const struct store *store, struct service_table **ret,
			void (*conflict)(const struct object *service, void *data), void *data);
