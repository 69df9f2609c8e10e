/* SPDX-License-Identifier: Apache-2.0 */
#include "cni.h"

#include <ctype.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"

#define STDIN_MAX       (4u << 20)
#define TIMEOUT_DEFAULT 5
#define TIMEOUT_MAX     300

static const char *const supported[] = { "0.3.0", "0.3.1", "0.4.0", "1.0.0", CNI_NEWEST };

void cni_request_clear(struct cni_request *request)
{
	free(request->command);
	free(request->container_id);
	free(request->netns);
	free(request->ifname);
	json_decref(request->args);
	json_decref(request->config);
}

json_t *cni_versions(const char *version)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(supported); i++)
		json_array_append_new(list, json_string(supported[i]));
	return json_pack("{s:s, s:o}", "cniVersion", version, "supportedVersions", list);
}

/* Our copy of the string, so that it lives as long as the program. */
static const char *supported_version(const char *version)
{
	for (size_t i = 0; i < ARRAY_SIZE(supported); i++)
		if (strcmp(version, supported[i]) == 0)
			return supported[i];
	return NULL;
}

static char *env_copy(const char *name)
{
	const char *value = getenv(name);

	return strdup(value ? value : "");
}

/* "K=V;K=V", as runtimes write CNI_ARGS. Words without '=' are refused. */
static json_t *parse_args(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	json_t *args = json_object();
	char *save = NULL;

	for (char *word = strtok_r(copy, ";", &save); word; word = strtok_r(NULL, ";", &save)) {
		char *equals = strchr(word, '=');

		if (!equals) {
			json_decref(args);
			return NULL;
		}
		*equals = '\0';
		json_t *value = json_string(equals + 1);

		/* What is not in UTF-8 is kept as null, and refused where it is needed. */
		json_object_set_new(args, word, value ? value : json_null());
	}
	return args;
}

static bool container_id_ok(const char *id)
{
	if (!isalnum((unsigned char)*id) || strlen(id) > 255)
		return false;
	for (; *id; id++)
		if (!isalnum((unsigned char)*id) && !strchr("_.-", *id))
			return false;
	return true;
}

static bool ifname_ok(const char *name)
{
	if (!*name || strlen(name) >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || isspace((unsigned char)*name))
			return false;
	return true;
}

/* Names appear in files, flows and selectors. Kubernetes' own are narrower; podman's have '_' and
 * capitals. */
static bool pod_name_ok(const json_t *value)
{
	const char *name = json_string_value(value);

	if (!name || strlen(name) > 253 || strstr(name, ".."))
		return false;
	for (const char *at = name; *at; at++)
		if ((unsigned char)*at < ' ' || *at == '\x7f' || *at == '/' ||
		    (at[0] == '\xc2' && (at[1] & '\xe0') == '\x80'))
			return false;
	return strcmp(name, ".") != 0;
}

/* Those that are looked at. "found" is given only as far as it is text. */
static int check_pod(const struct cni_request *request)
{
	static const char *const names[] = { "K8S_POD_NAMESPACE", "K8S_POD_NAME" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const json_t *value = json_object_get(request->args, names[i]);

		if (!value || pod_name_ok(value))
			continue;
		return cni_fail(request->version, CNI_INVALID_ENVIRONMENT,
				"%s in CNI_ARGS is %s%s%s, expected at most 253 bytes of UTF-8 "
				"without '/', '..' and control characters",
				names[i], json_is_string(value) ? "'" : "",
				json_is_string(value) ? json_string_value(value) : "not UTF-8",
				json_is_string(value) ? "'" : "");
	}
	return 0;
}

/* What each command needs in the environment. */
static const struct command {
	const char *name;
	bool container, netns, ifname;
} commands[] = {
	{ "ADD", true, true, true },   { "DEL", true, false, true },
	{ "CHECK", true, true, true }, { "STATUS", false, false, false },
	{ "GC", false, false, false }, { "VERSION", false, false, false },
};

static int check_environment(const struct cni_request *request)
{
	const struct command *command = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, request->command) == 0)
			command = &commands[i];
	if (!command)
		return cni_fail(
			request->version, CNI_INVALID_ENVIRONMENT,
			"CNI_COMMAND is '%s', expected ADD, DEL, CHECK, STATUS, GC or VERSION",
			request->command);
	if (command->container && !container_id_ok(request->container_id))
		return cni_fail(
			request->version, CNI_INVALID_ENVIRONMENT,
			"CNI_CONTAINERID is '%s', expected letters, digits, '_', '.' and '-'",
			request->container_id);
	if (command->netns && !*request->netns)
		return cni_fail(request->version, CNI_INVALID_ENVIRONMENT,
				"CNI_NETNS is empty, expected the path of a network namespace");
	if (command->ifname && !ifname_ok(request->ifname))
		return cni_fail(
			request->version, CNI_INVALID_ENVIRONMENT,
			"CNI_IFNAME is '%s', expected an interface name of 1 to 15 characters",
			request->ifname);
	/* DEL has to succeed whatever there is. */
	return command->netns ? check_pod(request) : 0;
}

/* Everything on stdin, NUL-terminated; NULL if it is too long or memory is short. */
static char *read_stdin(size_t *ret_len)
{
	_cleanup_free_ char *text = malloc(STDIN_MAX + 1);
	size_t len;

	if (!text)
		return NULL;
	len = fread(text, 1, STDIN_MAX + 1, stdin);
	if (len > STDIN_MAX)
		return NULL;
	text[len] = '\0';
	*ret_len = len;
	return take_ptr(text);
}

/* Some callers of VERSION write a newline, or nothing. */
static bool is_blank(const char *text, size_t len)
{
	return strspn(text, " \t\r\n") == len;
}

static int read_config(struct cni_request *request)
{
	_cleanup_free_ char *text = NULL;
	json_error_t error;
	size_t len = 0;

	text = read_stdin(&len);
	if (!text)
		return cni_fail(CNI_NEWEST, CNI_IO_FAILURE,
				"the network configuration on stdin is longer than %u bytes",
				STDIN_MAX);
	if (is_blank(text, len) && strcmp(request->command, "VERSION") == 0)
		request->config = json_object();
	else
		request->config = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!request->config)
		return cni_fail(CNI_NEWEST, CNI_INVALID_JSON, "stdin:%d: %s, expected JSON",
				error.line, error.text);
	if (!json_is_object(request->config))
		return cni_fail(CNI_NEWEST, CNI_INVALID_JSON,
				"stdin: found no object, expected a network configuration");
	return 0;
}

static int read_version(struct cni_request *request)
{
	json_t *version = json_object_get(request->config, "cniVersion");
	const char *text = version ? json_string_value(version) : "1.0.0";

	if (!text)
		return cni_fail(CNI_NEWEST, CNI_INVALID_CONFIG,
				"cniVersion is no string, expected one such as \"1.0.0\"");
	request->version = supported_version(text);
	if (!request->version && strcmp(request->command, "VERSION") == 0)
		request->version = CNI_NEWEST;
	if (!request->version)
		return cni_fail(CNI_NEWEST, CNI_INCOMPATIBLE_VERSION,
				"cniVersion %s is not supported, expected 0.3.0 to " CNI_NEWEST,
				text);
	return 0;
}

static int read_settings(struct cni_request *request)
{
	json_t *run_dir = json_object_get(request->config, "run_dir");
	json_t *timeout = json_object_get(request->config, "timeout_s");

	request->run_dir = "/run/tendril";
	request->timeout_ms = TIMEOUT_DEFAULT * 1000;
	if (run_dir && (!json_is_string(run_dir) || json_string_value(run_dir)[0] != '/'))
		return cni_fail(request->version, CNI_INVALID_CONFIG,
				"run_dir: found no absolute path, expected tendrild's run_dir");
	if (run_dir)
		request->run_dir = json_string_value(run_dir);
	if (!timeout)
		return 0;
	if (!json_is_integer(timeout) || json_integer_value(timeout) < 1 ||
	    json_integer_value(timeout) > TIMEOUT_MAX)
		return cni_fail(request->version, CNI_INVALID_CONFIG,
				"timeout_s: expected a whole number of seconds, 1 to %d",
				TIMEOUT_MAX);
	request->timeout_ms = (unsigned int)json_integer_value(timeout) * 1000;
	return 0;
}

int cni_request_read(struct cni_request *request)
{
	_cleanup_free_ char *args = env_copy("CNI_ARGS");
	int r;

	request->command = env_copy("CNI_COMMAND");
	request->container_id = env_copy("CNI_CONTAINERID");
	request->netns = env_copy("CNI_NETNS");
	request->ifname = env_copy("CNI_IFNAME");
	request->args = args ? parse_args(args) : NULL;
	request->version = CNI_NEWEST;
	if (!request->command || !request->container_id || !request->netns || !request->ifname)
		return cni_fail(CNI_NEWEST, CNI_IO_FAILURE, "out of memory");
	r = read_config(request);
	if (r == 0)
		r = read_version(request);
	if (r == 0)
		r = check_environment(request);
	if (r == 0)
		r = read_settings(request);
	if (r)
		return r;
	if (!request->args)
		return cni_fail(request->version, CNI_INVALID_ENVIRONMENT,
				"CNI_ARGS is '%s', expected KEY=VALUE;KEY=VALUE", args);
	return 0;
}
