/* SPDX-License-Identifier: Apache-2.0 */
/* tendril(1), written from the verbs' tables in mdoc(7), so that it cannot differ from --help. */
#include "verb.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Text that roff takes literally: a leading dot or quote and every backslash are escaped. */
static void print_text(const char *text)
{
	bool line_start = true;

	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			printf("\\&");
		if (*text == '\\')
			printf("\\e");
		else
			putchar(*text);
		line_start = *text == '\n';
	}
	putchar('\n');
}

/* Paragraphs are separated by empty lines; one that starts with "Example: " is a display. */
static void print_help(const char *help)
{
	while (*help) {
		const char *end = strstr(help, "\n\n");
		int len = end ? (int)(end - help) : (int)strlen(help);
		char paragraph[2048];

		snprintf(paragraph, sizeof(paragraph), "%.*s", len, help);
		if (strncmp(paragraph, "Example: ", 9) == 0) {
			printf(".Pp\n.Dl ");
			print_text(paragraph + 9);
		} else {
			printf(".Pp\n");
			print_text(paragraph);
		}
		help += len;
		while (*help == '\n')
			help++;
	}
}

static void print_options(const struct verb_option *option)
{
	printf(".Bl -tag -width Ds\n");
	for (; option->name; option++) {
		printf(".It ");
		if (option->letter)
			printf("Fl %c , ", option->letter);
		printf("Fl -%s", option->name);
		if (option->arg)
			printf(" Ar %s", option->arg);
		printf("\n");
		print_text(option->help);
	}
	printf(".El\n");
}

static void print_verb(const struct verb *verb)
{
	printf(".Ss tendril %s %s\n", verb->name, verb->synopsis);
	print_help(verb->help);
	if (verb->options)
		print_options(verb->options);
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	int first, r = verb_parse(verb, argc, argv, false, NULL, NULL, &first);

	(void)cli;
	if (r)
		return r;
	printf(".\\\" SPDX-License-Identifier: Apache-2.0\n"
	       ".Dd $Mdocdate$\n.Dt TENDRIL 1\n.Os\n"
	       ".Sh NAME\n.Nm tendril\n.Nd eBPF networking, policy and flows of a host\n"
	       ".Sh SYNOPSIS\n.Nm\n.Op Fl -run-dir Ar DIR\n"
	       ".Op Fl -color Cm auto | always | never\n.Ar VERB\n.Op Ar argument ...\n"
	       ".Sh DESCRIPTION\n"
	       ".Nm\ntalks to the agent of this node,\n.Xr tendrild 8 ,\nand to its observer,\n"
	       ".Xr tendril-observer 8 .\n"
	       "The run directory is /run/tendril unless named by\n.Fl -run-dir\nor the environment "
	       "variable\n.Ev TENDRIL_RUN_DIR .\n"
	       "Colours appear on a terminal only, and not if\n.Ev NO_COLOR\nis set.\n"
	       ".Sh VERBS\n");
	verb_for_each(print_verb);
	printf(".Sh EXIT STATUS\n.Bl -tag -width Ds\n"
	       ".It 0\nDone.\n.It 1\nThe answer is no, or something failed: stderr says what.\n"
	       ".It 2\nWrong usage.\n.It 3\nThe agent or the server cannot be reached.\n.El\n"
	       ".Sh SEE ALSO\n.Xr tendril.yaml 5 ,\n.Xr tendril-cni 8 ,\n.Xr tendril-observer 8 ,\n"
	       ".Xr tendrild 8\n");
	return 0;
}

const struct verb verb_manual = {
	.name = "manual",
	.summary = "print the manual page tendril(1)",
	.synopsis = "",
	.help = "Example: tendril manual | man -l -\n\n"
		"Prints tendril(1) in mdoc, from the same tables as --help.",
	.run = run,
};
