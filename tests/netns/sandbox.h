/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox: a node of our own for one test: network and mount namespaces, a directory, a bpffs.
 *
 * In: nothing    Out: paths    Owns: namespaces and mounts, gone with the process
 * Thread: main, before any other thread is started */
#pragma once

#define SANDBOX_SKIP 77 /* exit status: cannot run here */

/* Enters the sandbox, or ends the process with SANDBOX_SKIP if it is not root's. Afterwards the
 * process's network namespace has only a loopback, up. */
void sandbox_enter(const char *test);
/* A private tmpfs, and a bpffs below it. */
const char *sandbox_dir(void);
const char *sandbox_bpffs(void);
/* A new network namespace, as a path that setns() takes. Caller frees. */
char *sandbox_netns(const char *name);
/* Removes the path; the namespace lives while someone uses it. */
void sandbox_netns_remove(const char *path);
/* Runs fn(data) in a child process inside that namespace; its return value, or 255 if it was
 * killed. */
int sandbox_run_in(const char *netns, int (*fn)(void *data), void *data);
/* Runs a shell command, in a namespace (NULL: here); exit status. */
int sandbox_sh(const char *netns, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
