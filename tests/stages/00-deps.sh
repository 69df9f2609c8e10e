# SPDX-License-Identifier: Apache-2.0
# stage: [fast] what Debian's packages must provide
. "$(dirname "$0")/lib.sh"

apt_files() { find /etc/apt -type f -exec sha256sum {} + 2>/dev/null | sort -k 2; }
apt_before=$(apt_files)
if have apt-get; then
	for purpose in build test; do
		expect "packages for $purpose" scripts/install-deps "$purpose"
	done
	# The rest only costs the stages that use it: they say what they miss.
	for purpose in runtime vm kernels; do
		if scripts/install-deps "$purpose"; then
			ok "packages for $purpose"
		else
			skip "packages for $purpose" "could not be installed; see build-check/logs/deps.log"
		fi
	done
else
	skip "packages" "no apt-get here: scripts/install-deps lists what is needed"
fi
missing=
for tool in gcc clang-19 clang-format-19 meson ninja bpftool protoc-gen-c pkg-config python3 ip nsenter; do
	have "$tool" || missing="$missing $tool"
done
if [ -n "$missing" ]; then not_ok "tools: missing$missing"; else ok "tools to build and test"; fi
expect "/etc/apt is as before" test "$(apt_files)" = "$apt_before"
