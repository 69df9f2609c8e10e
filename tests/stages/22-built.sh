# SPDX-License-Identifier: Apache-2.0
# stage: [fast] self-contained headers, no libbpf symbol above 1.1
. "$(dirname "$0")/lib.sh"

python3 tests/house/headers.py "$TD_BUILD" || not_ok "headers.py: ended with status $?"
python3 tests/house/symbols.py "$TD_BUILD" || not_ok "symbols.py: ended with status $?"
