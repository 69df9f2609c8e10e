/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/admin_client.h"
#include "base/log.h"
#include "base/util.h"

#define TIMEOUT_MS 60000

static int say_unreachable(const struct cli *cli, int error)
{
	if (error == -EACCES)
		fprintf(stderr, "tendril: may not use %s: run as root or in group tendril\n",
			cli->admin_socket);
	else if (error == -ENOENT || error == -ECONNREFUSED)
		fprintf(stderr,
			"tendril: no agent at %s (start tendrild, or name its --run-dir); what it "
			"put in force stays in force\n",
			cli->admin_socket);
	else
		fprintf(stderr, "tendril: no answer from %s: %s\n", cli->admin_socket,
			log_strerror(error));
	return EXIT_UNREACHABLE;
}

void print_clean(FILE *out, const char *text)
{
	for (const char *at = text; *at; at++) {
		bool wide = at[0] == '\xc2' && (at[1] & '\xe0') == '\x80';

		putc((unsigned char)*at < ' ' || *at == '\x7f' || wide ? '?' : *at, out);
		at += wide;
	}
}

static int say_refused(const struct admin_reply *reply)
{
	_cleanup_json_ json_t *body = json_loads(reply->body, 0, NULL);
	json_t *error = json_object_get(body, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *file = json_string_value(json_object_get(error, "file"));
	json_int_t line = json_integer_value(json_object_get(error, "line"));

	if (!message) {
		fprintf(stderr, "tendril: the agent answered with status %d\n", reply->status);
		return EXIT_NO;
	}
	print_clean(stderr, file && line ? file : "tendril");
	if (file && line)
		fprintf(stderr, ":%" JSON_INTEGER_FORMAT, line);
	fputs(": ", stderr);
	print_clean(stderr, message);
	fputc('\n', stderr);
	return EXIT_NO;
}

int admin_request(const struct cli *cli, const char *method, const char *path, const char *body,
		  size_t body_len, json_t **ret)
{
	_cleanup_(admin_reply_freep) struct admin_reply *reply = NULL;
	json_error_t error;
	json_t *answer;
	int r;

	r = admin_call(cli->admin_socket, method, path, body, body_len, TIMEOUT_MS, &reply);
	if (r < 0)
		return say_unreachable(cli, r);
	if (reply->status < 200 || reply->status > 299)
		return say_refused(reply);
	answer = json_loadb(reply->body, reply->len, JSON_DECODE_ANY, &error);
	if (!answer) {
		fprintf(stderr, "tendril: the agent's answer to %s is no JSON: %s\n", path,
			error.text);
		return EXIT_NO;
	}
	*ret = answer;
	return 0;
}

int admin_get(const struct cli *cli, const char *path, json_t **ret)
{
	return admin_request(cli, "GET", path, NULL, 0, ret);
}

int admin_post(const struct cli *cli, const char *path, const json_t *body, json_t **ret)
{
	_cleanup_free_ char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);

	if (!text) {
		fprintf(stderr, "tendril: out of memory\n");
		return EXIT_NO;
	}
	return admin_request(cli, "POST", path, text, strlen(text), ret);
}
