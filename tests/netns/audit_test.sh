#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Audit mode of the node, a namespace, a pod and a policy, and the node's enforcement modes, with real
# traffic: what would be dropped goes through and is told, and no longer than the mode lasts.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/traffic.sh"
sandbox_enter audit "$@"
export TRY_SECONDS=1

node_new n1
# Rejecting shows that nothing is refused aloud either.
start_agent n1 --report_interval=0 --drop_report_interval=0 --deny=reject
start_observer n1
for pod in shop/web shop/friend shop/foe shop/other side/web; do run_pod n1 $pod app=${pod#*/}; done
declare -A web side
for v in 4 6; do web[$v]=$(pod_ip shop/web $v) side[$v]=$(pod_ip side/web $v); done
serve_tcp shop/web 80
serve_udp shop/web 53
serve_tcp side/web 80
for v in 4 6; do serve_many shop/web "${web[$v]}" 8$v; done
cnp() { # NAME [ANNOTATION]: friend may, foe may not
	cat <<END
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: $1, namespace: shop, annotations: {${2-}}}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: friend}}]
  ingressDeny:
  - fromEndpoints: [{matchLabels: {app: foe}}]
END
}
cnp guard | apply n1
apply n1 <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: side}
spec: {podSelector: {}, policyTypes: [Ingress]}
END

mode() { # VERB ARGUMENTS...
	td n1 "$@" >/dev/null || not_ok "tendril $*"
}
passes() { # NAME FROM
	for v in 4 6; do
		check "$1: TCP over IPv$v" tcp "$2" "${web[$v]}" 80
		check "$1: UDP over IPv$v" udp "$2" "${web[$v]}" 53
		check "$1: echo over IPv$v" icmp "$2" "${web[$v]}"
	done
}
denied() { # NAME FROM
	for v in 4 6; do
		check_equal "$1: TCP over IPv$v" "$(wire "$2" connect "${web[$v]}" 80)" "ECONNREFUSED at-once"
		check_not "$1: echo over IPv$v" icmp "$2" "${web[$v]}"
	done
}
column() { td n1 "$1" list -o json | jq -r "$2"; } # VERB FILTER
audited_endpoints() { column endpoint '[.endpoints[] | select(.audit) | "\(.namespace)/\(.name)=\(.audit)"] | sort | join(" ")'; }
audited_policies() { column policy '[.policies[] | select(.audit) | .name] | join(" ")'; }
explain() { td n1 policy explain --from "$1" --to shop/web --port 80/TCP 2>&1; }
audit_flow() { # NAME VERSION SOURCE PATH=VALUE...
	check_flow "$1 over IPv$2" n1 "IP.source=$(pod_ip "$3" "$2")" "IP.destination=${web[$2]}" verdict=AUDIT \
		event_type.type=5 traffic_direction=INGRESS is_reply=False "${@:4}"
}

denied "enforced: the foe is denied" shop/foe
denied "enforced: the other is" shop/other
check_equal "enforced: nobody is in audit mode" "$(audited_endpoints)" ""

# --- a namespace
mode audit on --namespace shop
passes "namespace in audit: the foe passes" shop/foe
passes "namespace in audit: the other passes" shop/other
check_not "namespace in audit: another namespace is enforced" tcp shop/foe "${side[4]}" 80
for v in 4 6; do
	audit_flow "the flow names the rule that denies" $v shop/foe drop_reason_desc=POLICY_DENY ingress_denied_by.name=guard
	audit_flow "a default denial has its reason" $v shop/other drop_reason_desc=POLICY_DENIED
	check_no_flow "and nothing was dropped over IPv$v" n1 "IP.source=$(pod_ip shop/foe $v)" "IP.destination=${web[$v]}" verdict=DROPPED l4.UDP.destination_port=53
done
shown() { td n1 observe --verdict AUDIT --last 500 "${@:2}" 2>/dev/null | grep -Eq "$1"; }
check "observe --verdict AUDIT shows them, with the policy" wait_for 5 shown 'shop/foe.* policy-verdict:L3-Only INGRESS AUDITED BY guard \(CiliumNetworkPolicy\)' --print-policy-names
check "and the rule, with -o wide" wait_for 5 shown 'audited, else denied by CiliumNetworkPolicy shop/guard, ingress deny rule 0' -o wide
check_not "and no others" shown 'FORWARDED|ALLOWED|DROPPED'
check_match "status shows it" "$(td n1 status)" 'Policy +enforced .*; in audit mode: 4 workloads$'
check_equal "endpoint list shows who, and by what" "$(audited_endpoints)" "shop/foe=namespace shop/friend=namespace shop/other=namespace shop/web=namespace"
check_match "explain shows it" "$(explain shop/foe)" '^shop/foe -> shop/web, 80/TCP: would be denied, audited$'
check_match "with the rule" "$(explain shop/foe)" 'ingress of shop/web: would be denied by CiliumNetworkPolicy shop/guard, ingressDeny\[0\]'
check_match "and why" "$(explain shop/foe)" 'audited +its namespace is in audit mode'
check "explain: what is audited passes" td n1 policy explain --from shop/foe --to shop/web --port 80/TCP >/dev/null

check "the connection says that it lives by audit" test "$(connections n1 audited=True)" -gt 0
# From and to the outside, over the uplink.
apply n1 <<'END'
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: inside, namespace: shop}
spec: {endpointSelector: {matchLabels: {app: foe}}, egress: [{toEntities: [cluster]}]}
END
serve_tcp world 80
world_route_pods n1
declare -A world=([4]=$WORLD4 [6]=$WORLD6)
for v in 4 6; do
	check "namespace in audit: out to the world over IPv$v" tcp shop/foe "${world[$v]}" 80
	check_flow "which is told over IPv$v" n1 "IP.source=$(pod_ip shop/foe $v)" "IP.destination=${world[$v]}" verdict=AUDIT \
		traffic_direction=EGRESS drop_reason_desc=POLICY_DENIED
	check "namespace in audit: in from the world over IPv$v" tcp world "${web[$v]}" 80
	check_flow "which is told over IPv$v" n1 source.identity=2 "IP.destination=${web[$v]}" verdict=AUDIT \
		traffic_direction=INGRESS drop_reason_desc=POLICY_DENIED
done
td n1 delete cnp inside -n shop >/dev/null

# --- restart: the mode is kept; connections that live by it live on
for v in 4 6; do
	hold shop/foe "${web[$v]}" 8$v 3 foe$v
	hold shop/friend "${web[$v]}" 8$v 3 friend$v
done
kill9_agent n1
passes "without an agent: the foe passes" shop/foe
start_agent n1 --report_interval=0 --drop_report_interval=0 --deny=reject
passes "after a restart: the foe passes" shop/foe
check_equal "after a restart: the same are in audit mode" "$(audited_endpoints | wc -w)" 4
for v in 4 6; do check_equal "audited connections over IPv$v live on" "$(alive foe$v)" 3; done

# --- and off: cut with the next packet
mode audit off --namespace shop
for v in 4 6; do
	check_equal "audit is over: audited connections are cut over IPv$v" "$(alive foe$v)" 0
	check_equal "allowed ones are not over IPv$v" "$(alive friend$v)" 3
	check_flow "the cut is told over IPv$v" n1 "IP.destination=${web[$v]}" "IP.source=$(pod_ip shop/foe $v)" verdict=DROPPED ingress_denied_by.name=guard "l4.TCP.destination_port=8$v"
done
denied "audit is over: new connections are denied" shop/foe

# --- the node; what its namespace says goes before
mode audit on
check "node in audit: the other namespace passes" tcp shop/foe "${side[4]}" 80
denied "node in audit: a namespace that is off is enforced" shop/foe
mode audit unset --namespace shop
passes "node in audit, namespace unset: the foe passes" shop/foe
check_match "status shows it" "$(td n1 status)" 'Policy +audited, not enforced'
check_equal "so does endpoint list" "$(column endpoint '[.endpoints[].audit] | unique | join(" ")')" node
mode audit unset
denied "node unset: the foe is denied" shop/foe

# --- an endpoint, and another one by its annotation
mode audit on --endpoint shop/web
passes "endpoint in audit: the foe passes" shop/foe
check_equal "endpoint list shows it" "$(audited_endpoints)" "shop/web=endpoint"
mode audit unset --endpoint shop/web
denied "endpoint unset: the foe is denied" shop/foe
apply n1 <<'END'
{apiVersion: v1, kind: Namespace, metadata: {name: shop, annotations: {policy.tendril.io/audit-mode: enabled}}}
END
passes "namespace annotated: the foe passes" shop/foe
td n1 delete namespace shop >/dev/null
denied "annotation gone: the foe is denied" shop/foe

# --- a policy
mode audit on --policy cnp/shop/guard
passes "policy in audit: the foe passes" shop/foe
passes "policy in audit: the other passes" shop/other
check_equal "policy list shows it" "$(audited_policies)" guard
check_match "so does status" "$(td n1 status)" 'Policy .*; in audit mode: 1 policy$'
check_match "explain says why" "$(explain shop/foe)" 'audited +that policy is in audit mode'
apply n1 <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: strict, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: foe}}}]}]}
END
passes "beside one that enforces: whom that allows, the audited deny does not stop" shop/foe
denied "whom neither allows is denied" shop/other
passes "whom the audited one allows is allowed" shop/friend
mode audit unset --policy cnp/shop/guard
denied "policy unset: its deny is enforced" shop/foe
td n1 delete netpol strict -n shop >/dev/null
cnp guard 'policy.tendril.io/audit-mode: enabled' | apply n1
passes "policy annotated: the foe passes" shop/foe
cnp guard | apply n1
denied "annotation gone: the foe is denied" shop/foe

# --- enforcement modes
serve_tcp shop/friend 80
friend=$(pod_ip shop/friend 4)
check "default: an unselected pod is open" tcp shop/other "$friend" 80
mode enforcement always
check_not "always: an unselected pod is closed" tcp shop/other "$friend" 80
check "always: the node reaches it" tcp n1 "$friend" 80
check_flow "the flow says why" n1 "IP.destination=$friend" verdict=DROPPED drop_reason_desc=POLICY_DENIED
check_match "status shows it" "$(td n1 status)" 'Policy +enforced on every workload \(mode always\)'
check_match "explain too" "$(explain shop/friend)" 'egress of shop/friend: denied: .*mode always'
mode enforcement never
passes "never: the foe passes" shop/foe
check "never: all is open" tcp shop/foe "${side[4]}" 80
check_match "status shows it" "$(td n1 status)" 'Policy +not enforced \(mode never\)'
check "the flow says so" wait_for 5 flow_seen n1 "IP.source=$(pod_ip shop/foe 4)" "IP.destination=${side[4]}" verdict=FORWARDED event_type.type=5
stop_agent n1
start_agent n1 --report_interval=0 --enable_policy=always
passes "never, set by the command, is kept over a restart" shop/foe
mode enforcement unset
check_not "unset: as configured, which is always" tcp shop/other "$friend" 80
stop_agent n1
start_agent n1 --report_interval=0 --policy-audit-mode=true
passes "audit as configured: the foe passes" shop/foe
mode audit off
check_not "the command goes before the configuration" tcp shop/foe "${web[4]}" 80

# --- what is typed wrong
for wrong in "audit" "audit maybe" "audit on --endpoint web" "audit on --policy pod/shop/web" "audit on --policy ccnp/shop/x" \
	"audit on --namespace shop --endpoint shop/web" "enforcement" "enforcement sometimes"; do
	td n1 $wrong >"$W/out" 2>&1
	check_equal "tendril $wrong: usage" $? 2
done
check_match "a target that is not there is told" "$(td n1 audit on --policy cnp/shop/gaurd 2>&1)" 'there is no such policy now'
check_match "so is a namespace without workloads" "$(td n1 audit on --namespace shpo 2>&1)" 'no workload in that namespace now'
td n1 audit on --namespace 'a b' >"$W/out" 2>&1
check_equal "a name no namespace can have is refused" $? 1
finish
