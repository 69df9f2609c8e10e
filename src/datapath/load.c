/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <bpf/bpf.h>

#include "abi/conntrack.h"
#include "base/log.h"
#include "base/util.h"
#include "bpf/net.skel.h"
#include "bpf/socket.skel.h"
#include "bpf_log.h"

static void net_bpf_free(struct net_bpf *net)
{
	net_bpf__destroy(net);
}

static void socket_bpf_free(struct socket_bpf *socket)
{
	socket_bpf__destroy(socket);
}

DEFINE_FREEP(net_bpf);
DEFINE_FREEP(socket_bpf);

static const struct stage {
	const char *name;
	enum td_stage stage;
} stages[] = {
	{ "td_from_pod", TD_STAGE_FROM_POD },
	{ "td_to_pod", TD_STAGE_TO_POD },
	{ "td_from_uplink", TD_STAGE_FROM_UPLINK },
	{ "td_to_uplink", TD_STAGE_TO_UPLINK },
};

/* Capacities an option decides; 0 keeps what the object declares. */
static const struct capacity {
	const char *map;
	size_t option; /* offset in struct datapath_options */
} capacities[] = {
#define CAPACITY(map, field) { map, offsetof(struct datapath_options, field) }
	CAPACITY("td_ct", max_ct),
	CAPACITY("td_ct_new", max_ct_new),
	CAPACITY("td_nat", max_nat),
	CAPACITY("td_policy", max_policy),
	CAPACITY("td_pol_class", max_class),
	CAPACITY("td_cidr", max_cidr),
	CAPACITY("td_service", max_services),
	CAPACITY("td_backend", max_backends),
	CAPACITY("td_addr_map", max_addresses),
	CAPACITY("td_events", ring_bytes),
#undef CAPACITY
};

static uint32_t capacity_of(const struct bpf_object *object, const char *name)
{
	return bpf_map__max_entries(bpf_object__find_map_by_name(object, name));
}

static int set_capacities(const struct datapath_options *options, struct bpf_object *object)
{
	struct bpf_map *map;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(capacities); i++) {
		uint32_t wanted = *(const uint32_t *)((const char *)options + capacities[i].option);

		map = bpf_object__find_map_by_name(object, capacities[i].map);
		if (map && wanted)
			r = bpf_map__set_max_entries(map, wanted);
	}
	map = bpf_object__find_map_by_name(object, "td_ct_gc");
	if (r == 0 && map) /* every key of both is in the queue */
		r = bpf_map__set_max_entries(map, capacity_of(object, "td_ct") +
							  capacity_of(object, "td_nat"));
	return r;
}

static uint32_t value_size(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) < 0 ? 0 : info.value_size;
}

/* Puts a predecessor into its place in the object; its value size, 0 if there is none. */
static int use_predecessor(const struct map_set *maps, struct bpf_object *object, const char *name,
			   const char *place, uint32_t *size)
{
	_cleanup_close_ int fd = map_set_predecessor(maps, name);
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = bpf_map__reuse_fd(bpf_object__find_map_by_name(object, place), fd);
	if (r == 0)
		*size = value_size(fd);
	return r;
}

static int use_predecessors(struct datapath *datapath, struct net_bpf *net)
{
	struct td_prev_layout layout = { 0 };
	int r;

	r = use_predecessor(&datapath->maps, net->obj, "td_ct", "td_ct_prev", &layout.ct_size);
	if (r == 0)
		r = use_predecessor(&datapath->maps, net->obj, "td_ct_new", "td_ct_new_prev",
				    &layout.ct_size);
	if (r == 0)
		r = use_predecessor(&datapath->maps, net->obj, "td_nat", "td_nat_prev",
				    &layout.nat_size);
	memcpy((void *)&net->rodata->prev_layout, &layout, sizeof(layout));
	datapath->pending.migrate = layout.ct_size || layout.nat_size;
	return r;
}

static int load_failed(struct diag *diag, const char *object, int error)
{
	const char *text = bpf_log_text();

	diag_set(diag, NULL, 0, "cannot load the %s programs: %s%s%s", object, strerror(-error),
		 text[0] ? ": " : "", text);
	return error;
}

static int duplicate(const struct bpf_object *object, const char *program)
{
	const struct bpf_program *prog = bpf_object__find_program_by_name(object, program);
	int fd = prog ? fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 3) : -1;

	return fd < 0 ? -errno : fd;
}

/* Entry programs do the same in every build, so the pinned ones stay while they are the same code
 * over the same maps; else each device is switched to ours by one write. */
static bool same_program(int a, int b)
{
	struct bpf_prog_info one = { 0 }, other = { 0 };
	uint32_t ids[2][8] = { 0 };
	uint32_t length = sizeof(one);

	one.nr_map_ids = other.nr_map_ids = ARRAY_SIZE(ids[0]);
	one.map_ids = (uintptr_t)ids[0];
	other.map_ids = (uintptr_t)ids[1];
	if (bpf_obj_get_info_by_fd(a, &one, &length) < 0 ||
	    bpf_obj_get_info_by_fd(b, &other, &length) < 0)
		return false;
	return memcmp(one.tag, other.tag, sizeof(one.tag)) == 0 &&
	       one.nr_map_ids == other.nr_map_ids && memcmp(ids[0], ids[1], sizeof(ids[0])) == 0;
}

static int take_entry(struct datapath *datapath, const struct bpf_object *object, const char *name,
		      int *ret)
{
	_cleanup_close_ int ours = duplicate(object, name);
	_cleanup_close_ int pinned = pins_get(&datapath->pins, PIN_PROG, name);
	int r = 0;

	if (ours < 0)
		return ours;
	if (pinned >= 0 && same_program(pinned, ours)) {
		*ret = take_fd(pinned);
		return 0;
	}
	r = pins_replace(&datapath->pins, PIN_PROG, name, ours);
	if (r == 0)
		*ret = take_fd(ours);
	return r;
}

static int take_entries(struct datapath *datapath, const struct bpf_object *object)
{
	int r;

	r = take_entry(datapath, object, "td_entry_from_pod", &datapath->pod_entry.ingress_fd);
	if (r == 0)
		r = take_entry(datapath, object, "td_entry_to_pod", &datapath->pod_entry.egress_fd);
	if (r == 0)
		r = take_entry(datapath, object, "td_entry_from_uplink",
			       &datapath->uplink_entry.ingress_fd);
	if (r == 0)
		r = take_entry(datapath, object, "td_entry_to_uplink",
			       &datapath->uplink_entry.egress_fd);
	return r;
}

/* The half of td_progs that is not in force; on a first start the one that is. */
static int choose_half(struct datapath *datapath)
{
	int progs = map_set_fd(&datapath->maps, "td_progs");
	int config = map_set_fd(&datapath->maps, "td_config");
	uint32_t zero = 0, id, index;

	datapath->pending.half = 0;
	if (progs < 0 || config < 0) /* about to be made */
		return 0;
	if (bpf_map_lookup_elem(config, &zero, &datapath->config) < 0)
		return -errno;
	index = datapath->config.slot_base + TD_STAGE_FROM_POD;
	datapath->pending.half = datapath->config.slot_base;
	if (bpf_map_lookup_elem(progs, &index, &id) == 0)
		datapath->pending.half = datapath->config.slot_base ? 0 : TD_STAGE_MAX;
	return 0;
}

static int stage_fd(const struct bpf_object *object, uint32_t stage)
{
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		if (stages[i].stage == stage)
			return bpf_program__fd(
				bpf_object__find_program_by_name(object, stages[i].name));
	}
	return -1;
}

/* A packet may still be on its way into this half, if the last switch was a moment ago: where we
 * have a program there is one at every instant. */
static int fill_half(struct datapath *datapath, const struct bpf_object *object)
{
	int progs = map_set_fd(&datapath->maps, "td_progs");

	for (uint32_t i = 0; i < TD_STAGE_MAX; i++) {
		uint32_t index = datapath->pending.half + i;
		int fd = stage_fd(object, i);

		if (fd < 0)
			bpf_map_delete_elem(progs, &index);
		else if (bpf_map_update_elem(progs, &index, &fd, BPF_ANY) < 0)
			return -errno;
	}
	datapath->pending.gc_start_fd = duplicate(object, "td_gc_start");
	return datapath->pending.gc_start_fd < 0 ? datapath->pending.gc_start_fd : 0;
}

static int load_net(struct datapath *datapath, struct diag *diag)
{
	_cleanup_(net_bpf_freep) struct net_bpf *net = net_bpf__open();
	struct td_load_config load;
	int r;

	if (!net)
		return load_failed(diag, "network", -errno);
	r = set_capacities(&datapath->options, net->obj);
	if (r == 0)
		r = map_set_reuse(&datapath->maps, net->obj, diag);
	/* An upgrade within seconds of an upgrade: a map has one predecessor only. */
	if (r == 0 && map_set_has_predecessors(&datapath->pins) &&
	    map_set_makes_predecessor(&datapath->maps))
		r = datapath_migrate_all(&datapath->pins);
	if (r == 0)
		r = use_predecessors(datapath, net);
	datapath->pending.recount = map_set_makes(&datapath->maps, "td_gc_timer");
	if (r == 0)
		r = choose_half(datapath);
	load = datapath->options.load;
	load.slot_base = datapath->pending.half;
	load.pods_ipv4 = datapath_cover(&datapath->options.pods_ipv4);
	load.pods_ipv6 = datapath_cover(&datapath->options.pods_ipv6);
	memcpy((void *)&net->rodata->load_config, &load, sizeof(load));
	if (r == 0)
		r = net_bpf__load(net);
	if (r < 0)
		return load_failed(diag, "network", r);
	r = map_set_adopt(&datapath->maps, diag);
	if (r == 0)
		r = take_entries(datapath, net->obj);
	if (r == 0)
		r = datapath_widen(datapath, TD_CONFIG_NAT_WIDE | TD_CONFIG_PODS_WIDE);
	if (r == 0)
		r = fill_half(datapath, net->obj);
	if (r < 0)
		diag_set(diag, NULL, 0, "cannot prepare the network programs in %s: %s",
			 datapath->pins.dir, strerror(-r));
	return r;
}

static int load_socket(struct datapath *datapath, struct diag *diag)
{
	_cleanup_(socket_bpf_freep) struct socket_bpf *socket = socket_bpf__open();
	int r;

	if (!socket)
		return load_failed(diag, "socket", -errno);
	r = set_capacities(&datapath->options, socket->obj);
	if (r == 0)
		r = map_set_reuse(&datapath->maps, socket->obj, diag);
	if (r == 0)
		r = socket_bpf__load(socket);
	if (r < 0)
		return load_failed(diag, "socket", r);
	r = map_set_adopt(&datapath->maps, diag);
	return r < 0 ? r : cgroup_progs_take(&datapath->pending.socket, socket->obj);
}

static int add_ids(uint32_t prog_id, void *data)
{
	/* A program that is gone uses nothing. */
	int r = map_ids_add(data, prog_id);

	return r == -ENOENT ? 0 : r;
}

/* Maps that programs in force use, by the pinned td_config and td_progs. */
static int find_in_force(const struct pins *pins, struct map_ids *ids)
{
	_cleanup_close_ int config_fd = pins_get(pins, PIN_MAP, "td_config");
	_cleanup_close_ int progs_fd = pins_get(pins, PIN_MAP, "td_progs");
	struct td_config config;
	uint32_t zero = 0, id;
	int r = 0;

	if (config_fd >= 0 && progs_fd >= 0 &&
	    bpf_map_lookup_elem(config_fd, &zero, &config) == 0) {
		for (uint32_t i = 0; r == 0 && i < TD_STAGE_MAX; i++) {
			uint32_t index = config.slot_base + i;

			if (bpf_map_lookup_elem(progs_fd, &index, &id) == 0)
				r = add_ids(id, ids);
		}
	}
	return r < 0 ? r : cgroup_for_each_prog(pins, add_ids, ids);
}

int load_programs(struct datapath *datapath, struct diag *diag)
{
	struct map_ids in_force = { 0 };
	int r;

	bpf_log_begin();
	r = find_in_force(&datapath->pins, &in_force);
	if (r == 0)
		r = map_set_recover(&datapath->pins, &in_force);
	if (r < 0) {
		diag_set(diag, NULL, 0, "cannot read what an earlier run left in %s: %s",
			 datapath->pins.dir, strerror(-r));
		return r;
	}
	r = load_net(datapath, diag);
	if (r == 0)
		r = load_socket(datapath, diag);
	datapath->pending.any = r == 0;
	return r;
}
