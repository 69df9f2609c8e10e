/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Configuration: what is fixed at load, what may change while running, and the stages. */
#pragma once

#include "lib/base.h"
#include "abi/config.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct td_config);
} td_config TD_MAP;

/* [slot_base + td_stage]; two halves, of which td_config.slot_base names the one in force. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2 * TD_STAGE_MAX);
	__type(key, __u32);
	__type(value, __u32);
} td_progs TD_MAP;

const volatile struct td_load_config load_config __weak = {};
const volatile struct td_prev_layout prev_layout __weak = {};

static __always_inline struct td_config *td_config_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&td_config, &zero);
}
