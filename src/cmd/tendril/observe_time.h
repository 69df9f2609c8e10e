/* SPDX-License-Identifier: Apache-2.0 */
/* observe_time: --since and --until.
 *
 * In: "5m", "1h30m", "2026-01-02", "2026-01-02T15:04:05.678Z" ...    Out: a point in time
 * Owns: nothing    Thread: any */
#pragma once

#include <stdint.h>

/* now and ret: ns since 1970. A duration counts back from now: numbers with the units ns, us, ms, s,
 * m, h, d, as Go's time.ParseDuration and days. A date may go on with 'T' or a blank, hours, minutes,
 * seconds, a fraction and an offset; without an offset it is UTC. "now". -EINVAL. */
int observe_time_parse(const char *text, uint64_t now, uint64_t *ret);
