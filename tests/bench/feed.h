/* SPDX-License-Identifier: Apache-2.0 */
/* What feed.c and feed.bpf.c agree on. */
#pragma once

#define FEED_TEMPLATES 1024 /* a power of two */
