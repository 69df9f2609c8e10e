#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Pod to pod on one node, beside a Linux bridge, and with reporting beside without.
. "$(dirname "$0")/lib.sh"
sandbox_enter bench_pod "$@"

PORT=80 CPU=${CPU:-0} ROUNDS=${ROUNDS:-4000} STREAM_MS=${STREAM_MS:-250} CONNECTIONS=${CONNECTIONS:-400}

# Both ends are isolated both ways, and may do just this.
policy() {
	cat <<'END'
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: client}}]
    toPorts: [{ports: [{port: "80", protocol: TCP}]}]
  egress:
  - toEndpoints: [{matchLabels: {app: client}}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: client, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: client}}
  egress:
  - toEndpoints: [{matchLabels: {app: web}}]
    toPorts: [{ports: [{port: "80", protocol: TCP}]}]
  ingress:
  - fromEndpoints: [{matchLabels: {app: web}}]
END
}
pods() { # NODE PREFIX
	policy | apply "$1"
	run_pod "$1" "default/$2web" app=web
	run_pod "$1" "default/$2client" app=client
	at "default/$2web" taskset -c "$CPU" "$BENCH/bench-traffic" serve $PORT &
	wait_for 10 listens "default/$2web" tcp $PORT || bail "no server in $2web"
}
via() { # told|quiet|bridge|loopback MODE N
	case $1 in
	loopback) on b2 taskset -c "$CPU" "$BENCH/bench-traffic" "$2" 127.0.0.1 $PORT "$3" ;;
	bridge) on b1 taskset -c "$CPU" "$BENCH/bench-traffic" "$2" 10.99.0.2 $PORT "$3" ;;
	*) in_pod "default/$1client" taskset -c "$CPU" "$BENCH/bench-traffic" "$2" "${WEB[$1]}" $PORT "$3" ;;
	esac
}
# told MODE N: with the observer's CPU time added to cpu_ns, per unit
via_told() {
	local before after out
	before=$(cpu_of "$OBSERVER")
	out=$(via told "$1" "$2")
	after=$(cpu_of "$OBSERVER")
	jq -c --argjson own "$((after - before))" --argjson n "$2" '.cpu_ns += ($own / $n) | .observer_ns = $own / $n' <<<"$out"
}

node_new n1
run_in_memory n1
start_agent n1
start_observer n1
OBSERVER=$(cat "$W/n1/observer.pid")
node_new n2
run_in_memory n2
start_agent n2 --report_interval=0
pods n1 told
pods n2 quiet
declare -A WEB=([told]=$(pod_ip default/toldweb 4) [quiet]=$(pod_ip default/quietweb 4))
bridge_new node
bridge_pod node b1 3
bridge_pod node b2 2
on b2 taskset -c "$CPU" "$BENCH/bench-traffic" serve $PORT &
wait_for 10 listens b2 tcp $PORT || bail "no server behind the bridge"

for how in told quiet bridge; do
	via $how ping 200 >/dev/null || bail "no traffic: $how"
done
for ((trial = 0; trial < TRIALS; trial++)); do
	told=$(via_told ping "$ROUNDS") bridge=$(via bridge ping "$ROUNDS") quiet=$(via quiet ping "$ROUNDS")
	emit latency $trial .p50_us "$told" "$bridge"
	emit floor $trial .p50_us "$told" "$(via loopback ping "$ROUNDS")"
	emit latency-p99 $trial .p99_us "$told" "$bridge"
	emit cpu $trial .cpu_ns "$told" "$bridge"
	emit reporting $trial .cpu_ns "$told" "$quiet"
	told=$(via told stream "$STREAM_MS") bridge=$(via bridge stream "$STREAM_MS")
	emit throughput $trial .gbit_s "$told" "$bridge"
	emit throughput-cpu $trial .cpu_ns "$told" "$bridge"
	told=$(via_told connect "$CONNECTIONS") quiet=$(via quiet connect "$CONNECTIONS")
	emit reporting-connect $trial .cpu_ns "$told" "$quiet"
done
finish
