/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <net/if.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>

#include "admin.h"
#include "base/fsutil.h"
#include "base/log.h"
#include "base/util.h"
#include "node_lock.h"
#include "node_watch.h"
#include "publish.h"
#include "sources.h"

#define MTU_DEFAULT    1500
#define IDENTITIES_MAX (16u << 20)

const uint8_t agent_host_mac[6] = { 0x0e, 0x54, 0, 0, 0, 0 };

/* "what: why", once; keeps what a deeper call has said. */
static int fail(struct diag *diag, int error, const char *path, const char *what)
{
	diag_set(diag, path, 0, "%s: %s", what, log_strerror(error));
	return error;
}

/* One agent per directory: the lock is held as long as the descriptor is open. */
static int lock_dir(const char *dir, const char *advice, int *ret_fd, struct diag *diag)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	char pid[16] = "";
	int r = dir_make(dir, 0755);

	if (r < 0)
		return fail(diag, r, dir, "cannot be made");
	if (asprintf(&path, "%s/tendrild.lock", dir) < 0)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(diag, -errno, path, "cannot be opened");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		if (pread(fd, pid, sizeof(pid) - 1, 0) > 0)
			pid[strcspn(pid, "\n")] = '\0';
		diag_set(diag, path, 0,
			 "another tendrild (process %s) uses %s; give this one an --instance or %s "
			 "of its own",
			 *pid ? pid : "unknown", dir, advice);
		return r;
	}
	/* On a full disk the lock holds, though nobody can be named. */
	if ((ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", getpid()) < 0) && errno != ENOSPC)
		return fail(diag, -errno, path, "cannot be written");
	*ret_fd = take_fd(fd);
	return 0;
}

static int lock_dirs(struct agent *agent, struct diag *diag)
{
	int r = lock_dir(agent->settings.run_dir, "--run-dir", &agent->lock_fd, diag);

	return r < 0 ? r
		     : lock_dir(agent->settings.state_dir, "--state-dir", &agent->state_lock_fd,
				diag);
}

static int lock_node(struct agent *agent, struct diag *diag)
{
	agent->node_lock_fd = node_lock(diag);
	if (agent->node_lock_fd != -EPERM)
		return MIN(agent->node_lock_fd, 0);
	log_warn("agent", "a process that is not root's holds the name of the lock; a second agent "
			  "in this network namespace would not be noticed");
	return 0;
}

static int load_identities(struct agent *agent)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	int r;

	if (asprintf(&path, "%s/identities.json", agent->settings.run_dir) < 0)
		return -ENOMEM;
	r = file_read(path, IDENTITIES_MAX, &text, NULL);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = identities_load(agent->identities, text);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		log_error("agent", "identities of the last run are lost; numbers may change",
			  LOG_STR("file", path), LOG_ERR(r));
	return 0;
}

static int make_tables(struct agent *agent, struct diag *diag)
{
	int r = store_new(&agent->store);

	if (r == 0)
		r = identities_new(&agent->identities);
	if (r == 0)
		r = policy_engine_new(&agent->engine);
	if (r < 0)
		return r;
	r = ipam_new(&agent->settings.ipv4, &agent->settings.ipv6, &agent->ipam);
	if (r == -EINVAL)
		diag_set(diag, NULL, 0,
			 "ipam: expected an IPv4 prefix of /8 to /30 and an IPv6 prefix of /64 to "
			 "/126");
	if (r < 0)
		return r;
	r = load_identities(agent);
	if (r == 0)
		r = regenerate_new(agent, &agent->regenerate);
	return r;
}

static uint32_t ticks(uint32_t seconds)
{
	return TD_TICKS(seconds);
}

static struct td_load_config load_config(const struct settings *settings)
{
	struct td_load_config load = {
		.ct_tcp_syn = ticks(settings->ct.tcp_syn),
		.ct_tcp_established = ticks(settings->ct.tcp_established),
		.ct_tcp_closing = ticks(settings->ct.tcp_closing),
		.ct_tcp_time_wait = ticks(settings->ct.tcp_time_wait),
		.ct_tcp_reset = ticks(settings->ct.tcp_reset),
		.ct_udp = ticks(settings->ct.udp),
		.ct_udp_stream = ticks(settings->ct.udp_stream),
		.ct_icmp = ticks(settings->ct.icmp),
		.ct_other = ticks(settings->ct.other),
		.nat_port_min = (uint16_t)settings->nat_port_min,
		.nat_port_max = (uint16_t)settings->nat_port_max,
		.drop_report_interval = ticks(settings->drop_report_interval),
	};

	memcpy(load.host_mac, agent_host_mac, sizeof(load.host_mac));
	return load;
}

static int open_datapath(struct agent *agent, struct diag *diag)
{
	const struct settings *settings = &agent->settings;
	char prefix[16];
	struct datapath_options options = {
		.bpf_dir = settings->bpf_dir,
		.cgroup_root = *settings->cgroup_root ? settings->cgroup_root : NULL,
		.device_prefix = prefix,
		.force_clsact = settings->attach == SETTINGS_ATTACH_CLSACT,
		.devices = settings->devices.items,
		.device_count = settings->devices.count,
		.masquerade = settings->masquerade,
		.reject = settings->deny == SETTINGS_DENY_REJECT,
		.load = load_config(settings),
		.pods_ipv4 = settings->ipv4,
		.pods_ipv6 = settings->ipv6,
		.report_interval = ticks(settings->report_interval),
		.max_ct = settings->maps.ct,
		.max_ct_new = settings->maps.ct_new,
		.max_nat = settings->maps.nat,
		.max_policy = settings->maps.policy,
		.max_class = settings->maps.class,
		.max_cidr = settings->maps.cidr,
		.max_services = settings->maps.services,
		.max_backends = settings->maps.backends,
		.max_addresses = settings->maps.addresses,
		.ring_bytes = settings->ring_bytes,
		.no_masquerade_count = settings->no_masquerade.count,
	};

	settings_device_prefix(settings, prefix);
	memcpy(options.no_masquerade, settings->no_masquerade.items,
	       settings->no_masquerade.count * sizeof(options.no_masquerade[0]));
	return datapath_open(&options, &agent->datapath, diag);
}

/* (gid_t)-1 if there is none: then only root may use the socket. */
static gid_t admin_gid(const struct settings *settings)
{
	const struct group *group = *settings->admin_group ? getgrnam(settings->admin_group) : NULL;

	return group ? group->gr_gid : (gid_t)-1;
}

static uid_t observer_uid(const struct settings *settings)
{
	const struct passwd *user =
		*settings->observer_user ? getpwnam(settings->observer_user) : NULL;

	return user ? user->pw_uid : (uid_t)-1;
}

/* Of either socket: what is missing is the process's, not the socket's. */
static void on_strained(int error, void *data)
{
	struct agent *agent = data;

	if (error < 0)
		problem_set(
			&agent->problems, "connections",
			"commands, container runtimes and the observer have to wait",
			"see who connects to the sockets in the run directory; raise LimitNOFILE of "
			"the service",
			"no connection can be accepted: %s", log_strerror(error));
	else
		problem_clear(&agent->problems, "connections");
}

static int listen_on_sockets(struct agent *agent, struct diag *diag)
{
	_cleanup_free_ char *admin_path = NULL, *observer_path = NULL;
	struct admin_options admin = { .group = admin_gid(&agent->settings),
				       .routes = admin_routes,
				       .route_count = admin_route_count,
				       .strained = on_strained,
				       .data = agent };
	struct tables_options tables = { .user = observer_uid(&agent->settings),
					 .hello = publish_hello,
					 .strained = on_strained,
					 .data = agent };
	int r;

	if (asprintf(&admin_path, "%s/tendril.sock", agent->settings.run_dir) < 0 ||
	    asprintf(&observer_path, "%s/observer.sock", agent->settings.run_dir) < 0)
		return -ENOMEM;
	admin.socket_path = admin_path;
	tables.socket_path = observer_path;
	r = tables_server_new(agent->loop, &tables, &agent->tables, diag);
	if (r < 0)
		return r;
	publish_mark(agent, UINT_MAX);
	publish_now(agent);
	return admin_server_new(agent->loop, &admin, &agent->admin, diag);
}

static int new_publish_timer(struct agent *agent)
{
	agent->publish_timer = malloc(sizeof(*agent->publish_timer));
	if (!agent->publish_timer)
		return -ENOMEM;
	uv_timer_init(agent->loop, agent->publish_timer);
	agent->publish_timer->data = agent;
	return 0;
}

static int start(struct agent *agent, struct diag *diag)
{
	int r = lock_dirs(agent, diag);

	if (r == 0)
		r = lock_node(agent, diag);
	if (r == 0)
		r = new_publish_timer(agent);
	if (r == 0)
		r = make_tables(agent, diag);
	if (r == 0)
		r = sources_new(agent, &agent->sources, diag);
	if (r == 0)
		r = endpoints_new(agent, &agent->endpoints);
	if (r == 0)
		r = endpoints_load(agent->endpoints);
	if (r == 0)
		r = open_datapath(agent, diag);
	if (r == 0)
		r = node_watch_new(agent, &agent->node_watch);
	if (r == 0)
		r = endpoints_adopt(agent->endpoints);
	if (r < 0)
		return r;
	/* What cannot be enforced is a problem that status shows and that is tried again. */
	regenerate_now(agent->regenerate);
	return listen_on_sockets(agent, diag);
}

int agent_start(uv_loop_t *loop, struct settings *settings, struct agent *agent, struct diag *diag)
{
	int r;

	*agent = (struct agent){ .loop = loop,
				 .settings = *settings,
				 .lock_fd = -1,
				 .state_lock_fd = -1,
				 .node_lock_fd = -1,
				 .since = time(NULL) };
	*settings = (struct settings){};
	r = start(agent, diag);
	if (r < 0) {
		if (!diag_is_set(diag))
			diag_set(diag, NULL, 0, "cannot start: %s", log_strerror(r));
		agent_stop(agent);
	}
	return r;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

void agent_stop(struct agent *agent)
{
	admin_server_free(agent->admin);
	tables_server_free(agent->tables);
	agent->tables = NULL;
	node_watch_free(agent->node_watch);
	sources_free(agent->sources);
	endpoints_free(agent->endpoints);
	regenerate_free(agent->regenerate);
	if (agent->publish_timer)
		uv_close((uv_handle_t *)agent->publish_timer, free_handle);
	datapath_close(agent->datapath);
	policy_modes_free(agent->modes);
	policy_engine_free(agent->engine);
	ipam_free(agent->ipam);
	identities_free(agent->identities);
	store_free(agent->store);
	problems_free(&agent->problems);
	settings_clear(&agent->settings);
	closep(&agent->node_lock_fd);
	closep(&agent->state_lock_fd);
	closep(&agent->lock_fd);
	uv_run(agent->loop, UV_RUN_DEFAULT); /* the handles just closed */
}

static uint32_t device_mtu(int fd, const char *name)
{
	struct ifreq request = {};

	if (strlen(name) >= sizeof(request.ifr_name))
		return 0;
	strcpy(request.ifr_name, name);
	return ioctl(fd, SIOCGIFMTU, &request) < 0 ? 0 : (uint32_t)request.ifr_mtu;
}

uint32_t agent_mtu(const struct agent *agent)
{
	const struct config_strings *devices = &agent->settings.devices;
	uint32_t smallest = 0;
	_cleanup_close_ int fd = -1;

	if (agent->settings.mtu)
		return agent->settings.mtu;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (size_t i = 0; i < devices->count; i++) {
		uint32_t mtu = device_mtu(fd, devices->items[i]);

		if (mtu && (!smallest || mtu < smallest))
			smallest = mtu;
	}
	return smallest ? smallest : MTU_DEFAULT;
}
