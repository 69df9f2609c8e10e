/* SPDX-License-Identifier: Apache-2.0 */
#include "model/object.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "model/document.h"

static int parse(const char *text, size_t length, struct object_list **ret, struct diag *diag)
{
	struct object_parse_options options = { .file = "t.yaml" };

	return object_parse(text, length, &options, ret, diag);
}

/* Short forms of the tables below: what stands around the line that is wrong. */
#define MODE    "apiVersion: tendril.io/v1alpha1\nkind: PolicyMode\n" NAMED
#define POD     "apiVersion: v1\nkind: Pod\n"
#define NAMED   "metadata: {name: a}\n"
#define SERVICE "apiVersion: v1\nkind: Service\n" NAMED "spec:\n"
#define SLICE   "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n" NAMED
#define KNP                                                                                        \
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" NAMED "spec:\n  podSelector: {}\n"
#define CNP  "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n" NAMED "spec:\n"
#define ALL  "  endpointSelector: {}\n"
#define CCNP "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\n" NAMED "spec:\n"
#define CCG  "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\n" NAMED

static const struct refusal {
	const char *name, *text;
	const char *want; /* part of the message; "t.yaml:LINE: " begins it */
} refusals[] = {
	/* Text. */
	{ "nothing", "", "t.yaml: found no object" },
	{ "only comments", "# a\n---\n# b\n", "t.yaml: found no object" },
	{ "bad syntax", "a: [\n", "expected YAML or JSON" },
	{ "two things on a line", "a: b: c\n", "t.yaml:1: found bad syntax" },
	{ "a byte that is no UTF-8", "a: b\nc: \xff\n", "t.yaml:2: found byte 0xff" },
	{ "an overlong form", "a: \xc0\x80\n", "t.yaml:1: found byte 0xc0" },
	{ "a control character", "a: b\n\x1b[2J\n", "t.yaml:2: found byte 0x1b" },
	{ "an escaped zero byte", POD "metadata: {name: \"a\\0b\"}\n", "zero byte" },
	{ "a duplicate field", POD NAMED "kind: Pod\n",
	  "t.yaml:4: found the field kind twice (first on line 2)" },
	{ "a duplicate field in what is ignored", POD NAMED "status: {a: 1, a: 2}\n",
	  "t.yaml:4: found the field a twice" },
	{ "an alias of nothing", POD "metadata: *x\n", "found the alias *x" },
	{ "an alias inside its own anchor", POD "metadata: &x {name: *x}\n", "found the alias *x" },
	{ "a tag", POD "metadata: !!binary aGk=\n", "found the tag" },
	{ "a key that is a list", "? [a]\n: b\n", "t.yaml:1: found a key that is no text" },
	{ "a merge key", POD "metadata:\n  <<: {name: a}\n", "unknown field <<" },
	{ "a scalar", "hello\n", "t.yaml:1: found \"hello\" in the document, expected a mapping" },
	{ "a list at the top", "- a\n", "found a list in the document, expected a mapping" },

	/* Kinds and metadata. */
	{ "no kind", "apiVersion: v1\n", "found no kind" },
	{ "no apiVersion", "kind: Pod\n", "found no apiVersion" },
	{ "an unknown kind", "apiVersion: apps/v1\nkind: Deployment\n" NAMED,
	  "t.yaml:2: found \"Deployment\" in the document, expected one of Namespace" },
	{ "a kind in the wrong case", "apiVersion: v1\nkind: pod\n" NAMED, "expected Pod" },
	{ "an old apiVersion", "apiVersion: networking.k8s.io/v1beta1\nkind: NetworkPolicy\n" NAMED,
	  "expected networking.k8s.io/v1 for a NetworkPolicy" },
	{ "another group's kind", "apiVersion: serving.knative.dev/v1\nkind: Service\n" NAMED,
	  "expected v1 for a Service" },
	{ "no metadata", POD, "found no metadata" },
	{ "metadata that is a list", POD "metadata: [a]\n",
	  "t.yaml:3: found a list in metadata, expected a mapping" },
	{ "no name", POD "metadata: {namespace: a}\n", "found no name in metadata" },
	{ "a name in capitals", POD "metadata: {name: A}\n",
	  "found \"A\" in metadata.name, expected a name" },
	{ "a name that is a number", POD "metadata: {name: 1}\n",
	  "found 1 without quotes in metadata.name, expected a string (put it in quotes)" },
	{ "a name that YAML 1.1 takes for yes", POD "metadata: {name: y}\n",
	  "found y without quotes in metadata.name" },
	{ "a name with a slash", POD "metadata: {name: a/b}\n", "metadata.name" },
	{ "a namespace with a dot", POD "metadata: {name: a, namespace: a.b}\n",
	  "metadata.namespace" },
	{ "a namespace of a clusterwide kind",
	  "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\n"
	  "metadata: {name: a, namespace: b}\nspec: {endpointSelector: {}}\n",
	  "is in none" },
	{ "an audit mode that is none",
	  POD "metadata: {name: a, annotations: {policy.tendril.io/audit-mode: \"on\"}}\n",
	  "t.yaml:3: found \"on\" in metadata.annotations.policy.tendril.io/audit-mode, expected one "
	  "of disabled, enabled" },
	{ "an audit mode that is a boolean",
	  POD "metadata: {name: a, annotations: {policy.tendril.io/audit-mode: true}}\n",
	  "expected a string" },
	{ "an annotation of ours that is none",
	  POD "metadata: {name: a, annotations: {policy.tendril.io/audit: enabled}}\n",
	  "expected policy.tendril.io/audit-mode" },
	{ "an audit mode where there is nothing to audit",
	  "apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: "
	  "{policy.tendril.io/audit-mode: enabled}}\n",
	  "on a Service it is not enforced by this build" },
	{ "a mode of nothing", MODE "spec: {audit: enabled}\n", "found no targetRef in spec" },
	{ "a mode that says nothing", MODE "spec: {targetRef: {kind: Pod, name: a}}\n",
	  "found no audit in spec" },
	{ "a mode without a spec", MODE, "found no spec" },
	{ "a mode of a kind that has none", MODE "spec: {targetRef: {kind: Service, name: a}}\n",
	  "found \"Service\" in spec.targetRef, expected one of Node" },
	{ "a mode of a namespace in a namespace",
	  MODE "spec: {targetRef: {kind: Namespace, name: a, namespace: b}, audit: enabled}\n",
	  "expected no namespace: a Namespace is in none" },
	{ "a mode of a nameless target", MODE "spec: {targetRef: {kind: Pod}, audit: enabled}\n",
	  "found no name in spec.targetRef" },
	{ "an enforcement mode of a pod",
	  MODE "spec: {targetRef: {kind: Pod, name: a}, enforcement: never}\n",
	  "for a Pod it is not enforced by this build" },
	{ "an enforcement mode that is none",
	  MODE "spec: {targetRef: {kind: Node, name: a}, enforcement: sometimes}\n",
	  "expected one of default, always, never" },
	{ "an unknown field", POD NAMED "sepc: {}\n",
	  "t.yaml:4: found unknown field sepc in the document, expected one of apiVersion, kind, "
	  "metadata, spec, status" },
	{ "a field in the wrong case", POD NAMED "Spec: {}\n",
	  "found unknown field Spec in the "
	  "document, expected spec" },
	{ "an unknown field of metadata", POD "metadata: {name: a, label: {}}\n",
	  "found unknown field label in metadata" },
	{ "a label that is a number", POD "metadata:\n  name: a\n  labels: {a: 1}\n",
	  "t.yaml:5: found 1 without quotes in metadata.labels.a, expected a string" },
	{ "a label's value of 64 bytes",
	  POD "metadata: {name: a, labels: {a: "
	      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}}\n",
	  "expected a label value" },
	{ "a label's key with a space", POD "metadata: {name: a, labels: {a b: c}}\n",
	  "expected a label key" },
	{ "labels that are a list", POD "metadata: {name: a, labels: [a]}\n",
	  "found a list in metadata.labels, expected a mapping" },

	/* Pods, namespaces, nodes. */
	{ "a label that would forge a pod's namespace",
	  POD "metadata: {name: a, labels: {io.kubernetes.pod.namespace: b}}\n",
	  "expected no label io.kubernetes.pod.namespace" },
	{ "a label that would forge a namespace's label",
	  POD "metadata: {name: a, labels: {io.cilium.k8s.namespace.labels.b: c}}\n",
	  "expected no label io.cilium" },
	{ "hostNetwork in quotes", POD NAMED "spec: {hostNetwork: \"true\"}\n",
	  "expected true or false" },
	{ "hostNetwork as yes", POD NAMED "spec: {hostNetwork: yes}\n",
	  "found yes without quotes in spec.hostNetwork, expected true or false" },
	{ "a containerPort of 0", POD NAMED "spec: {containers: [{ports: [{containerPort: 0}]}]}\n",
	  "found 0 without quotes in spec.containers[0].ports[0].containerPort, expected an "
	  "integer from 1 to 65535" },
	{ "a containerPort of 65536",
	  POD NAMED "spec: {containers: [{ports: [{containerPort: 65536}]}]}\n", "65536" },
	{ "a containerPort written in octal",
	  POD NAMED "spec: {containers: [{ports: [{containerPort: 0120}]}]}\n",
	  "found 0120 without quotes" },
	{ "a containerPort missing", POD NAMED "spec: {containers: [{ports: [{name: http}]}]}\n",
	  "found no containerPort" },
	{ "a port's name that is too long",
	  POD NAMED "spec: {containers: [{ports: [{name: a-name-of-16-byt, "
		    "containerPort: 1}]}]}\n",
	  "expected a port's name" },
	{ "an unknown field of a container", POD NAMED "spec: {containers: [{port: []}]}\n",
	  "found unknown field port in spec.containers[0]" },
	{ "a namespace that says it has another name",
	  "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: "
	  "{kubernetes.io/metadata.name: b}}\n",
	  "kubernetes.io/metadata.name" },
	{ "a node with a bad podCIDR",
	  "apiVersion: v1\nkind: Node\n" NAMED "spec: {podCIDRs: [10.0.0.0]}\n",
	  "found \"10.0.0.0\" in spec.podCIDRs[0], expected a CIDR" },
	{ "a node with a bad address",
	  "apiVersion: v1\nkind: Node\n" NAMED
	  "status: {addresses: [{type: InternalIP, address: 10.0.0.256}]}\n",
	  "status.addresses[0]" },

	/* Services. */
	{ "a service without spec", "apiVersion: v1\nkind: Service\n" NAMED, "found no spec" },
	{ "a service without ports", SERVICE "  selector: {a: b}\n", "found no ports in spec" },
	{ "a service port of 0", SERVICE "  ports: [{port: 0}]\n",
	  "t.yaml:5: found 0 without quotes in spec.ports[0].port" },
	{ "a service port of 65536", SERVICE "  ports: [{port: 65536}]\n", "65536" },
	{ "a service port as text", SERVICE "  ports: [{port: \"80\"}]\n", "expected an integer" },
	{ "a target port of 0", SERVICE "  ports: [{port: 1, targetPort: 0}]\n", "1 to 65535" },
	{ "a target port's number as text", SERVICE "  ports: [{port: 1, targetPort: \"80\"}]\n",
	  "or a port's name" },
	{ "two ports, one without a name", SERVICE "  ports: [{port: 1, name: a}, {port: 2}]\n",
	  "found no name in spec.ports" },
	{ "two ports of one name", SERVICE "  ports: [{port: 1, name: a}, {port: 2, name: a}]\n",
	  "name once (a)" },
	{ "one port twice", SERVICE "  ports: [{port: 1, name: a}, {port: 1, name: b}]\n",
	  "port and protocol once" },
	{ "an SCTP port that would change",
	  SERVICE "  ports: [{port: 1, targetPort: 2, protocol: SCTP}]\n", "checksum" },
	{ "a bad cluster IP", SERVICE "  clusterIP: 10.0.0\n  ports: [{port: 1}]\n",
	  "expected an IPv4 or IPv6 address" },
	{ "a cluster IP of loopback", SERVICE "  clusterIP: 127.0.0.1\n  ports: [{port: 1}]\n",
	  "expected a unicast address" },
	{ "one of IPv6's", SERVICE "  clusterIP: ::1\n  ports: [{port: 1}]\n",
	  "expected a unicast address" },
	{ "no cluster IP at all", SERVICE "  clusterIP: 0.0.0.0\n  ports: [{port: 1}]\n",
	  "expected a unicast address" },
	{ "a multicast cluster IP", SERVICE "  clusterIP: 224.0.0.1\n  ports: [{port: 1}]\n",
	  "expected a unicast address" },
	{ "one of a link", SERVICE "  clusterIP: fe80::1\n  ports: [{port: 1}]\n",
	  "expected a unicast address" },
	{ "two cluster IPs of one family",
	  SERVICE "  clusterIPs: [10.0.0.1, 10.0.0.2]\n  ports: [{port: 1}]\n",
	  "at most one address of each family" },
	{ "cluster IPs that disagree",
	  SERVICE "  clusterIP: 10.0.0.1\n  clusterIPs: [10.0.0.2]\n  ports: [{port: 1}]\n",
	  "begin with clusterIP" },
	{ "a type that is not enforced", SERVICE "  type: NodePort\n  ports: [{port: 1}]\n",
	  "not enforced by this build, expected ClusterIP" },
	{ "session affinity", SERVICE "  sessionAffinity: ClientIP\n  ports: [{port: 1}]\n",
	  "not enforced by this build" },
	{ "a slice of names", SLICE "addressType: FQDN\n", "not enforced by this build" },
	{ "a slice without a type", SLICE "endpoints: []\n", "found no addressType" },
	{ "a slice with an address of the other family",
	  SLICE "addressType: IPv4\nendpoints: [{addresses: [\"fd00::1\"]}]\n",
	  "expected an address of the slice's addressType (IPv4)" },

	/* NetworkPolicy. */
	{ "a policy without a spec",
	  "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" NAMED, "found no spec" },
	{ "a policy without a selector",
	  "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" NAMED "spec: {ingress: []}\n",
	  "found no podSelector" },
	{ "a policy type in the wrong case", KNP "  policyTypes: [ingress]\n",
	  "expected one of Ingress, Egress" },
	{ "an empty peer", KNP "  ingress: [{from: [{}]}]\n",
	  "in spec.ingress[0].from[0], expected a peer" },
	{ "a peer of nothing", KNP "  ingress:\n  - from:\n    - null\n",
	  "t.yaml:8: found nothing in spec.ingress[0].from[0], expected a mapping" },
	{ "a block beside a selector",
	  KNP "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]\n",
	  "expected no selector beside ipBlock" },
	{ "a CIDR that is none", KNP "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]\n",
	  "found \"10.0.0.0/33\" in spec.ingress[0].from[0]" },
	{ "a CIDR without length", KNP "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0}}]}]\n",
	  "expected a CIDR" },
	{ "a block without a CIDR", KNP "  ingress: [{from: [{ipBlock: {}}]}]\n", "found no cidr" },
	{ "an exception outside",
	  KNP "  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]\n",
	  "expected a CIDR inside 10.0.0.0/8" },
	{ "an exception of the other family",
	  KNP "  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [\"fd00::/64\"]}}]}]\n",
	  "expected a CIDR inside 10.0.0.0/8" },
	{ "an exception of everything",
	  KNP "  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]\n",
	  "expected a CIDR inside 10.0.0.0/8" },
	{ "a policy port of 0", KNP "  ingress: [{ports: [{port: 0}]}]\n", "1 to 65535" },
	{ "a policy port of 65536", KNP "  ingress: [{ports: [{port: 65536}]}]\n", "1 to 65535" },
	{ "a negative port", KNP "  ingress: [{ports: [{port: -1}]}]\n", "1 to 65535" },
	{ "a port with a fraction", KNP "  ingress: [{ports: [{port: 80.0}]}]\n",
	  "expected an integer or a string" },
	{ "a port's number as text", KNP "  ingress: [{ports: [{port: \"80\"}]}]\n",
	  "number from 1 to 65535 without quotes" },
	{ "a port as a list", KNP "  ingress: [{ports: [{port: [80]}]}]\n",
	  "found a list in spec.ingress[0].ports[0].port, expected an integer or a string" },
	{ "endPort below port", KNP "  ingress: [{ports: [{port: 80, endPort: 79}]}]\n",
	  "found 79 without quotes in spec.ingress[0].ports[0], expected an endPort not below "
	  "port 80" },
	{ "endPort alone", KNP "  ingress: [{ports: [{endPort: 80}]}]\n", "found no port" },
	{ "endPort beside a name", KNP "  ingress: [{ports: [{port: http, endPort: 80}]}]\n",
	  "expected no endPort beside a port's name" },
	{ "a protocol in the wrong case", KNP "  ingress: [{ports: [{protocol: tcp}]}]\n",
	  "expected one of TCP, UDP, SCTP" },
	{ "from in egress", KNP "  egress: [{from: []}]\n",
	  "found unknown field from in spec.egress[0], expected one of to, ports" },
	{ "rules that are no list", KNP "  ingress: {}\n",
	  "found a mapping in spec.ingress, expected a list" },
	{ "an operator that is none",
	  KNP "  ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: "
	      "Equals}]}}]}]\n",
	  "expected one of In, NotIn, Exists, DoesNotExist" },
	{ "In without values",
	  KNP "  ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: "
	      "In}]}}]}]\n",
	  "found no values" },
	{ "Exists with values",
	  KNP "  ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: Exists, "
	      "values: [b]}]}}]}]\n",
	  "expected no values" },
	{ "a key with a source in a NetworkPolicy",
	  KNP "  ingress: [{from: [{podSelector: {matchLabels: {\"k8s:a\": b}}}]}]\n",
	  "expected a label key" },
	{ "matchlabels", KNP "  ingress: [{from: [{podSelector: {matchlabels: {a: b}}}]}]\n",
	  "expected matchLabels" },

	/* Cilium policies. */
	{ "neither spec nor specs", "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n" NAMED,
	  "expected spec or specs" },
	{ "no selector at all", CNP "  ingress: []\n", "found no endpointSelector" },
	{ "a node selector", CCNP "  nodeSelector: {}\n", "not enforced by this build" },
	{ "both selectors", CCNP ALL "  nodeSelector: {}\n", "not enforced by this build" },
	{ "a node selector in a namespace", CNP "  nodeSelector: {}\n",
	  "not enforced by this build" },
	{ "endpoints and entities",
	  CNP ALL "  ingress: [{fromEndpoints: [{}], fromEntities: [all]}]\n",
	  "expected one kind of peer per rule: fromEndpoints or fromEntities" },
	{ "CIDR and CIDRSet",
	  CNP ALL "  egress: [{toCIDR: [10.0.0.0/8], toCIDRSet: [{cidr: 11.0.0.0/8}]}]\n",
	  "expected one kind of peer per rule" },
	{ "an entity that is none", CNP ALL "  ingress: [{fromEntities: [World]}]\n",
	  "expected one of all, world" },
	{ "names", CNP ALL "  egress: [{toFQDNs: [{matchName: a.b}]}]\n",
	  "t.yaml:6: found spec.egress[0].toFQDNs, which is not enforced by this build" },
	{ "names to be denied", CNP ALL "  egressDeny: [{toFQDNs: []}]\n",
	  "found unknown field toFQDNs in spec.egressDeny[0]" },
	{ "a Service without a name", CNP ALL "  egress: [{toServices: [{k8sService: {}}]}]\n",
	  "found no serviceName in spec.egress[0].toServices[0].k8sService, expected a Service's "
	  "name" },
	{ "a Service by name and label",
	  CNP ALL "  egress: [{toServices: [{k8sService: {serviceName: a}, k8sServiceSelector: "
		  "{selector: {}}}]}]\n",
	  "expected only one of k8sService, k8sServiceSelector" },
	{ "services where traffic comes in", CNP ALL "  ingress: [{toServices: []}]\n",
	  "found unknown field toServices in spec.ingress[0]" },
	{ "services beside requirements",
	  CNP ALL "  egress: [{toServices: [], toRequires: [{}]}]\n",
	  "not enforced by this build, expected toServices without toRequires" },
	{ "nodes", CNP ALL "  egress: [{toNodes: []}]\n", "not enforced by this build" },
	{ "a group of no cloud", CNP ALL "  ingress: [{fromGroups: [{}]}]\n",
	  "found no aws in spec.ingress[0].fromGroups[0], expected a mapping" },
	{ "a group of another cloud", CNP ALL "  egress: [{toGroups: [{gcp: {}}]}]\n",
	  "found unknown field gcp in spec.egress[0].toGroups[0], expected one of aws" },
	{ "an unknown field of a cloud's group",
	  CNP ALL "  egress: [{toGroups: [{aws: {securityGroups: [a]}}]}]\n",
	  "found unknown field securityGroups in spec.egress[0].toGroups[0].aws" },
	{ "authentication", CNP ALL "  ingress: [{authentication: {mode: required}}]\n",
	  "not enforced by this build" },
	{ "HTTP rules",
	  CNP ALL "  ingress: [{toPorts: [{ports: [{port: \"80\"}], rules: {http: []}}]}]\n",
	  "found spec.ingress[0].toPorts[0].rules, which is not enforced by this build" },
	{ "server names",
	  CNP ALL "  egress: [{toPorts: [{ports: [{port: \"443\"}], serverNames: [a.b]}]}]\n",
	  "not enforced by this build" },
	{ "a listener",
	  CNP ALL "  egress: [{toPorts: [{ports: [{port: \"443\"}], listener: {}}]}]\n",
	  "not enforced by this build" },
	{ "a CIDR and a group of them",
	  CNP ALL "  egress: [{toCIDRSet: [{cidrGroupRef: a, cidr: 10.0.0.0/8}]}]\n",
	  "expected only one of cidr, cidrGroupRef, cidrGroupSelector" },
	{ "neither CIDR nor group", CNP ALL "  egress: [{toCIDRSet: [{}]}]\n",
	  "found no cidr in spec.egress[0].toCIDRSet[0], expected one of cidr, cidrGroupRef, "
	  "cidrGroupSelector" },
	{ "a group's name that is none", CNP ALL "  egress: [{toCIDRSet: [{cidrGroupRef: A}]}]\n",
	  "t.yaml:6: found \"A\" in spec.egress[0].toCIDRSet[0].cidrGroupRef" },
	{ "a source in a group's label",
	  CNP ALL "  egress: [{toCIDRSet: [{cidrGroupSelector: {matchLabels: {\"k8s:a\": b}}}]}]\n",
	  "expected a label key" },
	{ "a group without CIDRs", CCG "spec: {}\n",
	  "found no externalCIDRs in spec, expected a list of CIDRs" },
	{ "a group without spec", CCG, "found no spec" },
	{ "a group with an unknown field", CCG "spec: {externalCIDRs: [], cidrs: []}\n",
	  "t.yaml:4: found unknown field cidrs in spec, expected one of externalCIDRs" },
	{ "a group with a bad CIDR", CCG "spec:\n  externalCIDRs: [10.0.0.0/8,\n    10.0.0.0/33]\n",
	  "t.yaml:6: found \"10.0.0.0/33\" in spec.externalCIDRs[1], expected a CIDR" },
	{ "a group with an address", CCG "spec: {externalCIDRs: [10.0.0.1]}\n", "expected a CIDR" },
	{ "a group of a version that is none",
	  "apiVersion: cilium.io/v3\nkind: CiliumCIDRGroup\n" NAMED "spec: {}\n",
	  "expected cilium.io/v2 for a CiliumCIDRGroup" },
	{ "a policy's own log", CNP ALL "  log: {value: a}\n", "not enforced by this build" },
	{ "an exception outside the CIDR",
	  CNP ALL "  egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [0.0.0.0/0]}]}]\n",
	  "expected a CIDR inside 10.0.0.0/8" },
	{ "an exception's place",
	  CNP ALL "  egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [x]}]}]\n",
	  "in spec.egress[0].toCIDRSet[0].except[0], expected" },
	{ "a CIDR's place in a set", CNP ALL "  egress: [{toCIDRSet: [{cidr: x}]}]\n",
	  "in spec.egress[0].toCIDRSet[0].cidr, expected" },
	{ "an exception's place in a block",
	  KNP "  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [x]}}]}]\n",
	  "in spec.egress[0].to[0].ipBlock.except[0], expected" },
	{ "a CIDR of letters", CNP ALL "  egress: [{toCIDR: [example.com]}]\n",
	  "found \"example.com\" in spec.egress[0].toCIDR[0], expected a CIDR" },
	{ "icmps beside toPorts",
	  CNP ALL "  egress: [{toPorts: [{ports: [{port: \"1\"}]}], icmps: [{fields: [{type: "
		  "8}]}]}]\n",
	  "expected toPorts or icmps in a rule, not both" },
	{ "a port without quotes", CNP ALL "  egress: [{toPorts: [{ports: [{port: 80}]}]}]\n",
	  "found 80 without quotes in spec.egress[0].toPorts[0].ports[0].port, expected a string "
	  "(put it in quotes)" },
	{ "a port above the last",
	  CNP ALL "  egress: [{toPorts: [{ports: [{port: \"65536\"}]}]}]\n",
	  "expected a port from \"0\" (all) to \"65535\"" },
	{ "a port far above the last",
	  CNP ALL "  egress: [{toPorts: [{ports: [{port: \"4294967376\"}]}]}]\n",
	  "expected a port from" },
	{ "a negative port in quotes",
	  CNP ALL "  egress: [{toPorts: [{ports: [{port: \"-1\"}]}]}]\n", "expected a port from" },
	{ "an empty port", CNP ALL "  egress: [{toPorts: [{ports: [{port: \"\"}]}]}]\n",
	  "expected a port from" },
	{ "no port", CNP ALL "  egress: [{toPorts: [{ports: [{protocol: TCP}]}]}]\n",
	  "found no port" },
	{ "no ports", CNP ALL "  egress: [{toPorts: [{}]}]\n", "found no ports" },
	{ "an endPort below the port",
	  CNP ALL "  egress: [{toPorts: [{ports: [{port: \"80\", endPort: 79}]}]}]\n",
	  "expected an endPort not below port 80" },
	{ "an endPort beside all ports",
	  CNP ALL "  egress: [{toPorts: [{ports: [{port: \"0\", endPort: 79}]}]}]\n",
	  "expected no endPort" },
	{ "ICMP as a port's protocol",
	  CNP ALL "  egress: [{toPorts: [{ports: [{port: \"8\", protocol: ICMP}]}]}]\n",
	  "expected the rule's icmps instead" },
	{ "an ICMP type that is none", CNP ALL "  ingress: [{icmps: [{fields: [{type: 256}]}]}]\n",
	  "expected an ICMP type from 0 to 255" },
	{ "an ICMP type's name of the other family",
	  CNP ALL "  ingress: [{icmps: [{fields: [{type: PacketTooBig}]}]}]\n",
	  "expected an ICMP type" },
	{ "an ICMP family that is none",
	  CNP ALL "  ingress: [{icmps: [{fields: [{family: ipv4, type: 8}]}]}]\n",
	  "expected one of IPv4, IPv6" },
	{ "a source that is none",
	  CNP "  endpointSelector: {matchLabels: {\"cidr:10.0.0.0/8\": \"\"}}\n",
	  "expected a label key, alone or after" },
	{ "a reserved subject in a namespace",
	  CNP "  endpointSelector: {matchLabels: {\"reserved:host\": \"\"}}\n",
	  "expected a selector of pods" },
	{ "a policy on the host",
	  CCNP "  endpointSelector: {matchLabels: {\"reserved:host\": \"\"}}\n",
	  "not enforced by this build" },
	{ "requirements with ports but without endpoints",
	  CNP ALL "  ingress: [{fromRequires: [{}], toPorts: [{ports: [{port: \"1\"}]}]}]\n",
	  "expected peers beside fromRequires" },
	{ "default deny as text", CNP ALL "  enableDefaultDeny: {ingress: \"no\"}\n",
	  "expected true or false" },
	{ "an unknown field of a rule", CNP ALL "  ingress: [{fromendpoints: [{}]}]\n",
	  "found unknown field fromendpoints in spec.ingress[0], expected fromEndpoints" },
};

static void bad_manifests_are_refused_with_place_found_and_expected(void **state)
{
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		_cleanup_(object_list_freep) struct object_list *list = NULL;
		const struct refusal *refusal = &refusals[i];
		struct diag diag = { 0 };
		char message[1024];
		int r = parse(refusal->text, strlen(refusal->text), &list, &diag);

		diag_format(&diag, message, sizeof(message));
		if (r == -EINVAL && !list && strstr(message, refusal->want) &&
		    !strncmp(message, "t.yaml:", 7) && strstr(message, "expected"))
			continue;
		print_error("%s: got %d \"%s\", expected \"%s\"\n", refusal->name, r, message,
			    refusal->want);
		failed++;
	}
	assert_int_equal(failed, 0);
}

static char *repeat(const char *head, const char *unit, size_t times, const char *tail)
{
	size_t unit_length = strlen(unit);
	char *text = malloc(strlen(head) + unit_length * times + strlen(tail) + 1);
	char *p;

	assert_non_null(text);
	p = stpcpy(text, head);
	for (size_t i = 0; i < times; i++)
		p = stpcpy(p, unit);
	strcpy(p, tail);
	return text;
}

static const struct big {
	const char *name, *head, *unit;
	size_t times;
	const char *tail, *want;
} bigs[] = {
	{ "16 MB and one byte", "", "#", DOCUMENT_TEXT_MAX + 1, "", "expected at most 16777216" },
	{ "100 MB", "", "#", 100000000, "", "found 100000000 bytes" },
	{ "65 lists inside each other", "", "[", 65, "", "deeper than 64" },
	{ "16 million lists inside each other", "", "[", 16000000, "", "deeper than 64" },
	{ "8 million of them on lines", "", "[\n", 8000000, "", "deeper than 64" },
	{ "4 million mappings inside each other", "", "{a: ", 4000000, "", "deeper than 64" },
	{ "8 million block lists inside each other", "", "- ", 8000000, "", "deeper than 64" },
	{ "8 million complex keys", "", "? ", 8000000, "", "deeper than 64" },
	{ "4 million block items that open lists", "", "- [", 4000000, "", "deeper than 64" },
	{ "more values than may be", "", "- a\n", 4000000, "", "more than 1000000 values" },
	{ "more anchors than may be", "", "- &a b\n", 300, "", "more than 256 anchors" },
	{ "a line of 4 million commas", "[", "a,", 4000000, "]", "more than 1000000 brackets" },
	{ "a line of 8 million quotes", "", "\"", 8000000, "", "bad syntax" },
	{ "4 million directives", "", "%A\n", 4000000, "", "more than 1000000" },
	{ "4 million documents", "", "---\n", 4000000, "", "more than 100000 documents" },
};

static void both_versions_of_a_cidr_group_are_read(void **state)
{
	static const char *const versions[] = { "v2", "v2alpha1" };

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		_cleanup_(object_list_freep) struct object_list *list = NULL;
		_cleanup_free_ char *text = NULL;
		struct diag diag = { 0 };

		assert_true(asprintf(&text,
				     "apiVersion: cilium.io/%s\nkind: CiliumCIDRGroup\n" NAMED
				     "spec: {externalCIDRs: [10.0.0.0/8]}\n",
				     versions[i]) > 0);
		assert_int_equal(parse(text, strlen(text), &list, &diag), 0);
		assert_int_equal(list->items[0]->kind, OBJECT_CILIUM_CIDR_GROUP);
		assert_string_equal(list->items[0]->namespace, "");
		assert_int_equal(list->items[0]->cidr_group.prefix_count, 1);
	}
}

static void big_inputs_are_refused_in_time(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bigs); i++) {
		const struct big *big = &bigs[i];
		_cleanup_free_ char *text = repeat(big->head, big->unit, big->times, big->tail);
		struct object_list *list = NULL;
		struct diag diag = { 0 };

		assert_int_equal(parse(text, strlen(text), &list, &diag), -EINVAL);
		if (!strstr(diag.text, big->want))
			fail_msg("%s: got \"%s\", expected \"%s\"", big->name, diag.text,
				 big->want);
	}
}

static void an_alias_bomb_is_refused(void **state)
{
	struct object_list *list = NULL;
	struct diag diag = { 0 };
	char text[4096] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";

	for (int i = 1; i < 10; i++) {
		char line[128];

		snprintf(line, sizeof(line),
			 "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i,
			 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
		strcat(text, line);
	}
	assert_int_equal(parse(text, strlen(text), &list, &diag), -EINVAL);
	assert_non_null(strstr(diag.text, "aliases that expand to more than 1000000 values"));
}

static void an_alias_bomb_of_depth_is_refused(void **state)
{
	struct object_list *list = NULL;
	struct diag diag = { 0 };
	char text[16384] = "a0: &a0 [x]\n";

	for (int i = 1; i < 200; i++) {
		char line[64];

		snprintf(line, sizeof(line), "a%d: &a%d [*a%d]\n", i, i, i - 1);
		strcat(text, line);
	}
	assert_int_equal(parse(text, strlen(text), &list, &diag), -EINVAL);
	assert_non_null(strstr(diag.text, "deeper than 64"));
}

static void an_alias_bomb_of_text_is_refused(void **state)
{
	_cleanup_free_ char *head = repeat("a: &a ", "x", 1000000, "\nb: [");
	_cleanup_free_ char *text = repeat(head, "*a,", 20, "]\n");
	struct object_list *list = NULL;
	struct diag diag = { 0 };

	assert_int_equal(parse(text, strlen(text), &list, &diag), -EINVAL);
	assert_non_null(strstr(diag.text, "aliases that expand"));
}

static struct object_list *must_parse(const char *text)
{
	struct object_list *list = NULL;
	struct diag diag = { 0 };

	if (parse(text, strlen(text), &list, &diag) < 0)
		fail_msg("refused: %u: %s", diag.line, diag.text);
	return list;
}

static void one_bad_document_refuses_them_all(void **state)
{
	struct object_list *list = NULL;
	struct diag diag = { 0 };
	const char *text = POD NAMED "---\n" POD "metadata: {name: B}\n";

	assert_int_equal(parse(text, strlen(text), &list, &diag), -EINVAL);
	assert_null(list);
	assert_int_equal(diag.line, 7);
}

static void each_document_keeps_its_own_text(void **state)
{
	_cleanup_(object_list_freep) struct object_list *list = must_parse(
		"# first\n" POD "metadata:\n  name: a # here\n# between\n---\n# second\n"
		"{apiVersion: v1, kind: Pod,\n metadata: {name: b}} # there\n...\n---\n" POD
		"metadata: {name: c}\nspec:\n  nodeName: |\n    x\n");

	assert_int_equal(list->count, 3);
	assert_string_equal(list->items[0]->text, "# first\n" POD "metadata:\n  name: a # here\n");
	assert_string_equal(list->items[1]->text, "# second\n{apiVersion: v1, kind: Pod,\n "
						  "metadata: {name: b}} # there\n");
	assert_string_equal(list->items[2]->text,
			    POD "metadata: {name: c}\nspec:\n  nodeName: |\n    x\n");
}

static void items_of_a_list_have_a_text_that_stands_alone(void **state)
{
	_cleanup_(object_list_freep) struct object_list *again = NULL;
	_cleanup_(object_list_freep) struct object_list *list = must_parse(
		"apiVersion: v1\nkind: List\nmetadata: {resourceVersion: \"\"}\nitems:\n"
		"- apiVersion: v1\n  kind: Pod\n  metadata: {name: a, labels: &l {\"x\": \"1\"}}\n"
		"- apiVersion: v1\n  kind: Pod\n  metadata: {name: b, labels: *l}\n");

	assert_int_equal(list->count, 2);
	assert_string_equal(list->items[1]->name, "b");
	again = must_parse(list->items[1]->text);
	assert_string_equal(again->items[0]->name, "b");
	assert_string_equal(labels_get(again->items[0]->labels, "k8s", "x"), "1");
}

static void other_kinds_can_be_skipped_and_are_listed(void **state)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	struct object_parse_options options = { .skip_other_kinds = true };
	struct diag diag = { 0 };
	const char *text = "apiVersion: apps/v1\nkind: Deployment\n"
			   "metadata: {name: web, namespace: default}\n---\n" POD NAMED;

	assert_int_equal(object_parse(text, strlen(text), &options, &list, &diag), 0);
	assert_int_equal(list->count, 1);
	assert_int_equal(list->skipped_count, 1);
	assert_string_equal(list->skipped[0], "Deployment default/web");
}

static void what_comes_by_the_api_has_no_file(void **state)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	struct object_parse_options options = { .file = "mine.yaml", .from_api = true };
	struct diag diag = { 0 };

	assert_int_equal(object_parse(POD NAMED, strlen(POD NAMED), &options, &list, &diag), 0);
	assert_null(list->items[0]->file);
}

static void objects_without_a_namespace_are_in_default(void **state)
{
	_cleanup_(object_list_freep) struct object_list *list = must_parse(POD NAMED);

	assert_string_equal(list->items[0]->namespace, "default");
	assert_string_equal(list->items[0]->pod.service_account, "default");
}

static void a_byte_order_mark_and_windows_lines_are_text(void **state)
{
	_cleanup_(object_list_freep) struct object_list *list =
		must_parse("\xef\xbb\xbf"
			   "apiVersion: v1\r\nkind: Pod\r\nmetadata:\r\n  name: a\r\n");

	assert_string_equal(list->items[0]->name, "a");
}

static void an_empty_block_at_the_end_is_no_zero_byte(void **state)
{
	static const char *const tails[] = { "|\n", ">2\n", "|+\n", ">2-\n   \n", ">" };

	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		_cleanup_(object_list_freep) struct object_list *list = NULL;
		char text[128];

		snprintf(text, sizeof(text),
			 "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:\n    k: %s",
			 tails[i]);
		list = must_parse(text);
		assert_string_equal(labels_get(list->items[0]->labels, NULL, "k"), "");
	}
}

static void a_message_has_no_bytes_that_a_terminal_obeys(void **state)
{
	struct object_list *list = NULL;
	struct diag diag = { 0 };
	const char *text = POD "metadata: {name: \"\\e[2J\"}\n";

	assert_int_equal(parse(text, strlen(text), &list, &diag), -EINVAL);
	assert_null(strchr(diag.text, '\033'));
}

static const struct kind_name {
	const char *text;
	int want; /* enum object_kind, or -1 */
} kind_names[] = {
	{ "Pod", OBJECT_POD },
	{ "pods", OBJECT_POD },
	{ "PO", OBJECT_POD },
	{ "svc", OBJECT_SERVICE },
	{ "ns", OBJECT_NAMESPACE },
	{ "netpol", OBJECT_NETWORK_POLICY },
	{ "cnp", OBJECT_CILIUM_NETWORK_POLICY },
	{ "ccnp", OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY },
	{ "CiliumCIDRGroups", OBJECT_CILIUM_CIDR_GROUP },
	{ "ccg", OBJECT_CILIUM_CIDR_GROUP },
	{ "deployments", -1 },
	{ "", -1 },
};

static void kinds_have_the_names_people_type(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(kind_names); i++) {
		enum object_kind kind;
		int r = object_kind_parse(kind_names[i].text, &kind);

		assert_int_equal(r, kind_names[i].want < 0 ? -ENOENT : 0);
		if (!r)
			assert_int_equal(kind, kind_names[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_manifests_are_refused_with_place_found_and_expected),
		cmocka_unit_test(both_versions_of_a_cidr_group_are_read),
		cmocka_unit_test(big_inputs_are_refused_in_time),
		cmocka_unit_test(an_alias_bomb_is_refused),
		cmocka_unit_test(an_alias_bomb_of_depth_is_refused),
		cmocka_unit_test(an_alias_bomb_of_text_is_refused),
		cmocka_unit_test(one_bad_document_refuses_them_all),
		cmocka_unit_test(each_document_keeps_its_own_text),
		cmocka_unit_test(items_of_a_list_have_a_text_that_stands_alone),
		cmocka_unit_test(other_kinds_can_be_skipped_and_are_listed),
		cmocka_unit_test(what_comes_by_the_api_has_no_file),
		cmocka_unit_test(objects_without_a_namespace_are_in_default),
		cmocka_unit_test(a_byte_order_mark_and_windows_lines_are_text),
		cmocka_unit_test(an_empty_block_at_the_end_is_no_zero_byte),
		cmocka_unit_test(a_message_has_no_bytes_that_a_terminal_obeys),
		cmocka_unit_test(kinds_have_the_names_people_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
