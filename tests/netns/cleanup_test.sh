#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `tendril cleanup` leaves a node as it was before Tendril, and what is not Tendril's alone; `tendril
# probe` changes nothing.
. "$(dirname "$0")/lib.sh"
sandbox_enter cleanup "$@"

node_new n1
dir=$W/n1

listing() { # all that can be seen of the node, without counters and what ages
	on n1 ip -o link show | sed 's/ state [A-Z]*//; s/ qlen [0-9]*//' | cut -d: -f2-
	on n1 ip -4 route show table all
	on n1 ip -6 route show table all | grep -v 'fe80:\|^multicast'
	on n1 ip rule show
	on n1 ip neigh show nud permanent
	on n1 tc qdisc show
	on n1 tc filter show dev eth0 ingress | sed 's/ id [0-9]*//; s/ tag [0-9a-f]*//'
	on n1 bpftool net show | sed 's/([0-9]*)//; s/ id [0-9]*//g; s/prog_id [0-9]*//g; s/link_id [0-9]*//g'
	bpftool cgroup show "$CG/n1" | awk 'NR > 1 { $1 = ""; print }'
	(cd "$dir" && find bpf run state objects | sort)
	mount | grep -c "$dir"
}
cleanup() { on n1 "$TD_BUILD/tendril" cleanup --config "$dir/tendril.yaml" "$@"; }

# --- what is not ours: devices named nearly so, pins, programs, files
on n1 ip link add tdn1777 type veth peer name tdn1x
on n1 ip link add tdx type bridge
on n1 ip link set tdn1777 up
on n1 ip route add 192.0.2.0/24 via 192.168.50.1
on n1 tc qdisc add dev eth0 clsact
on n1 tc filter add dev eth0 ingress prio 7 protocol ip bpf bytecode '1,6 0 0 0,' ||
	not_ok "cannot add a filter of another's"
mkdir "$dir/bpf/other"
bpftool map create "$dir/bpf/other/map" type array key 4 value 4 entries 1 name other
before=$(listing)

check_not "probe: no such format" td n1 probe -o xml
probe=$(td n1 probe)
check "probe: this kernel is enough" test $? = 0
check_match "probe: names the kernel" "$probe" "$(uname -r)"
check_match "probe: in JSON each feature has its cost" \
	"$(td n1 probe -o json | jq -c '[.features[] | select(.name == "tcx") | (.cost | length > 10), .required]')" 'true,false'
check_match "probe: another user is told why it cannot" \
	"$(setpriv --reuid 65534 --regid 65534 --clear-groups "$TD_BUILD/tendril" probe 2>&1)" 'not root'
check_equal "probe: the node is as before" "$(listing)" "$before"

# --- all that Tendril makes
start_agent n1
start_observer n1
run_pod n1 default/web app=web
run_pod n1 default/client app=client
serve_tcp default/web 80
apply n1 <<'END'
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}], selector: {app: web}}}
END
check "there is traffic" tcp default/client "$(pod_ip default/web 4)" 80
check_match "refused while the agent runs, which is named" "$(cleanup --yes 2>&1)" "tendrild runs .process $(cat "$dir/agent.pid")"
check "and nothing was removed" tcp default/client "$(pod_ip default/web 4)" 80
stop_observer n1
kill9_agent n1
echo mine >"$dir/run/mine"
echo mine >"$dir/state/objects/mine.txt"
mkdir "$dir/run/tombstones/dir"

check_match "without a terminal it needs --yes" "$(cleanup </dev/null 2>&1)" '--yes'
check "so nothing was removed" tcp default/client "$(pod_ip default/web 4)" 80
script -qec "nsenter --net=$W/ns/n1 $TD_BUILD/tendril cleanup --config $dir/tendril.yaml" /dev/null <<<n >"$W/asked.log"
check_match "on a terminal it asks" "$(cat "$W/asked.log")" 'Go on\? \[y/N\]'
check "and no is no" tcp default/client "$(pod_ip default/web 4)" 80

cleanup --yes --keep-objects >"$W/first.log" 2>&1
check_equal "it succeeds" $? 0
for what in 'device tdn1[0-9]' "link .*/links/[0-9]+-" 'link .*cgroup-' 'map .*/td_ct' 'file .*/endpoints/[0-9]+.json' 'file .*/tendril.sock'; do
	check_match "it says: removed $what" "$(cat "$W/first.log")" "removed ($what)"
done
check_equal "--keep-objects keeps them" "$(find "$dir/state/objects" -name '*.yaml' | wc -l)" 1
check "others' files stay" test -f "$dir/run/mine" -a -f "$dir/state/objects/mine.txt" -a -d "$dir/run/tombstones/dir"
cleanup --yes >"$W/second.log" 2>&1
check_equal "without it they go" "$(cat "$W/second.log")" "removed file $dir/state/objects/Service_default_web.yaml"
rm -r "$dir/run/mine" "$dir/run/tombstones" "$dir/state/objects"
mkdir -p "$dir/run" "$dir/state"
if [ "$(listing)" = "$before" ]; then
	ok "the node is as before"
else
	not_ok "the node is not as before: $(diff <(echo "$before") <(listing))"
fi
cleanup --yes >"$W/third.log" 2>&1
check_equal "again there is nothing to remove but the empty directories" "$(grep -vc directory "$W/third.log")" 0
check_match "nor a third time" "$(cleanup --yes 2>&1)" 'nothing to remove'
check_equal "a wrong configuration is a usage error" "$(cleanup --config /nonexistent --yes >/dev/null 2>&1; echo $?)" 2
check_match "that says so" "$(on n1 "$TD_BUILD/tendril" cleanup --config /nonexistent 2>&1)" '/nonexistent: no such file'

# --- and it can start again on it
mkdir -p "$dir/run" "$dir/state"
stop_pod default/web
stop_pod default/client
start_agent n1
check "a new agent starts on what is left" td n1 status
finish
