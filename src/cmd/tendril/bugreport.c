/* SPDX-License-Identifier: Apache-2.0 */
/* An archive of what somebody else needs to see what is wrong, with secrets removed. */
#include "admin.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "model/document.h"

/* Answers of the agent, as files. */
static const struct {
	const char *file, *path;
} answers[] = {
	{ "status.json", "/v1/status" },           { "config.json", "/v1/config" },
	{ "endpoints.json", "/v1/endpoints" },     { "identities.json", "/v1/identities" },
	{ "policies.json", "/v1/policies" },       { "services.json", "/v1/services" },
	{ "connections.json", "/v1/connections" }, { "maps.json", "/v1/maps" },
	{ "objects.json", "/v1/objects" },
};

/* What the system itself says; a command that is missing leaves its error in the file. */
static const struct {
	const char *file, *command;
} commands[] = {
	{ "uname.txt", "uname -a" },
	{ "os-release.txt", "cat /etc/os-release" },
	{ "links.txt", "ip -details link" },
	{ "addresses.txt", "ip address" },
	{ "routes.txt", "ip route show table all; ip -6 route show table all" },
	{ "rules.txt", "ip rule; ip -6 rule" },
	{ "bpf-programs.txt", "bpftool prog || /usr/sbin/bpftool prog" },
	{ "bpf-maps.txt", "bpftool map || /usr/sbin/bpftool map" },
	{ "bpf-links.txt", "bpftool link || /usr/sbin/bpftool link" },
	{ "log.txt", "journalctl --no-pager -n 5000 -u tendrild -u tendril-observer" },
	{ "flows.json", "\"$TENDRIL\" observe --last 1000 -o jsonpb" },
};

/* A key whose name contains one of these has its value removed. */
static const char *const secret_words[] = { "secret", "token",   "password",
					    "passwd", "private", "credential",
					    "apikey", "api_key", "authorization" };

static bool is_secret(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(secret_words); i++)
		if (strcasestr(key, secret_words[i]))
			return true;
	return false;
}

/* The end of the first secret word in a text; NULL if there is none. */
static const char *after_secret(const char *text)
{
	const char *first = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(secret_words); i++) {
		const char *found = strcasestr(text, secret_words[i]);

		if (found && (!first || found + strlen(secret_words[i]) < first))
			first = found + strlen(secret_words[i]);
	}
	return first;
}

/* What follows a secret word in a string goes: "--token=x", JSON in an annotation. */
static json_t *cut_string(const char *text)
{
	const char *end = after_secret(text);

	return end && *end ? json_sprintf("%.*s REMOVED", (int)(end - text), text)
			   : json_string(text);
}

/* {name: API_TOKEN, value: x}, in either order. */
static bool names_a_secret(const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	const char *key = json_string_value(json_object_get(object, "key"));

	return (name && is_secret(name)) || (key && is_secret(key));
}

static json_t *redacted_manifest(const char *text);

static json_t *redacted(const char *key, const json_t *value, bool secret_value)
{
	const char *text = json_string_value(value);

	if (is_secret(key) || (secret_value && strncmp(key, "value", 5) == 0))
		return json_string("REMOVED");
	if (!text)
		return NULL;
	return strcmp(key, "text") == 0 ? redacted_manifest(text) : cut_string(text);
}

static void redact(json_t *json)
{
	bool secret_value = names_a_secret(json);
	const char *key;
	json_t *value;
	void *next;
	size_t i;

	json_object_foreach_safe(json, next, key, value)
	{
		json_t *clean = redacted(key, value, secret_value);

		if (clean)
			json_object_set_new(json, key, clean);
		else
			redact(value);
	}
	json_array_foreach (json, i, value) {
		if (json_is_string(value))
			json_array_set_new(json, i, cut_string(json_string_value(value)));
		else
			redact(value);
	}
}

/* What an object was written as, by its structure and not by its lines. What cannot be read goes. */
static json_t *redacted_manifest(const char *text)
{
	_cleanup_(document_reader_freep) struct document_reader *reader = NULL;
	_cleanup_(document_freep) struct document *document = NULL;
	_cleanup_free_ char *as_json = NULL;
	json_t *json = NULL;
	struct diag diag = { 0 };

	if (document_reader_new(text, strlen(text), NULL, &diag, &reader) == 0 &&
	    document_reader_next(reader, &document) == 1 && document->root &&
	    node_to_json(document->root, &as_json) == 0)
		json = json_loads(as_json, JSON_DECODE_ANY, NULL);
	if (!json)
		return json_string("REMOVED: this text cannot be read");
	redact(json);
	return json;
}

/* The reason for what is missing is on stderr; the rest is still worth having. */
static void save_answers(const struct cli *cli, const char *dir)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(answers) && r != EXIT_UNREACHABLE; i++) {
		_cleanup_json_ json_t *answer = NULL;
		_cleanup_free_ char *path = NULL;

		r = admin_get(cli, answers[i].path, &answer);
		if (r || asprintf(&path, "%s/%s", dir, answers[i].file) < 0)
			continue;
		redact(answer);
		json_dump_file(answer, path, JSON_INDENT(2));
	}
}

static void save_commands(const char *dir)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		_cleanup_free_ char *line = NULL;

		if (asprintf(&line, "(%s) >'%s/%s' 2>&1", commands[i].command, dir,
			     commands[i].file) < 0)
			continue;
		(void)!system(line);
	}
}

static int pack(const char *dir, const char *archive)
{
	_cleanup_free_ char *line = NULL;
	const char *base = strrchr(dir, '/') + 1;

	if (asprintf(&line, "tar -C /tmp -czf '%s' '%s' && rm -rf '%s'", archive, base, dir) < 0)
		return EXIT_NO;
	return system(line) == 0 ? 0 : EXIT_NO;
}

static int set(const struct verb_option *option, const char *value, void *data)
{
	(void)option;
	*(const char **)data = value;
	return 0;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	char dir[] = "/tmp/tendril-bugreport-XXXXXX", standard[64], self[32];
	const char *archive = standard;
	time_t now = time(NULL);
	int first, r;

	snprintf(self, sizeof(self), "/proc/%d/exe", getpid());
	strftime(standard, sizeof(standard), "tendril-bugreport-%Y%m%d-%H%M%S.tar.gz",
		 gmtime(&now));
	r = verb_parse(verb, argc, argv, false, set, &archive, &first);
	if (r)
		return r;
	if (first < argc || strchr(archive, '\''))
		return verb_usage_error(verb, "expected -f FILE, without quotes in its name");
	if (!mkdtemp(dir)) {
		fprintf(stderr, "tendril bugreport: no directory under /tmp: %s\n",
			log_strerror(errno));
		return EXIT_NO;
	}
	setenv("TENDRIL", self, 1);
	setenv("TENDRIL_RUN_DIR", cli->run_dir, 1);
	umask(077); /* who talks to whom is for those who may ask the observer */
	save_answers(cli, dir);
	save_commands(dir);
	r = pack(dir, archive);
	if (r) {
		fprintf(stderr, "tendril bugreport: %s could not be written; the files are in %s\n",
			archive, dir);
		return r;
	}
	printf("%s\nValues of keys named like secrets were removed; look through it before you "
	       "send it.\n",
	       archive);
	return 0;
}

static const struct verb_option options[] = {
	{ 'f', "file", "FILE", "the archive to write", "@file" },
	{},
};

const struct verb verb_bugreport = {
	.name = "bugreport",
	.summary = "collect what is needed to see what is wrong",
	.synopsis = "[-f FILE]",
	.help = "Example: tendril bugreport\n\n"
		"Writes an archive with the agent's state, the objects, the kernel's view of links,\n"
		"routes and BPF, the log and recent flows. Values of keys named like secrets are\n"
		"removed. Works without an agent too, as far as that goes.",
	.options = options,
	.run = run,
};
