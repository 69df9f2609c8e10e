# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the stages of ./check share. A stage prints `ok NAME`, `not ok NAME`, `skip NAME # why` at the
# beginning of a line, anything else is its log; it goes on after a failure.

. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
cd "$TD_TOP" || exit 1
TD_BUILD=${TD_BUILD:-$TD_TOP/build}
TD_LOGS=${TD_LOGS:-$TD_TOP/build-check/logs}
mkdir -p "$TD_LOGS"
export TD_BUILD TD_LOGS
export PYTHONDONTWRITEBYTECODE=1 # root's would stay in the user's clone

ok() { printf 'ok %s\n' "$*"; }
not_ok() { printf 'not ok %s\n' "$*"; }
skip() { printf 'skip %s # %s\n' "$1" "$2"; }

# expect NAME COMMAND...: the command's success is the result.
expect() {
	local name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name"; fi
}

need_root() { # NAME: or skip the whole stage
	[ "$(id -u)" = 0 ] && return 0
	skip "$1" "needs root (sudo ./check)"
	exit 0
}

# setup_build DIR OPTIONS...: a build directory with exactly these options, made or brought to them.
setup_build() {
	local dir=$1
	shift
	if [ -f "$dir/build.ninja" ]; then
		meson setup --reconfigure "$dir" "$@" >/dev/null
	else
		meson setup "$dir" "$@"
	fi
}

# meson_suite DIR SUITE [OPTIONS...]: runs a suite of meson tests, one result line per cmocka case.
meson_suite() {
	local dir=$1 suite=$2 name
	shift 2
	name=${TD_STAGE:-$suite}-$suite
	CMOCKA_MESSAGE_OUTPUT=TAP meson test -C "$dir" --suite "$suite" --no-rebuild \
		--logbase "check-$name" "$@" >"$TD_LOGS/$name.meson.log" 2>&1
	python3 "$TD_TOP/scripts/meson_results.py" "$suite" "$dir/meson-logs/check-$name.json" \
		"$TD_LOGS/$name.meson.log"
}

# run_scripts FILES...: each prints its own result lines; one that ends badly or says nothing fails.
# TD_TEST_TIMEOUT (seconds, default 300) bounds each.
run_scripts() {
	local file out status begin
	for file in "$@"; do
		[ -e "$file" ] || continue
		out=$(mktemp)
		begin=$SECONDS
		status=0
		printf '# %s\n' "${file#"$TD_TOP"/}"
		timeout -k 20 "${TD_TEST_TIMEOUT:-300}" bash "$file" </dev/null 2>&1 | tee "$out" || true
		status=${PIPESTATUS[0]}
		if [ "$status" = 124 ]; then
			not_ok "$(basename "$file"): took more than ${TD_TEST_TIMEOUT:-300} s"
		elif [ "$status" != 0 ] && ! grep -q '^not ok' "$out"; then
			not_ok "$(basename "$file"): ended with status $status"
		elif ! grep -qE '^(ok|not ok|skip)' "$out"; then
			not_ok "$(basename "$file"): no result line"
		fi
		printf '# %s took %d s\n' "${file#"$TD_TOP"/}" $((SECONDS - begin))
		rm -f "$out"
	done
}

# The project's own files of these patterns, committed or about to be; also without git.
source_files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git -c safe.directory="$TD_TOP" ls-files --cached --others --exclude-standard -- "$@" |
			sort -u | while read -r file; do [ -f "$file" ] && printf '%s\n' "$file"; done
	else
		local pattern
		for pattern in "$@"; do
			find . -name 'build*' -prune -o -type f -path "*/${pattern#\*}" -print -o -type f -name "$pattern" -print
		done | sed 's,^\./,,' | sort -u
	fi
}
