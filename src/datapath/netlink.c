/* SPDX-License-Identifier: Apache-2.0 */
#include "netlink.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <net/if.h>

#include "base/cleanup.h"

#define RECEIVE_BYTES  32768
#define DUMP_ATTEMPTS  4
#define RESERVED_BYTES 512 /* the largest request of ours */

int netlink_open(uint32_t groups, int *ret)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK, .nl_groups = groups };
	_cleanup_close_ int fd = -1;
	int on = 1;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0),
		    NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0)
		return -errno;
	/* Better messages and smaller answers; a kernel without them is fine too. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	*ret = take_fd(fd);
	return 0;
}

int netlink_open_in(int netns_fd, int home_fd, int *ret)
{
	int r;

	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return -errno;
	r = netlink_open(0, ret);
	if (setns(home_fd, CLONE_NEWNET) < 0)
		abort();
	return r;
}

void netlink_begin(struct netlink_batch *batch, int fd)
{
	batch->fd = fd;
	batch->count = 0;
	batch->last = NULL;
}

static void *batch_end(struct netlink_batch *batch)
{
	return batch->last ? mnl_nlmsg_get_payload_tail(batch->last) : batch->buffer;
}

struct nlmsghdr *netlink_add(struct netlink_batch *batch, uint16_t type, uint16_t flags,
			     const char *what)
{
	char *end = batch_end(batch);

	assert(batch->count < NETLINK_BATCH_MAX);
	assert(end + RESERVED_BYTES <= batch->buffer + sizeof(batch->buffer));
	batch->last = mnl_nlmsg_put_header(end);
	batch->last->nlmsg_type = type;
	batch->last->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	batch->last->nlmsg_seq = batch->count + 1;
	batch->requests[batch->count].what = what;
	batch->requests[batch->count].optional = false;
	batch->requests[batch->count].may_exist = false;
	batch->count++;
	return batch->last;
}

struct nlmsghdr *netlink_add_optional(struct netlink_batch *batch, uint16_t type, uint16_t flags,
				      const char *what)
{
	struct nlmsghdr *nlh = netlink_add(batch, type, flags, what);

	batch->requests[batch->count - 1].optional = true;
	return nlh;
}

struct nlmsghdr *netlink_add_if_missing(struct netlink_batch *batch, uint16_t type,
					const char *what)
{
	struct nlmsghdr *nlh = netlink_add(batch, type, NLM_F_CREATE | NLM_F_EXCL, what);

	batch->requests[batch->count - 1].may_exist = true;
	return nlh;
}

static ssize_t netlink_send(int fd, const void *data, size_t length)
{
	static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	do {
		n = sendto(fd, data, length, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t netlink_receive(int fd, char *buffer, size_t length)
{
	struct sockaddr_nl from;
	socklen_t from_length = sizeof(from);
	ssize_t n;

	for (;;) {
		n = recvfrom(fd, buffer, length, MSG_TRUNC, (struct sockaddr *)&from, &from_length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if ((size_t)n > length)
			return -EMSGSIZE;
		if (from.nl_pid == 0) /* only the kernel is believed */
			return n;
	}
}

/* The text the kernel attached to a refusal (extended acknowledgement); NULL if none. */
static const char *refusal_text(const struct nlmsghdr *nlh, const struct nlmsgerr *error)
{
	size_t offset = sizeof(*error);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += error->msg.nlmsg_len - sizeof(error->msg);
	mnl_attr_for_each(attr, nlh, offset)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			return mnl_attr_get_str(attr);
	}
	return NULL;
}

static int refusal_report(const struct netlink_batch *batch, const struct nlmsghdr *nlh,
			  struct diag *diag)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);
	unsigned int index = nlh->nlmsg_seq - 1;
	const char *text;

	if (error->error == 0 || batch->requests[index].optional ||
	    (error->error == -EEXIST && batch->requests[index].may_exist))
		return 0;
	if (diag) {
		text = refusal_text(nlh, error);
		diag_set(diag, NULL, 0, "cannot %s: %s%s%s", batch->requests[index].what,
			 strerror(-error->error), text ? ": " : "", text ? text : "");
	}
	return error->error;
}

int netlink_commit(struct netlink_batch *batch, struct diag *diag)
{
	char buffer[RECEIVE_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	unsigned int answered = 0;
	int first = 0;
	ssize_t n;

	if (batch->count == 0)
		return 0;
	n = netlink_send(batch->fd, batch->buffer, (char *)batch_end(batch) - batch->buffer);
	while (n >= 0 && answered < batch->count) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buffer;
		int left;

		n = netlink_receive(batch->fd, buffer, sizeof(buffer));
		left = n < 0 ? 0 : (int)n;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			int r;

			if (nlh->nlmsg_type != NLMSG_ERROR || nlh->nlmsg_seq == 0 ||
			    nlh->nlmsg_seq > batch->count)
				continue;
			answered++;
			r = refusal_report(batch, nlh, first ? NULL : diag);
			if (first == 0)
				first = r;
		}
	}
	netlink_begin(batch, batch->fd);
	return n < 0 ? (int)n : first;
}

enum { DUMP_MORE = 0, DUMP_DONE = 1 };

struct dump_state {
	bool interrupted;
	int result;
};

static int dump_part(const struct netlink_dump *dump, const char *buffer, ssize_t length,
		     struct dump_state *state)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buffer;
	int left = (int)length;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_seq != dump->request->nlmsg_seq)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			state->interrupted = true;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return DUMP_DONE;
		if (nlh->nlmsg_type == NLMSG_ERROR) {
			state->result =
				((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
			return DUMP_DONE;
		}
		/* The rest is still read, so that the socket is clean for the next request. */
		if (state->result == 0)
			state->result = dump->fn(nlh, dump->data);
	}
	return DUMP_MORE;
}

static int dump_once(int fd, const struct netlink_dump *dump, struct dump_state *state)
{
	char buffer[RECEIVE_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n;

	n = netlink_send(fd, dump->request, dump->request->nlmsg_len);
	if (n < 0)
		return (int)n;
	do {
		n = netlink_receive(fd, buffer, sizeof(buffer));
		if (n < 0)
			return (int)n;
	} while (dump_part(dump, buffer, n, state) == DUMP_MORE);
	return state->result;
}

int netlink_dump(int fd, const struct netlink_dump *dump)
{
	static uint32_t sequence;
	int r;

	dump->request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	for (int attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
		struct dump_state state = { 0 };

		dump->request->nlmsg_seq = ++sequence;
		if (attempt > 0 && dump->restart)
			dump->restart(dump->data);
		r = dump_once(fd, dump, &state);
		if (r != 0 || !state.interrupted)
			return r;
	}
	return -EAGAIN;
}

int netlink_get(int fd, struct nlmsghdr *request, int (*fn)(const struct nlmsghdr *nlh, void *data),
		void *data)
{
	char buffer[RECEIVE_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buffer;
	ssize_t n;

	request->nlmsg_flags |= NLM_F_REQUEST;
	n = netlink_send(fd, request, request->nlmsg_len);
	if (n >= 0)
		n = netlink_receive(fd, buffer, sizeof(buffer));
	if (n < 0)
		return (int)n;
	if (!mnl_nlmsg_ok(nlh, (int)n))
		return -EPROTO;
	if (nlh->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
	return fn(nlh, data);
}

uint32_t netlink_ifindex(int fd, const char *ifname)
{
	struct ifreq request = { 0 };

	if (strlen(ifname) >= sizeof(request.ifr_name))
		return 0;
	strcpy(request.ifr_name, ifname);
	return ioctl(fd, SIOCGIFINDEX, &request) < 0 ? 0 : (uint32_t)request.ifr_ifindex;
}
