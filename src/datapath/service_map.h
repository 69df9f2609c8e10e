/* SPDX-License-Identifier: Apache-2.0 */
/* service_map: td_service and td_backend equal to the table of frontends.
 *
 * In: struct service_table    Out: two maps (abi/service.h)    Owns: the numbers of services
 * Thread: main loop only
 *
 * A connect() at any instant of a change gets a backend of the old or the new set: backends are
 * written before the count that covers them grows, and deleted after it has shrunk. */
#pragma once

#include "map_io.h"
#include "service/service_table.h"

struct service_map {
	struct map_mirror services, backends;
};

void service_map_init(struct service_map *map, int services_fd, int backends_fd);
void service_map_close(struct service_map *map);
/* -E2BIG: full; services that did not fit are not translated. */
int service_map_sync(struct service_map *map, const struct service_table *table);
