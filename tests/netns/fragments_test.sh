#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Packets too large and errors about packets: fragments, path MTU, unreachable ports and hosts, and
# traceroute, with and without masquerade, through a router with a narrow link behind it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/traffic.sh"
sandbox_enter fragments "$@"

node_new n1
world_route_pods n1
# world (the router) --- 1400 bytes --- far, on two addresses: masqueraded, and not.
netns_new far
ip link add tofar type veth peer name eth0 netns "$W/ns/far"
ip addr add 172.31.9.1/30 dev tofar
ip -6 addr add fd31::1/64 dev tofar nodad
ip link set tofar mtu 1400 up
on far ip link set eth0 up
on far ip addr add 172.31.9.2/30 dev eth0
on far ip -6 addr add fd31::2/64 dev eth0 nodad
for n in 1 2; do
	on far ip addr add 203.0.113.$n/32 dev lo
	on far ip -6 addr add 2001:db8:f::$n/128 dev lo nodad
done
# It sends nothing too large itself, but announces segments of full size: senders must be told.
on far ip route add default via 172.31.9.1 mtu 1400 advmss 1460
on far ip -6 route add default via fd31::1 mtu 1400 advmss 1440
ip route add 203.0.113.0/24 via 172.31.9.2
ip -6 route add 2001:db8:f::/64 via fd31::2
# Errors must not be held back: several are wanted in a short time.
for where in world far n1; do
	at $where sysctl -q -w net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
done

start_agent n1 --no_masquerade=203.0.113.2/32,2001:db8:f::2/128 --report_interval=0
start_observer n1
run_pod n1 default/a app=a
run_pod n1 default/b app=b
declare -A a b hidden=([4]=203.0.113.1 [6]=2001:db8:f::1) plain=([4]=203.0.113.2 [6]=2001:db8:f::2)
declare -A router=([4]=192.168.50.1 [6]=fd50::1) nowhere=([4]=203.0.113.99 [6]=2001:db8:f::99)
for v in 4 6; do a[$v]=$(pod_ip default/a $v) b[$v]=$(pod_ip default/b $v); done

# Only what a asks for comes in: errors and fragments must be known to belong to its connections.
apply n1 <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: default}
spec:
  podSelector: {matchLabels: {app: a}}
  policyTypes: [Ingress]
END
on far ip route add unreachable 203.0.113.99 2>/dev/null
on far ip -6 route add unreachable 2001:db8:f::99 2>/dev/null
on far sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

for v in 4 6; do
	wire default/b echo_udp "${b[$v]}" 9000 &
	wire far echo_udp "${hidden[$v]}" 9000 &
	wire far echo_udp "${plain[$v]}" 9000 &
done
wait_for 10 listens default/b udp 9000 && wait_for 10 listens far udp 9000 || bail "no UDP servers"
serve_tcp default/b 80
on far socat -t 10 -T 30 TCP6-LISTEN:80,ipv6only=0,reuseaddr,fork SYSTEM:sha1sum 2>/dev/null &
wait_for 10 listens far tcp 80 || bail "no TCP server"
head -c 3000000 /dev/urandom >"$W/data"
sum=$(sha1sum <"$W/data")
mtu_of() { # WHERE ADDRESS: the path MTU its stack has learnt
	at "$1" ip -o route get "$2" | grep -oE 'mtu [0-9]+' | cut -d' ' -f2
}
related() { # NAME DESTINATION SOURCE
	check_flow "$1 is reported as related" n1 "IP.source=$3" "IP.destination=$2" verdict=FORWARDED trace_reason=RELATED
}
udp_hop() { # ADDRESS TTL: what a datagram that old runs into
	at default/a "$PYTHON" -c '
import socket, struct, sys
to, ttl = sys.argv[1], int(sys.argv[2])
six = ":" in to
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
s.setsockopt(level, 25 if six else 11, 1)
s.setsockopt(level, socket.IPV6_UNICAST_HOPS if six else socket.IP_TTL, ttl)
s.settimeout(2)
s.connect((to, 33434 + ttl))
s.send(b"trace")
try:
    s.recv(10)
except OSError:
    pass
try:
    _, anc, _, _ = s.recvmsg(100, 512, socket.MSG_ERRQUEUE)
except OSError:
    print("nothing")
    sys.exit()
data = anc[0][2]
kind, code = data[5], data[6]
off = 16 + (8 if six else 4)
print(socket.inet_ntop(s.family, data[off:off + (16 if six else 4)]), kind, code)' "$1" "$2"
}
host_unreachable() {
	wire default/a send_udp "$1" 9 | grep -E 'EHOSTUNREACH|ENETUNREACH|EACCES'
}
for v in 4 6; do
	[ $v = 4 ] && tcp=TCP4: udp_unreachable="3 3" exceeded="11 0" || tcp=TCP6: udp_unreachable="1 4" exceeded="3 0"
	# The first to find the narrow link is a fragment: what it is told must be known as the connection's.
	for size in 4000 1400 1473 20000 60000; do
		check_equal "$size bytes of UDP between pods over IPv$v" "$(wire default/a big_udp "${b[$v]}" 9000 $size)" whole
		check_equal "$size bytes of UDP to the outside and back over IPv$v" \
			"$(wire default/a big_udp "${plain[$v]}" 9000 $size)" whole
		check_equal "$size bytes of UDP, masqueraded, over IPv$v" \
			"$(wire default/a big_udp "${hidden[$v]}" 9000 $size)" whole
	done
	check "an echo in fragments over IPv$v" at default/a ping -q -n -c 1 -W 2 -s 5000 "${hidden[$v]}"
	check "an echo of full size between pods over IPv$v" \
		at default/a ping -q -n -c 1 -W 2 -M "do" -s $((v == 4 ? 1472 : 1452)) "${b[$v]}"

	for to in hidden plain; do
		declare -n address=$to
		dest=${address[$v]}
		[ $v = 4 ] || dest=[$dest]
		check_equal "TCP finds the narrow link over IPv$v ($to)" \
			"$(at default/a timeout 20 socat -t 8 - "$tcp$dest:80" <"$W/data")" "$sum"
		check_equal "the pod has learnt the path MTU over IPv$v ($to)" "$(mtu_of default/a "${address[$v]}")" 1400
		at default/a sysctl -q -w net.ipv6.route.flush=1 # what the kernel does by itself every half minute
		check_equal "and keeps it over IPv$v ($to)" "$(mtu_of default/a "${address[$v]}")" 1400
		related "'too big' from the router over IPv$v ($to)" "${a[$v]}" "${router[$v]}"
		check_equal "an unreachable port outside is told over IPv$v ($to)" \
			"$(wire default/a send_udp "${address[$v]}" 9)" ECONNREFUSED
		related "'port unreachable' over IPv$v ($to)" "${a[$v]}" "${address[$v]}"
		check_equal "hop 1 is the node over IPv$v ($to)" "$(udp_hop "${address[$v]}" 1)" \
			"$([ $v = 4 ] && echo "${NODE_IP4[n1]}" || echo "${NODE_IP6[n1]}") $exceeded"
		check_equal "hop 2 is the router over IPv$v ($to)" "$(udp_hop "${address[$v]}" 2)" "${router[$v]} $exceeded"
		check_equal "hop 3 is the end over IPv$v ($to)" "$(udp_hop "${address[$v]}" 3)" "${address[$v]} $udp_unreachable"
	done
	# Its router tells one peer once a second at most.
	check "an unreachable host is told over IPv$v" wait_for 8 host_unreachable "${nowhere[$v]}"
	check_equal "an unreachable port of a pod is told over IPv$v" "$(wire default/a send_udp "${b[$v]}" 9)" ECONNREFUSED
	check_equal "hop 1 towards another pod is the node over IPv$v" "$(udp_hop "${b[$v]}" 1)" \
		"$([ $v = 4 ] && echo "${NODE_IP4[n1]}" || echo "${NODE_IP6[n1]}") $exceeded"
done

# An error about no connection of the pod is a packet like any other: denied.
check_not "the outside cannot open a connection to a" icmp world "${a[4]}"
wire world frame out0 02:00:00:00:00:01 "$(at n1 ip -o link show dev eth0 | sed -E "s,.*ether ([^ ]+).*,\1,")" udp 203.0.113.77 "${a[4]}" 1 1
check_flow "and this is reported as a default deny" n1 "IP.destination=${a[4]}" verdict=DROPPED \
	drop_reason_desc=POLICY_DENIED traffic_direction=INGRESS
finish
