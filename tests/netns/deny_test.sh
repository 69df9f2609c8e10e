#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Denied traffic: silence by default; with the option an answer at once, right for its protocol.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/traffic.sh"
sandbox_enter deny "$@"

node_new n1
world_route_pods n1
start_agent n1 --report_interval=0
start_observer n1
run_pod n1 default/a app=a
run_pod n1 default/b app=b
declare -A a b world=([4]=$WORLD4 [6]=$WORLD6)
for v in 4 6; do a[$v]=$(pod_ip default/a $v) b[$v]=$(pod_ip default/b $v); done
serve_tcp default/b 80
serve_udp default/b 53
serve_tcp world 80
apply n1 <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: default}
spec:
  podSelector: {matchLabels: {app: b}}
  policyTypes: [Ingress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: inside, namespace: default}
spec:
  podSelector: {matchLabels: {app: a}}
  policyTypes: [Egress]
  egress:
  - to: [{podSelector: {}}]
END

export TRY_SECONDS=1
for v in 4 6; do
	check_equal "drop: TCP between pods is met by silence over IPv$v" "$(wire default/a connect "${b[$v]}" 80)" "TIMEOUT late"
	check_equal "drop: UDP likewise over IPv$v" "$(wire default/a send_udp "${b[$v]}" 53)" TIMEOUT
	check_equal "drop: TCP to the outside likewise over IPv$v" "$(wire default/a connect "${world[$v]}" 80)" "TIMEOUT late"
	check_equal "drop: TCP from the outside likewise over IPv$v" "$(wire world connect "${b[$v]}" 80)" "TIMEOUT late"
done
stop_agent n1
start_agent n1 --report_interval=0 --deny=reject
TRY_SECONDS=3
# An option of the kernel's: completing checksums before the device shows what was left undone.
for state in on off; do
	on n1 ethtool -K eth0 tx $state >/dev/null 2>&1
	for v in 4 6; do
		[ $v = 4 ] && prohibited=EHOSTUNREACH || prohibited=EACCES
		check_equal "reject: TCP between pods is refused at once over IPv$v" "$(wire default/a connect "${b[$v]}" 80)" "ECONNREFUSED at-once"
		check_equal "reject: UDP is prohibited over IPv$v" "$(wire default/a send_udp "${b[$v]}" 53)" $prohibited
		check_equal "reject: TCP to the outside is refused over IPv$v" "$(wire default/a connect "${world[$v]}" 80)" "ECONNREFUSED at-once"
		check_equal "reject: UDP to the outside is prohibited over IPv$v" "$(wire default/a send_udp "${world[$v]}" 53)" $prohibited
		check_equal "reject: TCP from the outside is refused over IPv$v (tx $state)" "$(wire world connect "${b[$v]}" 80)" "ECONNREFUSED at-once"
		check_equal "reject: UDP from the outside is prohibited over IPv$v (tx $state)" "$(wire world send_udp "${b[$v]}" 53)" $prohibited
		check "reject: the node reaches its pod as before over IPv$v" tcp n1 "${b[$v]}" 80
	done
done
for v in 4 6; do
	check_flow "the denied ingress names no policy over IPv$v" n1 "IP.source=${a[$v]}" "IP.destination=${b[$v]}" \
		verdict=DROPPED drop_reason_desc=POLICY_DENIED traffic_direction=INGRESS
	check_flow "the denied egress is told over IPv$v" n1 "IP.source=${a[$v]}" "IP.destination=${world[$v]}" \
		verdict=DROPPED drop_reason_desc=POLICY_DENIED traffic_direction=EGRESS
done

# A connection that exists, cut by a change: its peer is told by a reset.
td n1 delete networkpolicy closed -n default >/dev/null
td n1 delete networkpolicy inside -n default >/dev/null
serve_many default/b "${b[4]}" 81
serve_many default/b "${b[6]}" 82
hold default/a "${b[4]}" 81 3 four
hold default/a "${b[6]}" 82 3 six
apply n1 <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: default}
spec:
  podSelector: {matchLabels: {app: b}}
  policyTypes: [Ingress]
END
begin=$SECONDS
check_equal "reject: the change cuts connections over IPv4" "$(alive four)" 0
check_equal "reject: the change cuts connections over IPv6" "$(alive six)" 0
check "and they end at once" test $((SECONDS - begin)) -le 3
finish
