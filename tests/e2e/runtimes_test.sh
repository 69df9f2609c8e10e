#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# podman and containerd call tendril-cni: their containers are the Pods of the store, policed by labels.
. "$(dirname "$0")/lib.sh"
sandbox_enter runtimes "$@"

pod_yaml() { # NAME APP
	cat <<END
---
apiVersion: v1
kind: Pod
metadata:
  name: $1
  namespace: default
  labels:
    app: $2
spec:
  containers: [{name: main, image: local}]
END
}

node_new n1
start_agent n1
image_web web web.example
image_make client curl dig
image_dns dns www.example=$WORLD4

apply n1 <<'END'
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: web
  namespace: default
spec:
  endpointSelector:
    matchLabels: {app: web}
  ingress:
  - fromEndpoints:
    - matchLabels: {app: friend}
    toPorts:
    - ports: [{port: "80", protocol: TCP}]
END

get() { c_exec "$1" curl -s -m "$TRY_SECONDS" "$2"; }

no_endpoint_of() { ! td n1 endpoint list | grep -q -- "-$1"; }

for runtime in podman ctr; do
	why=$("${runtime}_missing")
	if [ -n "$why" ]; then
		skip "$runtime" "$why"
		continue
	fi
	# ctr names the Pod only by its container id, "default-NAME"; podman by K8S_POD_NAME.
	for app in web friend stranger dns; do
		pod_yaml "$app-$runtime" "$app"
	done | apply n1
	"${runtime}_setup" n1 tendril
	"pod_$runtime" n1 "web-$runtime" web nginx -c /etc/web.conf || continue
	"pod_$runtime" n1 "dns-$runtime" dns dnsmasq -C /etc/dns.conf || continue
	"pod_$runtime" n1 "friend-$runtime" client sleep 10000 || continue
	"pod_$runtime" n1 "stranger-$runtime" client sleep 10000 || continue
	wait_for 10 listens "default/web-$runtime" tcp 80 || not_ok "$runtime: nginx does not listen"
	wait_for 10 listens "default/dns-$runtime" udp 53 || not_ok "$runtime: dnsmasq does not listen"
	v4=$(pod_ip "default/web-$runtime" 4) v6=$(pod_ip "default/web-$runtime" 6)
	dns=$(pod_ip "default/dns-$runtime" 4)
	for host in "$v4" "[$v6]"; do
		check_match "$runtime: the friend reads http://$host" "$(get "friend-$runtime" "http://$host/")" "^web.example at "
		check_not "$runtime: the stranger does not" get "stranger-$runtime" "http://$host/"
		check_not "$runtime: nor the friend another port" get "friend-$runtime" "https://$host/"
	done
	check_equal "$runtime: a pod resolves by UDP" \
		"$(c_exec "stranger-$runtime" dig +short +tries=1 +time=3 "@$dns" www.example)" "$WORLD4"
	for app in web friend stranger dns; do
		c_remove "$app-$runtime"
	done
	# podman may leave DEL to the process that waits for the container.
	check "$runtime: DEL removed its endpoints" wait_for 10 no_endpoint_of "$runtime"
	check_equal "$runtime: and its devices" "$(on n1 ip -o link show type veth | grep -vc eth0)" 0
done
finish
