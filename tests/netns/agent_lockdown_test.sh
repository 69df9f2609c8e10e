#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A policy that does not fit into the kernel's maps: its workload passes nothing, all else goes on.
. "$(dirname "$0")/lib.sh"
sandbox_enter agent_lockdown "$@"
TRY_SECONDS=1

problems() { td n1 status -o json | jq -r '.problems[].what'; }
locked() { problems | grep -q 'policy of default/db does not fit'; }
open() { tcp default/friend "$1" "$2"; }
allow() { # NAME APP PORT...: these ports of APP, from friend
	local name=$1 app=$2
	shift 2
	printf 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: %s, namespace: default}\n' "$name"
	printf 'spec:\n  podSelector: {matchLabels: {app: %s}}\n  ingress:\n  - from: [{podSelector: {matchLabels: {app: friend}}}]\n    ports: [' "$app"
	printf '{port: %s}, ' "$@"
	printf ']\n'
}

# As start_agent, which waits until all is well.
start_unhealthy() { # NODE [--key=value...]
	local node=$1
	shift
	nsenter --net="$W/ns/$node" "$TD_BUILD/tendrild" --config="$W/$node/tendril.yaml" "$@" >>"$W/$node/agent.log" 2>&1 &
	echo $! >"$W/$node/agent.pid"
	wait_for 20 td "$node" endpoint list || bail "tendrild of $node does not answer after 20 s"
}

node_new n1
start_agent n1 --maps.policy=256 --maps.class=1024
run_pod n1 default/web app=web
run_pod n1 default/db app=db
run_pod n1 default/friend app=friend
serve_tcp default/web 80
serve_tcp default/web 81
serve_tcp default/db 80
web=$(pod_ip default/web 4) db=$(pod_ip default/db 4)
allow web web 80 | apply n1 >/dev/null
allow db db 80 | apply n1 >/dev/null
check "a policy that fits is in force" open "$db" 80
check_match "healthy" "$(td n1 status)" healthy

{
	allow db db 80
	for i in $(seq 1 255); do printf '  - from: [{ipBlock: {cidr: 192.0.2.%s/32}}]\n    ports: [{port: %s}]\n' "$i" $((1000 + i)); done
} | apply n1 >/dev/null
check "one that does not is told, with its workload" locked
check_not "which passes nothing, fail closed" open "$db" 80
check "others are not concerned" open "$web" 80
allow web web 81 | apply n1 >/dev/null
check "and their policies still change: open" open "$web" 81
check_not "and closed" open "$web" 80
run_pod n1 default/late app=late
check_not "a new workload is connected, and denied as the policy says" tcp default/late "$web" 81
check "with nothing denied to its friends" icmp n1 "$(pod_ip default/late 4)"
check_equal "and ready" "$(td n1 status -o json | jq .endpoints.ready)" 4

stop_agent n1
start_unhealthy n1 --maps.policy=256 --maps.class=1024
check "the same after a restart" locked
check_not "still closed" open "$db" 80
check "still open" open "$web" 81

td n1 delete networkpolicy db >/dev/null
check_not "it is over when there is room" locked
check "and the workload is open as its policies say" open "$db" 80
finish
