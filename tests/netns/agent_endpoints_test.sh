#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The life of endpoints, asked for by the CNI plugin as a runtime would.
. "$(dirname "$0")/lib.sh"
sandbox_enter agent_endpoints "$@"

need_program tendril-cni

# cni COMMAND CONTAINER IFNAME [NETNS] [ARGS] [EXTRA-CONFIG]: the plugin's output
cni() {
	local config
	config=$(jq -nc --arg run "$W/n1/run" --argjson extra "${6:-{\}}" \
		'{cniVersion: "1.1.0", name: "net1", type: "tendril-cni", run_dir: $run, timeout_s: 60} + $extra')
	CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_IFNAME=$3 CNI_NETNS=${4-} CNI_ARGS=${5-} \
		CNI_PATH=$TD_BUILD on n1 "$TD_BUILD/tendril-cni" <<<"$config"
}
api() { # METHOD PATH [BODY]: body, then the status on a line of its own
	curl -s --max-time 20 --unix-socket "$W/n1/run/tendril.sock" -X "$1" -w '\n%{http_code}\n' \
		${3+--data-binary "$3"} "http://x$2"
}
count() { td n1 endpoint list -o json | jq "[.endpoints[] | select($1)] | length"; }
is_count() { [ "$(count "$1")" = "$2" ]; }
devices() { on n1 ip -o link show type veth | grep -c ' tdn1[0-9]' || true; }
no_devices() { [ "$(devices)" = 0 ]; }
records() { find "$W/n1/run/endpoints" -name '*.json' | wc -l; }
pod_netns() { netns_new "$1"; }
in_ns() { on "$@"; }

node_new n1
start_agent n1

# --- ADD, ADD again, CHECK, DEL, DEL again
pod_netns a
first=$(cni ADD ca eth0 "$W/ns/a" 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=a')
check_match "ADD answers with both addresses" "$(jq -c '[.ips[].address]' <<<"$first")" '10\.61\.0\.[0-9]+/32.*fd60:1::[0-9a-f]+/128'
check_equal "the result names the interface in the pod" "$(jq -r '.interfaces[1] | .name + " " + .sandbox' <<<"$first")" "eth0 $W/ns/a"
check_equal "its MAC is the one the interface has" "$(jq -r '.interfaces[1].mac' <<<"$first")" \
	"$(in_ns a ip -j link show eth0 | jq -r '.[0].address')"
again=$(cni ADD ca eth0 "$W/ns/a" 'K8S_POD_NAME=a')
check_equal "ADD twice gives the same result" "$(jq -cS .ips <<<"$again")" "$(jq -cS .ips <<<"$first")"
check_equal "and makes no second endpoint" "$(count 'true')" 1
check "CHECK is content" cni CHECK ca eth0 "$W/ns/a" '' "{\"prevResult\": $first}"
check_not "CHECK with other addresses in prevResult is not" cni CHECK ca eth0 "$W/ns/a" '' \
	'{"prevResult": {"ips": [{"address": "10.61.0.250/32"}]}}'
check_not "CHECK of an unknown container is not" cni CHECK other eth0 "$W/ns/a"
in_ns a ip addr del "$(jq -r '.ips[0].address' <<<"$first")" dev eth0
check_not "CHECK notices a missing address" cni CHECK ca eth0 "$W/ns/a"
check "DEL with an empty CNI_NETNS succeeds" cni DEL ca eth0 ''
check "DEL again succeeds" cni DEL ca eth0 "$W/ns/a"
check "DEL without ADD succeeds" cni DEL never eth0 "$W/ns/a"
check "the device goes away" wait_for 5 no_devices
check "and the endpoint with it" wait_for 5 is_count true 0
check_equal "and its record" "$(records)" 0

# --- refusals
check_match "a network namespace that is gone is named" "$(cni ADD cb eth0 "$W/ns/gone" || true)" '"msg":".*gone'
pod_netns b
in_ns b ip link add eth0 type veth peer name eth1
check_match "a taken interface is refused" "$(cni ADD cb eth0 "$W/ns/b" || true)" '"code":'
check_equal "the host's own namespace is refused" "$(cni ADD cb eth9 /proc/self/ns/net >/dev/null; echo $?)" 1
wait_for 5 is_count true 0
check_equal "a refused ADD leaves nothing" "$(count true) $(devices) $(records)" "0 0 0"

# --- who it is: init until the Pod is there, then its labels
pod_netns c
cni ADD default-cc eth0 "$W/ns/c" >/dev/null || not_ok "ADD without arguments"
c4=$(in_ns c ip -j -4 addr show dev eth0 | jq -r '.[0].addr_info[0].local')
# shellcheck disable=SC2016
of_c() { td n1 endpoint list -o json | jq -e ".endpoints[] | select(.container_id == \"default-cc\") | $1"; }
run_pod n1 default/peer app=peer
check "without a Pod it has identity init" of_c '.identity == 5'
check_not "and nobody reaches it" icmp default/peer "$c4"
apply n1 <<'END'
{apiVersion: v1, kind: Pod, metadata: {name: cc, namespace: default, labels: {app: c}}}
END
check "when the Pod NAMESPACE-NAME arrives it is that Pod" \
	wait_for 5 of_c '.name == "cc" and .namespace == "default" and .identity >= 256'
check "and it is reached" icmp default/peer "$c4"
check_match "its labels are its identity's" "$(td n1 identity list)" 'k8s:app=c'
td n1 delete pod cc >/dev/null
check "when the Pod goes, it is isolated again" wait_for 5 of_c '.identity == 5'
check_not "in the kernel too" icmp default/peer "$c4"
stop_pod default/peer
apply n1 <<'END'
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: b-c, namespace: a}}
- {apiVersion: v1, kind: Pod, metadata: {name: c, namespace: a-b}}
END
pod_netns d
check_match "two Pods that match are an error naming both" "$(cni ADD a-b-c eth0 "$W/ns/d" || true)" 'a/b-c.*a-b/c|a-b/c.*a/b-c'
cni DEL default-cc eth0 "$W/ns/c"

# --- a namespace that vanishes takes the endpoint along
unshare --net sleep 60 &
pid=$!
own_netns() { [ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$pid/ns/net")" ]; }
wait_for 5 own_netns
cni ADD ce eth0 "/proc/$pid/ns/net" 'K8S_POD_NAME=e' >/dev/null || not_ok "ADD by /proc"
kill -KILL "$pid"
check "an endpoint whose network namespace died is forgotten" wait_for 10 is_count '.container_id == "ce"' 0
check "DEL of it succeeds" cni DEL ce eth0 ''

# --- 50 at once
for i in $(seq 50); do pod_netns "p$i"; done
pids=()
start=$(date +%s%N)
for i in $(seq 50); do
	cni ADD "p$i" eth0 "$W/ns/p$i" "K8S_POD_NAME=p$i" >"$W/p$i.out" 2>&1 &
	pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
note "50 ADDs at once took $((($(date +%s%N) - start) / 1000000)) ms"
check_equal "50 ADDs at once all succeed" "$failed $(grep -h '"code"' "$W"/p*.out | head -n 1)" "0 "
check_equal "with 50 different addresses" "$(cat "$W"/p*.out | jq -r '.ips[0].address' | sort -u | wc -l)" 50
check_equal "and 50 endpoints" "$(count '.state == "ready"')" 50

# --- GC keeps what it is told to, and another network's
pod_netns other
cni ADD other eth0 "$W/ns/other" 'K8S_POD_NAME=other' '{"name": "net2"}' >/dev/null || not_ok "ADD on another network"
run_pod n1 default/runner app=runner
check "GC succeeds" cni GC '' '' '' '' \
	'{"cni.dev/valid-attachments": [{"containerID": "p1", "ifname": "eth0"}, {"containerID": "p2", "ifname": "eth0"}]}'
check "GC removes what is not valid any more" wait_for 20 is_count '.container_id | startswith("p")' 2
check_equal "GC leaves other networks and tendril run alone" \
	"$(count '.container_id == "other" or .name == "runner"')" 2
check_not "GC without a list is refused" cni GC '' ''
stop_pod default/runner
check "tendril run leaves nothing behind" wait_for 10 is_count '.name == "runner"' 0

# --- STATUS, exhaustion
check "STATUS is content" cni STATUS '' ''
for c in p1 p2; do cni DEL $c eth0 ''; done
cni DEL other eth0 '' '' '{"name": "net2"}'
check "everything is gone" wait_for 10 is_count true 0
stop_agent n1
start_agent n1 --ipam.ipv4=10.61.9.0/29 --ipam.ipv6=
made=0
for i in $(seq 10); do
	out=$(cni ADD "x$i" eth0 "$W/ns/p$i" "K8S_POD_NAME=x$i") || break
	made=$((made + 1))
done
check_equal "a /29 has room for 5 pods" "$made" 5
check_match "an exhausted prefix is an error that says so" "$out" 'no IPv4 address left'
check_not "and STATUS says it too" cni STATUS '' ''
check_match "and tendril status" "$(td n1 status)" 'no IPv4 address is left'
cni DEL x1 eth0 ''
check "an address that a DEL frees is given out, after its device is gone" cni ADD y eth0 "$W/ns/p20" 'K8S_POD_NAME=y' >"$W/y.out"
finish
