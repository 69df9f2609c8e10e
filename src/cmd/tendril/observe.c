/* SPDX-License-Identifier: Apache-2.0 */
/* tendril observe: flows of this node, as hubble observe shows them. */
#include "verb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/grpc_client.h"
#include "base/diag.h"
#include "flow/print.h"
#include "observe_filter.h"
#include "observe_request.h"
#include "remote.h"

#define DEFAULT_LAST 20

struct observe {
	const struct cli *cli;
	const struct verb *verb;
	struct observe_filters *filters;
	struct observe_request request;
	const struct flow_format *format;
	struct flow_print_options print;
	const char *server, *input, *color;
	bool print_raw, filtered;
};

struct setting {
	const char *name;
	int (*set)(struct observe *observe, const char *value, struct diag *diag);
};

static int set_format(struct observe *observe, const char *value, struct diag *diag)
{
	observe->format = flow_format_find(value);
	if (observe->format)
		return 0;
	return diag_set(diag, NULL, 0, "found '%s', expected one of %s", value,
			flow_format_names());
}

static int set_time_format(struct observe *observe, const char *value, struct diag *diag)
{
	observe->print.time_format = flow_time_format_find(value);
	if (observe->print.time_format)
		return 0;
	return diag_set(diag, NULL, 0,
			"found '%s', expected StampMilli, RFC3339, RFC3339Milli, RFC3339Micro, "
			"RFC3339Nano or RFC1123Z",
			value);
}

static int set_flag(struct observe *observe, bool *flag)
{
	*flag = true;
	return 0;
}

static int set_numeric(struct observe *observe, const char *value, struct diag *diag)
{
	return set_flag(observe, &observe->print.numeric);
}

static int set_node_name(struct observe *observe, const char *value, struct diag *diag)
{
	return set_flag(observe, &observe->print.node_name);
}

static int set_policy_names(struct observe *observe, const char *value, struct diag *diag)
{
	return set_flag(observe, &observe->print.policy_names);
}

static int set_local_time(struct observe *observe, const char *value, struct diag *diag)
{
	return set_flag(observe, &observe->print.local_time);
}

static int set_debug(struct observe *observe, const char *value, struct diag *diag)
{
	return set_flag(observe, &observe->print.debug);
}

static int set_print_raw(struct observe *observe, const char *value, struct diag *diag)
{
	return set_flag(observe, &observe->print_raw);
}

static int set_server(struct observe *observe, const char *value, struct diag *diag)
{
	observe->server = value;
	return 0;
}

static int set_input(struct observe *observe, const char *value, struct diag *diag)
{
	observe->input = value;
	return 0;
}

static int set_color(struct observe *observe, const char *value, struct diag *diag)
{
	observe->color = value;
	return 0;
}

static int set_allow(struct observe *observe, const char *value, struct diag *diag)
{
	observe->filtered = true;
	return observe_filters_add_json(observe->filters, false, value, diag);
}

static int set_deny(struct observe *observe, const char *value, struct diag *diag)
{
	observe->filtered = true;
	return observe_filters_add_json(observe->filters, true, value, diag);
}

static int set_ipv4(struct observe *observe, const char *value, struct diag *diag)
{
	observe->filtered = true;
	return observe_filters_add(observe->filters, "ip-version", "4", diag);
}

static int set_ipv6(struct observe *observe, const char *value, struct diag *diag)
{
	observe->filtered = true;
	return observe_filters_add(observe->filters, "ip-version", "6", diag);
}

static int set_all_namespaces(struct observe *observe, const char *value, struct diag *diag)
{
	return observe_filters_add(observe->filters, "namespace", "", diag);
}

static const struct setting settings[] = {
	{ "output", set_format },
	{ "time-format", set_time_format },
	{ "numeric", set_numeric },
	{ "print-node-name", set_node_name },
	{ "print-policy-names", set_policy_names },
	{ "local-time", set_local_time },
	{ "debug", set_debug },
	{ "print-raw-filters", set_print_raw },
	{ "server", set_server },
	{ "input-file", set_input },
	{ "color", set_color },
	{ "allowlist", set_allow },
	{ "denylist", set_deny },
	{ "ipv4", set_ipv4 },
	{ "ipv6", set_ipv6 },
	{ "all-namespaces", set_all_namespaces },
};

/* One option, whoever it belongs to. */
static int set_any(struct observe *observe, const char *name, const char *value, struct diag *diag)
{
	int r;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcmp(settings[i].name, name) == 0)
			return settings[i].set(observe, value, diag);
	r = observe_request_set(&observe->request, name, value, diag);
	if (r != -ENOENT)
		return r;
	observe->filtered = true;
	return observe_filters_add(observe->filters, name, value, diag);
}

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct observe *observe = data;
	struct diag diag = { 0 };
	int r = set_any(observe, option->name, value, &diag);

	if (r == -EINVAL)
		return verb_usage_error(observe->verb, "--%s: %s", option->name, diag.text);
	if (r < 0) {
		fprintf(stderr, "tendril observe: --%s: %s\n", option->name, strerror(-r));
		return EXIT_NO;
	}
	return 0;
}

static int flush_line(struct observe *observe)
{
	return observe->request.follow && fflush(stdout) ? -EIO : 0;
}

static int print_bytes(struct observe *observe, struct flow_printer *printer, const uint8_t *bytes,
		       size_t size)
{
	Observer__GetFlowsResponse *response =
		observer__get_flows_response__unpack(NULL, size, bytes);
	int r;

	if (!response)
		return -EBADMSG;
	r = observe_request_wants(&observe->request, response)
		    ? flow_printer_write(printer, response)
		    : 0;
	observer__get_flows_response__free_unpacked(response, NULL);
	return r < 0 ? r : flush_line(observe);
}

static int receive_all(struct observe *observe, struct grpc_client *client,
		       struct flow_printer *printer)
{
	const uint8_t *message;
	size_t size;
	int r;

	for (;;) {
		r = grpc_client_receive(client, -1, &message, &size);
		if (r == -EINTR)
			continue;
		if (r != 1)
			return r;
		r = print_bytes(observe, printer, message, size);
		if (r < 0)
			return r;
	}
}

static int call_failed(const struct observe *observe, const struct grpc_client *client, int r)
{
	_cleanup_free_ char *explained = NULL;
	const char *text = "";

	if (grpc_client_status(client, &text) == GRPC_INVALID_ARGUMENT &&
	    observe_filters_explain(observe->filters, text, &explained) == 0)
		return verb_usage_error(observe->verb, "%s", explained);
	return remote_failed(observe->verb, client, r);
}

static int observe_server(struct observe *observe, struct flow_printer *printer,
			  const struct observe_lists *white, const struct observe_lists *black)
{
	_cleanup_(grpc_client_freep) struct grpc_client *client = NULL;
	_cleanup_free_ uint8_t *request = NULL;
	size_t size;
	int r = observe_request_pack(&observe->request, white, black, &request, &size);

	if (r < 0)
		return remote_failed(observe->verb, NULL, r);
	r = remote_connect(observe->cli, observe->verb, observe->server, &client);
	if (r)
		return r;
	r = grpc_client_start(client, "/observer.Observer/GetFlows", request, size, 0);
	if (r == 0)
		r = receive_all(observe, client, printer);
	flow_printer_close(printer); /* what arrived is shown, whatever came after */
	return call_failed(observe, client, r);
}

/* "- '{...}'" lines under a title, as hubble prints them. */
static int print_list(const char *title, const struct observe_lists *list)
{
	if (!list->count)
		return 0;
	printf("%s:\n", title);
	for (size_t i = 0; i < list->count; i++) {
		_cleanup_free_ char *json = NULL;
		int r = observe_filter_format(list->items[i], &json);

		if (r < 0)
			return r;
		printf("    - '%s'\n", json);
	}
	return 0;
}

static int print_raw(const struct observe *observe, const struct observe_lists *white,
		     const struct observe_lists *black)
{
	int r = print_list("allowlist", white);

	if (r == 0)
		r = print_list("denylist", black);
	return remote_failed(observe->verb, NULL, r);
}

static int check(struct observe *observe)
{
	struct observe_request *request = &observe->request;

	if (request->since && request->until && request->since > request->until)
		return verb_usage_error(observe->verb,
					"--since is later than --until: no flow is between them");
	if (request->first && request->follow)
		return verb_usage_error(observe->verb, "--first cannot be combined with --follow");
	if (request->follow && !flow_format_streams(observe->format))
		return verb_usage_error(observe->verb,
					"-o table cannot be combined with --follow: its columns "
					"are as wide as the longest line to come");
	if (observe->input && (observe->filtered || request->follow || request->since))
		return verb_usage_error(observe->verb, "--input-file prints what the file holds: "
						       "filters and --follow need a server");
	if (flow_color_from_text(observe->color, stdout, &observe->print.color) < 0)
		return verb_usage_error(observe->verb,
					"--color: found '%s', expected auto, "
					"always or never",
					observe->color);
	observe_request_defaults(request, observe->input ? UINT64_MAX : DEFAULT_LAST);
	return 0;
}

static int run_parsed(struct observe *observe)
{
	_cleanup_(flow_printer_freep) struct flow_printer *printer = NULL;
	struct observe_lists white, black;
	struct diag diag = { 0 };
	int r = check(observe);

	if (r)
		return r;
	r = observe_filters_finish(observe->filters, &white, &black, &diag);
	if (r == -EINVAL)
		return verb_usage_error(observe->verb, "%s", diag.text);
	if (r < 0)
		return remote_failed(observe->verb, NULL, r);
	if (observe->print_raw)
		return print_raw(observe, &white, &black);
	r = flow_printer_new(observe->format, &observe->print, stdout, stderr, &printer);
	if (r < 0)
		return remote_failed(observe->verb, NULL, r);
	if (observe->input)
		return observe_file(observe->verb, observe->input, &observe->request, printer);
	return observe_server(observe, printer, &white, &black);
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct observe observe = {
		.cli = cli,
		.verb = verb,
		.format = flow_format_find("compact"),
		.color = cli->color ? "always" : "never",
	};
	int first, r;

	if (observe_filters_new(&observe.filters) < 0)
		return remote_failed(verb, NULL, -ENOMEM);
	r = verb_parse(verb, argc, argv, false, set, &observe, &first);
	if (r == 0 && first < argc)
		r = verb_usage_error(verb, "unexpected argument '%s'", argv[first]);
	if (r == 0)
		r = run_parsed(&observe);
	observe_request_clear(&observe.request);
	observe_filters_free(observe.filters);
	return r;
}

#define SIDES(letter, name, arg, help)                                                             \
	{ letter, name, arg, help ", on either side", NULL },                                      \
		{ 0, "from-" name, arg, help ", as the source", NULL },                            \
	{                                                                                          \
		0, "to-" name, arg, help ", as the destination", NULL                              \
	}

static const struct verb_option options[] = {
	{ 'f', "follow", NULL, "go on as flows happen", NULL },
	{ 0, "last", "N", "the latest N matching flows (20 if nothing else is said)", NULL },
	{ 0, "first", "N", "the oldest N matching flows", NULL },
	{ 0, "all", NULL, "all flows that are kept", NULL },
	{ 0, "since", "TIME", "from then on: 5m, 1h30m or 2026-01-02T15:04:05Z", NULL },
	{ 0, "until", "TIME", "up to then", NULL },
	{ 0, "not", NULL, "leave out what the next filter matches", NULL },
	SIDES(0, "pod", "[NS/]PREFIX", "pods whose name begins so"),
	SIDES('n', "namespace", "NS", "pods of the namespace"),
	SIDES('l', "label", "SELECTOR", "pods with the labels, a Kubernetes selector"),
	SIDES(0, "service", "[NS/]PREFIX", "services whose name begins so"),
	SIDES(0, "workload", "[KIND/]NAME", "pods of the workload"),
	SIDES(0, "ip", "ADDRESS", "an address or a CIDR"),
	SIDES(0, "fqdn", "PATTERN", "names of addresses, '*' allowed"),
	SIDES(0, "identity", "ID", "an identity's number, or the name of a reserved one"),
	SIDES(0, "port", "PORT", "a port"),
	SIDES(0, "cluster", "NAME", "endpoints of the cluster"),
	{ 'A', "all-namespaces", NULL, "names without a namespace are of any", NULL },
	{ 0, "verdict", "VERDICT", "forwarded, dropped ...",
	  "FORWARDED DROPPED AUDIT REDIRECTED ERROR TRACED TRANSLATED" },
	{ 0, "drop-reason-desc", "REASON", "why it was dropped: POLICY_DENIED ...",
	  "POLICY_DENIED POLICY_DENY INVALID_SOURCE_IP INVALID_SOURCE_MAC" },
	{ 't', "type", "TYPE[:SUB]", "drop, trace, trace:to-endpoint, policy-verdict ...",
	  "drop trace policy-verdict trace:to-endpoint trace:to-stack trace:to-host trace:to-network" },
	{ 0, "protocol", "NAME", "tcp, udp, icmp, sctp ...", "tcp udp icmp icmpv4 icmpv6 sctp" },
	{ 0, "tcp-flags", "FLAGS", "all of them set: SYN,ACK", "SYN SYN,ACK FIN RST" },
	{ 0, "ip-version", "4|6", "flows of one family", "4 6" },
	{ '4', "ipv4", NULL, "IPv4 flows", NULL },
	{ '6', "ipv6", NULL, "IPv6 flows", NULL },
	{ 0, "traffic-direction", "DIRECTION", "ingress or egress", "ingress egress" },
	{ 0, "snat-ip", "ADDRESS", "the source after masquerade", NULL },
	{ 0, "interface", "NAME", "the device it was seen on", NULL },
	{ 0, "node-name", "PATTERN", "the node that saw it, '*' allowed", NULL },
	{ 0, "node-label", "SELECTOR", "labels of the node that saw it", NULL },
	{ 0, "uuid", "UUID", "one flow", NULL },
	{ 0, "allowlist", "JSON", "FlowFilters in JSON to be shown", NULL },
	{ 0, "denylist", "JSON", "FlowFilters in JSON to be left out", NULL },
	{ 0, "print-raw-filters", NULL, "print the filters as JSON, and nothing else", NULL },
	{ 'o', "output", "FORMAT", "compact, dict, table, json, jsonpb or wide",
	  "compact dict table json jsonpb wide" },
	{ 0, "numeric", NULL, "addresses, not names", NULL },
	{ 0, "print-node-name", NULL, "name the node on each line", NULL },
	{ 0, "print-policy-names", NULL, "name the policies that decided", NULL },
	{ 0, "time-format", "FORMAT", "StampMilli, RFC3339, RFC3339Milli, RFC3339Micro ...",
	  "StampMilli RFC3339 RFC3339Milli RFC3339Micro RFC3339Nano RFC1123Z" },
	{ 0, "local-time", NULL, "times of this machine's zone, not UTC", NULL },
	{ 0, "color", "WHEN", "auto, always or never", "auto always never" },
	{ 0, "field-mask", "PATHS", "fields to ask for, separated by commas; all if not given",
	  NULL },
	{ 0, "input-file", "FILE", "print flows saved with -o json; - for stdin", "@file" },
	{ 0, "server", "ADDRESS", "another server: unix:///PATH or HOST:PORT", NULL },
	{ 0, "debug", NULL, "node status too", NULL },
	{},
};

const struct verb verb_observe = {
	.name = "observe",
	.summary = "show flows: who talks to whom, and what was denied why",
	.synopsis = "[-f] [--last N | --since TIME] [FILTER...] [-o FORMAT]",
	.help = "Examples:\n"
		"  tendril observe -f                           flows as they happen\n"
		"  tendril observe --verdict DROPPED -o wide    the latest drops, and which rule\n"
		"  tendril observe --pod default/xwing --not --port 53\n"
		"  tendril observe --from-label org=alliance --to-service default/deathstar\n\n"
		"Different filters must all match; a filter given more than once matches any of its\n"
		"values. A filter that names no side matches flows whose source it fits and flows whose\n"
		"destination it fits. Names of pods and services are prefixes; without a namespace\n"
		"they are of namespace default.\n\n"
		"What tendril-observer lost is shown as a line of its own: EVENTS LOST.",
	.arguments = NULL,
	.options = options,
	.run = run,
};
