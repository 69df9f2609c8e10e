# SPDX-License-Identifier: Apache-2.0
# stage: the .deb built, installed and purged in a scratch root
. "$(dirname "$0")/lib.sh"

need_root "packaging tests"
run_scripts tests/packaging/[a-z]*_test.sh
