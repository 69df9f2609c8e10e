#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pod that lies about who it is, a router it is not, and an outside that claims to be a pod.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/traffic.sh"
sandbox_enter spoof "$@"

node_new n1
world_route_pods n1
start_agent n1 --report_interval=0 --drop_report_interval=0
start_observer n1
run_pod n1 default/liar app=liar
run_pod n1 default/b app=b
run_pod n1 default/c app=c
declare -A liar b c node=([4]=${NODE_IP4[n1]} [6]=${NODE_IP6[n1]}) world=([4]=$WORLD4 [6]=$WORLD6)
for v in 4 6; do liar[$v]=$(pod_ip default/liar $v) b[$v]=$(pod_ip default/b $v) c[$v]=$(pod_ip default/c $v); done
mac_of() { at "$1" ip -o link show dev eth0 | sed -E "s,.*link/ether ([^ ]+).*,\1,"; }
own=$(mac_of default/liar) other=$(mac_of default/b)

# What arrives where it should not: the markers in the ports tell the frames apart.
declare -A watcher
watch() { # WHERE DEVICE
	at "$1" tcpdump -n -e -l -i "$2" 'udp or icmp6 or arp or igmp' >"$W/seen-${1//\//-}" 2>"$W/watch-${1//\//-}.log" &
	watcher[$1]=$!
	wait_for 5 grep -q listening "$W/watch-${1//\//-}.log" || bail "tcpdump does not start"
}
watch default/b eth0
watch default/c eth0
watch n1 eth0
arrived() { # WHERE PATTERN
	sleep 0.2
	cat "$W/seen-${1//\//-}"
}
lie() { wire default/liar frame eth0 "$@"; }

for v in 4 6; do
	lie "$own" $HOST_MAC udp "${liar[$v]}" "${b[$v]}" 4001 5001
	check_match "the truth arrives over IPv$v" "$(arrived default/b)" "4001 > .*5001"
	lie "$own" $HOST_MAC udp "${c[$v]}" "${b[$v]}" 4002 5002
	lie "$own" $HOST_MAC udp "${node[$v]}" "${b[$v]}" 4002 5002
	lie "$own" $HOST_MAC udp "${world[$v]}" "${b[$v]}" 4002 5002
	lie "$own" $HOST_MAC udp "${c[$v]}" "${world[$v]}" 4002 5002
	check_no_match "another's address does not arrive at a pod over IPv$v" "$(arrived default/b)" "4002 > .*5002"
	check_no_match "another's address does not leave the node over IPv$v" "$(arrived n1)" "4002 > .*5002"
	for src in "${c[$v]}" "${node[$v]}" "${world[$v]}"; do
		check_flow "the source $src is reported as a lie" n1 "IP.source=$src" verdict=DROPPED \
			drop_reason_desc=INVALID_SOURCE_IP traffic_direction=EGRESS l4.UDP.source_port=4002
	done
	lie "$other" $HOST_MAC udp "${liar[$v]}" "${b[$v]}" 4003 5003
	check_no_match "another's MAC does not arrive over IPv$v" "$(arrived default/b)" "4003 > .*5003"
	check_flow "another's MAC is reported over IPv$v" n1 "IP.source=${liar[$v]}" verdict=DROPPED \
		drop_reason_desc=INVALID_SOURCE_MAC l4.UDP.source_port=4003

	# On a connection that exists: the fast path looks as closely.
	wire default/c who "${c[$v]}" 7000 &
	wait_for 10 listens default/c udp 7000
	wire default/b ask udp "${c[$v]}" 7000 4010 >/dev/null
	lie "$own" $HOST_MAC udp "${b[$v]}" "${c[$v]}" 4010 7000
	check_flow "another pod's connection cannot be joined over IPv$v" n1 "IP.source=${b[$v]}" verdict=DROPPED \
		drop_reason_desc=INVALID_SOURCE_IP l4.UDP.source_port=4010

	# From outside.
	uplink=$(mac_of n1)
	for src in "${c[$v]}" "${node[$v]}"; do
		wire world frame out0 02:00:00:00:00:01 "$uplink" udp "$src" "${b[$v]}" 4004 5004
		check_flow "from outside, the source $src is a lie" n1 "IP.source=$src" verdict=DROPPED \
			drop_reason_desc=INVALID_SOURCE_IP traffic_direction=INGRESS l4.UDP.source_port=4004
	done
	check_no_match "it arrives at no pod over IPv$v" "$(arrived default/b)" "4004 > .*5004"
	wire n1 who "${node[$v]}" 7001 &
	wait_for 10 listens n1 udp 7001
	wire world frame out0 02:00:00:00:00:01 "$uplink" udp "${c[$v]}" "${node[$v]}" 4005 7001
	check_no_match "nor does the node answer to it over IPv$v" "$(arrived default/c)" "7001 > .*4005"
	check_flow "a lie to the node is reported over IPv$v" n1 "IP.source=${c[$v]}" verdict=DROPPED \
		drop_reason_desc=INVALID_SOURCE_IP destination.identity=1 l4.UDP.source_port=4005
done

# A pod with another pod's address: it may take it, it cannot use it.
at default/liar ip addr add "${c[4]}/32" dev eth0
at default/liar ip -6 addr add "${c[6]}/128" dev eth0 nodad
serve_tcp default/b 80
for v in 4 6; do
	check "with its own address a pod is heard over IPv$v" at default/liar nc -z -w 2 -s "${liar[$v]}" "${b[$v]}" 80
	check_not "with another's it is not over IPv$v" at default/liar nc -z -w 1 -s "${c[$v]}" "${b[$v]}" 80
	check "the owner still is over IPv$v" tcp default/c "${b[$v]}" 80
done
at default/liar ip addr del "${c[4]}/32" dev eth0
at default/liar ip -6 addr del "${c[6]}/128" dev eth0

# Routers and neighbours it is not.
ll=fe80::c54:ff:fe00:1
before=$(at n1 ip -6 route | sort; at n1 ip neigh | grep -c .)
for kind in rs ra na redirect; do
	lie "$own" 33:33:00:00:00:01 $kind $ll ff02::1 "${c[6]}"
	lie "$own" $HOST_MAC $kind $ll "${node[6]}" "${c[6]}"
	lie "$own" $HOST_MAC $kind "${liar[6]}" "${b[6]}" "${c[6]}"
	lie "$own" "$other" $kind $ll "${b[6]}" "${c[6]}"
done
lie "$own" $HOST_MAC ns "${liar[6]}" "${b[6]}" "${b[6]}"
lie "$own" 33:33:00:00:00:01 ns $ll ff02::1 "${c[6]}"
lie "$own" ff:ff:ff:ff:ff:ff arp "${liar[4]}" "${b[4]}"
check_no_match "no advertisement, solicitation or redirect of a pod reaches another" "$(arrived default/b)" \
	"(router|neighbor) (advertisement|solicitation)|redirect|ARP"
check_no_match "nor leaves the node" "$(arrived n1)" "fe80::c54:ff:fe00:1 >|> ff02::1:ff.*fe80::c54:ff:fe00:1"
lie "$own" ff:ff:ff:ff:ff:ff arp "${c[4]}" "${node[4]}"
wire default/liar neighbours eth0 "$own" ff:ff:ff:ff:ff:ff arp "${node[4]}" 300
wire default/liar neighbours eth0 "$own" ff:ff:ff:ff:ff:ff arp 169.254.1.1 300
wire default/liar neighbours eth0 "$own" $HOST_MAC ns fe80::1 300
wire default/liar neighbours eth0 "$own" $HOST_MAC ns "${node[6]}" 300
check_equal "nor changes the node's routes or fills its table of neighbours" \
	"$(at n1 ip -6 route | sort; at n1 ip neigh | grep -c .)" "$before"
check_equal "c is where it was" "$(at n1 ip neigh show "${c[4]}" | grep -oE '([0-9a-f]{2}:){5}..')" "$(mac_of default/c)"

# With the gateway's MAC forgotten, asking for it still works: nothing of the node is out of reach.
check "the node is reachable in the end" icmp default/liar "${node[4]}"
check "and over IPv6" icmp default/liar "${node[6]}"
finish
