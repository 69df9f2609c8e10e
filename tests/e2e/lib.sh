# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Container runtimes for tests and the demo: podman and containerd with everything of their own
# (storage, state, sockets, configuration, cgroup), their host network namespace being a node's.
#
#	. "$(dirname "$0")/lib.sh"
#	sandbox_enter podman "$@"
#	node_new n1
#	podman_setup n1 tendril
#	image_make web nginx
#	pod_podman n1 web1 web nginx -g 'daemon off;'
#	c_exec web1 wget -O - http://localhost/
#
# A container named POD is the Pod POD of namespace default (design of CNI callers: docs/testing.md).

. "$(dirname "${BASH_SOURCE[0]}")/../netns/lib.sh"

declare -A C_RUNTIME C_NODE C_JOB # container -> podman or ctr, node, pid of the ctr that waits for it

# Why a runtime cannot be used here; empty if it can.
podman_missing() {
	have podman || { say "podman is not installed"; return; }
	have runc || { say "runc is not installed"; return; }
	# netavark alone (Debian 13's podman) has no CNI: it knows no such network backend.
	local conf=$W/probe.conf out
	printf '[network]\nnetwork_backend = "cni"\n' >"$conf"
	out=$(CONTAINERS_CONF=$conf with_tools podman --root "$W/probe" --runroot "$W/probe-run" \
		info --format '{{.Host.NetworkBackend}}' 2>&1 | tail -n 1)
	[ "$out" = cni ] || say "this podman has no CNI: $out"
}
ctr_missing() {
	local tool
	for tool in containerd ctr runc containerd-shim-runc-v2; do
		have "$tool" || { say "$tool is not installed"; return; }
	done
}

# --- images: root file systems of this machine's programs, no registry ---

# Files under $W/images/NAME.files, if there are any, go into the root of the image.
image_make() { # NAME PROGRAM...: $W/images/NAME.tar
	local name=$1
	shift
	mkdir -p "$W/images"
	"$TD_TOP/scripts/make-rootfs" "$W/images/$name" "$@" || bail "cannot make the image $name"
	[ ! -d "$W/images/$name.files" ] || cp -a "$W/images/$name.files/." "$W/images/$name/"
	"$TD_TOP/scripts/make-image" "$W/images/$name" "localhost/$name:latest" "$W/images/$name.tar" ||
		bail "cannot make the image $name"
	rm -rf "${W:?}/images/$name"
}

# image_web NAME HOSTNAME: nginx with a site and a certificate of its own; run it with
# nginx -c /etc/web.conf. The certificate is also $W/images/NAME.files/etc/web.crt.
image_web() {
	local etc=$W/images/$1.files/etc
	mkdir -p "$etc"
	web_config "$2" >"$etc/web.conf"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
		-subj "/CN=$2" -addext "subjectAltName=DNS:$2" -keyout "$etc/web.key" -out "$etc/web.crt" \
		2>/dev/null || bail "openssl cannot make a certificate for $2"
	image_make "$1" nginx
}

# image_dns NAME HOSTNAME=ADDRESS...: dnsmasq that answers these names and refuses the rest; run it
# with dnsmasq -C /etc/dns.conf
image_dns() {
	local name=$1 etc=$W/images/$1.files/etc host
	shift
	mkdir -p "$etc"
	{
		printf '%s\n' keep-in-foreground no-resolv no-hosts user=root pid-file log-facility=-
		for host in "$@"; do
			say "host-record=${host%%=*},${host#*=}"
		done
	} >"$etc/dns.conf"
	image_make "$name" dnsmasq
}

# A site for nginx: answers "NAME at ADDRESS:PORT" on every path, HTTP and, with a certificate, HTTPS.
# The configuration becomes part of the image: nginx -c /etc/web.conf
web_config() { # NAME -> stdout
	cat <<END
daemon off; error_log stderr; pid /tmp/nginx.pid; worker_processes 1;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path /tmp; proxy_temp_path /tmp; fastcgi_temp_path /tmp;
  uwsgi_temp_path /tmp; scgi_temp_path /tmp;
  server {
    listen 80; listen [::]:80;
    listen 443 ssl; listen [::]:443 ssl;
    ssl_certificate /etc/web.crt; ssl_certificate_key /etc/web.key;
    location / { return 200 "$1 at \$server_addr:\$server_port\n"; }
  }
}
END
}

# --- CNI configuration ---

cni_plugin_dirs() {
	local dir
	for dir in "$TD_BUILD" /usr/lib/cni "$TD_TOOLS/usr/lib/cni" /opt/cni/bin; do
		[ ! -d "$dir" ] || say "$dir"
	done
}

cni_config() { # NODE tendril|bridge: a conflist named "pods"
	case $2 in
	tendril)
		cat <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
 {"type": "tendril-cni", "run_dir": "$W/$1/run"}]}
END
		;;
	bridge)
		cat <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "$W/$1/cni-ipam",
   "ranges": [[{"subnet": "${NODE_POD4[$1]}"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
		;;
	esac
}

cni_setup() { # NODE PLUGIN -> $W/NODE/cni
	mkdir -p "$W/$1/cni"
	cni_config "$1" "$2" >"$W/$1/cni/10-pods.conflist"
}

# --- podman ---

podman_setup() { # NODE PLUGIN
	local dir=$W/$1/podman
	mkdir -p "$dir"
	cni_setup "$1" "$2"
	cat >"$dir/containers.conf" <<END
[containers]
default_ulimits = []
apparmor_profile = ""
[network]
network_backend = "cni"
cni_plugin_dirs = [$(cni_plugin_dirs | sed 's/.*/"&"/' | paste -sd,)]
network_config_dir = "$W/$1/cni"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "$dir/tmp"
conmon_path = ["$(command -v conmon || say /usr/bin/conmon)"]
[engine.runtimes]
runc = ["$(command -v runc)"]
END
	printf '{"default": [{"type": "insecureAcceptAnything"}]}\n' >"$dir/policy.json"
	printf '[storage]\ndriver = "%s"\nrunroot = "%s"\ngraphroot = "%s"\n' \
		"${TD_STORAGE:-overlay}" "$dir/run" "$dir/root" >"$dir/storage.conf"
}

pm() { # NODE ARGS...: podman of a node
	local dir=$W/$1/podman node=$1
	shift
	CONTAINERS_CONF=$dir/containers.conf CONTAINERS_STORAGE_CONF=$dir/storage.conf \
		with_tools nsenter --net="$W/ns/$node" podman --cgroup-manager cgroupfs \
		--root "$dir/root" --runroot "$dir/run" "$@"
}

podman_image() { # NODE IMAGE
	pm "$1" load --signature-policy "$W/$1/podman/policy.json" -i "$W/images/$2.tar" \
		>>"$W/$1/podman.log" 2>&1 || bail "podman cannot load the image $2"
}

# pod_podman NODE POD IMAGE COMMAND...: in the background; returns when it runs.
pod_podman() {
	local node=$1 pod=$2 image=$3
	shift 3
	pm "$node" image exists "localhost/$image:latest" || podman_image "$node" "$image"
	pm "$node" run -d --name "$pod" --network pods --cgroup-parent "/$CG_NAME/$node" \
		--dns none --pull never "localhost/$image:latest" "$@" >>"$W/$node/podman.log" 2>&1 || {
		not_ok "podman cannot run $pod: $(tail -n 1 "$W/$node/podman.log")"
		return 1
	}
	C_RUNTIME[$pod]=podman C_NODE[$pod]=$node
	POD_PID[default/$pod]=$(pm "$node" inspect --format '{{.State.Pid}}' "$pod")
}

# --- containerd ---

ctr_setup() { # NODE PLUGIN
	local dir=$W/$1/containerd
	mkdir -p "$dir"/{root,state}
	cni_setup "$1" "$2"
	cat >"$dir/config.toml" <<END
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs",
 "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
 "io.containerd.snapshotter.v1.zfs"]
[grpc]
 address = "$dir/sock"
[ttrpc]
 address = "$dir/ttrpc"
END
	ctr_cni_setup
	with_tools nsenter --net="$W/ns/$1" containerd --config "$dir/config.toml" >>"$W/$1/containerd.log" 2>&1 &
	echo $! >"$W/$1/containerd.pid"
	wait_for 20 ct "$1" version || bail "containerd is not ready after 20 s"
}

# ctr looks for plugins and their configuration in fixed places: the sandbox's own /etc and /opt,
# which are the host's with a layer in memory above.
ctr_cni_setup() {
	local dir bin plugin
	[ ! -e /opt/cni/bin/.sandbox ] || return 0
	mkdir -p /run/layers
	for dir in etc opt; do
		mkdir -p "/run/layers/$dir" "/run/layers/$dir-work"
		mount -t overlay -o "lowerdir=/$dir,upperdir=/run/layers/$dir,workdir=/run/layers/$dir-work" \
			overlay "/$dir" || bail "cannot put a layer over /$dir"
	done
	mkdir -p /etc/cni/net.d /opt/cni/bin
	: >/opt/cni/bin/.sandbox
	while read -r bin; do
		for plugin in "$bin"/*; do
			[ -f "$plugin" ] && [ -x "$plugin" ] && [ ! -e "/opt/cni/bin/${plugin##*/}" ] &&
				ln -s "$plugin" "/opt/cni/bin/${plugin##*/}"
		done
	done < <(cni_plugin_dirs)
}

ct() { # NODE ARGS...: ctr of a node, with the node's network configuration in its place
	local node=$1
	shift
	with_tools unshare --mount --propagation private nsenter --net="$W/ns/$node" sh -c '
		mount --bind "$0" /etc/cni/net.d && exec ctr "$@"' \
		"$W/$node/cni" --address "$W/$node/containerd/sock" "$@"
}

# pod_ctr NODE [NAMESPACE/]POD IMAGE COMMAND...: in the background; returns when it runs.
# CTR_MOUNT: a mount for ctr. CTR_NETNS: join this network namespace instead of calling CNI.
pod_ctr() {
	local node=$1 name=$2 image=localhost/$3:latest archive=$W/images/$3.tar options=(--cni)
	local namespace pod
	shift 3
	namespace=$(ctr_namespace "$name") pod=${name##*/}
	[ -n "$(ct "$node" -n "$namespace" image ls -q "name==$image")" ] ||
		ct "$node" -n "$namespace" image import "$archive" >>"$W/$node/ctr.log" 2>&1 ||
		bail "ctr cannot import the image $image"
	[ -z "${CTR_NETNS:-}" ] || options=(--with-ns "network:$CTR_NETNS")
	[ -z "${CTR_MOUNT:-}" ] || options+=(--mount "$CTR_MOUNT")
	# Not detached: only then does ctr call DEL when the container has ended.
	ct "$node" -n "$namespace" run --rm "${options[@]}" --snapshotter "${TD_SNAPSHOTTER:-native}" \
		--cgroup "/$CG_NAME/$node/$pod" "$image" "$pod" "$@" </dev/null >>"$W/$node/ctr-$pod.log" 2>&1 &
	C_JOB[$name]=$!
	wait_for 20 ctr_running "$node" "$namespace" "$pod" || {
		not_ok "ctr cannot run $name: $(tail -n 1 "$W/$node/ctr-$pod.log")"
		return 1
	}
	C_RUNTIME[$name]=ctr C_NODE[$name]=$node
	POD_PID[$namespace/$pod]=$(ct "$node" -n "$namespace" task ls | awk -v pod="$pod" '$1 == pod { print $2 }')
}
ctr_namespace() { # [NAMESPACE/]POD
	case $1 in
	*/*) say "${1%/*}" ;;
	*) say default ;;
	esac
}
ctr_running() { # NODE NAMESPACE POD
	ct "$1" -n "$2" task ls | awk -v pod="$3" '$1 == pod && $3 == "RUNNING" { f = 1 } END { exit !f }'
}

# --- either ---

c_exec() { # POD COMMAND...: in the container
	local pod=$1 node=${C_NODE[$1]}
	shift
	case ${C_RUNTIME[$pod]} in
	podman) pm "$node" exec "$pod" "$@" ;;
	ctr)
		ct "$node" -n "$(ctr_namespace "$pod")" task exec --exec-id "x$RANDOM$RANDOM" "${pod##*/}" "$@"
		;;
	esac
}

c_remove() { # POD
	local pod=$1 node=${C_NODE[$1]}
	case ${C_RUNTIME[$pod]} in
	podman) pm "$node" rm -f -t 0 "$pod" >>"$W/$node/podman.log" 2>&1 ;;
	ctr)
		ct "$node" -n "$(ctr_namespace "$pod")" task kill -s KILL "${pod##*/}" >>"$W/$node/ctr.log" 2>&1
		wait "${C_JOB[$pod]}"
		;;
	esac
	unset "C_RUNTIME[$pod]" "C_NODE[$pod]" "POD_PID[$(ctr_namespace "$pod")/${pod##*/}]"
}
