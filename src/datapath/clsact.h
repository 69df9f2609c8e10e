/* SPDX-License-Identifier: Apache-2.0 */
/* clsact: direct-action BPF filters of the traffic control layer, for kernels before tcx.
 *
 * In: program fds    Out: one filter per direction    Owns: filters of our handle, priority and name
 * Thread: the socket's
 *
 * Formats: tc-bpf(8), linux/pkt_cls.h, linux/pkt_sched.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* ret_made: it was not there before. */
int clsact_create(int netlink_fd, uint32_t ifindex, bool *ret_made);
/* Puts our filter, in the place of an older one of ours at one instant. */
int clsact_replace(int netlink_fd, uint32_t ifindex, bool egress, int prog_fd);
/* -ESRCH: our filter is not there, or has another program. */
int clsact_check(int netlink_fd, uint32_t ifindex, bool egress, uint32_t prog_id);
/* No error if there is none of ours, or no such device. */
int clsact_delete(int netlink_fd, uint32_t ifindex, bool egress);
/* Removes the clsact qdisc if no filter is left in it. */
int clsact_remove_unused(int netlink_fd, uint32_t ifindex);
