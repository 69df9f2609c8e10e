/* SPDX-License-Identifier: Apache-2.0 */
#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "clsact.h"

/* linux/bpf.h of Debian 12 is older than tcx. */
#define TCX_INGRESS 46
#define TCX_EGRESS  47
/* Where struct bpf_link_info has tcx.ifindex and tcx.attach_type: the first words of its union. */
struct tcx_info {
	uint32_t ifindex;
	uint32_t attach_type;
};

#define NO_DEVICE 0x7fffffff

static const struct direction {
	const char *name;
	int attach_type;
	bool egress;
} directions[] = {
	{ "ingress", TCX_INGRESS, false },
	{ "egress", TCX_EGRESS, true },
};

static int prog_of(const struct attach_pair *progs, const struct direction *direction)
{
	return direction->egress ? progs->egress_fd : progs->ingress_fd;
}

static void pin_name(char name[PIN_NAME_MAX], uint32_t ifindex, const char *what)
{
	snprintf(name, PIN_NAME_MAX, "%u-%s", ifindex, what);
}

uint32_t attach_pin_ifindex(const char *name)
{
	char *end;
	unsigned long ifindex = strtoul(name, &end, 10);

	if (end == name || *end != '-')
		return 0;
	return (uint32_t)ifindex;
}

bool attach_has_tcx(int prog_fd)
{
	/* The attach type is looked at before the device: a kernel without tcx says EINVAL. */
	int fd = bpf_link_create(prog_fd, NO_DEVICE, TCX_INGRESS, NULL);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == ENODEV;
}

static int prog_id(int fd, uint32_t *ret)
{
	struct bpf_prog_info info = { 0 };
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return -errno;
	*ret = info.id;
	return 0;
}

/* The device (0: detached) and program of a link. */
static int link_state(int fd, uint32_t *ret_ifindex, uint32_t *ret_prog)
{
	struct bpf_link_info info = { 0 };
	uint32_t length = sizeof(info);
	struct tcx_info tcx;

	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return -errno;
	memcpy(&tcx, &info.raw_tracepoint, sizeof(tcx));
	*ret_ifindex = tcx.ifindex;
	*ret_prog = info.prog_id;
	return 0;
}

static int tcx_create(const struct attacher *attacher, uint32_t ifindex,
		      const struct direction *direction, int prog_fd)
{
	_cleanup_close_ int fd = -1;
	char name[PIN_NAME_MAX];

	fd = bpf_link_create(prog_fd, (int)ifindex, direction->attach_type, NULL);
	if (fd < 0)
		return -errno;
	pin_name(name, ifindex, direction->name);
	return pins_replace(attacher->pins, PIN_LINK, name, fd);
}

static int tcx_attach(const struct attacher *attacher, uint32_t ifindex,
		      const struct direction *direction, int prog_fd)
{
	_cleanup_close_ int fd = -1;
	uint32_t on = 0, attached = 0, wanted = 0;
	char name[PIN_NAME_MAX];
	int r;

	pin_name(name, ifindex, direction->name);
	fd = pins_get(attacher->pins, PIN_LINK, name);
	if (fd == -ENOENT)
		return tcx_create(attacher, ifindex, direction, prog_fd);
	if (fd < 0)
		return fd;
	r = link_state(fd, &on, &attached);
	if (r == 0)
		r = prog_id(prog_fd, &wanted);
	if (r < 0)
		return r;
	if (on != ifindex)
		return tcx_create(attacher, ifindex, direction, prog_fd);
	if (attached == wanted)
		return 0;
	return bpf_link_update(fd, prog_fd, NULL) < 0 ? -errno : 0;
}

static int mark(const struct attacher *attacher, uint32_t ifindex, const char *what)
{
	char name[PIN_NAME_MAX];

	pin_name(name, ifindex, what);
	if (mkdir(pins_path(attacher->pins, PIN_LINK, name).text, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Whether there was a mark. */
static bool unmark(const struct attacher *attacher, uint32_t ifindex, const char *what)
{
	char name[PIN_NAME_MAX];

	pin_name(name, ifindex, what);
	return rmdir(pins_path(attacher->pins, PIN_LINK, name).text) == 0;
}

/* Filters are marked before there are any: whatever dies on the way, the clean-up finds them. */
static int clsact_prepare(const struct attacher *attacher, uint32_t ifindex)
{
	bool made = false;
	int r = mark(attacher, ifindex, "filters");

	if (r == 0)
		r = clsact_create(attacher->netlink_fd, ifindex, &made);
	return r == 0 && made ? mark(attacher, ifindex, "clsact") : r;
}

static bool links_are(const struct attacher *attacher, uint32_t ifindex,
		      const struct attach_pair *progs, bool any_program)
{
	for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
		_cleanup_close_ int fd = -1;
		uint32_t on = 0, attached = 0, wanted = 0;
		char name[PIN_NAME_MAX];

		pin_name(name, ifindex, directions[i].name);
		fd = pins_get(attacher->pins, PIN_LINK, name);
		if (fd < 0 || link_state(fd, &on, &attached) < 0 ||
		    prog_id(prog_of(progs, &directions[i]), &wanted) < 0)
			return false;
		if (on != ifindex || (!any_program && attached != wanted))
			return false;
	}
	return true;
}

static bool filters_are(const struct attacher *attacher, uint32_t ifindex,
			const struct attach_pair *progs)
{
	for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
		uint32_t wanted = 0;

		if (prog_id(prog_of(progs, &directions[i]), &wanted) < 0 ||
		    clsact_check(attacher->netlink_fd, ifindex, directions[i].egress, wanted) < 0)
			return false;
	}
	return true;
}

enum attach_state attach_state(const struct attacher *attacher, uint32_t ifindex,
			       const struct attach_pair *progs)
{
	bool filters = filters_are(attacher, ifindex, progs);
	bool links = links_are(attacher, ifindex, progs, false);

	if (filters && links)
		return ATTACH_BOTH;
	return links ? ATTACH_LINKS : filters ? ATTACH_FILTERS : ATTACH_NONE;
}

static int attach_links(const struct attacher *attacher, uint32_t ifindex,
			const struct attach_pair *progs)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(directions); i++)
		r = tcx_attach(attacher, ifindex, &directions[i], prog_of(progs, &directions[i]));
	return r;
}

static int attach_filters(const struct attacher *attacher, uint32_t ifindex,
			  const struct attach_pair *progs)
{
	int r = clsact_prepare(attacher, ifindex);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(directions); i++)
		r = clsact_replace(attacher->netlink_fd, ifindex, directions[i].egress,
				   prog_of(progs, &directions[i]));
	return r;
}

int attach_device(const struct attacher *attacher, uint32_t ifindex,
		  const struct attach_pair *progs, struct diag *diag)
{
	/* A link that is there takes another program without waiting. */
	bool links = attacher->tcx && links_are(attacher, ifindex, progs, true);
	int r = links ? attach_links(attacher, ifindex, progs)
		      : attach_filters(attacher, ifindex, progs);

	if (r < 0)
		diag_set(diag, NULL, 0, "cannot attach to interface %u by %s: %s", ifindex,
			 links ? "tcx" : "tc clsact", strerror(-r));
	return r;
}

static void remove_filters(const struct attacher *attacher, uint32_t ifindex)
{
	clsact_delete(attacher->netlink_fd, ifindex, false);
	clsact_delete(attacher->netlink_fd, ifindex, true);
	unmark(attacher, ifindex, "filters");
	if (unmark(attacher, ifindex, "clsact"))
		clsact_remove_unused(attacher->netlink_fd, ifindex);
}

int attach_tighten(const struct attacher *attacher, uint32_t ifindex,
		   const struct attach_pair *progs)
{
	int r = attach_links(attacher, ifindex, progs);

	if (r == 0)
		remove_filters(attacher, ifindex);
	return r;
}

void attach_forget(const struct attacher *attacher, uint32_t ifindex)
{
	char name[PIN_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
		pin_name(name, ifindex, directions[i].name);
		pins_remove(attacher->pins, PIN_LINK, name);
	}
	unmark(attacher, ifindex, "filters");
	unmark(attacher, ifindex, "clsact");
}

int attach_remove(const struct attacher *attacher, uint32_t ifindex)
{
	char name[PIN_NAME_MAX];
	int r = 0;

	/* Others may hold the link's fd; the device is to be free at once. */
	for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
		_cleanup_close_ int fd = -1;

		pin_name(name, ifindex, directions[i].name);
		fd = pins_get(attacher->pins, PIN_LINK, name);
		if (fd >= 0 && bpf_link_detach(fd) < 0)
			r = -errno;
	}
	remove_filters(attacher, ifindex);
	attach_forget(attacher, ifindex);
	return r;
}
