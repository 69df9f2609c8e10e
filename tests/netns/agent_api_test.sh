#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent's sockets against clients that are not what they should be.
. "$(dirname "$0")/lib.sh"
sandbox_enter agent_api "$@"

socket=$W/n1/run/tendril.sock
api() { # METHOD PATH [BODY]: the body, then the status on a line of its own
	curl -s --max-time 20 --unix-socket "$socket" -X "$1" -w '\n%{http_code}\n' \
		${3+--data-binary "$3"} "http://x$2"
}
status_of() { api "$@" | tail -n 1; }
alive() { [ "$(status_of GET /v1/status)" = 200 ]; }
as_nobody() { setpriv --reuid 65534 --regid 65533 --clear-groups "$@"; }
fds() { find "/proc/$(cat "$W/n1/agent.pid")/fd" -type l 2>/dev/null | wc -l; }

node_new n1
start_agent n1 --admin_group=nogroup --observer_user=
before=$(fds)

for path in status endpoints identities policies services connections maps config objects; do
	check_equal "GET /v1/$path" "$(status_of GET /v1/$path)" 200
done
check_equal "an unknown path" "$(status_of GET /v1/nothing)" 404
check_equal "a wrong method" "$(status_of DELETE /v1/status)" 405
check_equal "an unknown kind" "$(status_of GET '/v1/objects?kind=Gadget')" 400
for path in cni/add cni/del cni/check cni/gc run; do
	check_equal "POST /v1/$path with no JSON" "$(status_of POST /v1/$path '{')" 400
	check_equal "POST /v1/$path with a list" "$(status_of POST /v1/$path '[]')" 400
	check_equal "POST /v1/$path with nothing" "$(status_of POST /v1/$path '{}')" 400
	check_equal "POST /v1/$path with wrong types" \
		"$(status_of POST /v1/$path '{"container_id":1,"ifname":[],"netns":{},"valid":[1],"namespace":2,"name":3}')" 400
done
check_equal "a container id that leaves the directory" \
	"$(status_of POST /v1/cni/add '{"container_id":"../../x","ifname":"eth0","netns":"/run/x"}')" 400
check_equal "labels with separators" \
	"$(status_of POST /v1/run '{"container_id":"x","namespace":"a","name":"b","netns":"/x","labels":{"a,b":"c"}}')" 400
check_match "every refusal says why" "$(api POST /v1/run '{}')" '"message":"[^"]{10,}'
head -c 17000000 /dev/zero | tr '\0' 'x' >"$W/big"
check_equal "17 MB are refused" "$(curl -s --max-time 30 --unix-socket "$socket" -o /dev/null -w '%{http_code}' \
	--data-binary "@$W/big" http://x/v1/objects)" 413

for i in $(seq 50); do head -c $((i * 37)) /dev/urandom | socat -t 1 - "UNIX-CONNECT:$socket" >/dev/null 2>&1; done
check "garbage does not disturb it" alive
for i in $(seq 30); do
	(printf 'POST /v1/objects HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n'; sleep 8) |
		socat - "UNIX-CONNECT:$socket" >/dev/null 2>&1 &
done
sleep 0.5
start=$(date +%s%N)
check "30 slow clients hold up nobody" alive
check "not even for a second" test $(($(date +%s%N) - start)) -lt 1000000000
for i in $(seq 20); do
	printf 'GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n' | socat -t 0.1 - "UNIX-CONNECT:$socket" >/dev/null 2>&1
done
check "half-closed clients neither" alive

# --- who may
check_not "another user may not" as_nobody curl -s -o /dev/null --max-time 5 --unix-socket "$socket" http://x/v1/status
chmod 0666 "$socket"
# It is closed after the refusal without reading, so a client that writes late may see only the end.
refused() { as_nobody curl -s --max-time 5 --unix-socket "$socket" http://x/v1/status | grep not_permitted; }
check "not even if the mode lets it in" wait_for 5 refused
check_no_match "and it learns nothing" \
	"$(as_nobody curl -s --max-time 5 --unix-socket "$socket" http://x/v1/status)" healthy
check_match "a member of the group may" \
	"$(setpriv --reuid 65534 --regid 65533 --groups 65534 curl -s --max-time 5 --unix-socket "$socket" http://x/v1/status)" '"healthy"'
chmod 0660 "$socket"
check_equal "the socket's mode is 0660" "$(stat -c %a "$socket")" 660
check_equal "the observer's is 0600" "$(stat -c %a "$W/n1/run/observer.sock")" 600
chmod 0666 "$W/n1/run/observer.sock"
check_equal "the observer's socket is closed to another user at once" \
	"$(as_nobody timeout 5 socat -u "UNIX-CONNECT:$W/n1/run/observer.sock" - | wc -c)" 0
check "and gives root the tables" test "$(timeout 2 socat -u "UNIX-CONNECT:$W/n1/run/observer.sock" - | wc -c)" -gt 50

# --- nothing leaks
settled() { [ "$(fds)" -le $((before + 2)) ]; }
check "no descriptor is left over" wait_for 20 settled
caps=$(awk '/^CapEff/ { print $2 }' "/proc/$(cat "$W/n1/agent.pid")/status")
# net_admin 12, sys_ptrace 19, sys_admin 21, perfmon 38, bpf 39
check_equal "only the capabilities it needs are kept" "$((16#$caps & ~((1 << 12) | (1 << 19) | (1 << 21) | (1 << 38) | (1 << 39))))" 0
finish
