# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of absence share: one node, three pods, a world, and traffic (traffic.h) that must
# not notice anything; and what a start may leave behind: nothing.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LONG_LIVED=${LONG_LIVED:-50} # of each of four kinds
NEW=${NEW:-50}               # per second, of each of four kinds
declare -A BEFORE NOW

absence_world() { # [AGENT-OPTIONS...]: of every start
	AGENT_OPTIONS=("$@")
	[ -x "$TD_BUILD/tests/netns/traffic" ] || bail "$TD_BUILD/tests/netns/traffic is not built"
	node_new n1
	start_again
	run_pod n1 default/server app=server
	run_pod n1 default/client app=client
	run_pod n1 default/stranger app=stranger
	apply n1 <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: default}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
    ports: [{port: 8000}, {port: 5000, protocol: UDP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: client, namespace: default}
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Egress]
  egress:
  - to: [{podSelector: {matchLabels: {app: server}}}]
  - to: [{ipBlock: {cidr: 198.51.100.0/24}}, {ipBlock: {cidr: "2001:db8:100::/64"}}]
    ports: [{port: 8000}, {port: 5000, protocol: UDP}]
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec:
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10]
  selector: {app: server}
  ports: [{port: 80, targetPort: 8000}]
END
}

pod_net() { printf '/proc/%s/ns/net\n' "${POD_PID[$1]}"; }

traffic_rows() {
	local server client stranger world=/proc/self/ns/net s4 s6
	server=$(pod_net default/server) client=$(pod_net default/client) stranger=$(pod_net default/stranger)
	s4=$(pod_ip default/server 4) s6=$(pod_ip default/server 6)
	cat <<END
serve server $server :: 8000 0
serve server-closed $server :: 8001 0
serve-udp server $server :: 5000 0
serve world $world :: 8000 0
serve world-closed $world :: 8001 0
serve-udp world4 $world $WORLD4 5000 0
serve-udp world6 $world $WORLD6 5000 0
keep pod4 $client $s4 8000 $LONG_LIVED
keep pod6 $client $s6 8000 $LONG_LIVED
keep world4 $client $WORLD4 8000 $LONG_LIVED
keep world6 $client $WORLD6 8000 $LONG_LIVED
open pod4 $client $s4 8000 $((NEW - NEW / 5))
open service4 $client 10.96.0.10 80 $((NEW / 5))
open pod6 $client $s6 8000 $NEW
open world4 $client $WORLD4 8000 $NEW
open world6 $client $WORLD6 8000 $NEW
ask pod4 $client $s4 5000 5
ask pod6 $client $s6 5000 5
ask world4 $client $WORLD4 5000 5
ask world6 $client $WORLD6 5000 5
stream pod4 $client $s4 5000 50
stream pod6 $client $s6 5000 50
stream world4 $client $WORLD4 5000 50
stream world6 $client $WORLD6 5000 50
deny stranger4 $stranger $s4 8000 5
deny stranger6 $stranger $s6 8000 5
deny port4 $client $s4 8001 5
deny port6 $client $s6 8001 5
deny egress4 $client $WORLD4 8001 5
deny egress6 $client $WORLD6 8001 5
END
}

traffic_start() {
	traffic_rows >"$W/traffic.rows"
	odd_drops_ever >"$W/drops.before"
	# In the node's cgroup, whose sockets use services.
	bash -c 'echo $$ >"$1/cgroup.procs" && exec "$2" "$3"' - "$CG/n1" "$TD_BUILD/tests/netns/traffic" \
		"$W/traffic.rows" >"$W/traffic.out" 2>"$W/traffic.log" &
	TRAFFIC=$!
	NOW=()
	wait_for 10 all_kept || bail "the traffic did not start: $(tail -n 3 "$W/traffic.out" "$W/traffic.log")"
	wait_for 10 denials_seen
	traffic_now
	BEFORE_MS=$(milliseconds)
	for key in "${!NOW[@]}"; do BEFORE[$key]=${NOW[$key]}; done
}
traffic_stop() {
	kill -TERM "$TRAFFIC"
	wait "$TRAFFIC" 2>/dev/null
}
traffic_now() { # fills NOW
	local pair
	for pair in $(grep '^counts ' "$W/traffic.out" | tail -n 1 | cut -d' ' -f2-); do
		NOW[${pair%%=*}]=${pair#*=}
	done
}
all_kept() {
	traffic_now
	[ "${NOW[kept]:-0}" = $((4 * LONG_LIVED)) ]
}
denials_seen() {
	traffic_now
	[ "${NOW[denied]:-0}" -gt 0 ]
}
milliseconds() { date +%s%3N; }

# The faults since the last call, if any: one line.
traffic_faults() {
	local key
	for key in reset refused timeout late ended lost wrong error; do
		[ "${NOW[$key]}" = "${BEFORE[$key]}" ] || printf '%s=%s ' "$key" $((NOW[$key] - BEFORE[$key]))
	done
	[ "${NOW[kept]}" = $((4 * LONG_LIVED)) ] || printf 'kept=%s ' "${NOW[kept]}"
}

# traffic_check WHEN [SECONDS]: waits until what was lost shows, then judges all since the last call.
traffic_check() {
	local when=$1 faults elapsed key now least
	sleep "${2:-2.5}"
	traffic_now
	now=$(milliseconds)
	elapsed=$((now - BEFORE_MS))
	faults=$(traffic_faults)
	check_equal "$when: not one reset, timeout, lost packet or wrong verdict" "$faults" ''
	[ -z "$faults" ] || grep '^fault' "$W/traffic.out" | tail -n 8
	least="echoed=$((4 * LONG_LIVED)) opened=$((4 * NEW)) answered=100 denied=30"
	for key in $least; do
		[ $((NOW[${key%=*}] - BEFORE[${key%=*}])) -ge $((${key#*=} * elapsed / 16000)) ] ||
			not_ok "$when: only $((NOW[${key%=*}] - BEFORE[${key%=*}])) ${key%=*} in $elapsed ms"
	done
	note "$when: $elapsed ms, opened $((NOW[opened] - BEFORE[opened])), echoed $((NOW[echoed] - BEFORE[echoed]))," \
		"datagrams $((NOW[answered] - BEFORE[answered])), denied $((NOW[denied] - BEFORE[denied]))," \
		"sent again $((NOW[retrans] - BEFORE[retrans])), stalls $((NOW[stalls] - BEFORE[stalls]))"
	for key in "${!NOW[@]}"; do BEFORE[$key]=${NOW[$key]}; done
	BEFORE_MS=$now
}

# --- what there is

start_again() { start_agent n1 "${AGENT_OPTIONS[@]}"; }

# start_and_kill SECONDS [TENDRILD]: a start that is cut short.
start_and_kill() {
	nsenter --net="$W/ns/n1" "${2:-$TD_BUILD/tendrild}" --config="$W/n1/tendril.yaml" \
		"${AGENT_OPTIONS[@]}" >>"$W/n1/agent.log" 2>&1 &
	sleep "$1"
	kill -KILL $! 2>/dev/null
	wait $! 2>/dev/null
}
random_delay() { # UP TO MILLISECONDS
	printf '0.%03d' $((RANDOM % $1))
}

pinned() { # MAP: its contents as JSON
	bpftool -j map dump pinned "$W/n1/bpf/tendril/maps/$1"
}
# Per-CPU counters: INDEX TOTAL for what is not zero.
counters() { # MAP
	pinned "$1" | jq -r '.[] | "\(.formatted.key) \([.formatted.values[].value] | add)"' | awk '$2'
}
stat_of() { counters td_stats | awk -v i="$1" '$1 == i { n = $2 } END { print n + 0 }'; }
STAT_LOST=0 STAT_CT_FULL=1 STAT_NAT_FULL=4 STAT_GC_VISITED=8 STAT_MIGRATED=9
# Drops for another reason than policy (133 denied, 181 denied by a rule) and than the stack's own
# multicast (150, 176).
odd_drops() { # since the traffic started: a new pod's device may be up before it is known (203)
	odd_drops_ever | diff "$W/drops.before" - | grep '^>' | tr '\n' ';'
}
odd_drops_ever() {
	counters td_drops | awk '{ r = $1 % 256 } r != 133 && r != 181 && r != 150 && r != 176'
}

who() { td n1 endpoint list -o json | jq -cS '[.endpoints[] | {id, ipv4, ipv6, identity, name, host_ifindex}] | sort_by(.id)'; }
map_entries() { # MAP: how many
	bpftool -j map dump pinned "$W/n1/bpf/tendril/maps/$1" | jq length
}
map_id() { bpftool -j map show pinned "$1" | jq .id; }
# Programs in the kernel that use our td_progs or td_service: those in force, no others.
programs() {
	local maps=$W/n1/bpf/tendril/maps
	bpftool -j prog show | jq -r --argjson a "$(map_id "$maps/td_progs")" --argjson b "$(map_id "$maps/td_ct")" \
		--argjson c "$(map_id "$maps/td_netns")" \
		'.[] | select((.map_ids // []) | index($a) or index($b) or index($c)) | .name' | sort | tr '\n' ' '
}
# All that a start might leave a second one of.
inventory() {
	printf 'links: %s\n' "$(on n1 ip -o link | awk -F': ' '{ print $1, $2 }' | tr '\n' ' ')"
	printf 'routes: %s\n' "$(on n1 ip route show table all | grep -Ev 'cache|anycast|multicast|fe80' | sort | tr '\n' ';')"
	printf 'rules: %s\n' "$(on n1 ip rule | tr '\n' ';')"
	printf 'filters: %s\n' "$(on n1 ip -o link | awk -F'[:@ ]+' '{ print $2 }' | while read -r dev; do
		on n1 tc qdisc show dev "$dev" clsact; done | tr '\n' ';')"
	printf 'files: %s\n' "$(cd "$W/n1" && find run state bpf ! -name '*.sock' ! -name '*.lock' | sort | tr '\n' ' ')"
	printf 'programs: %s\n' "$(programs)"
	printf 'subjects: %s policy: %s endpoints: %s addresses: %s netns: %s services: %s\n' "$(map_entries td_subject)" \
		"$(map_entries td_policy)" "$(map_entries td_endpoint)" "$(map_entries td_addr_map)" \
		"$(map_entries td_netns)" "$(map_entries td_service)"
	printf 'who: %s\n' "$(who)"
}
# tcx links take the filters' place when no pods come and go.
all_tight() { [ ! -e "$(find "$W/n1/bpf/tendril/links" -name '*-clsact' | head -n 1)" ]; }
inventory_keep() {
	wait_for 10 all_tight || note "no tcx: filters stay"
	inventory >"$W/inventory.before"
}
inventory_is_kept() {
	inventory >"$W/inventory.now"
	cmp -s "$W/inventory.before" "$W/inventory.now"
}
# inventory_check WHEN: the same as at inventory_keep, at the latest after what is cleared up later.
inventory_check() {
	if wait_for "${2:-8}" inventory_is_kept; then
		ok "$1: everything adopted, nothing left over"
	else
		not_ok "$1: not as before"
		diff "$W/inventory.before" "$W/inventory.now" | cut -c1-600
	fi
}
nothing_full() { # WHEN
	check_equal "$1: no table was full" "$(stat_of $STAT_CT_FULL) $(stat_of $STAT_NAT_FULL)" '0 0'
	check_equal "$1: nothing was dropped but by policy" "$(odd_drops)" ''
	check_match "$1: healthy" "$(td n1 status)" '^Node +healthy'
}
