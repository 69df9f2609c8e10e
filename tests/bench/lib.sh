# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the scripts of ./bench share: the nodes and pods of the tests. A script prints one JSON object
# per line and trial; whatever else it prints is shown only if it fails.

. "$(dirname "${BASH_SOURCE[0]}")/../netns/lib.sh"
BENCH=$TD_BUILD/tests/bench
TRIALS=${TRIALS:-15}

# As on a node, where /run is in memory and /var/lib on the disk.
run_in_memory() { # NODE, before its agent
	mount -t tmpfs -o mode=755 tmpfs "$W/$1/run" || bail "no tmpfs for $1"
}

# Both ends of a container's veth pair in a bridge, as the stock plugins make it.
bridge_new() { # NAME: a network namespace with a bridge
	netns_new "$1"
	on "$1" ip link add cni0 type bridge
	on "$1" ip link set cni0 up
	on "$1" ip addr add 10.99.0.1/24 dev cni0
	on "$1" sysctl -q -w net.ipv4.ip_forward=1
}
bridge_pod() { # BRIDGE NAME NUMBER: 10.99.0.NUMBER
	netns_new "$2"
	on "$1" ip link add "veth$3" type veth peer name eth0 netns "$W/ns/$2"
	on "$1" ip link set "veth$3" master cni0 up
	on "$2" ip link set eth0 up
	on "$2" ip addr add "10.99.0.$3/24" dev eth0
	on "$2" ip route add default via 10.99.0.1
}

# ns of CPU time the process has had.
cpu_of() { cut -d ' ' -f 1 "/proc/$1/schedstat"; }

# emit CASE TRIAL VALUE-FILTER JSON ALTERNATIVE-JSON: one paired sample
emit() {
	jq -cn --arg case "$1" --argjson trial "$2" --argjson a "$4" --argjson b "$5" \
		"{case: \$case, trial: \$trial, value: (\$a | $3), alternative: (\$b | $3)}"
}

# COUNT pods on a node, each an identity of its own and a member of one of ten applications, made
# by the CNI plugin.
many_pods() { # NODE COUNT
	local node=$1 count=$2 i
	for ((i = 0; i < count; i++)); do
		cat <<END
---
{apiVersion: v1, kind: Pod, metadata: {name: p$i, namespace: default, labels: {app: app$((i % 10)), pod: p$i}}}
END
	done | apply "$node" >/dev/null
	printf '{"cniVersion": "1.0.0", "name": "tendril", "type": "tendril-cni", "run_dir": "%s"}\n' "$W/$node/run" \
		>"$W/$node/cni.json"
	for ((i = 0; i < count; i++)); do
		netns_new "$node-p$i"
		CNI_COMMAND=ADD CNI_CONTAINERID=$node-p$i CNI_NETNS=$W/ns/$node-p$i CNI_IFNAME=eth0 CNI_PATH=/ \
			CNI_ARGS="K8S_POD_NAMESPACE=default;K8S_POD_NAME=p$i" \
			on "$node" "$TD_BUILD/tendril-cni" <"$W/$node/cni.json" >/dev/null || bail "no pod p$i"
	done
}
