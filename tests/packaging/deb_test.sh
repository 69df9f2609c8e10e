#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The .deb: built, installed, checked and purged over this machine's own files, in a layer of memory.
. "$(dirname "$0")/../lib/sandbox.sh"
sandbox_enter deb "$@"

deb=$("$TD_TOP/scripts/build-deb" "$W/out") || bail "scripts/build-deb failed"

mkdir -p "$W/layer" "$W/root"
mount -t tmpfs tmpfs "$W/layer"
mkdir -p "$W/layer/upper" "$W/layer/work"
mount -t overlay -o "lowerdir=/,upperdir=$W/layer/upper,workdir=$W/layer/work" overlay "$W/root" ||
	bail "cannot put a layer over the host's files"
for dir in proc dev; do
	mount --rbind "/$dir" "$W/root/$dir"
done
mount -t tmpfs tmpfs "$W/root/run"
inside() { chroot "$W/root" "$@"; }
cp "$deb" "$W/root/package.deb" # /tmp may be another file system
deb=/package.deb

# Everything but dpkg's own books and logs.
added() {
	(cd "$W/layer/upper" && find . \( -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache \) -prune -o -print) | sort
}

# A former installation on this machine would hide what this one leaves.
inside dpkg -s tendril >/dev/null 2>&1 && inside dpkg --purge tendril >/dev/null 2>&1
users_before=$(inside getent passwd | sort) groups_before=$(inside getent group | sort)

if inside dpkg --install "$deb" >"$W/install.log" 2>&1; then ok "installs"; else not_ok "installs"; fi
for program in tendril tendrild tendril-observer; do
	check_match "$program runs" "$(inside "$program" --version 2>&1)" "^$program [0-9]+\.[0-9]+"
	check "$program has a manual page" test -s "$(echo "$W"/root/usr/share/man/man?/"$program".[18].gz)"
done
check_match "tendril-cni answers VERSION" \
	"$(echo '{"cniVersion":"1.0.0"}' | inside env CNI_COMMAND=VERSION /usr/lib/cni/tendril-cni)" '"supportedVersions"'
check_match "the observer's user exists" "$(inside getent passwd tendril-observer)" "^tendril-observer:.*nologin"
check_match "group tendril exists" "$(inside getent group tendril)" "^tendril:"
if inside sh -c 'command -v systemd-analyze' >/dev/null; then
	out=$(inside systemd-analyze verify tendrild.service tendril-observer.service 2>&1 | grep -i tendril)
	check_equal "systemd accepts the units" "$out" ""
else
	skip "systemd accepts the units" "systemd-analyze is not here"
fi
# What an operator changed survives an upgrade to the same file.
echo "# changed" >>"$W/root/etc/tendril/tendril.yaml"
inside dpkg --force-confold --install "$deb" >>"$W/install.log" 2>&1 || not_ok "installs again"
check "configuration survives an upgrade" grep -q '^# changed' "$W/root/etc/tendril/tendril.yaml"
mkdir -p "$W/root/var/lib/tendril/objects"
echo state >"$W/root/var/lib/tendril/objects/default.yaml"

inside dpkg --remove tendril >>"$W/install.log" 2>&1 || not_ok "can be removed"
check "remove keeps configuration" test -e "$W/root/etc/tendril/tendril.yaml"
check "and state" test -e "$W/root/var/lib/tendril/objects/default.yaml"
check_not "but no program" test -e "$W/root/usr/bin/tendril"
inside dpkg --purge tendril >>"$W/install.log" 2>&1 || not_ok "can be purged"
check_equal "purge leaves no file" "$(added | grep -i tendril)" ""
check_equal "purge leaves no user" "$(inside getent passwd | sort)" "$users_before"
check_equal "purge leaves no group" "$(inside getent group | sort)" "$groups_before"
finish
