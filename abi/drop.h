/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Drop reasons as numbers: enum td_drop, TD_DROP_POLICY_DENIED and so on. */
#pragma once

enum td_drop {
	TD_DROP_NONE = 0,
#define TD_DROP(number, name, text) TD_DROP_##name = number,
#include "drop_reasons.def"
#undef TD_DROP
};
