/* SPDX-License-Identifier: Apache-2.0 */
/* privileges: what tendrild keeps of root once it runs.
 *
 * CAP_NET_ADMIN: netlink, attaching to devices. CAP_BPF and CAP_PERFMON: maps, programs and their
 * verifier's pointer arithmetic. CAP_SYS_ADMIN: setns() into pods' network namespaces, and bpf(2)
 * where it still asks for it. CAP_SYS_PTRACE: opening /proc/PID/ns/net of a container's process.
 * Everything else goes, for children too. Thread: main, before others exist. */
#pragma once

/* 0 or -errno. Capabilities that were not there are not missed here. */
int privileges_drop(void);
