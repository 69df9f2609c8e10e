# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced after lib.sh by tests that judge traffic by its outcome and by what was reported of it.

WIRE=${BASH_SOURCE[0]%/*}/wire.py
export TRY_SECONDS
HOST_MAC=0e:54:00:00:00:00

wire() { # WHERE VERB...: see wire.py
	at "$1" "$PYTHON" "$WIRE" "${@:2}"
}

# serve_who WHERE ADDRESS PORT: tells clients, by TCP and UDP, which address they come with.
serve_who() {
	wire "$1" who "$2" "$3" &
	wait_for 10 listens "$1" tcp "$3" || bail "nobody answers on $1 port $3"
}

# check_flow NAME NODE PATH=VALUE...: such a flow was reported; IPv4 and IPv6 paths as in jsonpb.
flow_seen() { # NODE PATH=VALUE...
	td "$1" observe -o jsonpb --last 2000 2>/dev/null | "$PYTHON" "$WIRE" flow "${@:2}"
}
check_flow() {
	if wait_for 5 flow_seen "${@:2}"; then
		ok "$1"
	else
		td "$2" observe --last 6 2>&1 | sed 's/^/    | /'
		not_ok "$1: no flow with ${*:3}"
	fi
}
check_no_flow() {
	sleep 0.3
	if flow_seen "${@:2}"; then not_ok "$1: a flow with ${*:3}"; else ok "$1"; fi
}

# How many of `tendril ct list` have all these fields.
connections() { # NODE FIELD=VALUE...
	td "$1" ct list -o json | "$PYTHON" -c '
import json, sys
wanted = [w.split("=", 1) for w in sys.argv[1:]]
print(sum(all(str(c.get(k)) == v for k, v in wanted) for c in json.load(sys.stdin)["connections"]))' "${@:2}"
}

# hold WHERE ADDRESS PORT COUNT NAME: opens connections and keeps them; alive NAME says how many answer.
hold() {
	mkfifo "$W/hold-$5"
	: >"$W/alive-$5"
	wire "$1" hold "$2" "$3" "$4" <"$W/hold-$5" >"$W/alive-$5" &
	exec {_fd}>"$W/hold-$5"
	HOLD[$5]=$_fd
	wait_for "${6:-15}" test -s "$W/alive-$5" || bail "connections to $2 port $3 were not opened"
}
declare -A HOLD
alive() { # NAME
	local lines
	lines=$(wc -l <"$W/alive-$1")
	echo >&"${HOLD[$1]}"
	wait_for 20 more_lines "$W/alive-$1" "$lines" || { echo none; return; }
	tail -n 1 "$W/alive-$1"
}
more_lines() { [ "$(wc -l <"$1")" -gt "$2" ]; }
serve_many() { # WHERE ADDRESS PORT
	wire "$1" echo_tcp "$2" "$3" &
	wait_for 10 listens "$1" tcp "$3" || bail "no server on $1 port $3"
}
