# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Collections of cases judged by `tendril policy verdicts`: ours, and a larger one beside the project if
# there is one. Options of every function go to the command: --kernel.

. "$(dirname "${BASH_SOURCE[0]}")/../stages/lib.sh"

OURS=$TD_TOP/tests/golden/cases
THEIRS=${TENDRIL_TEST_CASES:-$TD_TOP/../shared/cases}
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT

verdicts() { "$TD_BUILD/tendril" policy verdicts "$@"; }

# judged NAME ARGUMENTS...: there are cells, and none differs.
judged() {
	local name=$1 status=0
	shift
	verdicts "$@" >"$W/out" 2>"$W/err" || status=$?
	if [ "$status" = 0 ] && [ ! -s "$W/err" ] && tail -n 1 "$W/out" | grep -qE '^[1-9][0-9]* cells, 0 mismatches$'; then
		ok "$name: $(tail -n 1 "$W/out")"
	else
		head -n 20 "$W/out" "$W/err"
		tail -n 1 "$W/out"
		not_ok "$name: status $status"
	fi
}

both_readings() { # NAME ARGUMENTS...
	local name=$1 reading
	shift
	for reading in every never; do
		judged "$name, ipBlock matches pods: $reading" --ipblock "$reading" "$@"
	done
}

our_collection() {
	both_readings "our cases in steps" --cluster "$OURS/cluster-v4.json" --cluster "$OURS/cluster-v6.json" \
		--cases "$OURS/steps.jsonl" "$@"
	judged "our cases of peers" --cluster "$OURS/cluster-peers.json" --cases "$OURS/peers.jsonl" "$@"
	judged "our cases of audit" --cluster "$OURS/cluster-peers.json" --cases "$OURS/audit.jsonl" "$@"
}

larger_collection() {
	local cluster clusters=()
	if [ ! -d "$THEIRS/knp" ] || [ ! -d "$THEIRS/cnp" ]; then
		skip "a larger collection" "none at $THEIRS (TENDRIL_TEST_CASES=DIRECTORY with knp/ and cnp/)"
		return
	fi
	for cluster in "$THEIRS"/knp/cluster-*.json; do
		clusters+=(--cluster "$cluster")
	done
	both_readings "a larger collection, knp" "${clusters[@]}" "$@" --cases "$THEIRS"/knp/*.jsonl
	judged "a larger collection, cnp" --cluster "$THEIRS/cnp/cluster.json" "$@" --cases "$THEIRS/cnp/cases.jsonl"
}

# One cell of ours turned round: it is told, and nothing else is.
wrong_cell() {
	local status=0 want='deny-in step 1 ingress shop/cache -> shop/web TCP/80: expected ., got X'
	python3 - "$OURS/steps.jsonl" "$W/wrong.jsonl" <<-'END'
		import json, sys
		with open(sys.argv[1], encoding='utf-8') as file:
		    case = next(case for case in map(json.loads, file) if case['id'] == 'deny-in')
		rows = case['steps'][0]['expected']['TCP/80']['ingress']
		rows[1] = '.' + rows[1][1:]
		with open(sys.argv[2], 'w', encoding='utf-8') as file:
		    json.dump(case, file)
	END
	verdicts --cluster "$OURS/cluster-v4.json" --cases "$W/wrong.jsonl" "$@" >"$W/out" 2>&1 || status=$?
	cat "$W/out"
	expect "a wrong cell is told, exit status 1" test "$status" = 1
	expect "it is told with case, step, direction, pair and port" test "$(head -n 1 "$W/out")" = "$want"
	expect "and counted" test "$(tail -n +2 "$W/out" | sed 's/^[0-9]*//')" = " cells, 1 mismatches"
}
