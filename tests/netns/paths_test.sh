#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every way a packet can take between pods, their node and the outside, with and without masquerade:
# who sees whom, hops, checksums, much data, and what was reported of it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/traffic.sh"
sandbox_enter paths "$@"

node_new n1
world_route_pods n1
ip addr add 198.51.101.1/32 dev lo
ip -6 addr add 2001:db8:101::1/128 dev lo nodad
start_agent n1 --no_masquerade=198.51.101.0/24,2001:db8:101::/48
start_observer n1
run_pod n1 default/a app=a
run_pod n1 default/b app=b
declare -A a b node world=([4]=$WORLD4 [6]=$WORLD6) plain=([4]=198.51.101.1 [6]=2001:db8:101::1)
for v in 4 6; do a[$v]=$(pod_ip default/a $v) b[$v]=$(pod_ip default/b $v); done
node=([4]=${NODE_IP4[n1]} [6]=${NODE_IP6[n1]})
for v in 4 6; do
	serve_who default/b "${b[$v]}" 7000
	serve_who n1 "${node[$v]}" 7000
	serve_who world "${world[$v]}" 7000
	serve_who world "${plain[$v]}" 7000
done

# sees NAME WHERE PROTOCOL TARGET EXPECTED-SOURCE
sees() {
	check_equal "$1" "$(wire "$2" ask "$3" "$4" 7000 | cut -d' ' -f1)" "$5"
}
# Hops left of an echo reply's way: the replier starts with 64.
hops() { # WHERE ADDRESS
	at "$1" ping -n -c 1 -W 2 "$2" | sed -nE 's/.*(ttl|hlim|hop limit)=([0-9]+).*/\2/p'
}

for v in 4 6; do
	for p in tcp udp; do
		sees "pod to pod, $p over IPv$v: its own address" default/a $p "${b[$v]}" "${a[$v]}"
		sees "pod to node, $p over IPv$v: its own address" default/a $p "${node[$v]}" "${a[$v]}"
		sees "node to pod, $p over IPv$v" n1 $p "${b[$v]}" "$([ $v = 4 ] && echo "${node[4]}" || echo "${node[6]}")"
		sees "pod to outside, $p over IPv$v: the node's address" default/a $p "${world[$v]}" "${node[$v]}"
		sees "pod to an excepted prefix, $p over IPv$v: its own address" default/a $p "${plain[$v]}" "${a[$v]}"
		at_world=$([ $v = 4 ] && echo 192.168.50.1 || echo fd50::1)
		sees "outside to pod, $p over IPv$v: the outside's address" world $p "${b[$v]}" "$at_world"
	done
	for where in default/b n1 world; do
		case $where in default/b) to=${b[$v]} ;; n1) to=${node[$v]} ;; *) to=${world[$v]} ;; esac
		check "echo from a pod to $where over IPv$v" icmp default/a "$to"
		check "echo from $where to a pod over IPv$v" icmp "$where" "${a[$v]}"
	done
	check_equal "one hop between pods over IPv$v" "$(hops default/a "${b[$v]}")" 63
	check_equal "no hop between pod and node over IPv$v" "$(hops default/a "${node[$v]}")" 64
	check_equal "one hop between pod and outside over IPv$v" "$(hops default/a "${world[$v]}")" 63
	port=$(wire default/a ask tcp "${world[$v]}" 7000 40000 | cut -d' ' -f2)
	check "a port of the node's own sockets is exchanged over IPv$v" test "$port" -ge 61000
	check_equal "a port of the range is kept over IPv$v" \
		"$(wire default/a ask tcp "${world[$v]}" 7000 62000 | cut -d' ' -f2)" 62000

	ip="IP.destination"
	check_flow "pod to pod over IPv$v is reported to-endpoint" n1 "IP.source=${a[$v]}" "$ip=${b[$v]}" \
		verdict=FORWARDED trace_observation_point=TO_ENDPOINT traffic_direction=INGRESS is_reply=False
	check_flow "its reply over IPv$v" n1 "IP.source=${b[$v]}" "$ip=${a[$v]}" verdict=FORWARDED is_reply=True
	check_flow "pod to node over IPv$v is reported to-host" n1 "IP.source=${a[$v]}" "$ip=${node[$v]}" \
		verdict=FORWARDED trace_observation_point=TO_HOST destination.identity=1
	check_flow "node to pod over IPv$v is the host's" n1 "IP.source=${node[$v]}" "$ip=${b[$v]}" \
		verdict=FORWARDED source.identity=1
	check_flow "pod to outside over IPv$v is reported to-stack, with both sources" n1 "IP.source=${a[$v]}" \
		"IP.source_xlated=${node[$v]}" "$ip=${world[$v]}" verdict=FORWARDED destination.identity=2
	check_flow "without masquerade over IPv$v there is one source" n1 "IP.source=${a[$v]}" \
		"IP.source_xlated!" "$ip=${plain[$v]}" verdict=FORWARDED destination.identity=2
	check_flow "outside to pod over IPv$v is the world's" n1 "IP.source=$at_world" "$ip=${b[$v]}" \
		verdict=FORWARDED source.identity=2 traffic_direction=INGRESS
done

# Checksums as they are in the frames, once no device is left that would complete them later.
capture() { # WHERE DEVICE FILE FILTER
	at "$1" tcpdump -n -i "$2" -U -w "$W/$3" "$4" 2>"$W/$3.log" &
	wait_for 5 grep -q listening "$W/$3.log" || bail "tcpdump does not start"
}
offload() { # on|off
	at default/a ethtool -K eth0 tx "$1" tso "$1" gso "$1" >/dev/null 2>&1
	at default/b ethtool -K eth0 tx "$1" tso "$1" gso "$1" >/dev/null 2>&1
	at n1 ethtool -K eth0 tx "$1" tso "$1" gso "$1" >/dev/null 2>&1
	ethtool -K up1 tx "$1" tso "$1" gso "$1" >/dev/null 2>&1
}
for where in default/b world; do
	at $where socat -t 10 -T 30 TCP6-LISTEN:7200,ipv6only=0,reuseaddr,fork SYSTEM:'sha1sum' 2>/dev/null &
	wait_for 10 listens $where tcp 7200 || bail "no server"
done
head -c 100000000 /dev/urandom >"$W/data"
sum=$(sha1sum <"$W/data")
for state in off on; do
	offload $state
	if [ $state = off ]; then
		capture default/b eth0 pod.pcap 'not arp and not port 7200'
		out=$!
		capture world up1 out.pcap 'not arp and not port 7200'
		out="$out $!"
	fi
	for v in 4 6; do
		for p in tcp udp; do
			sees "offloads $state: pod to pod, $p over IPv$v" default/a $p "${b[$v]}" "${a[$v]}"
			sees "offloads $state: pod to outside, $p over IPv$v" default/a $p "${world[$v]}" "${node[$v]}"
		done
		check "offloads $state: echo over IPv$v" icmp default/a "${world[$v]}"
		for to in "${b[$v]}" "${world[$v]}"; do
			[ $v = 4 ] && dest=TCP4:$to:7200 || dest="TCP6:[$to]:7200"
			check_equal "offloads $state: 100 MB arrive whole at $to" \
				"$(at default/a timeout 30 socat -t 10 - "$dest" <"$W/data")" "$sum"
		done
	done
	if [ $state = off ]; then
		sleep 0.3
		# shellcheck disable=SC2086 # two numbers
		kill $out
		for file in pod out; do
			tcpdump -n -vv -r "$W/$file.pcap" >"$W/$file.txt" 2>/dev/null
			check "the capture on $file is not empty" test "$(grep -cE 'cksum|sum ok' "$W/$file.txt")" -ge 12
			check_no_match "every checksum on $file is right" "$(cat "$W/$file.txt")" 'incorrect|bad (udp|icmp|tcp)? ?cksum|wrong'
		done
	fi
done
finish
