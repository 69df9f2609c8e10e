# SPDX-License-Identifier: Apache-2.0
# stage: [fast] clang-format-19 over every C file
. "$(dirname "$0")/lib.sh"

wrong=0
while read -r file; do
	if ! clang-format-19 --dry-run -Werror "$file"; then
		not_ok "format: $file (clang-format-19 -i $file)"
		wrong=$((wrong + 1))
	fi
done < <(source_files '*.c' '*.h')
[ "$wrong" -gt 0 ] || ok "every C file is formatted"
