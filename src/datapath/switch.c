/* SPDX-License-Identifier: Apache-2.0 */
/* The switch from the programs of an earlier run to this build's, and what follows it.
 *
 * The one write of slot_base is the switch; everything before it can be forgotten, everything after
 * it is finished by the next start if we die (map_set_recover()). */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include <linux/bpf.h>

#include <bpf/bpf.h>

#include "abi/conntrack.h"
#include "base/log.h"
#include "base/util.h"
#include "grace_period.h"
#include "monotonic.h"

/* Packets that came through an entry program just before the switch are long done. */
#define HALF_EMPTIED_AFTER_MS 1000
/* The timer has visited every connection (TD_GC_ROUND), with room to spare. */
#define MIGRATED_AFTER_MS (3 * TD_TICKS_TO_MS(TD_GC_ROUND))

int datapath_write_config(struct datapath *datapath)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(map_set_fd(&datapath->maps, "td_config"), &zero, &datapath->config,
				BPF_ANY) < 0)
		return -errno;
	return 0;
}

static void set_flag(struct td_config *config, uint32_t flag, bool on)
{
	config->flags = on ? config->flags | flag : config->flags & ~flag;
}

static int count_one(const void *key, const void *value, void *data)
{
	++*(uint32_t *)data;
	return 0;
}

/* Every entry has its item in the queue, whose length the kernel does not tell. */
static uint32_t count_queued(const struct datapath *datapath)
{
	static const char *const visited[] = { "td_ct", "td_nat" };
	uint32_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(visited); i++) {
		_cleanup_close_ int prev = map_set_predecessor(&datapath->maps, visited[i]);

		map_io_for_each(map_set_fd(&datapath->maps, visited[i]), count_one, &count);
		if (prev >= 0)
			map_io_for_each(prev, count_one, &count);
	}
	return count;
}

/* Hands the timer to this build's callback, or starts it. */
static int start_gc(const struct datapath *datapath, int prog_fd)
{
	struct __sk_buff context = { .mark = datapath->pending.recount ? count_queued(datapath)
								       : 0 };
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .ctx_in = &context, .ctx_size_in = sizeof(context));

	if (bpf_prog_test_run_opts(prog_fd, &opts) < 0)
		return -errno;
	return opts.retval == 0 ? 0 : -EIO;
}

int datapath_switch(struct datapath *datapath, struct diag *diag)
{
	struct pending_load *pending = &datapath->pending;
	bool other = pending->half != datapath->config.slot_base;
	int r;

	/* Flags first: programs in force that have no predecessor do not look at that one. */
	set_flag(&datapath->config, TD_CONFIG_REJECT, datapath->options.reject);
	set_flag(&datapath->config, TD_CONFIG_CT_PREV, pending->migrate);
	datapath->config.report_interval = datapath->options.report_interval;
	r = datapath_write_config(datapath);
	if (r < 0)
		return r;
	datapath->config.slot_base = pending->half;
	datapath->config.generation++;
	r = datapath_write_config(datapath);
	if (r < 0)
		return r;
	datapath->switched = monotonic_ms();
	datapath->half_in_use = other;
	r = start_gc(datapath, pending->gc_start_fd);
	if (r < 0) {
		diag_set(diag, NULL, 0, "cannot start the timer that expires connections: %s",
			 strerror(-r));
		return r;
	}
	pending->recount = false;
	r = datapath_migrate(datapath);
	if (r == 0)
		r = map_set_settle(&datapath->maps);
	if (r < 0)
		return r;
	closep(&pending->gc_start_fd);
	pending->gc_start_fd = -1;
	pending->any = false;
	return 0;
}

int datapath_attach_sockets(struct datapath *datapath, struct diag *diag)
{
	struct cgroup_progs *progs = &datapath->pending.socket;
	int r;

	if (datapath->pending.any || !progs->count)
		return 0;
	r = cgroup_attach(&datapath->pins, datapath->options.cgroup_root, progs, diag);
	if (r == 0)
		cgroup_progs_close(progs);
	return r;
}

/* Changes of policy, addresses and CIDRs come into force for connections that exist. */
int datapath_commit(struct datapath *datapath)
{
	struct diag diag = { 0 };
	int r;

	if (!datapath->pending.any) {
		datapath->config.generation++;
		return datapath_write_config(datapath);
	}
	r = datapath_switch(datapath, &diag);
	if (r < 0) {
		log_error("datapath", "this build's programs are not in force yet",
			  LOG_STR("reason", diag.text), LOG_ERR(r));
		return r;
	}
	/* The caller hears of it when it calls this itself. */
	datapath_attach_sockets(datapath, &diag);
	return 0;
}

static void empty_other_half(struct datapath *datapath)
{
	uint32_t other = datapath->config.slot_base ? 0 : TD_STAGE_MAX;

	/* However long a processor of a virtual machine stood still. */
	grace_period_wait();
	for (uint32_t i = 0; i < TD_STAGE_MAX; i++) {
		uint32_t index = other + i;

		bpf_map_delete_elem(map_set_fd(&datapath->maps, "td_progs"), &index);
	}
	datapath->half_in_use = false;
	datapath->alone = true;
}

static void end_migration(struct datapath *datapath)
{
	set_flag(&datapath->config, TD_CONFIG_CT_PREV, false);
	datapath->alone = false;
	/* Programs of the previous build may have queued a last item while we emptied its queue. */
	if (datapath_write_config(datapath) < 0 || datapath_migrate(datapath) < 0 ||
	    map_set_drop_predecessors(&datapath->pins) < 0)
		return;
	datapath->pending.migrate = false;
	log_info("datapath", "connections of the previous build have moved over");
}

bool datapath_maintain(struct datapath *datapath)
{
	int64_t since = monotonic_ms() - datapath->switched;
	bool more;

	if (datapath->pending.any)
		return true;
	if (datapath->half_in_use && since >= HALF_EMPTIED_AFTER_MS)
		empty_other_half(datapath);
	if (datapath->pending.migrate && since >= (int64_t)MIGRATED_AFTER_MS)
		end_migration(datapath);
	more = policy_map_reclaim(&datapath->policy);
	more |= datapath_tighten(datapath);
	more |= datapath_narrow(datapath);
	return more || datapath->half_in_use || datapath->pending.migrate;
}
