/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "model/policy.h"

#define AT(field) offsetof(struct settings, field)

/* Ticks are compared over at most 26 days (abi/types.h). */
#define TIMEOUT_MAX 2000000

static const char *const deny_choices[] = { "drop", "reject", NULL };
static const char *const attach_choices[] = { "auto", "clsact", NULL };
static const char *const level_choices[] = { "error", "warn", "info", "debug", NULL };
static const char *const format_choices[] = { "text", "json", NULL };
/* tendril-observer's own mapping in the same file. */
static const char *const foreign[] = { "observer", NULL };

#define KEY(name, type, min, max, fallback, field, help)                                           \
	{ name, type, min, max, fallback, help, AT(field), NULL }
#define TIMEOUT(name, fallback, field, what)                                                       \
	KEY("ct." name, CONFIG_SECONDS, 1, TIMEOUT_MAX, fallback, ct.field,                        \
	    "Timeout of a tracked connection: " what ".")
#define MAP(name, max, fallback, field, help)                                                      \
	KEY("maps." name, CONFIG_UINT, 256, max, fallback, maps.field, help)

static const struct config_key keys[] = {
	KEY("instance", CONFIG_NAME, 0, 6, "", instance,
	    "Name of this agent among several on one machine, each in a network namespace of its "
	    "own; other defaults and device names derive from it. Empty: the only one."),
	KEY("node_name", CONFIG_NAME, 0, 253, "", node_name,
	    "Name of this node. Empty: the host's name, with the instance behind it."),
	KEY("node_labels", CONFIG_LABELS, 0, 0, "", node_labels,
	    "Labels of this node, shown in flows."),
	KEY("cluster", CONFIG_NAME, 0, 63, "default", cluster, "Name of the cluster."),
	KEY("run_dir", CONFIG_PATH, 1, 80, "/run/tendril@", run_dir,
	    "Sockets and the records of endpoints; must not survive a reboot."),
	KEY("state_dir", CONFIG_PATH, 1, 200, "/var/lib/tendril@", state_dir,
	    "Objects given by `tendril apply`; must survive a reboot."),
	KEY("bpf_dir", CONFIG_PATH, 1, 200, "/sys/fs/bpf/tendril@", bpf_dir,
	    "Where maps, programs and links are pinned; on a bpffs."),
	KEY("objects_dir", CONFIG_PATH, 0, 200, "/etc/tendril/objects@", objects_dir,
	    "Manifests read from here, watched live. Empty: none."),
	KEY("inventory.dir", CONFIG_PATH, 0, 200, "/etc/tendril/inventory@", inventory.dir,
	    "Groups of a cloud, for policies' toGroups and fromGroups, written by a job of yours and "
	    "watched live. Empty: none."),
	KEY("inventory.max_age", CONFIG_SECONDS, 0, UINT32_MAX, "1d", inventory.max_age,
	    "A file generated longer ago changes nothing and is a problem in the status, as are groups "
	    "that grow older in force; 0: any age."),
	KEY("cgroup_root", CONFIG_PATH, 0, 200, "", cgroup_root,
	    "Processes under this cgroup v2 directory get cluster IPs translated at connect(). "
	    "Empty: where cgroup2 is mounted."),
	KEY("admin_group", CONFIG_NAME, 0, 32, "tendril", admin_group,
	    "Members may use the admin socket, as root may. Ignored if there is no such group."),
	KEY("observer_user", CONFIG_NAME, 0, 32, "tendril-observer", observer_user,
	    "User that tendril-observer runs as. Ignored if there is no such user."),
	/* As ipam_new() takes them. */
	KEY("ipam.ipv4", CONFIG_PREFIX, 4, CONFIG_LENGTHS(8, 30), "10.244.0.0/24", ipv4,
	    "Addresses for pods of this node. Empty: no IPv4."),
	KEY("ipam.ipv6", CONFIG_PREFIX, 6, CONFIG_LENGTHS(64, 126), "fd00:10:244::/64", ipv6,
	    "Addresses for pods of this node. Empty: no IPv6."),
	KEY("mtu", CONFIG_UINT, 0, 65535, "0", mtu,
	    "MTU of pods' interfaces, 1280 or more. 0: the smallest of the devices', 1500 without."),
	KEY("devices", CONFIG_STRING_LIST, 0, 0, "", devices,
	    "The node's uplinks. Without any, pods reach each other and the node only by its stack, "
	    "and nothing is attached to the host's own traffic."),
	KEY("masquerade", CONFIG_BOOL, 0, 0, "true", masquerade,
	    "Pods' traffic leaving by a device gets the node's address."),
	KEY("no_masquerade", CONFIG_PREFIX_LIST, 0, 16, "", no_masquerade,
	    "Destinations that see the pod's own address."),
	KEY("nat_port_min", CONFIG_UINT, 1024, 65535, "61000", nat_port_min,
	    "First port of masqueraded connections."),
	KEY("nat_port_max", CONFIG_UINT, 1024, 65535, "65535", nat_port_max,
	    "Last port of masqueraded connections."),
	{ "attach", CONFIG_ENUM, 0, 0, "auto",
	  "How programs are attached to devices: by tcx where the kernel has it (6.6), or always as tc "
	  "filters.",
	  AT(attach), attach_choices },
	{ "deny", CONFIG_ENUM, 0, 0, "drop",
	  "What happens to a denied packet: silence, or an ICMP error or TCP reset.", AT(deny),
	  deny_choices },
	{ "enable_policy", CONFIG_ENUM, 0, 0, "default",
	  "Whom policies are enforced on: pods that they select; always: every pod, so that nothing "
	  "passes that no rule allows; never: nobody. `tendril enforcement` changes it while the agent "
	  "runs.",
	  AT(enable_policy), policy_enforcement_names },
	KEY("policy_audit_mode", CONFIG_BOOL, 0, 0, "false", policy_audit_mode,
	    "What policies deny is forwarded and reported as AUDIT. `tendril audit` changes it while "
	    "the agent runs, also for a namespace, a pod or a policy alone."),
	TIMEOUT("tcp_syn", "120", tcp_syn, "TCP before it is established"),
	TIMEOUT("tcp_established", "5d", tcp_established, "established TCP"),
	TIMEOUT("tcp_closing", "120", tcp_closing, "TCP after one FIN"),
	TIMEOUT("tcp_time_wait", "120", tcp_time_wait, "TCP after both FINs"),
	TIMEOUT("tcp_reset", "10", tcp_reset, "TCP after a reset"),
	TIMEOUT("udp", "30", udp, "UDP without an answer"),
	TIMEOUT("udp_stream", "120", udp_stream, "UDP with an answer"),
	TIMEOUT("icmp", "30", icmp, "ICMP echo"),
	TIMEOUT("other", "600", other, "other protocols"),
	MAP("ct", 4194304, "131072", ct, "Connections that both sides have spoken on."),
	MAP("ct_new", 1048576, "32768", ct_new, "Attempts, one-way flows and remembered denials."),
	MAP("nat", 1048576, "65536", nat, "Masqueraded connections."),
	MAP("policy", 4194304, "131072", policy, "Rows of policy tables."),
	MAP("class", 1048576, "65536", class, "Port classes of policy tables."),
	MAP("cidr", 1048576, "65536", cidr, "CIDRs that policies name."),
	MAP("services", 1048576, "16384", services, "Service frontends."),
	MAP("backends", 1048576, "65536", backends, "Service backends."),
	MAP("addresses", 1048576, "16384", addresses, "Addresses of pods and of the node."),
	KEY("ring", CONFIG_SIZE, 65536, 1u << 30, "4M", ring_bytes,
	    "Ring of events between the kernel and the observer."),
	KEY("report_interval", CONFIG_SECONDS, 0, 86400, "30", report_interval,
	    "Time between byte-count reports of a live connection; 0: never."),
	KEY("drop_report_interval", CONFIG_SECONDS, 0, 86400, "5", drop_report_interval,
	    "Time between reports of one denied connection; 0: each packet."),
	{ "log.level", CONFIG_ENUM, 0, 0, "info",
	  "Least severe line that is written. Read again on SIGHUP.", AT(log_level),
	  level_choices },
	{ "log.format", CONFIG_ENUM, 0, 0, "text", "Form of a line.", AT(log_format),
	  format_choices },
};

const struct config_table settings_table = { keys, ARRAY_SIZE(keys), foreign };

static const struct {
	const char *flag;
	enum settings_request request;
} requests[] = {
	{ "--help", SETTINGS_HELP },           { "-h", SETTINGS_HELP },
	{ "--version", SETTINGS_VERSION },     { "--print-config-reference", SETTINGS_REFERENCE },
	{ "--print-manual", SETTINGS_MANUAL },
};

/* Whether an argument is no key: --config, --help and so on. */
static bool take_request(struct settings_source *source, const char *arg,
			 enum settings_request *request)
{
	if (strncmp(arg, "--config=", 9) == 0) {
		source->file = arg + 9;
		source->file_given = true;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (strcmp(arg, requests[i].flag) == 0) {
			*request = requests[i].request;
			return true;
		}
	}
	return false;
}

static int apply_flag(const char *arg, struct settings *settings, struct diag *diag)
{
	const char *equals = strchr(arg, '=');
	_cleanup_free_ char *name = NULL;

	if (strncmp(arg, "--", 2) != 0 || !equals)
		return diag_set(diag, NULL, 0, "found '%.80s', expected --key=value", arg);
	name = strndup(arg + 2, (size_t)(equals - arg - 2));
	if (!name)
		return -ENOMEM;
	return config_set(&settings_table, name, equals + 1, settings, diag) < 0 ? -EINVAL : 0;
}

static int apply_all(const struct settings_source *source, const char *instance,
		     struct settings *settings, struct diag *diag)
{
	enum settings_request ignored;
	struct settings_source scratch = {};
	int r = config_defaults(&settings_table, instance, settings);

	if (r < 0)
		return r;
	r = config_read(&settings_table, source->file, settings, diag);
	if (r == -ENOENT && source->file_given)
		return diag_set(diag, source->file, 0, "no such file");
	if (r < 0 && r != -ENOENT)
		return r;
	for (int i = 1; i < source->argc; i++) {
		if (take_request(&scratch, source->argv[i], &ignored))
			continue;
		r = apply_flag(source->argv[i], settings, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

static int replace_text(char **text, char *by)
{
	if (!by)
		return -ENOMEM;
	free(*text);
	*text = by;
	return 0;
}

static int name_node(struct settings *settings)
{
	char host[256] = "";
	char *name = NULL;

	if (*settings->node_name)
		return 0;
	if (gethostname(host, sizeof(host) - 1) < 0 || !*host)
		strcpy(host, "localhost");
	if (asprintf(&name, "%s%s%s", host, *settings->instance ? "-" : "", settings->instance) < 0)
		return -ENOMEM;
	return replace_text(&settings->node_name, name);
}

/* Where cgroup v2 is mounted: alone, or beside v1. */
static int find_cgroup_root(struct settings *settings)
{
	static const char *const places[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

	if (*settings->cgroup_root)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char marker[64];

		snprintf(marker, sizeof(marker), "%s/cgroup.controllers", places[i]);
		if (access(marker, F_OK) == 0)
			return replace_text(&settings->cgroup_root, strdup(places[i]));
	}
	return 0;
}

static int check_together(const struct settings *settings, const char *file, struct diag *diag)
{
	if (settings->mtu && settings->mtu < 1280)
		return diag_set(diag, file, 0, "mtu: found %u, expected 0 or 1280..65535",
				settings->mtu);
	if (settings->nat_port_min > settings->nat_port_max)
		return diag_set(diag, file, 0,
				"nat_port_min: found %u, expected at most nat_port_max (%u)",
				settings->nat_port_min, settings->nat_port_max);
	if (address_is_zero(&settings->ipv4.addr) && address_is_zero(&settings->ipv6.addr))
		return diag_set(diag, file, 0,
				"ipam: found neither ipv4 nor ipv6, expected a prefix for pods");
	if (*settings->instance >= '0' && *settings->instance <= '9')
		return diag_set(diag, file, 0, "instance: found '%s', expected a letter first",
				settings->instance);
	return 0;
}

int settings_load(struct settings_source *source, struct settings *ret,
		  enum settings_request *ret_request, struct diag *diag)
{
	struct settings settings = {};
	enum settings_request request = SETTINGS_RUN;
	int r;

	source->file = SETTINGS_FILE;
	source->file_given = false;
	for (int i = 1; i < source->argc; i++)
		take_request(source, source->argv[i], &request);
	if (request != SETTINGS_RUN) {
		*ret_request = request;
		return 0;
	}
	r = apply_all(source, "", &settings, diag);
	if (r == 0 && *settings.instance) {
		_cleanup_free_ char *instance = strdup(settings.instance);

		r = instance ? apply_all(source, instance, &settings, diag) : -ENOMEM;
	}
	if (r == 0)
		r = name_node(&settings);
	if (r == 0)
		r = find_cgroup_root(&settings);
	if (r == 0)
		r = check_together(&settings, source->file_given ? source->file : NULL, diag);
	if (r < 0) {
		settings_clear(&settings);
		return r;
	}
	*ret = settings;
	*ret_request = request;
	return 0;
}

void settings_clear(struct settings *settings)
{
	config_clear(&settings_table, settings);
}

enum log_level settings_log_level(const struct settings *settings)
{
	static const enum log_level levels[] = { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO,
						 LOG_LEVEL_DEBUG };

	return levels[settings->log_level];
}

void settings_device_prefix(const struct settings *settings, char buf[static 16])
{
	snprintf(buf, 16, "td%.6s", settings->instance);
}
