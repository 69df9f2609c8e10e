# SPDX-License-Identifier: Apache-2.0
# stage: [fast] clang-format-19 over every C file
. "$(dirname "$0")/lib.sh"

mapfile -t files < <(source_files '*.c' '*.h')
if clang-format-19 --dry-run -Werror "${files[@]}" 2>"$TD_LOGS/format.diff"; then
	ok "every C file is formatted (${#files[@]})"
else
	sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: error: .*/\1/p' "$TD_LOGS/format.diff" | sort -u | while read -r file; do
		not_ok "format: $file (clang-format-19 -i $file)"
	done
fi
