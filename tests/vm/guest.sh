# SPDX-License-Identifier: Apache-2.0
# What a VM of the kernel matrix runs: result lines as for any stage, without the kernel's name.
. "$(dirname "$0")/../stages/lib.sh"
# Emulated, perhaps on a busy machine: what must succeed gets time, what must not does not cost much.
export TRY_SECONDS=30 DENY_SECONDS=4 TD_SLOW=5

expect "boots Linux $TDVM" test "$(uname -r | cut -d. -f1,2)" = "$TDVM"

# Each object alone, as built; its configuration's corners are the BPF suite's business.
for object in "$TD_BUILD"/bpf/*.linked.o; do
	[ -e "$object" ] || { not_ok "no BPF object was built"; break; }
	pin=/sys/fs/bpf/load-$(basename "$object" .linked.o | tr . _)
	mkdir -p "$pin-maps"
	expect "loads $(basename "$object")" bpftool prog loadall "$object" "$pin" pinmaps "$pin-maps"
	rm -rf "$pin" "$pin-maps"
done

# One at a time: what is timed has the machine to itself.
meson_suite "$TD_BUILD" bpf --timeout-multiplier 12 --num-processes 1
# The larger collection would take many minutes here, and is about the same programs.
TENDRIL_TEST_CASES=none TD_TEST_TIMEOUT=400 run_scripts tests/bpf/cases_test.sh
TD_TEST_TIMEOUT=400 run_scripts tests/netns/two_pods_test.sh tests/netns/deny_test.sh
# Path MTUs are found by losing a datagram: what waits for its answer must not wait too long.
TRY_SECONDS=8 TD_TEST_TIMEOUT=400 run_scripts tests/netns/fragments_test.sh
