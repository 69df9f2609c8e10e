/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/property/policy_texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define PICK(list) (list)[texts_random(ARRAY_SIZE(list))]

unsigned int texts_seed;

unsigned int texts_random(size_t below)
{
	texts_seed = texts_seed * 1103515245u + 12345u;
	return (texts_seed >> 12) % (unsigned int)below;
}

static const char *const namespaces[] = { "a", "b" };
static const char *const apps[] = { "web", "api", "db" };
static const char *const tiers[] = { "one", "two" };
static const char *const cidrs[] = { "10.0.0.0/8",    "10.1.0.0/16", "10.1.0.0/24", "10.1.0.128/25",
				     "192.0.2.0/24",  "0.0.0.0/0",   "fd00::/8",    "fd00:1::/64",
				     "2001:db8::/32", "::/0",        "10.1.0.0/25" };
/* Inside the prefix of the same place, NULL: none. */
static const char *const inner[] = { "10.1.0.0/16",
				     "10.1.0.0/24",
				     "10.1.0.128/25",
				     "10.1.0.200/32",
				     "192.0.2.128/25",
				     "10.0.0.0/8",
				     "fd00:1::/64",
				     NULL,
				     NULL,
				     "fd00:1::/64",
				     NULL };
const char *const texts_outside[] = { "10.1.0.5", "10.1.0.200", "10.1.0.201",  "10.1.9.9",
				      "10.9.9.9", "192.0.2.1",  "192.0.2.200", "8.8.8.8",
				      "fd00::1",  "fd00:1::9",  "2001:db8::1", "2606::1" };
const size_t texts_outside_count = ARRAY_SIZE(texts_outside);

static void print_labels(FILE *out)
{
	switch (texts_random(5)) {
	case 0:
		break;
	case 1:
		fprintf(out, "matchLabels: {tier: %s}", PICK(tiers));
		break;
	case 2:
		fprintf(out, "matchExpressions: [{key: app, operator: NotIn, values: [%s]}]",
			PICK(apps));
		break;
	case 3:
		fprintf(out, "matchExpressions: [{key: app, operator: In, values: [%s, %s]}]",
			PICK(apps), PICK(apps));
		break;
	default:
		fprintf(out, "matchLabels: {app: %s}", PICK(apps));
	}
}

static void print_cidr(FILE *out)
{
	size_t at = texts_random(ARRAY_SIZE(cidrs));

	fprintf(out, "{cidr: '%s'", cidrs[at]);
	if (inner[at] && !texts_random(2))
		fprintf(out, ", except: ['%s']", inner[at]);
	fputc('}', out);
}

static void print_kubernetes_rule(FILE *out, const char *way)
{
	static const char *const ports[] = { "{port: 80}",
					     "{port: http}",
					     "{port: 79, endPort: 90}",
					     "{protocol: UDP}",
					     "{port: 53, protocol: UDP}",
					     "{port: 80, protocol: SCTP}" };

	fputs("{", out);
	if (texts_random(5)) {
		fprintf(out, "%s: [", way);
		for (unsigned int i = texts_random(2) + 1; i; i--) {
			switch (texts_random(3)) {
			case 0:
				fputs("{ipBlock: ", out);
				print_cidr(out);
				break;
			case 1:
				fputs("{namespaceSelector: {}, podSelector: {", out);
				print_labels(out);
				fputs("}", out);
				break;
			default:
				fputs("{podSelector: {", out);
				print_labels(out);
				fputs("}", out);
			}
			fprintf(out, "}%s", i > 1 ? ", " : "],");
		}
	}
	if (texts_random(3))
		fprintf(out, "ports: [%s, %s]", PICK(ports), PICK(ports));
	fputs("}", out);
}

static void print_kubernetes(FILE *out, unsigned int number)
{
	static const char *const types[] = { "[Ingress]", "[Egress]", "[Ingress, Egress]" };

	fprintf(out,
		"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
		"metadata: {name: p%u, namespace: %s}\nspec:\n  policyTypes: %s\n"
		"  podSelector: {",
		number, PICK(namespaces), PICK(types));
	print_labels(out);
	fputs("}\n  ingress: [", out);
	for (unsigned int i = texts_random(3); i; i--, fputs(i ? ", " : "", out))
		print_kubernetes_rule(out, "from");
	fputs("]\n  egress: [", out);
	for (unsigned int i = texts_random(3); i; i--, fputs(i ? ", " : "", out))
		print_kubernetes_rule(out, "to");
	fputs("]\n", out);
}

static void print_cilium_peers(FILE *out, const char *way)
{
	static const char *const entities[] = { "all",  "world",       "cluster",    "host",
						"none", "remote-node", "world-ipv4", "world-ipv6" };

	switch (texts_random(4)) {
	case 0:
		fprintf(out, "%sEntities: [%s], ", way, PICK(entities));
		break;
	case 1:
		fprintf(out, "%sCIDRSet: [", way);
		print_cidr(out);
		fputs("], ", out);
		break;
	default:
		fprintf(out, "%sEndpoints: [{", way);
		print_labels(out);
		fputs("}], ", out);
	}
}

static void print_cilium_rule(FILE *out, const char *way)
{
	static const char *const ports[] = { "{port: '80'}", "{port: http}",
					     "{port: '70', endPort: 80, protocol: TCP}",
					     "{port: '0', protocol: UDP}",
					     "{port: '443', protocol: TCP}" };
	static const char *const icmps[] = { "{type: 8}", "{type: 128, family: IPv6}",
					     "{type: 0}" };

	fputs("{", out);
	if (texts_random(6))
		print_cilium_peers(out, way);
	switch (texts_random(4)) {
	case 0:
		break;
	case 1:
		fprintf(out, "icmps: [{fields: [%s]}]", PICK(icmps));
		break;
	default:
		fprintf(out, "toPorts: [{ports: [%s, %s]}]", PICK(ports), PICK(ports));
	}
	fputs("}", out);
}

static void print_cilium(FILE *out, unsigned int number)
{
	static const struct {
		const char *list, *way;
	} lists[] = { { "ingress", "from" },
		      { "egress", "to" },
		      { "ingressDeny", "from" },
		      { "egressDeny", "to" } };
	bool clusterwide = !texts_random(4);

	fprintf(out,
		"apiVersion: cilium.io/v2\nkind: %s\nmetadata: {name: p%u%s%s}\nspec:\n"
		"  endpointSelector: {",
		clusterwide ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy", number,
		clusterwide ? "" : ", namespace: ", clusterwide ? "" : PICK(namespaces));
	print_labels(out);
	fputs("}\n", out);
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		if (texts_random(2))
			continue;
		fprintf(out, "  %s: [", lists[l].list);
		for (unsigned int i = texts_random(2) + 1; i; i--, fputs(i ? ", " : "", out))
			print_cilium_rule(out, lists[l].way);
		fputs("]\n", out);
	}
}

static char *written(void (*print)(FILE *out, unsigned int number), unsigned int number)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	print(out, number);
	assert_int_equal(fclose(out), 0);
	return text;
}

char *texts_policy(unsigned int number)
{
	return written(texts_random(2) ? print_cilium : print_kubernetes, number);
}

static void print_pod(FILE *out, unsigned int number)
{
	static const char *const ports[] = { "", "{name: http, containerPort: 80}",
					     "{name: http, containerPort: 8080}" };

	fprintf(out,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: pod%u, namespace: %s, labels: "
		"{app: %s, tier: %s}}\nspec: {containers: [{name: c, ports: [%s]}]}\n",
		number, namespaces[number % 2], PICK(apps), PICK(tiers), PICK(ports));
}

char *texts_pod(unsigned int number)
{
	return written(print_pod, number);
}

void texts_put(struct policy_scene *scene, const char *text)
{
	struct diag diag = { 0 };

	if (policy_scene_put_text(scene, text, strlen(text), &(struct object_parse_options){ 0 },
				  &diag))
		fail_msg("%s in\n%s", diag.text, text);
}

static void place(struct policy_scene *scene, unsigned int number, const char *format,
		  unsigned int last)
{
	char name[16], text[ADDRESS_TEXT_MAX];
	struct td_addr addr;

	snprintf(name, sizeof(name), "pod%u", number);
	snprintf(text, sizeof(text), format, last);
	assert_int_equal(address_parse(text, &addr), 0);
	assert_int_equal(policy_scene_set_address(scene, namespaces[number % 2], name, &addr), 0);
}

void texts_put_pods(struct policy_scene *scene, unsigned int first, unsigned int count)
{
	for (unsigned int i = first; i < first + count; i++) {
		char *text = texts_pod(i);

		texts_put(scene, text);
		free(text);
		if (texts_random(4))
			place(scene, i, texts_random(2) ? "10.1.0.%u" : "10.2.0.%u", 100 + i * 7);
		if (texts_random(3))
			place(scene, i, "fd00:1::%x", 100 + i);
	}
}

void texts_put_node(struct policy_scene *scene)
{
	static const char *const addresses[] = { "10.1.0.1", "192.0.2.77", "fd00:1::1" };

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct td_addr addr;

		assert_int_equal(address_parse(addresses[i], &addr), 0);
		assert_int_equal(policy_scene_add_node_address(scene, &addr), 0);
	}
}
