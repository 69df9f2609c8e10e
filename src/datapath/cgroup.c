/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"

#define PIN_PREFIX "cgroup-"

int cgroup_progs_take(struct cgroup_progs *progs, struct bpf_object *object)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, object)
	{
		size_t index = progs->count;

		switch (bpf_program__type(prog)) {
		case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
		case BPF_PROG_TYPE_CGROUP_SOCK:
		case BPF_PROG_TYPE_CGROUP_SOCKOPT:
		case BPF_PROG_TYPE_SOCK_OPS:
			break;
		default:
			continue;
		}
		if (index == CGROUP_PROGS_MAX)
			return -E2BIG;
		progs->items[index].fd = fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 3);
		if (progs->items[index].fd < 0)
			return -errno;
		progs->items[index].type = bpf_program__expected_attach_type(prog);
		snprintf(progs->items[index].name, sizeof(progs->items[index].name), "%s",
			 bpf_program__name(prog));
		progs->count++;
	}
	return 0;
}

void cgroup_progs_close(struct cgroup_progs *progs)
{
	for (size_t i = 0; i < progs->count; i++)
		close(progs->items[i].fd);
	progs->count = 0;
}

static int link_info(int fd, struct bpf_link_info *info)
{
	uint32_t length = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &length) < 0 ? -errno : 0;
}

static int attach_one(const struct pins *pins, int cgroup_fd, uint64_t cgroup_id, const char *name,
		      int prog_fd, enum bpf_attach_type type)
{
	char pin[PIN_NAME_MAX + 8];
	_cleanup_close_ int fd = -1;
	struct bpf_link_info info;

	snprintf(pin, sizeof(pin), PIN_PREFIX "%s", name);
	fd = pins_get(pins, PIN_LINK, pin);
	/* A link whose cgroup is gone, or another one than is configured now, is not kept. */
	if (fd >= 0 && link_info(fd, &info) == 0 && info.cgroup.cgroup_id == cgroup_id &&
	    info.cgroup.attach_type == type)
		return bpf_link_update(fd, prog_fd, NULL) < 0 ? -errno : 0;
	closep(&fd);
	fd = bpf_link_create(prog_fd, cgroup_fd, type, NULL);
	if (fd < 0)
		return -errno;
	return pins_replace(pins, PIN_LINK, pin, fd);
}

struct stale {
	const struct pins *pins;
	const struct cgroup_progs *progs; /* NULL: all are stale */
};

static int remove_stale(const char *name, void *data)
{
	const struct stale *stale = data;

	if (strncmp(name, PIN_PREFIX, strlen(PIN_PREFIX)) != 0)
		return 0;
	for (size_t i = 0; stale->progs && i < stale->progs->count; i++) {
		if (strcmp(name + strlen(PIN_PREFIX), stale->progs->items[i].name) == 0)
			return 0;
	}
	return pins_remove(stale->pins, PIN_LINK, name);
}

int cgroup_check(const char *root, struct diag *diag)
{
	struct statfs status;

	if (statfs(root, &status) < 0)
		return diag_set(diag, NULL, 0,
				"cgroup_root: found %s (%s), expected a directory of cgroup v2",
				root, strerror(errno));
	if (status.f_type != CGROUP2_SUPER_MAGIC)
		return diag_set(diag, NULL, 0,
				"cgroup_root: found %s, which is not in cgroup v2, expected a "
				"directory where cgroup2 is mounted or below",
				root);
	return 0;
}

int cgroup_attach(const struct pins *pins, const char *root, const struct cgroup_progs *progs,
		  struct diag *diag)
{
	struct stale stale = { pins, root ? progs : NULL };
	_cleanup_close_ int fd = -1;
	struct stat status;
	int r = 0;

	if (!root)
		return pins_for_each(pins, PIN_LINK, remove_stale, &stale);
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0) {
		r = -errno;
		diag_set(diag, NULL, 0, "cgroup root %s: %s", root, strerror(-r));
		return r;
	}
	for (size_t i = 0; i < progs->count; i++) {
		/* The id of a cgroup is the inode number of its directory. */
		r = attach_one(pins, fd, status.st_ino, progs->items[i].name, progs->items[i].fd,
			       progs->items[i].type);
		if (r < 0) {
			diag_set(diag, NULL, 0, "cannot attach program %s to cgroup %s: %s",
				 progs->items[i].name, root, strerror(-r));
			return r;
		}
	}
	return pins_for_each(pins, PIN_LINK, remove_stale, &stale);
}

struct visit {
	const struct pins *pins;
	int (*fn)(uint32_t prog_id, void *data);
	void *data;
};

static int visit_link(const char *name, void *data)
{
	const struct visit *visit = data;
	_cleanup_close_ int fd = -1;
	struct bpf_link_info info;

	if (strncmp(name, PIN_PREFIX, strlen(PIN_PREFIX)) != 0)
		return 0;
	fd = pins_get(visit->pins, PIN_LINK, name);
	if (fd < 0 || link_info(fd, &info) < 0)
		return 0;
	return visit->fn(info.prog_id, visit->data);
}

int cgroup_for_each_prog(const struct pins *pins, int (*fn)(uint32_t prog_id, void *data),
			 void *data)
{
	struct visit visit = { pins, fn, data };

	return pins_for_each(pins, PIN_LINK, visit_link, &visit);
}
