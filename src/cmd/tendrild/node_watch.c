/* SPDX-License-Identifier: Apache-2.0 */
#include "node_watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

#include "agent.h"

#define BUF_SIZE 32768

struct node_watch {
	struct agent *agent;
	uv_poll_t poll;
	int fd;
};

static void note(const struct nlmsghdr *message, bool *addresses, bool *links)
{
	*addresses |= message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR ||
		      message->nlmsg_type == RTM_NEWLINK;
	*links |= message->nlmsg_type == RTM_DELLINK;
}

static void on_message(uv_poll_t *poll, int status, int events)
{
	struct node_watch *watch = poll->data;
	char buf[BUF_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool addresses = false, links = false;

	for (;;) {
		ssize_t len = recv(watch->fd, buf, sizeof(buf), MSG_DONTWAIT);
		struct nlmsghdr *message = (struct nlmsghdr *)buf;

		if (len < 0 && errno == ENOBUFS) /* some were lost: look at everything */
			addresses = links = true;
		else if (len < 0)
			break;
		for (int left = (int)len; left > 0 && NLMSG_OK(message, left);
		     message = NLMSG_NEXT(message, left))
			note(message, &addresses, &links);
	}
	if (links)
		endpoints_notice_vanished(watch->agent->endpoints);
	if (addresses || links)
		regenerate_mark(watch->agent->regenerate, DIRTY_HOST);
}

int node_watch_new(struct agent *agent, struct node_watch **ret)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK,
				    .nl_groups =
					    RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_LINK };
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	struct node_watch *watch;
	int r;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	r = uv_poll_init(agent->loop, &watch->poll, fd);
	if (r < 0) {
		free(watch);
		return r;
	}
	watch->agent = agent;
	watch->fd = take_fd(fd);
	watch->poll.data = watch;
	uv_poll_start(&watch->poll, UV_READABLE, on_message);
	*ret = watch;
	return 0;
}

static void free_watch(uv_handle_t *handle)
{
	struct node_watch *watch = handle->data;

	close(watch->fd);
	free(watch);
}

void node_watch_free(struct node_watch *watch)
{
	if (watch)
		uv_close((uv_handle_t *)&watch->poll, free_watch);
}
