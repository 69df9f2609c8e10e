#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 1,000 random ADDs and DELs, by several runtimes at once, with plugins and the agent killed in the
# middle: then nothing is left over.
. "$(dirname "$0")/lib.sh"
sandbox_enter cni_churn "$@"

need_program tendril-cni
RUN=$W/n1/run
WORKERS=4 PODS=8 # each worker's own
DEADLINE=150 # seconds: a machine that is this slow fails the test
SEED=${TD_SEED:-$(date +%s)}
note "TD_SEED=$SEED"

plugin() { # COMMAND CONTAINER NETNS POD [SECONDS-TO-LIVE]
	CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_IFNAME=eth0 CNI_NETNS=$3 CNI_ARGS="K8S_POD_NAME=$4" \
		CNI_PATH=$TD_BUILD on n1 timeout -s KILL "${5:-30}" "$TD_BUILD/tendril-cni" \
		<<<"{\"cniVersion\":\"1.1.0\",\"name\":\"churn\",\"type\":\"tendril-cni\",\"run_dir\":\"$RUN\",\"timeout_s\":10}"
}

worker() { # NUMBER OPERATIONS: counts in $W/worker-NUMBER
	local i pod id killed=0 failed=0 added=0 deleted=0 live
	RANDOM=$((SEED + $1))
	for ((i = 0; i < $2 && SECONDS < DEADLINE; i++)); do
		pod=$((RANDOM % PODS)) id=c$1-$pod live=30
		[ $((RANDOM % 8)) != 0 ] || { live=0.0$((RANDOM % 6))$((RANDOM % 10)) killed=$((killed + 1)); }
		if [ $((RANDOM % 5)) -lt 3 ]; then
			plugin ADD "$id" "$W/ns/p$1-$pod" "w$pod" "$live" >"$W/out-$1" 2>&1 || [ "$live" != 30 ] ||
				{ failed=$((failed + 1)) && cat "$W/out-$1" >>"$W/failed.log"; }
			added=$((added + 1))
		else
			[ $((RANDOM % 4)) = 0 ] && ns='' || ns=$W/ns/p$1-$pod
			plugin DEL "$id" "$ns" "w$pod" "$live" >"$W/out-$1" 2>&1 || [ "$live" != 30 ] ||
				{ failed=$((failed + 1)) && cat "$W/out-$1" >>"$W/failed.log"; }
			deleted=$((deleted + 1))
		fi
	done 2>/dev/null
	echo "$added $deleted $killed $failed" >>"$W/counts"
}
work() { # OPERATIONS: all workers together
	local n pids=()
	for ((n = 0; n < WORKERS; n++)); do
		worker "$n" "$(($1 / WORKERS))" &
		pids+=($!)
	done
	wait "${pids[@]}"
}
delete_all() {
	local n pod
	for ((n = 0; n < WORKERS; n++)); do
		for ((pod = 0; pod < PODS; pod++)); do
			plugin DEL "c$n-$pod" '' "w$pod" || not_ok "DEL c$n-$pod"
		done
	done
}
none_left() { [ "$(td n1 endpoint list -o json | jq '.endpoints | length')" = 0 ]; }

entries() { # MAP
	bpftool -j map dump pinned "$W/n1/bpf/tendril/maps/$1" | jq length
}
node_state() { # what must be the same again
	on n1 ip -4 route
	on n1 ip -6 route
	on n1 ip neigh show nud permanent
	on n1 ip -o link | cut -d: -f2 | sed 's/@.*//'
	for map in td_endpoint td_addr_map td_netns td_subject td_policy td_pol_class td_cidr; do
		echo "$map $(entries $map)"
	done
	echo "identities $(td n1 identity list -o json | jq -c '.identities | length')"
	td n1 status -o json | jq -c '.ipam | [.[].used]'
	find "$RUN/endpoints" "$RUN/tombstones" -type f
	find "$W/n1/bpf/tendril/links" -mindepth 1 -printf '%f\n' | grep '^[0-9]' | sed 's/^[0-9]*/N/' | sort
}
# Tables that nobody reads any more are dropped a moment later.
difference() {
	local end=$((SECONDS + 10)) found
	while found=$(diff <(node_state) <(say "$before")); [ -n "$found" ] && [ $SECONDS -lt $end ]; do sleep 0.5; done
	say "$found"
}
pod_interfaces() {
	local ns
	for ns in "$W"/ns/p*; do nsenter --net="$ns" ip -o link show dev eth0 2>/dev/null; done
}
fds() { find "/proc/$(cat "$W/n1/agent.pid")/fd" -type l | wc -l; }
# Its own: shared pages count less the more processes share them.
memory() { awk '/^Private_Dirty:/ { print $2 }' "/proc/$(cat "$W/n1/agent.pid")/smaps_rollup"; }

node_new n1
for ((n = 0; n < WORKERS; n++)); do
	for ((pod = 0; pod < PODS; pod++)); do netns_new "p$n-$pod"; done
done
start_agent n1
# Half of the pods are known and policed, the rest have no object.
for ((pod = 0; pod < PODS / 2; pod++)); do
	cat <<END
---
{apiVersion: v1, kind: Pod, metadata: {name: w$pod, namespace: default, labels: {app: w$pod}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: w$pod, namespace: default}
spec:
  podSelector: {matchLabels: {app: w$pod}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{ipBlock: {cidr: 10.$pod.0.0/16}}], ports: [{port: 80}]}]
END
done | apply n1 >/dev/null
# Links settle when nothing has changed for two seconds.
links_settled() { [ "$(find "$W/n1/bpf/tendril/links" -name '*-filters' | wc -l)" = 0 ]; }
wait_for 10 links_settled
before=$(node_state)

# --- first half: agents die too
start=$SECONDS
kills=0
work 500 &
workers=$!
while sleep "0.$((5 + RANDOM % 5))" && kill -0 $workers 2>/dev/null && [ $SECONDS -lt $DEADLINE ]; do
	kill9_agent n1 2>/dev/null
	[ $((RANDOM % 2)) = 0 ] || sleep 0.3
	start_agent n1
	kills=$((kills + 1))
done
wait $workers
note "500 operations, the agent killed $kills times: $((SECONDS - start)) s"
check "the agent was killed several times" test "$kills" -ge 3
delete_all
check "after DEL of everything no endpoint is left" wait_for 10 none_left
wait_for 10 links_settled
stop_agent n1
start_agent n1
check_equal "what was killed in the middle left nothing: devices, routes, neighbours, maps, records" \
	"$(difference)" ""
check_equal "nor an interface in a pod" "$(pod_interfaces)" ""

# --- second half: one agent, whose memory and descriptors must not grow
start=$SECONDS
work 100
delete_all
wait_for 10 none_left
used=$(memory) open=$(fds)
work 400
delete_all
check "after the second half neither" wait_for 10 none_left
note "500 operations with one agent: $((SECONDS - start)) s; own memory $used -> $(memory) kB"
wait_for 10 links_settled
check_equal "nothing is left of it" "$(difference)" ""
check_equal "nor in a pod" "$(pod_interfaces)" ""
check "400 operations more take no more than 512 kB more memory" test "$(memory)" -le $((used + 512))
check_equal "nor a descriptor" "$(fds)" "$open"
read -r added deleted killed failed < <(awk '{ a += $1; d += $2; k += $3; f += $4 } END { print a, d, k, f }' "$W/counts")
note "$added ADDs, $deleted DELs, $killed plugins killed"
check_equal "1,000 operations were made" $((added + deleted)) 1000
check_equal "and none failed that was let live" "$failed" 0
finish
