#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Star Wars demo, which is also a test: containers of containerd, connected by tendril-cni; a
# policy that lets only the empire land; every flow seen. It fails if an expected flow was not
# reported or a connection had the wrong outcome. ./demo runs it.
. "$(dirname "$0")/lib.sh"
sandbox_enter starwars "$@"

STARWARS=$TD_TOP/examples/starwars
XWING=default/xwing TIEFIGHTER=default/tiefighter
title() { printf '\n--- %s\n' "$*"; }

# Names and addresses are those of the manifests: one source for both.
pod_named() { # PREFIX
	td n1 get pod -o json | python3 -c '
import json, sys
for o in json.load(sys.stdin)["objects"]:
    if o["name"].startswith(sys.argv[1]): print(o["namespace"] + "/" + o["name"])' "$1"
}
cluster_ip() { # SERVICE 4|6
	td n1 service list -o json | python3 -c '
import json, sys
for s in json.load(sys.stdin)["services"]:
    if s["name"] == sys.argv[1] and s["frontend"].startswith("[") == (sys.argv[2] == "6"):
        print(s["frontend"].rsplit(":", 1)[0].strip("[]")); break' "$1" "$2"
}

why=$(ctr_missing)
if [ -n "$why" ]; then
	skip "the Star Wars demo" "$why"
	exit 0
fi

title "A node with an agent and an observer, in a network namespace"
node_new n1
start_agent n1
start_observer n1
td n1 apply -f "$STARWARS/namespaces.yaml" -f "$STARWARS/dns.yaml" \
	-f "$STARWARS/pods.yaml" -f "$STARWARS/services.yaml"
# Followed from the start; what is printed live is also what is judged in the end.
td n1 observe --follow --since 1h >"$W/flows.txt" 2>"$W/n1/observe.log" &
FOLLOWER=$!

title "Containers, run by containerd: real nginx, dnsmasq and curl from Debian's packages"
mapfile -t DEATHSTARS < <(pod_named deathstar-)
COREDNS=$(pod_named coredns-)
DNS=$(cluster_ip kube-dns 4) DEATHSTAR4=$(cluster_ip deathstar 4) DEATHSTAR6=$(cluster_ip deathstar 6)
printf 'nameserver %s\nsearch default.svc.cluster.local\noptions ndots:2 timeout:2 attempts:2\n' "$DNS" \
	>"$W/resolv.conf"
image_web deathstar deathstar
image_web disney www.disney.com
image_dns coredns "www.disney.com=$WORLD4" "www.disney.com=$WORLD6" \
	"deathstar.default.svc.cluster.local=$DEATHSTAR4" \
	"deathstar.default.svc.cluster.local=$DEATHSTAR6"
mkdir -p "$W/images/ship.files/etc"
cp "$W/images/disney.files/etc/web.crt" "$W/images/ship.files/etc/disney.crt"
image_make ship curl dig
ctr_setup n1 tendril
pod_ctr n1 "$COREDNS" coredns dnsmasq -C /etc/dns.conf || bail "no DNS server"
for pod in "${DEATHSTARS[@]}"; do
	pod_ctr n1 "$pod" deathstar nginx -c /etc/web.conf || bail "no deathstar"
done
CTR_MOUNT="type=bind,src=$W/resolv.conf,dst=/etc/resolv.conf,options=rbind:ro"
pod_ctr n1 $TIEFIGHTER ship sleep 100000 || bail "no tiefighter"
pod_ctr n1 $XWING ship sleep 100000 || bail "no xwing"
CTR_MOUNT='' CTR_NETNS=/proc/1/ns/net pod_ctr n1 outside/disney disney nginx -c /etc/web.conf ||
	bail "no web server outside"
wait_for 10 listens "$COREDNS" udp 53 || bail "dnsmasq does not listen"
wait_for 10 listens "${DEATHSTARS[0]}" tcp 80 || bail "nginx of a deathstar does not listen"
wait_for 10 listens "${DEATHSTARS[1]}" tcp 80 || bail "nginx of a deathstar does not listen"
wait_for 10 listens world tcp 443 || bail "nginx outside does not listen"
td n1 endpoint list

title "The policy: only org=empire may land on a deathstar, port 80"
td n1 apply -f "$STARWARS/rule1.yaml"
tail -n +1 -f "$W/flows.txt" --pid=$$ &
PRINTER=$!

visit() { # POD URL...: what curl prints
	local pod=$1
	shift
	c_exec "$pod" curl -sS -m "$TRY_SECONDS" --cacert /etc/disney.crt "$@" 2>&1
}
title "xwing looks up www.disney.com and reads it, over HTTP and HTTPS, IPv4 and IPv6"
check_equal "the name's IPv4 address" "$(c_exec $XWING dig +short www.disney.com A)" "$WORLD4"
check_equal "the name's IPv6 address" "$(c_exec $XWING dig +short www.disney.com AAAA)" "$WORLD6"
for v in 4 6; do
	check_match "HTTP over IPv$v" "$(visit $XWING -$v http://www.disney.com/)" "^www.disney.com at "
	check_match "HTTPS over IPv$v" "$(visit $XWING -$v https://www.disney.com/)" "^www.disney.com at "
done
check "ICMPv4 to the outside" c_exec $XWING ping -c 1 -W 2 "$WORLD4" >"$W/ping4.txt"
check "ICMPv6 to the outside" c_exec $XWING ping -6 -c 1 -W 2 "$WORLD6" >"$W/ping6.txt"

title "tiefighter lands on a deathstar, by the service's name"
for v in 4 6; do
	for _ in 1 2; do
		landing=$(visit $TIEFIGHTER -$v http://deathstar/)
		[[ $landing == "deathstar at "* ]] || break
	done
	check_match "the empire lands over IPv$v" "$landing" "^deathstar at "
done

title "xwing tries the same, and a port that nobody may use"
for v in 4 6; do
	check_not "the alliance is denied over IPv$v" visit $XWING -$v http://deathstar/
done
check_not "port 443 of a deathstar is denied even to the empire" \
	visit $TIEFIGHTER -k "https://$(pod_ip "${DEATHSTARS[0]}" 4)/"
check_not "and ICMP" c_exec $TIEFIGHTER ping -c 1 -W 1 "$(pod_ip "${DEATHSTARS[0]}" 4)" >"$W/ping.txt"

# Every line below is a shape that must have been printed.
STAMP='^[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}\.[0-9]{3}: '
X='default/xwing' T='default/tiefighter' D='default/deathstar-[a-z0-9-]+' C='kube-system/coredns-[a-z0-9-]+'
ID='\(ID:[0-9]+\)' PORT=':[0-9]+' WORLD='www\.disney\.com'
EXPECTED=(
	"DNS query over UDP|$X$PORT $ID -> $C:53 $ID [a-z-]+ FORWARDED \(UDP\)$"
	"DNS answer|$X$PORT $ID <- $C:53 $ID to-endpoint FORWARDED \(UDP\)$"
	"HTTPS to a name from the DNS answer|$X$PORT $ID -> $WORLD:443 \(world\) to-stack FORWARDED \(TCP Flags: SYN\)$"
	"HTTP to a name from the DNS answer|$X$PORT $ID -> $WORLD:80 \(world\) to-stack FORWARDED \(TCP Flags: SYN\)$"
	"its answer|$X$PORT $ID <- $WORLD:443 \(world\) to-endpoint FORWARDED \(TCP Flags: SYN, ACK\)$"
	"ICMPv4|$X $ID -> $WORLD \(world\) to-stack FORWARDED \(ICMPv4 EchoRequest\)$"
	"ICMPv6|$X $ID -> $WORLD \(world\) to-stack FORWARDED \(ICMPv6 EchoRequest\)$"
	"landing|$T$PORT $ID -> $D:80 $ID to-endpoint FORWARDED \(TCP Flags: SYN\)$"
	"policy denied|$X$PORT $ID <> $D:80 $ID Policy denied DROPPED \(TCP Flags: SYN\)$"
	"policy denied, port 443|$T$PORT $ID <> $D:443 $ID Policy denied DROPPED \(TCP Flags: SYN\)$"
	"policy denied, ICMP|$T $ID <> $D $ID Policy denied DROPPED \(ICMPv4 EchoRequest\)$"
)
seen_all() {
	local row
	for row in "${EXPECTED[@]}"; do
		grep -qE -- "$STAMP${row#*|}" "$W/flows.txt" || return 1
	done
}
wait_for 5 seen_all || true
kill "$PRINTER" 2>/dev/null || true
wait "$PRINTER" 2>/dev/null || true

title "Was every flow reported?"
for row in "${EXPECTED[@]}"; do
	check "flow: ${row%%|*}" grep -qE -- "$STAMP${row#*|}" "$W/flows.txt"
done
for v in 4 6; do
	td n1 observe --last 10000 -"$v" --verdict DROPPED --from-pod $XWING -o jsonpb >"$W/dropped$v.json"
	check "the denial over IPv$v is there, and says that no rule allowed it" \
		grep -q '"drop_reason_desc":"POLICY_DENIED"' "$W/dropped$v.json"
done
check_equal "nothing was lost" "$(grep -c 'EVENTS LOST' "$W/flows.txt")" 0
check "the node is healthy" td n1 status

if [ -n "${TD_DEMO_KEEP:-}" ] && [ "$_failed" = 0 ]; then
	say "$W" >"$TD_DEMO_KEEP"
	sleep infinity &
	wait
fi
kill "$FOLLOWER" 2>/dev/null || true
title "Removing everything"
for pod in outside/disney $XWING $TIEFIGHTER "${DEATHSTARS[@]}" "$COREDNS"; do
	c_remove "$pod"
done
check_equal "every address was given back" "$(td n1 endpoint list -o json | grep -c container_id)" 0
finish
