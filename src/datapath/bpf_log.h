/* SPDX-License-Identifier: Apache-2.0 */
/* bpf_log: what libbpf and the verifier said last, in one line.
 *
 * In: libbpf's messages    Out: text    Owns: a static buffer    Thread: main loop only */
#pragma once

/* Collects from now on, instead of libbpf printing. */
void bpf_log_begin(void);
/* The first complaint, and of a verifier's log the last line before its statistics. "" if none. */
const char *bpf_log_text(void);
