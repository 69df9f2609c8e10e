#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent dies, stops, comes back: what it put in force stays, and it finds everything again.
. "$(dirname "$0")/lib.sh"
sandbox_enter agent_restart "$@"

need_program tendril-cni
cni() { # COMMAND CONTAINER NETNS [ARGS]
	CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_IFNAME=eth0 CNI_NETNS=$3 CNI_ARGS=${4-} CNI_PATH=$TD_BUILD \
		on n1 "$TD_BUILD/tendril-cni" <<<"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"tendril-cni\",\"run_dir\":\"$W/n1/run\",\"timeout_s\":1}"
}
who() { td n1 endpoint list -o json | jq -cS '[.endpoints[] | {id, ipv4, ipv6, identity, name, host_ifindex}] | sort_by(.id)'; }
devices() { on n1 ip -o link show type veth | grep -c ' tdn1[0-9]' || true; }
ready() { td n1 status >/dev/null; }

node_new n1
start_agent n1
run_pod n1 default/web app=web
run_pod n1 default/friend app=friend
run_pod n1 default/stranger app=stranger
serve_tcp default/web 80
web=$(pod_ip default/web 4)
apply n1 <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: default}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: friend}}}]
END
before=$(who)

# One connection through all of it: a line every 0.1 s, all of which must come back.
in_pod default/friend bash -c "exec 3<>/dev/tcp/$web/80
	for i in \$(seq 10000); do echo \$i >&3; read -r -t 5 got <&3 && [ \"\$got\" = \$i ] || { echo lost \$i; exit 1; }
	echo \$i; sleep 0.1; done" >"$W/lines" 2>&1 &
talker=$!
talks() { # the connection makes progress
	local n
	n=$(wc -l <"$W/lines")
	sleep 0.5
	! grep -q lost "$W/lines" && [ "$(wc -l <"$W/lines")" -gt "$n" ]
}
enforced() { # WHEN
	check "$1: the connection goes on" talks
	check "$1: new allowed connections pass" tcp default/friend "$web" 80
	check_not "$1: denied ones do not" tcp default/stranger "$web" 80
}

enforced "with the agent"
mkdir -p "$W/other"/{run,state,objects}
check_not "a second agent in the namespace does not start, whatever directories it has" \
	on n1 timeout 10 "${TD_AGENT:-$TD_BUILD/tendrild}" --config="$W/n1/tendril.yaml" --run_dir="$W/other/run" \
	--state_dir="$W/other/state" --objects_dir="$W/other/objects" --bpf_dir="$W/n1/bpf/other" 2>"$W/second.log"
check_match "saying why" "$(cat "$W/second.log")" 'another tendrild \(process [0-9]+\)'
enforced "after a second agent's attempt"
on n1 ip link set eth0 name eth7
check_match "a configured device that is not there is told" "$(td n1 status)" 'there is no device eth0'
on n1 ip link set eth7 name eth0
check "until it is" td n1 status
kill9_agent n1
enforced "killed"
start_agent n1
enforced "back after a kill"
check_equal "the same endpoints, addresses, identities and devices" "$(who)" "$before"
check_match "healthy" "$(td n1 status)" healthy
stop_agent n1
enforced "stopped"

# --- what happens meanwhile
netns_new gone
start_agent n1
cni ADD gone "$W/ns/gone" 'K8S_POD_NAME=gone' >/dev/null || not_ok "ADD"
netns_new vanished
cni ADD vanished "$W/ns/vanished" 'K8S_POD_NAME=vanished' >/dev/null || not_ok "ADD"
kill9_agent n1
check_match "ADD without an agent: try again later" "$(cni ADD new "$W/ns/gone" || true)" '"code": ?11'
check "DEL without an agent succeeds" cni DEL gone "$W/ns/gone"
check_equal "and removes the interface" "$(on gone ip -o link show dev eth0 2>/dev/null | wc -l)" 0
umount "$W/ns/vanished"
rm "$W/ns/vanished"
# A half-made endpoint, a broken record, a device without record.
jq '.id = 40 | .state = "creating" | .container_id = "half" | .host_ifname = "tdn140" | .ipv4 = "10.61.0.240" | .ipv6 = null' \
	"$(find "$W/n1/run/endpoints" -name '*.json' | head -n 1)" >"$W/n1/run/endpoints/40.json"
echo '{"id": 41' >"$W/n1/run/endpoints/41.json"
on n1 ip link add tdn150 address 0e:54:00:00:00:00 type veth peer name tdpeer
wait_for 5 test "$(devices)" -le 5
start_agent n1
enforced "back after a while"
check_equal "what was deleted, died or was half made is gone; the rest is as before" "$(who)" "$before"
three() { [ "$(devices)" = 3 ]; }
check "so are the devices" wait_for 5 three
check_equal "and the tombstones" "$(find "$W/n1/run/tombstones" -type f | wc -l)" 0
check_equal "and the records" "$(find "$W/n1/run/endpoints" -name '*.json' | wc -l)" 3

# --- only one agent
second=$(on n1 timeout 10 "$TD_BUILD/tendrild" --config="$W/n1/tendril.yaml" 2>&1)
check_equal "a second agent ends with an error" "$?" 1
check_match "and says who holds the directory" "$second" "another tendrild.*process $(cat "$W/n1/agent.pid")"
node_new n2
second=$(on n2 timeout 10 "$TD_BUILD/tendrild" --config="$W/n1/tendril.yaml" --instance=n2 --run_dir="$W/n2/run" \
	--bpf_dir="$W/n2/bpf/tendril" --objects_dir="$W/n2/objects" 2>&1)
check_equal "nor does one with another's applied objects start" "$?" 1
check_match "which says who holds them" "$second" "another tendrild \(process $(cat "$W/n1/agent.pid")\) uses $W/n1/state"
check "the first one is unharmed" ready

# --- no cgroup
stop_agent n1
refused=$(on n1 timeout 10 "$TD_BUILD/tendrild" --config="$W/n1/tendril.yaml" --cgroup_root="$W" 2>&1)
check_equal "a cgroup root that is none keeps the agent from starting" "$?" 1
check_match "and is named" "$refused" "cgroup_root: found $W, which is not in cgroup v2"
check_not "without having been ready" grep -q ready <<<"$refused"
start_agent n1

# --- SIGHUP: the log's level
echo 'log: {level: debug}' >>"$W/n1/tendril.yaml"
kill -HUP "$(cat "$W/n1/agent.pid")"
reread() { grep -q 'configuration read again' "$W/n1/agent.log"; }
check "SIGHUP reads the log level again" wait_for 5 reread
echo 'nonsense: 1' >>"$W/n1/tendril.yaml"
kill -HUP "$(cat "$W/n1/agent.pid")"
kept() { grep -q "unknown key 'nonsense'" "$W/n1/agent.log"; }
check "a broken configuration is refused with its line" wait_for 5 kept
check "and the agent goes on" ready

kill -KILL "$talker" 2>/dev/null
check_not "not one line was lost" grep lost "$W/lines"
finish
