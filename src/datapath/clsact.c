/* SPDX-License-Identifier: Apache-2.0 */
#include "clsact.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include "netlink.h"

/* Ours among filters of others: "TD" as priority, and the name. */
#define PRIORITY    0x5444u
#define HANDLE      1u
#define FILTER_NAME "tendril"

static uint32_t filter_parent(bool egress)
{
	return TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

static struct tcmsg *put_tcmsg(struct nlmsghdr *nlh, uint32_t ifindex)
{
	struct tcmsg *message = mnl_nlmsg_put_extra_header(nlh, sizeof(*message));

	message->tcm_family = AF_UNSPEC;
	message->tcm_ifindex = (int)ifindex;
	return message;
}

static void put_filter(struct nlmsghdr *nlh, uint32_t ifindex, bool egress)
{
	struct tcmsg *message = put_tcmsg(nlh, ifindex);

	message->tcm_parent = filter_parent(egress);
	message->tcm_handle = HANDLE;
	message->tcm_info = TC_H_MAKE(PRIORITY << 16, htons(ETH_P_ALL));
}

int clsact_create(int netlink_fd, uint32_t ifindex, bool *ret_made)
{
	struct netlink_batch batch;
	struct tcmsg *message;
	struct nlmsghdr *nlh;
	int r;

	netlink_begin(&batch, netlink_fd);
	nlh = netlink_add(&batch, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, "add clsact");
	message = put_tcmsg(nlh, ifindex);
	message->tcm_parent = TC_H_CLSACT;
	message->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	mnl_attr_put_strz(nlh, TCA_KIND, "clsact");
	r = netlink_commit(&batch, NULL);
	if (r < 0 && r != -EEXIST)
		return r;
	*ret_made = r == 0;
	return 0;
}

int clsact_replace(int netlink_fd, uint32_t ifindex, bool egress, int prog_fd)
{
	struct netlink_batch batch;
	struct nlmsghdr *nlh;
	struct nlattr *options;

	netlink_begin(&batch, netlink_fd);
	nlh = netlink_add(&batch, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, "add the filter");
	put_filter(nlh, ifindex, egress);
	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	options = mnl_attr_nest_start(nlh, TCA_OPTIONS);
	mnl_attr_put_u32(nlh, TCA_BPF_FD, (uint32_t)prog_fd);
	mnl_attr_put_strz(nlh, TCA_BPF_NAME, FILTER_NAME);
	mnl_attr_put_u32(nlh, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(nlh, options);
	return netlink_commit(&batch, NULL);
}

struct filter_state {
	unsigned int filters; /* of anyone */
	bool ours;
	uint32_t prog_id; /* of ours */
};

static void see_options(const struct nlattr *options, struct filter_state *state)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, options)
	{
		if (mnl_attr_get_type(attr) == TCA_BPF_NAME)
			state->ours = strcmp(mnl_attr_get_str(attr), FILTER_NAME) == 0;
		else if (mnl_attr_get_type(attr) == TCA_BPF_ID)
			state->prog_id = mnl_attr_get_u32(attr);
	}
}

static int see_filter(const struct nlmsghdr *nlh, void *data)
{
	const struct tcmsg *message = mnl_nlmsg_get_payload(nlh);
	struct filter_state *state = data;
	const struct nlattr *attr, *options = NULL;
	bool bpf = false;

	if (message->tcm_handle == 0)
		return 0; /* a priority's head, no filter */
	state->filters++;
	if (TC_H_MAJ(message->tcm_info) >> 16 != PRIORITY || message->tcm_handle != HANDLE)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(*message))
	{
		if (mnl_attr_get_type(attr) == TCA_KIND)
			bpf = strcmp(mnl_attr_get_str(attr), "bpf") == 0;
		else if (mnl_attr_get_type(attr) == TCA_OPTIONS)
			options = attr;
	}
	if (bpf && options)
		see_options(options, state);
	return 0;
}

static void filter_restart(void *data)
{
	memset(data, 0, sizeof(struct filter_state));
}

static int read_filters(int netlink_fd, uint32_t ifindex, bool egress, struct filter_state *state)
{
	char buffer[128] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct netlink_dump dump = { nlh, see_filter, filter_restart, state };

	nlh->nlmsg_type = RTM_GETTFILTER;
	put_tcmsg(nlh, ifindex)->tcm_parent = filter_parent(egress);
	return netlink_dump(netlink_fd, &dump);
}

int clsact_check(int netlink_fd, uint32_t ifindex, bool egress, uint32_t prog_id)
{
	struct filter_state state = { 0 };
	int r = read_filters(netlink_fd, ifindex, egress, &state);

	if (r < 0 && r != -EINVAL && r != -ENOENT && r != -ENODEV)
		return r;
	return state.ours && state.prog_id == prog_id ? 0 : -ESRCH;
}

int clsact_delete(int netlink_fd, uint32_t ifindex, bool egress)
{
	struct filter_state state = { 0 };
	struct netlink_batch batch;

	if (read_filters(netlink_fd, ifindex, egress, &state) < 0 || !state.ours)
		return 0;
	netlink_begin(&batch, netlink_fd);
	put_filter(netlink_add(&batch, RTM_DELTFILTER, 0, "delete the filter"), ifindex, egress);
	return netlink_commit(&batch, NULL);
}

int clsact_remove_unused(int netlink_fd, uint32_t ifindex)
{
	struct filter_state in = { 0 }, out = { 0 };
	struct netlink_batch batch;
	struct tcmsg *message;

	if (read_filters(netlink_fd, ifindex, false, &in) < 0 ||
	    read_filters(netlink_fd, ifindex, true, &out) < 0 || in.filters || out.filters)
		return 0;
	netlink_begin(&batch, netlink_fd);
	message = put_tcmsg(netlink_add(&batch, RTM_DELQDISC, 0, "delete clsact"), ifindex);
	message->tcm_parent = TC_H_CLSACT;
	message->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	return netlink_commit(&batch, NULL);
}
