#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two pods and a server: open without a policy, then allowed and denied by labels, both families.
. "$(dirname "$0")/lib.sh"
sandbox_enter two_pods "$@"

node_new n1
start_agent n1
run_pod n1 default/web app=web
run_pod n1 default/friend app=friend
run_pod n1 default/stranger app=stranger
serve_tcp default/web 80
serve_tcp default/web 81
serve_udp default/web 53
declare -A web=([4]=$(pod_ip default/web 4) [6]=$(pod_ip default/web 6))

for v in 4 6; do
	check "without a policy: TCP over IPv$v" tcp default/stranger "${web[$v]}" 80
	check "without a policy: UDP over IPv$v" udp default/stranger "${web[$v]}" 53
	check "without a policy: ICMP over IPv$v" icmp default/stranger "${web[$v]}"
done

apply n1 <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: default
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector:
        matchLabels:
          app: friend
    ports:
    - port: 80
      protocol: TCP
END

for v in 4 6; do
	check "the policy allows the friend over IPv$v" tcp default/friend "${web[$v]}" 80
	check_not "another port is denied over IPv$v" tcp default/friend "${web[$v]}" 81
	check_not "another protocol is denied over IPv$v" udp default/friend "${web[$v]}" 53
	check_not "the stranger is denied over IPv$v" tcp default/stranger "${web[$v]}" 80
	check_not "ICMP of the stranger is denied over IPv$v" icmp default/stranger "${web[$v]}"
	check "the node reaches its own pod over IPv$v" tcp n1 "${web[$v]}" 81
done

# tcx from 6.6 on, tc clsact before: what is attached, as the kernel tells it.
attached=$(on n1 tc filter show dev "$(on n1 ip -o link | grep -o 'td[0-9A-Za-z]*' | head -n 1)" ingress)
if [ "$(printf '6.6\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.6 ]; then
	check_equal "this kernel has tcx: no classic filter is attached" "$attached" ""
else
	check_match "this kernel has no tcx: a classic filter is attached" "$attached" "bpf"
fi

td n1 delete networkpolicy web -n default >/dev/null || not_ok "the policy can be deleted"
check "after the policy: open again" tcp default/stranger "${web[4]}" 80
finish
