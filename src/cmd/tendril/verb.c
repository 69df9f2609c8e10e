/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 96
#define OPT_HELP    1000
#define OPT_FIRST   1001 /* getopt's value of option i is OPT_FIRST + i */

int verb_usage_error(const struct verb *verb, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "tendril %s: ", verb->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nTry 'tendril %s --help'.\n", verb->name);
	return EXIT_USAGE;
}

static void print_option(const struct verb_option *option)
{
	char letter[5] = "    ", left[64];

	if (option->letter)
		snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	snprintf(left, sizeof(left), "%s--%s%s%s", letter, option->name, option->arg ? " " : "",
		 option->arg ? option->arg : "");
	if (strlen(left) > 28)
		printf("  %s\n  %-28s %s\n", left, "", option->help);
	else
		printf("  %-28s %s\n", left, option->help);
}

static const char *sub_name(const struct verb *sub)
{
	return strrchr(sub->name, ' ') + 1;
}

static void print_subs(const struct verb *verb)
{
	putchar('\n');
	for (const struct verb *const *sub = verb->subs; *sub; sub++)
		printf("  %-14s %s\n", sub_name(*sub), (*sub)->summary);
	printf("\n'tendril %s SUB --help' tells more of one.\n", verb->name);
}

void verb_help(const struct verb *verb)
{
	printf("Usage: tendril %s %s\n\n%s\n", verb->name, verb->synopsis, verb->help);
	if (verb->subs)
		print_subs(verb);
	if (!verb->options)
		return;
	printf("\nOptions:\n");
	for (const struct verb_option *option = verb->options; option->name; option++)
		print_option(option);
}

/* Fills getopt's tables from ours. */
static void fill_getopt(const struct verb *verb, bool stop_early, struct option *longs,
			char *shorts)
{
	int count = 0;

	if (stop_early)
		*shorts++ = '+';
	*shorts++ = ':';
	for (const struct verb_option *option = verb->options; option && option->name; option++) {
		longs[count] = (struct option){ option->name,
						option->arg ? required_argument : no_argument, NULL,
						OPT_FIRST + count };
		count++;
		if (!option->letter)
			continue;
		*shorts++ = option->letter;
		if (option->arg)
			*shorts++ = ':';
	}
	*shorts = '\0';
	longs[count] = (struct option){ "help", no_argument, NULL, OPT_HELP };
	longs[count + 1] = (struct option){ NULL, 0, NULL, 0 };
}

static const struct verb_option *option_of(const struct verb *verb, int value)
{
	if (value >= OPT_FIRST)
		return &verb->options[value - OPT_FIRST];
	for (const struct verb_option *option = verb->options; option && option->name; option++)
		if (option->letter && option->letter == value)
			return option;
	return NULL;
}

int verb_parse(const struct verb *verb, int argc, char **argv, bool stop_early,
	       int (*set)(const struct verb_option *option, const char *value, void *data),
	       void *data, int *ret_first)
{
	struct option longs[OPTIONS_MAX + 2];
	char shorts[2 * OPTIONS_MAX + 8];
	int value, r;

	fill_getopt(verb, stop_early, longs, shorts);
	opterr = 0;
	optind = 0; /* start afresh, glibc's way */
	while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (value == OPT_HELP) {
			verb_help(verb);
			exit(0);
		}
		if (value == '?')
			return verb_usage_error(verb, "unknown option '%s'", argv[optind - 1]);
		if (value == ':')
			return verb_usage_error(verb, "option '%s' needs a value",
						argv[optind - 1]);
		r = set(option_of(verb, value), optarg, data);
		if (r)
			return r;
	}
	*ret_first = optind;
	return 0;
}

int verb_run_sub(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		verb_help(verb);
		return 0;
	}
	for (const struct verb *const *sub = verb->subs; argc > 1 && *sub; sub++)
		if (strcmp(sub_name(*sub), argv[1]) == 0)
			return (*sub)->run(cli, *sub, argc - 1, argv + 1);
	if (argc > 1)
		return verb_usage_error(verb, "found '%s', expected one of %s", argv[1],
					verb->arguments);
	return verb_usage_error(verb, "expected one of %s", verb->arguments);
}

void verb_for_each(void (*fn)(const struct verb *verb))
{
	for (const struct verb *const *verb = verbs; *verb; verb++) {
		fn(*verb);
		for (const struct verb *const *sub = (*verb)->subs; sub && *sub; sub++)
			fn(*sub);
	}
}
