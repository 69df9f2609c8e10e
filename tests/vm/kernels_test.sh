#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The data path on the oldest and the newest Debian kernel, both at once.
. "$(dirname "$0")/../stages/lib.sh"

for kernel in 6.1 6.12; do
	if [ ! -e "$TENDRIL_CACHE/kernels/$kernel/vmlinuz" ]; then
		skip "Linux $kernel" "its kernel is not there (scripts/install-deps kernels)"
		continue
	fi
	have qemu-system-x86_64 || { skip "Linux $kernel" "qemu-system-x86 is not installed"; continue; }
	(
		status=0
		out=$TD_LOGS/vm-$kernel.log
		scripts/vm-run -t "${TD_VM_SECONDS:-1080}" -e "TD_BUILD=$TD_BUILD" "$kernel" \
			bash tests/vm/guest.sh 2>&1 | tee "$out" |
			sed -u -E "s/\r//g; s/^(ok|not ok|skip) /\1 $kernel: /" || true
		status=${PIPESTATUS[0]}
		[ "$status" = 0 ] || not_ok "$kernel: the VM ended with status $status"
	) &
done
wait
