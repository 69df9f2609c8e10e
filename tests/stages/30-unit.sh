# SPDX-License-Identifier: Apache-2.0
# stage: [fast] unit tests under ASan and UBSan, and as built
. "$(dirname "$0")/lib.sh"

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
symbolizer=$(ls /usr/lib/llvm-19/bin/llvm-symbolizer /usr/bin/llvm-symbolizer-19 2>/dev/null | head -n 1)
[ -z "$symbolizer" ] || export ASAN_SYMBOLIZER_PATH=$symbolizer
[ -f build-asan/build.ninja ] || { not_ok "build-asan is missing (./check --stage build)"; exit 0; }
meson_suite build-asan unit --timeout-multiplier 4
unset ASAN_OPTIONS UBSAN_OPTIONS
meson test -C "$TD_BUILD" --suite unit --no-rebuild --logbase check-plain >"$TD_LOGS/unit.plain.log" 2>&1 ||
	{ tail -n 40 "$TD_LOGS/unit.plain.log"; not_ok "unit tests of the plain gcc build"; exit 0; }
ok "unit tests of the plain gcc build"
