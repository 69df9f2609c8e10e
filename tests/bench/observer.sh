#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Flow events into a real observer at a steady rate, with a client that follows and wants 1 of 100 (names
# of pods match by their beginning: p42 is the only one that begins so).
. "$(dirname "$0")/lib.sh"
sandbox_enter bench_observer "$@"

PODS=100 CPU=${CPU:-0} RATE=${RATE:-500000} MS=${MS:-600}

node_new n1
run_in_memory n1
start_agent n1
start_observer n1
OBSERVER=$(cat "$W/n1/observer.pid")
# The writer has one core, the observer another if there is one.
for cpu in $(taskset -cp $$ | sed 's/.*: //; s/[-,]/ /g'); do
	[ "$cpu" = "$CPU" ] || taskset -cp "$cpu" "$OBSERVER" >/dev/null
done
many_pods n1 $PODS
td n1 endpoint list -o json | jq -r '.endpoints[] | "\(.id) \(.identity) \(.ipv4)"' >"$W/pods"
td n1 observe --follow --from-pod default/p42 -o jsonpb >"$W/matched" 2>"$W/n1/observe.log" &
sleep 1
for ((trial = -1; trial < TRIALS; trial++)); do
	before=$(wc -l <"$W/matched")
	row=$(taskset -c "$CPU" "$BENCH/bench-feed" "$W/n1/bpf/tendril" "$OBSERVER" "$RATE" "$MS" <"$W/pods") || bail "not fed"
	sleep 0.3
	after=$(wc -l <"$W/matched")
	[ $trial -lt 0 ] || jq -c --argjson trial "$trial" --argjson matched "$((after - before))" \
		'{case: "observer", trial: $trial, matched: $matched} + .' <<<"$row"
done
# What the client was told it had missed.
jq -c 'select(.lost_events) | .lost_events.num_events_lost | tonumber' "$W/matched" | jq -cs '{case: "untold", trial: 0, value: (add // 0)}'
finish
