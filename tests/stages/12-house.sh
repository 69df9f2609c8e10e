# SPDX-License-Identifier: Apache-2.0
# stage: [fast] house rules: layers, sizes, licences, words
. "$(dirname "$0")/lib.sh"

for rule in tests/house/*.py; do
	case $rule in
	*/sources.py) continue ;;
	*/headers.py | */symbols.py) continue ;; # after the build
	esac
	python3 "$rule" || not_ok "$(basename "$rule"): ended with status $?"
done
