#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Collections of cases, judged by the compiler; what is told of wrong cells and of files that are none.
. "$(dirname "$0")/../lib/cases.sh"

expect "the tables of our cases are those of a plain reader of policies" \
	python3 "$OURS/expect.py" --cluster "$OURS/cluster-v4.json" --cluster "$OURS/cluster-v6.json" "$OURS/steps.jsonl"
expect "those of peers too" python3 "$OURS/expect.py" --cluster "$OURS/cluster-peers.json" "$OURS/peers.jsonl"
our_collection
larger_collection
wrong_cell

# refused NAME WANT ARGUMENTS...: status 1, and the first line says WANT.
refused() {
	local name=$1 want=$2 status=0
	shift 2
	(cd "$W" && verdicts "$@") >"$W/out" 2>&1 || status=$?
	if [ "$status" = 1 ] && [[ $(head -n 1 "$W/out") == $want ]]; then
		ok "$name"
	else
		cat "$W/out"
		not_ok "$name: status $status, expected '$want'"
	fi
}

# bad_case NAME WANT LINE: LINE stands in line 2, after an empty one.
bad_case() {
	printf '\n%s\n' "$3" >"$W/bad.jsonl"
	refused "$1" "bad.jsonl:2: $2" --cluster "$OURS/cluster-v4.json" --cases bad.jsonl
}

step() { # ACTIONS EXPECTED
	printf '{"id":"bad","layout":"v4","steps":[{"actions":[%s],"order":["shop/web","ops/probe"],"expected":{%s}}]}' "$1" "$2"
}

bad_case "no JSON" "found bad JSON (*" '{"id": "bad",'
bad_case "JSON, but no case" "bad: found neither steps nor peers, expected a case" '{"id": "bad"}'
printf '%s\n' '{"id":"bad","layout":"v5","steps":[]}' >"$W/bad.jsonl"
refused "a layout nobody gave" "bad.jsonl:1: bad: found the layout v5, expected one with --cluster cluster-v5.json" \
	--cluster "$OURS/cluster-v4.json" --cluster "$OURS/cluster-v6.json" --cases bad.jsonl
bad_case "an action nobody knows" "bad: found the action dropPolicy, expected createPolicy,*" \
	"$(step '{"op":"dropPolicy","namespace":"shop"}' '')"
bad_case "a pod that is not there" "bad: pod shop/none cannot be labelled: *" \
	"$(step '{"op":"setPodLabels","namespace":"shop","name":"none","labels":{}}' '')"
bad_case "a probe that is none" "bad: found the probe 'TCP/http', expected one like TCP/80" \
	"$(step '' '"TCP/http":{"egress":["..",".."]}')"
bad_case "a row that is too short" "bad: found a table egress of TCP/80 whose rows are not those of its order" \
	"$(step '' '"TCP/80":{"egress":[".."]}')"
bad_case "a peer nobody knows" "bad: found 'shop/none', expected a known pod*" \
	'{"id":"bad","layout":"v4","policies":[],"peers":["shop/none"],"expected":{"egress":{"TCP/80":{"shop/web":"."}}}}'
bad_case "a row of peers that is too long" "bad: found the row of shop/web for TCP/80, expected 1 places" \
	'{"id":"bad","layout":"v4","policies":[],"peers":["ops/probe"],"expected":{"egress":{"TCP/80":{"shop/web":".."}}}}'
printf '{\n"pods": [\n' >"$W/cluster-bad.json"
refused "a cluster that is no JSON" "cluster-bad.json:*: found bad JSON (*" --cluster cluster-bad.json --cases bad.jsonl
echo '{}' >"$W/cluster-bad.json"
refused "a cluster without pods" 'cluster-bad.json: found no list "pods", expected a cluster' \
	--cluster cluster-bad.json --cases bad.jsonl
refused "a file that is not there" "none.jsonl: cannot be read: *" --cluster "$OURS/cluster-v4.json" --cases none.jsonl

# A policy that is refused decides nothing: every cell of its case differs, and says why.
step '{"op":"createPolicy","policy":{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"p","namespace":"shop"},"spec":{"podSelector":{},"ingress":[{"ports":[{"port":80,"endPort":79}]}]}}}' \
	'"TCP/80":{"egress":["..",".."]}' >"$W/bad.jsonl"
refused "a policy that is refused" "bad step 1 egress shop/web -> shop/web TCP/80: expected ., got refused: *endPort*" \
	--cluster "$OURS/cluster-v4.json" --cases bad.jsonl
expect "it costs every cell" test "$(tail -n 1 "$W/out")" = "4 cells, 4 mismatches"
