# SPDX-License-Identifier: Apache-2.0
# stage: real container runtimes, real servers and clients
. "$(dirname "$0")/lib.sh"

need_root "end-to-end tests"
TD_TEST_TIMEOUT=400 run_scripts tests/e2e/[a-z]*_test.sh
