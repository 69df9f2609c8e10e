#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What tendril observe shows of real traffic: who, verdict, reason and policy; agent and observer gone and back.
. "$(dirname "$0")/lib.sh"
sandbox_enter observe "$@"

node_new n1
start_agent n1
start_observer n1
run_pod n1 default/web app=web
run_pod n1 default/friend app=friend
run_pod n1 default/stranger app=stranger
serve_tcp default/web 80
declare -A web=([4]=$(pod_ip default/web 4) [6]=$(pod_ip default/web 6))

apply n1 <<'YAML'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: default
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector:
        matchLabels:
          app: friend
    ports:
    - port: 80
      protocol: TCP
YAML

# shown NAME PATTERN OBSERVE-ARGUMENTS...: a line like this appears
seen() {
	td n1 observe "${@:2}" 2>>"$W/observe.err" | grep -Eq "$1"
}
shown() {
	wait_for 10 seen "$2" "${@:3}" && ok "$1" || {
		td n1 observe "${@:3}" | tail -n 5
		not_ok "$1: no line like $2"
	}
}

for v in 4 6; do
	check "the friend reaches the web over IPv$v" tcp default/friend "${web[$v]}" 80
	check_not "the stranger does not over IPv$v" tcp default/stranger "${web[$v]}" 80
	shown "an allowed connection over IPv$v" \
		'default/friend:[0-9]+ \(ID:[0-9]+\) -> default/web:80 \(ID:[0-9]+\) to-endpoint FORWARDED \(TCP Flags: SYN\)' \
		--from-pod default/friend "-$v"
	shown "a denied connection over IPv$v" \
		'default/stranger:[0-9]+ \(ID:[0-9]+\) <> default/web:80 \(ID:[0-9]+\) Policy denied DROPPED \(TCP Flags: SYN\)' \
		--from-pod default/stranger --verdict DROPPED "-$v"
done
lines() { td n1 observe "$@" -o json | jq -r 'select(.flow) | .flow.uuid'; }
check_equal "--since and --last: the latest of that time" "$(lines --since 1h --last 2)" "$(lines --since 1h | tail -n 2)"
check_equal "--since and --first: the first of it" "$(lines --since 1h --first 2)" "$(lines --since 1h | head -n 2)"
middle=$(td n1 observe --all -o json | jq -r 'select(.flow) | .flow.time' | tail -n 2 | head -n 1)
check_equal "none before it" "$(lines --since "$middle" --last 1000)" "$(lines --since "$middle")"
out=$(td n1 observe --since 1m --until 1h 2>&1)
check_equal "a window that ends before it begins is a usage error" "$?" 2
check_match "and says why" "$out" '--since is later than --until'
out=$(td n1 observe --pod a/b/c 2>&1)
check_equal "a filter the server refuses is one too" "$?" 2
check_match "in words of the command line" "$out" '^tendril observe: --pod: found "a/b/c", expected'
check_match "with --not" "$(td n1 observe --not --from-label 'a in' 2>&1)" '^tendril observe: --not --from-label: found'
check_match "in JSON by its place" "$(td n1 observe --allowlist '{"source_pod":["a/b/c"]}' 2>&1)" '--allowlist: \[0\].source_pod: found'
shown "a drop says that no policy allows it" \
	'DROPPED .*\[denied by default: policies isolate the ingress of default/web' --verdict DROPPED -o wide
shown "an allowed connection names its policy" \
	'ALLOWED .*\[allowed by NetworkPolicy default/web, ingress rule 0 ' --from-pod default/friend -o wide
check_equal "namespaces with flows are listed" "$(td n1 list namespaces)" default

kill9_agent n1
check "without the agent: the friend reaches the web" tcp default/friend "${web[4]}" 80
check_not "without the agent: the stranger does not" tcp default/stranger "${web[4]}" 80
shown "without the agent: flows are shown" 'default/friend:[0-9]+ .*FORWARDED' --since 3s --from-pod default/friend

kill9_observer n1
check "without both: the friend reaches the web" tcp default/friend "${web[4]}" 80
start_agent n1
start_observer n1
check_not "both are back: the stranger does not" tcp default/stranger "${web[4]}" 80
shown "both are back: names and reasons too" \
	'default/stranger:[0-9]+ \(ID:[0-9]+\) <> default/web:80 \(ID:[0-9]+\) Policy denied DROPPED' --verdict DROPPED
finish
