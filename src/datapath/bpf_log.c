/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/cleanup.h"

#define TEXT_MAX 400

static char first[TEXT_MAX];
static char verdict[TEXT_MAX];
static char joined[2 * TEXT_MAX + 16];

static void keep(char out[TEXT_MAX], const char *text, size_t length)
{
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
		length--;
	snprintf(out, TEXT_MAX, "%.*s", (int)length, text);
}

/* The verifier's reason stands right before "processed N insns ...". */
static void keep_verdict(const char *log)
{
	const char *end = strstr(log, "\nprocessed ");
	const char *begin = end;

	if (!end)
		return;
	while (begin > log && begin[-1] != '\n')
		begin--;
	keep(verdict, begin, (size_t)(end - begin));
}

static int collect(enum libbpf_print_level level, const char *fmt, va_list args)
{
	_cleanup_free_ char *text = NULL;

	if (level != LIBBPF_WARN || vasprintf(&text, fmt, args) < 0)
		return 0;
	if (strstr(text, "BEGIN PROG LOAD LOG"))
		keep_verdict(text);
	else if (first[0] == '\0')
		keep(first, text, strlen(text));
	return 0;
}

void bpf_log_begin(void)
{
	first[0] = '\0';
	verdict[0] = '\0';
	libbpf_set_print(collect);
}

const char *bpf_log_text(void)
{
	const char *plain = strncmp(first, "libbpf: ", 8) == 0 ? first + 8 : first;

	if (verdict[0] == '\0')
		return plain;
	snprintf(joined, sizeof(joined), "%s: %s", plain, verdict);
	return joined;
}
