/* SPDX-License-Identifier: Apache-2.0 */
/* Live connections, from td_ct and td_ct_new. */
#include "internal.h"

#include <errno.h>

#include "abi/conntrack.h"

struct visit {
	int (*fn)(const struct td_ct_key *key, const struct td_ct *ct, void *data);
	void *data;
};

static int visit_element(const void *key, const void *value, void *data)
{
	const struct visit *visit = data;

	return visit->fn(key, value, visit->data);
}

int datapath_for_each_connection(struct datapath *datapath,
				 int (*fn)(const struct td_ct_key *key, const struct td_ct *ct,
					   void *data),
				 void *data)
{
	struct visit visit = { fn, data };
	int r;

	r = map_io_for_each(map_set_fd(&datapath->maps, "td_ct"), visit_element, &visit);
	if (r != 0)
		return r;
	return map_io_for_each(map_set_fd(&datapath->maps, "td_ct_new"), visit_element, &visit);
}
