/* SPDX-License-Identifier: Apache-2.0 */
/* grace_period: waits until every packet that a program is handling now has been handled.
 * Thread: any; takes 10 to 100 ms, for a program runs in an RCU read-side section. */
#pragma once

#include <unistd.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

static inline void grace_period_wait(void)
{
	/* MEMBARRIER_CMD_GLOBAL is synchronize_rcu(), unless some processors do without ticks. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		usleep(50000);
}
