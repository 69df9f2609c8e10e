#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Memory with PODS pods and POLICIES policies: of the programs (proportional set size), and of the
# kernel's maps as the kernel itself counts it. The agent is started again for each trial, the
# observer has a full ring of flows. A second agent with neither pods nor policies stands beside.
. "$(dirname "$0")/lib.sh"
sandbox_enter bench_memory "$@"

PODS=${PODS:-200} POLICIES=${POLICIES:-1000} FLOWS=${FLOWS:-65536}

# Each for one pod, with peers, ports and a CIDR of its own.
policies() {
	local i
	for ((i = 0; i < POLICIES; i++)); do
		cat <<END
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: policy$i, namespace: default}
spec:
  endpointSelector: {matchLabels: {pod: p$((i % PODS))}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: app$((i % 10))}}]
    toPorts: [{ports: [{port: "$((1000 + i))", protocol: TCP}]}]
  egress:
  - toCIDR: [10.$((100 + i / 250)).$((i % 250)).0/24]
END
	done
}
pss() { awk '$1 == "Pss:" { print $2 * 1024 }' "/proc/$1/smaps_rollup"; }
one() { jq -cn --arg case "$1" --argjson trial "$2" --argjson a "$3" --argjson b "${4:-null}" \
	'{case: $case, trial: $trial, value: $a, alternative: $b}'; }
settled() { td "$1" status -o json | jq -e '.regenerate.pending == false or .regenerate.pending == 0' >/dev/null; }

# At rest: every map of the node by the kernel's own account (bytes_memlock), programs' constants included.
maps() { # TRIAL NODE
	local pin
	for pin in "$W/$2/bpf/tendril/maps"/*; do
		bpftool -j map show pinned "$pin" | jq -c --arg name "$(basename "$pin")" --argjson trial "$1" \
			'{case: "map", trial: $trial, name: $name, value: .bytes_memlock, entries: .max_entries}'
	done
}
# More flows than the observer keeps.
fill_ring() {
	local i kept
	run_pod n1 default/web app=web
	run_pod n1 default/client app=client
	at default/web "$BENCH/bench-traffic" serve 80 &
	wait_for 10 listens default/web tcp 80
	in_pod default/client "$BENCH/bench-traffic" connect "$(pod_ip default/web 4)" 80 $((FLOWS / 3)) >/dev/null ||
		bail "no connections"
	for ((i = 0; i < 10; i++)); do
		kept=$(td n1 observe --last "$FLOWS" -o compact | wc -l)
		[ "$kept" -lt "$FLOWS" ] || return 0
		sleep 0.5
	done
	bail "the observer kept $kept flows of $FLOWS"
}

node_new n1
run_in_memory n1
node_new n2
run_in_memory n2
start_agent n1
start_agent n2
start_observer n1 --observer.flows="$FLOWS"
many_pods n1 "$PODS"
policies | apply n1 >/dev/null
wait_for 10 settled n1 || bail "not settled"
maps 0 n1
fill_ring
for ((trial = 0; trial < TRIALS; trial++)); do
	stop_agent n1
	start_agent n1
	wait_for 10 settled n1 || bail "not settled"
	wait_for 10 td n1 observe --last 1
	sleep 0.3
	one agent $trial "$(pss "$(cat "$W/n1/agent.pid")")" "$(pss "$(cat "$W/n2/agent.pid")")"
	one observer $trial "$(pss "$(cat "$W/n1/observer.pid")")"
done
jq -cn --argjson n "$FLOWS" '{case: "ring", trial: 0, value: $n}'
finish
