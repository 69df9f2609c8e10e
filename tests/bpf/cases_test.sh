#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Collections of cases, judged by the BPF programs.
. "$(dirname "$0")/../lib/cases.sh"

our_collection --kernel
larger_collection --kernel
wrong_cell --kernel

# What is no verdict of policy must not pass for one: neighbour discovery never comes to the tables.
cat >"$W/other.jsonl" <<'END'
{"id":"other","policies":[],"peers":["bank/db"],"expected":{"egress":{"ICMPv6/135":{"shop/web":"X"}}}}
END
status=0
verdicts --kernel --cluster "$OURS/cluster-peers.json" --cases "$W/other.jsonl" >"$W/out" 2>&1 || status=$?
cat "$W/out"
expect "another drop is no verdict: the run ends" test "$status" = 1
expect "and says what happened" grep -q 'other.jsonl:1: other: egress of shop/web, peer bank/db, ICMPv6/135: td_from_pod gave no verdict' "$W/out"

if have setpriv; then
	status=0
	setpriv --inh-caps=-all --bounding-set=-all "$TD_BUILD/tendril" policy verdicts --kernel \
		--cluster "$OURS/cluster-peers.json" --cases "$OURS/peers.jsonl" >"$W/out" 2>&1 || status=$?
	cat "$W/out"
	expect "without privileges it says what it needs" \
		grep -q '^tendril policy verdicts --kernel: needs root to load BPF programs: ' "$W/out"
	expect "and exits with status 1" test "$status" = 1
else
	skip "without privileges it says what it needs" "no setpriv here (util-linux)"
fi
