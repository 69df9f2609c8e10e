/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "flow/names.h"
#include "flow/ring.h"

#define TEXT_(x)  #x
#define TEXT(x)   TEXT_(x)
#define AT(field) offsetof(struct options, field)

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const formats[] = { "text", "json", NULL };

/* tendrild's keys in the same file. */
static const char *const foreign[] = {
	"node_name",
	"node_labels",
	"cluster",
	"state_dir",
	"bpf_dir",
	"objects_dir",
	"inventory",
	"cgroup_root",
	"ipam",
	"mtu",
	"devices",
	"masquerade",
	"no_masquerade",
	"nat_port_min",
	"nat_port_max",
	"attach",
	"deny",
	"ct",
	"maps",
	"ring",
	"report_interval",
	"drop_report_interval",
	NULL,
};

static const struct config_key keys[] = {
	{ "instance", CONFIG_NAME, 0, 6, "",
	  "Name of this agent among several on one machine; other defaults derive from it.",
	  AT(instance), NULL },
	{ "run_dir", CONFIG_PATH, 1, 80, "/run/tendril@",
	  "Where tendrild's sockets are, and grpc.sock.", AT(run_dir), NULL },
	{ "observer_user", CONFIG_NAME, 0, 32, "tendril-observer",
	  "User to become if started as root. If there is no such user: root without capabilities.",
	  AT(user), NULL },
	{ "admin_group", CONFIG_NAME, 0, 32, "tendril-observer",
	  "Members may use grpc.sock, as root may. Ignored if there is no such group.", AT(group),
	  NULL },
	{ "log.level", CONFIG_ENUM, 0, 0, "info", "Least severe line that is written.",
	  AT(log_level), levels },
	{ "log.format", CONFIG_ENUM, 0, 0, "text", "Form of a line.", AT(log_format), formats },
	{ "observer.flows", CONFIG_UINT, 1, 1 << 24, TEXT(FLOW_RING_DEFAULT),
	  "Flows that are kept, at 256 bytes each.", AT(flows), NULL },
	{ "observer.dns_names", CONFIG_UINT, 1, 1 << 20, TEXT(FLOW_DNS_MAX_DEFAULT),
	  "Pairs of a pod and an address whose DNS names are kept.", AT(dns_names), NULL },
	{ "observer.connections", CONFIG_UINT, 1, 1024, "64", "Clients at once.", AT(connections),
	  NULL },
	{ "observer.listen", CONFIG_STRING, 0, 63, "",
	  "Address and port for gRPC without encryption or authentication, such as 127.0.0.1:4245. "
	  "Loopback only. Empty: grpc.sock alone.",
	  AT(listen), NULL },
	{ "observer.sandbox", CONFIG_BOOL, 0, 0, "true",
	  "Refuse system calls that are not needed. To be turned off for debugging only.",
	  AT(sandbox), NULL },
};

static const struct config_table table = { keys, ARRAY_SIZE(keys), foreign };

static const struct {
	const char *flag;
	enum options_request request;
} requests[] = {
	{ "--help", OPTIONS_HELP },           { "-h", OPTIONS_HELP },
	{ "--version", OPTIONS_VERSION },     { "--print-config-reference", OPTIONS_REFERENCE },
	{ "--print-manual", OPTIONS_MANUAL },
};

struct arguments {
	const char *file, *instance; /* NULL: not given */
	enum options_request request;
};

static bool is_request(const char *arg, enum options_request *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (strcmp(arg, requests[i].flag))
			continue;
		*ret = requests[i].request;
		return true;
	}
	return false;
}

static bool is_file(const char *arg)
{
	return strncmp(arg, "--config=", 9) == 0;
}

static struct arguments look(int argc, char **argv)
{
	struct arguments found = { 0 };

	for (int i = 1; i < argc; i++) {
		if (is_file(argv[i]))
			found.file = argv[i] + 9;
		else if (strncmp(argv[i], "--instance=", 11) == 0)
			found.instance = argv[i] + 11;
		else
			is_request(argv[i], &found.request);
	}
	return found;
}

static int set_flag(const char *arg, struct options *options, struct diag *diag)
{
	const char *equals = strchr(arg, '=');
	_cleanup_free_ char *name = NULL;
	int r;

	if (strncmp(arg, "--", 2) || !equals)
		return diag_set(diag, NULL, 0, "found '%.80s', expected --key=value", arg);
	name = strndup(arg + 2, (size_t)(equals - arg - 2));
	if (!name)
		return -ENOMEM;
	r = config_set(&table, name, equals + 1, options, diag);
	return r == -ENOENT ? diag_set(diag, NULL, 0, "found '--%.80s', expected a known key", name)
			    : r;
}

/* Defaults for the instance, the file over them, flags over both. */
static int load(int argc, char **argv, const char *file, const char *instance,
		struct options *options, struct diag *diag)
{
	enum options_request ignored;
	int r = config_defaults(&table, instance, options);

	if (r < 0)
		return r;
	r = config_read(&table, file ?: OPTIONS_FILE, options, diag);
	if (r == -ENOENT && file)
		return diag_set(diag, file, 0, "no such file");
	if (r < 0 && r != -ENOENT)
		return r;
	for (int i = 1; i < argc; i++) {
		if (is_file(argv[i]) || is_request(argv[i], &ignored))
			continue;
		r = set_flag(argv[i], options, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

int options_load(int argc, char **argv, struct options *ret, enum options_request *ret_request,
		 struct diag *diag)
{
	struct arguments found = look(argc, argv);
	_cleanup_(options_clear) struct options options = { 0 };
	_cleanup_free_ char *instance = NULL;
	int r;

	*ret_request = found.request;
	if (found.request != OPTIONS_RUN)
		return 0;
	r = load(argc, argv, found.file, found.instance ?: "", &options, diag);
	if (r < 0)
		return r;
	if (!found.instance && options.instance && *options.instance) {
		instance = take_ptr(options.instance); /* the file's: its defaults are others */
		options_clear(&options);
		r = load(argc, argv, found.file, instance, &options, diag);
		if (r < 0)
			return r;
	}
	*ret = options;
	options = (struct options){ 0 };
	return 0;
}

void options_clear(struct options *options)
{
	config_clear(&table, options);
}

void options_help(void)
{
	printf("Usage: tendril-observer [--config=FILE] [--KEY=VALUE ...]\n\n"
	       "Keeps the flows that tendrild's programs report and serves them on grpc.sock.\n\n");
	config_print_flags(&table, stdout);
}

/* The second half of tendril.yaml(5). */
void options_manual(void)
{
	printf(".Sh KEYS OF THE OBSERVER\n"
	       "Besides run_dir, instance and others of the agent that it needs:\n");
	config_print_manual(&table, stdout);
	printf(".Sh SEE ALSO\n.Xr tendril 1 ,\n.Xr tendril-observer 8 ,\n.Xr tendrild 8\n");
}

void options_reference(void)
{
	config_print_reference(&table, stdout);
}
