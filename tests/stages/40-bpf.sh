# SPDX-License-Identifier: Apache-2.0
# stage: packets through the real programs (PROG_TEST_RUN)
. "$(dirname "$0")/lib.sh"

need_root "BPF tests"
meson_suite "$TD_BUILD" bpf --timeout-multiplier 2
TD_TEST_TIMEOUT=900 run_scripts tests/bpf/*_test.sh
