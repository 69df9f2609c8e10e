#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Upgrade in place to a build whose conntrack and NAT values have one field more, and back: a
# connection whose replies pass only because it is known loses not one echo.
. "$(dirname "$0")/lib.sh"
sandbox_enter datapath_upgrade "$@"

narrow=$TD_BUILD/src/datapath/datapath-upgrade
wide=${TD_BUILD_WIDE:-$TD_TOP/build-wide}/src/datapath/datapath-upgrade
if [ ! -x "$narrow" ] || [ ! -x "$wide" ]; then
	skip "upgrade to a wider conntrack" "needs build and build-wide (meson -Dtest_wide_ct=true)"
	finish
fi

node_new n1
netns_new p1
netns_new p2
bpf=$W/n1/bpf/tendril
take_over() { on n1 "$1" "$bpf" "$W/ns/p1" "$W/ns/p2"; }
value_size() { bpftool map show pinned "$bpf/maps/$1" | sed -n 's/.*value \([0-9]*\)B.*/\1/p'; }

check_equal "the first build starts" "$(take_over "$narrow")" 104

on p2 timeout 60 python3 -c '
import socket
import threading
def echo(c):
    while d := c.recv(100):
        c.sendall(d)
s = socket.create_server(("10.1.0.2", 8080))
while True:
    threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()
' &
wait_for 10 "the server listens" listens p2 tcp 8080
on p1 timeout 60 python3 -c '
import os, socket, sys, time
def connect():
    s = socket.create_connection(("10.1.0.2", 8080), timeout=2)
    s.settimeout(0.9)
    s.sendall(b"hello")
    assert s.recv(100) == b"hello"
    return s
s = connect()
idle = connect()
open(sys.argv[1] + "/up", "w").close()
echoes = 0
while not os.path.exists(sys.argv[1] + "/stop"):
    s.sendall(b"hello")
    assert s.recv(100) == b"hello"
    echoes += 1
    time.sleep(0.01)
idle.sendall(b"still there")
assert idle.recv(100) == b"still there"
print("unbroken after", echoes)
' "$W" >"$W/talk" 2>&1 &
talk=$!
wait_for 10 "the connection is up" test -e "$W/up"

check_equal "a wider build takes over" "$(take_over "$wide")" 112
check_equal "its connections are wider" "$(value_size td_ct)" 112
check_equal "those of the narrow one are kept for it" "$(value_size td_ct-prev)" 104
sleep 1
check_equal "the wider build starts again while connections still move" "$(take_over "$wide")" 112
check_equal "and keeps the narrow ones" "$(value_size td_ct-prev)" 104
sleep 1
check_equal "the narrow build takes over again" "$(take_over "$narrow")" 104
check_equal "its connections are narrow" "$(value_size td_ct)" 104
sleep 1
: >"$W/stop"
check "not one echo was lost, nor the connection that was idle" wait "$talk"
check_match "the connection says so" "$(cat "$W/talk")" 'unbroken after [0-9]{2,}'
check_not "what began nothing is still denied" on p2 timeout 2 python3 -c '
import socket
socket.create_connection(("10.1.0.1", 8080), timeout=1)' 2>/dev/null
finish
