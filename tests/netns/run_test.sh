#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `tendril run`: exit codes, signals, DNS, its cgroup, and what is left when it is killed.
. "$(dirname "$0")/lib.sh"
sandbox_enter run "$@"

node_new n1
start_agent n1
run() { td n1 run --name default/w "$@" 2>"$W/run.err"; }
status_of() { "$@" >/dev/null; echo $?; }
workloads() { td n1 endpoint list -o json | jq '.endpoints | length'; }
none() { [ "$(workloads)" = 0 ]; }
cgroups() { find "$CG/n1" -mindepth 1 -type d | wc -l; }
devices() { on n1 ip -o link show type veth | grep -c ' tdn1[0-9]' || true; }

# --- exit codes
check_equal "0 as the command's" "$(status_of run -- true)" 0
check_equal "7 as the command's" "$(status_of run -- sh -c 'exit 7')" 7
check_equal "a command that does not exist: 127" "$(status_of run -- /no/such/command)" 127
check_match "which is said" "$(cat "$W/run.err")" '/no/such/command: No such file'
: >"$W/plain"
check_equal "a file that is no program: 126" "$(status_of run -- "$W/plain")" 126
check_equal "killed by a signal: 128 and its number" "$(status_of run -- sh -c 'kill -SEGV $$')" 139
check_equal "no command: usage" "$(status_of run)" 2
check_equal "no name: usage" "$(status_of td n1 run -- true 2>/dev/null)" 2
check_equal "a label without '=': usage" "$(status_of run --label x -- true)" 2
check_equal "a name that cannot be: refused" "$(status_of td n1 run --name 'A/B_c' -- true 2>"$W/run.err")" 1
check_match "saying why" "$(cat "$W/run.err")" 'lower-case'
check_equal "a name with two slashes: usage" "$(status_of td n1 run --name a/b/c -- true 2>/dev/null)" 2
check_equal "a namespace longer than any: usage" "$(status_of td n1 run --name "$(printf 'a%.0s' {1..64})/b" -- true 2>/dev/null)" 2
check_equal "a label no Pod can have: refused" "$(status_of run --label $'app=\e[31mred' -- true)" 1
check_match "saying which" "$(cat "$W/run.err")" 'app='
check_equal "one that is no text: usage" "$(status_of run --label $'app=\xff' -- true)" 2
check_equal "no agent: 3" "$(status_of "$TD_BUILD/tendril" --run-dir "$W" run --name a/b -- true 2>/dev/null)" 3
check_equal "options of the command are the command's" "$(run -- sh -c 'echo "$@"' sh --label x)" "--label x"
check_equal "stdin and stdout are the command's" "$(echo through | run -- cat)" through

# --- what the command sees
check_match "an interface with both addresses" "$(run -- ip -o addr show dev eth0)" 'inet 10.61.0.*inet6 fd60:1::|inet 10.61.0'
check_match "loopback is up" "$(run -- ip -o link show lo)" 'UP'
check_match "a cgroup of its own" "$(run -- cat /proc/self/cgroup)" '/n1/run-default-w-'
check_equal "--dns: its own resolv.conf" "$(run --dns 192.0.2.53 -- cat /etc/resolv.conf)" "nameserver 192.0.2.53"
check_equal "the machine's is untouched" "$(grep -c 192.0.2.53 /etc/resolv.conf)" 0
check_equal "and nothing stays in /tmp" "$(find /tmp -maxdepth 1 -name 'tendril-resolv-*' | wc -l)" 0
check_equal "--dns with no address: usage" "$(status_of run --dns nonsense -- true)" 2
check "afterwards nothing is left" wait_for 5 none
check_equal "no cgroup either" "$(cgroups)" 0

# --- signals
in_background() { # COMMAND...: LAUNCHER is the pid of `tendril run` itself
	: >"$W/bg.out" # what an earlier one printed is not this one's "ready"
	nsenter --net="$W/ns/n1" "$TD_BUILD/tendril" --run-dir "$W/n1/run" run --name default/w -- "$@" >"$W/bg.out" 2>&1 &
	LAUNCHER=$!
	wait_for 10 grep -q ready "$W/bg.out" || not_ok "it did not start: $(cat "$W/bg.out")"
}
for signal in TERM HUP USR1; do
	in_background sh -c "trap 'echo got $signal; exit 5' $signal; echo ready; while :; do sleep 0.1; done"
	kill -$signal "$LAUNCHER"
	wait "$LAUNCHER"
	check_equal "SIG$signal is handed on, and the exit code back" "$? $(tail -n 1 "$W/bg.out")" "5 got $signal"
done
in_background sh -c 'echo ready; exec sleep 100'
kill -TERM "$LAUNCHER"
wait "$LAUNCHER"
check_equal "a command that dies of it: 143" "$?" 143
check "nothing is left" wait_for 5 none

# --- killed: the workload must not live on, nor its endpoint
in_background sh -c 'echo ready; sleep 100 & exec sleep 101'
child=$(pgrep -P "$LAUNCHER")
kill -KILL "$LAUNCHER"
check "kill -9 of tendril run takes the command along" wait_for 5 test ! -e "/proc/$child"
check "and everything it had started" wait_for 5 eval '! pgrep -x sleep -f "sleep 100"'
check "the agent notices and forgets the endpoint" wait_for 5 none
check_equal "its device is gone" "$(devices)" 0
no_cgroups() { [ "$(cgroups)" = 0 ]; }
check "so is its cgroup" wait_for 5 no_cgroups
check "and the address is free" test "$(td n1 status -o json | jq .ipam.ipv4.used)" = 0
# A child that left the process tree keeps the namespace, but not beyond the command.
check_equal "a daemon that the command left behind does not outlive it" \
	"$(run -- sh -c 'setsid sleep 99 >/dev/null 2>&1 & echo done'; sleep 0.5; pgrep -f 'sleep 99' | wc -l)" "done
0"
check "nor does its endpoint" wait_for 5 none
check_equal "nor its cgroup" "$(cgroups)" 0

# --- a terminal's keys come once
cat >"$W/count.py" <<'END'
import signal, sys, time
seen = []
for number in signal.SIGINT, signal.SIGQUIT:
    signal.signal(number, lambda number, frame: seen.append(number))
print("ready", flush=True)
end = time.monotonic() + 2
while (left := end - time.monotonic()) > 0:
    time.sleep(left)
print("got", *(number for number in seen), flush=True)
END
cat >"$W/keys.py" <<'END'
import os, pty, re, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
text = b""
typed = False
while True:
    if b"ready" in text and not typed:
        typed = True
        if sys.argv[1] == "kill":
            os.kill(pid, 2)
        else:
            os.write(fd, sys.argv[1].encode())
    try:
        more = os.read(fd, 1000)
    except OSError:
        break
    if not more:
        break
    text += more
print(*re.findall("got[ 0-9]*", text.decode())) # behind the key's echo
END
keys() { # KEY
	on n1 python3 "$W/keys.py" "$1" "$TD_BUILD/tendril" --run-dir "$W/n1/run" run --name default/w -- python3 "$W/count.py"
}
check_equal "^C reaches the command once" "$(keys $'\x03')" "got 2"
check_equal "^\\ too" "$(keys $'\x1c')" "got 3"
check_equal "what is sent to tendril run alone is passed on" "$(keys kill)" "got 2"

# --- while the agent is away
in_background sh -c 'echo ready; exec sleep 100'
kill9_agent n1
kill -TERM "$LAUNCHER"
wait "$LAUNCHER"
check_equal "the command ends as told though no agent runs" "$?" 143
start_agent n1
check "and the next agent forgets it" wait_for 5 none
check_equal "with its device" "$(devices)" 0
finish
