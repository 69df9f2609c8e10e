/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier run left: records, devices, tombstones. */
#include "endpoints.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "base/fsutil.h"
#include "base/log.h"
#include "endpoints_internal.h"

#define RECORD_MAX (1u << 20)

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Another process's leftovers, or two records with one address, must not keep us from starting. */
static void reserve(struct endpoints *endpoints, struct workload *workload, struct td_addr *addr)
{
	char buf[ADDRESS_TEXT_MAX];
	int r;

	if (address_is_zero(addr))
		return;
	r = ipam_reserve(endpoints->agent->ipam, addr);
	if (r == 0)
		return;
	log_warn("endpoints", "address not reserved", LOG_UINT("endpoint", workload->id),
		 LOG_STR("address", address_format(addr, buf)), LOG_ERR(r));
	/* -ERANGE: the prefix was changed; the pod keeps its address. -EEXIST: it is another's. */
	if (r == -EEXIST && workload->state != ENDPOINT_READY)
		*addr = (struct td_addr){};
}

static int take_record(struct endpoints *endpoints, const char *path, const char *file_name)
{
	_cleanup_(workload_freep) struct workload *workload = NULL;
	_cleanup_free_ char *text = NULL;
	struct diag diag = {};
	char want[32];
	size_t len = 0;
	int r = file_read(path, RECORD_MAX, &text, &len);

	if (r < 0)
		return r;
	r = workload_load(text, len, path, &workload, &diag);
	if (r < 0) {
		char message[DIAG_FILE_MAX + DIAG_TEXT_MAX + 32];

		diag_format(&diag, message, sizeof(message));
		log_error("endpoints", "record dropped, its device is removed",
			  LOG_STR("found", message), LOG_ERR(r));
		unlink(path);
		return r == -ENOMEM ? r : 0;
	}
	snprintf(want, sizeof(want), "%u.json", workload->id);
	if (strcmp(want, file_name) != 0) {
		log_error("endpoints", "record dropped: its id is not its name",
			  LOG_STR("file", path));
		unlink(path);
		return 0;
	}
	reserve(endpoints, workload, &workload->ipv4);
	reserve(endpoints, workload, &workload->ipv6);
	if (workload->id > endpoints->last_id)
		endpoints->last_id = workload->id;
	workload->has_object = workload->run_labels != NULL;
	workload->next = endpoints->first;
	endpoints->first = take_ptr(workload);
	return 0;
}

int endpoints_load(struct endpoints *endpoints)
{
	_cleanup_(closedirp) DIR *dir = opendir(endpoints->dir);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		_cleanup_free_ char *path = NULL;
		size_t len = strlen(entry->d_name);
		int r;

		if (entry->d_name[0] == '.' || len < 6 ||
		    strcmp(entry->d_name + len - 5, ".json") != 0)
			continue;
		if (asprintf(&path, "%s/%s", endpoints->dir, entry->d_name) < 0)
			return -ENOMEM;
		r = take_record(endpoints, path, entry->d_name);
		if (r < 0)
			return r;
	}
	for (struct workload *workload = endpoints->first; workload; workload = workload->next) {
		int r = workload->state == ENDPOINT_READY ? endpoints_publish(endpoints, workload)
							  : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* A tombstone is what DEL leaves behind while no agent runs: CONTAINERID-IFNAME. */
static char *tombstone_path(const struct endpoints *endpoints, const struct workload *workload)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s-%s", endpoints->tombstones, workload->container_id,
			workload->ifname) < 0
		       ? NULL
		       : path;
}

static bool has_tombstone(const struct endpoints *endpoints, const struct workload *workload)
{
	_cleanup_free_ char *path = tombstone_path(endpoints, workload);

	return path && access(path, F_OK) == 0;
}

void endpoints_drop_tombstone(const struct endpoints *endpoints, const struct workload *workload)
{
	_cleanup_free_ char *path = tombstone_path(endpoints, workload);

	if (path)
		unlink(path);
}

static void remove_tombstones(const struct endpoints *endpoints)
{
	_cleanup_(closedirp) DIR *dir = opendir(endpoints->tombstones);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
}

static const char *why_not(const struct endpoints *endpoints, const struct workload *workload)
{
	if (workload->state == ENDPOINT_CREATING)
		return "half made";
	if (workload->state == ENDPOINT_DELETING)
		return "its deletion was under way";
	if (has_tombstone(endpoints, workload))
		return "deleted while no agent ran";
	if (if_nametoindex(workload->host_ifname) != workload->host_ifindex)
		return "its device is gone";
	return NULL;
}

static bool has_record(const struct endpoints *endpoints, const char *host_ifname)
{
	for (const struct workload *workload = endpoints->first; workload;
	     workload = workload->next)
		if (strcmp(workload->host_ifname, host_ifname) == 0)
			return true;
	return false;
}

static int remove_strays(struct endpoints *endpoints)
{
	struct datapath *datapath = endpoints->agent->datapath;
	char **names = NULL;
	size_t count = 0;
	int r = datapath_device_list(datapath, &names, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (!has_record(endpoints, names[i])) {
			log_warn("endpoints", "device without a record removed",
				 LOG_STR("device", names[i]));
			datapath_device_delete(datapath, names[i], false);
		}
		free(names[i]);
	}
	free(names);
	return 0;
}

int endpoints_adopt(struct endpoints *endpoints)
{
	unsigned int adopted = 0;

	for (struct workload *workload = endpoints->first, *next; workload; workload = next) {
		const char *because = why_not(endpoints, workload);

		next = workload->next;
		if (!because) {
			adopted++;
			continue;
		}
		log_info("endpoints", "removed", LOG_UINT("endpoint", workload->id),
			 LOG_STR("pod", workload->name), LOG_STR("because", because));
		endpoints_remove(endpoints, workload, false);
	}
	remove_tombstones(endpoints);
	if (adopted)
		log_info("endpoints", "adopted", LOG_UINT("count", adopted));
	return remove_strays(endpoints);
}
