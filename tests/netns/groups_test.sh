#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Peers that are kept in other objects: CIDR groups, Services and a cloud's inventory, changed live
# under real traffic. What is permitted before and after a change is permitted throughout.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/traffic.sh"
sandbox_enter groups "$@"

OTHER4=198.51.100.200
INVENTORY=$W/n1/inventory
node_new n1
world_route_pods n1
ip addr add $OTHER4/32 dev lo
start_agent n1 --inventory.max_age=1h --masquerade=false
run_pod n1 default/a app=a
run_pod n1 default/b app=b
serve_tcp world 80
serve_udp world 53
at world python3 "$TD_TOP/tests/lib/echo.py" udp 54 $OTHER4 2>/dev/null &
wait_for 10 listens world udp 54 || bail "no server at $OTHER4"
serve_udp default/b 53
serve_many world $WORLD4 81

policy() { # RULE: what app=a may reach
	apply n1 <<-END
	apiVersion: cilium.io/v2
	kind: CiliumNetworkPolicy
	metadata: {name: p, namespace: default}
	spec: {endpointSelector: {matchLabels: {app: a}}, egress: [$1]}
	END
}
group() { # CIDRS
	apply n1 <<-END
	apiVersion: cilium.io/v2
	kind: CiliumCIDRGroup
	metadata: {name: vpn, labels: {role: vpn}}
	spec: {externalCIDRs: [$1]}
	END
}
missing() { td n1 policy list -o json | jq -r '.policies[] | select(.name == "p") | .missing | join(",")'; }
reaches() { check "$1 over IPv4 and IPv6" both; }
both() { tcp default/a $WORLD4 80 && tcp default/a $WORLD6 80; }
cut() { check "$1" neither; }
neither() { ! TRY_SECONDS=1 tcp default/a $WORLD4 80 && ! TRY_SECONDS=1 tcp default/a $WORLD6 80; }

# --- CIDR groups ---

policy '{toCIDRSet: [{cidrGroupRef: vpn}]}'
cut "a group that is not there matches nobody, and its rule isolates"
check_equal "and policy list names it" "$(missing)" "CiliumCIDRGroup vpn"
group '198.51.100.0/24, "2001:db8:100::/48"'
reaches "the group comes"
check_equal "and get shows it" "$(td n1 get ccg -o json | jq -r '.objects[].name')" vpn
check_equal "and is missing no more" "$(missing)" ""
hold default/a $WORLD4 81 3 held
refused() { # TEXT
	td n1 apply -f - <<-'END' 2>&1 | grep -F "$1"
	apiVersion: cilium.io/v2
	kind: CiliumCIDRGroup
	metadata: {name: vpn}
	spec: {externalCIDRs: [10.0.0.0/33]}
	END
}
check "a bad group is refused with its place" refused ':4: found "10.0.0.0/33" in spec.externalCIDRs[0], expected a CIDR'
reaches "and the old one stays in force"

# New connections one after the other, to an address that is in the group all the time and to one that
# never is, while the group gives up CIDRs for others that hold the same addresses.
cat >"$W/hammer.py" <<'END'
import select, socket, sys
good, bad = (sys.argv[1], 53), (sys.argv[2], 54)
sent = lost = passed = 0
strays = []
while not select.select([sys.stdin], [], [], 0)[0]:
    stray = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stray.sendto(b'x', bad)
    strays = (strays + [stray])[-200:]
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.sendto(b'x', good)
    sent += 1
    try:
        s.recvfrom(10)
    except TimeoutError:
        lost += 1
    s.close()
    passed += len(select.select(strays, [], [], 0)[0])
    for old in strays[:-199]:
        old.close()
print(sent, lost, passed, flush=True)
END
group '198.51.100.0/25'
mkfifo "$W/stop"
at default/a "$PYTHON" "$W/hammer.py" $WORLD4 $OTHER4 <"$W/stop" >"$W/hammered" &
exec {stop}>"$W/stop"
for ((i = 0; i < ${TD_ROUNDS:-30}; i++)); do
	group '198.51.100.0/26, 198.51.100.64/26'
	group '198.51.100.0/25'
	group '198.51.100.1/32, 192.0.2.0/24'
	group '198.51.100.0/25'
done
echo >&"$stop"
wait_for 20 test -s "$W/hammered" || bail "the hammer does not end"
read -r sent lost passed <"$W/hammered"
check "many connections were tried ($sent)" test "$sent" -gt 100
check_equal "what every version of the group has was never refused" "$lost" 0
check_equal "what none has never passed" "$passed" 0
check_equal "and the connections from before are there" "$(alive held)" 3
td n1 delete ciliumcidrgroup vpn >/dev/null
check_equal "they end with the group" "$(alive held)" 0
cut "the group is gone"

policy '{toEntities: [world]}'
reaches "the world is allowed"
apply n1 <<'END'
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: d, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: a}}
  egressDeny: [{toCIDRSet: [{cidrGroupSelector: {matchLabels: {role: vpn}}, except: [198.51.100.200/32]}]}]
END
reaches "a denied group that is not there denies nobody"
group '198.51.100.0/24, "2001:db8:100::/48"'
cut "a group that comes is denied"
udp_at() { [ "$(echo hello | at default/a nc -u -W 1 -w 5 "$1" 54)" = hello ]; }
check "but for what is excepted" udp_at $OTHER4
td n1 delete cnp d -n default >/dev/null

# --- Services ---

in_workload() { # VERB...
	(
		echo $BASHPID >"$CG/n1/cgroup.procs"
		wire default/a "$@"
	)
}
service() { # SELECTOR ADDRESS
	apply n1 <<-END
	apiVersion: v1
	kind: Service
	metadata: {name: dns, namespace: default, labels: {tier: net}}
	spec: {clusterIP: 10.96.0.10, ${1:+selector: $1,} ports: [{port: 1053, protocol: UDP, targetPort: 53}]}
	---
	apiVersion: discovery.k8s.io/v1
	kind: EndpointSlice
	metadata: {name: dns-1, namespace: default, labels: {kubernetes.io/service-name: dns}}
	addressType: IPv4
	ports: [{port: 53, protocol: UDP}]
	endpoints: [{addresses: [$2]}]
	END
}
asks() { in_workload peer udp 10.96.0.10 1053; }
answers() { [ "$(TRY_SECONDS=3 asks)" = "10.96.0.10 1053 hello" ]; }
is_silent() { ! TRY_SECONDS=1 asks | grep -q hello; }

policy '{toServices: [{k8sService: {serviceName: dns, namespace: default}}], toPorts: [{ports: [{port: "53"}]}]}'
check_equal "a Service that is not there is missing" "$(missing)" "Service default/dns"
service '' $WORLD4
check "a Service without selector: its slice's addresses, by its cluster IP" answers
check "and by their own" udp default/a $WORLD4 53
service '' 198.51.100.9
is_silent_at() { ! TRY_SECONDS=1 udp default/a "$1" 53; }
check "an address that left the slice is no more reached" is_silent_at $WORLD4
b=$(pod_ip default/b 4)
service '' "$b"
check "a slice's address that is a pod's is none of the outside" is_silent
service '{app: b}' "$b"
check "a Service with a selector: its pods" answers
check "and nobody else" is_silent_at $WORLD4
policy '{toServices: [{k8sServiceSelector: {selector: {matchLabels: {tier: net}}}}]}'
check "a Service by its label" answers
service '{app: c}' "$b"
check "the pod that its selector leaves is no more reached" is_silent_at "$b"

# --- an inventory ---

inventory() { # ADDRESSES [AGE]: as the job does it
	cat >"$INVENTORY/.aws.tmp" <<-END
	groups:
	- provider: aws
	  vpc: vpc-1
	  subnet: subnet-1
	  securityGroups: [sg-1, web]
	  labels: {env: prod}
	  addresses: [$1]
	  generatedAt: $(date -u -d "${2:-now}" +%Y-%m-%dT%H:%M:%SZ)
	END
	mv "$INVENTORY/.aws.tmp" "$INVENTORY/aws.yaml"
}
shows_group() { td n1 get inventorygroups -o json | jq -e --arg a "$OTHER4" '.objects[0].text | contains($a)' >/dev/null; }
on_paper() { "$TD_BUILD/tendril" policy explain -f "$W/p.yaml" "$@" --from default/a --to $WORLD4 --port 80/TCP; }
problem() { td n1 status -o json | jq -e --arg t "$1" 'any(.problems[]; .what | contains($t))' >/dev/null; }
healthy() { td n1 status -o json | jq -e .healthy >/dev/null; }

policy '{toGroups: [{aws: {securityGroupsIds: [sg-1]}}]}'
cut "without an inventory a cloud's group matches nobody"
check_equal "and policy list names it" "$(missing)" "InventoryGroup of sg-1"
inventory "$WORLD4, \"$WORLD6\""
check "the inventory comes" wait_for 10 both
check "all is well" healthy
printf 'groups:\n- provider: aws\n  addresses: [0.0.0.0/0' >"$INVENTORY/aws.yaml"
check "a broken file is a problem in the status" wait_for 10 problem inventory/aws.yaml
reaches "its last good groups stay in force"
is_silent_at_other() { ! TRY_SECONDS=1 udp_at $OTHER4; }
check "and nothing more than they" is_silent_at_other
stop_agent n1
# start_agent waits for a healthy one.
on n1 "$TD_BUILD/tendrild" --config="$W/n1/tendril.yaml" --inventory.max_age=1h --masquerade=false >>"$W/n1/agent.log" 2>&1 &
wait_for 20 td n1 policy list >/dev/null || bail "tendrild is not there again"
reaches "over a restart too"
check "and it is a problem still" problem inventory/aws.yaml
inventory "$OTHER4" '2 hours ago'
check "so is an old file" wait_for 10 problem "less than 3600 s ago (inventory.max_age)"
check "which changes nothing" is_silent_at_other
reaches "the last good groups stay in force"
inventory "$OTHER4"
check "a good file ends the problem" wait_for 10 healthy
check "and is in force" udp_at $OTHER4
cut "it alone"
check "get shows its groups" shows_group
check "explain asks the node's inventory" td n1 policy explain --from default/a --to $OTHER4 --port 80/TCP
check_equal "and denies what is not in it" "$(td n1 policy explain --from default/a --to $WORLD4 --port 80/TCP >/dev/null; echo $?)" 1
td n1 get cnp p -n default -o yaml >"$W/p.yaml"
printf -- '---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: a}}\n' >>"$W/p.yaml"
sed "s/$OTHER4/$WORLD4/; s/generatedAt: .*/generatedAt: 2020-01-01T00:00:00Z/" "$INVENTORY/aws.yaml" >"$W/i.yaml"
check "explain asks an inventory on paper, however old" on_paper --inventory "$W/i.yaml"
check_equal "without one nobody is meant" "$(on_paper >/dev/null; echo $?)" 1
rm "$INVENTORY/aws.yaml"
check "with the file its groups go" wait_for 10 is_silent_at_other
finish
