/* SPDX-License-Identifier: Apache-2.0 */
/* verb: one subcommand of `tendril`: a row in a table and one file.
 *
 * The table is the single source of help, shell completion and the man page's option lists.
 * Exit codes of every verb: 0 done, 1 the answer is no or something failed (said on stderr),
 * 2 wrong usage, 3 the agent or server cannot be reached. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define EXIT_NO          1
#define EXIT_USAGE       2
#define EXIT_UNREACHABLE 3

struct verb_option {
	char letter;        /* 0: long form only */
	const char *name;   /* long form without dashes; NULL ends the table */
	const char *arg;    /* "FILE"; NULL: a flag */
	const char *help;   /* one line */
	const char *values; /* space-separated, for completion; "@file" for files; NULL: none */
};

/* Options before the verb, and what they mean for all verbs. */
struct cli {
	const char *run_dir;    /* never NULL */
	bool run_dir_given;     /* by flag or environment */
	char admin_socket[108]; /* run_dir/tendril.sock */
	char grpc_socket[108];  /* run_dir/grpc.sock */
	bool color;             /* stdout is a terminal, or asked for */
};

struct verb {
	const char *name;
	const char *summary;   /* one line, for the list of verbs */
	const char *synopsis;  /* what follows "tendril NAME" */
	const char *help;      /* paragraphs; examples first */
	const char *arguments; /* words or "@file" to complete after the verb; NULL: none */
	const struct verb_option *options; /* NULL: only --help */
	/* Verbs of its own, ending with NULL, named "VERB SUB"; then run is verb_run_sub() and there
	 * are no options. */
	const struct verb *const *subs;
	int (*run)(const struct cli *cli, const struct verb *verb, int argc, char **argv);
};

/* All verbs, in the order of the help; ends with NULL. */
extern const struct verb *const verbs[];

extern const struct verb verb_policy_diff, verb_policy_explain, verb_policy_lint, verb_policy_list,
	verb_policy_matrix, verb_policy_verdicts;

extern const struct verb verb_apply, verb_audit, verb_bugreport, verb_cleanup, verb_completion,
	verb_connectivity, verb_ct, verb_delete, verb_endpoint, verb_enforcement, verb_get,
	verb_identity, verb_list, verb_manual, verb_observe, verb_policy, verb_probe, verb_run,
	verb_service, verb_status, verb_version;

/* Goes through argv (argv[0] is the verb's name), calling set() for each option in turn; set()
 * returns 0, or an exit code after saying what is wrong. --help prints and exits 0. ret_first:
 * index of the first argument that is no option; arguments are moved behind the options. Options
 * end at "--" or, if stop_early, at the first argument. Returns 0 or an exit code. */
int verb_parse(const struct verb *verb, int argc, char **argv, bool stop_early,
	       int (*set)(const struct verb_option *option, const char *value, void *data),
	       void *data, int *ret_first);

/* Says "tendril VERB: text", and where to find help. Returns EXIT_USAGE. */
int verb_usage_error(const struct verb *verb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Runs the one of verb->subs that argv[1] names, with argv + 1. */
int verb_run_sub(const struct cli *cli, const struct verb *verb, int argc, char **argv);

/* Calls fn for every verb, each before its subs. */
void verb_for_each(void (*fn)(const struct verb *verb));

/* Prints the verb's help to stdout. */
void verb_help(const struct verb *verb);
