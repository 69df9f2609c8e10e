/* SPDX-License-Identifier: Apache-2.0 */
/* tendril-observer: reads the event ring, keeps flows, serves them over gRPC. */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "api/grpc_server.h"
#include "api/observer_service.h"
#include "base/fsutil.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/util.h"
#include "confine.h"
#include "feed.h"
#include "options.h"
#include "tables_client.h"

#define ROOM        "observer"
#define EXIT_CONFIG 2
#define TICK_MS     1000
#define LINGER_MS   200 /* for goodbyes to reach clients */

struct program {
	struct options options;
	char tables_path[128], grpc_path[128];
	uv_loop_t loop;
	uv_signal_t term, interrupt;
	uv_timer_t tick, watchdog, linger;
	struct notify *notify;
	struct flow_ring *ring;
	struct flow_names *names;
	struct observer_service *service;
	struct grpc_server *server;
	struct tables_client *tables;
	struct feed *feed;
	int tables_state; /* as last logged */
};

static const struct grpc_header headers[] = { { "hubble-server-version", TENDRIL_VERSION } };

static void on_hello(struct tables_fds fds, void *data)
{
	struct program *program = data;
	int r = feed_maps(program->feed, fds.events, fds.stats);

	closep(&fds.drops); /* read by the metrics; none are served here */
	if (r < 0)
		log_error(ROOM, "no flows: tendrild's event ring cannot be read", LOG_ERR(r));
}

static void on_tables_state(int state, void *data)
{
	struct program *program = data;

	if (state == program->tables_state)
		return;
	program->tables_state = state;
	if (state == 0)
		log_info(ROOM, "connected to tendrild", LOG_STR("socket", program->tables_path));
	else
		log_warn(ROOM, "no connection to tendrild; serving what is known",
			 LOG_STR("socket", program->tables_path), LOG_ERR(state));
}

static void on_tick(uv_timer_t *timer)
{
	struct program *program = timer->data;

	feed_tick(program->feed);
	observer_service_tick(program->service);
}

static void on_watchdog(uv_timer_t *timer)
{
	struct program *program = timer->data;

	notify_send(program->notify, "WATCHDOG=1");
}

static void close_all(struct program *program)
{
	tables_client_free(take_ptr(program->tables));
	feed_free(take_ptr(program->feed));
	grpc_server_free(take_ptr(program->server));
	uv_close((uv_handle_t *)&program->term, NULL);
	uv_close((uv_handle_t *)&program->interrupt, NULL);
	uv_close((uv_handle_t *)&program->tick, NULL);
	uv_close((uv_handle_t *)&program->watchdog, NULL);
	uv_close((uv_handle_t *)&program->linger, NULL);
}

static void on_linger(uv_timer_t *timer)
{
	close_all(timer->data);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct program *program = signal->data;

	if (uv_is_active((uv_handle_t *)&program->linger))
		return;
	log_info(ROOM, "stopping", LOG_INT("signal", number));
	notify_send(program->notify, "STOPPING=1");
	grpc_server_shutdown(program->server);
	uv_timer_start(&program->linger, on_linger, LINGER_MS, 0);
}

static int start_handles(struct program *program)
{
	uint64_t watchdog = notify_watchdog_ms();

	uv_signal_init(&program->loop, &program->term);
	uv_signal_init(&program->loop, &program->interrupt);
	uv_timer_init(&program->loop, &program->tick);
	uv_timer_init(&program->loop, &program->watchdog);
	uv_timer_init(&program->loop, &program->linger);
	program->term.data = program->interrupt.data = program->tick.data = program;
	program->watchdog.data = program->linger.data = program;
	if (watchdog)
		uv_timer_start(&program->watchdog, on_watchdog, 0, watchdog / 2);
	uv_timer_start(&program->tick, on_tick, TICK_MS, TICK_MS);
	return uv_signal_start(&program->term, on_signal, SIGTERM)
		       ?: uv_signal_start(&program->interrupt, on_signal, SIGINT);
}

static int make_parts(struct program *program)
{
	struct observer_options service = { .version = "tendril " TENDRIL_VERSION };
	int r = flow_ring_new(program->options.flows, &program->ring);

	if (r == 0)
		r = flow_names_new(program->options.dns_names, &program->names);
	if (r < 0)
		return r;
	service.ring = program->ring;
	service.names = program->names;
	r = observer_service_new(&service, &program->service);
	if (r < 0)
		return r;
	return feed_new(&program->loop, program->names, program->service, &program->feed);
}

static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0;
}

static int listen_tcp(struct program *program, struct diag *diag)
{
	const char *address = program->options.listen;
	int r;

	if (!*address)
		return 0;
	if (!is_loopback(address))
		return diag_set(diag, NULL, 0,
				"observer.listen: found '%s', expected a loopback address and port",
				address);
	r = grpc_server_listen_tcp(program->server, address, NULL);
	if (r < 0)
		diag_set(diag, NULL, 0, "observer.listen: cannot listen on '%s': %s", address,
			 strerror(-r));
	return r;
}

static int make_server(struct program *program, struct diag *diag)
{
	struct grpc_server_options options = {
		.headers = headers,
		.header_count = ARRAY_SIZE(headers),
		.limits = grpc_limits_default,
		.connections = program->options.connections,
	};
	struct group *group = getgrnam(program->options.group);
	int r;

	options.services = observer_service_services(program->service, &options.service_count);
	r = grpc_server_new(&program->loop, &options, &program->server);
	if (r < 0)
		return r;
	r = dir_make(program->options.run_dir, 0755);
	if (r < 0) {
		diag_set(diag, program->options.run_dir, 0, "cannot make the run directory: %s",
			 strerror(-r));
		return r;
	}
	r = grpc_server_listen_unix(program->server, program->grpc_path, 0660,
				    group ? group->gr_gid : (gid_t)-1, diag);
	return r < 0 ? r : listen_tcp(program, diag);
}

static int confine(struct program *program, struct diag *diag)
{
	bool changed;
	int r = confine_identity(program->options.user, &changed, diag);

	if (r < 0)
		return r;
	if (!changed && geteuid() == 0)
		log_warn(ROOM, "no such user: staying root, without capabilities",
			 LOG_STR("user", program->options.user));
	if (!program->options.sandbox) {
		log_warn(ROOM, "system calls are not restricted (observer.sandbox)");
		return 0;
	}
	return confine_syscalls(diag);
}

static int start(struct program *program, struct diag *diag)
{
	struct tables_client_options tables = {
		.path = program->tables_path,
		.hello = on_hello,
		.state = on_tables_state,
		.data = program,
	};
	int r;

	snprintf(program->tables_path, sizeof(program->tables_path), "%s/observer.sock",
		 program->options.run_dir);
	snprintf(program->grpc_path, sizeof(program->grpc_path), "%s/grpc.sock",
		 program->options.run_dir);
	r = notify_new(&program->notify);
	if (r < 0)
		return r;
	r = make_parts(program);
	if (r == 0)
		r = make_server(program, diag);
	if (r == 0)
		r = start_handles(program);
	if (r == 0)
		r = confine(program, diag);
	if (r < 0)
		return r;
	tables.names = program->names;
	program->tables_state = 1; /* neither yet */
	return tables_client_new(&program->loop, &tables, &program->tables);
}

static void say(const struct diag *diag, int r)
{
	char text[DIAG_TEXT_MAX + DIAG_FILE_MAX];

	diag_format(diag, text, sizeof(text));
	log_error(ROOM, "cannot start", LOG_STR("reason", *text ? text : log_strerror(r)));
}

static int run(struct program *program)
{
	struct diag diag = { 0 };
	int r;

	signal(SIGPIPE, SIG_IGN);
	umask(0022); /* a run directory that we make is for others to enter */
	r = program->options.sandbox ? confine_io_uring(&diag) : 0;
	if (r == 0)
		r = uv_loop_init(&program->loop);
	if (r == 0)
		r = start(program, &diag);
	if (r < 0) {
		say(&diag, r);
		return 1;
	}
	log_info(ROOM, "ready", LOG_STR("socket", program->grpc_path),
		 LOG_UINT("flows", program->options.flows));
	notify_send(program->notify, "READY=1");
	uv_run(&program->loop, UV_RUN_DEFAULT);
	uv_loop_close(&program->loop);
	observer_service_free(program->service);
	flow_ring_free(program->ring);
	flow_names_free(program->names);
	notify_free(program->notify);
	return 0;
}

int main(int argc, char **argv)
{
	static const enum log_level levels[] = { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO,
						 LOG_LEVEL_DEBUG };
	static struct program program;
	enum options_request request;
	struct diag diag = { 0 };
	int r = options_load(argc, argv, &program.options, &request, &diag);

	if (r < 0) {
		say(&diag, r);
		return EXIT_CONFIG;
	}
	if (request == OPTIONS_HELP)
		options_help();
	else if (request == OPTIONS_VERSION)
		printf("tendril-observer %s\n", TENDRIL_VERSION);
	else if (request == OPTIONS_REFERENCE)
		options_reference();
	else if (request == OPTIONS_MANUAL)
		options_manual();
	if (request != OPTIONS_RUN)
		return 0;
	log_setup(levels[program.options.log_level], program.options.log_format == 1);
	r = run(&program);
	options_clear(&program.options);
	return r;
}
