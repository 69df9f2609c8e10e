/* SPDX-License-Identifier: Apache-2.0 */
/* monotonic: milliseconds of CLOCK_MONOTONIC. Thread: any. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline int64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}
