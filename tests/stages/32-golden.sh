# SPDX-License-Identifier: Apache-2.0
# stage: [fast] golden tests: files in, text out
. "$(dirname "$0")/lib.sh"

meson_suite "$TD_BUILD" golden
TD_TEST_TIMEOUT=240 run_scripts tests/golden/*.sh
