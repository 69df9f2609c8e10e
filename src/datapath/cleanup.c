/* SPDX-License-Identifier: Apache-2.0 */
/* Removes what this room ever made: devices first, so that nothing passes unenforced. */
#include "datapath.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "attach.h"
#include "pins.h"
#include "rtnl.h"
#include "veth.h"

struct cleanup {
	struct pins pins;
	int netlink_fd;
	void (*removed)(const char *what, void *data);
	void *data;
	enum pin_kind kind;
	int first_error;
};

static void say(const struct cleanup *cleanup, const char *fmt, ...) _printf_(2, 3);
static void say(const struct cleanup *cleanup, const char *fmt, ...)
{
	char line[PATH_MAX + 64];
	va_list args;

	if (!cleanup->removed)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	cleanup->removed(line, cleanup->data);
}

static void note(struct cleanup *cleanup, int error)
{
	if (cleanup->first_error == 0)
		cleanup->first_error = error;
}

static void remove_devices(struct cleanup *cleanup, const char *prefix)
{
	_cleanup_free_ struct veth_found *found = NULL;
	size_t count = 0;
	int r = veth_list(cleanup->netlink_fd, prefix, &found, &count);

	note(cleanup, r);
	for (size_t i = 0; i < count; i++) {
		struct netlink_batch batch;

		netlink_begin(&batch, cleanup->netlink_fd);
		rtnl_delete_link(&batch, found[i].ifindex);
		r = netlink_commit(&batch, NULL);
		if (r == 0)
			say(cleanup, "device %s", found[i].ifname);
		else if (r != -ENODEV)
			note(cleanup, r);
	}
}

/* Programs come off the device or cgroup before the pin goes: others may hold the link's fd. */
static int remove_link(const char *name, void *data)
{
	struct cleanup *cleanup = data;
	struct attacher attacher = { .pins = &cleanup->pins, .netlink_fd = cleanup->netlink_fd };
	struct pin_path path = pins_path(&cleanup->pins, PIN_LINK, name);
	uint32_t ifindex = attach_pin_ifindex(name);
	_cleanup_close_ int fd = -1;

	if (access(path.text, F_OK) < 0)
		return 0; /* went with another of its device */
	if (ifindex) {
		attach_remove(&attacher, ifindex);
	} else {
		fd = pins_get(&cleanup->pins, PIN_LINK, name);
		if (fd >= 0)
			bpf_link_detach(fd);
		note(cleanup, pins_remove(&cleanup->pins, PIN_LINK, name));
	}
	say(cleanup, "link %s", path.text);
	return 0;
}

static int remove_pin(const char *name, void *data)
{
	struct cleanup *cleanup = data;
	int r = pins_remove(&cleanup->pins, cleanup->kind, name);

	note(cleanup, r);
	if (r == 0)
		say(cleanup, "%s %s", cleanup->kind == PIN_MAP ? "map" : "program",
		    pins_path(&cleanup->pins, cleanup->kind, name).text);
	return 0;
}

/* A mount made for this directory alone goes with it; one it was merely put into stays. */
static int remove_root(struct cleanup *cleanup)
{
	char mark[PATH_MAX];

	snprintf(mark, sizeof(mark), "%s/" PINS_MOUNT_MARK, cleanup->pins.dir);
	if (rmdir(mark) == 0) {
		if (umount(cleanup->pins.dir) < 0)
			return -errno;
		say(cleanup, "mount %s", cleanup->pins.dir);
	}
	if (rmdir(cleanup->pins.dir) < 0)
		return -errno;
	say(cleanup, "directory %s", cleanup->pins.dir);
	return 0;
}

static void remove_pins(struct cleanup *cleanup)
{
	note(cleanup, pins_for_each(&cleanup->pins, PIN_LINK, remove_link, cleanup));
	for (cleanup->kind = PIN_MAP; cleanup->kind <= PIN_PROG; cleanup->kind++)
		note(cleanup, pins_for_each(&cleanup->pins, cleanup->kind, remove_pin, cleanup));
	for (int kind = 0; kind < PIN_KINDS; kind++) {
		if (rmdir(pins_path(&cleanup->pins, kind, "").text) < 0 && errno != ENOENT)
			note(cleanup, -errno);
	}
	note(cleanup, remove_root(cleanup));
}

int datapath_cleanup(const char *bpf_dir, const char *device_prefix,
		     void (*removed)(const char *what, void *data), void *data)
{
	struct cleanup cleanup = { .netlink_fd = -1, .removed = removed, .data = data };
	int r;

	r = netlink_open(0, &cleanup.netlink_fd);
	if (r < 0)
		return r;
	remove_devices(&cleanup, device_prefix);
	r = pins_open_existing(bpf_dir, &cleanup.pins);
	if (r == 0)
		remove_pins(&cleanup);
	close(cleanup.netlink_fd);
	return cleanup.first_error;
}
