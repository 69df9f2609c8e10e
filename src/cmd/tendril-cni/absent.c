/* SPDX-License-Identifier: Apache-2.0 */
/* What DEL does while no agent runs. */
#include "cni.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>

static void mnl_closep(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

/* Removes a link of this network namespace by name; its peer goes with it. Gone is fine. */
static int delete_link(const char *name)
{
	_cleanup_(mnl_closep) struct mnl_socket *socket = mnl_socket_open(NETLINK_ROUTE);
	char buf[8192];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	ssize_t len;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	message->nlmsg_type = RTM_DELLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	len = mnl_socket_recvfrom(socket, buf, sizeof(buf));
	if (len < 0)
		return -errno;
	if (mnl_cb_run(buf, (size_t)len, 0, mnl_socket_get_portid(socket), NULL, NULL) < 0)
		return errno == ENODEV ? 0 : -errno;
	return 0;
}

/* The host end's name if this is the record of our attachment; caller frees. */
static char *host_ifname_in(const char *path, const struct cni_request *request)
{
	json_t *record = json_load_file(path, 0, NULL);
	const char *id = json_string_value(json_object_get(record, "container_id"));
	const char *ifname = json_string_value(json_object_get(record, "ifname"));
	const char *host = json_string_value(json_object_get(record, "host_ifname"));
	char *name = NULL;

	if (id && ifname && host && strcmp(id, request->container_id) == 0 &&
	    strcmp(ifname, request->ifname) == 0)
		name = strdup(host);
	json_decref(record);
	return name;
}

/* From the agent's own records, not from prevResult: a caller's word must not name a device. */
static char *find_host_ifname(const struct cni_request *request)
{
	_cleanup_free_ char *pattern = NULL;
	glob_t found = {};
	char *name = NULL;

	if (asprintf(&pattern, "%s/endpoints/*.json", request->run_dir) < 0)
		return NULL;
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && !name; i++)
			name = host_ifname_in(found.gl_pathv[i], request);
	globfree(&found);
	return name;
}

static int write_tombstone(const struct cni_request *request)
{
	_cleanup_free_ char *dir = NULL, *path = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&dir, "%s/tombstones", request->run_dir) < 0)
		return -ENOMEM;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (asprintf(&path, "%s/%s-%s", dir, request->container_id, request->ifname) < 0)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (dprintf(fd, "{\"container_id\":\"%s\",\"ifname\":\"%s\"}\n", request->container_id,
		    request->ifname) < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

int cni_delete_without_agent(const struct cni_request *request)
{
	_cleanup_free_ char *host = NULL;
	struct stat dir;
	int r;

	if (stat(request->run_dir, &dir) < 0 && errno == ENOENT)
		return 0; /* no agent has ever run here since boot: nothing was attached */
	host = find_host_ifname(request);
	if (!host)
		return 0; /* not ours, or deleted before */
	r = write_tombstone(request);
	if (r < 0)
		return r;
	return delete_link(host);
}
