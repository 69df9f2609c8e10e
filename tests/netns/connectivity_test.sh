#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `tendril connectivity test` tells a healthy node from one that is not.
. "$(dirname "$0")/lib.sh"
sandbox_enter connectivity "$@"

connectivity() { td n1 connectivity test "$@" >"$W/out" 2>&1; }
clean() { # nothing of the test is left
	[ "$(td n1 endpoint list -o json | jq '.endpoints | length')" = 0 ] &&
		[ "$(td n1 get cnp -A -o json 2>/dev/null | grep -c connectivity-test)" = 0 ]
}

node_new n1
check_equal "without an agent: 3" "$(connectivity; echo $?)" 3
start_agent n1
connectivity
check_equal "without an observer it passes" $? 0
check_match "and says that flows were not checked" "$(cat "$W/out")" 'skipped flows.*no observer'
check_match "it counts" "$(tail -n 1 "$W/out")" '^[1-9][0-9]* passed, 0 failed, 2 skipped'
check "nothing is left of it" wait_for 5 clean
start_observer n1
connectivity
check_equal "a healthy node passes: 0" $? 0
check_match "with flows" "$(tail -n 1 "$W/out")" '^[1-9][0-9]* passed, 0 failed, 0 skipped'
check_no_match "quietly" "$(cat "$W/out")" 'FAILED|error'
check "nothing is left of it" wait_for 5 clean

# --- broken on purpose: a policy of the cluster denies UDP between all
apply n1 >/dev/null <<'END'
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: no-udp}
spec:
  endpointSelector: {}
  enableDefaultDeny: {ingress: false, egress: false}
  ingressDeny: [{fromEntities: [all], toPorts: [{ports: [{port: "7080", protocol: UDP}]}]}]
END
connectivity
check_equal "a node that denies UDP fails: 1" $? 1
check_match "naming what" "$(cat "$W/out")" '^FAILED +without a policy: UDP over IPv4: got .timeout., expected it to work'
check_match "and what still works" "$(cat "$W/out")" '^ok +without a policy: TCP over IPv4'
check "nothing is left of it" wait_for 5 clean
td n1 delete ccnp no-udp >/dev/null
connectivity
check_equal "without it all is well again" $? 0

# --- enforcement broken: the programs are taken off the pods' devices while it runs
(
	end=$((SECONDS + 20))
	while [ $SECONDS -lt $end ] && [ ! -e "$W/stop" ]; do
		for device in $(on n1 ip -o link show type veth | grep -o 'tdn1[0-9]*'); do
			on n1 tc filter del dev "$device" ingress 2>/dev/null
			on n1 tc filter del dev "$device" egress 2>/dev/null
		done
		rm -f "$W"/n1/bpf/tendril/links/*gress
		sleep 0.02
	done
) &
saboteur=$!
connectivity
check_equal "a node whose policies are not enforced fails: 1" $? 1
check_match "naming what should have been denied" "$(cat "$W/out")" '^FAILED +(denied|flows)'
: >"$W/stop"
wait "$saboteur"

check_equal "another word than test: usage" "$(td n1 connectivity tset >/dev/null 2>&1; echo $?)" 2
check_equal "a timeout that is none: usage" "$(td n1 connectivity test --timeout x >/dev/null 2>&1; echo $?)" 2
finish
