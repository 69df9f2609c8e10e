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

/* The end of the first secret word in a line; NULL if there is none. */
static const char *after_secret(const char *line)
{
	const char *first = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(secret_words); i++) {
		const char *found = strcasestr(line, secret_words[i]);

		if (found && (!first || found + strlen(secret_words[i]) < first))
			first = found + strlen(secret_words[i]);
	}
	return first;
}

/* Text ("password: x", {token: x}, "- name: API_TOKEN" and a value below) is looked at as lines: what
 * follows a secret word goes, and so do lines further to the right below it. Caller frees. */
static char *redact_text(const char *text)
{
	char *copy = strdup(text), *clean = NULL, *save = NULL;
	size_t size = 0;
	FILE *out = copy ? open_memstream(&clean, &size) : NULL;
	size_t secret_indent = SIZE_MAX;

	for (char *line = out ? strtok_r(copy, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		size_t indent = strspn(line, " ");
		const char *end = after_secret(line);

		if (secret_indent != SIZE_MAX && indent > secret_indent)
			continue;
		secret_indent = end ? indent : SIZE_MAX;
		if (end)
			fprintf(out, "%.*s REMOVED\n", (int)(end - line), line);
		else
			fprintf(out, "%s\n", line);
	}
	free(copy);
	if (out)
		fclose(out);
	return clean;
}

static void redact(json_t *json)
{
	const char *key;
	json_t *value;
	void *next;
	size_t i;

	json_object_foreach_safe(json, next, key, value)
	{
		_cleanup_free_ char *clean = NULL;

		if (is_secret(key)) {
			json_object_set_new(json, key, json_string("REMOVED"));
			continue;
		}
		if (json_is_string(value) && strchr(json_string_value(value), '\n')) {
			clean = redact_text(json_string_value(value));
			json_object_set_new(json, key, json_string(clean ? clean : ""));
			continue;
		}
		redact(value);
	}
	json_array_foreach (json, i, value) {
		redact(value);
	}
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
