#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A long absence, with shortened timeouts: the kernel lets connections expire by itself, so tables
# stay as full as the traffic makes them; and it does so because the timer's map is pinned.
. "$(dirname "$0")/absence_lib.sh"
sandbox_enter absence_long "$@"

if [ -n "${TD_NIGHTLY:-}" ]; then absence=600; else absence=60; fi
TIME_WAIT=5

used() { # MAP: entries
	map_entries "$1"
}
queued() { bpftool -j map dump pinned "$W/n1/bpf/tendril/maps/td_gc_timer" | jq '.[0].formatted.value.queued'; }
visits() { stat_of $STAT_GC_VISITED; }
visits_go_on() {
	local before
	before=$(visits)
	sleep 0.6
	[ "$(visits)" -gt "$before" ]
}
is_used() { # MAP AT-MOST
	[ "$(used "$1")" -le "$2" ]
}

absence_world --ct.tcp_syn=10 --ct.tcp_closing=$TIME_WAIT --ct.tcp_time_wait=$TIME_WAIT --ct.tcp_reset=2 \
	--ct.udp=5 --ct.udp_stream=10
inventory_keep
traffic_start
traffic_check "with the agent" 8
before=$(used td_ct)

kill9_agent n1
end=$((SECONDS + absence))
most=0
while [ $SECONDS -lt $end ]; do
	sleep 5
	now=$(used td_ct)
	[ "$now" -le "$most" ] || most=$now
done
traffic_check "alone for $absence s"
# What lives: the kept ones, and what was opened in TIME_WAIT and a round of the timer (10 s).
bound=$((4 * LONG_LIVED + 4 * NEW * (TIME_WAIT + 12) + 500))
note "connections: $before with the agent, at most $most without"
check "alone: connections expire, the table does not fill up ($most of at most $bound)" test "$most" -le $bound
check "alone: mappings expire with them" test "$(used td_nat)" -le $((bound / 2))
traffic_stop
check "without traffic the connections go, the agent still away" wait_for 45 is_used td_ct 0
check "and the mappings" wait_for 15 is_used td_nat 0
check_equal "and nothing is left in the queue" "$(queued)" 0

# --- why the timer goes on: its map is pinned
traffic_start
check "the timer visits connections" visits_go_on
mv "$W/n1/bpf/tendril/maps/td_gc_timer" "$W/n1/bpf/tendril/maps/td_elsewhere"
check "also while its map is pinned under another name" visits_go_on
rm "$W/n1/bpf/tendril/maps/td_elsewhere"
sleep 0.5
check_not "without a pin or an agent it stops" visits_go_on
traffic_check "without the timer"
start_again
check "a start makes it run again" visits_go_on
traffic_check "with the agent again" 5
check "it visits all of them" test "$(queued)" -ge $((4 * LONG_LIVED))
inventory_check "after the absence"
nothing_full "after the absence"
traffic_stop
check "in the end all have expired" wait_for 60 is_used td_ct 0
finish
