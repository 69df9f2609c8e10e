#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent comes back with another range of masquerade's ports, and another prefix for pods: what was
# made under the last ones goes on, and is looked for as long as there is any of it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/traffic.sh"
sandbox_enter wide "$@"

NAT_WIDE=8 PODS_WIDE=16 # TD_CONFIG_*
set_in_force() { # FLAG
	local flags
	flags=$(bpftool -j map dump pinned "$W/n1/bpf/tendril/maps/td_config" | jq '.[0].formatted.value.flags')
	[ $((flags & $1)) != 0 ]
}
clear() { ! set_in_force "$1"; }
nat_ports() { # PROTOCOL: local ports of the mappings there are
	bpftool -j map dump pinned "$W/n1/bpf/tendril/maps/td_nat" |
		jq -r --argjson protocol "$1" '.[].formatted.key | select(.protocol == $protocol) | .local_port' |
		while read -r port; do echo $((port >> 8 | (port & 255) << 8)); done | sort -n
}
holders() { at default/a ss -Htnp 'dport = :8000' | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u; }
outside() { nat_ports 6 | awk -v min="$1" -v max="$2" '$1 < min || $1 > max' | wc -l; }
# A connection that has ended is forgotten within seconds.
restart_agent() { # OPTIONS...
	[ ! -e "$W/n1/agent.pid" ] || kill9_agent n1
	start_agent n1 --ct.tcp_time_wait=1 --drop_report_interval=0 "$@"
}

node_new n1
restart_agent
start_observer n1
run_pod n1 default/a app=a
serve_who n1 "${NODE_IP4[n1]}" 7004
for v in 4 6; do
	[ $v = 4 ] && address=$WORLD4 || address=$WORLD6
	serve_many world "$address" 8000
	hold default/a "$address" 8000 3 $v
done
old=$(holders)
check "nothing was made before: soon only the range is looked up" wait_for 10 clear $NAT_WIDE
check_equal "the default range is worn" "$(outside 61000 65535)" 0

restart_agent --nat_port_min=50000 --nat_port_max=50099
check "another range: ports outside it are still looked up" set_in_force $NAT_WIDE
for v in 4 6; do check_equal "connections of the last range go on over IPv$v" "$(alive $v)" 3; done
sleep 3
check "as long as there are some" set_in_force $NAT_WIDE
for v in 4 6; do check_equal "and they go on over IPv$v" "$(alive $v)" 3; done
check_equal "all of them are outside" "$(outside 50000 50099)" 6
hold default/a "$WORLD4" 8000 2 new
check_equal "new ones wear the new range" "$(outside 50000 50099)" 6
check_equal "and work" "$(alive new)" 2

restart_agent --nat_port_min=50000 --nat_port_max=50099
check "a restart with the same range finds them again" set_in_force $NAT_WIDE
sleep 3
check "and keeps looking" set_in_force $NAT_WIDE
for v in 4 6; do check_equal "they go on over IPv$v" "$(alive $v)" 3; done

# shellcheck disable=SC2086
kill -KILL $old
forgotten() { [ "$(outside 50000 50099)" = 0 ]; }
check "ended, they are forgotten" wait_for 60 forgotten
check "then only the range is looked up" wait_for 5 clear $NAT_WIDE
check_equal "those of the range go on" "$(alive new)" 2

# --- addresses of pods
check "no pod is outside the prefixes" clear $PODS_WIDE
uplink=$(at n1 ip -o link show dev eth0 | sed -E 's,.*link/ether ([^ ]+).*,\1,')
lie() { # SOURCE TO PORT: from the world
	wire world frame out0 02:00:00:00:00:01 "$uplink" udp "$1" "$2" "$3" 7004
}
check_lie() { # NAME POD PORT
	local v
	for v in 4 6; do
		lie "$(pod_ip "$2" $v)" "$([ $v = 4 ] && echo "${NODE_IP4[n1]}" || echo "${NODE_IP6[n1]}")" "$3"
		check_flow "$1: from outside, the address of $2 is a lie to the node over IPv$v" n1 \
			"IP.source=$(pod_ip "$2" $v)" verdict=DROPPED drop_reason_desc=INVALID_SOURCE_IP "l4.UDP.source_port=$3"
	done
}
check_lie "inside the prefixes" default/a 4001
restart_agent --ipam.ipv4=10.161.0.0/24 --ipam.ipv6=fd61::/112
run_pod n1 default/b app=b
check_match "other prefixes: new pods have an address of theirs" "$(pod_ip default/b 4)" '^10\.161\.'
check_match "the old one keeps its own" "$(pod_ip default/a 4)" '^10\.61\.'
sleep 3
check "and is still looked up" set_in_force $PODS_WIDE
check_lie "beside the prefixes" default/a 4002
check_lie "within them" default/b 4003
stop_pod default/a
check "gone, it is not" wait_for 10 clear $PODS_WIDE
check_lie "when all are within" default/b 4004
check "the node is reached meanwhile" at world nc -z -w 2 "${NODE_IP4[n1]}" 7004
finish
