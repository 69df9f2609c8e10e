# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# sandbox: a test's own small world, gone with the test however it ends.
#
# sandbox_enter NAME "$@" runs the calling script again in mount, PID and network namespaces of its
# own. Every process, mount, device and named network namespace it makes vanishes with its first
# process; the outer half removes the directory and the cgroup. The host's own network namespace is
# never entered. Works with any command that nsenter can start; no `ip netns` (it remounts /sys).
#
# Inside:	$W      directory, visible from outside under the same path (sockets can be reached)
#		$CG     cgroup v2 directory of the test; $CG_NAME its name under the root, also for v1
#		/run    an empty tmpfs

. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
TD_BUILD=${TD_BUILD:-$TD_TOP/build}
export TD_BUILD

cgroup2_root() { awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts; }

# Removes a cgroup and those below it, v2 and v1; kills what is left in it.
cgroup_remove() { # NAME
	local dir try
	for try in 1 2 3 4 5; do
		find /sys/fs/cgroup -maxdepth 4 -type d -name "$1" 2>/dev/null | while read -r dir; do
			[ ! -e "$dir/cgroup.kill" ] || echo 1 >"$dir/cgroup.kill" 2>/dev/null || true
			find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true
		done
		[ -n "$(find /sys/fs/cgroup -maxdepth 4 -type d -name "$1" 2>/dev/null)" ] || return 0
		sleep 0.2
	done
}

sandbox_outer() { # NAME ARGS...
	local name=$1 child status=0 runner=(setpriv --pdeathsig KILL)
	shift
	[ -z "${TD_KEEPABLE:-}" ] || runner=(setsid)
	sandbox_sweep "$name"
	W=$(mktemp -d "/tmp/td-$name.XXXXXX") || die "cannot make a directory under /tmp"
	chmod 755 "$W"
	CG_NAME=tdtest-$(basename "$W")
	CG=$(cgroup2_root)
	[ -n "$CG" ] || { rmdir "$W"; die "no cgroup v2 is mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup"; }
	CG=$CG/$CG_NAME
	mkdir "$CG" || die "cannot make the cgroup $CG"
	export W CG CG_NAME
	TD_SANDBOX=$name "${runner[@]}" unshare --mount --pid --net --fork --kill-child --mount-proc \
		--propagation private bash "$0" "$@" &
	child=$!
	printf '%s\n' "$child" >"$W/pid"
	sandbox_write_enter
	trap 'kill -KILL $child 2>/dev/null' INT TERM HUP
	if [ -n "${TD_KEEPABLE:-}" ]; then
		while kill -0 "$child" 2>/dev/null; do
			[ ! -e "$W/keep" ] || exit 0
			sleep 0.2
		done
	fi
	wait "$child" || status=$?
	# wait returns early when a trap ran: the child must be gone before its files are.
	wait "$child" 2>/dev/null || true
	if [ -n "${TD_KEEP_FILES:-}" ]; then
		cgroup_remove "$CG_NAME"
		warn "kept: $W"
	else
		sandbox_remove "$W"
	fi
	exit "$status"
}

sandbox_remove() { # DIRECTORY, its processes being gone
	cgroup_remove "tdtest-$(basename "$1")"
	rm -rf --one-file-system "$1"
}

sandbox_works() { # DIRECTORY: its processes are there
	local pid
	pid=$(cat "$1/pid" 2>/dev/null) || return 1
	# The number may long be another's.
	{ tr '\0' '\n' <"/proc/$pid/environ"; } 2>/dev/null | grep -qx "W=$1"
}

# What a run of the same test left that was killed with no chance to clean up.
sandbox_sweep() { # NAME
	local dir
	for dir in /tmp/td-"$1".??????; do
		[ -s "$dir/pid" ] && ! sandbox_works "$dir" && sandbox_remove "$dir"
	done
	return 0
}

# For what may stay until asked (./demo --keep): the script sets TD_KEEPABLE=1 before sandbox_enter,
# and calls sandbox_keep inside as its last act: the outer half ends with status 0, the inner one
# waits for sandbox_stop. Meanwhile DIRECTORY/enter COMMAND... runs a command inside.
sandbox_keep() {
	: >"$W/keep"
	sleep infinity &
	wait $!
}
sandbox_write_enter() { # from outside: ids of processes differ inside
	cat >"$W/enter" <<END
#!/bin/sh
# Runs a command in the namespaces of $W.
exec nsenter --target "\$(pgrep -P "\$(cat '$W/pid')")" --mount --pid --net -- "\$@"
END
	chmod 755 "$W/enter"
}
sandbox_stop() { # DIRECTORY
	local pid
	case $1 in
	/tmp/td-*.??????) ;;
	*) die "sandbox_stop: $1 is no directory of a sandbox" ;;
	esac
	if sandbox_works "$1"; then
		pid=$(cat "$1/pid")
		kill -KILL "$pid"
		wait_for 10 test ! -e "/proc/$pid" || true
	fi
	sandbox_remove "$1"
}

sandbox_enter() { # NAME "$@"
	local name=$1
	shift
	[ -z "${TD_SANDBOX:-}" ] || { sandbox_inner; return 0; }
	if [ "$(id -u)" != 0 ]; then
		printf 'skip %s # needs root\n' "$name"
		exit 0
	fi
	sandbox_outer "$name" "$@"
}

sandbox_inner() {
	mount -t tmpfs -o mode=755 tmpfs /run
	mkdir -p /run/netns /run/lock "$W/ns"
	ip link set lo up
	# Trees under the base name space route between the nodes and play the world.
	sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# --- result lines ---

_failed=0
ok() { printf 'ok %s: %s\n' "$TD_SANDBOX" "$*"; }
not_ok() {
	printf 'not ok %s: %s\n' "$TD_SANDBOX" "$*"
	_failed=1
}
skip() { printf 'skip %s: %s # %s\n' "$TD_SANDBOX" "$1" "$2"; }
note() { printf '# %s\n' "$*"; }

# Ends the test with a failure: nothing after it would mean anything.
bail() {
	not_ok "$*"
	show_logs
	exit 1
}
finish() {
	[ "$_failed" = 0 ] || show_logs
	exit "$_failed"
}
show_logs() {
	local log
	for log in "$W"/*/*.log "$W"/*.log; do
		[ -s "$log" ] || continue
		printf -- '    --- tail of %s\n' "${log#"$W"/}"
		tail -n "${TD_LOG_LINES:-25}" "$log" | sed 's/^/    | /'
	done
}

# check NAME COMMAND...: its success; check_not NAME COMMAND...: its failure. Probes wait TRY_SECONDS
# for an answer, below check_not DENY_SECONDS.
check() {
	local name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name ($*)"; fi
}
check_not() {
	local name=$1 status=0 TRY_SECONDS=${DENY_SECONDS:-2}
	shift
	"$@" || status=$?
	case $status in
	0) not_ok "$name (succeeded: $*)" ;;
	126 | 127) not_ok "$name (could not run: $*)" ;;
	*) ok "$name" ;;
	esac
}
check_equal() { # NAME GOT WANT
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: found '$2', expected '$3'"; fi
}
check_match() { # NAME TEXT EXTENDED-REGEX
	if grep -qE -- "$3" <<<"$2"; then ok "$1"; else not_ok "$1: nothing matches '$3' in: $2"; fi
}
check_no_match() { # NAME TEXT EXTENDED-REGEX
	if grep -qE -- "$3" <<<"$2"; then not_ok "$1: '$3' matches in: $2"; else ok "$1"; fi
}

# wait_for SECONDS COMMAND...: until it succeeds; its output is dropped. TD_SLOW says how many times
# slower than most this machine is.
wait_for() {
	local end=$((SECONDS + $1 * ${TD_SLOW:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt "$end" ] || return 1
		sleep 0.1
	done
}

# --- network namespaces, held by mounts that only the sandbox sees ---

netns_new() { # NAME
	: >"$W/ns/$1"
	unshare --net="$W/ns/$1" true || bail "cannot make network namespace $1"
	on "$1" ip link set lo up
}
on() { # NETNS COMMAND...
	local ns=$1
	shift
	nsenter --net="$W/ns/$ns" "$@"
}
