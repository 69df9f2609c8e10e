#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tendril policy explain: what it says of a pair is what the node does, by the same rule, with the
# place where it is written; and without a node it says the same of the manifests.
. "$(dirname "$0")/lib.sh"
sandbox_enter policy_explain "$@"
export TRY_SECONDS=1

node_new n1
world_route_pods n1
cat >"$W/n1/objects/policies.yaml" <<'END'
# A line before, so that places are of the file and not of the text.
apiVersion: v1
kind: Namespace
metadata: {name: default}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: friend}}]
    toPorts: [{ports: [{port: "80", protocol: TCP}]}]
  - fromCIDR: [192.168.50.0/24]
    toPorts: [{ports: [{port: "80", protocol: TCP}]}]
  ingressDeny:
  - fromEndpoints: [{matchLabels: {app: foe}}]
END
start_agent n1
start_observer n1
for who in web friend foe other; do run_pod n1 default/$who app=$who; done
for port in 80 81; do serve_tcp default/web $port; done
file=$W/n1/objects/policies.yaml
declare -A web
for v in 4 6; do web[$v]=$(pod_ip default/web $v); done

explain() { td n1 policy explain "$@" 2>&1; }
says() { # NAME PATTERN FROM TO PORT
	check_match "$1" "$(explain --from "$3" --to "$4" --port "$5")" "$2"
}
# The answer and the connection are of one mind.
agree() { # FROM PORT
	local told real v
	told=$(explain --from "default/$1" --to default/web --port "$2/TCP" | head -n 1)
	for v in 4 6; do
		real=denied
		! tcp "default/$1" "${web[$v]}" "$2" || real=allowed
		check_match "$1 to port $2 over IPv$v: explained as it is ($real)" "$told" ": $real\$"
	done
}
for who in friend foe other; do
	for port in 80 81; do agree $who $port; done
done
says "the rule that allows, with its place" "allowed by CiliumNetworkPolicy default/web, ingress\[0\] \($file:12\)" default/friend default/web 80/TCP
says "the rule that denies, with its place" "denied by CiliumNetworkPolicy default/web, ingressDeny\[0\] \($file:17\)" default/foe default/web 80/TCP
says "a default deny names who isolates" "isolated by  CiliumNetworkPolicy default/web \($file:[0-9]+\)" default/other default/web 80/TCP
says "and the nearest rule, of other peers" "nearest .*ingress\[0\] \($file:12\): allows this port, for other peers" default/other default/web 80/TCP
says "or of other ports" "nearest .*ingress\[0\] \($file:12\): allows this peer, on other ports" default/friend default/web 81/TCP
says "an egress that no policy isolates" "egress of default/friend: allowed: no policy isolates it" default/friend default/web 80/TCP
says "an outside address by its CIDR" "allowed by .*ingress\[1\] \($file:14\)" 192.168.50.1 default/web 80/TCP
says "one of the other family is in no CIDR" "denied: it is isolated" fd50::1 default/web 80/TCP
says "a pod by its address" "-> default/web" default/friend "${web[6]}" 80/TCP
says "the node reaches its pods" "the node reaches its own pods" host default/web 81/TCP
says "by its address too" "the node reaches its own pods" "${NODE_IP4[n1]}" default/web 81/TCP
says "a pod that might be" "allowed by .*ingress\[0\]" app=friend default/web 80/TCP
check "the world is let in as explained" tcp world "${web[4]}" 80
check_not "and not over IPv6" tcp world "${web[6]}" 80
check "exit code of what is allowed" explain --from default/friend --to default/web --port 80/TCP
check_not "exit code of what is denied" explain --from default/other --to default/web --port 80/TCP
td n1 policy explain --from default/other --to default/web --port 80/TCP -o json >"$W/explain.json"
check "JSON tells the same" python3 - "$W/explain.json" "$file" <<'END'
import json, sys
(answer,) = json.load(open(sys.argv[1]))
egress, ingress = answer['directions']
assert not answer['allowed'] and egress['allowed'] and not ingress['allowed'], answer
assert ingress['isolated_by'][0]['file'] == sys.argv[2] and ingress['rule'] is None
assert ingress['nearest']['fits'] == 'port' and ingress['nearest']['line'] == 12
END

# --- without a node
cat >"$W/pods.yaml" <<'END'
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: friend, labels: {app: friend}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: not-ours}
END
offline() { env -i "$TD_BUILD/tendril" policy explain -f "$W/pods.yaml" -f "$file" "$@" 2>&1; }
check_match "manifests alone: allowed" "$(offline --from friend --to web --port 80)" 'allowed by CiliumNetworkPolicy default/web'
check_match "manifests alone: denied" "$(offline --from web --to web --port 81)" ': denied'
check_match "an unknown pod is said so" "$(offline --from nobody --to web --port 80)" "from: found 'nobody', expected a known pod"
check_match "a bad port is said so" "$(offline --from friend --to web --port 80/SOAP)" "port: found '80/SOAP', expected PORT/PROTOCOL"
check_match "a bad manifest by file and line" "$(printf 'apiVersion: v1\nkind: Pod\nmetadat: {}\n' | "$TD_BUILD/tendril" policy explain -f - --from a --to b --port 1 2>&1)" '^-:[0-9]+: .*metadat'
finish
