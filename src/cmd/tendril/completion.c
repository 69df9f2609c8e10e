/* SPDX-License-Identifier: Apache-2.0 */
/* Shell completion, written from the verbs' tables. */
#include "verb.h"

#include <stdio.h>
#include <string.h>

static void print_words_of(const struct verb *verb)
{
	printf("--help");
	for (const struct verb_option *option = verb->options; option && option->name; option++)
		printf(" --%s", option->name);
	if (verb->arguments && verb->arguments[0] != '@')
		printf(" %s", verb->arguments);
}

static void print_values(const struct verb *verb)
{
	for (const struct verb_option *option = verb->options; option && option->name; option++) {
		if (!option->values)
			continue;
		printf("\t'%s':--%s", verb->name, option->name);
		if (option->letter)
			printf("|'%s':-%c", verb->name, option->letter);
		if (option->values[0] == '@')
			printf(") COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n");
		else
			printf(") words=\"%s\" ;;\n", option->values);
	}
}

static void print_case(const struct verb *verb)
{
	printf("\t'%s') words=\"", verb->name);
	print_words_of(verb);
	printf("\" ;;\n");
}

/* Verbs whose second word is part of their name. */
static void print_with_subs(void)
{
	for (const struct verb *const *verb = verbs; *verb; verb++)
		if ((*verb)->subs)
			printf("%s ", (*verb)->name);
}

static void print_bash(void)
{
	printf("# bash completion for tendril; written by 'tendril completion bash'\n"
	       "_tendril() {\n"
	       "\tlocal current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tlocal verb= words= i\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\t[[ ${COMP_WORDS[i]} == -* ]] && continue\n"
	       "\t\tverb=${verb:+$verb }${COMP_WORDS[i]}\n"
	       "\t\tcase $verb in ");
	print_with_subs();
	printf(") ;; *) break ;; esac\n"
	       "\tdone\n"
	       "\tcase \"$verb:$before\" in\n");
	verb_for_each(print_values);
	printf("\tesac\n"
	       "\tif [[ -z $words ]]; then case \"$verb\" in\n"
	       "\t'') words=\"--help --version --run-dir --color");
	for (const struct verb *const *verb = verbs; *verb; verb++)
		printf(" %s", (*verb)->name);
	printf("\" ;;\n");
	verb_for_each(print_case);
	printf("\tesac; fi\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
	       "}\n"
	       "complete -o default -F _tendril tendril\n");
}

/* zsh runs bash's completion functions through its own emulation. */
static void print_zsh(void)
{
	printf("#compdef tendril\n"
	       "autoload -U +X bashcompinit && bashcompinit\n");
	print_bash();
}

/* "VERB" or "VERB SUB": the last word is seen only behind the first. */
static void print_fish_seen(const struct verb *verb)
{
	const char *space = strchr(verb->name, ' ');

	printf("'__fish_seen_subcommand_from %.*s",
	       space ? (int)(space - verb->name) : (int)strlen(verb->name), verb->name);
	if (space)
		printf("; and __fish_seen_subcommand_from %s", space + 1);
	printf("'");
}

static void print_fish_verb(const struct verb *verb)
{
	const char *space = strchr(verb->name, ' ');

	if (space)
		printf("complete -c tendril -f -n '__fish_seen_subcommand_from %.*s' -a %s",
		       (int)(space - verb->name), verb->name, space + 1);
	else
		printf("complete -c tendril -f -n __fish_use_subcommand -a %s", verb->name);
	printf(" -d '%s'\n", verb->summary);
	for (const struct verb_option *option = verb->options; option && option->name; option++) {
		printf("complete -c tendril -n ");
		print_fish_seen(verb);
		printf(" -l %s", option->name);
		if (option->letter)
			printf(" -s %c", option->letter);
		if (option->arg)
			printf(" -r");
		if (option->values && option->values[0] != '@')
			printf(" -f -a '%s'", option->values);
		printf("\n");
	}
}

static void print_fish(void)
{
	printf("# fish completion for tendril; written by 'tendril completion fish'\n");
	verb_for_each(print_fish_verb);
}

static const struct {
	const char *name;
	void (*print)(void);
} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish }, {} };

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	int first, r = verb_parse(verb, argc, argv, false, NULL, NULL, &first);

	(void)cli;
	if (r)
		return r;
	if (argc - first != 1)
		return verb_usage_error(verb, "expected one shell: bash, zsh or fish");
	for (size_t i = 0; shells[i].name; i++) {
		if (strcmp(shells[i].name, argv[first]))
			continue;
		shells[i].print();
		return 0;
	}
	return verb_usage_error(verb, "shell '%s', expected bash, zsh or fish", argv[first]);
}

const struct verb verb_completion = {
	.name = "completion",
	.summary = "print shell completion",
	.synopsis = "bash|zsh|fish",
	.help = "Example: tendril completion bash > /etc/bash_completion.d/tendril\n\n"
		"Prints a completion script for the shell named.",
	.arguments = "bash zsh fish",
	.run = run,
};
