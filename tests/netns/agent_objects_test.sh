#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Objects: from files, live; from apply, durable; refused whole, with the state before in force.
. "$(dirname "$0")/lib.sh"
sandbox_enter agent_objects "$@"

policy() { # NAME PORT
	cat <<END
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: $1, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: client}}]
    toPorts: [{ports: [{port: "$2", protocol: TCP}]}]
END
}
applied() { td n1 apply -f - 2>&1; }
port_open() { tcp default/client "$web" "$1"; }
port_closed() { ! tcp default/client "$web" "$1"; }
files=$W/n1/objects
export TRY_SECONDS=1
restart_unwell() { # as start_agent, but status may have something to say
	kill9_agent n1
	nsenter --net="$W/ns/n1" "${TD_AGENT:-$TD_BUILD/tendrild}" --config="$W/n1/tendril.yaml" >>"$W/n1/agent.log" 2>&1 &
	echo $! >"$W/n1/agent.pid"
	wait_for 20 td n1 get
}

node_new n1
start_agent n1
run_pod n1 default/web app=web
run_pod n1 default/client app=client
serve_tcp default/web 80
serve_tcp default/web 81
web=$(pod_ip default/web 4)

check "open without a policy" port_open 81
policy p 80 >"$files/p.yaml"
check "a new file comes into force" wait_for 10 port_closed 81
check "as it is written" port_open 80
policy p 81 >"$files/p.yaml"
check "a changed file comes into force" wait_for 10 port_open 81
check_not "and what it said before does not" port_open 80

policy p 80 | sed 's/port: "80"/port: "70000"/' >"$files/p.yaml"
says_broken() { td n1 status | grep -q 'p.yaml:[0-9]*:.*70000'; }
check "a broken file is a problem with file, line and what was found" wait_for 10 says_broken
check "what it said before stays in force" port_open 81
check_not "all of it" port_open 80
check "also when the agent starts again" restart_unwell
check "with the problem" says_broken
check_not "and what it denied denied" port_open 80
check "and what it allowed allowed" port_open 81
out=$(policy p 80 | applied)
check_match "apply of an object that a file holds names the file" "$out" "p.yaml"
policy p 80 >"$files/p.yaml"
fine() { [ "$(td n1 status -o json | jq .healthy)" = true ]; }
check "a corrected file ends the problem" wait_for 10 fine
rm "$files/p.yaml"
check "a removed file's objects go" wait_for 10 port_open 81

check_match "apply tells what it did" "$(policy q 80 | applied)" 'CiliumNetworkPolicy default/q created'
check_not "and it is in force with the answer" port_open 81
check_match "apply again changes nothing" "$(policy q 80 | applied)" 'default/q unchanged'
check_match "a change is one" "$(policy q 81 | applied)" 'default/q configured'
check "in force too" port_open 81

out=$( (policy q 80; echo ---; policy r 80 | sed 's/endpointSelector/endpointSelektor/') | applied)
check_match "one bad document refuses all, with its line" "$out" '^-:[0-9]+: .*endpointSele'
check "nothing of it is in force" port_open 81
check_match "another kind is refused" "$(printf 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n' | applied)" 'Deployment'
check_match "or skipped and named" "$(printf 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n' |
	td n1 apply --skip-other-kinds -f - 2>&1)" 'Deployment.*skipped'

kill9_agent n1
start_agent n1
check_match "what was applied survives a kill" "$(td n1 get cnp)" 'CiliumNetworkPolicy +default +q +api'
check_not "and is in force" port_open 80
check "as it was" port_open 81
check_match "get -o yaml prints it as written" "$(td n1 get cnp q -o yaml)" 'endpointSelector: \{matchLabels: \{app: web\}\}'
check "delete takes it out of force" td n1 delete cnp q
check "at once" port_open 80
check_not "deleting what is not there is an error" td n1 delete cnp q
stop_agent n1
start_agent n1
check_match "and it stays deleted" "$(td n1 get cnp)" 'no objects'

# --- an applied policy that cannot be read any more
kept=$W/n1/state/objects/CiliumNetworkPolicy_default_q.yaml
policy q 81 | applied >/dev/null
settled() { [ -e "$kept" ] && ! compgen -G "$W/n1/state/objects/.batch-*" >/dev/null; }
wait_for 5 settled
echo 'kind: [' >"$kept"
check "an agent that cannot read a policy starts" restart_unwell
check_not "what the policy denied stays denied" port_open 80
check "and what it allowed allowed" port_open 81
status=$(td n1 status)
check_match "status names the file, and what is wrong" "$status" "$kept:[0-9]+: found"
check_match "with the consequence" "$status" 'what was in force stays so.*new workloads are not connected'
check_match "and what to do" "$status" 'apply the object again, or delete it'
refused=$(td n1 run --name default/late -- true 2>&1)
check_match "new workloads are refused, saying why" "$refused" "$kept cannot be read and may be a policy"
policy other 80 | applied >/dev/null
check_not "nothing else changes what is in force" port_open 80
check_match "applied again it is there" "$(policy q 81 | applied)" 'default/q created'
check "and nothing is wrong" td n1 status
check "what was applied meanwhile is in force" port_open 80
td n1 delete cnp other >/dev/null
wait_for 5 settled
echo 'kind: [' >"$kept"
restart_unwell
check "or it is deleted" td n1 delete cnp q
check "and nothing is wrong" td n1 status
check "nor denied" port_open 80
wait_for 5 test ! -e "$kept"

node_new n2
mkdir -p "$W/n2/state/objects"
echo 'kind: [' >"$W/n2/state/objects/CiliumNetworkPolicy_default_q.yaml"
agent_config n2 >"$W/n2/tendril.yaml"
nsenter --net="$W/ns/n2" "${TD_AGENT:-$TD_BUILD/tendrild}" --config="$W/n2/tendril.yaml" >>"$W/n2/agent.log" 2>&1 &
echo $! >"$W/n2/agent.pid"
check "without anything in the kernel it starts too" wait_for 20 td n2 get
check_not "and connects nobody" td n2 run --name default/late -- true
check "the node's own traffic goes on" icmp n2 "$WORLD4"
rm "$W/n2/state/objects/CiliumNetworkPolicy_default_q.yaml"
check "until the file is removed" td n2 run --name default/late -- true
check "and nothing is wrong" td n2 status
stop_agent n2

# --- a disk with room for what is committed, and for nothing else
stop_agent n1
mount -t tmpfs -o size=64k tmpfs "$W/n1/state"
start_agent n1
dd if=/dev/zero of="$W/n1/state/full" bs=4k 2>/dev/null || true
truncate -s -4096 "$W/n1/state/full"
check_match "what the disk takes is applied" "$(policy q 81 | applied)" 'default/q created'
check_match "what it does not is refused" "$(policy r 80 | applied)" 'No space left.*nothing has changed'
tells_disk() { td n1 status | grep -q 'applied objects cannot be written.*No space left'; }
check "status says that the disk is full" wait_for 5 tells_disk
check "the agent starts all the same" restart_unwell
check_match "with what was applied" "$(td n1 get cnp)" 'CiliumNetworkPolicy +default +q +api'
check_not "in force" port_open 80
check "as it was" port_open 81
rm "$W/n1/state/full"
check_match "with room again the next one is taken" "$(policy r 81 | applied)" 'default/r created'
check "and nothing is wrong" wait_for 5 td n1 status
check_equal "both are in files of their own" "$(ls "$W/n1/state/objects" | wc -l)" 2
finish
