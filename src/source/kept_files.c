/* SPDX-License-Identifier: Apache-2.0 */
#include "kept_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "model/document.h"

struct kept_files {
	char *dir;
};

static int make_dir(const char *dir)
{
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int kept_files_open(const char *dir, struct kept_files **ret)
{
	_cleanup_(kept_files_freep) struct kept_files *kept = calloc(1, sizeof(*kept));
	int r;

	if (!kept)
		return -ENOMEM;
	kept->dir = strdup(dir);
	if (!kept->dir)
		return -ENOMEM;
	r = make_dir(dir);
	/* On such a disk nothing new can be kept, and nothing was. */
	if (r < 0 && r != -ENOSPC && r != -EDQUOT && r != -EROFS)
		return r;
	*ret = take_ptr(kept);
	return 0;
}

void kept_files_free(struct kept_files *kept)
{
	if (!kept)
		return;
	free(kept->dir);
	free(kept);
}

static char *path_of(const struct kept_files *kept, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", kept->dir, name) < 0 ? NULL : path;
}

int kept_files_get(const struct kept_files *kept, const char *name, char **ret, size_t *ret_length)
{
	_cleanup_free_ char *path = path_of(kept, name);

	return path ? file_read(path, DOCUMENT_TEXT_MAX, ret, ret_length) : -ENOMEM;
}

int kept_files_put(const struct kept_files *kept, const char *name, const char *text, size_t length)
{
	_cleanup_free_ char *path = path_of(kept, name), *have = NULL;
	size_t have_length = 0;
	int r;

	if (!path)
		return -ENOMEM;
	if (kept_files_get(kept, name, &have, &have_length) == 0 && have_length == length &&
	    memcmp(have, text, length) == 0)
		return 0;
	r = make_dir(kept->dir);
	return r < 0 ? r : file_replace(path, text, length, 0600, true);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int kept_files_sweep(const struct kept_files *kept, bool (*stays)(const char *name, void *data),
		     void *data)
{
	_cleanup_(closedirp) DIR *dir = opendir(kept->dir);
	const struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		    !stays(entry->d_name, data))
			unlinkat(dirfd(dir), entry->d_name, 0);
	return 0;
}
