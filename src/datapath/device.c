/* SPDX-License-Identifier: Apache-2.0 */
/* A pod's device with our programs on it: add, delete, check, list, adopt. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rtnl.h"

static void veth_pod_closep(struct veth_pod *pod)
{
	veth_pod_close(pod);
}

static int delete_now(struct datapath *datapath, uint32_t ifindex)
{
	struct netlink_batch batch;
	int r;

	netlink_begin(&batch, datapath->node.netlink_fd);
	rtnl_delete_link(&batch, ifindex);
	r = netlink_commit(&batch, NULL);
	if (r == 0 || r == -ENODEV)
		attach_forget(&datapath->attacher, ifindex);
	return r == -ENODEV ? 0 : r;
}

/* Everything is down until the programs are attached: not one packet passes without them. */
static int furnish(struct datapath *datapath, const struct datapath_device *device,
		   const struct veth_pod *pod, uint32_t ifindex, struct diag *diag)
{
	int r;

	r = datapath_attach_new(datapath, ifindex, diag);
	if (r == 0)
		r = veth_raise_host(&datapath->node, device, ifindex, diag);
	if (r == 0)
		r = veth_raise_pod(&datapath->node, pod, device, diag);
	return r;
}

int datapath_device_add(struct datapath *datapath, const struct datapath_device *device,
			uint32_t *ret_ifindex, uint64_t *ret_cookie, struct diag *diag)
{
	_cleanup_(veth_pod_closep) struct veth_pod pod = { -1, -1, 0 };
	uint32_t ifindex;
	int r;

	r = veth_pod_open(&datapath->node, device->netns, &pod, diag);
	if (r == 0)
		r = veth_create(&datapath->node, &pod, device, &ifindex, diag);
	if (r < 0)
		return r;
	r = furnish(datapath, device, &pod, ifindex, diag);
	if (r < 0) {
		delete_now(datapath, ifindex);
		return r;
	}
	*ret_ifindex = ifindex;
	*ret_cookie = pod.cookie;
	return 0;
}

static int take_down(struct datapath *datapath, uint32_t ifindex)
{
	struct netlink_batch batch;

	netlink_begin(&batch, datapath->node.netlink_fd);
	rtnl_set_link(&batch, ifindex, false, "take the device down");
	return netlink_commit(&batch, NULL);
}

static int delete_device(const struct chore *chore, int netlink_fd)
{
	struct netlink_batch batch;
	int r;

	netlink_begin(&batch, netlink_fd);
	rtnl_delete_link(&batch, chore->ifindex);
	r = netlink_commit(&batch, NULL);
	return r == -ENODEV ? 0 : r;
}

int datapath_device_delete(struct datapath *datapath, const char *host_ifname, bool wait)
{
	struct chore chore = { .work = delete_device };
	int r;

	chore.ifindex = netlink_ifindex(datapath->node.netlink_fd, host_ifname);
	if (chore.ifindex == 0)
		return 0;
	datapath_attach_forget(datapath, chore.ifindex);
	if (wait)
		return delete_now(datapath, chore.ifindex);
	snprintf(chore.ifname, sizeof(chore.ifname), "%s", host_ifname);
	r = take_down(datapath, chore.ifindex);
	if (r == -ENODEV)
		return 0;
	return r < 0 ? r : chores_add(datapath->chores, &chore);
}

int datapath_device_reap_fd(const struct datapath *datapath)
{
	return chores_fd(datapath->chores);
}

struct reap {
	struct datapath *datapath;
	void (*gone)(const char *host_ifname, int error, void *data);
	void *data;
};

static void reap_one(const struct chore *chore, void *data)
{
	const struct reap *reap = data;

	if (chore->work != delete_device) {
		datapath_tightened(reap->datapath, chore);
		return;
	}
	if (chore->result == 0)
		attach_forget(&reap->datapath->attacher, chore->ifindex);
	else
		log_error("datapath", "the kernel does not delete a device",
			  LOG_STR("device", chore->ifname), LOG_ERR(chore->result));
	if (reap->gone)
		reap->gone(chore->ifname, chore->result, reap->data);
}

void datapath_device_reap(struct datapath *datapath,
			  void (*gone)(const char *host_ifname, int error, void *data), void *data)
{
	struct reap reap = { datapath, gone, data };

	chores_collect(datapath->chores, reap_one, &reap);
}

int datapath_device_check(struct datapath *datapath, const struct datapath_device *device,
			  uint32_t ifindex, struct diag *diag)
{
	_cleanup_(veth_pod_closep) struct veth_pod pod = { -1, -1, 0 };
	int r;

	r = veth_check_host(&datapath->node, device, ifindex, diag);
	if (r == 0 &&
	    attach_state(&datapath->attacher, ifindex, &datapath->pod_entry) == ATTACH_NONE)
		r = diag_set(diag, NULL, 0, "our programs are not attached to %s",
			     device->host_ifname);
	if (r < 0 || !device->netns)
		return r;
	r = veth_pod_open(&datapath->node, device->netns, &pod, diag);
	return r < 0 ? r : veth_check_pod(&datapath->node, &pod, device, diag);
}

static void free_names(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

int datapath_device_list(struct datapath *datapath, char ***ret, size_t *ret_count)
{
	_cleanup_free_ struct veth_found *found = NULL;
	size_t count = 0;
	char **names;
	int r;

	r = veth_list(datapath->node.netlink_fd, datapath->options.device_prefix, &found, &count);
	if (r < 0)
		return r;
	names = calloc(count ? count : 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		names[i] = strdup(found[i].ifname);
		if (!names[i]) {
			free_names(names, i);
			return -ENOMEM;
		}
	}
	*ret = names;
	*ret_count = count;
	return 0;
}

struct pinned {
	struct datapath *datapath;
	const struct veth_found *found;
	size_t count;
};

static bool is_uplink(const struct datapath *datapath, uint32_t ifindex)
{
	for (size_t i = 0; i < datapath->options.device_count; i++) {
		if (netlink_ifindex(datapath->node.netlink_fd, datapath->options.devices[i]) ==
		    ifindex)
			return true;
	}
	return false;
}

/* Takes our programs off devices that are neither a pod's nor an uplink any more. */
static int release_stranger(const char *name, void *data)
{
	const struct pinned *pinned = data;
	uint32_t ifindex = attach_pin_ifindex(name);

	if (ifindex == 0 || is_uplink(pinned->datapath, ifindex))
		return 0;
	for (size_t i = 0; i < pinned->count; i++) {
		if (pinned->found[i].ifindex == ifindex)
			return 0;
	}
	attach_remove(&pinned->datapath->attacher, ifindex);
	return 0;
}

int datapath_adopt_devices(struct datapath *datapath, struct diag *diag)
{
	_cleanup_free_ struct veth_found *found = NULL;
	struct pinned pinned = { .datapath = datapath };
	size_t count = 0;
	int r;

	r = veth_list(datapath->node.netlink_fd, datapath->options.device_prefix, &found, &count);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = datapath_attach(datapath, found[i].ifindex, false, diag);
		if (r == -ENODEV)
			r = 0; /* it went meanwhile */
	}
	if (r < 0)
		return r;
	pinned.found = found;
	pinned.count = count;
	return pins_for_each(&datapath->pins, PIN_LINK, release_stranger, &pinned);
}
