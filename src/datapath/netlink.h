/* SPDX-License-Identifier: Apache-2.0 */
/* netlink: rtnetlink requests, several in one system call, with the kernel's own words on failure.
 *
 * In: messages (libmnl)    Out: acknowledgements, dumps    Owns: nothing but the sockets it opens
 * Thread: each socket belongs to one thread
 *
 * Formats: rtnetlink(7), Documentation/userspace-api/netlink/intro.rst. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "base/diag.h"

#define NETLINK_BATCH_MAX   16
#define NETLINK_BATCH_BYTES 4096

/* Requests that are sent together and answered one by one. The kernel carries out those after a
 * failed one as well: a batch is for requests whose undoing is one request (delete the device). */
struct netlink_batch {
	int fd; /* borrowed */
	unsigned int count;
	struct {
		const char *what; /* "add address": for the diagnostic */
		bool optional;    /* failure is no error */
		bool may_exist;   /* being there already is no error */
	} requests[NETLINK_BATCH_MAX];
	struct nlmsghdr *last;
	char buffer[NETLINK_BATCH_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* A NETLINK_ROUTE socket in the caller's network namespace. groups: bits of RTMGRP_*. */
int netlink_open(uint32_t groups, int *ret);
/* The same inside another network namespace: the thread enters it and comes back to home_fd. If the
 * way back is closed the process aborts: it must not go on in a pod's namespace. */
int netlink_open_in(int netns_fd, int home_fd, int *ret);

void netlink_begin(struct netlink_batch *batch, int fd);
/* Appends a request; attributes follow with mnl_attr_put*() on the returned message, up to the next
 * netlink_add(). Asserts that there is room: batches are of fixed shape. */
struct nlmsghdr *netlink_add(struct netlink_batch *batch, uint16_t type, uint16_t flags,
			     const char *what);
struct nlmsghdr *netlink_add_optional(struct netlink_batch *batch, uint16_t type, uint16_t flags,
				      const char *what);
struct nlmsghdr *netlink_add_if_missing(struct netlink_batch *batch, uint16_t type,
					const char *what);
/* Sends the batch and waits for every answer. The first error, diag (may be NULL) says of what. */
int netlink_commit(struct netlink_batch *batch, struct diag *diag);

/* Sends one dump request (NLM_F_DUMP is added) and calls fn for each message of the answer; fn
 * returning non-zero stops it and is returned. An interrupted dump is repeated up to 4 times, after
 * restart(data) if that is given. */
struct netlink_dump {
	struct nlmsghdr *request;
	int (*fn)(const struct nlmsghdr *nlh, void *data);
	void (*restart)(void *data);
	void *data;
};
int netlink_dump(int fd, const struct netlink_dump *dump);
/* Sends one request that is answered by one message; -errno of the kernel's refusal. */
int netlink_get(int fd, struct nlmsghdr *request, int (*fn)(const struct nlmsghdr *nlh, void *data),
		void *data);

/* ifindex of a device in the socket's network namespace; 0 if there is none. */
uint32_t netlink_ifindex(int fd, const char *ifname);
