#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From the start of tendrild to everything enforced, on an empty node and on one with PODS pods that
# were there before; then from a change of a policy to its effect on all of them. The disk is left
# out of that: applied objects are kept in memory here, and what the disk would add stands beside.
. "$(dirname "$0")/lib.sh"
sandbox_enter bench_start "$@"

PODS=${PODS:-200} CHANGES=${CHANGES:-20} OBJECT=$TD_BUILD/bpf/net.linked.o
[ -r "$OBJECT" ] || bail "no $OBJECT"

start_timed() { # NODE -> ms
	local dir=$W/$1
	agent_config "$1" >"$dir/tendril.yaml"
	nsenter --net="$W/ns/$1" python3 "$TD_TOP/tests/bench/ready.py" "$dir/agent.pid" "$dir/agent.log" \
		"$TD_BUILD/tendrild" --config="$dir/tendril.yaml" || bail "tendrild of $1 is not ready" >&2
}
# The process is no child of this shell.
stop_and_wait() { # NODE
	local pid
	pid=$(cat "$W/$1/agent.pid")
	kill -TERM "$pid"
	wait_for 20 test ! -e "/proc/$pid" || bail "tendrild of $1 does not stop"
	rm -f "$W/$1/agent.pid"
}
forget() { # NODE: as if it had never run; it has no pods
	stop_and_wait "$1"
	rm -rf "$W/$1/bpf/tendril" "$W/$1/run"/*
}
# Beside: the kernel's own part, the network programs verified, compiled and their maps made.
load_only() { # -> ms
	"$BENCH/bench-spawn" /dev/null /usr/sbin/bpftool prog loadall "$OBJECT" "$W/n1/bpf/alone" type classifier >"$W/load.ms" ||
		bail "bpftool cannot load $OBJECT"
	rm -rf "$W/n1/bpf/alone"
	cat "$W/load.ms"
}

node_new n1
run_in_memory n1
node_new n2
run_in_memory n2
mount -t tmpfs tmpfs "$W/n2/state" || bail "no tmpfs"
start_timed n1 >/dev/null
forget n1
start_timed n2 >/dev/null
many_pods n2 "$PODS"
# Beside a restart with pods there stands one without.
for ((trial = 0; trial < TRIALS; trial++)); do
	ms=$(start_timed n1)
	emit empty "$trial" . "$ms" "$(load_only)"
	stop_and_wait n2
	again=$(start_timed n2)
	emit full "$trial" . "$again" "$ms"
	forget n1
done
[ "$(td n2 endpoint list -o json | jq '[.endpoints[] | select(.state == "ready")] | length')" = "$PODS" ] ||
	bail "not all pods are there again"

for port in 80 81; do
	cat >"$W/policy-$port.yaml" <<END
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: all, namespace: default}
spec:
  endpointSelector: {}
  ingress:
  - fromEndpoints: [{matchLabels: {app: app1}}]
    toPorts: [{ports: [{port: "$port", protocol: TCP}]}]
END
done
for ((trial = 0; trial < TRIALS; trial++)); do
	"$BENCH/bench-apply" "$W/n2/run/tendril.sock" "$W/n2/bpf/tendril" "$CHANGES" "$W"/policy-8[01].yaml >"$W/changes" ||
		bail "a change of policy failed"
	! grep -qv " $PODS\$" "$W/changes" || bail "not all pods were isolated: $(tail -n 1 "$W/changes")"
	python3 "$TD_TOP/tests/bench/durable.py" "$W/n1" "$CHANGES" 500 >"$W/durable" || bail "the disk could not be measured"
	paste -d ' ' "$W/changes" "$W/durable" | jq -cR --argjson t "$trial" \
		'split(" ") | {case: "policy", trial: $t, value: .[0] | tonumber, alternative: .[2] | tonumber}'
done
finish
