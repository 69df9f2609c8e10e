#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command line as a user types it: every verb's help and errors, objects there and back, a reboot,
# completion, the manual, and a bug report without secrets.
. "$(dirname "$0")/lib.sh"
sandbox_enter cli "$@"

status_of() { "$@" >/dev/null 2>&1; echo $?; }
node_new n1
mapfile -t verbs < <("$TD_BUILD/tendril" --help | awk '/^  [a-z]/ { print $1 }')
check "there are verbs" test "${#verbs[@]}" -ge 17
for verb in "${verbs[@]}"; do
	check_match "$verb --help" "$(td n1 "$verb" --help)" "^Usage: tendril $verb"
	check_equal "$verb with an unknown option: usage" "$(status_of td n1 "$verb" --no-such-option)" 2
	check_match "$verb is in the manual" "$("$TD_BUILD/tendril" manual)" "$verb"
done
for verb in list explain verdicts; do
	check_match "policy $verb --help" "$(td n1 policy $verb --help)" "^Usage: tendril policy $verb"
	check_equal "policy $verb with an unknown option: usage" "$(status_of td n1 policy $verb --no-such-option)" 2
	check_match "policy $verb is in the manual" "$("$TD_BUILD/tendril" manual)" "tendril policy $verb"
done
check_equal "an unknown verb of a verb: usage" "$(status_of td n1 policy frobnicate)" 2
check_equal "an unknown verb: usage" "$(status_of td n1 frobnicate)" 2
check_match "an argument too many is called one" "$(td n1 status extra 2>&1)" "unexpected argument 'extra'"
check_equal "--color with a value it does not know: usage" "$(status_of td n1 --color=sometimes status)" 2
check_match "--run-dir without a value says so" "$("$TD_BUILD/tendril" --run-dir 2>&1)" 'needs a value'
for verb in status get endpoint\ list identity\ list policy\ list service\ list ct\ list; do
	check_equal "$verb without an agent: 3" "$(status_of td n1 $verb)" 3
done
if have mandoc; then
	check_equal "the manual has no errors" "$("$TD_BUILD/tendril" manual | mandoc -T lint -W error 2>&1)" ""
fi

# --- what an agent says, repeated from strangers, does not reach the terminal as it is
mkdir -p "$W/fake"
cat >"$W/fake.py" <<'END'
import json, socket, sys
bad = "a\x1b[31mb\x7fc\u009b2Jd\ne"
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
while True:
    client, _ = server.accept()
    refused = b"/v1/status" not in client.recv(65536).split(b"\r\n")[0]
    body = {"error": {"code": "x", "message": bad, "file": bad, "line": 7}} if refused else {
        "healthy": False, "node": bad, "problems": [{"what": bad, "consequence": bad, "do": bad}]}
    text = json.dumps(body).encode()
    client.sendall(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        % (422 if refused else 200, len(text)) + text)
    client.close()
END
python3 "$W/fake.py" "$W/fake/tendril.sock" &
fake=$!
wait_for 10 test -S "$W/fake/tendril.sock"
controls() { LC_ALL=C grep -acP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]'; }
said=$("$TD_BUILD/tendril" --run-dir "$W/fake" status 2>&1)
check_equal "status prints no control characters" "$(controls <<<"$said")" 0
check_equal "only its own" "$(grep -c 'a?\[31mb?c?2Jd?e' <<<"$said")" 4
said=$("$TD_BUILD/tendril" --run-dir "$W/fake" get pod 2>&1)
check_equal "nor does a refusal" "$said" 'a?[31mb?c?2Jd?e:7: a?[31mb?c?2Jd?e'
kill "$fake"

# --- completion, by the shell itself
"$TD_BUILD/tendril" completion bash >"$W/completion"
complete_words() { # WORD...: what bash offers for the last one
	bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
		f=$(complete -p tendril | sed "s/.*-F \([^ ]*\).*/\1/"); $f tendril "${COMP_WORDS[COMP_CWORD]}" "" 2>/dev/null
		printf "%s\n" "${COMPREPLY[@]}"' "$W/completion" "$@"
}
check_match "bash completes a verb" "$(complete_words tendril conn)" '^connectivity *$'
check_match "an option" "$(complete_words tendril cleanup --keep)" '^--keep-objects *$'
check_match "an option's value" "$(complete_words tendril status -o j)" '^json *$'
check_match "an argument" "$(complete_words tendril policy l)" '^list *$'
check_match "an option of a verb's verb" "$(complete_words tendril policy explain --fr)" '^--from *$'
check_match "its option's value" "$(complete_words tendril policy explain -o j)" '^json *$'
for shell in bash zsh; do
	! have $shell || check "$shell takes its completion" $shell -n <("$TD_BUILD/tendril" completion $shell)
done

# --- objects there and back
start_agent n1
cat >"$W/all.yaml" <<'END'
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}, annotations: {db-password: hunter2, note: {}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.7, ports: [{port: 80}], selector: {app: web}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: []}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: cnp, namespace: shop}
spec: {endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEntities: [host]}]}
END
sed -i 's/, note: {}//' "$W/all.yaml"
cat >"$W/secret.yaml" <<'END'
apiVersion: v1
kind: Pod
metadata:
  name: db
  namespace: shop
  annotations:
    api-token: |
      hunter3
      hunter4
spec:
  containers:
  - name: db
    env:
    - name: DB_PASSWORD
      value: hunter5
    - {value: hunter6, name: API_TOKEN}
    - value: hunter7
      name: db-secret
    args: [--port=1, --password=hunter8]
END
check "apply of several files" td n1 apply -f "$W/all.yaml" -f "$W/secret.yaml" >/dev/null
for kind in ns:shop po:web svc:web netpol:np cnp:cnp pod:web service:web networkpolicy:np pods:web; do
	where=(-n shop)
	[ "$kind" != ns:shop ] || where=()
	check_match "get ${kind%:*}" "$(td n1 get "${kind%:*}" "${kind#*:}" "${where[@]}" 2>&1)" "${kind#*:}"
done
check_match "policy list says where each is from" "$(td n1 policy list)" 'NetworkPolicy +shop +np .*(api|all.yaml)'
td n1 get -o yaml >"$W/back.yaml"
check_match "what get prints, apply takes, unchanged" "$(td n1 apply -f "$W/back.yaml" 2>&1 | grep -vc unchanged)" '^0$'
for verb in get\ -o\ yaml policy\ list status\ -o\ json get\ --help completion\ bash; do
	check_equal "$verb to a full disk: 1" "$(td n1 $verb 2>/dev/null >/dev/full; echo $?)" 1
done
check_equal "an unknown kind: 1" "$(status_of td n1 get gadgets)" 1
check_equal "what is not there: 1" "$(status_of td n1 get pod nothing -n shop)" 1
check_equal "a file that is not there: 1" "$(status_of td n1 apply -f /no/such/file)" 1
check_equal "a wrong format: usage" "$(status_of td n1 get -o xml)" 2

# --- a reboot: the run directory and the bpf file system are new, the state is kept
before=$(td n1 get -o yaml)
stop_agent n1
on n1 "$TD_BUILD/tendril" cleanup --config "$W/n1/tendril.yaml" --yes --keep-objects >/dev/null
start_agent n1
check_equal "what was applied survives a reboot" "$(td n1 get -o yaml)" "$before"

# --- a bug report
(cd "$W" && td n1 bugreport -f "$W/report.tar.gz" >/dev/null 2>&1)
check "a bug report is written" test -s "$W/report.tar.gz"
check_equal "for nobody else to read" "$(stat -c %a "$W/report.tar.gz")" 600
mkdir "$W/report"
tar -C "$W/report" -xzf "$W/report.tar.gz"
check_match "with the objects" "$(cat "$W"/report/*/objects.json)" 'CiliumNetworkPolicy'
check_match "with what is no secret" "$(cat "$W"/report/*/objects.json)" 'port=1'
check_equal "without secrets" "$(grep -rl 'hunter[0-9]' "$W/report")" ""

check "delete" td n1 delete cnp cnp -n shop >/dev/null
check_equal "deleted is deleted" "$(status_of td n1 get cnp cnp -n shop)" 1
finish
