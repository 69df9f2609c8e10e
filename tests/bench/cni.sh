#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ADD and DEL of the CNI plugin beside those of bridge with host-local, called as a runtime does: one
# process each, a fresh network namespace per container. In blocks, so that what one plugin leaves to
# the kernel is not paid by the other: a block begins when the last one's devices are gone.
. "$(dirname "$0")/lib.sh"
sandbox_enter bench_cni "$@"

PODS=${PODS:-12} PLUGINS=
for dir in /usr/lib/cni /opt/cni/bin "$TD_TOOLS/usr/lib/cni"; do
	[ ! -x "$dir/bridge" ] || [ ! -x "$dir/host-local" ] || { PLUGINS=$dir; break; }
done
[ -n "$PLUGINS" ] || bail "no bridge plugin (package containernetworking-plugins)"

node_new n1
run_in_memory n1
start_agent n1
cat >"$W/tendril.json" <<END
{"cniVersion": "1.0.0", "name": "tendril", "type": "tendril-cni", "run_dir": "$W/n1/run"}
END
cat >"$W/bridge.json" <<END
{"cniVersion": "1.0.0", "name": "bench", "type": "bridge", "bridge": "cni0", "isDefaultGateway": true,
 "ipam": {"type": "host-local", "dataDir": "$W/ipam", "ranges": [[{"subnet": "10.88.0.0/16"}]]}}
END

call() { # PLUGIN COMMAND CONTAINER -> ms
	local program=$TD_BUILD/tendril-cni
	[ "$1" = tendril ] || program=$PLUGINS/bridge
	CNI_COMMAND=$2 CNI_CONTAINERID=$3 CNI_NETNS=$W/ns/$3 CNI_IFNAME=eth0 CNI_PATH=$PLUGINS \
		CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=$3" \
		on n1 "$BENCH/bench-spawn" "$W/$1.json" "$program"
}
declare -A DEVICES=([tendril]=' td' [bridge]=' veth')
no_devices() { ! on n1 ip -o link show type veth | grep -q "${DEVICES[$1]}"; }
block() { # PLUGIN COMMAND -> one line per container, in ms
	local i
	for ((i = 0; i < PODS; i++)); do
		call "$1" "$2" "$1$trial-$i" || bail "$1 $2 failed" >&2
	done
	[ "$2" = ADD ] || wait_for 30 no_devices "$1" || bail "devices of $1 are left" >&2
}
namespaces() { # COMMAND PLUGIN
	local i
	for ((i = 0; i < PODS; i++)); do
		if [ "$1" = make ]; then
			netns_new "$2$trial-$i"
		else
			umount "$W/ns/$2$trial-$i" && rm -f "$W/ns/$2$trial-$i"
		fi
	done
}

for ((trial = -1; trial < TRIALS; trial++)); do
	order=(tendril bridge)
	[ $((trial % 2)) = 0 ] || order=(bridge tendril)
	namespaces make tendril
	namespaces make bridge
	sleep 0.3
	for command in ADD DEL; do
		for plugin in "${order[@]}"; do
			block "$plugin" "$command" >"$W/$plugin.ms"
		done
		[ "$trial" -lt 0 ] || paste "$W/tendril.ms" "$W/bridge.ms" | jq -cR --arg c "$command" --argjson t "$trial" \
			'split("\t") | {case: $c, trial: $t, value: .[0] | tonumber, alternative: .[1] | tonumber}'
	done
	namespaces remove tendril
	namespaces remove bridge
done
finish
