#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The harness itself: nodes reach each other and the world, and no test sees the host's network.
. "$(dirname "$0")/lib.sh"
sandbox_enter harness "$@"

node_new n1
node_new n2
serve_tcp world 8080
serve_udp world 5353
serve_tcp n2 8081
for family in 4 6; do
	world=WORLD$family
	check "node reaches the world by TCP over IPv$family" tcp n1 "${!world}" 8080
	check "node reaches the world by UDP over IPv$family" udp n1 "${!world}" 5353
	check "node reaches the world by ICMP over IPv$family" icmp n1 "${!world}"
done
check "node reaches node" tcp n1 "${NODE_IP4[n2]}" 8081
check_not "nobody answers on a closed port" tcp n1 "${NODE_IP4[n2]}" 8082
check_not "nobody answers on a closed UDP port" udp n1 "${NODE_IP4[n2]}" 8082
check_equal "a node sees only its own devices" "$(on n1 ip -o link show | awk -F': ' '{ print $2 }' | cut -d@ -f1 | sort | tr '\n' ' ')" "eth0 lo "
check_not "the host's network is out of reach" eval "ip route get 192.0.2.254 2>/dev/null"
check_equal "each node has a bpffs of its own" "$(grep -c "^bpf $W/n[12]/bpf " /proc/mounts)" 2
check "processes of the host are not visible" test "$(ls -d /proc/[0-9]* | wc -l)" -lt 60
finish
