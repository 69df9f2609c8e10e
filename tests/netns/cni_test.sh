#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The CNI plugin, called as container runtimes call it, and as none should.
. "$(dirname "$0")/lib.sh"
sandbox_enter cni "$@"

need_program tendril-cni
RUN=$W/n1/run

config() { # [VERSION] [JQ-EXPRESSION]
	jq -nc --arg run "$RUN" --arg version "${1:-1.1.0}" \
		"{cniVersion: \$version, name: \"net1\", type: \"tendril-cni\", run_dir: \$run} | ${2:-.}"
}
# plugin COMMAND CONTAINER IFNAME NETNS [ARGS] <CONFIG
plugin() {
	CNI_COMMAND=$1 CNI_CONTAINERID=${2-} CNI_IFNAME=${3-} CNI_NETNS=${4-} CNI_ARGS=${5-} \
		CNI_PATH=$TD_BUILD on n1 timeout 30 "$TD_BUILD/tendril-cni"
}
cni() { config | plugin "$@"; }
code() { jq -r '.code'; } # of an error on stdin
count() { td n1 endpoint list -o json | jq "[.endpoints[] | select($1)] | length"; }
is_count() { [ "$(count "$1")" = "$2" ]; }
link_of() { on "$1" ip -j link show dev "${2:-eth0}" | jq -r '.[0].address'; }

node_new n1
node_state() { on n1 ip route; on n1 ip -6 route; on n1 ip neigh show nud permanent; on n1 ip -o link | cut -d: -f2; }
node_before=$(node_state)

# --- VERSION needs no agent and takes any stdin that says nothing
for input in '' $'\n' $' \t\r\n' '{}' '{"cniVersion":"0.4.0"}' '{"cniVersion":"99.0.0"}'; do
	out=$(printf '%s' "$input" | CNI_COMMAND=VERSION "$TD_BUILD/tendril-cni")
	check_match "VERSION with $(jq -nc --arg i "$input" '$i') on stdin" "$out" '"supportedVersions":\[.*"0.4.0","1.0.0","1.1.0"\]'
done
check_equal "VERSION answers in the version asked for" \
	"$(echo '{"cniVersion":"1.0.0"}' | CNI_COMMAND=VERSION "$TD_BUILD/tendril-cni" | jq -r .cniVersion)" 1.0.0
check_equal "without CNI_COMMAND it says what it is, on stderr" \
	"$("$TD_BUILD/tendril-cni" </dev/null 2>/dev/null; echo $?)" 2

# --- the agent is not there yet
netns_new a
start=$(date +%s%N)
out=$(config 1.1.0 '. + {timeout_s: 1}' | plugin ADD ca eth0 "$W/ns/a")
check_equal "ADD without an agent: try again" "$(code <<<"$out")" 11
check "within its deadline" test $((($(date +%s%N) - start) / 1000000)) -lt 4500
check_equal "STATUS without an agent: not available" "$(cni STATUS | code)" 50
check "DEL without an agent that ever ran succeeds" cni DEL ca eth0 "$W/ns/a"

start_agent n1
check "STATUS is content now" cni STATUS

# --- ADD's result in each version
for version in 0.3.1 0.4.0 1.0.0 1.1.0; do
	netns_new "v$version"
	out=$(config "$version" | plugin ADD "c$version" eth0 "$W/ns/v$version" 'K8S_POD_NAME=v')
	check_equal "$version: the result has that version" "$(jq -r .cniVersion <<<"$out")" "$version"
	check_equal "$version: host end, then pod end" "$(jq -c '[.interfaces[] | has("sandbox")]' <<<"$out")" '[false,true]'
	check_equal "$version: the pod end's MAC is the device's" "$(jq -r '.interfaces[1].mac' <<<"$out")" "$(link_of "v$version")"
	check_equal "$version: the host end's too" "$(jq -r '.interfaces[0].mac' <<<"$out")" \
		"$(link_of n1 "$(jq -r '.interfaces[0].name' <<<"$out")")"
	check_equal "$version: the addresses are the device's" "$(jq -r '.ips[].address' <<<"$out" | sort)" \
		"$(on "v$version" ip -j addr show dev eth0 | jq -r '.[0].addr_info[] | "\(.local)/\(.prefixlen)"' | sort)"
	check_equal "$version: they belong to interface 1" "$(jq -c '[.ips[].interface]' <<<"$out")" '[1,1]'
	case $version in
	0.*) check_equal "$version: each names its family" "$(jq -c '[.ips[].version]' <<<"$out")" '["4","6"]' ;;
	*) check_equal "$version: none names its family" "$(jq -c '[.ips[] | has("version")]' <<<"$out")" '[false,false]' ;;
	esac
	check_equal "$version: default routes of both families" "$(jq -c '[.routes[].dst]' <<<"$out")" '["0.0.0.0/0","::/0"]'
	check_equal "$version: ADD again gives the same, to the byte" \
		"$(config "$version" | plugin ADD "c$version" eth0 "$W/ns/v$version" 'K8S_POD_NAME=v')" "$out"
	config "$version" | plugin DEL "c$version" eth0 "$W/ns/v$version" || not_ok "$version: DEL"
	check "$version: DEL takes the interface away at once" test -z "$(on "v$version" ip -o link show dev eth0 up 2>/dev/null)"
	check "$version: DEL again succeeds" cni DEL "c$version" eth0 "$W/ns/v$version"
done
check_equal "a version that is not supported is refused as that" "$(config 0.2.0 | plugin ADD x eth0 "$W/ns/a" | code)" 1
check "nothing is left of all these" wait_for 5 is_count true 0

# --- bad environment and stdin: an error of the specification, on stdout, nothing done
bad() { # NAME WANTED-CODE COMMAND CONTAINER IFNAME NETNS ARGS <STDIN
	local name=$1 want=$2 out
	shift 2
	out=$(plugin "$@")
	check_equal "$name: code $want" "$(jq -r '"\(.code) \(.msg | length > 10) \(.cniVersion | length > 0)"' <<<"$out")" "$want true true"
}
config | bad "no such command" 4 FROB x eth0 "$W/ns/a"
config | bad "no container id" 4 ADD '' eth0 "$W/ns/a"
config | bad "a container id that is a path" 4 ADD ../x eth0 "$W/ns/a"
config | bad "no namespace" 4 ADD x eth0 ''
config | bad "no interface name" 4 ADD x '' "$W/ns/a"
config | bad "an interface name too long" 4 ADD x abcdefghijklmnop "$W/ns/a"
config | bad "an interface name with a slash" 4 ADD x a/b "$W/ns/a"
config | bad "arguments without '='" 4 ADD x eth0 "$W/ns/a" 'IgnoreUnknown;1'
bad "nothing on stdin" 6 ADD x eth0 "$W/ns/a" </dev/null
printf 'garbage' | bad "garbage on stdin" 6 ADD x eth0 "$W/ns/a"
head -c 100000 /dev/urandom | bad "random bytes on stdin" 6 ADD x eth0 "$W/ns/a"
printf '[]' | bad "a list on stdin" 6 ADD x eth0 "$W/ns/a"
printf '{"cniVersion":"1.0.0","cniVersion":"1.1.0"}' | bad "a key twice" 6 ADD x eth0 "$W/ns/a"
head -c 100000 /dev/zero | tr '\0' '[' | bad "100,000 brackets" 6 ADD x eth0 "$W/ns/a"
(printf '{"a":"'; head -c 5000000 /dev/zero | tr '\0' 'x') | bad "5 MB on stdin" 5 ADD x eth0 "$W/ns/a"
config 1.1.0 '.cniVersion = 1' | bad "a version that is a number" 7 ADD x eth0 "$W/ns/a"
config 1.1.0 '.run_dir = "x"' | bad "a relative run_dir" 7 ADD x eth0 "$W/ns/a"
config 1.1.0 '.timeout_s = 0' | bad "no time at all" 7 ADD x eth0 "$W/ns/a"
config | bad "GC without a list" 7 GC
config | bad "a namespace that is no file" 100 ADD x eth0 "$W/ns/gone"
config | bad "a namespace that is a directory" 100 ADD x eth0 "$W"
config | bad "a namespace of another type" 100 ADD x eth0 /proc/self/ns/mnt
check_equal "after all of it there is no endpoint" "$(count true)" 0
check_equal "and no device" "$(on n1 ip -o link show type veth | grep -c ' tdn1[0-9]')" 0

# --- interfaces: taken, a second one, another container in the same namespace
netns_new b
on b ip link add eth0 type bridge
config | bad "a taken interface name" 100 ADD cb eth0 "$W/ns/b"
check_equal "and the one that has it is untouched" "$(on b ip -d -j link show eth0 | jq -r '.[0].linkinfo.info_kind')" bridge
for bad in $'K8S_POD_NAME=a\xffb' 'K8S_POD_NAME=a/b' 'K8S_POD_NAME=..' $'K8S_POD_NAME=a\x1b[31m' 'K8S_POD_NAMESPACE=../x;K8S_POD_NAME=b'; do
	check_match "a Pod's name that cannot be is refused: $(printf %q "$bad")" \
		"$(cni ADD cbad eth7 "$W/ns/b" "$bad" | jq -c '[.code, .msg]')" '^\[4,"K8S_POD_NAM(E|ESPACE) in CNI_ARGS is .*, expected at most 253'
	check "but DEL succeeds" cni DEL cbad eth7 "$W/ns/b" "$bad"
done
check_match "a name of podman's is not" "$(cni ADD cpodman eth7 "$W/ns/b" 'K8S_POD_NAME=Epic_Name')" '"ips"'
check "nor at DEL" cni DEL cpodman eth7 "$W/ns/b" 'K8S_POD_NAME=Epic_Name'
cni ADD cb eth1 "$W/ns/b" 'K8S_POD_NAME=b' >/dev/null || not_ok "ADD of another name"
out=$(cni ADD cb eth2 "$W/ns/b" 'K8S_POD_NAME=b')
check_match "a second interface of a container is added" "$out" '"interfaces"'
check_no_match "with addresses of its own" "$out" "\"$(on b ip -j -4 addr show eth1 | jq -r '.[0].addr_info[0].local')/"
check_match "the first one keeps the default route" "$(on b ip route show default)" '^default via 169.254.1.1 dev eth1'
check "CHECK knows both" eval 'cni CHECK cb eth1 "$W/ns/b" && cni CHECK cb eth2 "$W/ns/b"'
cni DEL cb eth2 "$W/ns/b"
check "DEL of one leaves the other" cni CHECK cb eth1 "$W/ns/b"
cni DEL cb eth1 "$W/ns/b"

# --- CHECK
check_fails() { # NAME: says why, on stdout
	local out
	out=$(config 1.1.0 "${2:-.}" | plugin CHECK cc eth0 "$W/ns/c")
	check_match "CHECK: $1" "$(jq -r .msg <<<"$out")" "${3:-..........}"
}
remake() {
	cni DEL cc eth0 "$W/ns/c"
	result=$(cni ADD cc eth0 "$W/ns/c" 'K8S_POD_NAME=c') || not_ok "ADD again: $result"
}
netns_new c
remake
address=$(jq -r '.ips[0].address' <<<"$result") host=$(jq -r '.interfaces[0].name' <<<"$result")
check "CHECK is content, with prevResult" eval 'config 1.1.0 ". + {prevResult: $result}" | plugin CHECK cc eth0 "$W/ns/c"'
check_fails "prevResult has another address" '. + {prevResult: {ips: [{address: "10.61.0.250/32"}]}}' prevResult
check_fails "prevResult has one address more" ". + {prevResult: ($result | .ips += [{address: \"10.9.9.9/32\", interface: 1}])}" prevResult
check_fails "prevResult has another MAC" ". + {prevResult: ($result | .interfaces[1].mac = \"02:00:00:00:00:01\")}" prevResult
check_fails "prevResult has another device" ". + {prevResult: ($result | .interfaces[0].name = \"tdn1999\")}" prevResult
check_fails "prevResult is no result" '. + {prevResult: 7}' prevResult
on c ip addr del "$address" dev eth0
check_fails "the address is gone" . "${address%/*}"
remake
on c ip link set eth0 down
check_fails "the pod end is down" . 'eth0'
remake
on c ip link set eth0 address 02:00:00:00:00:09
check_fails "the pod end has another MAC" . 'eth0.*address|MAC|hardware'
remake
host=$(jq -r '.interfaces[0].name' <<<"$result")
on n1 ip link set "$host" down
check_fails "the host end is down" . "$host"
remake
on c ip route del default
check_fails "the default route is gone" . route
remake
on n1 ip link del "$(jq -r '.interfaces[0].name' <<<"$result")"
check_fails "the device is gone"
check "ADD then makes it anew" cni ADD cc eth0 "$W/ns/c" 'K8S_POD_NAME=c' >/dev/null
check "and CHECK is content" cni CHECK cc eth0 "$W/ns/c"
check_match "CHECK of what was never added" "$(cni CHECK never eth0 "$W/ns/c" | jq -r .msg)" 'never'
cni DEL cc eth0 ''

# --- a namespace that vanishes: before, between, during
check_match "ADD into a namespace that is gone names it" "$(cni ADD cd eth0 "$W/ns/nowhere" | jq -r .msg)" nowhere
netns_new d
cni ADD cd eth0 "$W/ns/d" 'K8S_POD_NAME=d' >/dev/null || not_ok "ADD"
umount "$W/ns/d"
rm "$W/ns/d"
check "when it dies, its endpoint is forgotten" wait_for 5 is_count true 0
check "DEL of it succeeds" cni DEL cd eth0 "$W/ns/d"
vanished=0
for i in $(seq 30); do
	unshare --net sleep 30 &
	pid=$!
	wait_for 5 eval '[ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ]'
	cni ADD "during$i" eth0 "/proc/$pid/ns/net" "K8S_POD_NAME=d$i" >"$W/during.out" &
	adder=$!
	sleep "0.$((i % 3))$((i % 10))"
	kill -KILL "$pid"
	wait "$adder" || { vanished=$((vanished + 1)); jq -e .code "$W/during.out" >/dev/null || not_ok "no error object: $(cat "$W/during.out")"; }
done 2>/dev/null
note "$vanished of 30 ADDs lost their namespace"
for i in $(seq 30); do cni DEL "during$i" eth0 '' || not_ok "DEL during$i"; done
check "namespaces that die during ADD leave nothing" wait_for 5 is_count true 0

# --- DEL while no agent runs
netns_new e
netns_new f
cni ADD ce eth0 "$W/ns/e" 'K8S_POD_NAME=e' >/dev/null || not_ok "ADD"
cni ADD cf eth0 "$W/ns/f" 'K8S_POD_NAME=f' >/dev/null || not_ok "ADD"
kill9_agent n1
check "DEL without an agent succeeds" cni DEL ce eth0 "$W/ns/e"
check "DEL with an empty CNI_NETNS too" cni DEL cf eth0 ''
check "again too" cni DEL cf eth0 ''
check "both interfaces are gone" test -z "$(on e ip -o link show dev eth0 2>/dev/null)$(on f ip -o link show dev eth0 2>/dev/null)"
check_equal "a tombstone each" "$(find "$RUN/tombstones" -type f | wc -l)" 2
check "DEL of what never was leaves no tombstone" eval 'cni DEL never eth0 "" && [ "$(find "$RUN/tombstones" -type f | wc -l)" = 2 ]'
check_equal "CHECK without an agent: try again" "$(config 1.1.0 '. + {timeout_s: 1}' | plugin CHECK ce eth0 "$W/ns/e" | code)" 11
check_equal "GC without an agent: try again" \
	"$(config 1.1.0 '. + {timeout_s: 1, "cni.dev/valid-attachments": []}' | plugin GC | code)" 11
start_agent n1
check_equal "the next start reclaims endpoints and addresses" "$(count true) $(td n1 status -o json | jq .ipam.ipv4.used)" "0 0"
check_equal "and the tombstones" "$(find "$RUN/tombstones" -type f | wc -l)" 0
# An ADD that waits is served by an agent that comes back within the deadline.
kill9_agent n1
cni ADD late eth0 "$W/ns/e" 'K8S_POD_NAME=late' >"$W/late.out" &
adder=$!
start_agent n1
wait "$adder"
check_equal "an ADD waits for an agent that restarts" "$(jq -r '.ips | length' "$W/late.out")" 2
cni DEL late eth0 ''

# --- GC
netns_new g
netns_new h
cni ADD cg eth0 "$W/ns/g" 'K8S_POD_NAME=g' >/dev/null || not_ok "ADD"
cni ADD ch eth0 "$W/ns/h" 'K8S_POD_NAME=h' >/dev/null || not_ok "ADD"
config 1.1.0 '. + {"cni.dev/valid-attachments": [{containerID: "cg", ifname: "eth1"}, {}]}' | bad "GC with an attachment that names nothing" 100 GC
check_equal "removes nothing" "$(count true)" 2
config 1.1.0 '. + {"cni.dev/valid-attachments": [{containerID: "cg", ifname: "eth0"}]}' | plugin GC || not_ok "GC"
check "GC removes what is not valid" wait_for 5 is_count '.container_id == "ch"' 0
check "and keeps what is" cni CHECK cg eth0 "$W/ns/g"
config 1.1.0 '. + {"cni.dev/valid-attachments": []}' | plugin GC || not_ok "GC of all"
check "an empty list removes all" wait_for 5 is_count true 0

# --- the node is as it was
settled() { [ "$(node_state)" = "$node_before" ]; }
check "routes, neighbours and devices of the node are as before" wait_for 5 settled
finish
