#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Upgrade in place to a build whose conntrack and NAT values are one field wider, and back, under
# traffic; and starts of either build cut short at random.
. "$(dirname "$0")/absence_lib.sh"

WIDE=${TD_BUILD_WIDE:-$TD_TOP/build-wide}
build_wide() {
	[ -f "$WIDE/build.ninja" ] || meson setup "$WIDE" -Dtest_wide_ct=true -Dtests=false || return
	ninja -C "$WIDE" tendrild
}
if [ -z "${TD_SANDBOX:-}" ] && [ "$(id -u)" = 0 ]; then
	log=$(mktemp)
	build_wide >"$log" 2>&1 || {
		tail -n 20 "$log"
		echo "not ok upgrade: the build with wider values"
		exit 1
	}
	rm -f "$log"
fi
sandbox_enter upgrade "$@"

narrow=$TD_BUILD/tendrild wide=$WIDE/tendrild
value_size() { bpftool -j map show pinned "$W/n1/bpf/tendril/maps/$1" | jq .bytes_value; }
sizes() { printf '%s/%s/%s' "$(value_size td_ct)" "$(value_size td_ct_new)" "$(value_size td_nat)"; }
predecessors() { find "$W/n1/bpf/tendril/maps" -name '*-prev' -o -name '*-next' | wc -l; }
migrated() { [ "$(predecessors)" = 0 ]; }
start_build() { # PROGRAM
	TD_AGENT=$1 start_again
}

absence_world
start_observer n1
inventory_keep
traffic_start
small=$(sizes)
traffic_check "before"

stop_agent n1
start_build "$wide"
check_equal "upgraded: values are wider" "$(sizes)" "112/112/28"
traffic_check "upgraded" 4
check "upgraded: connections moved over" test "$(stat_of $STAT_MIGRATED)" -ge $((4 * LONG_LIVED))
check "upgraded: the old maps are gone in the end" wait_for 45 migrated
traffic_check "migrated" 3
inventory_check "upgraded"
nothing_full "upgraded"

kill9_agent n1
start_build "$narrow"
check_equal "downgraded: values are as before" "$(sizes)" "$small"
traffic_check "downgraded" 4

# Long before connections of the last switch have all moved over.
stop_agent n1
for i in $(seq 20); do
	if [ $((i % 2)) = 1 ]; then next=$wide; else next=$narrow; fi
	start_and_kill "$(random_delay 400)" "$next"
done
traffic_check "20 upgrades and downgrades cut short" 3
start_build "$wide"
traffic_check "upgraded after all" 4
stop_agent n1
start_build "$narrow"
traffic_check "and down again" 4
check "the old maps are gone in the end" wait_for 45 migrated
traffic_check "migrated again" 3
inventory_check "in the end"
nothing_full "in the end"
traffic_stop
finish
