# SPDX-License-Identifier: Apache-2.0
# stage: the real data path on Debian's 6.1 and 6.12 kernels
. "$(dirname "$0")/lib.sh"

need_root "VM tests"
TD_TEST_TIMEOUT=1140 run_scripts tests/vm/[a-z]*_test.sh
