#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent, the observer and both are killed under 200 long-lived connections and 200 new ones per
# second: no packet may notice, and a start finds everything again.
. "$(dirname "$0")/absence_lib.sh"
sandbox_enter absence "$@"

need_program tendril-cni
cni() { # COMMAND CONTAINER NETNS [ARGS]
	CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_IFNAME=eth0 CNI_NETNS=$3 CNI_ARGS=${4-} CNI_PATH=$TD_BUILD \
		"$TD_BUILD/tendril-cni" <<<"{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"type\":\"tendril-cni\",\"run_dir\":\"$W/n1/run\",\"timeout_s\":2}"
}
new_flows() { # since: a connection of the traffic that the observer has seen lately
	td n1 observe --since 2s --from-pod default/client --verdict FORWARDED -o json | grep -q '"SYN":true'
}
new_denials() { td n1 observe --since 3s --from-pod default/stranger --verdict DROPPED -o json | grep -q POLICY_DENIED; }

absence_world --ring=64K
start_observer n1
inventory_keep
traffic_start
traffic_check "with the agent"

# --- the agent dies
kill9_agent n1
traffic_check "agent killed"
runs=$(stat_of $STAT_GC_VISITED)
begin=$(milliseconds)
netns_new late
check_match "ADD without an agent: code 11, try again later" "$(cni ADD late "$W/ns/late" || true)" '"code": ?11'
took=$(($(milliseconds) - begin))
check "ADD waits for its deadline, no longer" test $((took >= 1900 && took < 4000)) = 1
check_match "STATUS without an agent: code 50, not available" "$(cni STATUS '' '' || true)" '"code": ?50'
check_match "tendril run without an agent says so" "$(td n1 run --name default/late -- true 2>&1 || true)" 'tendrild'
check_match "tendril status without an agent says what goes on" "$(td n1 status 2>&1 || true)" 'tendrild'
check "connections are visited without an agent" test "$(stat_of $STAT_GC_VISITED)" -gt "$runs"
check "the observer serves what it knows and sees new flows" wait_for 5 new_flows
check "and new denials" wait_for 5 new_denials
start_again
traffic_check "agent back"
inventory_check "agent back"
nothing_full "agent back"

# --- DEL meanwhile leaves a tombstone
cni ADD gone "$W/ns/late" 'K8S_POD_NAME=gone' >/dev/null || not_ok "ADD of a pod to delete"
kill9_agent n1
check "DEL without an agent succeeds" cni DEL gone ''
check_equal "and leaves a tombstone" "$(find "$W/n1/run/tombstones" -type f | wc -l)" 1
start_again
inventory_check "after a DEL without an agent"

# --- the observer dies
kill9_observer n1
traffic_check "observer killed" 3
lost=$(stat_of $STAT_LOST)
check "what nobody reads is counted as lost" test "$lost" -gt 0
start_observer n1
check "the observer back: new flows" wait_for 5 new_flows
traffic_check "observer back"
inventory_check "observer back"

# --- both
kill9_agent n1
kill9_observer n1
traffic_check "both killed"
start_again
start_observer n1
check "both back: new flows" wait_for 5 new_flows
traffic_check "both back"
inventory_check "both back"

# --- stopped and started
stop_agent n1
traffic_check "stopped"
start_again
stop_agent n1
start_again
traffic_check "started twice"
inventory_check "started twice"

# --- killed at any moment of a start
stop_agent n1
for _ in $(seq 12); do start_and_kill "$(random_delay 350)"; done
traffic_check "killed in the middle of 12 starts" 1.5
start_again
traffic_check "back after 12 broken starts"
inventory_check "back after 12 broken starts"
nothing_full "in the end"

# --- the traffic would have noticed
noticed() { # FAULT
	traffic_now
	[ "${NOW[$1]}" -gt "${BEFORE[$1]}" ]
}
td n1 delete networkpolicy server >/dev/null
check "the traffic notices a wrong verdict" wait_for 5 noticed wrong
on n1 ip link set eth0 down
check "and lost datagrams" wait_for 10 noticed lost
check "and timeouts" wait_for 15 noticed timeout
traffic_stop
finish
