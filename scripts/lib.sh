# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every script of the project starts from. Source it; it runs nothing.

TD_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export TD_TOP

# Downloads that outlive a run: VM kernels, unpacked packages. Safe to delete at any time.
if [ -z "${TENDRIL_CACHE:-}" ]; then
	if [ "$(id -u)" = 0 ]; then
		TENDRIL_CACHE=/var/cache/tendril
	else
		TENDRIL_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tendril
	fi
fi
export TENDRIL_CACHE

case ":$PATH:" in
*:/usr/sbin:*) ;;
*) PATH=$PATH:/usr/sbin:/sbin ;;
esac
# Packages that start daemons are unpacked here instead of being installed (scripts/install-deps).
TD_TOOLS=$TENDRIL_CACHE/tools
if [ -d "$TD_TOOLS" ]; then
	PATH=$PATH:$TD_TOOLS/usr/bin:$TD_TOOLS/usr/sbin
fi
export PATH TD_TOOLS

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command with the libraries of unpacked packages. Only for tools found under $TD_TOOLS:
# the project's own programs always use the system's libraries.
with_tools() {
	local libraries=$TD_TOOLS/usr/lib/x86_64-linux-gnu:$TD_TOOLS/lib/x86_64-linux-gnu
	if [ -d "$TD_TOOLS" ]; then
		LD_LIBRARY_PATH=$libraries "$@"
	else
		"$@"
	fi
}

debian_release() { # -> 12, 13 ... or empty
	(. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && printf '%s' "${VERSION_ID:-}")
}

# What root made in somebody's clone goes to its owner, who could neither build nor remove it.
give_back() { # PATHS below the clone
	local owner path
	owner=$(stat -c %u:%g "$TD_TOP")
	[ "$(id -u)" = 0 ] && [ "${owner%%:*}" != 0 ] || return 0
	for path in "$@"; do
		[ ! -e "$TD_TOP/$path" ] || chown -hR "$owner" "$TD_TOP/$path" || true
	done
}
