#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Cluster IPs at the sockets of pods: whom a process believes to talk to, backends that come and go,
# and processes that are no pod's.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/traffic.sh"
sandbox_enter services "$@"

node_new n1
start_agent n1
run_pod n1 default/a app=a
run_pod n1 default/b1 app=b1
run_pod n1 default/b2 app=b2
declare -A ip=([4]=10.96.0.10 [6]=fd96::10)
service() { # FAMILY BACKEND-ADDRESS...: the Service of that family and its slice
	local v=$1 address
	shift
	cat <<END
apiVersion: v1
kind: Service
metadata: {name: web$v, namespace: default}
spec:
  clusterIP: "${ip[$v]}"
  ipFamilies: [IPv$v]
  ports:
  - {name: tcp, port: 80, protocol: TCP, targetPort: 8080}
  - {name: udp, port: 53, protocol: UDP, targetPort: 5353}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web$v-1, namespace: default, labels: {kubernetes.io/service-name: web$v}}
addressType: IPv$v
ports:
- {name: tcp, port: 8080, protocol: TCP}
- {name: udp, port: 5353, protocol: UDP}
endpoints: [$(for address in "$@"; do printf '{addresses: ["%s"]},' "$address"; done)]
END
}
# As a process of the workload: in a cgroup under the node's, where the programs are.
in_workload() { # WHERE VERB...
	(
		echo $BASHPID >"$CG/n1/cgroup.procs"
		wire "$@"
	)
}
for pod in b1 b2; do
	serve_udp default/$pod 5353
	at default/$pod socat TCP6-LISTEN:8080,ipv6only=0,reuseaddr,fork SYSTEM:"read x; echo $pod" 2>/dev/null &
	wait_for 10 listens default/$pod tcp 8080 || bail "no server"
done
declare -A b1 b2
for v in 4 6; do
	b1[$v]=$(pod_ip default/b1 $v) b2[$v]=$(pod_ip default/b2 $v)
	service $v "${b1[$v]}" | apply n1
	check_equal "TCP: connected to the service over IPv$v" "$(in_workload default/a peer tcp "${ip[$v]}" 80)" "${ip[$v]} 80 b1"
	check_equal "connected UDP likewise over IPv$v" "$(in_workload default/a peer udp "${ip[$v]}" 53)" "${ip[$v]} 53 hello"
	check_equal "unconnected UDP hears from the service over IPv$v" "$(in_workload default/a sendto "${ip[$v]}" 53)" "${ip[$v]} 53 hello"
	check_equal "a process that is no pod's is left alone over IPv$v" \
		"$(TRY_SECONDS=1 in_workload n1 peer tcp "${ip[$v]}" 80 | grep -c b1)" 0
	service $v "${b2[$v]}" | apply n1
	check_equal "another backend takes over at once over IPv$v" "$(in_workload default/a peer tcp "${ip[$v]}" 80)" "${ip[$v]} 80 b2"
	service $v "${b1[$v]}" "${b2[$v]}" | apply n1
	check_equal "both backends are used over IPv$v" "$(for _ in $(seq 12); do
		in_workload default/a peer tcp "${ip[$v]}" 80 | cut -d' ' -f3
	done | sort -u | tr '\n' ' ')" "b1 b2 "
	service $v | apply n1
	check_equal "without a backend it is refused at once over IPv$v" "$(in_workload default/a connect "${ip[$v]}" 80)" "ECONNREFUSED at-once"
done
service 4 "${b1[4]}" | apply n1
check_equal "an IPv6 socket that speaks IPv4: TCP" "$(in_workload default/a peer tcp "${ip[4]}" 80 mapped)" "::ffff:${ip[4]} 80 b1"
check_equal "an IPv6 socket that speaks IPv4: UDP" "$(in_workload default/a sendto "${ip[4]}" 53 mapped)" "::ffff:${ip[4]} 53 hello"
finish
