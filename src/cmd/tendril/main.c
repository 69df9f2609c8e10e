/* SPDX-License-Identifier: Apache-2.0 */
/* tendril: the command line. One file per verb; this one finds it. */
#include "verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

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

/* The option's value, from "--name=value" or the next argument; NULL if this is another option. */
static const char *global_value(const char *name, int argc, char **argv, int *i)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len))
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] || *i + 1 >= argc)
		return NULL;
	return argv[++*i];
}

static bool want_color(const char *choice)
{
	if (strcmp(choice, "auto"))
		return strcmp(choice, "always") == 0;
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static int set_up(struct cli *cli, const char *color)
{
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

int main(int argc, char **argv)
{
	const char *env = getenv("TENDRIL_RUN_DIR");
	struct cli cli = { .run_dir = env && *env ? env : "/run/tendril",
			   .run_dir_given = env && *env };
	const char *color = "auto", *value;
	int i, r;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help_all(stdout);
		if (strcmp(argv[i], "--version") == 0) {
			printf("tendril %s\n", TENDRIL_VERSION);
			return 0;
		}
		value = global_value("--run-dir", argc, argv, &i);
		if (value) {
			cli.run_dir = value;
			cli.run_dir_given = true;
			continue;
		}
		value = global_value("--color", argc, argv, &i);
		if (!value) {
			fprintf(stderr, "tendril: unknown option '%s'\n", argv[i]);
			return EXIT_USAGE;
		}
		color = value;
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
