/* SPDX-License-Identifier: Apache-2.0 */
/* tendril: the command line. One file per verb; this one finds it. */
#include "verb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

/* Whatever ends us: what was asked for and could not be written is a failure, or a saved policy would be
 * missed only when it is needed. */
static void check_output(void)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return;
	fprintf(stderr, "tendril: the output is not whole: %s\n",
		errno ? log_strerror(errno) : "it could not be written");
	_exit(EXIT_NO);
}

static int help_all(FILE *out)
{
	fprintf(out, "Usage: tendril [--run-dir DIR] [--color auto|always|never] VERB ...\n\n");
	for (const struct verb *const *verb = verbs; *verb; verb++)
		fprintf(out, "  %-14s %s\n", (*verb)->name, (*verb)->summary);
	fprintf(out, "\n'tendril VERB --help' tells more of one. See also tendril(1).\n");
	return out == stdout ? 0 : EXIT_USAGE;
}

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *const *verb = verbs; *verb; verb++)
		if (strcmp((*verb)->name, name) == 0)
			return *verb;
	return NULL;
}

/* Whether argv[*i] is the option; *ret is its value, from "--name=value" or the next argument, which *i is
 * then; NULL: there is none. */
static bool is_global(const char *name, int argc, char **argv, int *i, const char **ret)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) || (argv[*i][len] && argv[*i][len] != '='))
		return false;
	if (argv[*i][len] == '=')
		*ret = argv[*i] + len + 1;
	else
		*ret = *i + 1 < argc ? argv[++*i] : NULL;
	return true;
}

static bool want_color(const char *choice)
{
	if (strcmp(choice, "auto"))
		return strcmp(choice, "always") == 0;
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static int set_up(struct cli *cli, const char *color)
{
	if (strcmp(color, "auto") && strcmp(color, "always") && strcmp(color, "never")) {
		fprintf(stderr, "tendril: --color: found '%s', expected auto, always or never\n",
			color);
		return EXIT_USAGE;
	}
	if (strlen(cli->run_dir) + sizeof("/tendril.sock") > sizeof(cli->admin_socket)) {
		fprintf(stderr, "tendril: run directory '%s' is too long for a socket address\n",
			cli->run_dir);
		return EXIT_USAGE;
	}
	snprintf(cli->admin_socket, sizeof(cli->admin_socket), "%s/tendril.sock", cli->run_dir);
	snprintf(cli->grpc_socket, sizeof(cli->grpc_socket), "%s/grpc.sock", cli->run_dir);
	cli->color = want_color(color);
	return 0;
}

/* Reads one option before the verb. */
static int read_global(struct cli *cli, int argc, char **argv, int *i, const char **color)
{
	const char *option = argv[*i];

	if (is_global("--run-dir", argc, argv, i, &cli->run_dir)) {
		cli->run_dir_given = true;
	} else if (!is_global("--color", argc, argv, i, color)) {
		fprintf(stderr, "tendril: unknown option '%s'\n", option);
		return EXIT_USAGE;
	}
	if (cli->run_dir && *color)
		return 0;
	fprintf(stderr, "tendril: option '%s' needs a value\n", option);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *env = getenv("TENDRIL_RUN_DIR");
	struct cli cli = { .run_dir = env && *env ? env : "/run/tendril",
			   .run_dir_given = env && *env };
	const char *color = "auto";
	int i, r;

	atexit(check_output);
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help_all(stdout);
		if (strcmp(argv[i], "--version") == 0) {
			printf("tendril %s\n", TENDRIL_VERSION);
			return 0;
		}
		r = read_global(&cli, argc, argv, &i, &color);
		if (r)
			return r;
	}
	if (i >= argc)
		return help_all(stderr);

	const struct verb *verb = find_verb(argv[i]);

	if (!verb) {
		fprintf(stderr, "tendril: no verb '%s'; 'tendril --help' lists them\n", argv[i]);
		return EXIT_USAGE;
	}
	r = set_up(&cli, color);
	return r ? r : verb->run(&cli, verb, argc - i, argv + i);
}
