#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The containers' harness with the stock bridge plugin: what fails here is not Tendril's.
. "$(dirname "$0")/lib.sh"
sandbox_enter e2e_harness "$@"

node_new n1
image_web web web.example
image_make client curl

for runtime in podman ctr; do
	why=$("${runtime}_missing")
	if [ -n "$why" ]; then
		skip "$runtime" "$why"
		continue
	fi
	"${runtime}_setup" n1 bridge
	"pod_$runtime" n1 "web-$runtime" web nginx -c /etc/web.conf || continue
	"pod_$runtime" n1 "client-$runtime" client sleep 1000 || continue
	address=$(pod_ip "default/web-$runtime" 4)
	wait_for 10 listens "default/web-$runtime" tcp 80 || not_ok "$runtime: nginx does not listen"
	check_match "$runtime: curl in one container reaches nginx in another" \
		"$(c_exec "client-$runtime" curl -s -m 5 "http://$address/")" '^web.example at 10'
	check_match "$runtime: and by HTTPS" "$(c_exec "client-$runtime" curl -sk -m 5 "https://$address/")" ":443$"
	check "$runtime: the cgroup is the test's" grep -q "/$CG_NAME/n1/" "/proc/${POD_PID[default/web-$runtime]}/cgroup"
	c_remove "web-$runtime"
	c_remove "client-$runtime"
	check_equal "$runtime: DEL gave the addresses back" "$(find "$W/n1/cni-ipam" -name '10.*' | wc -l)" 0
done
finish
