/* SPDX-License-Identifier: Apache-2.0 */
#include "pins.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <linux/magic.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"

#define SYSTEM_BPFFS "/sys/fs/bpf"

static const char *const subdirs[PIN_KINDS] = { "maps", "progs", "links" };

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

static int make_directory(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int mount_bpffs(const char *path, struct diag *diag)
{
	int r = 0;

	if (mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0)
		return 0;
	r = -errno;
	diag_set(diag, NULL, 0,
		 "%s is not on a bpf file system and mounting one failed (%s): "
		 "run `mount -t bpf bpf %s` as root, or set bpf-dir to a directory on one",
		 path, strerror(-r), path);
	return r;
}

/* The clean-up unmounts only what was mounted here. */
static int mark_mount(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" PINS_MOUNT_MARK, dir);
	return make_directory(path);
}

/* A directory on a bpffs: in the system's mount if the path is below it, else a mount of its own. */
static int ensure_bpffs(const char *dir, struct diag *diag)
{
	size_t length = strlen(SYSTEM_BPFFS);
	int r;

	if (strncmp(dir, SYSTEM_BPFFS "/", length + 1) == 0 && !is_bpffs(SYSTEM_BPFFS)) {
		r = mount_bpffs(SYSTEM_BPFFS, diag);
		if (r < 0)
			return r;
	}
	r = make_directory(dir);
	if (r < 0) {
		diag_set(diag, NULL, 0, "cannot make directory %s: %s", dir, strerror(-r));
		return r;
	}
	if (is_bpffs(dir))
		return 0;
	r = mount_bpffs(dir, diag);
	return r < 0 ? r : mark_mount(dir);
}

static int lock_directory(const char *dir, int *ret, struct diag *diag)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
		diag_set(diag, NULL, 0, "%s is held by another running agent (%s)", dir,
			 strerror(-r));
		return r;
	}
	*ret = take_fd(fd);
	return 0;
}

int pins_open_existing(const char *bpf_dir, struct pins *ret)
{
	ret->lock_fd = -1;
	if ((size_t)snprintf(ret->dir, sizeof(ret->dir), "%s", bpf_dir) >= sizeof(ret->dir))
		return -ENAMETOOLONG;
	return is_bpffs(bpf_dir) ? 0 : -ENOENT;
}

int pins_open(const char *bpf_dir, struct pins *ret, struct diag *diag)
{
	char path[PATH_MAX];
	int r;

	r = ensure_bpffs(bpf_dir, diag);
	if (r == 0)
		r = pins_open_existing(bpf_dir, ret);
	for (int kind = 0; r == 0 && kind < PIN_KINDS; kind++) {
		snprintf(path, sizeof(path), "%s/%s", ret->dir, subdirs[kind]);
		r = make_directory(path);
		if (r < 0)
			diag_set(diag, NULL, 0, "cannot make directory %s: %s", path, strerror(-r));
	}
	return r < 0 ? r : lock_directory(ret->dir, &ret->lock_fd, diag);
}

void pins_close(struct pins *pins)
{
	closep(&pins->lock_fd);
	pins->lock_fd = -1;
}

struct pin_path pins_path(const struct pins *pins, enum pin_kind kind, const char *name)
{
	struct pin_path path;
	int length =
		snprintf(path.text, sizeof(path.text), "%s/%s/%s", pins->dir, subdirs[kind], name);

	assert((size_t)length < sizeof(path.text));
	return path;
}

int pins_get(const struct pins *pins, enum pin_kind kind, const char *name)
{
	int fd = bpf_obj_get(pins_path(pins, kind, name).text);

	return fd < 0 ? -errno : fd;
}

int pins_put(const struct pins *pins, enum pin_kind kind, const char *name, int fd)
{
	return bpf_obj_pin(fd, pins_path(pins, kind, name).text) < 0 ? -errno : 0;
}

int pins_replace(const struct pins *pins, enum pin_kind kind, const char *name, int fd)
{
	char interim[PIN_NAME_MAX + 8];
	int r;

	snprintf(interim, sizeof(interim), "%s-new", name);
	r = pins_remove(pins, kind, interim);
	if (r == 0)
		r = pins_put(pins, kind, interim, fd);
	return r < 0 ? r : pins_rename(pins, kind, interim, name);
}

int pins_rename(const struct pins *pins, enum pin_kind kind, const char *from, const char *to)
{
	struct pin_path old = pins_path(pins, kind, from);
	struct pin_path new = pins_path(pins, kind, to);

	return rename(old.text, new.text) < 0 ? -errno : 0;
}

int pins_remove(const struct pins *pins, enum pin_kind kind, const char *name)
{
	struct pin_path path = pins_path(pins, kind, name);

	return unlink(path.text) < 0 && errno != ENOENT ? -errno : 0;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int pins_for_each(const struct pins *pins, enum pin_kind kind,
		  int (*fn)(const char *name, void *data), void *data)
{
	struct pin_path path = pins_path(pins, kind, "");
	_cleanup_(closedirp) DIR *dir = opendir(path.text);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			r = fn(entry->d_name, data);
	}
	return r;
}
