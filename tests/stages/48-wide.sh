# SPDX-License-Identifier: Apache-2.0
# stage: a build whose conntrack has one field more, for the upgrade test
. "$(dirname "$0")/lib.sh"

begin=$SECONDS
if CC=gcc setup_build build-wide -Dtests=false -Dtest_wide_ct=true && ninja -C build-wide; then
	ok "build with a wider conntrack ($((SECONDS - begin)) s)"
else
	not_ok "build with a wider conntrack"
fi
