#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Policies over real sockets, row by row: what the client got, and what was reported of it and why.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/traffic.sh"
sandbox_enter policy_matrix "$@"

export DENY_SECONDS=${DENY_SECONDS:-1}

# --- manifests ---

pod() { # NAMESPACE/NAME LABELS [PORTS]
	cat <<END
---
apiVersion: v1
kind: Pod
metadata: {name: ${1#*/}, namespace: ${1%/*}, labels: {$2}}
spec: {containers: [{name: c, ports: [${3:-}]}]}
END
}
namespace() { # NAME LABELS
	printf -- '---\n{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {%s}}}\n' "$1" "$2"
}
policy() { # API-VERSION KIND NAME SPEC
	printf -- '---\n{apiVersion: %s, kind: %s, metadata: {name: %s, namespace: default},\n spec: {%s}}\n' "$@"
}
knp() { policy networking.k8s.io/v1 NetworkPolicy "$@"; }  # NAME SPEC
cnp() { policy cilium.io/v2 CiliumNetworkPolicy "$@"; }    # NAME SPEC
of() { printf 'podSelector: {matchLabels: {app: %s}}' "$1"; } # the pods a NetworkPolicy or a peer means
for_() { printf 'endpointSelector: {matchLabels: {app: %s}}' "$1"; }
BLOCKS="{cidr: 203.0.113.0/24, except: [203.0.113.128/25]},
	{cidr: '2001:db8:113::/64', except: ['2001:db8:113::8000/113']}"

# --- who there is: by name, with its addresses and the place where it runs ---

node_new n1
world_route_pods n1
declare -A PLACE=([world]=world [n1]=n1 [near]=world [far]=world [shop]=shop/friend) ADDRESS=(
	[world,4]=$WORLD4 [world,6]=$WORLD6 [n1,4]=${NODE_IP4[n1]} [n1,6]=${NODE_IP6[n1]}
	[near,4]=203.0.113.10 [near,6]=2001:db8:113::10 [far,4]=203.0.113.130 [far,6]=2001:db8:113::8010)
for name in near far; do
	ip addr add "${ADDRESS[$name,4]}/32" dev lo
	ip -6 addr add "${ADDRESS[$name,6]}/128" dev lo nodad
done
start_agent n1
start_observer n1
td n1 observe -f -o json >"$W/n1/flows" 2>"$W/n1/observe.log" &
HTTP="{name: http, containerPort: 80}"
apply n1 >/dev/null <<END
$(namespace shop "team: blue")
$(pod default/web "app: web" "$HTTP, {name: dns, containerPort: 53, protocol: UDP}")
$(pod default/api "app: api" "{name: http, containerPort: 8080}")
$(pod default/friend "app: friend")
$(pod default/guest "app: guest")
$(pod shop/friend "app: friend")
END
for name in web api friend guest shop; do
	PLACE[$name]=${PLACE[$name]:-default/$name}
	cni_pod n1 "${PLACE[$name]}"
	for v in 4 6; do ADDRESS[$name,$v]=$(pod_ip "${PLACE[$name]}" $v); done
done
serve() { # NAME TCP-PORTS UDP-PORTS [ADDRESSES]: all start at once, and are waited for below
	at "${PLACE[$1]}" "$PYTHON" "$TD_TOP/tests/lib/echo.py" tcp "$2" 2>/dev/null &
	at "${PLACE[$1]}" "$PYTHON" "$TD_TOP/tests/lib/echo.py" udp "$3" "${@:4}" 2>/dev/null &
}
serve web 81,7999,8000,8001,8002,8003,8080,80 8000,53
serve api 8080,80 53
for name in friend guest shop n1; do serve $name 80 53; done
serve world 80 53 "${ADDRESS[near,4]}" "${ADDRESS[near,6]}" "$WORLD4" "$WORLD6"
for name in web api friend guest shop n1 world; do
	wait_for 60 listens "${PLACE[$name]}" tcp 80 || bail "no TCP server on $name"
	wait_for 60 listens "${PLACE[$name]}" udp 53 || bail "no UDP server on $name"
done

# --- the table ---

attempt() { # PROTOCOL WHERE OWN-ADDRESS OWN-PORT ADDRESS PORT SECONDS
	local mode=(-N)
	if [ "$1" = icmp ]; then
		at "$2" ping -n -c 1 -W "$7" -I "$3" "$5" >/dev/null 2>&1
		return
	fi
	[ "$1" = tcp ] || mode=(-u -W 1)
	[ "$(echo hello | at "$2" nc "${mode[@]}" -w "$7" -s "$3" -p "$4" "$5" "$6" 2>/dev/null)" = hello ]
}

# Rows of FROM PROTOCOL TO PORT WANT WORDS..., all at once, each over both families. WANT is
#	pass            nobody isolates either end
#	pass:in0+out1   ingress rule 0 and egress rule 1 allow it; `node`: the node to its own pods
#	drop:in         denied by default in this direction; drop:in0: by deny rule 0
# or one for IPv4 and one for IPv6 with a / between. Every attempt has a port of its own, by which its
# flows are known; those of ICMP are known by their ends.
own=20000
rows() {
	local from protocol to port want words v status seconds begin jobs=() lines=() job
	begin=$(wc -c <"$W/n1/flows")
	while read -r from protocol to port want words; do
		[ -n "$words" ] || bail "a row without words: $from $protocol $to $port $want"
		words="$TITLE: $words ($from $protocol $to $port"
		for v in 4 6; do
			[ $v = 4 ] && want=${want/\// } || want=${want#* }
			own=$((own + 1)) seconds=$TRY_SECONDS
			[[ $want == pass* ]] || seconds=$DENY_SECONDS
			attempt "$protocol" "${PLACE[$from]}" "${ADDRESS[$from,$v]}" $own "${ADDRESS[$to,$v]}" "$port" "$seconds" &
			jobs+=($!)
			lines+=("$own"$'\t'"${ADDRESS[$from,$v]}"$'\t'"${ADDRESS[$to,$v]}"$'\t'"$protocol"$'\t'"${want%% *}"$'\t'"$words, IPv$v)")
		done
	done
	for job in "${!jobs[@]}"; do
		status=0
		wait "${jobs[job]}" || status=$?
		printf '%s\t%s\n' "$status" "${lines[job]}"
	done >"$W/rows"
	wire world judge "$W/rows" "$W/n1/flows" "$begin" >"$W/judged"
	check_equal "$TITLE: every row is judged" "$(wc -l <"$W/judged")" "$(wc -l <"$W/rows")"
	while IFS=$'\t' read -r status words; do
		if [ "$status" = ok ]; then ok "$words"; else not_ok "$words"; fi
	done <"$W/judged"
}

# given TITLE <POLICIES: they are all there are, until the next ones.
declare -A present=()
given() {
	local kind name object
	for object in "${!present[@]}"; do forget "${object% *}" "${object#* }"; done
	TITLE=$1
	apply n1 >"$W/applied"
	while read -r kind name _; do present["$kind $name"]=1; done <"$W/applied"
}
forget() { # KIND NAMESPACE/NAME
	unset "present[$1 $2]"
	td n1 delete "$1" "${2#*/}" -n "${2%/*}" >/dev/null || not_ok "$TITLE: $1 $2 cannot be deleted"
}

TITLE="no policy"
rows <<'END'
friend tcp web 80 pass pods are open to each other
friend icmp web - pass for every protocol
world udp web 53 pass and to the outside
web tcp world 80 pass which they reach
n1 tcp web 80 pass and to their node
END

given "CIDR with except" <<END
$(cnp in "$(for_ web), ingress: [{fromCIDRSet: [$BLOCKS]}]")
$(cnp out "$(for_ api), egress: [{toCIDRSet: [$BLOCKS]}]")
END
rows <<'END'
near tcp web 80 pass:in0 an address of the block comes in
near udp web 53 pass:in0 with every protocol
near icmp web - pass:in0 ICMP too
far tcp web 80 drop:in an excepted one does not
far icmp web - drop:in with no protocol
world tcp web 80 drop:in nor one beside the block
api tcp near 80 pass:out0 the block is reached
api udp near 53 pass:out0 with every protocol
api icmp near - pass:out0 ICMP too
api tcp far 80 drop:out what it excepts is not
api icmp far - drop:out with no protocol
api tcp world 80 drop:out nor what is beside it
END

given "a CIDR of everything is the outside" <<END
$(cnp in "$(for_ web), ingress: [{fromCIDR: [0.0.0.0/0, '::/0']}]")
$(cnp out "$(for_ api), egress: [{toCIDR: [0.0.0.0/0, '::/0']}]")
END
rows <<'END'
world tcp web 80 pass:in0 from which comes whoever is outside
friend tcp web 80 drop:in but no pod
n1 tcp web 80 pass:node the node for another reason
api tcp world 80 pass:out0 which is reached
api tcp friend 80 drop:out but no pod
api tcp n1 80 drop:out and no node
END

given "ipBlock" <<END
$(knp in "$(of web), policyTypes: [Ingress], ingress: [{from: [
	{ipBlock: {cidr: ${NODE_POD4[n1]}, except: [${ADDRESS[friend,4]}/32]}},
	{ipBlock: {cidr: '${NODE_POD6[n1]}', except: ['${ADDRESS[friend,6]}/128']}}]}]")
$(knp out "$(of api), policyTypes: [Egress], egress: [{to: [
	{ipBlock: {cidr: ${NODE_POD4[n1]}, except: [${ADDRESS[friend,4]}/32]}},
	{ipBlock: {cidr: '${NODE_POD6[n1]}', except: ['${ADDRESS[friend,6]}/128']}}]},
	{to: [{ipBlock: {cidr: ${NODE_IP4[n1]}/32}}], ports: [{port: 80}]}]")
END
rows <<'END'
guest tcp web 80 pass:in0 a pod's address is one like any other
guest icmp web - pass:in0 for ICMP too
friend tcp web 80 drop:in and excepted like any other
world tcp web 80 drop:in the outside is not in this block
api tcp guest 80 pass:out0 a pod's address is reached
api tcp friend 80 drop:out unless excepted
api tcp world 80 drop:out the outside is not in this block
api tcp n1 80 pass:out1/drop:out a node's address matches, in its own family
api udp n1 53 drop:out on the port that is written
END

given "deny of a CIDR with except" <<END
$(cnp in "$(for_ web), ingress: [{fromEntities: [world]}], ingressDeny: [{fromCIDRSet: [$BLOCKS]}]")
$(cnp out "$(for_ api), egress: [{toEntities: [all]}], egressDeny: [{toCIDRSet: [$BLOCKS]}]")
END
rows <<'END'
near tcp web 80 drop:in0 the block does not come in
far tcp web 80 pass:in0 what it excepts is left to the allow
world tcp web 80 pass:in0 the rest too
friend tcp web 80 drop:in pods are not the world
api tcp near 80 drop:out0 the block is not reached
api tcp far 80 pass:out0 what it excepts is left to the allow
api tcp web 80 drop:in egress allows the rest
api tcp world 80 pass:out0 the outside too
END

given "port ranges" <<END
$(knp in "$(of web), policyTypes: [Ingress], ingress: [{ports: [{port: 8000, endPort: 8002}]}]")
$(cnp out "$(for_ guest), egress: [{toPorts: [{ports: [{port: '8000', endPort: 8002, protocol: ANY}]}]}]")
END
rows <<'END'
friend tcp web 7999 drop:in below the range nobody comes in
friend tcp web 8000 pass:in0 its first port is in
friend tcp web 8001 pass:in0 what is between is
friend tcp web 8002 pass:in0 its last is
friend tcp web 8003 drop:in above it nobody comes in
friend udp web 8000 drop:in nor by another protocol
friend icmp web - drop:in nor by one without ports
guest tcp web 7999 drop:out below the range nobody goes out
guest tcp web 8000 pass:in0+out0 its first port is in
guest tcp web 8002 pass:in0+out0 its last is
guest tcp web 8003 drop:out above it nobody goes out
guest udp web 8000 drop:in by any protocol that has ports
guest icmp web - drop:out by no other
END

given "named ports" <<END
$(knp in "podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}, policyTypes: [Ingress],
	ingress: [{ports: [{port: http}, {port: dns, protocol: UDP}]}]")
$(cnp out "$(for_ guest), egress: [{toEndpoints: [{}], toPorts: [{ports: [{port: http, protocol: TCP}]}]}]")
END
rows <<'END'
friend tcp web 80 pass:in0 a name is the number at the pod that is reached
friend tcp web 8080 drop:in not the number at another
friend tcp api 8080 pass:in0 where it is allowed
friend tcp api 80 drop:in and the first one's is not
friend udp web 53 pass:in0 a name of UDP
friend udp api 53 drop:in which the other pod does not have
guest tcp web 80 pass:in0+out0 outwards too it is the number at the pod that is reached
guest tcp web 8080 drop:out not the number at another
guest tcp api 8080 pass:in0+out0 where it is allowed
guest tcp friend 80 drop:out a pod without the name has no such port
END

given "entities in" <<END
$(cnp host "$(for_ web), ingress: [{fromEntities: [host]}]")
$(cnp world "$(for_ api), ingress: [{fromEntities: [world]}]")
$(cnp cluster "$(for_ guest), ingress: [{fromEntities: [cluster]}]")
$(cnp all "$(for_ friend), ingress: [{fromEntities: [all]}]")
END
rows <<'END'
n1 tcp web 80 pass:in0 host is the node
shop tcp web 80 drop:in no pod
world tcp web 80 drop:in not the outside
world tcp api 80 pass:in0 world is the outside
world icmp api - pass:in0 for ICMP too
near tcp api 80 pass:in0 all of it
shop tcp api 80 drop:in no pod
n1 tcp api 80 pass:node and not the node, which has a right of its own
shop tcp guest 80 pass:in0 cluster is every pod
n1 tcp guest 80 pass:in0 and the node
world tcp guest 80 drop:in not the outside
shop udp friend 53 pass:in0 all is every pod
n1 tcp friend 80 pass:node the node, by its own right
world tcp friend 80 pass:in0 and the outside
END

given "entities out" <<END
$(cnp host "$(for_ web), egress: [{toEntities: [host]}]")
$(cnp world "$(for_ api), egress: [{toEntities: [world]}]")
$(cnp cluster "$(for_ guest), egress: [{toEntities: [cluster]}]")
$(cnp all "$(for_ friend), egress: [{toEntities: [all]}]")
END
rows <<'END'
web tcp n1 80 pass:out0 host is the node
web icmp n1 - pass:out0 for ICMP too
web tcp shop 80 drop:out no pod
web tcp world 80 drop:out not the outside
api tcp world 80 pass:out0 world is the outside
api tcp shop 80 drop:out no pod
api tcp n1 80 drop:out not the node
guest tcp shop 80 pass:out0 cluster is every pod
guest tcp n1 80 pass:out0 and the node
guest tcp world 80 drop:out not the outside
friend udp shop 53 pass:out0 all is every pod
friend tcp n1 80 pass:out0 the node
friend tcp world 80 pass:out0 and the outside
END

given "deny in" <<END
$(knp everyone "podSelector: {}, policyTypes: [Ingress], ingress: [{}]")
$(cnp web "$(for_ web), ingress: [{fromEndpoints: [{}]}], ingressDeny: [
	{fromEndpoints: [{matchLabels: {app: guest}}]}, {toPorts: [{ports: [{port: '81', protocol: TCP}]}]}]")
$(cnp api "$(for_ api), ingressDeny: [{fromEntities: [host]}, {icmps: [{fields: [{type: 8}]}]}]")
$(cnp only "$(for_ guest), enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [world]}]")
END
rows <<'END'
friend tcp web 80 pass:in0 who is not denied comes in
guest tcp web 80 drop:in0 who is denied does not, allowed or not
guest icmp web - drop:in0 with no protocol
friend tcp web 81 drop:in1 a denied port is denied to everyone
world tcp web 81 drop:in1 the outside too
friend udp web 53 pass:in0 the other ports are left alone
n1 tcp api 80 drop:in0 the node can be denied
friend tcp api 80 pass:in0 pods beside it come in
friend icmp api - drop:in1/pass:in0 an ICMP type can be denied, in one family
world tcp guest 80 drop:in0 a policy that denies the world
friend tcp guest 80 pass:in0 denies nobody else
END

given "deny out" <<END
$(knp everyone "podSelector: {}, policyTypes: [Egress], egress: [{}]")
$(cnp guest "$(for_ guest), egress: [{toEntities: [all]}], egressDeny: [
	{toEndpoints: [{matchLabels: {app: api}}]}, {toPorts: [{ports: [{port: '81', protocol: TCP}]}]},
	{toEntities: [host]}, {icmps: [{fields: [{type: 8}]}]}]")
$(cnp only "$(for_ api), enableDefaultDeny: {egress: false}, egressDeny: [{toEntities: [world]}]")
END
rows <<'END'
guest tcp web 80 pass:out0 who is not denied is reached
guest tcp api 80 drop:out0 who is denied is not, allowed or not
guest udp api 53 drop:out0 with no protocol
guest tcp web 81 drop:out1 a denied port is denied towards everyone
guest udp web 53 pass:out0 the other ports are left alone
guest tcp n1 80 drop:out2 the node can be denied
guest icmp world - drop:out3/pass:out0 an ICMP type can be denied, in one family
guest tcp world 80 pass:out0 and TCP goes there
api tcp world 80 drop:out0 a policy that denies the world
api tcp web 80 pass:out0 denies nobody else
END

given "nothing but deny" <<END
$(cnp isolates "$(for_ web), ingressDeny: [{fromEndpoints: [{matchLabels: {app: guest}}]}]")
$(cnp leaves "$(for_ api), enableDefaultDeny: {ingress: false, egress: false},
	ingressDeny: [{fromEndpoints: [{matchLabels: {app: guest}}]}],
	egressDeny: [{toPorts: [{ports: [{port: '53', protocol: UDP}]}]}]")
END
rows <<'END'
guest tcp web 80 drop:in0 who is denied does not come in
friend tcp web 80 drop:in nor anybody else
web tcp friend 80 pass the other direction is open
guest tcp api 80 drop:in0 without default deny who is denied does not come in
friend tcp api 80 pass and everybody else does
api udp world 53 drop:out0 a denied port is not reached
api tcp world 80 pass and every other is
END

given "icmps" <<END
$(cnp both "$(for_ web), ingress: [{fromEndpoints: [{matchLabels: {app: friend}}],
	icmps: [{fields: [{type: EchoRequest}, {family: IPv6, type: EchoRequest}]}]}]")
$(cnp one "$(for_ api), ingress: [{icmps: [{fields: [{type: 8}]}]}]")
$(cnp other "$(for_ friend), ingress: [{icmps: [{fields: [{type: 13}, {family: IPv6, type: 129}]}]}]")
$(cnp out "$(for_ guest), egress: [{icmps: [{fields: [{family: IPv6, type: 128}]}]},
	{toPorts: [{ports: [{port: '0', protocol: ANY}]}]}]")
END
rows <<'END'
friend icmp web - pass:in0 an echo comes in, by name
friend tcp web 80 drop:in no connection does
friend udp web 53 drop:in no datagram either
shop icmp web - drop:in from others nothing
shop icmp api - pass:in0/drop:in a type without a family is one of IPv4
n1 icmp api - pass:node but the node comes in
web icmp friend - drop:in other types allow no echo
guest icmp world - drop:out/pass:out0 outwards likewise, by number
guest tcp world 80 pass:out1 beside every port
END

given "default deny" <<END
$(knp in "$(of web), policyTypes: [Ingress]")
$(knp out "$(of guest), policyTypes: [Egress]")
$(knp none "$(of api), policyTypes: [Ingress, Egress]")
END
rows <<'END'
friend tcp web 80 drop:in inwards no pod comes in
world udp web 53 drop:in not the outside
friend icmp web - drop:in no ICMP
n1 tcp web 80 pass:node the node does
web tcp friend 80 pass outwards it is open, and answers come in
web icmp world - pass ICMP too
guest tcp friend 80 drop:out outwards no pod is reached
guest icmp world - drop:out not the outside
guest tcp n1 80 drop:out not the node
friend tcp guest 80 pass inwards it is open, and answers go out
friend tcp api 80 drop:in both ways nobody comes in
api tcp friend 80 drop:out and nobody is reached
END

given "both ends" <<END
$(knp in "$(of web), policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]")
$(knp api "$(of api), policyTypes: [Ingress]")
$(knp friend "$(of friend), policyTypes: [Egress], egress: [{to: [{$(of web)}]}]")
$(knp guest "$(of guest), policyTypes: [Egress], egress: [{to: [{$(of api)}]}]")
END
rows <<'END'
friend tcp web 80 pass:in0+out0 egress and ingress allow
guest tcp web 80 drop:out ingress alone is not enough
guest tcp api 80 drop:in egress alone is not
friend tcp web 81 drop:in not for another port either
friend tcp api 80 drop:out neither allows
END

given "namespaces" <<END
$(knp both "$(of web), policyTypes: [Ingress],
	ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}, $(of friend)}]}]")
$(knp own "$(of api), policyTypes: [Ingress], ingress: [{from: [{$(of friend)}]}]")
$(knp named "$(of guest), policyTypes: [Ingress],
	ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}]")
$(cnp out "$(for_ friend), egress: [{toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': shop}}]}]")
END
rows <<'END'
shop tcp web 80 pass:in0 a namespace and its pod, by their labels
guest tcp web 80 drop:in neither of another
shop tcp api 80 drop:in a pod's labels alone are for the own namespace
shop tcp guest 80 pass:in0 a namespace by its name
web tcp guest 80 drop:in the own is not it
friend tcp shop 80 pass:out0 outwards, a namespace by its name
friend tcp api 80 drop:out the own is not it
END

# --- labels that change while everybody runs ---

talk() { # FROM TO: exchanges lines from now on, over both families
	local v
	for v in 4 6; do
		own=$((own + 1))
		OWN[$1,$v]=$own
		: >"$W/talk-$1-$v"
		wire "${PLACE[$1]}" talk "${ADDRESS[$2,$v]}" 80 $own >"$W/talk-$1-$v" &
		wait_for $((TRY_SECONDS * 2)) more_lines "$W/talk-$1-$v" 5 || not_ok "$TITLE: $1 and $2 talk over IPv$v"
	done
}
declare -A OWN
heard() { wc -l <"$W/talk-$1-$2"; } # FROM FAMILY
goes_on() { # FROM FAMILY
	wait_for $((TRY_SECONDS * 4)) more_lines "$W/talk-$1-$2" $(($(heard "$1" "$2") + 3))
}
check_cut() { # NAME FROM: what is under way at this moment may still arrive
	local v before=()
	for v in 4 6; do before[v]=$(heard "$2" $v); done
	sleep "$DENY_SECONDS"
	for v in 4 6; do
		check "$TITLE: $1 over IPv$v" test $(($(heard "$2" $v) - before[v])) -le 1
		check "$TITLE: which is reported over IPv$v" wait_for 5 dropped "$2" $v
	done
}
dropped() { # FROM FAMILY: whether a packet of its talk was
	grep -qE "\"DROPPED\".*\"(source|destination)_port\":${OWN[$1,$2]}[,}]" "$W/n1/flows"
}

given "live labels" <<END
$(knp friends "$(of web), policyTypes: [Ingress], ingress: [{from: [{$(of friend)}]}]")
$(knp blue "$(of api), policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]")
END
rows <<'END'
guest tcp web 80 drop:in a peer without the label does not come in
shop tcp api 80 pass:in0 one of a namespace with the label does
END
apply n1 >/dev/null <<END
$(pod default/guest "app: friend")
$(namespace shop "team: red")
END
rows <<'END'
guest tcp web 80 pass:in0 a peer that gets the label comes in
guest icmp web - pass:in0 with every protocol
shop tcp api 80 drop:in one whose namespace loses its label does not
END
talk guest web
apply n1 >/dev/null <<END
$(pod default/guest "app: guest")
$(namespace shop "team: blue")
END
check_cut "an established connection ends with the label" guest
rows <<'END'
guest tcp web 80 drop:in a peer that loses the label does not come in
shop tcp api 80 pass:in0 one whose namespace gets it back does
END
apply n1 >/dev/null <<END
$(pod default/web "app: else" "$HTTP")
$(pod default/guest "app: api")
END
rows <<'END'
guest tcp web 80 pass a pod that its policy selects no more is open
friend tcp guest 80 drop:in one that a policy selects now is not
END
apply n1 >/dev/null <<END
$(pod default/web "app: web" "$HTTP")
$(pod default/guest "app: guest")
END
rows <<'END'
guest tcp web 80 drop:in a pod that its policy selects again is not
friend tcp guest 80 pass one that a policy selects no more is
END

# --- established connections ---

given "established" <<END
$(knp closed "$(of web), policyTypes: [Ingress]")
$(knp friends "$(of web), policyTypes: [Ingress], ingress: [{from: [{$(of friend)}], ports: [{port: 80}]}]")
END
CHANGES=${CHANGES:-50}
unrelated() { # NUMBER: of another pod; of this one, allowing others; of its client's address; of its client
	case $(($1 % 4)) in
	0) cnp unrelated "$(for_ api), ingress: [{fromEndpoints: [{matchLabels: {app: guest}}]}]" ;;
	1) cnp unrelated "$(for_ web), ingress: [{fromEntities: [world]}], ingressDeny: [{fromCIDRSet: [$BLOCKS]}]" ;;
	2) knp unrelated "$(of web), ingress: [{from: [{ipBlock: {cidr: ${ADDRESS[friend,4]}/32}}], ports: [{port: 81}]}]" ;;
	3) knp unrelated "$(of friend), policyTypes: [Egress], egress: [{ports: [{port: 80}]}]" ;;
	esac
}
talk friend web
before=([4]=$(heard friend 4) [6]=$(heard friend 6))
for ((i = 0; i < CHANGES; i++)); do
	unrelated $i | apply n1 >"$W/applied"
	read -r kind name _ <"$W/applied"
	forget "$kind" "$name"
done
for v in 4 6; do
	check "$TITLE: data flows while an unrelated policy comes and goes $CHANGES times over IPv$v" \
		test $(($(heard friend $v) - before[v])) -ge "$CHANGES"
	check "$TITLE: and afterwards over IPv$v" goes_on friend $v
	check_not "$TITLE: not one of its packets was dropped over IPv$v" dropped friend $v
done
forget NetworkPolicy default/friends
check_cut "without the policy that allowed it a connection is cut at once" friend
knp friends "$(of web), policyTypes: [Ingress], ingress: [{from: [{$(of friend)}]}]" | apply n1 >/dev/null
for v in 4 6; do
	check "$TITLE: allowed again it goes on over IPv$v" goes_on friend $v
done
finish
