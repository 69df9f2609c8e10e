/* SPDX-License-Identifier: Apache-2.0 */
/* tendrild: the agent of a node. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

#include "agent.h"
#include "base/log.h"
#include "base/notify.h"
#include "privileges.h"
#include "settings.h"

#define EXIT_USAGE 2

struct daemon {
	uv_loop_t loop;
	uv_signal_t term, interrupt, hangup;
	uv_timer_t watchdog;
	struct notify *notify;
	struct settings_source source;
	struct agent agent;
};

static void print_help(void)
{
	printf("tendrild " TENDRIL_VERSION ": the agent of a node\n\n"
	       "Usage: tendrild [--config=FILE] [--KEY=VALUE ...]\n"
	       "       tendrild --help | --version | --print-config-reference\n\n"
	       "Settings come from FILE (" SETTINGS_FILE "), and flags override it. '@' in a "
	       "default is\nreplaced by '-' and the instance, if one is set. Keys:\n\n");
	config_print_flags(&settings_table, stdout);
}

/* The first half of tendril.yaml(5); the observer prints the other. */
static void print_manual(void)
{
	printf(".\\\" SPDX-License-Identifier: Apache-2.0\n"
	       ".Dd $Mdocdate$\n.Dt TENDRIL.YAML 5\n.Os\n"
	       ".Sh NAME\n.Nm tendril.yaml\n.Nd settings of Tendril's agent and observer\n"
	       ".Sh SYNOPSIS\n.Nm " SETTINGS_FILE "\n"
	       ".Sh DESCRIPTION\n"
	       "YAML. A key with dots stands for a mapping in a mapping; as a flag, for\n"
	       ".Fl -KEY Ns = Ns Ar VALUE ,\nwhich overrides the file.\n"
	       "An @ in a default is replaced by - and the instance, if one is set.\n"
	       "A value that is wrong is refused with its file and line, and nothing is changed.\n"
	       ".Sh KEYS OF THE AGENT\n");
	config_print_manual(&settings_table, stdout);
}

static int answer_request(enum settings_request request)
{
	if (request == SETTINGS_HELP)
		print_help();
	else if (request == SETTINGS_VERSION)
		printf("tendrild " TENDRIL_VERSION "\n");
	else if (request == SETTINGS_MANUAL)
		print_manual();
	else
		config_print_reference(&settings_table, stdout);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void log_diag(const char *message, const struct diag *diag)
{
	char text[DIAG_TEXT_MAX + DIAG_FILE_MAX + 16];

	diag_format(diag, text, sizeof(text));
	log_error("agent", message, LOG_STR("because", text));
}

static void on_stop(uv_signal_t *signal, int number)
{
	struct daemon *daemon = signal->data;

	log_info("agent", "stopping; what is in the kernel stays in force",
		 LOG_STR("signal", number == SIGTERM ? "TERM" : "INT"));
	notify_send(daemon->notify, "STOPPING=1");
	uv_stop(&daemon->loop);
}

/* Only what may change while running: the log's level. */
static void on_hangup(uv_signal_t *signal, int number)
{
	struct daemon *daemon = signal->data;
	enum settings_request request;
	struct settings settings = {};
	struct diag diag = {};

	if (settings_load(&daemon->source, &settings, &request, &diag) < 0) {
		log_diag("configuration not read again; everything stays as it is", &diag);
		return;
	}
	daemon->agent.settings.log_level = settings.log_level;
	log_setup(settings_log_level(&settings), settings.log_format == SETTINGS_LOG_JSON);
	log_info("agent", "configuration read again: the log's level is in force, other keys "
			  "need a restart");
	settings_clear(&settings);
}

static void on_watchdog(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;

	notify_send(daemon->notify, "WATCHDOG=1");
}

static void listen_to_signals(struct daemon *daemon)
{
	const struct {
		uv_signal_t *handle;
		int number;
		uv_signal_cb cb;
	} signals[] = {
		{ &daemon->term, SIGTERM, on_stop },
		{ &daemon->interrupt, SIGINT, on_stop },
		{ &daemon->hangup, SIGHUP, on_hangup },
	};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		uv_signal_init(&daemon->loop, signals[i].handle);
		signals[i].handle->data = daemon;
		uv_signal_start(signals[i].handle, signals[i].cb, signals[i].number);
	}
	uv_timer_init(&daemon->loop, &daemon->watchdog);
	daemon->watchdog.data = daemon;
	if (notify_watchdog_ms())
		uv_timer_start(&daemon->watchdog, on_watchdog, 0, notify_watchdog_ms() / 2);
}

static void close_signals(struct daemon *daemon)
{
	uv_close((uv_handle_t *)&daemon->term, NULL);
	uv_close((uv_handle_t *)&daemon->interrupt, NULL);
	uv_close((uv_handle_t *)&daemon->hangup, NULL);
	uv_close((uv_handle_t *)&daemon->watchdog, NULL);
}

static void report_ready(struct daemon *daemon, uint64_t started_ns)
{
	struct agent *agent = &daemon->agent;
	int r = privileges_drop();

	if (r < 0)
		log_warn("agent", "capabilities not dropped", LOG_ERR(r));
	log_info("agent", "ready", LOG_STR("version", TENDRIL_VERSION),
		 LOG_STR("node", agent->settings.node_name),
		 LOG_UINT("ms", (uv_hrtime() - started_ns) / 1000000));
	r = notify_send(daemon->notify, "READY=1");
	if (r < 0)
		log_warn("agent", "the service manager was not told", LOG_ERR(r));
}

static int run(struct daemon *daemon, struct settings *settings)
{
	uint64_t started_ns = uv_hrtime();
	struct diag diag = {};
	int r = uv_loop_init(&daemon->loop);

	if (r < 0) {
		log_error("agent", "no event loop", LOG_ERR(r));
		return EXIT_FAILURE;
	}
	r = notify_new(&daemon->notify);
	if (r < 0)
		log_warn("agent", "the service manager cannot be told", LOG_ERR(r));
	r = agent_start(&daemon->loop, settings, &daemon->agent, &diag);
	if (r < 0) {
		log_diag("cannot start", &diag);
		notify_free(daemon->notify);
		return EXIT_FAILURE;
	}
	listen_to_signals(daemon);
	report_ready(daemon, started_ns);
	uv_run(&daemon->loop, UV_RUN_DEFAULT);
	close_signals(daemon);
	agent_stop(&daemon->agent);
	notify_free(daemon->notify);
	uv_loop_close(&daemon->loop);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct daemon daemon;
	enum settings_request request = SETTINGS_RUN;
	struct settings settings = {};
	struct diag diag = {};
	char text[DIAG_TEXT_MAX + DIAG_FILE_MAX + 16];

	daemon.source = (struct settings_source){ .argc = argc, .argv = argv };
	if (settings_load(&daemon.source, &settings, &request, &diag) < 0) {
		diag_format(&diag, text, sizeof(text));
		fprintf(stderr, "tendrild: %s\n", text);
		return EXIT_USAGE;
	}
	if (request != SETTINGS_RUN)
		return answer_request(request);
	log_setup(settings_log_level(&settings), settings.log_format == SETTINGS_LOG_JSON);
	signal(SIGPIPE, SIG_IGN);
	umask(0022); /* the run directory must be reachable for the sockets in it; modes are explicit */
	return run(&daemon, &settings);
}
