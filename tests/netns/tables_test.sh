#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# States and timeouts of connections, full tables, and a flood of attempts beside live connections.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/traffic.sh"
sandbox_enter tables "$@"

node_new n1
world_route_pods n1
short="--ct.tcp_time_wait=2 --ct.tcp_closing=2 --ct.tcp_reset=2 --ct.udp=2 --ct.udp_stream=3 --ct.icmp=2"
# shellcheck disable=SC2086 # several arguments
start_agent n1 $short
start_observer n1
run_pod n1 default/a app=a
run_pod n1 default/b app=b
run_pod n1 default/mad app=mad
declare -A a b world=([4]=$WORLD4 [6]=$WORLD6)
for v in 4 6; do a[$v]=$(pod_ip default/a $v) b[$v]=$(pod_ip default/b $v); done
state() { # FAMILY PROTOCOL SOURCE-PORT
	td n1 ct list -o json | "$PYTHON" -c '
import json, sys
want, protocol = sys.argv[1:]
print(*[c["state"] for c in json.load(sys.stdin)["connections"] if c["source"] == want and c["protocol"] == protocol])' \
		"$([ "$1" = 4 ] && echo "${a[4]}:$3" || echo "[${a[6]}]:$3")" "$2"
}
state_is() { [ "$(state "$1" "$2" "$3")" = "$4" ]; }
reset_close() { # ADDRESS PORT OWN-PORT: closes by RST
	at default/a "$PYTHON" -c '
import socket, struct, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1) # the other family may rest in TIME_WAIT there
s.bind(("::" if ":" in sys.argv[1] else "", int(sys.argv[3])))
s.connect((sys.argv[1], int(sys.argv[2])))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()' "$1" "$2" "$3"
}
for v in 4 6; do
	serve_who default/b "${b[$v]}" 7000
	serve_many default/b "${b[$v]}" 8$v
done
for v in 4 6; do
	echo x | at default/a nc -u -w 1 -p 4101 "${b[$v]}" 7001 >/dev/null 2>&1 || true
	check_match "UDP without an answer is new over IPv$v" "$(state $v UDP 4101)" 'new|^$'
	wire default/a ask udp "${b[$v]}" 7000 4102 >/dev/null
	check_equal "UDP with an answer is established over IPv$v" "$(state $v UDP 4102)" established
	# The server closes first, then the client.
	wire default/a ask tcp "${b[$v]}" 7000 4103 >/dev/null
	check "a TCP connection closed from both sides is in time-wait over IPv$v" wait_for 2 state_is $v TCP 4103 time-wait
	# The other way round.
	wire default/a connect "${b[$v]}" 8$v 411$v >/dev/null
	check "closed by the client first likewise over IPv$v" wait_for 2 state_is $v TCP 411$v time-wait
	reset_close "${b[$v]}" 8$v 4105
	check "a TCP connection ended by RST is reset over IPv$v" wait_for 2 state_is $v TCP 4105 reset
	# The port again, while the entry waits.
	reset_close "${b[$v]}" 8$v 4105
	check_equal "its port can be used at once over IPv$v" "$(wire default/a ask tcp "${b[$v]}" 7000 4105 | cut -d' ' -f2)" 4105
	wire default/b simultaneous "${a[$v]}" 4106 4107 >"$W/simultaneous" &
	check_equal "a simultaneous open works over IPv$v" "$(wire default/a simultaneous "${b[$v]}" 4107 4106)" hello
	hold default/a "${b[$v]}" 8$v 100 calm$v
done
held=$(connections n1 protocol=TCP state=established)
check "the connections held are established" test "$held" -ge 200

# Expiry is within a round of the timer, 10 s.
gone() { [ "$(connections n1 state=time-wait) $(connections n1 state=reset) $(connections n1 protocol=UDP)" = "0 0 0" ]; }
check "closed and silent connections are gone in time" wait_for 16 gone

# A flood of attempts, of a pod with its own address and of every port.
mad_mac=$(at default/mad ip -o link show dev eth0 | sed -E 's,.*ether ([^ ]+).*,\1,')
for v in 4 6; do
	wire default/mad flood eth0 "$mad_mac" $HOST_MAC "$(pod_ip default/mad $v)" "${b[$v]}" 8000 50000 &
	floods="${floods:-} $!"
done
for v in 4 6; do
	check_equal "in the flood: all connections answer over IPv$v" "$(alive calm$v)" 100
	check_equal "in the flood: a new connection works over IPv$v" "$(wire default/a ask tcp "${b[$v]}" 7000 | cut -d' ' -f1)" "${a[$v]}"
done
# shellcheck disable=SC2086 # several numbers
wait $floods
for v in 4 6; do
	check_equal "after 100,000 attempts: all connections answer over IPv$v" "$(alive calm$v)" 100
done
used=$(td n1 status -o json | "$PYTHON" -c '
import json, sys
print(next(m["used"] for m in json.load(sys.stdin)["maps"] if m["name"] == "td_ct"))')
check "the flood took no place of established connections" test "$used" -le 230

# Tables that hold nearly nothing.
for v in 4 6; do serve_many world "${world[$v]}" 9$v; done
stop_observer n1
stop_agent n1
td n1 cleanup >/dev/null 2>&1 || note "no cleanup"
node_new n2
start_agent n2 --maps.ct=256 --maps.ct_new=512 --maps.nat=256 --maps.policy=256
start_observer n2
run_pod n2 default/x app=x
run_pod n2 default/y app=back
declare -A y
for v in 4 6; do
	y[$v]=$(pod_ip default/y $v)
	serve_many default/y "${y[$v]}" 8$v
done
TRY_SECONDS=0.5 hold default/x "${world[4]}" 94 266 outside 60
check_equal "masquerade: as many connections as td_nat holds" "$(alive outside)" 256
check_flow "the others are dropped, and told so" n2 "IP.destination=${world[4]}" verdict=DROPPED \
	drop_reason_desc=NO_MAPPING_FOR_NAT_MASQUERADE
hold default/x "${y[4]}" 84 100 inside
check_equal "with td_ct full, connections are tracked beside it" "$(alive inside)" 100
check_equal "and the established ones stay" "$(alive outside)" 256
check_match "status says what is full" "$(td n2 status || true)" 'td_ct|td_nat|full'
note "$(td n2 status || true)"
{
	cat <<'END'
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: many, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: back}}
  ingress:
  - fromEndpoints: [{}]
  - fromCIDR:
END
	for n in $(seq 1 400); do echo "    - 203.$((n / 250)).$((n % 250)).0/24"; done
} | apply n2
check_not "a policy that does not fit locks down whom it selects" tcp default/x "${y[4]}" 84
check_match "and status says so" "$(td n2 status || true)" 'polic'
finish
