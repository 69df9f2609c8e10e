# SPDX-License-Identifier: Apache-2.0
# stage: [fast] the host's own network, sysctls, BPF programs and /etc/apt are as before
. "$(dirname "$0")/lib.sh"

before=$TD_TOP/build-check/host.before
[ -s "$before" ] || { skip "the host is as before" "no listing was made before the tests"; exit 0; }
scripts/host-state diff "$before"
