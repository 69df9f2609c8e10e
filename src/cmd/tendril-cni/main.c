/* SPDX-License-Identifier: Apache-2.0 */
/* tendril-cni: the CNI plugin. Reads the request, asks tendrild, prints the result. */
#include "cni.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "api/admin_client.h"
#include "base/log.h"
#include "base/util.h"

#define RETRY_MS 50

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* No agent, or one that died over the request, which can be made again: all of them are idempotent. */
static bool is_gone(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED || error == -ECONNRESET ||
	       error == -EPIPE || error == -EPROTO;
}

/* An agent that restarts is back within the deadline: no agent is tried again until then. */
static int ask(const struct cni_request *request, const char *path, json_t *body,
	       bool wait_for_agent, struct admin_reply **ret)
{
	_cleanup_free_ char *socket_path = NULL, *text = json_dumps(body, JSON_COMPACT);
	long long deadline = now_ms() + request->timeout_ms;
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
	int r;

	if (!text || asprintf(&socket_path, "%s/tendril.sock", request->run_dir) < 0)
		return -ENOMEM;
	for (;;) {
		long long left = deadline - now_ms();

		r = admin_call(socket_path, "POST", path, text, strlen(text),
			       (unsigned int)MAX(left, 1LL), ret);
		if (!is_gone(r) || !wait_for_agent || left <= RETRY_MS)
			return r;
		nanosleep(&pause, NULL);
	}
}

/* Garbage collection is per network: another network's attachments are not its business. */
static const char *network_name(const struct cni_request *request)
{
	return json_string_value(json_object_get(request->config, "name"));
}

static json_t *attachment(const struct cni_request *request)
{
	return json_pack("{s:s, s:s, s:s, s:s*, s:O}", "container_id", request->container_id,
			 "netns", request->netns, "ifname", request->ifname, "network",
			 network_name(request), "args", request->args);
}

/* What the agent's refusal is in CNI's terms. */
static int report(const struct cni_request *request, const struct admin_reply *reply)
{
	json_t *body = json_loads(reply->body, 0, NULL);
	const char *message =
		json_string_value(json_object_get(json_object_get(body, "error"), "message"));
	int code = reply->status == 503 ? CNI_TRY_AGAIN : CNI_REFUSED;
	int r = cni_fail(request->version, code, "%s", message ? message : "tendrild refused");

	json_decref(body);
	return r;
}

static int report_unreachable(const struct cni_request *request, int error, int code)
{
	return cni_fail(request->version, code, "tendrild does not answer at %s/tendril.sock: %s",
			request->run_dir, log_strerror(error));
}

static int do_add(const struct cni_request *request)
{
	_cleanup_(admin_reply_freep) struct admin_reply *reply = NULL;
	json_t *body = attachment(request), *answer;
	int r = ask(request, "/v1/cni/add", body, true, &reply);

	json_decref(body);
	if (r < 0)
		return report_unreachable(request, r, CNI_TRY_AGAIN);
	if (reply->status != 200)
		return report(request, reply);
	answer = json_loads(reply->body, 0, NULL);
	if (!json_is_object(answer)) {
		json_decref(answer);
		return cni_fail(request->version, CNI_IO_FAILURE, "tendrild's answer is no JSON");
	}
	r = cni_print(cni_add_result(request, answer));
	json_decref(answer);
	return r;
}

static int do_del(const struct cni_request *request)
{
	_cleanup_(admin_reply_freep) struct admin_reply *reply = NULL;
	json_t *body = attachment(request);
	int r = ask(request, "/v1/cni/del", body, false, &reply);

	json_decref(body);
	if (r == 0)
		return reply->status == 200 ? 0 : report(request, reply);
	r = cni_delete_without_agent(request);
	if (r < 0)
		return cni_fail(request->version, CNI_IO_FAILURE,
				"no agent, and the interface could not be removed: %s",
				log_strerror(r));
	return 0;
}

static int do_check(const struct cni_request *request)
{
	_cleanup_(admin_reply_freep) struct admin_reply *reply = NULL;
	json_t *body = attachment(request);
	json_t *previous = json_object_get(request->config, "prevResult");
	int r;

	if (previous)
		json_object_set(body, "prev_result", previous);
	r = ask(request, "/v1/cni/check", body, true, &reply);
	json_decref(body);
	if (r < 0)
		return report_unreachable(request, r, CNI_TRY_AGAIN);
	return reply->status == 200 ? 0 : report(request, reply);
}

static int do_status(const struct cni_request *request)
{
	_cleanup_(admin_reply_freep) struct admin_reply *reply = NULL;
	json_t *body = json_object();
	int r = ask(request, "/v1/cni/status", body, false, &reply);

	json_decref(body);
	if (r < 0)
		return report_unreachable(request, r, CNI_NOT_AVAILABLE);
	if (reply->status == 200)
		return 0;
	return cni_fail(request->version, CNI_NOT_AVAILABLE, "tendrild is not ready: %s",
			reply->body);
}

static int do_gc(const struct cni_request *request)
{
	_cleanup_(admin_reply_freep) struct admin_reply *reply = NULL;
	json_t *given = json_object_get(request->config, "cni.dev/valid-attachments");
	json_t *valid = json_array(), *item, *body;
	size_t i;
	int r;

	if (!json_is_array(given)) {
		json_decref(valid);
		return cni_fail(
			request->version, CNI_INVALID_CONFIG,
			"cni.dev/valid-attachments: found no list, expected the attachments to keep");
	}
	json_array_foreach (given, i, item) {
		json_t *id = json_object_get(item, "containerID");
		json_t *ifname = json_object_get(item, "ifname");

		json_array_append_new(
			valid, json_pack("{s:O*, s:O*}", "container_id", id, "ifname", ifname));
	}
	body = json_pack("{s:s*, s:o}", "network", network_name(request), "valid", valid);
	r = ask(request, "/v1/cni/gc", body, true, &reply);
	json_decref(body);
	if (r < 0)
		return report_unreachable(request, r, CNI_TRY_AGAIN);
	return reply->status == 200 ? 0 : report(request, reply);
}

static int do_version(const struct cni_request *request)
{
	return cni_print(cni_versions(request->version));
}

static const struct {
	const char *name;
	int (*run)(const struct cni_request *request);
} commands[] = {
	{ "ADD", do_add },       { "DEL", do_del }, { "CHECK", do_check },
	{ "STATUS", do_status }, { "GC", do_gc },   { "VERSION", do_version },
};

int main(int argc, char **argv)
{
	_cleanup_(cni_request_clear) struct cni_request request = {};
	int r;

	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("tendril-cni " TENDRIL_VERSION "\n");
		return 0;
	}
	if (argc > 1 || !getenv("CNI_COMMAND")) {
		fprintf(stderr,
			"tendril-cni " TENDRIL_VERSION
			" is a CNI plugin: container runtimes start it. See tendril-cni(8).\n");
		return 2;
	}
	r = cni_request_read(&request);
	if (r)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, request.command) == 0)
			return commands[i].run(&request);
	return 1; /* cni_request_read() knows the same commands */
}
