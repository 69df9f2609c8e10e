# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Nodes, agents and pods for the tests in network namespaces. docs/testing.md has an example.
#
#	. "$(dirname "$0")/lib.sh"
#	sandbox_enter two_pods "$@"
#	node_new n1
#	start_agent n1
#	run_pod n1 default/web app=web
#
# The sandbox's base network namespace is the world: it has 198.51.100.1 and 2001:db8:100::1 and
# routes between the nodes. Node number N has 192.168.50.(10+N) and fd50::(10+N) on eth0, pods from
# 10.(60+N).0.0/24 and fd60:N::/112.

. "$(dirname "${BASH_SOURCE[0]}")/../lib/sandbox.sh"

# The system's own: a version manager's costs as much again as a small program's whole run.
PYTHON=$(PATH=/usr/bin:$PATH command -v python3)
WORLD4=198.51.100.1 WORLD6=2001:db8:100::1
declare -A NODE_NUMBER NODE_IP4 NODE_IP6 NODE_POD4 NODE_POD6 POD_PID

world_new() {
	ip link add out0 type bridge
	ip link set out0 up
	ip addr add 192.168.50.1/24 dev out0
	ip -6 addr add fd50::1/64 dev out0 nodad
	ip addr add $WORLD4/32 dev lo
	ip -6 addr add $WORLD6/128 dev lo nodad
}

node_new() { # NAME
	local name=$1 n=$((${#NODE_NUMBER[@]} + 1)) dir
	[ "$n" -gt 1 ] || world_new
	dir=$W/$name
	mkdir -p "$dir"/{run,state,bpf,objects}
	mount -t bpf bpf "$dir/bpf" || bail "cannot mount a bpffs"
	NODE_NUMBER[$name]=$n
	NODE_IP4[$name]=192.168.50.$((10 + n)) NODE_IP6[$name]=fd50::$((10 + n))
	NODE_POD4[$name]=10.$((60 + n)).0.0/24 NODE_POD6[$name]=fd60:$n::/112
	netns_new "$name"
	ip link add "up$n" type veth peer name eth0 netns "$W/ns/$name"
	ip link set "up$n" master out0 up
	on "$name" ip link set eth0 up
	on "$name" ip addr add "${NODE_IP4[$name]}/24" dev eth0
	on "$name" ip -6 addr add "${NODE_IP6[$name]}/64" dev eth0 nodad
	on "$name" ip route add default via 192.168.50.1
	on "$name" ip -6 route add default via fd50::1
	on "$name" sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	mkdir -p "$CG/$name"
}

# The world reaches the node's pods by their own addresses (routed, not masqueraded).
world_route_pods() { # NODE
	ip route replace "${NODE_POD4[$1]}" via "${NODE_IP4[$1]}"
	ip -6 route replace "${NODE_POD6[$1]}" via "${NODE_IP6[$1]}"
}

# --- agent and observer ---

agent_config() { # NODE: the whole of it, so that nothing of the host's is used
	local dir=$W/$1
	cat <<END
node_name: $1
instance: n${NODE_NUMBER[$1]}
run_dir: $dir/run
state_dir: $dir/state
bpf_dir: $dir/bpf/tendril
objects_dir: $dir/objects
inventory: {dir: $dir/inventory}
cgroup_root: $CG/$1
devices: [eth0]
ipam:
  ipv4: ${NODE_POD4[$1]}
  ipv6: ${NODE_POD6[$1]}
END
}

need_program() { # NAME
	[ -x "$TD_BUILD/$1" ] || bail "$TD_BUILD/$1 is not built"
}

# start_agent NODE [--key=value...]: returns when it is ready. TD_AGENT names another build's program.
start_agent() {
	local node=$1 dir=$W/$1
	shift
	need_program tendrild
	agent_config "$node" >"$dir/tendril.yaml"
	# Not by on(): $! must be the program, not a shell that waits for it.
	nsenter --net="$W/ns/$node" "${TD_AGENT:-$TD_BUILD/tendrild}" --config="$dir/tendril.yaml" "$@" >>"$dir/agent.log" 2>&1 &
	echo $! >"$dir/agent.pid"
	wait_for 20 td "$node" status || bail "tendrild of $node is not ready after 20 s"
}
stop_one() { # PIDFILE SIGNAL
	local pid
	pid=$(cat "$1") || return 1
	kill "-$2" "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	rm -f "$1"
}
stop_agent() { stop_one "$W/$1/agent.pid" TERM; }
kill9_agent() { stop_one "$W/$1/agent.pid" KILL; }

start_observer() { # NODE [--key=value...]: after start_agent, whose configuration it shares
	local node=$1 dir=$W/$1
	shift
	need_program tendril-observer
	nsenter --net="$W/ns/$node" "$TD_BUILD/tendril-observer" --config="$dir/tendril.yaml" "$@" >>"$dir/observer.log" 2>&1 &
	echo $! >"$dir/observer.pid"
	wait_for 20 test -S "$dir/run/grpc.sock" || bail "tendril-observer of $node is not ready after 20 s"
	[ ! -e "$dir/agent.pid" ] || wait_for 20 grep -q 'connected to tendrild' "$dir/observer.log" ||
		bail "tendril-observer of $node does not reach tendrild"
}
stop_observer() { stop_one "$W/$1/observer.pid" TERM; }
kill9_observer() { stop_one "$W/$1/observer.pid" KILL; }

td() { # NODE VERB...
	local node=$1
	shift
	on "$node" "$TD_BUILD/tendril" --run-dir "$W/$node/run" "$@"
}

apply() { # NODE < YAML
	local file
	file=$(mktemp "$W/apply.XXXXXX")
	cat >"$file"
	td "$1" apply -f "$file" || not_ok "apply on $1: $(head -c 200 "$file")"
	rm -f "$file"
}

# --- pods ---

# run_pod NODE NAMESPACE/NAME [KEY=VALUE...] [-- COMMAND...]: returns when it is connected.
run_pod() {
	local node=$1 pod=$2 labels=() log launcher
	shift 2
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		labels+=(--label "$1")
		shift
	done
	[ $# -eq 0 ] || shift
	[ $# -gt 0 ] || set -- sleep infinity
	log=$W/$node/pod-${pod//\//-}.log
	td "$node" run --name "$pod" "${labels[@]}" -- "$@" >"$log" 2>&1 &
	launcher=$!
	wait_for 10 pod_child "$launcher" "$node" || bail "pod $pod did not start: $(tail -n 3 "$log")"
	POD_PID[$pod]=$(pod_child "$launcher" "$node")
	wait_for 10 pod_ip "$pod" 4 || bail "pod $pod has no address: $(tail -n 3 "$log")"
}

# cni_pod NODE NAMESPACE/NAME: a pod of the CNI plugin, whose labels and named ports are those of its Pod
# object, and change with it. (Those of `tendril run` are what it was started with, for ever.)
cni_pod() {
	local node=$1 pod=$2 ns=${2//\//-}
	need_program tendril-cni
	netns_new "$ns"
	CNI_COMMAND=ADD CNI_CONTAINERID=$ns CNI_IFNAME=eth0 CNI_NETNS=$W/ns/$ns CNI_PATH=$TD_BUILD \
		CNI_ARGS="K8S_POD_NAMESPACE=${pod%/*};K8S_POD_NAME=${pod#*/}" on "$node" "$TD_BUILD/tendril-cni" \
		<<<"{\"cniVersion\": \"1.1.0\", \"name\": \"net1\", \"type\": \"tendril-cni\", \"run_dir\": \"$W/$node/run\"}" \
		>"$W/$node/pod-$ns.log" || bail "pod $pod did not start: $(cat "$W/$node/pod-$ns.log")"
	nsenter --net="$W/ns/$ns" sleep infinity &
	POD_PID[$pod]=$!
	wait_for 10 test "/proc/$!/ns/net" -ef "$W/ns/$ns" || bail "pod $pod has no process"
}

# The workload: the youngest descendant of the shell job that started `tendril run`, once it is in a
# network namespace that is neither the job's nor the node's.
pod_child() { # LAUNCHER NODE
	local pid=$1 child own found=''
	while child=$(pgrep -n -P "$pid" 2>/dev/null); do
		pid=$child
		own=$(stat -L -c %i "/proc/$pid/ns/net" 2>/dev/null)
		case $own in
		'' | "$(stat -L -c %i "/proc/$1/ns/net")" | "$(stat -L -c %i "$W/ns/$2")") ;;
		*) found=$pid ;;
		esac
	done
	[ -n "$found" ] && printf '%s\n' "$found"
}
in_pod() { # POD COMMAND...
	local pod=$1
	shift
	nsenter --net="/proc/${POD_PID[$pod]}/ns/net" "$@"
}
pod_ip() { # POD 4|6
	in_pod "$1" ip -o "-$2" addr show dev eth0 scope global |
		awk '{ sub("/.*", "", $4); print $4; found = 1; exit } END { exit !found }'
}
stop_pod() { # POD
	kill -TERM "${POD_PID[$1]}" 2>/dev/null || true
	wait_for 10 test ! -e "/proc/${POD_PID[$1]}" || true
	unset "POD_PID[$1]"
}

# --- traffic; WHERE is a pod (namespace/name), a node, or world ---

at() { # WHERE COMMAND...
	local where=$1
	shift
	case $where in
	world) "$@" ;;
	*/*) in_pod "$where" "$@" ;;
	*) on "$where" "$@" ;;
	esac
}

# An echo server on the addresses of WHERE, both families.
serve_tcp() { # WHERE PORT
	at "$1" "$PYTHON" "$TD_TOP/tests/lib/echo.py" tcp "$2" 2>/dev/null &
	wait_for 20 listens "$1" tcp "$2" || bail "no TCP server on $1 port $2"
}
serve_udp() { # WHERE PORT: the world has several addresses and must answer from the right one
	local addresses=()
	[ "$1" != world ] || addresses=("$WORLD4" "$WORLD6")
	at "$1" "$PYTHON" "$TD_TOP/tests/lib/echo.py" udp "$2" "${addresses[@]}" 2>/dev/null &
	wait_for 20 listens "$1" udp "$2" || bail "no UDP server on $1 port $2"
}
listens() { # WHERE PROTOCOL PORT
	at "$1" ss -Hln "--$2" "sport = :$3" | grep -q .
}

TRY_SECONDS=${TRY_SECONDS:-5} DENY_SECONDS=${DENY_SECONDS:-2}
tcp() { # WHERE ADDRESS PORT: a line goes there and comes back
	[ "$(echo hello | at "$1" nc -N -w "$TRY_SECONDS" "$2" "$3" 2>/dev/null)" = hello ]
}
udp() { # WHERE ADDRESS PORT
	[ "$(echo hello | at "$1" nc -u -W 1 -w "$TRY_SECONDS" "$2" "$3" 2>/dev/null)" = hello ]
}
icmp() { # WHERE ADDRESS
	at "$1" ping -n -c 1 -W "$TRY_SECONDS" "$2" >/dev/null 2>&1
}
