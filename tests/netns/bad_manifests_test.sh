#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Manifests that are wrong, by apply and as files: refused with file, line, found and expected; what
# was in force stays in force, memory stays bounded, and others are served meanwhile.
. "$(dirname "$0")/lib.sh"
sandbox_enter bad_manifests "$@"
export TRY_SECONDS=1

node_new n1
start_agent n1
run_pod n1 default/web app=web
run_pod n1 default/client app=client
serve_tcp default/web 80
serve_tcp default/web 81
web=$(pod_ip default/web 4)
rule() { # PORTS-ENTRY [INGRESS-FROM]
	cat <<END
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: default}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [${2:-{podSelector: {matchLabels: {app: client\}\}\}}]
    ports: [$1]
END
}
rule '{port: 80}' | apply n1 >/dev/null
in_force() { tcp default/client "$web" 80 && ! tcp default/client "$web" 81; }
check "the policy is in force" in_force
peak() { awk '/^VmHWM:/ { print $2 }' "/proc/$(cat "$W/n1/agent.pid")/status"; }

# refused NAME LINE FOUND-AND-EXPECTED <YAML: by apply, with line and reason
refused() {
	local out status=0
	cat >"$W/bad.yaml"
	out=$(td n1 apply -f "$W/bad.yaml" 2>&1) || status=$?
	check_equal "$1: exit code" "$status" 1
	check_match "$1: says where and what" "$(head -c 600 <<<"$out")" "bad.yaml:$2: .*$3"
}
rule '{port: 0}' | refused "port 0" 8 '0.*expected'
rule '{port: 65536}' | refused "port 65536" 8 '65536.*expected'
rule '{port: 80, endPort: 79}' | refused "endPort below port" 8 '79.*expected'
rule '{port: 80}' '{ipBlock: {cidr: 10.0.0.0/33}}' | refused "a CIDR of /33" 7 '10.0.0.0/33.*expected'
rule '{port: 80}' '{ipBlock: {cidr: 10.0.0.0/8, except: [192.168.0.0/16]}}' | refused "an exception outside" 7 '192.168.0.0/16'
rule '{port: 80}' '{podSelector: 5}' | refused "a number for a selector" 7 'expected'
rule '{port: 80}' | sed '5s/.*/  podSelector: {}\n  podSelector: {}/' | refused "a key twice" '[56]' 'podSelector'
rule '{port: 80}' | sed 's/  ingress:/  ingres:/' | refused "a field of no schema" 6 'ingres'
printf 'a: [1, 2' | refused "YAML that does not end" '[0-9]+' ''
head -c 300 /dev/urandom | refused "random bytes" '[0-9]+' ''
(for i in $(seq 200); do printf '{a: '; done) | refused "200 levels deep" '[0-9]+' ''
{
	say 'a0: &a0 [x, x, x, x, x, x, x, x, x]'
	for i in 1 2 3 4 5 6 7 8 9; do
		say "a$i: &a$i [*a$((i - 1)), *a$((i - 1)), *a$((i - 1)), *a$((i - 1)), *a$((i - 1)), *a$((i - 1)), *a$((i - 1)), *a$((i - 1))]"
	done
} | refused "an alias bomb" '[0-9]+' ''
check "after all of these the policy is in force as it was" in_force

: >"$W/empty.yaml"
td n1 apply -f "$W/empty.yaml" >/dev/null 2>&1
check "an empty file changes nothing" in_force
head -c 100000000 /dev/zero | tr '\0' '#' >"$W/big.yaml"
check_equal "100 MB are refused" "$(td n1 apply -f "$W/big.yaml" >/dev/null 2>"$W/big.err"; echo $?)" 1
check_match "saying how much would do" "$(cat "$W/big.err")" '16'

# --- the same as files
bad=$W/n1/objects
mv "$W/big.yaml" "$bad/big.yaml"
rule '{port: 65536}' | sed 's/name: p/name: q/' >"$bad/port.yaml"
: >"$bad/empty.yaml"
says() { td n1 status | grep -qE "$1"; }
check "a bad file is a problem with its line" wait_for 10 says 'port.yaml:8: .*65536'
check "so is one of 100 MB" wait_for 10 says 'big.yaml'
check "and the rest stays in force" in_force
rm "$bad"/*
check "when they are gone it is healthy again" wait_for 10 td n1 status

# --- others are served while a large manifest is read
for i in $(seq 3000); do
	say "{apiVersion: v1, kind: Pod, metadata: {name: p$i, namespace: many, labels: {app: a$i}}}"
	say ---
done >"$W/many.yaml"
td n1 apply -f "$W/many.yaml" >/dev/null &
job=$!
slowest=0
while kill -0 $job 2>/dev/null; do
	start=$(date +%s%N)
	td n1 status >/dev/null
	took=$((($(date +%s%N) - start) / 1000000))
	[ $took -le $slowest ] || slowest=$took
done
wait $job
check_equal "3,000 objects in one manifest are taken" $? 0
note "the slowest status meanwhile took $slowest ms; peak memory $(peak) kB"
check "nobody waits longer than three seconds" test "$slowest" -lt 3000
check "peak memory stays under 160 MB" test "$(peak)" -lt 160000

# --- a selector on a namespace that is not there is no mistake, and matches nothing
rule '{port: 80}' '{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: nowhere}}}' | apply n1 >/dev/null
check_not "a selector of a missing namespace selects nobody" tcp default/client "$web" 80
finish
