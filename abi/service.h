/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services as the socket programs see them: connect() and sendmsg() to a cluster IP get a backend. */
#pragma once

#include "types.h"

/* td_service: HASH without preallocation, struct td_service_key -> struct td_service. */
struct td_service_key {
	struct td_addr addr;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
	__u8 pad;
};
TD_SIZE(struct td_service_key, 20);

struct td_service {
	__u32 id;
	__u32 backends; /* 0: connections are refused (ECONNREFUSED) */
};
TD_SIZE(struct td_service, 8);

/* td_backend: HASH without preallocation, struct td_backend_key -> struct td_backend. */
struct td_backend_key {
	__u32 service; /* td_service.id */
	__u32 slot;    /* 0 .. backends - 1 */
};
TD_SIZE(struct td_backend_key, 8);

struct td_backend {
	struct td_addr addr;
	__be16 port;
	__u16 pad;
};
TD_SIZE(struct td_backend, 20);

/* td_sock_rev: LRU_HASH, struct td_sock_rev_key -> struct td_sock_rev: what the process asked for,
 * for getpeername() and recvmsg(). */
struct td_sock_rev_key {
	__u64 cookie;        /* of the socket */
	struct td_addr addr; /* backend */
	__be16 port;
	__u16 pad[3];
};
TD_SIZE(struct td_sock_rev_key, 32);

struct td_sock_rev {
	struct td_addr addr; /* service */
	__be16 port;
	__u16 pad;
};
TD_SIZE(struct td_sock_rev, 20);
