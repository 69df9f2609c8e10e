/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <linux/rtnetlink.h>

#include <bpf/bpf.h>

#include "abi/service.h"
#include "base/log.h"
#include "internal.h"
#include "load.h"

static char *copy_string(const char *text, int *error)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		*error = -ENOMEM;
	return copy;
}

static int copy_options(const struct datapath_options *from, struct datapath_options *to)
{
	int r = 0;

	*to = *from;
	to->bpf_dir = copy_string(from->bpf_dir, &r);
	to->cgroup_root = copy_string(from->cgroup_root, &r);
	to->device_prefix = copy_string(from->device_prefix, &r);
	to->devices = calloc(from->device_count ? from->device_count : 1, sizeof(*to->devices));
	if (!to->devices) {
		to->device_count = 0;
		return -ENOMEM;
	}
	for (size_t i = 0; i < from->device_count; i++)
		to->devices[i] = copy_string(from->devices[i], &r);
	return r;
}

static void free_options(struct datapath_options *options)
{
	for (size_t i = 0; i < options->device_count; i++)
		free(options->devices[i]);
	free(options->devices);
	free((char *)options->bpf_dir);
	free((char *)options->cgroup_root);
	free((char *)options->device_prefix);
}

static void close_pair(struct attach_pair *pair)
{
	closep(&pair->ingress_fd);
	closep(&pair->egress_fd);
}

static void clear_mirrors(struct datapath *datapath)
{
	struct map_mirror *const mirrors[] = {
		&datapath->endpoint_mirror, &datapath->address_mirror, &datapath->netns_mirror,
		&datapath->cidr_mirror,     &datapath->device_mirror,  &datapath->no_masq_mirror,
	};

	for (size_t i = 0; i < ARRAY_SIZE(mirrors); i++)
		image_clear(&mirrors[i]->have);
}

void datapath_close(struct datapath *datapath)
{
	if (!datapath)
		return;
	chores_free(datapath->chores);
	closep(&datapath->pending.gc_start_fd);
	cgroup_progs_close(&datapath->pending.socket);
	close_pair(&datapath->pod_entry);
	close_pair(&datapath->uplink_entry);
	closep(&datapath->watch_fd);
	clear_mirrors(datapath);
	policy_map_close(&datapath->policy);
	service_map_close(&datapath->services);
	map_set_close(&datapath->maps);
	veth_node_close(&datapath->node);
	pins_close(&datapath->pins);
	free(datapath->endpoints);
	free(datapath->host_addresses);
	free(datapath->loose.items);
	free_options(&datapath->options);
	free(datapath);
}

static void datapath_closep(struct datapath **datapath)
{
	datapath_close(*datapath);
}

static void init_mirrors(struct datapath *datapath)
{
	const struct map_set *maps = &datapath->maps;

	datapath->endpoint_mirror = MAP_MIRROR(uint32_t, struct td_endpoint);
	datapath->endpoint_mirror.fd = map_set_fd(maps, "td_endpoint");
	datapath->address_mirror = MAP_MIRROR(struct td_addr, struct td_place);
	datapath->address_mirror.fd = map_set_fd(maps, "td_addr_map");
	datapath->netns_mirror = MAP_MIRROR(uint64_t, uint32_t);
	datapath->netns_mirror.fd = map_set_fd(maps, "td_netns");
	datapath->cidr_mirror = MAP_MIRROR(struct td_cidr_key, uint32_t);
	datapath->cidr_mirror.fd = map_set_fd(maps, "td_cidr");
	datapath->device_mirror = MAP_MIRROR(uint32_t, struct td_device);
	datapath->device_mirror.fd = map_set_fd(maps, "td_device");
	datapath->no_masq_mirror = MAP_MIRROR(struct td_cidr_key, uint32_t);
	datapath->no_masq_mirror.fd = map_set_fd(maps, "td_no_masq");
	policy_map_init(&datapath->policy, map_set_fd(maps, "td_subject"),
			map_set_fd(maps, "td_policy"), map_set_fd(maps, "td_pol_class"));
	service_map_init(&datapath->services, map_set_fd(maps, "td_service"),
			 map_set_fd(maps, "td_backend"));
}

static struct datapath *allocate(void)
{
	struct datapath *datapath = calloc(1, sizeof(*datapath));

	if (!datapath)
		return NULL;
	datapath->node.netns_fd = -1;
	datapath->node.netlink_fd = -1;
	datapath->pins.lock_fd = -1;
	datapath->watch_fd = -1;
	datapath->pending.gc_start_fd = -1;
	datapath->pod_entry = (struct attach_pair){ -1, -1 };
	datapath->uplink_entry = (struct attach_pair){ -1, -1 };
	return datapath;
}

static int open_node(struct datapath *datapath, struct diag *diag)
{
	const uint32_t groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
	int r;

	r = veth_node_open(datapath->options.load.host_mac, &datapath->node);
	if (r == 0)
		r = netlink_open(groups, &datapath->watch_fd);
	if (r == 0)
		r = chores_new(&datapath->chores);
	if (r < 0)
		diag_set(diag, NULL, 0, "cannot open a netlink socket: %s", strerror(-r));
	return r;
}

int datapath_open(const struct datapath_options *options, struct datapath **ret, struct diag *diag)
{
	_cleanup_(datapath_closep) struct datapath *datapath = allocate();
	int r;

	if (!datapath)
		return -ENOMEM;
	r = copy_options(options, &datapath->options);
	if (r == 0 && options->cgroup_root)
		r = cgroup_check(options->cgroup_root, diag);
	if (r == 0)
		r = open_node(datapath, diag);
	if (r == 0)
		r = pins_open(datapath->options.bpf_dir, &datapath->pins, diag);
	if (r < 0)
		return r;
	map_set_init(&datapath->maps, &datapath->pins);
	r = load_programs(datapath, diag);
	if (r < 0)
		return r;
	init_mirrors(datapath);
	datapath->attacher = (struct attacher){
		.pins = &datapath->pins,
		.netlink_fd = datapath->node.netlink_fd,
		.tcx = !options->force_clsact && attach_has_tcx(datapath->pod_entry.ingress_fd),
	};
	r = datapath_adopt_devices(datapath, diag);
	if (r == 0)
		r = datapath_sync_no_masquerade(datapath);
	if (r == 0)
		r = datapath_sync_node(datapath, diag);
	if (r < 0)
		return r;
	*ret = take_ptr(datapath);
	return 0;
}

int datapath_sync_policy(struct datapath *datapath, const struct policy_subject *subjects,
			 size_t count, bool all)
{
	return policy_map_sync(&datapath->policy, subjects, count, all);
}

const uint32_t *datapath_policy_refused(const struct datapath *datapath, size_t *count)
{
	*count = datapath->policy.refused_count;
	return datapath->policy.refused;
}

int datapath_sync_services(struct datapath *datapath, const struct service_table *table)
{
	return service_map_sync(&datapath->services, table);
}

static int duplicate(const struct datapath *datapath, const char *name)
{
	int fd = fcntl(map_set_fd(&datapath->maps, name), F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? -errno : fd;
}

int datapath_events_fd(const struct datapath *datapath)
{
	return duplicate(datapath, "td_events");
}

int datapath_stats_fd(const struct datapath *datapath)
{
	return duplicate(datapath, "td_stats");
}

int datapath_drops_fd(const struct datapath *datapath)
{
	return duplicate(datapath, "td_drops");
}
