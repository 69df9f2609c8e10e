// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Programs at the sockets of pods: services are translated when a process connects or sends, and
 * translated back when it asks whom it talks to. */
#include "lib/base.h"
#include "lib/service.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define TD_SOCK_ALLOW   1
#define TD_SOCK_DENY    0
#define TD_ECONNREFUSED 111

static __always_inline bool td_sock_is_pods(struct bpf_sock_addr *ctx)
{
	__u64 cookie = bpf_get_netns_cookie(ctx);

	return bpf_map_lookup_elem(&td_netns, &cookie);
}

static __always_inline bool td_sock_protocol(const struct bpf_sock_addr *ctx)
{
	return ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_UDP ||
	       ctx->protocol == IPPROTO_SCTP;
}

static __always_inline void td_sock_load4(struct bpf_sock_addr *ctx, struct td_addr *ret)
{
	td_addr_set_v4(ret, ctx->user_ip4);
}

static __always_inline void td_sock_load6(struct bpf_sock_addr *ctx, struct td_addr *ret)
{
	ret->words[0] = ctx->user_ip6[0];
	ret->words[1] = ctx->user_ip6[1];
	ret->words[2] = ctx->user_ip6[2];
	ret->words[3] = ctx->user_ip6[3];
}

/* A v4-mapped address fits both families, so an IPv6 socket that speaks IPv4 needs nothing more. */
static __always_inline void td_sock_store6(struct bpf_sock_addr *ctx, const struct td_addr *addr)
{
	ctx->user_ip6[0] = addr->words[0];
	ctx->user_ip6[1] = addr->words[1];
	ctx->user_ip6[2] = addr->words[2];
	ctx->user_ip6[3] = addr->words[3];
}

/* Translates what the process asked for. TD_SERVICE_FOUND: *addr and *port are the backend's. */
static __always_inline enum td_service_result td_sock_translate(struct bpf_sock_addr *ctx,
								struct td_addr *addr, __be16 *port)
{
	struct td_addr asked = *addr;
	__be16 asked_port = *port;
	enum td_service_result r;

	if (!td_sock_protocol(ctx) || !td_sock_is_pods(ctx))
		return TD_SERVICE_NONE;
	r = td_service_translate(addr, port, ctx->protocol);
	if (r == TD_SERVICE_FOUND)
		td_service_remember(bpf_get_socket_cookie(ctx), &asked, asked_port, addr, *port);
	else if (r == TD_SERVICE_REFUSED)
		bpf_set_retval(-TD_ECONNREFUSED);
	return r;
}

static __always_inline int td_sock_forward4(struct bpf_sock_addr *ctx)
{
	__be16 port = ctx->user_port;
	enum td_service_result r;
	struct td_addr addr;

	td_sock_load4(ctx, &addr);
	r = td_sock_translate(ctx, &addr, &port);
	/* An IPv6 backend cannot be reached from an IPv4 socket. */
	if (r == TD_SERVICE_FOUND && !td_addr_is_v4(&addr)) {
		bpf_set_retval(-TD_ECONNREFUSED);
		return TD_SOCK_DENY;
	}
	if (r == TD_SERVICE_FOUND) {
		ctx->user_ip4 = addr.words[3];
		ctx->user_port = port;
	}
	return r == TD_SERVICE_REFUSED ? TD_SOCK_DENY : TD_SOCK_ALLOW;
}

static __always_inline int td_sock_forward6(struct bpf_sock_addr *ctx)
{
	__be16 port = ctx->user_port;
	enum td_service_result r;
	struct td_addr addr;

	td_sock_load6(ctx, &addr);
	r = td_sock_translate(ctx, &addr, &port);
	if (r == TD_SERVICE_FOUND) {
		td_sock_store6(ctx, &addr);
		ctx->user_port = port;
	}
	return r == TD_SERVICE_REFUSED ? TD_SOCK_DENY : TD_SOCK_ALLOW;
}

static __always_inline int td_sock_back4(struct bpf_sock_addr *ctx)
{
	__be16 port = ctx->user_port;
	struct td_addr addr;

	td_sock_load4(ctx, &addr);
	if (td_sock_is_pods(ctx) && td_service_recall(bpf_get_socket_cookie(ctx), &addr, &port)) {
		ctx->user_ip4 = addr.words[3];
		ctx->user_port = port;
	}
	return TD_SOCK_ALLOW;
}

static __always_inline int td_sock_back6(struct bpf_sock_addr *ctx)
{
	__be16 port = ctx->user_port;
	struct td_addr addr;

	td_sock_load6(ctx, &addr);
	if (td_sock_is_pods(ctx) && td_service_recall(bpf_get_socket_cookie(ctx), &addr, &port)) {
		td_sock_store6(ctx, &addr);
		ctx->user_port = port;
	}
	return TD_SOCK_ALLOW;
}

SEC("cgroup/connect4")
int td_connect4(struct bpf_sock_addr *ctx)
{
	return td_sock_forward4(ctx);
}

SEC("cgroup/connect6")
int td_connect6(struct bpf_sock_addr *ctx)
{
	return td_sock_forward6(ctx);
}

SEC("cgroup/sendmsg4")
int td_sendmsg4(struct bpf_sock_addr *ctx)
{
	return td_sock_forward4(ctx);
}

SEC("cgroup/sendmsg6")
int td_sendmsg6(struct bpf_sock_addr *ctx)
{
	return td_sock_forward6(ctx);
}

SEC("cgroup/recvmsg4")
int td_recvmsg4(struct bpf_sock_addr *ctx)
{
	return td_sock_back4(ctx);
}

SEC("cgroup/recvmsg6")
int td_recvmsg6(struct bpf_sock_addr *ctx)
{
	return td_sock_back6(ctx);
}

SEC("cgroup/getpeername4")
int td_getpeername4(struct bpf_sock_addr *ctx)
{
	return td_sock_back4(ctx);
}

SEC("cgroup/getpeername6")
int td_getpeername6(struct bpf_sock_addr *ctx)
{
	return td_sock_back6(ctx);
}
