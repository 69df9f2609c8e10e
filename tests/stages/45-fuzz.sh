# SPDX-License-Identifier: Apache-2.0
# stage: each parser of outside bytes, a short bounded time, from a kept corpus
. "$(dirname "$0")/lib.sh"

seconds=${TD_FUZZ_SECONDS:-20}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
mkdir -p build-check/fuzz

fuzz_one() { # PROGRAM: new finds stay in build-check/fuzz; the tree's corpus is only read
	local program=$1 name corpus
	name=$(basename "$1" -fuzz)
	mkdir -p "$scratch/$name" "build-check/fuzz/$name"
	corpus=tests/fuzz/corpus/$name
	[ -d "$corpus" ] && cp "$corpus"/* "$scratch/$name/" 2>/dev/null
	if nice "$program" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="build-check/fuzz/$name/" "$scratch/$name" \
		>"$TD_LOGS/fuzz-$name.log" 2>&1; then
		printf 'ok fuzz %s: %s inputs\n' "$name" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$TD_LOGS/fuzz-$name.log")"
	else
		tail -n 40 "$TD_LOGS/fuzz-$name.log"
		not_ok "fuzz $name (input kept under build-check/fuzz/$name)"
	fi
}

count=0
for program in build-asan/tests/fuzz/*-fuzz; do
	[ -x "$program" ] || continue
	count=$((count + 1))
	fuzz_one "$program" &
	[ $((count % 2)) != 0 ] || wait
done
wait
[ "$count" -gt 0 ] || not_ok "no fuzzers were built"
