/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices still have filters and are to get links (attach.h), and when. */
#include "internal.h"

#include <errno.h>

#include "base/log.h"
#include "monotonic.h"

/* The kernel holds the lock of all device changes while it waits: not while pods come and go. */
#define QUIET_FOR_MS 2000

static const struct attach_pair *entry_of(const struct datapath *datapath, bool uplink)
{
	return uplink ? &datapath->uplink_entry : &datapath->pod_entry;
}

static bool is_loose(const struct loose_ends *loose, uint32_t ifindex)
{
	for (size_t i = 0; i < loose->count; i++) {
		if (loose->items[i].ifindex == ifindex)
			return true;
	}
	return false;
}

/* Without memory the device keeps its filters, which enforce as well. */
static void remember(struct loose_ends *loose, uint32_t ifindex, bool uplink)
{
	if (is_loose(loose, ifindex))
		return;
	if (loose->count == loose->capacity) {
		size_t capacity = loose->capacity ? 2 * loose->capacity : 16;
		struct loose_end *items = reallocarray(loose->items, capacity, sizeof(*items));

		if (!items)
			return;
		loose->items = items;
		loose->capacity = capacity;
	}
	loose->items[loose->count++] = (struct loose_end){ ifindex, uplink };
}

void datapath_attach_forget(struct datapath *datapath, uint32_t ifindex)
{
	struct loose_ends *loose = &datapath->loose;

	loose->last_change = monotonic_ms();
	for (size_t i = loose->count; i-- > 0;) {
		if (loose->items[i].ifindex == ifindex)
			loose->items[i] = loose->items[--loose->count];
	}
}

int datapath_attach_new(struct datapath *datapath, uint32_t ifindex, struct diag *diag)
{
	int r = attach_device(&datapath->attacher, ifindex, &datapath->pod_entry, diag);

	if (r < 0)
		return r;
	datapath->loose.last_change = monotonic_ms();
	if (datapath->attacher.tcx)
		remember(&datapath->loose, ifindex, false);
	return 0;
}

int datapath_attach(struct datapath *datapath, uint32_t ifindex, bool uplink, struct diag *diag)
{
	const struct attach_pair *entry = entry_of(datapath, uplink);
	enum attach_state state = attach_state(&datapath->attacher, ifindex, entry);
	int r = 0;

	if (state == ATTACH_NONE)
		r = attach_device(&datapath->attacher, ifindex, entry, diag);
	if (r < 0)
		return r;
	datapath->loose.last_change = monotonic_ms();
	if (datapath->attacher.tcx && state != ATTACH_LINKS)
		remember(&datapath->loose, ifindex, uplink);
	return 0;
}

static int tighten_pod(const struct chore *chore, int netlink_fd)
{
	const struct datapath *datapath = chore->context;
	struct attacher attacher = { &datapath->pins, netlink_fd, true };

	return attach_tighten(&attacher, chore->ifindex, &datapath->pod_entry);
}

static int tighten_uplink(const struct chore *chore, int netlink_fd)
{
	const struct datapath *datapath = chore->context;
	struct attacher attacher = { &datapath->pins, netlink_fd, true };

	return attach_tighten(&attacher, chore->ifindex, &datapath->uplink_entry);
}

bool datapath_tighten(struct datapath *datapath)
{
	struct loose_ends *loose = &datapath->loose;
	const struct loose_end *next;
	struct chore chore = { .context = datapath };

	if (loose->count == 0 || loose->busy)
		return loose->busy;
	if (monotonic_ms() - loose->last_change < QUIET_FOR_MS)
		return true;
	next = &loose->items[loose->count - 1];
	chore.ifindex = next->ifindex;
	chore.work = next->uplink ? tighten_uplink : tighten_pod;
	if (chores_add(datapath->chores, &chore) < 0)
		return true;
	loose->count--;
	loose->busy = true;
	return true;
}

void datapath_tightened(struct datapath *datapath, const struct chore *chore)
{
	datapath->loose.busy = false;
	if (chore->result < 0 && chore->result != -ENODEV)
		log_warn("datapath", "a device keeps its tc filters; links cannot be made",
			 LOG_UINT("ifindex", chore->ifindex), LOG_ERR(chore->result));
	/* The next one follows at once, as long as it stays quiet. */
	datapath_tighten(datapath);
}
