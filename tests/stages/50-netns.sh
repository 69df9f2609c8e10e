# SPDX-License-Identifier: Apache-2.0
# stage: real agents and real traffic between network namespaces
. "$(dirname "$0")/lib.sh"

need_root "network namespace tests"
meson_suite "$TD_BUILD" netns
run_scripts tests/netns/[a-z]*_test.sh
