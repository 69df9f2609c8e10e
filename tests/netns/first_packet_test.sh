#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# New pods are isolated before their first packet: what policy denies never passes, from the first
# moment of the interface; an unknown pod passes nothing until its Pod object is there.
. "$(dirname "$0")/lib.sh"
sandbox_enter first_packet "$@"

need_program tendril-cni
ROUNDS=${TD_ROUNDS:-100}
RUN=$W/n1/run
cni() { # COMMAND CONTAINER NETNS ARGS
	CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_IFNAME=eth0 CNI_NETNS=$3 CNI_ARGS=${4-} CNI_PATH=$TD_BUILD \
		on n1 "$TD_BUILD/tendril-cni" <<<"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"tendril-cni\",\"run_dir\":\"$RUN\"}"
}
count() { td n1 endpoint list -o json | jq "[.endpoints[] | select($1)] | length"; }
is_count() { [ "$(count "$1")" = "$2" ]; }

node_new n1
start_agent n1
run_pod n1 default/server app=server
run_pod n1 default/attacker app=attacker
server=$(pod_ip default/server 4) server6=$(pod_ip default/server 6)

# What reaches a socket is written down; senders send as fast as they can.
cat >"$W/sink.py" <<'END'
import socket, sys
log = open(sys.argv[1], 'ab', buffering=0)
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('::', int(sys.argv[2])))
while True:
    data, peer = s.recvfrom(2048)
    log.write(data + b' from ' + peer[0].encode() + b'\n')
END
cat >"$W/blast.py" <<'END'
import socket, sys, time
# PORT TEXT SECONDS ADDRESS...: the time runs from the first datagram that the kernel took
port, text, seconds = int(sys.argv[1]), sys.argv[2].encode(), float(sys.argv[3])
socks = [(socket.socket(socket.AF_INET6 if ':' in a else socket.AF_INET, socket.SOCK_DGRAM), (a, port)) for a in sys.argv[4:]]
sent, end = 0, None
give_up = time.monotonic() + 10
print('trying', flush=True)
while time.monotonic() < (end or give_up):
    for s, to in socks:
        try:
            s.sendto(text, to)
            sent += 1
            end = end or time.monotonic() + seconds
        except OSError:
            pass
print(sent)
END
cat >"$W/pods.py" <<'END'
import ctypes, os, socket, sys, time
# Each line of stdin: the path of a network namespace and a text. Tries to send the text to port 9000
# of ADDRESS... from there until 50 ms after the kernel took the first one; prints "trying", then how
# many it took and how many datagrams came in.
libc = ctypes.CDLL(None, use_errno=True)
for line in sys.stdin:
    path, text = line.split(None, 1)
    fd = os.open(path, os.O_RDONLY)
    if libc.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), path)
    os.close(fd)
    sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sink.setblocking(False)
    sink.bind(('::', 9000))
    out = [(socket.socket(socket.AF_INET6 if ':' in a else socket.AF_INET, socket.SOCK_DGRAM), (a, 9000)) for a in sys.argv[1:]]
    sent, got, end, give_up = 0, 0, None, time.monotonic() + 10
    print('trying', flush=True)
    while time.monotonic() < (end or give_up):
        for s, to in out:
            try:
                s.sendto(text.encode(), to)
                sent += 1
                end = end or time.monotonic() + 0.05
            except OSError:
                pass
        try:
            while sink.recv(2048):
                got += 1
        except BlockingIOError:
            pass
    for s, to in out:
        s.close()
    sink.close()
    print(sent, got, flush=True)
END
cat >"$W/sweep.py" <<'END'
import socket, time
# A datagram to every address of the prefix, over and over.
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    for i in range(3, 255):
        s.sendto(b'attack', ('10.61.0.%d' % i, 9000))
    time.sleep(0.01)
END
in_pod default/server python3 "$W/sink.py" "$W/server.got" 9000 &
wait_for 5 listens default/server udp 9000

# The policy is there before the pods: guarded ones talk to nobody but port 9000 of "friend"s.
apply n1 <<'END'
apiVersion: v1
kind: Pod
metadata: {name: guarded, namespace: default, labels: {app: guarded}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: guarded, namespace: default}
spec:
  podSelector: {matchLabels: {app: guarded}}
  policyTypes: [Ingress, Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: friend}}}]}]
END

in_pod default/attacker python3 "$W/sweep.py" 2>"$W/sweep.log" &
attack=$!
coproc PODS { python3 "$W/pods.py" "$server" "$server6" 2>"$W/pods.log"; }
sent=0 late=0 got=0 end=$((SECONDS + 75))
for ((i = 0; i < ROUNDS && SECONDS < end; i++)); do
	netns_new "g$i"
	# Ready and trying before there is an interface.
	say "$W/ns/g$i leak $i" >&"${PODS[1]}"
	read -r -t 10 word <&"${PODS[0]}" && [ "$word" = trying ] || bail "the sender does not answer"
	cni ADD "g$i" "$W/ns/g$i" 'K8S_POD_NAME=guarded' >"$W/add.out" || not_ok "ADD $i: $(cat "$W/add.out")"
	read -r -t 15 out in <&"${PODS[0]}" || bail "the sender does not answer"
	sent=$((sent + out)) got=$((got + in))
	[ "$out" -gt 0 ] || late=$((late + 1))
	cni DEL "g$i" "$W/ns/g$i"
	umount -l "$W/ns/g$i"
	rm "$W/ns/g$i"
done
check "the attacker was at it all the time" kill "$attack"
check_equal "$ROUNDS pods were started in time" "$i" "$ROUNDS"
note "$sent datagrams sent by $i pods as soon as they could; $late of them could not"
check "the pods did send" test "$sent" -gt $((ROUNDS * 10))
check_equal "not one of them arrived" "$(cat "$W/server.got" 2>/dev/null | wc -l)" 0
check_equal "and not one arrived at them" "$got" 0
# The same without the policy does pass: the test can fail.
td n1 delete networkpolicy guarded >/dev/null
netns_new open
on open python3 "$W/blast.py" 9000 "open" 1 "$server" >/dev/null &
cni ADD open "$W/ns/open" 'K8S_POD_NAME=guarded' >/dev/null || not_ok "ADD"
wait $!
check "without the policy they do" test -s "$W/server.got"

# --- a pod nobody knows
netns_new u
: >"$W/server.got"
cni ADD u "$W/ns/u" 'K8S_POD_NAME=unknown' >"$W/u.out" || not_ok "ADD"
u=$(jq -r '.ips[0].address | sub("/.*"; "")' "$W/u.out") u6=$(jq -r '.ips[1].address | sub("/.*"; "")' "$W/u.out")
on u python3 "$W/sink.py" "$W/u.got" 9000 &
check_equal "an unknown pod has identity init" "$(td n1 endpoint list -o json | jq '.endpoints[] | select(.name == "unknown") | .identity')" 5
# A service of the unknown pod answers nobody, and it reaches nobody.
on u python3 "$W/blast.py" 9000 "unknown" 0.5 "$server" "$server6" "$WORLD4" "${NODE_IP4[n1]}" >/dev/null
in_pod default/server python3 "$W/blast.py" 9000 "to unknown" 0.5 "$u" "$u6" >/dev/null
check_equal "it reaches no pod" "$(wc -c <"$W/server.got")" 0
check_equal "and no pod reaches it" "$(cat "$W/u.got" 2>/dev/null | wc -c)" 0
check_not "it does not reach the world" on u ping -n -c 1 -W 1 "$WORLD4" >/dev/null
apply n1 >/dev/null <<'END'
{apiVersion: v1, kind: Pod, metadata: {name: unknown, namespace: default, labels: {app: known}}}
END
knows() { td n1 endpoint list -o json | jq -e '.endpoints[] | select(.name == "unknown") | .identity >= 256'; }
check "when its Pod arrives it gets an identity, live" wait_for 5 knows
on u python3 "$W/blast.py" 9000 "known" 0.2 "$server" >/dev/null
in_pod default/server python3 "$W/blast.py" 9000 "to known" 0.2 "$u" >/dev/null
check_match "and reaches pods" "$(sort -u "$W/server.got")" '^known from'
check_match "and is reached" "$(sort -u "$W/u.got")" '^to known from'
check "the world too" on u ping -n -c 1 -W 2 "$WORLD4" >/dev/null

# --- whose container is it?
apply n1 >/dev/null <<'END'
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: b-c, namespace: a}}
- {apiVersion: v1, kind: Pod, metadata: {name: c, namespace: a-b}}
END
netns_new abc
check_match "two Pods that could be meant are an error" "$(cni ADD a-b-c "$W/ns/abc" | jq -r .msg)" 'a/b-c.*a-b/c|a-b/c.*a/b-c'
check_equal "and no interface is made" "$(on abc ip -o link show dev eth0 2>/dev/null | wc -l)" 0
td n1 delete pod -n a b-c >/dev/null
check "when one of them is gone the other is meant" cni ADD a-b-c "$W/ns/abc" >/dev/null
check_equal "which is it" "$(td n1 endpoint list -o json | jq -r '.endpoints[] | select(.container_id == "a-b-c") | "\(.namespace)/\(.name)"')" "a-b/c"
finish
