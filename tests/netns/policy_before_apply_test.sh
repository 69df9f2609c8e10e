#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tendril policy diff against the running node: the pairs it announces change when the same manifests
# are applied, and no others do. matrix says what traffic says, lint knows where things are written.
. "$(dirname "$0")/lib.sh"
sandbox_enter policy_before_apply "$@"
export TRY_SECONDS=1

node_new n1
world_route_pods n1
old=$W/n1/objects/old.yaml new=$W/new.yaml
cat >"$old" <<'END'
# A line before, so that places are of the file and not of the text.
apiVersion: v1
kind: Namespace
metadata: {name: default}
---
# Another one.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: default}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: friend}}}, {podSelector: {matchLabels: {app: foe}}}]
    ports: [{port: 80}]
  egress:
  - to: [{podSelector: {}}]
END
cat >"$new" <<END
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web-too, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: friend}}]
    toPorts: [{ports: [{port: "81", protocol: TCP}]}]
  - fromCIDR: [192.168.50.0/24]
    toPorts: [{ports: [{port: "80", protocol: TCP}]}]
  ingressDeny:
  - fromEndpoints: [{matchLabels: {app: foe}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: friend-out, namespace: default}
spec:
  podSelector: {matchLabels: {app: friend}}
  policyTypes: [Egress]
  egress:
  - to: [{podSelector: {matchLabels: {app: web}}}, {ipBlock: {cidr: $WORLD6/128}}]
END
start_agent n1
for who in web friend foe; do run_pod n1 default/$who app=$who; done
for port in 80 81; do serve_tcp default/web $port; done
serve_tcp world 80
declare -A address=([world4]=$WORLD4 [world6]=$WORLD6)
for v in 4 6; do address[default/web$v]=$(pod_ip default/web $v); done

probe_one() { # FROM TO PORT
	local v result
	for v in 4 6; do
		result=no
		! tcp "$1" "${address[$2$v]}" "$3" || result=yes
		echo "$1 $2 $3 $v $result"
	done
}
# Every pair that has a server: "FROM TO PORT FAMILY yes|no".
probe_all() {
	local from port
	for from in default/friend default/foe n1 world; do
		for port in 80 81; do probe_one $from default/web $port; done
	done
	for from in default/friend default/web; do probe_one $from world 80; done
}
status_of() { "$@" >/dev/null 2>&1 && echo 0 || echo $?; }

cat >"$W/compare.py" <<'END'
"""compare.py diff|matrix TOLD BEFORE AFTER: what the verb told against what the traffic did."""
import ipaddress, json, sys
kind, told, before, after = sys.argv[1], json.load(open(sys.argv[2])), *map(open, sys.argv[3:5])
# The world's servers; as a client it has the addresses of its link.
WORLD = {'to': {'4': '198.51.100.1', '6': '2001:db8:100::1'}, 'from': {'4': '192.168.50.1', '6': 'fd50::1'}}
parties = told['parties']
names = {party['name']: party for party in parties}
cidrs = {party['cidr'] for party in parties if party['kind'] == 'cidr'}


def is_party(party, who, family, end):
    """Whether a party of the answer is this end of the traffic. No prefix here is inside another."""
    if who == 'n1':
        return party['name'] == 'host'
    if who != 'world':
        return who in party.get('pods', [])
    if 'IPv' + family not in party['families']:
        return False
    address = ipaddress.ip_address(WORLD[end][family])
    if party['kind'] == 'cidr':
        return address in ipaddress.ip_network(party['cidr'])
    return party['kind'] == 'world' and not any(address in ipaddress.ip_network(c) for c in cidrs)


def has_port(ranges, port):
    return any(r['protocol'] == 'TCP' and r['first'] <= int(port) <= r['last'] for r in ranges)


def check_matrix(source, target, port, family, has, where):
    (cell,) = [c for c in told['cells'] if is_party(names[c['from']], source, family, 'from')
               and is_party(names[c['to']], target, family, 'to')]
    (part,) = [a for a in cell['allowed'] if 'IPv' + family in a['families']]
    assert has_port(part['ranges'], port) == (has == 'yes'), (where, has, cell)


def check_diff(source, target, port, family, had, has, where):
    changes = [c['now'] for c in told['changes']
               if is_party(names[c['from']], source, family, 'from')
               and is_party(names[c['to']], target, family, 'to')
               and 'IPv' + family in c['families'] and has_port(c['ranges'], port)]
    want = [] if had == has else ['allowed' if has == 'yes' else 'denied']
    assert changes == want, f'{where}: {had} before, {has} after, told {changes}'
    return 'changed' if want else 'same'


seen = {'changed': 0, 'same': 0}
for was, now in zip(before, after):
    source, target, port, family, had = was.split()
    has = now.split()[-1]
    where = f'{source} {target} {port} IPv{family}'
    if kind == 'matrix':
        check_matrix(source, target, port, family, has, where)
    else:
        seen[check_diff(source, target, port, family, had, has, where)] += 1
if kind == 'diff':
    print(seen)
    assert seen['changed'] >= 5 and seen['same'] >= 5, seen
END

probe_all >"$W/before"
td n1 policy matrix -o json >"$W/matrix.json"
check_equal "a change is announced by exit status 1" "$(status_of td n1 policy diff -f "$new")" 1
td n1 policy diff -f "$new" -o json >"$W/diff.json" || true
check_match "and in words, with the rule" "$(td n1 policy diff -f "$new")" \
	"\\+  default/friend +default/web +81/TCP +ingress: CiliumNetworkPolicy default/web-too, ingress\\[0\\] \\($new:7\\)"
check_equal "asking changes nothing" "$(probe_all)" "$(cat "$W/before")"

check "apply" td n1 apply -f "$new"
probe_all >"$W/after"
check "what diff announced has changed, and nothing else" python3 "$W/compare.py" diff "$W/diff.json" "$W/before" "$W/after"
check "the matrix of before was that of the traffic" python3 "$W/compare.py" matrix "$W/matrix.json" "$W/before" "$W/before"
td n1 policy matrix -o json >"$W/matrix.json"
check "and so is that of after" python3 "$W/compare.py" matrix "$W/matrix.json" "$W/after" "$W/after"
check_equal "once applied, the same is no change" "$(status_of td n1 policy diff -f "$new")" 0
check_match "deleting it would be one" "$(td n1 policy diff --delete cnp/default/web-too --delete netpol/friend-out)" \
	'\+  default/foe +default/web +80/TCP +ingress: NetworkPolicy default/web, ingress\[0\]'

check_match "lint names the line of the file, as the node knows it" "$(td n1 policy lint)" \
	"$old:17: error: NetworkPolicy default/web: the egress rules are ignored"
sed 's/app: friend}}\]/app: fiend}}]/' "$new" >"$W/typo.yaml"
check_match "files beside what the node has" "$(td n1 policy lint -f "$W/typo.yaml" --node)" \
	"$W/typo.yaml:7: warning: .*from nobody: no pod has app=fiend, namespace=default; without app=fiend it would be 3 pods"
check_equal "and then nothing is said of the node's own" "$(td n1 policy lint -f "$W/typo.yaml" --node | grep -c "^$old")" 0
stop_agent n1
for verb in "diff -f $new" matrix lint; do
	# shellcheck disable=SC2086
	check_equal "policy ${verb%% *} without an agent: 3" "$(status_of td n1 policy $verb)" 3
done
finish
