#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Verbs of `tendril policy` that need no node: manifests in, text out. Each directory of verbs has a
# `command` (what follows "tendril policy"), manifests, and `expected`: stdout, stderr, exit status.
#
#	bash tests/golden/verbs_test.sh [--write]
#
# --write makes `expected` from what comes out now; read the difference before keeping it.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
tendril=${TD_BUILD:-$top/build}/tendril

outcome() { # DIRECTORY
	(
		cd "$1" || exit
		read -ra words <command
		"$tendril" policy "${words[@]}" 2>&1 </dev/null
		printf 'exit %d\n' $?
	)
}

[ -x "$tendril" ] || { echo "not ok $tendril is not built"; exit 1; }
for directory in "$top"/tests/golden/verbs/*/; do
	name=$(basename "$directory")
	if [ "${1:-}" = --write ]; then
		outcome "$directory" >"$directory/expected"
	elif difference=$(diff <(outcome "$directory") "$directory/expected" 2>&1); then
		echo "ok $name"
	else
		printf '%s\nnot ok %s\n' "$difference" "$name"
	fi
done

# A picture is a document of its own: well-formed, and nothing is fetched.
python3 - "$top/tests/golden/verbs/matrix-svg/expected" <<'END_OF_CHECK' && echo "ok the SVG stands alone" || echo "not ok the SVG stands alone"
import re, sys
import xml.etree.ElementTree as ET
text = open(sys.argv[1]).read().rsplit('exit 0', 1)[0]
root = ET.fromstring(text)
names = {element.tag.split('}')[1] for element in root.iter()}
assert names <= {'svg', 'title', 'style', 'rect', 'text', 'g'}, names
assert not re.search(r'url\(|@import|href|<script', text)
assert 'prefers-color-scheme' in text
END_OF_CHECK
